"""How many candidates a search goes through, where no model is open yet: counted in the collection's files, once.

Not what is left of them by a visitor's choice (umr.ui.results.narrow).
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path

from umr.collection import count_kinds
from umr.types import SEARCH_IN, Modality
from umr.ui.searchers import Searchers


def total_of(searchers: Searchers, encoder: str, search_in: str) -> int:
    """The size of the pool that a search of this encoder has.

    Args:
        searchers: what the page offers.
        encoder: its name.
        search_in: a key of SEARCH_IN.

    Raises:
        ConfigError: its index or its collection is not there, or broken.
        MismatchError: the index is not there.
    """
    manifest, target = searchers.manifest(encoder), SEARCH_IN[search_in]
    counts = _counts(searchers.folders[encoder] / manifest.collection_at, manifest.collection)
    return counts.total() if target == "all" else counts[target]


@lru_cache(maxsize=16)
def _counts(folder: Path, _fingerprint: str) -> Counter[Modality]:
    """Of a collection's folder; its fingerprint tells one version of it from the next."""
    return count_kinds(folder)
