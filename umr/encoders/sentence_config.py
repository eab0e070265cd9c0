"""What an encoder is that sentence-transformers computes, as saved data. Not its weights, nor how that package runs.

Its folder holds the model's own files; what is not in them stands here: how picture and text are composed, how many
frames of a clip are taken. A clip is the unit mean of its frames (CLIP4Clip, Luo et al., 2021, "mean pooling").
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from umr.encoders.config import (
    FORMAT,
    SENTENCES,
    check_choices,
    check_tables,
    check_texts,
    check_truths,
    check_weight,
    check_whole,
)
from umr.fusion import EVEN
from umr.media import MAX_PIXELS


@dataclass(frozen=True, kw_only=True)
class SentenceConfig:
    """The identity of such an encoder: equal settings (file hashes included) give equal vectors.

    Attributes:
        name: what people call it.
        kind: "sentence-transformers", which tells its encoder.json from others.
        backbone: the class of its first module's network, as config.json names it; "" where none does.
        revision: where the weights come from.
        dim: length of a vector.
        max_tokens: a text is cut after so many tokens.
        joint: picture and text go through the network together; False: their vectors are added.
        text_weight: of the text in such a sum, from 0 (the picture alone) to 1 (the text alone).
        reads_instruction: a task sentence becomes the system's turn of a chat; False: it is left out.
        max_pixels: larger pictures are refused.
        max_frames: frames taken from a clip.
        files: {name in the folder: sha256}, set by sealing.
    """

    name: str
    dim: int
    max_tokens: int
    joint: bool
    reads_instruction: bool
    kind: Literal["sentence-transformers"] = "sentence-transformers"
    backbone: str = ""
    revision: str = ""
    text_weight: float = EVEN
    max_pixels: int = MAX_PIXELS
    max_frames: int = 8
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_weight(self.text_weight)
        object.__setattr__(self, "text_weight", float(self.text_weight))  # 1 and 1.0 are one weight
        check_whole(self, ("dim", "max_tokens", "max_pixels", "max_frames"))
        check_texts(self, filled=("name",), any_text=("backbone", "revision"))
        check_truths(self, ("joint", "reads_instruction"))
        check_choices(self, {"kind": (SENTENCES,)})
        check_tables(self, ("files",))

    @property
    def composition(self) -> str:
        """How picture and text become one vector, in words."""
        if self.joint:
            return "one forward pass"
        return f"vector sum, weight {self.text_weight:g} of the text: no composition trained"

    def written(self) -> dict[str, Any]:
        """The fields that encoder.json holds."""
        return asdict(self)

    def fingerprint(self) -> str:
        """sha256 (hex) of one line of JSON with sorted keys; the weights enter through the hashes in `files`."""
        line = json.dumps({"format": FORMAT, **self.written()}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(line.encode()).hexdigest()

    def with_files(self, files: dict[str, str]) -> SentenceConfig:
        """The same encoder with these file hashes."""
        return replace(self, files=dict(files))
