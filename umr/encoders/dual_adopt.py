"""A public checkpoint of a dual encoder made an encoder folder: checked, opened once, copied, sealed. Not changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from umr.disk import copied
from umr.encoders.checkpoint import AGAIN, Checkpoint, Fields
from umr.encoders.config import check_weight
from umr.encoders.dual import PREPROCESSORS, DualEncoder, Preprocessor
from umr.encoders.dual_config import DualConfig
from umr.encoders.duals import DUALS, towers_class
from umr.encoders.hub import never_changed
from umr.encoders.store import seal
from umr.encoders.tokenizer import save_tokenizer
from umr.encoders.towers import TOKENIZER_SETTINGS, Towers
from umr.errors import ConfigError, MismatchError, reason
from umr.types import Candidate, Content

OPENED = (40, 60)  # px of the picture that is embedded to see that the weights are whole


def is_dual(checkpoint: Checkpoint) -> bool:
    """Whether it is of a class with two towers that is known here."""
    found = checkpoint.model.get("model_type")
    return isinstance(found, str) and found in DUALS


def adopt_dual(
    checkpoint: Checkpoint, target: Path, name: str, revision: str, max_frames: int, text_weight: float
) -> DualConfig:
    """Write the encoder folder `target`; the weights are copied file by file, in their own dtype and shards.

    Args:
        checkpoint: of a class in DUALS.
        target: the folder to write, which does not exist.
        name: what the encoder is called.
        revision: where the weights come from.
        max_frames: frames taken from a clip.
        text_weight: of the text in a composition.

    Returns:
        The settings written.

    Raises:
        ConfigError: a part of the checkpoint is missing, or its parts do not belong together.
        MismatchError: it is damaged.
    """
    check_weight(text_weight)
    if checkpoint.model.get("quantization_config"):
        raise ConfigError(f"{checkpoint.source} is quantised; take the checkpoint in bfloat16, float16 or float32")
    kind = towers_class(checkpoint.model["model_type"])
    size = _check_fields(checkpoint, kind)
    reading, weights = kind.reading(checkpoint), checkpoint.weight_files()
    if not any(map(checkpoint.has, PREPROCESSORS)):
        checkpoint.read(PREPROCESSORS[-1])  # says that it is missing
    towers = kind.load(checkpoint.folder, torch.bfloat16)
    preprocessor = Preprocessor(checkpoint.folder, towers, size)
    config = DualConfig(
        name=name, backbone=checkpoint.model["model_type"], revision=revision, text_weight=text_weight, dim=towers.dim,
        max_tokens=reading.max_tokens, padding=reading.padding, pad_token=reading.pad_token, lower=reading.lower,
        strip_punctuation=reading.strip_punctuation, image_size=size, max_frames=max_frames,
    )  # fmt: skip
    encoder = DualEncoder(config, towers, reading.tokenizer, preprocessor).eval()
    _check_tokens(checkpoint, encoder)
    _open_once(checkpoint, encoder)

    def write(draft: Path) -> None:
        for file in (*weights, "config.json", *filter(checkpoint.has, (*PREPROCESSORS, *TOKENIZER_SETTINGS))):
            path = checkpoint.folder / file
            copied(path, draft / file, shared=file in weights and never_changed(path, checkpoint.source))
        save_tokenizer(reading.tokenizer, draft)

    return seal(config, target, write)


def _check_fields(checkpoint: Checkpoint, kind: type[Towers]) -> int:
    """The side of the square that the network sees, px, once the settings are such as it can be made of.

    Raises:
        MismatchError: a field is damaged.
    """
    text, vision = (checkpoint.settings.part(name) for name in ("text_config", "vision_config"))
    for part in (text, vision):
        part.whole("num_attention_heads", 1)
    vision.whole("patch_size", 1)
    pixels = [checkpoint.fields(name) for name in filter(checkpoint.has, PREPROCESSORS)]
    for fields in (*pixels, *(whole.part("image_processor") for whole in pixels)):
        for key in ("image_mean", "image_std"):
            fields.colours(key)
    first = pixels[0] if pixels else Fields("", {})  # that transformers reads
    part = first.part("image_processor")
    return kind.side(vision, part if part.values else first)


def _open_once(checkpoint: Checkpoint, encoder: DualEncoder) -> None:
    """Embed a text and a picture, or raise MismatchError where settings or weights give no vector."""
    encoder.encode_candidates([Candidate(candidate_id="opened", content=Content(text="a red mug"))])
    grey = np.full((*OPENED, 3), 127, np.uint8)
    try:
        encoder.encode_candidates([Candidate(candidate_id="opened", content=Content(image=grey))])
    except (ValueError, TypeError, ArithmeticError, MemoryError) as error:  # its image processor checks little
        names = " and ".join(filter(checkpoint.has, PREPROCESSORS))
        raise MismatchError(
            f"{names} of {checkpoint.source} cannot prepare a picture ({reason(error)}); {AGAIN}"
        ) from error


def _check_tokens(checkpoint: Checkpoint, encoder: DualEncoder) -> None:
    """Raise ConfigError for a tokenizer that has more tokens than the network has rows for them."""
    needed = max(encoder.tokenizer.get_vocab().values()) + 1
    rows = encoder.towers.model.config.text_config.vocab_size
    if needed > rows:
        raise ConfigError(
            f"{checkpoint.source}: the tokenizer has {needed} tokens, the network knows {rows}; they belong to "
            "different checkpoints"
        )
