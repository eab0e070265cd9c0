"""How fast an encoder is beside others with its very weights: sentence-transformers, and a plain loop of transformers.

    python -m umr.bench peers [--encoder NAME] [--items 192] [--runs 5] [--dtype float32] [--threads 1] [--only PEER]...

All compute in one process, in turns, from what lies in memory (pictures at the size that the encoder sees), in the same
dtype; their vectors must be equal. sentence-transformers and torchvision are optional. Not how good the vectors are,
and not how fast files are decoded and indexed (`python -m umr.bench indexing`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from umr import media
from umr.bench.rows import printed
from umr.bench.turns import in_turns, medians
from umr.collection import Collection
from umr.encoders import load_encoder
from umr.encoders.base import UnifiedEncoder
from umr.errors import ConfigError, MismatchError
from umr.shipped import BUNDLED, default_root, find_encoder
from umr.types import Candidate, Content

BATCH = 32  # rows of the peers' batches, the default of sentence-transformers
ITEMS, RUNS = 192, 5
FEWEST_TOKENS, MOST_TOKENS = 2, 150
#: The least cosine of two vectors of one item. Halves are rounded at other places in every program.
EQUAL = {"float32": 0.9999, "bfloat16": 0.99}
PEERS = ("sentence-transformers", "plain loop")

Way = Callable[[Sequence[Content]], np.ndarray]


def mixes(encoder: UnifiedEncoder, collection: Collection, count: int) -> dict[str, list[Content]]:
    """What is encoded, by name: the collection's own mixture without clips, texts of all lengths, and pictures.

    Raises:
        ConfigError: there are not so many candidates of a kind.
    """
    own = [one.content for one in collection if one.content.video is None]
    pictures = [content for content in own if content.modality == "image"]
    words = " ".join(content.text for content in own if content.text)
    if count < 1 or count > min(len(own), len(pictures)):
        raise ConfigError(f"{count} items were asked for; 1 to {min(len(own), len(pictures))} can be had")
    spread = np.linspace(FEWEST_TOKENS, MOST_TOKENS, count).astype(int)
    lengths = np.random.default_rng(0).permutation(spread).tolist()
    return {
        "catalogue": [_in_memory(encoder, one) for one in _strided(own, count)],
        f"texts of {FEWEST_TOKENS} to {MOST_TOKENS} tokens": _texts(encoder, words, lengths),
        "pictures": [_in_memory(encoder, one) for one in _strided(pictures, count)],
    }


def _strided(found: Sequence[Content], count: int) -> list[Content]:
    return [found[at * len(found) // count] for at in range(count)]


def _in_memory(encoder: UnifiedEncoder, content: Content) -> Content:
    if content.image is None:
        return content
    square = media.letterbox(media.open_image(content.image), encoder.config.image_size)
    return replace(content, image=Image.fromarray(square))


def _texts(encoder: UnifiedEncoder, words: str, lengths: Sequence[int]) -> list[Content]:
    """Pieces of a text, one after another, of so many tokens each (before their first word counts as a first one)."""
    made, start = [], 0
    for length in lengths:
        if len(words) - start < 20 * length:
            start = 0
        piece = words[start : start + 20 * length]
        ends = encoder.tokenizer.encode(piece, add_special_tokens=False).offsets
        text = piece[: ends[min(length, len(ends)) - 1][1]]
        made.append(Content(text=text.strip() or "a"))
        start += len(text)
    return made


def own_way(encoder: UnifiedEncoder) -> Way:
    """As umr encodes."""

    def encoded(contents: Sequence[Content]) -> np.ndarray:
        rows = [Candidate(candidate_id=str(at), content=content) for at, content in enumerate(contents)]
        return encoder.encode_candidates(rows).vectors

    return encoded


def plain_way(folder: Path, dtype: str) -> Way:
    """As a script encodes: batches in the given order, padded to the longest row, transformers' own network."""
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModel.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    tokenizer, processor = AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)
    tokenizer.padding_side = "right"
    pad = "<|image_pad|>"
    pad_id = tokenizer.convert_tokens_to_ids(pad)

    @torch.inference_mode()
    def encoded(contents: Sequence[Content]) -> np.ndarray:
        found = []
        for start in range(0, len(contents), BATCH):
            batch = contents[start : start + BATCH]
            pictures = [one.image for one in batch if one.image is not None]
            seen = dict(processor(pictures, return_tensors="pt")) if pictures else {}
            cells = [int(t * h * w) // processor.merge_size**2 for t, h, w in seen.get("image_grid_thw", [])]
            counts = iter(cells)
            texts = [str(tokenizer.apply_chat_template(_message(one), tokenize=False)) for one in batch]
            texts = [text.replace(pad, pad * next(counts)) if pad in text else text for text in texts]
            rows = tokenizer(texts, padding=True, return_tensors="pt")
            kinds = (rows["input_ids"] == pad_id).int()
            states = model(**rows, **seen, mm_token_type_ids=kinds).last_hidden_state.float()
            real = rows["attention_mask"][..., None]
            found.append(F.normalize((states * real).sum(1) / real.sum(1), dim=-1).numpy())
        return np.concatenate(found)

    return encoded


def _message(content: Content) -> list[dict[str, Any]]:
    parts = [{"type": "image"}] if content.image is not None else []
    return [{"role": "user", "content": [*parts, {"type": "text", "text": content.text or ""}]}]


def sentence_transformers_way(folder: Path, dtype: str) -> Way:
    """As sentence-transformers encodes: sorted by length, in batches.

    Raises:
        ConfigError: it is not installed, or not with a torchvision of this torch.
    """
    try:
        import torchvision  # noqa: F401
        from sentence_transformers import SentenceTransformer
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            f"sentence-transformers cannot be used ({error}); pip install 'sentence-transformers>=6' and the "
            "torchvision of this torch, or give --only 'plain loop'"
        ) from error
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": dtype})

    def encoded(contents: Sequence[Content]) -> np.ndarray:
        asked = [
            one.text if one.image is None else {"image": one.image} | ({"text": one.text} if one.text else {})
            for one in contents
        ]
        return np.asarray(model.encode_document(asked, batch_size=BATCH), np.float32)

    return encoded


def bench_peers(
    ways: dict[str, Way], contents: dict[str, list[Content]], runs: int, least: float
) -> list[dict[str, Any]]:
    """Encode every mixture in every way, in turns.

    Args:
        ways: by name; the first is what the others are compared with.
        contents: mixtures by name.
        runs: of each, after one that is not counted.
        least: the cosine that two vectors of one item must have.

    Returns:
        A row for each mixture and way: median seconds and processor seconds, items a second, the least cosine with the
        first way, and "times", what the way takes of what the first one takes, run by run.

    Raises:
        ConfigError: runs is below 1.
        MismatchError: two ways give other vectors.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs: give at least 1")
    rows = []
    first = next(iter(ways))
    for mix, items in contents.items():
        cosines = _alike(mix, ways, items, least)
        took = in_turns({name: partial(way, items) for name, way in ways.items()}, runs)
        for name, spent in took.items():
            middle, times = medians(spent, took[first])
            row = {"mix": mix, "way": name, "items": len(items)} | {
                key: round(s, 3) for key, s in middle._asdict().items()
            }
            rows.append(row | {"per_second": round(len(items) / middle.s, 1), "cosine": cosines[name], "times": times})
    return rows


def _alike(mix: str, ways: dict[str, Way], items: Sequence[Content], least: float) -> dict[str, float]:
    """The least cosine of each way's vectors with those of the first."""
    made = {name: way(items) for name, way in ways.items()}
    first = next(iter(made.values()))
    cosines = {name: round(float((vectors * first).sum(1).min()), 6) for name, vectors in made.items()}
    if (worst := min(cosines, key=lambda name: cosines[name])) and cosines[worst] < least:
        raise MismatchError(
            f"{worst} gives other vectors of {mix} (cosine {cosines[worst]:.4f}, at least {least} is asked for); the "
            "bench is of no use then"
        )
    return cosines


def parser_of(command: str, description: str | None) -> argparse.ArgumentParser:
    """Of a command that times ways of encoding: the encoder, and how much of what is done."""
    parser = argparse.ArgumentParser(prog=f"python -m umr.bench {command}", description=description)
    parser.add_argument("--encoder", default="unified", help="a shipped encoder or a folder (default: unified)")
    parser.add_argument("--items", type=int, default=ITEMS, help=f"of each mixture (default: {ITEMS})")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each way (default: {RUNS})")
    parser.add_argument("--dtype", default="float32", choices=EQUAL, help="what all compute in (default: float32)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    return parser


def main(arguments: list[str]) -> int:
    """The command. Returns its exit status."""
    parser = parser_of("peers", __doc__)
    parser.add_argument("--only", action="append", choices=PEERS, help="a peer, may be repeated (default: both)")
    options = parser.parse_args(arguments)

    def measured() -> list[dict[str, Any]]:
        torch.set_num_threads(max(1, options.threads))
        folder = Path(find_encoder(options.encoder))
        encoder = load_encoder(folder, options.dtype, "cpu")
        if not isinstance(encoder, UnifiedEncoder) or encoder.cell is not None:
            raise ConfigError(f"{options.encoder} is no encoder of one network that sees squares; give one that is")
        makers = {PEERS[0]: sentence_transformers_way, PEERS[1]: plain_way}
        ways = {"umr": own_way(encoder)} | {
            name: make(folder, options.dtype) for name, make in makers.items() if name in (options.only or PEERS)
        }
        collection = Collection.open(default_root() / "media" / BUNDLED)
        return bench_peers(ways, mixes(encoder, collection, options.items), options.runs, EQUAL[options.dtype])

    return printed(measured)
