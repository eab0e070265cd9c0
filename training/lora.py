"""Low-rank adapters (Hu et al., arXiv 2106.09685) on the language model of an encoder, by peft. Not the training.

The vision tower, the embeddings and the norms stay fixed, as in the fine-tuning of U-MARVEL's large backbones. After a
stage the adapters are merged into the weights, so that an encoder folder never holds any.
"""

from __future__ import annotations

from torch import nn

from umr.encoders.base import UnifiedEncoder
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.errors import ConfigError

PREFIX = "lora_"  # of the names of the adapters' matrices


def is_adapter(name: str) -> bool:
    """Whether a parameter's name is one of an adapter."""
    return any(part.startswith(PREFIX) for part in name.split("."))


def add_adapters(encoder: UnifiedEncoder, rank: int, alpha: int) -> None:
    """Fix all weights of an encoder and put adapters before its language model's linear layers, in place.

    Vectors are the same until the first step: the second matrix of an adapter begins at zero.

    Args:
        encoder: of the Qwen2-VL class.
        rank: of the adapters.
        alpha: the adapters are scaled by alpha / rank.

    Raises:
        ConfigError: the encoder is of another class, or peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError("lora_rank needs the package peft: pip install peft, or leave lora_rank at 0") from error
    if not isinstance(encoder.backbone, QwenVLBackbone):
        raise ConfigError(f"the backbone {encoder.config.backbone} takes no adapters here; leave lora_rank at 0")
    text = encoder.backbone.model.language_model
    names = sorted({name.rpartition(".")[2] for name, module in text.named_modules() if type(module) is nn.Linear})
    encoder.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=names, bias="none")
    inject_adapter_in_model(config, text)


def merge_adapters(encoder: nn.Module) -> None:
    """Add what adapters have learned to the weights before which they stand, and take them away; in place."""
    if not any(is_adapter(name) for name, _ in encoder.named_parameters()):
        return
    from peft.tuners.tuners_utils import BaseTunerLayer

    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BaseTunerLayer):
                child.merge(safe_merge=True)
                setattr(parent, name, child.get_base_layer())
    encoder.requires_grad_(True)
