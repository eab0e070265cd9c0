"""How much freed memory the page's process keeps: the C library's heaps, one for every few threads if it is let.

And what Python looks through for garbage, and what it need not hold at all.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HEAPS = 2
MALLOC_ARENA_MAX = "MALLOC_ARENA_MAX"  # glibc's own variable; who sets it has chosen
_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3  # of glibc's malloc.h
_LARGE = 8 * 2**20  # bytes; Pillow asks for 16 MiB at a time


def share_heaps(heaps: int = HEAPS) -> bool:
    """Has all threads of this process share at most `heaps` heaps; to be called before there are threads.

    glibc gives threads up to 8 heaps per core, and what a search frees in one is of no use to a search in another:
    under load the process grows for thousands of searches, though what is in use does not.

    Returns:
        Whether it was done: other C libraries (musl, macOS, Windows) have no such heaps.
    """
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}) or MALLOC_ARENA_MAX in os.environ:
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_THRESHOLD, _LARGE)  # else it grows with what is freed, and large pictures stay in a heap for good
    return mallopt(_M_ARENA_MAX, heaps) == 1


def settle() -> None:
    """Has later collections of garbage pass over all that is there now: it stays for as long as the page is served.

    A full collection goes through a million objects of libraries, models and collections, while everybody waits.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def unimportable(name: str) -> Iterator[None]:
    """Within it, an import of this package fails, as where it is not installed; one that is imported already stays.

    For what others import where they find it, and the page never uses: pandas imports pyarrow, which takes 40 MiB.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say so
    try:
        yield
    finally:
        sys.modules.pop(name, None)
