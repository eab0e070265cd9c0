"""What an encoder of two towers is, as saved data: how texts are read, how picture and text are added. Not its weights.

A dual encoder has a network for texts and one for pictures that were trained to meet in one space. Nothing taught it to
read both together: a composed content is the weighted sum of the two vectors (umr.fusion), with a weight that is part
of the encoder's identity.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from umr.encoders.config import (
    DUAL,
    FORMAT,
    SENTENCES,
    EncoderConfig,
    check_choices,
    check_tables,
    check_texts,
    check_truths,
    check_weight,
    check_whole,
    read_config,
    read_fields,
)
from umr.encoders.sentence_config import SentenceConfig
from umr.errors import ConfigError
from umr.fusion import EVEN
from umr.media import MAX_PIXELS
from umr.shipped import CONFIG_NAME

Padding = Literal["longest", "full"]


@dataclass(frozen=True, kw_only=True)
class DualConfig:
    """The identity of a dual encoder: equal settings (file hashes included) give equal vectors.

    Attributes:
        name: what people call it.
        kind: "dual", which tells its encoder.json from that of an encoder with one network.
        backbone: a key of umr.encoders.duals.DUALS.
        revision: where the weights come from.
        text_weight: of the text in a composition, from 0 (the picture alone) to 1 (the text alone).
        dim: length of a vector.
        max_tokens: a text is cut after so many tokens, those that begin and end it included.
        padding: rows of tokens are filled up to the "longest" of a batch, or to max_tokens ("full").
        pad_token: fills them up.
        lower: texts become lower case before they are tokenised.
        strip_punctuation: texts lose ASCII punctuation, and spaces become single ones.
        image_size: side of the square that the network sees, px; the preprocessor beside the weights makes it.
        max_pixels: larger pictures are refused.
        max_frames: frames taken from a clip, whose vector is the mean of theirs.
        files: {name in the folder: sha256}, set by sealing.
    """

    name: str
    backbone: str
    dim: int
    max_tokens: int
    image_size: int
    pad_token: str
    padding: Padding
    kind: Literal["dual"] = "dual"
    revision: str = ""
    text_weight: float = EVEN
    lower: bool = False
    strip_punctuation: bool = False
    max_pixels: int = MAX_PIXELS
    max_frames: int = 8
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_weight(self.text_weight)
        object.__setattr__(self, "text_weight", float(self.text_weight))  # 1 and 1.0 are one weight
        check_whole(self, ("dim", "max_tokens", "image_size", "max_pixels", "max_frames"))
        check_texts(self, filled=("name", "backbone", "pad_token"), any_text=("revision",))
        check_truths(self, ("lower", "strip_punctuation"))
        check_choices(self, {"kind": (DUAL,), "padding": get_args(Padding)})
        check_tables(self, ("files",))

    @property
    def composition(self) -> str:
        """How picture and text become one vector, in words."""
        return f"vector sum, weight {self.text_weight:g} of the text: no composition trained"

    def written(self) -> dict[str, Any]:
        """The fields that encoder.json holds."""
        return asdict(self)

    def fingerprint(self) -> str:
        """sha256 (hex) of one line of JSON with sorted keys; the weights enter through the hashes in `files`."""
        line = json.dumps({"format": FORMAT, **self.written()}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(line.encode()).hexdigest()

    def with_files(self, files: dict[str, str]) -> DualConfig:
        """The same encoder with these file hashes."""
        return replace(self, files=dict(files))


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
