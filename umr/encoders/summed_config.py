"""What settings of encoders have in common that may add the vectors of a picture and of a text. Not of one network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from umr.encoders.config import FORMAT, check_tables, check_weight
from umr.fusion import EVEN
from umr.media import MAX_PIXELS


@dataclass(frozen=True, kw_only=True)
class SummedConfig:
    """Their identity: equal settings (file hashes included) give equal vectors.

    Attributes:
        name: what people call it.
        revision: where the weights come from.
        dim: length of a vector.
        max_tokens: a text is cut after so many tokens.
        text_weight: of the text in a sum, from 0 (the picture alone) to 1 (the text alone).
        max_pixels: larger pictures are refused.
        max_frames: frames taken from a clip, whose vector is the mean of theirs.
        files: {name in the folder: sha256}, set by sealing.
    """

    name: str
    dim: int
    max_tokens: int
    revision: str = ""
    text_weight: float = EVEN
    max_pixels: int = MAX_PIXELS
    max_frames: int = 8
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_weight(self.text_weight)
        object.__setattr__(self, "text_weight", float(self.text_weight))  # 1 and 1.0 are one weight
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

    def with_files(self, files: dict[str, str]) -> Self:
        """The same encoder with these file hashes."""
        return replace(self, files=dict(files))
