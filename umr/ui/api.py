"""What the page's named endpoints answer beside a search: which models and collections there are. No Gradio."""

from __future__ import annotations

from collections import Counter
from typing import Any

from umr.manifest import IndexManifest
from umr.types import SEARCH_IN
from umr.ui.searchers import Searchers


def models(searchers: Searchers) -> list[dict[str, Any]]:
    """A row per model on offer, the default one first, without opening any: name, default, fingerprint, dim,
    precision, collection, vectors."""
    rows = []
    for name in searchers.names:
        manifest = IndexManifest.read(searchers.folders[name])
        rows.append({"name": name, "default": name == searchers.default, "fingerprint": manifest.encoder,
                     "dim": manifest.dim, "precision": manifest.precision, "collection": manifest.collection_name,
                     "vectors": manifest.count})
    return rows


def collections(searchers: Searchers) -> list[dict[str, Any]]:
    """A row per collection on offer: name, fingerprint, count, what can be searched in it and how many of each."""
    rows: dict[str, dict[str, Any]] = {}
    kinds = {modality: kind for kind, modality in SEARCH_IN.items()}
    for name in searchers.names:
        manifest = IndexManifest.read(searchers.folders[name])
        if manifest.collection not in rows:
            collection = searchers.get(name).collection
            counts = Counter(kinds[candidate.content.modality] for candidate in collection)
            rows[manifest.collection] = {"name": collection.name, "fingerprint": collection.fingerprint,
                                         "count": len(collection), "kinds": dict(counts), "models": []}
        rows[manifest.collection]["models"].append(name)
    return list(rows.values())
