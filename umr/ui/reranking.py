"""The re-ranker that a page offers: opened on first use, one search at a time. Not its work (umr.rerank.order)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr.encoders import zero_gpu
from umr.errors import ConfigError
from umr.query_arithmetic import QueryArithmetic
from umr.rerank.config import read_config
from umr.rerank.fuse import stored_fusion
from umr.search import DecodedQuery, Outcome, Searcher
from umr.shipped import RERANKER, find_reranker, rerankers

if TYPE_CHECKING:
    from umr.rerank.order import Reordering

NONE_HERE = (
    "This page has no re-ranker. Start it with one: python app.py --reranker DIR, a folder that "
    "python -m training.rerank wrote, or --reranker hub:OWNER/NAME; or lay such a folder at indexes/reranker"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a page says of its re-ranker before anybody used it.

    Attributes:
        folder: where it lies.
        name: what it is called.
        depth: hits of a search that it looks at again.
        encoder: whose cosines its share in the score was chosen with; "" where none was chosen.
    """

    folder: Path
    name: str
    depth: int
    encoder: str

    @classmethod
    def of(cls, folder: Path) -> Offer:
        """Read what the folder says of itself; its weights stay where they are.

        Raises:
            ConfigError: this is no re-ranker.
            MismatchError: what was chosen is another re-ranker's.
        """
        config = read_config(folder)
        chosen = stored_fusion(folder, config.fingerprint())
        if chosen is None:
            from umr.rerank.order import DEPTH  # torch, which a page without a re-ranker opens later

            return cls(folder=folder, name=config.name, depth=DEPTH, encoder="")
        return cls(folder=folder, name=config.name, depth=chosen.depth, encoder=chosen.encoder)


def open_reordering(folder: Path, dtype: str | None = None) -> Reordering:
    """The re-ranker of a folder; on the CPU where a GPU is lent to copies of this process alone.

    Args:
        folder: where it lies.
        dtype: what it is computed in; None: see umr.models.ready.dtype_of_reranker.
    """
    from umr.models.ready import dtype_of_reranker
    from umr.rerank.order import Reordering

    device = "cpu" if zero_gpu.present() else None
    return Reordering.open(str(folder), dtype_of_reranker(folder, dtype), device=device)


class PageReranker:
    """What re-ranks a page's searches, or refuses to where there is none. Safe to use from several threads."""

    def __init__(self, offer: Offer | None = None, opener: Callable[[Path], Reordering] = open_reordering) -> None:
        self.offer = offer
        self._opener = opener
        self._opened: Reordering | None = None
        self._lock = threading.Lock()

    def search(self, searcher: Searcher, asked: DecodedQuery, k: int, moved: QueryArithmetic) -> Outcome:
        """A search whose first hits are re-ranked (umr.rerank.order.Reordering.search).

        Raises:
            ConfigError: there is no re-ranker, or what Searcher.search refuses.
            MismatchError: its files are changed.
        """
        if self.offer is None:
            raise ConfigError(NONE_HERE)
        with self._lock:
            return self._open(self.offer).search(searcher, asked, k, moved)

    def told(self) -> dict[str, Any]:
        """What an export says of it; nothing before it was used."""
        return {} if self._opened is None else self._opened.told()

    def _open(self, offer: Offer) -> Reordering:
        if self._opened is None:
            self._opened = self._opener(offer.folder)
        return self._opened


def find_page_reranker(
    name: str | Path | None = None, root: Path | None = None, dtype: str | None = None
) -> PageReranker:
    """What a start of the page offers: the re-ranker that is asked for, else the shipped one, else none.

    Args:
        name: a folder or a shipped name; None: the shipped one where there is one.
        root: the folder of encoders; None: the repository's.
        dtype: as of `open_reordering`.

    Raises:
        ConfigError: there is none of this name, or its folder is broken.
        MismatchError: what was chosen is another re-ranker's.
    """
    if name is None and RERANKER not in rerankers(root):
        return PageReranker()
    return PageReranker(Offer.of(find_reranker(str(name or ""), root)), partial(open_reordering, dtype=dtype))


def read_switch(value: Any) -> bool:
    """Whether a request asks for the re-ranker.

    Raises:
        ConfigError: it says neither yes nor no.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ConfigError(f"rerank is {value!r}; give true or false")
