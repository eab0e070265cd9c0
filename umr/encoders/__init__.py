"""Encoders by folder or Hub name. Not an encoder itself; torch is imported on first use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from umr.errors import ConfigError
from umr.types import DTYPES

if TYPE_CHECKING:
    import torch

    from umr.encoders.base import UnifiedEncoder
    from umr.encoders.dual import DualEncoder
    from umr.encoders.sentence import SentenceEncoder


def load_encoder(
    where: str | Path, dtype: str = "float32", device: str | torch.device | None = None
) -> UnifiedEncoder | DualEncoder | SentenceEncoder:
    """The encoder of a folder or of `hub:owner/name@revision`, in evaluation mode, to compute with.

    What goes on from its network, as training does, takes load_trainable: here it may be one that only serves.

    Args:
        where: the folder, or the name on the Hub.
        dtype: what is computed in, "float32" or "bfloat16".
        device: where it computes; None takes the GPU where there is one.

    Returns:
        The encoder, with the fingerprint of its folder.

    Raises:
        ConfigError: this is no encoder.
        MismatchError: one of its files is missing or changed.
    """
    return _loaded(where, dtype, device, served=True)


def _loaded(
    where: str | Path, dtype: str, device: str | torch.device | None, served: bool
) -> UnifiedEncoder | DualEncoder | SentenceEncoder:
    """See load_encoder. served: its network may be one that only computes."""
    from umr.encoders import zero_gpu  # before torch, which it prepares where a GPU is lent by the call

    import torch  # isort: skip

    from umr.encoders.backbone import backbone_class
    from umr.encoders.base import UnifiedEncoder
    from umr.encoders.dual_config import DualConfig, read_settings
    from umr.encoders.hub import fetch, is_hub
    from umr.encoders.sentence_config import SentenceConfig
    from umr.encoders.store import check_files
    from umr.encoders.tokenizer import load_tokenizer

    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; legal: {', '.join(DTYPES)}")
    folder = fetch(where) if is_hub(where) else Path(where)
    config = read_settings(folder)
    check_files(config, folder)
    computed = {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype]
    encoder: UnifiedEncoder | DualEncoder | SentenceEncoder
    if isinstance(config, DualConfig):
        from umr.encoders.dual import DualEncoder  # transformers, which most others do without

        encoder = DualEncoder.load(folder, config, computed)
    elif isinstance(config, SentenceConfig):
        from umr.encoders.sentence import SentenceEncoder  # an optional package

        encoder = SentenceEncoder.load(folder, config, computed)
    else:
        kind = backbone_class(config.backbone)
        backbone = (kind.served if served else kind.load)(folder, config, computed)
        encoder = UnifiedEncoder(config, backbone, load_tokenizer(folder, kind.special)).eval()
    here = "cuda" if torch.cuda.is_available() and not zero_gpu.present() else "cpu"
    encoder = encoder.to(here if device is None else device)
    zero_gpu.know(encoder)
    return encoder


def load_trainable(
    where: str | Path, dtype: str = "float32", device: str | torch.device | None = None
) -> UnifiedEncoder:
    """As load_encoder, for what looks into the encoder: training, and all that goes on from its network.

    Raises:
        ConfigError: this is no encoder, or one of two towers, which is not trained here.
        MismatchError: one of its files is missing or changed.
    """
    encoder = _loaded(where, dtype, device, served=False)
    from umr.encoders.base import UnifiedEncoder  # after it, which knows what comes before torch

    if isinstance(encoder, UnifiedEncoder):
        return encoder
    raise ConfigError(
        f"{where} is {_other(encoder)} ({encoder.config.composition}), which searches but is not trained here; give "
        "an encoder with one network of umr's own"
    )


def _other(encoder: DualEncoder | SentenceEncoder) -> str:
    return "a dual encoder" if encoder.config.kind == "dual" else "a model of sentence-transformers"
