"""What this checkout ships: encoders, their indexes, sizes, and whether they hold together. It changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from umr import shipped
from umr.encoders.config import CONFIG_NAME, read_config
from umr.errors import UMRError
from umr.index.manifest import MANIFEST, IndexManifest
from umr.search import Searcher

_MIB = 2**20


def describe(root: str | Path | None = None, verify: bool = True) -> list[dict[str, Any]]:
    """A row per index, and per encoder without one. verify: open it with its encoder, re-encode the probe and some rows.

    A row's "probe" is the lowest cosine of both, None where it was not asked for, or the message of what is wrong
    ("problem").
    """
    root = shipped.default_root() if root is None else Path(root)
    rows = []
    for place in sorted(root.glob(f"*/encoder/{CONFIG_NAME}")):
        folder = place.parents[1]
        manifests = sorted(folder.glob(f"*/{MANIFEST}"))
        rows += [_row(folder, manifest.parent, verify) for manifest in manifests] or [_row(folder, None, verify)]
    return rows


def _row(folder: Path, index: Path | None, verify: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "encoder": folder.name,
        "fingerprint": None,
        "parameters": None,
        "encoder_mib": _size(folder / "encoder"),
        "index": None,
        "count": None,
        "dim": None,
        "index_mib": None,
        "collection": None,
        "probe": None,
        "problem": False,
    }
    try:
        row["fingerprint"] = read_config(folder / "encoder").fingerprint()
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
            row["parameters"] = sum(weights.numel() for weights in searcher.encoder.parameters())
            probe = searcher.index.verify_probe(searcher.encoder)
            row["probe"] = round(min(probe, searcher.index.verify_rows(searcher.encoder, searcher.collection)), 5)
    except UMRError as error:
        row |= {"probe": str(error), "problem": True}
    return row


def _size(folder: Path) -> float:
    return round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / _MIB, 2)
