"""How much memory a process has, as the system says. Not what it is for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

if sys.platform != "win32":  # which does not say
    import resource


def peak_mib() -> float:
    """The largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def resident_mib(pid: int) -> float:
    """Resident memory of a process and its children, in MiB, by /proc; nan where the system has none."""
    found = resident_bytes((pid, *children(pid)))
    return float("nan") if found is None else found / 2**20


def resident_bytes(pids: Iterable[int]) -> float | None:
    """The memory of processes that is in RAM, in all; None where the system says it of none of them."""
    found = [size for size in map(_resident, pids) if size is not None]
    return float(sum(found)) if found else None


def _resident(pid: int) -> int | None:
    try:
        return int(Path("/proc", str(pid), "statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def children(pid: int) -> list[int]:
    """The processes that a process has started, by whichever of its threads; [] where the system does not say."""
    found: list[int] = []
    for listed in Path("/proc", str(pid), "task").glob("*/children"):
        try:
            found += map(int, listed.read_text("ascii").split())
        except OSError:  # the thread has ended
            continue
    return found
