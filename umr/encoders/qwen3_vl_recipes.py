"""How released Qwen3-VL checkpoints are asked, as their own code does. Not the network.

Sources: QwenLM/Qwen3-VL-Embedding, src/models (both files) and README.md (commit 8ce3aab); chaxjli/U-MARVEL,
collators/mbeir_eval.py, collators/qwen2_vision_process.py and models/qwen3_vl_finetune.py (commit 2f8afed).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

from umr.encoders.tokenizer import SpecialTokens
from umr.errors import ConfigError
from umr.media import MAX_PIXELS

#: Qwen3-VL's chat has no system turn of its own; otherwise as umr.encoders.qwen_vl_checkpoint.CHAT_QUERY.
CHAT = (
    "<|im_start|>user\n{media}{instruction} {text}<|im_end|>\n"
    "<|im_start|>assistant\n<emb>.<|im_end|>\n<|im_start|>assistant\n"
)

#: Qwen3-VL-Embedding's conversation: the task is the system turn, and the vector the state of the last token.
_EMBEDDER = (
    "<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{media}{text}<|im_end|>\n<|im_start|>assistant\n"
)

#: Clips of the embedder and the re-ranker: one frame a second of a file, of 128 to 768 cells, as qwen-vl-utils takes
#: them (0.0.14, smart_nframes and fetch_video), and of 7680 in all: their code limits frames in memory so, and fails at
#: a file from which more than 8192 tokens come.
_CLIPS = {"frame_rate": 1.0, "max_frames": 64, "clip_resize": (128 * 32 * 32, 768 * 32 * 32, 7680 * 32 * 32)}

RECIPES: Mapping[str, Mapping[str, Any]] = {
    # U-MARVEL's collators fit pictures to Qwen2-VL's cell of 28 px, and Qwen3-VL's preprocessor those to its 32; its
    # forward pass takes the last states of the vision tower alone.
    "umarvel": {
        "first_resize": (28, 4 * 28 * 28, 300 * 28 * 28),
        "resize_min_pixels": 1,
        "resize_max_pixels": MAX_PIXELS,
        "vision_depths": "last",
    },
    "qwen3-vl-embedding": {
        "query_template": _EMBEDDER,
        "candidate_template": _EMBEDDER,
        "prompting": "sentence",
        "default_instruction": "Represent the user's input.",
        "instruction": "Retrieve images or text relevant to the user's query.",
        "attention": "causal",
        "pooling": "last",
        "mask_instruction": False,
        "max_tokens": 8192,
        "resize_min_pixels": 4 * 32 * 32,
        "resize_max_pixels": 1800 * 32 * 32,
        **_CLIPS,
    },
}

#: Qwen3-VL-Reranker's conversation, cut where its second part begins: behind a line's end no word goes on.
RERANKERS: Mapping[str, Mapping[str, Any]] = {
    "qwen3-vl-reranker": {
        "query_template": "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query "
        'and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n<Instruct>: {instruction}<Query>:{media}{text}\n",
        "candidate_template": "<Document>:{media}{text}<|im_end|>\n<|im_start|>assistant\n",
        "prompting": "plain",
        "default_instruction": "Given a search query, retrieve relevant candidates that answer the query.",
        "attention": "causal",
        "pooling": "last",
        "mask_instruction": False,
        "max_tokens": 8192,
        "resize": "dynamic",
        "resize_min_pixels": 4 * 32 * 32,
        "resize_max_pixels": 1800 * 32 * 32,
        **_CLIPS,
        "yes": "yes",
        "no": "no",
    },
}


def appended(tokenizer: Tokenizer, special: SpecialTokens) -> tuple[str, str]:
    """The special tokens that the tokenizer's own post-processor puts before and behind every text.

    Args:
        tokenizer: of the checkpoint.
        special: what a template can name.

    Raises:
        ConfigError: it puts others.
    """
    plain, whole = (tokenizer.encode("a", add_special_tokens=added).tokens for added in (False, True))
    at = next((place for place in range(len(whole)) if whole[place : place + len(plain)] == plain), 0)
    before, after = whole[:at], whole[at + len(plain) :]
    foreign = sorted({*before, *after} - set(special.all))
    if foreign:
        raise ConfigError(f"the tokenizer adds {', '.join(foreign)} to every text; legal: {', '.join(special.own)}")
    return "".join(before), "".join(after)
