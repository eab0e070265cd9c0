"""What an encoder is that sentence-transformers computes, as saved data. Not its weights, nor how that package runs.

Its folder holds the model's own files; what is not in them stands here: how picture and text are composed, how many
frames of a clip are taken. A clip is the unit mean of its frames (CLIP4Clip, Luo et al., 2021, "mean pooling").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from umr.encoders.config import SENTENCES, check_choices, check_texts, check_truths, check_whole
from umr.encoders.summed_config import SummedConfig


@dataclass(frozen=True, kw_only=True)
class SentenceConfig(SummedConfig):
    """The identity of such an encoder.

    Attributes:
        kind: "sentence-transformers", which tells its encoder.json from others.
        backbone: the class of its first module's network, as config.json names it; "" where none does.
        joint: picture and text go through the network together; False: their vectors are added.
        reads_instruction: a task sentence becomes the system's turn of a chat; False: it is left out.
    """

    joint: bool
    reads_instruction: bool
    kind: Literal["sentence-transformers"] = "sentence-transformers"
    backbone: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, ("dim", "max_tokens", "max_pixels", "max_frames"))
        check_texts(self, filled=("name",), any_text=("backbone", "revision"))
        check_truths(self, ("joint", "reads_instruction"))
        check_choices(self, {"kind": (SENTENCES,)})

    @property
    def composition(self) -> str:
        """How picture and text become one vector, in words."""
        return "one forward pass" if self.joint else super().composition
