"""Makes the vision tower of an encoder deeper without changing what it computes. Not the training that follows.

As in progressive stacking (Gong et al., ICML 2019) new blocks are copies of trained ones; as in Net2Net (Chen et al.,
arXiv 1511.05641) the network gives the same numbers before its first step: a copy adds nothing to the residual stream
until its two output projections, which begin at zero, have moved.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from umr.encoders.base import UnifiedEncoder
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.errors import ConfigError


def deepen_vision(encoder: UnifiedEncoder, layers: int) -> None:
    """Give the vision tower so many blocks, in place; every vector stays what it was.

    The new blocks stand behind those that they copy, spread evenly over the depth.

    Args:
        encoder: of the Qwen2-VL class.
        layers: blocks of the tower afterwards.

    Raises:
        ConfigError: the encoder is of another class, or its tower has more blocks already.
    """
    backbone = encoder.backbone
    if not isinstance(backbone, QwenVLBackbone):
        raise ConfigError(f"the backbone {encoder.config.backbone} cannot be deepened; leave vision_layers at 0")
    blocks = backbone.model.visual.blocks
    depth = len(blocks)
    if layers < depth:
        raise ConfigError(f"vision_layers is {layers}, but {encoder.name} has {depth} already: give {depth} or more")
    grown: list[nn.Module] = []
    for place, block in enumerate(blocks):
        grown.append(block)
        copies = (place + 1) * layers // depth - place * layers // depth - 1
        grown += [_silent(block) for _ in range(copies)]
    backbone.model.visual.blocks = nn.ModuleList(grown)
    backbone.vision_config.depth = layers


def _silent(block: nn.Module) -> nn.Module:
    """A copy of a block that adds nothing to what passes it."""
    copy = deepcopy(block)
    with torch.no_grad():
        for last in ("attn.proj", "mlp.fc2"):
            for parameter in copy.get_submodule(last).parameters():
                parameter.zero_()
    return copy
