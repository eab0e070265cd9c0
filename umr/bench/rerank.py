"""Candidates per second of the re-ranker, beside a yes or no that transformers generates on the same weights.

The other way is U-MARVEL's: every pair as a whole prompt, one token generated, the query never shared. It gets the same
batches, one token instead of the 128 of that release, and no text around the pair, so that only the way differs; the
answers of both must agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import Qwen2VLForConditionalGeneration

from umr.collection import Collection
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.encoders.qwen_vl_pixels import patches
from umr.encoders.templates import media_kind
from umr.errors import ConfigError
from umr.eval.judged import Judged
from umr.rerank import load_reranker
from umr.rerank.reranker import Reranker
from umr.rerank.seen import SeenMedia
from umr.rerank.store import begin_reranker
from umr.shipped import BUNDLED, DEFAULT_ENCODER, default_root, find_encoder, find_reranker
from umr.types import Candidate, Content, Query

BATCH = 64


class Generating:
    """P(yes) by transformers' generate, with the weights of a re-ranker.

    Raises:
        ConfigError: its backbone is none that can be generated with.
    """

    def __init__(self, reranker: Reranker) -> None:
        backbone = reranker.network.backbone
        if not isinstance(backbone, QwenVLBackbone):
            raise ConfigError(f"the backbone {reranker.config.network.backbone} has no class that generates")
        self.reranker, self.backbone = reranker, backbone
        with torch.device("meta"):
            self.model = Qwen2VLForConditionalGeneration(backbone.model.config)
        self.model.model = backbone.model
        self.model.lm_head.weight = backbone.model.language_model.embed_tokens.weight
        self.model.eval()

    @torch.inference_mode()
    def scores(self, query: Query, candidates: Sequence[Candidate], batch_size: int = BATCH) -> np.ndarray:
        """P(yes) of each candidate, (B,) float32."""
        found = [self._scores(query, candidates[at : at + batch_size]) for at in range(0, len(candidates), batch_size)]
        return np.concatenate(found)

    def _scores(self, query: Query, candidates: Sequence[Candidate]) -> np.ndarray:
        network = self.reranker.network
        asked = network.tokenise(query.content.text, network.instruction(query), "query", media_kind(query.content))
        rows = [self._ids(one.content) for one in candidates]
        width = len(asked) + max(map(len, rows))
        ids = torch.full((len(rows), width), int(asked.ids[0]))
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            whole = torch.from_numpy(np.concatenate([asked.ids, row]))
            ids[place, width - len(whole) :], mask[place, width - len(whole) :] = whole, 1
        media = self._media([content for one in candidates for content in (query.content, one.content)])
        config = self.backbone.model.config
        kinds = torch.zeros_like(ids)
        for kind, token in ((1, config.image_token_id), (2, config.video_token_id)):
            kinds[(ids == token) & (mask == 1)] = kind
        inputs = {"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": kinds, **media}
        said: Any = self.model.generate(
            **{name: value.to(self.reranker.device) for name, value in inputs.items()},
            max_new_tokens=1,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
            pad_token_id=0,
        )
        words = (self.reranker.config.yes, self.reranker.config.no)
        columns = [network.tokenizer.token_to_id(word) for word in words]
        answers: np.ndarray = said.logits[0][:, columns].float().softmax(1)[:, 0].cpu().numpy()
        return answers

    def _ids(self, content: Content) -> np.ndarray:
        return self.reranker.network.tokenise(content.text, "", "candidate", media_kind(content)).ids

    def _media(self, contents: Sequence[Content]) -> dict[str, torch.Tensor]:
        """Pixels of every picture and clip, as often as it is shown."""
        found: dict[str, list[torch.Tensor]] = {}
        for content in contents:
            pixels = self.reranker.network.pixels(content)
            if pixels is None:
                continue
            backbone, video = self.backbone, content.video is not None
            rows = patches(torch.from_numpy(pixels)[None], backbone.patch, backbone.merge, backbone.temporal)
            side = backbone.size // backbone.patch
            grid = torch.tensor([[max(1, -(-len(pixels) // backbone.temporal)), side, side]])
            found.setdefault("pixel_values_videos" if video else "pixel_values", []).append(rows.flatten(0, 1))
            found.setdefault("video_grid_thw" if video else "image_grid_thw", []).append(grid)
        return {name: torch.cat(parts) for name, parts in found.items()}


def bench_rerank(judged: Judged, name: str = "", depth: int = 50, repeat: int = 5) -> list[dict[str, Any]]:
    """Both ways over the same pairs of the bundled benchmark, in turns.

    Args:
        judged: whose queries are asked.
        name: of a re-ranker, or of an encoder, whose weights a re-ranker would start from; "" for the shipped ones.
        depth: candidates of a query.
        repeat: queries timed; one more goes before them.

    Raises:
        ConfigError: there is no such re-ranker or encoder, or a number is below 1.
    """
    reranker, weights = _named(name)
    collection = Collection.open(default_root() / "media" / BUNDLED)
    pool = collection.pool(judged.queries[0].target_modality)
    found = [one for one in collection if pool is None or one.candidate_id in pool]
    return compare(reranker, judged.queries, found, depth, repeat, weights)


def compare(
    reranker: Reranker, queries: Sequence[Query], pool: Sequence[Candidate], depth: int, repeat: int, weights: str
) -> list[dict[str, Any]]:
    """One row for each way: candidates per second, how much faster than generating, largest difference of P(yes).

    Raises:
        ConfigError: depth or repeat is below 1.
    """
    if depth < 1 or repeat < 1:
        raise ConfigError(f"depth is {depth} and repeat {repeat}; at least 1 of both is needed")
    rng = np.random.default_rng(0)
    generating, seen = Generating(reranker), SeenMedia(reranker.network)
    seconds = {"generate": 0.0, "reranker": 0.0, "reranker, media seen before": 0.0}
    pairs, worst = 0, 0.0
    for turn in range(repeat + 1):
        query = queries[turn % len(queries)]
        candidates = [pool[int(n)] for n in rng.choice(len(pool), min(depth, len(pool)), replace=False)]
        ways: dict[str, Callable[[], np.ndarray]] = {
            "generate": lambda q=query, c=candidates: generating.scores(q, c),  # type: ignore[misc]
            "reranker": lambda q=query, c=candidates: reranker.scores(q, c, BATCH),  # type: ignore[misc]
            "reranker, media seen before": lambda q=query, c=candidates: reranker.scores(q, c, BATCH, seen),  # type: ignore[misc]
        }
        reranker.scores(query, candidates, BATCH, seen)
        answers = {}
        for way, scores in ways.items():
            start = time.perf_counter()
            answers[way] = scores()
            seconds[way] += time.perf_counter() - start if turn else 0.0  # the first turn warms up
        pairs += len(candidates) if turn else 0
        worst = max(worst, *(float(np.abs(one - answers["generate"]).max()) for one in answers.values()))
    return [
        {
            "way": way,
            "candidates_per_s": round(pairs / spent, 1),
            "ratio": round(seconds["generate"] / spent, 2),
            "pairs": pairs,
            "largest_difference": round(worst, 6),
            "weights": weights,
        }
        for way, spent in seconds.items()
    ]


def _named(name: str) -> tuple[Reranker, str]:
    """The re-ranker of a name, else what one would start from: the weights do not matter for the speed."""
    try:
        made = load_reranker(find_reranker(name))
    except ConfigError:
        made = begin_reranker(find_encoder(name or DEFAULT_ENCODER), "not trained")
        return made.eval(), f"of the encoder {name or DEFAULT_ENCODER}, not trained to re-rank"
    return made, made.name
