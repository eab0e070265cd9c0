"""Which weights of an encoder stay as they are while a stage is trained. Not adapters (lora.py), not the optimizer."""

from __future__ import annotations

from training.config import Trained
from umr.encoders.base import UnifiedEncoder
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.errors import ConfigError


def keep_untrained(encoder: UnifiedEncoder, trained: Trained) -> None:
    """Let the weights of an encoder that a stage does not train stay as they are.

    Args:
        encoder: of the Qwen2-VL class, where not all is trained.
        trained: which part moves (see TrainConfig).

    Raises:
        ConfigError: the parts of its backbone are not known.
    """
    if trained == "all":
        return
    if not isinstance(encoder.backbone, QwenVLBackbone):
        raise ConfigError(f"the parts of {encoder.config.backbone} are not known; leave trained at all")
    model = encoder.backbone.model
    (model.visual if trained == "language" else model.language_model).requires_grad_(False)
