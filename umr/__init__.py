"""umr: a universal multimodal retriever. The public names, loaded on first use so that `import umr` stays light."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.2.0"

#: Public name -> the module that defines it.
_NAMES = {
    "Content": "umr.types",
    "Query": "umr.types",
    "Candidate": "umr.types",
    "Embeddings": "umr.types",
    "Result": "umr.types",
    "Collection": "umr.collection",
    "Index": "umr.index.index",
    "build_index": "umr.index.index",
    "Searcher": "umr.search",
    "Outcome": "umr.search",
    "load_encoder": "umr.encoders",
    "UMRError": "umr.errors",
    "MediaError": "umr.errors",
    "MismatchError": "umr.errors",
    "ConfigError": "umr.errors",
}

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module umr has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
