"""LamRA's and U-MARVEL's re-rankers in small, and what their evaluation makes of a pair. Nothing of umr's forward.

A pair is one chat, written by the chat template, and generated from: eval/eval_mbeir_rerank_pointwise.py,
dataset/datasets_mbeir_eval_rerank.py and collators/eval_rerank.py of both repositories.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil

from tests.encoders.published import CLASSES, Reference, publish
from tests.encoders.published_qwen3 import CLIP_FPS, Qwen3Reference, collated, publish3
from tests.encoders.test_published import formatted, media
from umr.types import Content

#: A string that goes on over a line's end, with the next line's indentation; of LamRA's branch for Qwen2.5-VL, in one.
ASKED = "I will provide you with a query and a candidate. Please evaluate whether the candidate\
                        meets the requirements of the query. If it does, respond with 'Yes'; if it doesn't, responed with 'No'."  # noqa: E501
ASKED_2_5 = ASKED.replace(" " * 24, " ")


def publish_reranker(folder: Path, family: str, tied: bool = True, penalty: float | None = None) -> Path:
    """Write a checkpoint of a key of CLASSES; penalty: what its generation_config.json asks for; None: it has none."""
    if family == "qwen3_vl":
        publish3(folder, words=("Yes", "No"))
    else:
        publish(folder, family, words=("Yes", "No"))
    if not tied:
        model = CLASSES[family][1].from_pretrained(folder)
        for config in (model.config, model.config.text_config):
            config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(torch.randn(model.lm_head.weight.shape) / 10)
        model.save_pretrained(folder)
    settings = folder / "generation_config.json"
    if penalty is None:
        settings.unlink(missing_ok=True)
    else:
        settings.write_text(json.dumps({"do_sample": True, "top_k": 1, "repetition_penalty": penalty}))
    return folder


class PairReference:
    """A checkpoint as the evaluation of LamRA and U-MARVEL asks it."""

    pixels = Reference.pixels

    def __init__(self, folder: Path, family: str) -> None:
        self.family, kind = family, CLASSES[family][1]
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = kind.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
        self.by_slices = Qwen3Reference._expanded  # times before the slices of a clip

    def score(self, instruction: str, query: Content, candidate: Content) -> float:
        """The share of "Yes" against "No" among the scores of the first token that is generated."""
        inputs = self.inputs(self.prompt(instruction, query, candidate), [query, candidate])
        with torch.inference_mode():
            made = self.model.generate(
                **inputs, attention_mask=torch.ones_like(inputs["input_ids"]), max_new_tokens=1, do_sample=False,
                output_scores=True, return_dict_in_generate=True,
            )  # fmt: skip
        yes, no = (made.scores[0][0, self.tokenizer(word)["input_ids"][0]] for word in ("Yes", "No"))
        return float(torch.stack([yes, no]).softmax(0)[0])

    def prompt(self, instruction: str, query: Content, candidate: Content) -> str:
        """The pair as one user's turn."""
        asked = f"{formatted(instruction)} {query.text or ''}" if instruction else query.text or ""
        content: list[dict[str, Any]] = [{"type": "text", "text": ASKED_2_5 if self.family == "qwen2_5_vl" else ASKED}]
        for name, one, words in (("Query:", query, asked), ("Candidate:", candidate, candidate.text or "")):
            content += [{"type": "text", "text": name}, *({"type": kind} for kind in media(one))]
            content += [{"type": "text", "text": formatted(words)}] if formatted(words) else []
        messages = [{"role": "user", "content": content}]
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def inputs(self, prompt: str, shown: list[Content]) -> dict[str, Any]:
        """What the processor gives of a prompt and of what it shows, in its order."""
        given: dict[str, list[torch.Tensor]] = {}
        for kind, one in ((kind, one) for content in shown for kind, one in media(content).items()):
            frames = [collated(frame) for frame in ([one] if kind == "image" else one)]
            pixels, grid = self.pixels(frames, clip=kind == "video")
            given.setdefault("pixel_values_videos" if kind == "video" else "pixel_values", []).append(pixels)
            given.setdefault(f"{kind}_grid_thw", []).append(grid)
            if self.family == "qwen3_vl":
                prompt = self.by_slices(None, prompt, kind, grid, (range(len(frames)), CLIP_FPS))
            else:
                placed = f"<|placed_{kind}|>" * (int(grid.prod()) // self.processor.merge_size**2)
                prompt = prompt.replace(f"<|{kind}_pad|>", placed, 1)
        prompt = prompt.replace("<|placed_image|>", "<|image_pad|>").replace("<|placed_video|>", "<|video_pad|>")
        ids = torch.tensor([self.tokenizer(prompt)["input_ids"]])
        pads = [self.tokenizer.convert_tokens_to_ids(f"<|{kind}_pad|>") for kind in ("image", "video")]
        types = (ids == pads[0]).int() + 2 * (ids == pads[1]).int()
        return {"input_ids": ids, "mm_token_type_ids": types} | {key: torch.cat(value) for key, value in given.items()}
