"""What the budgets of an encoder's batches are worth on a CPU, beside batches of so many rows each.

    python -m umr.bench batches [--encoder NAME] [--items 192] [--runs 5] [--dtype float32] [--threads 1] [--rows N]...

All compute the same rows, sorted by kind and length, in turns. Not how fast other programs are (umr.bench.peers).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch

from umr.bench.peers import EQUAL, Way, bench_peers, mixes, own_way, parser_of
from umr.bench.rows import printed
from umr.collection import Collection
from umr.encoders import load_encoder
from umr.encoders.base import UnifiedEncoder
from umr.encoders.templates import media_kind
from umr.errors import ConfigError
from umr.shipped import BUNDLED, default_root, find_encoder
from umr.types import Content

ROWS = (64, 32)
WAITING = 8  # rows of the last mixture, as queries of so many visitors are encoded together


def uneven(texts: Sequence[Content], count: int) -> list[Content]:
    """The shortest of some texts, and last the longest.

    Raises:
        ConfigError: there are fewer than 2, or fewer than `count`.
    """
    if not 2 <= count <= len(texts):
        raise ConfigError(f"{count} of {len(texts)} texts were asked for; 2 to {len(texts)} can be had")
    ordered = sorted(texts, key=_length)
    return [*ordered[: count - 1], ordered[-1]]


def by_rows(encoder: UnifiedEncoder, rows: int) -> Way:
    """Sorted by kind and length, so many rows of a kind at a time.

    Raises:
        ConfigError: rows is below 1.
    """
    if rows < 1:
        raise ConfigError(f"{rows} rows: give at least 1")

    def encoded(contents: Sequence[Content]) -> np.ndarray:
        found = np.zeros((len(contents), encoder.dim), np.float32)
        order = sorted(range(len(contents)), key=lambda at: (_kind(contents[at]), _length(contents[at])))
        for _, of_kind in groupby(order, key=lambda at: _kind(contents[at])):
            places = list(of_kind)
            for start in range(0, len(places), rows):
                some = places[start : start + rows]
                batch = encoder.prepare([contents[at] for at in some], [""] * len(some), "candidate")
                found[some] = encoder.vectors(batch)
        return found

    return encoded


def _kind(content: Content) -> str:
    return media_kind(content) or ""


def _length(content: Content) -> int:
    return len(content.text or "")


def main(arguments: list[str]) -> int:
    """The command. Returns its exit status."""
    parser = parser_of("batches", __doc__)
    parser.add_argument("--rows", type=int, action="append", help="of a batch, may be repeated (default: 64 and 32)")
    options = parser.parse_args(arguments)

    def measured() -> list[dict[str, Any]]:
        torch.set_num_threads(max(1, options.threads))
        encoder = load_encoder(find_encoder(options.encoder), options.dtype, "cpu")
        if not isinstance(encoder, UnifiedEncoder):
            raise ConfigError(f"{options.encoder} is no encoder of one network; give one that is")
        of_rows = {f"{rows} rows": by_rows(encoder, rows) for rows in options.rows or ROWS}
        contents = mixes(encoder, Collection.open(default_root() / "media" / BUNDLED), options.items)
        texts = next(items for items in contents.values() if all(one.image is None for one in items))
        contents[f"{WAITING - 1} short texts and a long one"] = uneven(texts, WAITING)
        return bench_peers({"umr": own_way(encoder)} | of_rows, contents, options.runs, EQUAL[options.dtype])

    return printed(measured)
