"""Re-rankers by folder or shipped name. Not one itself; torch is imported on first use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from umr.rerank.reranker import Reranker


def load_reranker(where: str | Path = "", dtype: str = "float32", device: str | torch.device | None = None) -> Reranker:
    """The re-ranker of a folder, in evaluation mode.

    Args:
        where: the folder, or a shipped re-ranker's name; "" for the shipped one.
        dtype: what is computed in, "float32" or "bfloat16".
        device: where it computes; None takes the GPU where there is one.

    Raises:
        ConfigError: there is none, or this is no re-ranker.
        MismatchError: one of its files is missing or changed.
    """
    from umr.rerank.store import open_reranker
    from umr.shipped import find_reranker

    return open_reranker(find_reranker(str(where)), dtype, device)
