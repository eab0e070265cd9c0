"""What an encoder of two towers is, as saved data: how texts are read, how picture and text are added. Not its weights.

A dual encoder has a network for texts and one for pictures that were trained to meet in one space. Nothing taught it to
read both together: a composed content is the weighted sum of the two vectors (umr.fusion), with a weight that is part
of the encoder's identity.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from umr.encoders.config import (
    DUAL,
    SENTENCES,
    EncoderConfig,
    check_choices,
    check_texts,
    check_truths,
    check_whole,
    read_config,
    read_fields,
)
from umr.encoders.sentence_config import SentenceConfig
from umr.encoders.summed_config import SummedConfig
from umr.errors import ConfigError
from umr.shipped import CONFIG_NAME

Padding = Literal["longest", "full"]


@dataclass(frozen=True, kw_only=True)
class DualConfig(SummedConfig):
    """The identity of a dual encoder.

    Attributes:
        kind: "dual", which tells its encoder.json from that of an encoder with one network.
        backbone: a key of umr.encoders.duals.DUALS.
        max_tokens: those that begin and end a text included.
        padding: rows of tokens are filled up to the "longest" of a batch, or to max_tokens ("full").
        pad_token: fills them up.
        lower: texts become lower case before they are tokenised.
        strip_punctuation: texts lose ASCII punctuation, and spaces become single ones.
        image_size: side of the square that the network sees, px, or, of a backbone that keeps shapes, of one with as
            many pixels as a picture has at most; the preprocessor beside the weights makes pictures so.
    """

    backbone: str
    image_size: int
    pad_token: str
    padding: Padding
    kind: Literal["dual"] = "dual"
    lower: bool = False
    strip_punctuation: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, ("dim", "max_tokens", "image_size", "max_pixels", "max_frames"))
        check_texts(self, filled=("name", "backbone", "pad_token"), any_text=("revision",))
        check_truths(self, ("lower", "strip_punctuation"))
        check_choices(self, {"kind": (DUAL,), "padding": get_args(Padding)})


#: What encoder.json can hold.
AnyConfig = EncoderConfig | DualConfig | SentenceConfig


def read_settings(folder: str | Path) -> AnyConfig:
    """Read encoder.json, of whichever kind.

    Raises:
        ConfigError: it is absent, not JSON, or has unknown or illegal fields.
    """
    data = read_fields(folder)
    kinds: dict[object, type[DualConfig | SentenceConfig]] = {DUAL: DualConfig, SENTENCES: SentenceConfig}
    kind = kinds.get(data.get("kind"))
    if kind is None:
        return read_config(folder)
    known, path = {one.name: one for one in fields(kind)}, Path(folder) / CONFIG_NAME
    unknown, absent = sorted(set(data) - set(known)), sorted(set(known) - set(data))
    if unknown:
        raise ConfigError(f"{path}: unknown fields {unknown}")
    if absent:
        raise ConfigError(f"{path}: the field {absent[0]} is missing")
    return kind(**data)
