"""Encoders by folder or Hub name, and the table of backbones. Not an encoder itself; torch is imported on first use."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from umr.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from umr.encoders.base import UnifiedEncoder

#: Backbone name in encoder.json -> "module:class".
BACKBONES = {
    "qwen2_vl": "umr.encoders.qwen_vl:QwenVLBackbone",
}
DTYPES = ("float32", "bfloat16")


def backbone_class(name: str) -> type:
    """The class behind a name of BACKBONES. Raises ConfigError naming the known ones."""
    if name not in BACKBONES:
        raise ConfigError(f"backbone {name!r} is unknown; this version has {', '.join(sorted(BACKBONES))}")
    module, _, attribute = BACKBONES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_encoder(where: str | Path, dtype: str = "float32", device: str | torch.device | None = None) -> UnifiedEncoder:
    """The encoder of a folder or of `hub:owner/name@revision`, in evaluation mode.

    dtype: what is computed in, "float32" or "bfloat16".  device: None takes the GPU where there is one.
    Raises ConfigError for what is no encoder, MismatchError when one of its files is missing or changed.
    """
    import torch

    from umr.encoders.base import UnifiedEncoder
    from umr.encoders.config import read_config
    from umr.encoders.hub import fetch, is_hub
    from umr.encoders.store import check_files
    from umr.encoders.tokenizer import load_tokenizer

    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; legal: {', '.join(DTYPES)}")
    folder = fetch(str(where)) if is_hub(where) else Path(where)
    config = read_config(folder)
    check_files(config, folder)
    backbone = backbone_class(config.backbone).load(folder, config, getattr(torch, dtype))
    encoder = UnifiedEncoder(config, backbone, load_tokenizer(folder)).eval()
    return encoder.to(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
