"""Whether what is made of a folder here finds room: said, or refused. Not of downloads (umr.models.from_hub)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from umr.models.download import Say
from umr.models.fit import check_disk, dtype_that_fits, gigabytes
from umr.models.from_hub import Wishes, size_of
from umr.models.weights import parameters_of


def check_room_of(
    spec: str, weights: Sequence[Path], needed: int, how: str, place: Path, wishes: Wishes, say: Say
) -> None:
    """Say what the adoption of a folder takes, and refuse it where that is not there.

    Args:
        spec: how it was named.
        weights: its files of weights.
        needed: bytes that are to be written; 0: files are linked.
        how: what is done with these: "copied" or "written".
        place: the folder where.
        wishes: how it is wanted.
        say: told what it takes.

    Raises:
        ConfigError: it does not fit into memory.
        DiskFullError: it does not fit on the disk.
    """
    count = sum(map(parameters_of, weights))
    what = f"{gigabytes(needed)} are to be {how} to" if needed else "they are linked, not copied, in"
    say(f"{size_of(spec, count)}; {what} {place}")
    if wishes.opened:
        dtype_that_fits(spec, count, wishes.dtype)
    check_disk(spec, needed, place, how)
