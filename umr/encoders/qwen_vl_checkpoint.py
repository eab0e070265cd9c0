"""Which public Qwen2-VL checkpoints umr computes as their own code does, how they are prompted. Not their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from umr.encoders.checkpoint import Checkpoint
from umr.encoders.config import COMPACT_QUERY, EncoderConfig
from umr.encoders.qwen_vl_pixels import Colours
from umr.errors import ConfigError, MismatchError

IMAGE_PAD, VIDEO_PAD = "<|image_pad|>", "<|video_pad|>"

#: As the released U-MARVEL checkpoints are asked (paper section 3; its evaluation collators): Qwen's chat with `<emb>`.
CHAT_QUERY = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n{media}{instruction} {text}<|im_end|>\n"
    "<|im_start|>assistant\n<emb>.<|im_end|>\n<|im_start|>assistant\n"
)
CHAT_CANDIDATE = CHAT_QUERY.replace("{instruction} ", "")

_ATTENTION = (None, "eager", "sdpa")  # what computes the same numbers as umr.encoders.qwen_vl_attention


def adopted(
    checkpoint: Checkpoint, tokenizer: Tokenizer, config: EncoderConfig, chat: str, colours: Colours
) -> EncoderConfig:
    """`config` with the checkpoint's length of a vector and U-MARVEL's chat templates (see Backbone.adopted).

    Templates of a recipe's own stay. Pictures that keep their shape are seen within the limits of its preprocessor, and
    within those of `config`.

    Args:
        checkpoint: which is checked.
        tokenizer: of it.
        config: the settings that were asked for.
        chat: the query's template of this class.
        colours: what its tower takes for zero and one.
    """
    check(checkpoint, tokenizer)
    config = replace(within(checkpoint, config, colours), dim=size_of(checkpoint, "hidden_size"))
    if config.query_template != COMPACT_QUERY:
        return config
    joined = config.text_format == "mbeir"  # the space behind the instruction is then a part of the text
    return replace(
        config,
        query_template=chat.replace("{instruction} ", "{instruction}") if joined else chat,
        candidate_template=chat.replace("{instruction} ", ""),
    )


def check(checkpoint: Checkpoint, tokenizer: Tokenizer) -> None:
    """Raise ConfigError for a checkpoint that umr would not compute rightly, MismatchError for a damaged one."""
    _check_model(checkpoint)
    _check_tokens(checkpoint, tokenizer)


def _parts(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The config and those inside it; old checkpoints keep the text's numbers at the top."""
    return [model, *(part for part in (model.get("text_config"), model.get("vision_config")) if isinstance(part, dict))]


def size_of(checkpoint: Checkpoint, key: str) -> int:
    """A number of the language model's settings, which old checkpoints keep at the top."""
    text = checkpoint.model.get("text_config") or checkpoint.model
    found = text.get(key) if isinstance(text, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise MismatchError(f"config.json of {checkpoint.source} names no {key}; copy the checkpoint again")
    return found


def _check_model(checkpoint: Checkpoint) -> None:
    """Weights as they were trained, and an attention that looks at every token."""
    source = checkpoint.source
    if checkpoint.model.get("quantization_config"):
        raise ConfigError(f"{source} is quantised; take the checkpoint in bfloat16, float16 or float32")
    for part in _parts(checkpoint.model):
        for key in ("attn_implementation", "_attn_implementation"):
            if part.get(key) not in _ATTENTION:
                raise ConfigError(
                    f"config.json of {source} asks for the attention {part[key]!r}; legal: eager, sdpa, or none named. "
                    "Remove the line: umr attends in both directions by matrix products of its own"
                )
        if part.get("use_sliding_window"):
            raise ConfigError(f"{source} attends in a sliding window, which umr does not; take another checkpoint")


def _check_tokens(checkpoint: Checkpoint, tokenizer: Tokenizer) -> None:
    """The tokenizer is this checkpoint's, and U-MARVEL's three tokens have rows among its embeddings."""
    source, model = checkpoint.source, checkpoint.model
    for key, token in (("image_token_id", IMAGE_PAD), ("video_token_id", VIDEO_PAD)):
        if key in model and model[key] != tokenizer.token_to_id(token):
            raise ConfigError(
                f"{source}: {token} is {tokenizer.token_to_id(token)} in the tokenizer, {model[key]} in config.json; "
                "they belong to different checkpoints"
            )
    needed, rows = max(tokenizer.get_vocab().values()) + 1, size_of(checkpoint, "vocab_size")
    if needed > rows:
        raise ConfigError(
            f"{source} has embeddings of {rows} tokens, {needed} are needed with <emb>, <instruction_start> and "
            "<instruction_end>; enlarge them with resize_token_embeddings"
        )


def within(checkpoint: Checkpoint, config: EncoderConfig, colours: Colours) -> EncoderConfig:
    """`config` with pictures of a size that the preprocessor allows, which does what umr does to pixels."""
    source, whole = checkpoint.source, "processor_config.json"
    found = checkpoint.fields(whole).part("image_processor") if checkpoint.has(whole) else None
    if found is None or not found.values:
        found = checkpoint.fields("preprocessor_config.json")
    vision = checkpoint.settings.part("vision_config")
    sizes = {
        "patch_size": vision.whole("patch_size", vision.whole("spatial_patch_size", 14)),
        "merge_size": vision.whole("spatial_merge_size", 2),
        "temporal_patch_size": vision.whole("temporal_patch_size", 2),
    }
    given: dict[str, tuple[Any, Any]] = {key: (found.whole(key, size), size) for key, size in sizes.items()}
    for key, colour in (("image_mean", colours.mean), ("image_std", colours.std)):
        given[key] = found.colours(key) or colour, colour
    for key, (its, ours) in given.items():
        if not np.allclose(its, ours, atol=1e-6):
            raise ConfigError(f"the preprocessor of {source} has {key} {found.values[key]}; umr computes with {ours}")
    size = found.part("size")
    low = found.count("min_pixels") or size.count("min_pixels", "shortest_edge") or 0
    high = found.count("max_pixels") or size.count("max_pixels", "longest_edge") or config.image_size**2
    if config.resize == "dynamic":
        least, most = max(low, config.resize_min_pixels), min(high, config.resize_max_pixels)
        if least > most:
            raise ConfigError(
                f"at most {most} pixels were asked for; the preprocessor of {source} allows {low} to {high}"
            )
        return replace(config, resize_min_pixels=least, resize_max_pixels=most)
    pixels = config.image_size**2
    if not low <= pixels <= high:
        meant = f"the image size {config.image_size} means {pixels} pixels"
        raise ConfigError(f"{meant}; the preprocessor of {source} allows {low} to {high}")
    return config
