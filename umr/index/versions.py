"""How the files of an index get to their place, whole: a first build in the folder itself, a renewal in one of its own.

A renewal's files lie in version-<hash of what it was made of>; manifest.json, renamed last, says which version stands.
So a process that dies leaves the old version or the new one, and what it left beside is removed by the next. Not what
the vectors are (umr.index.index), nor which candidates there are (umr.index.renew).
"""

from __future__ import annotations

import platform
import shlex
import shutil
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from umr.collection import CANDIDATES, Collection
from umr.columns import COLUMNS, FEWEST
from umr.disk import atomic_write, file_sha256, put
from umr.errors import UMRError
from umr.index.manifest import FILES, IDS, JOURNAL, OPTIONAL, QDRANT, IndexManifest
from umr.index.sources import SOURCES, read_record
from umr.known_hashes import LARGE
from umr.shipped import MANIFEST

VERSION = "version-"
COLLECTION = "collection"  # where a build saves candidates that were in memory alone


def write_ids(draft: Path, ids: Iterable[str]) -> None:
    """The ids of the rows, in their order, into `draft`."""
    with atomic_write(draft / IDS) as file:
        file.writelines(f"{candidate_id}\n" for candidate_id in ids)


def write_columns_of(draft: Path, collection: Collection, folder: Path | None = None) -> None:
    """The columns of a large collection, into `draft`.

    Args:
        draft: the folder.
        collection: whose ids are those of the vectors.
        folder: where its rows lie, if not in its own.
    """
    if len(collection) >= FEWEST:
        collection.write_columns(draft / COLUMNS, folder)


def made_with() -> dict[str, str]:
    """What makes a file of numbers, and when: "built_by" and "built_at"."""
    return {
        "built_by": f"faiss {faiss.__version__}, numpy {np.__version__}, python {platform.python_version()}",
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def made_now(draft: Path) -> dict[str, Any]:
    """The manifest's fields that say of which files, by what and when, for those in `draft`."""
    names = [name for name in (*FILES, *OPTIONAL) if (draft / name).is_file()]
    sizes = {name: (draft / name).stat().st_size for name in names}
    return {
        "files": {name: file_sha256(draft / name) for name in names},  # as made here, whatever lies in the folder
        "sizes": sizes if sum(sizes.values()) > LARGE else {},
        **made_with(),
    }


def install(folder: Path, draft: Path, manifest: IndexManifest) -> None:
    """Put a first build's files, which are in `draft`, into the folder itself; the draft goes."""
    before, gone = _replaced(folder, draft)
    (folder / MANIFEST).unlink(missing_ok=True)  # from here to the manifest the folder is no index
    for name in manifest.files:
        put(draft / name, folder / name)
    manifest.write(folder)
    shutil.rmtree(draft)
    clear(folder, manifest, before, gone)


def commit(folder: Path, whole: Path, manifest: IndexManifest, gone: Iterable[str] = ()) -> None:
    """Put a renewal's folder of files in its place and let the manifest say so; before that, nothing has changed.

    Args:
        folder: the index's, held by the caller alone.
        whole: every file of the version, in a folder of the draft.
        manifest: with files_at, the name that the folder gets.
        gone: ids of the old version whose vectors the new one has not.
    """
    before = IndexManifest.read(folder)
    put(whole, folder / manifest.files_at)
    manifest.write(folder)
    shutil.rmtree(whole.parent)
    clear(folder, manifest, before, gone)


def clear(folder: Path, manifest: IndexManifest, before: IndexManifest | None = None, gone: Iterable[str] = ()) -> None:
    """Remove all of versions that the manifest does not name: what was deleted is gone from the disk too.

    Args:
        folder: the index's, held by the caller alone.
        manifest: of the version that stands.
        before: of the version that it replaced just now, which may still be searched; None: of none.
        gone: ids of that one whose vectors nobody may find any more.
    """
    if (folder / JOURNAL).is_file():
        from umr.index.qdrant_store import retire  # what a FAISS index never needs

        retire(folder, manifest, before, gone)
    for other in folder.glob(f"{VERSION}*"):
        if other.name != manifest.files_at and other.is_dir() and not other.is_symlink():
            shutil.rmtree(other)
    if not manifest.files_at:
        for name in (*FILES, *OPTIONAL):
            if name not in manifest.files:
                (folder / name).unlink(missing_ok=True)
        return
    for name in (*FILES, *OPTIONAL, SOURCES):
        (folder / name).unlink(missing_ok=True)
    saved = folder / COLLECTION
    sources = [one.at for one in read_record(folder, manifest).sources]
    if saved.is_dir() and str(saved) not in sources:
        (saved / CANDIDATES).unlink(missing_ok=True)
        if not any(saved.iterdir()):
            saved.rmdir()


def _replaced(folder: Path, draft: Path) -> tuple[IndexManifest | None, frozenset[str]]:
    """The manifest that a build from nothing replaces, and the ids that it lists and the draft does not."""
    try:
        before = IndexManifest.read(folder)
    except UMRError:  # there is none, or one that nobody can open
        return None, frozenset()
    if before.engine != QDRANT:
        return before, frozenset()
    return before, listed_ids(folder / before.files_at) - listed_ids(draft)


def listed_ids(folder: Path) -> frozenset[str]:
    """The ids that a folder of files lists; none where its list is gone, as that of a damaged index may be."""
    path = folder / IDS
    return frozenset(path.read_text("utf-8", "replace").split("\n")[:-1]) if path.is_file() else frozenset()


def command() -> str:
    """The command that is running, to be run again."""
    if Path(sys.argv[0]).name == "__main__.py":
        return shlex.join(["python", "-m", Path(sys.argv[0]).parent.name, *sys.argv[1:]])
    if Path(sys.argv[0]).stem == "umr":  # the script that an installation makes
        return shlex.join(["umr", *sys.argv[1:]])
    return "python -m umr index FOLDER --encoder NAME --out DIR"
