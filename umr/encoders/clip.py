"""CLIP (Radford et al., 2021): transformers' CLIPModel, how its texts are read. Not short films, umr's clips."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from transformers import CLIPModel, PreTrainedModel

from umr.encoders.checkpoint import Checkpoint
from umr.encoders.towers import Reading, Towers, frame, named_token, read_tokenizer


class ClipTowers(Towers):
    """The text's vector is that of its end token, projected; the class finds it by the ids that config.json names."""

    family: ClassVar[str] = "CLIP"
    implementation: ClassVar[str] = "transformers' CLIPModel"
    model_class: ClassVar[type[PreTrainedModel]] = CLIPModel

    @classmethod
    def reading(cls, checkpoint: Checkpoint) -> Reading:
        """Rows begin and end with tokens of their own; a row does not see what is behind its end."""
        tokenizer, settings = read_tokenizer(checkpoint)
        end = named_token(settings, "eos_token", "<|endoftext|>")
        frame(tokenizer, named_token(settings, "bos_token", "<|startoftext|>"), end)
        return Reading(
            tokenizer=tokenizer,
            max_tokens=checkpoint.settings.part("text_config").whole("max_position_embeddings", 77),
            padding="longest",
            pad_token=named_token(settings, "pad_token", end),
        )

    @property
    def dim(self) -> int:
        """Of the projection."""
        return int(self.model.config.projection_dim)

    def texts(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """See Towers."""
        found: Tensor = self.model.get_text_features(input_ids=ids_BT, attention_mask=mask_BT).pooler_output
        return found
