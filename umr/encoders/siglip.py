"""SigLIP and SigLIP 2: transformers' SiglipModel and Siglip2Model, and how their texts are read.

Zhai et al., 2023; Tschannen et al., 2025. SigLIP 2 at fixed sizes is config.json's class "siglip" too, and known by its
tokenizer; its class "siglip2" (NaFlex) sees a picture in its own shape.
"""

from __future__ import annotations

import json
import math
from typing import ClassVar

from torch import Tensor
from transformers import PreTrainedModel, Siglip2Model, SiglipModel

from umr.encoders.checkpoint import Checkpoint, Fields
from umr.encoders.towers import PIXELS, Reading, Towers, frame, named_token, read_tokenizer

_PIECES = "Unigram"  # SigLIP's kind of tokenizer; SigLIP 2 has Gemma's, byte pairs


class SiglipTowers(Towers):
    """The text's vector is that of the last place of a row, which is always full: no padding is masked."""

    family: ClassVar[str] = "SigLIP, SigLIP 2 at fixed sizes"
    implementation: ClassVar[str] = "transformers' SiglipModel"
    model_class: ClassVar[type[PreTrainedModel]] = SiglipModel

    @classmethod
    def reading(cls, checkpoint: Checkpoint) -> Reading:
        """As big_vision's preprocessing: SigLIP's texts lose case and punctuation, SigLIP 2's case; both end in eos."""
        tokenizer, settings = read_tokenizer(checkpoint)
        first = json.loads(tokenizer.to_str())["model"].get("type") == _PIECES
        end = named_token(settings, "eos_token", "</s>" if first else "<eos>")
        frame(tokenizer, None, end)
        return Reading(
            tokenizer=tokenizer,
            max_tokens=checkpoint.settings.part("text_config").whole("max_position_embeddings", 64),
            padding="full",
            pad_token=named_token(settings, "pad_token", "</s>" if first else "<pad>"),
            lower=not first or settings.get("do_lower_case") is not False,
            strip_punctuation=first,
        )

    @property
    def dim(self) -> int:
        """Of the pictures' pooled state, which the text's head is projected to."""
        return int(self.model.config.vision_config.hidden_size)

    def texts(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:  # noqa: ARG002
        """See Towers; the mask is not used, as it was not in training."""
        found: Tensor = self.model.get_text_features(input_ids=ids_BT).pooler_output
        return found


class NaflexTowers(SiglipTowers):
    """A picture becomes at most so many patches in its own shape, filled up to that many; those are masked."""

    family: ClassVar[str] = "SigLIP 2 in any shape, NaFlex"
    implementation: ClassVar[str] = "transformers' Siglip2Model"
    model_class: ClassVar[type[PreTrainedModel]] = Siglip2Model
    sees: ClassVar[tuple[str, ...]] = (PIXELS, "pixel_attention_mask", "spatial_shapes")

    @classmethod
    def side(cls, vision: Fields, preprocessor: Fields) -> int:
        """Of the square of as many patches as the image processor makes at most."""
        return round(vision.whole("patch_size", 16) * math.sqrt(preprocessor.whole("max_num_patches", 256)))

    def shape(self, side: int) -> tuple[int, ...]:  # noqa: ARG002
        """The numbers of a patch."""
        return (3 * int(self.model.config.vision_config.patch_size) ** 2,)
