"""How much memory a process has, as the system says. Not what it is for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "win32":  # which does not say
    import resource


def peak_mib() -> float:
    """The largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def resident_mib(pid: int) -> float:
    """Resident memory of a process and its children, in MiB, by /proc; nan where the system has none."""
    total, found = 0, False
    for one in (pid, *_children(pid)):
        try:
            fields = Path("/proc", str(one), "statm").read_text().split()
        except OSError:
            continue
        total, found = total + int(fields[1]) * os.sysconf("SC_PAGE_SIZE"), True
    return total / 2**20 if found else float("nan")


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path("/proc", str(pid), "task", str(pid), "children").read_text().split()]
    except OSError:
        return []
