"""What an arm and a factor of the study are. Not which there are (plan.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.config import SecondHalf

SIZE = 84  # px: a picture is 9 tokens


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train.

    Attributes:
        stages: of STAGES, in their order.
        changes: stage -> settings that differ from its recipe's.
        network: sizes that differ from NETWORK.
        size: px of pictures.
        encoder: settings of the encoder (umr.encoders.config.EncoderConfig) that differ from its defaults.
        then: what follows these stages; None: nothing.
        paper: what a paper reports of this change, in its own setting; "" where none does.
    """

    name: str
    stages: tuple[str, ...] = ("vision", "captions", "composed")
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    network: Mapping[str, int] = field(default_factory=dict)
    size: int = SIZE
    encoder: Mapping[str, Any] = field(default_factory=dict)
    then: SecondHalf | None = None
    paper: str = ""


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A question and the arms that answer it; the first is what the others are compared with.

    Attributes:
        cues: whether cues kept, broken and reversed are reported in place of the other splits.
        papers: what the papers report of it, with their numbers.
    """

    name: str
    question: str
    arms: tuple[Arm, ...]
    cues: bool = False
    papers: tuple[str, ...] = ()
