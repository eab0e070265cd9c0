"""What this checkout ships: encoders, indexes, re-rankers, sizes, and whether they hold together. Changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from umr import shipped
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_config import read_settings
from umr.errors import UMRError
from umr.index.manifest import IndexManifest
from umr.rerank.config import read_config as read_reranker
from umr.rerank.fuse import stored_fusion
from umr.search import Searcher

_MIB = 2**20
ENCODER, RERANKER = "encoder", "re-ranker"  # kinds of rows
ONE_NETWORK = "one network reads picture and text"


def describe(root: str | Path | None = None, verify: bool = True) -> list[dict[str, Any]]:
    """What is here, and whether it holds together.

    Args:
        root: the folder of encoders; None: the repository's.
        verify: open each index with its encoder, re-encode the probe and some rows; open each re-ranker.

    Returns:
        A row for each index, for each encoder without one, and for each re-ranker ("kind"; its name and size stand
        where an encoder's do). "composition" says how an encoder makes one vector of picture and text. "probe" is the
        lowest cosine of both, None where it was not asked for, or the message of what is wrong ("problem").
    """
    root = shipped.default_root() if root is None else Path(root)
    rows = []
    for place in sorted(root.glob(f"*/encoder/{shipped.CONFIG_NAME}")):
        folder = place.parents[1]
        manifests = sorted(folder.glob(f"*/{shipped.MANIFEST}"))
        rows += [_row(folder, manifest.parent, verify) for manifest in manifests] or [_row(folder, None, verify)]
    return rows + [_reranker_row(root / name, verify) for name in shipped.rerankers(root)]


def _row(folder: Path, index: Path | None, verify: bool) -> dict[str, Any]:
    row = _empty(ENCODER, folder.name, folder / "encoder")
    try:
        config = read_settings(folder / "encoder")
        row["fingerprint"] = config.fingerprint()
        row["composition"] = ONE_NETWORK if isinstance(config, EncoderConfig) else config.composition
        if index is None:
            return row
        manifest = IndexManifest.read(index)
        row |= {
            "index": index.name,
            "count": manifest.count,
            "dim": manifest.dim,
            "index_mib": _size(index),
            "collection": manifest.collection,
        }
        if verify:
            searcher = Searcher.open(index)
            row["parameters"] = _parameters(searcher.encoder)
            probe = searcher.index.verify_probe(searcher.encoder)
            row["probe"] = round(min(probe, searcher.index.verify_rows(searcher.encoder, searcher.collection)), 5)
    except UMRError as error:
        row |= {"probe": str(error), "problem": True}
    return row


def _reranker_row(folder: Path, verify: bool) -> dict[str, Any]:
    row = _empty(RERANKER, folder.name, folder)
    try:
        row["fingerprint"] = read_reranker(folder).fingerprint()
        stored_fusion(folder, row["fingerprint"])
        if verify:
            from umr.rerank import load_reranker

            row["parameters"] = _parameters(load_reranker(folder))
    except UMRError as error:
        row |= {"probe": str(error), "problem": True}
    return row


def _empty(kind: str, name: str, folder: Path) -> dict[str, Any]:
    return {
        "kind": kind,
        "encoder": name,
        "fingerprint": None,
        "parameters": None,
        "encoder_mib": _size(folder),
        "index": None,
        "count": None,
        "dim": None,
        "index_mib": None,
        "collection": None,
        "composition": None,
        "probe": None,
        "problem": False,
    }


def _parameters(encoder: object) -> int | None:
    """How many weights it has; None where it has none to count."""
    from torch import nn  # which only an opened encoder needs

    return sum(weights.numel() for weights in encoder.parameters()) if isinstance(encoder, nn.Module) else None


def _size(folder: Path) -> float:
    return round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / _MIB, 2)
