"""The heaps of the C library: that threads share few, that a person's own setting stands, that every start does it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

import app
from umr.errors import ConfigError
from umr.ui.layout import heap

#: Twelve threads at once take 100 kB each; prints whether they were made to share, and how many heaps there are now.
TAKE = """
import ctypes, re, sys, threading
from umr.ui.layout.heap import share_heaps
done = share_heaps() if sys.argv[1] == "share" else None
libc, barrier = ctypes.CDLL(None), threading.Barrier(12)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
def take():
    barrier.wait()
    libc.malloc(100_000)
    barrier.wait()
threads = [threading.Thread(target=take) for _ in range(12)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
file = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, file), libc.fclose(file)
print(done, len(re.findall("<heap nr", open(sys.argv[2]).read())))
"""
GLIBC = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})


def taken(how: str, folder: Path, **variables: str) -> tuple[str, int]:
    kept = {name: value for name, value in os.environ.items() if name != heap.MALLOC_ARENA_MAX}
    run = subprocess.run(
        [sys.executable, "-c", TAKE, how, str(folder / "heaps.xml")],
        env=kept | variables,
        text=True,
        cwd=Path(app.__file__).parent,
        capture_output=True,
        check=True,
    )
    done, heaps = run.stdout.split()
    return done, int(heaps)


@pytest.mark.skipif(not GLIBC, reason="another C library, without such heaps")
def test_threads_share_two_heaps_where_they_would_have_taken_many(tmp_path):
    assert taken("leave", tmp_path)[1] > heap.HEAPS
    assert taken("share", tmp_path) == ("True", heap.HEAPS)


@pytest.mark.skipif(not GLIBC, reason="another C library, without such heaps")
def test_the_number_that_a_person_set_stands(tmp_path):
    assert taken("share", tmp_path, MALLOC_ARENA_MAX="4") == ("False", 4)


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(os, "confstr_names", {})
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: pytest.fail("nothing may be called in another C library"))
    assert heap.share_heaps() is False


def test_a_start_of_the_page_shares_heaps_before_anything_else(monkeypatch):
    calls = []

    def nothing(*_: object, **__: object) -> None:
        raise ConfigError("there is nothing to search")

    monkeypatch.setattr(app, "share_heaps", lambda: calls.append("heaps"))
    monkeypatch.setattr("umr.ui.layout.serve.chosen_port", lambda *_: calls.append("port"))
    monkeypatch.setattr(app, "find_searchers", nothing)
    assert app.main([]) == 2 and calls == ["heaps", "port"]


def test_what_is_there_when_the_page_is_served_is_looked_through_no_more():
    ring: list = []
    ring.append(ring)
    try:
        heap.settle()
        assert gc.get_freeze_count() > 1000 and not any(one is ring for one in gc.get_objects())
    finally:
        gc.unfreeze()


def test_the_page_is_imported_without_what_pandas_takes_where_it_finds_it():
    script = (
        "import sys; from umr.ui.layout.heap import unimportable\n"
        "with unimportable('pyarrow'):\n    import pandas\n"
        "before = 'pyarrow' in sys.modules\nimport pyarrow\n"
        "with unimportable('pyarrow'):\n    import pyarrow.compute\n"
        "print(before, len(pandas.DataFrame({'a': ['b']})), sys.modules['pyarrow'] is pyarrow)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "1", "True"]
