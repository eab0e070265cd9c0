"""What an index says of itself in manifest.json: who made it, over what, of which files. Not the vectors."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from umr.columns import COLUMNS
from umr.disk import atomic_write
from umr.errors import ConfigError, MismatchError
from umr.shipped import MANIFEST, available
from umr.types import DTYPES, FLOAT32

PARTIAL = ".partial"
FILES = (VECTORS, IDS, PROBE) = ("vectors.faiss", "ids.txt", "probe.npy")
#: Files that only some indexes have: the lists of one with a factory, and the columns of a large collection.
COARSE = "coarse.faiss"
OPTIONAL = (COARSE, COLUMNS)
#: Beside an index whose rows are on a Qdrant server: the collections that it made and that may still be there.
JOURNAL = "qdrant.json"
FORMAT = 1
#: What holds the rows: VECTORS, or a collection of a Qdrant server (umr.index.qdrant).
ENGINES = (FAISS, QDRANT) = ("faiss", "qdrant")
FACTORY = "SQfp16"  # single exact queries are 3.4 times faster than over float32 rows, at equal recall


@dataclass(frozen=True, kw_only=True)
class IndexManifest:
    """What an index is.

    Attributes:
        encoder, collection: fingerprints.
        encoder_at, collection_at: where they lie, relative to the folder where they move with it.
        files: {name: sha256}.
        files_at: where those lie, relative to the folder; "" for the folder itself. A renewed index has them in a
            folder of their own, so that this manifest alone says which version stands.
        precision: what the candidates were encoded in, and queries are, one of umr.types.DTYPES.
        licence: of the collection, where all of it has one.
        factory: how the rows are searched: FACTORY exactly, another by a coarse index (umr.index.coarse), or by the
            server's graph (umr.index.qdrant_store).
        sizes: {name: bytes} of the files of a large index, which is not hashed at each opening; else empty.
        engine: what holds the rows.
        rows_at: the server's collection of them; "" for FAISS, whose rows are a file. Where the server is, the
            environment says: an index that was copied from elsewhere must not say where queries and keys are sent.
        rows: sha256 over the rows in that collection, in their order and in half precision.
        parity: what chose the precision, where that was left to a comparison (umr.index.parity); else empty.
    """

    encoder: str
    encoder_name: str
    encoder_at: str
    collection: str
    collection_name: str
    collection_at: str
    dim: int
    count: int
    metric: str = "cosine"
    factory: str = FACTORY
    precision: str = FLOAT32
    files: dict[str, str] = field(default_factory=dict)
    built_by: str = ""
    built_at: str = ""
    command: str = ""
    licence: str = ""
    format: int = FORMAT
    files_at: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    engine: str = FAISS
    rows_at: str = ""
    rows: str = ""
    parity: dict[str, Any] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[str, ...]:
        """Files that this index cannot be opened without."""
        if self.engine != FAISS:
            return tuple(name for name in FILES if name != VECTORS)
        return FILES if self.factory == FACTORY else (*FILES, COARSE)

    @property
    def fingerprint(self) -> str:
        """sha256 over encoder, collection, files and rows: equal for indexes that give equal results."""
        held = [self.encoder, self.collection, sorted(self.files.items()), *([self.rows] if self.rows else [])]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """Make the folder this index: its last file, which replaces an older one at once.

        Raises:
            DiskFullError: nothing more fits; the older one stays.
        """
        unsaid = {"files_at": "", "sizes": {}, "engine": FAISS, "rows_at": "", "rows": "", "parity": {}}
        row = {key: value for key, value in asdict(self).items() if key not in unsaid or value != unsaid[key]}
        with atomic_write(folder / MANIFEST) as file:
            file.write(json.dumps(row, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: str | Path) -> IndexManifest:
        """The manifest of an index folder.

        Raises:
            ConfigError: there is no finished index.
            MismatchError: the manifest is not ours.
        """
        path = Path(folder) / MANIFEST
        if not path.is_file():
            raise ConfigError(f"{folder} is not a finished index: {_why_unfinished(Path(folder))}")
        try:
            data = json.loads(path.read_text("utf-8"))
            known = {f.name: f.type for f in fields(cls)}
            if data["format"] != FORMAT or set(data) - set(known):
                raise ValueError(f"format {data['format']} with fields {sorted(set(data) - set(known)) or 'as known'}")
            manifest = cls(**data)
            for name, kind in known.items():
                if type(getattr(manifest, name)).__name__ != kind.partition("[")[0]:
                    raise TypeError(f"{name} is {getattr(manifest, name)!r}")
            if manifest.engine not in ENGINES or (manifest.engine == QDRANT) != bool(manifest.rows_at):
                raise ValueError(f"the engine is {manifest.engine!r}, with rows at {manifest.rows_at!r}")
            if manifest.precision not in DTYPES:
                raise ValueError(f"the precision is {manifest.precision!r}; legal: {', '.join(DTYPES)}")
            if manifest.parity:
                check_parity(manifest.parity)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise MismatchError(
                f"{path} is not a manifest of format {FORMAT} ({error}); build the index again"
            ) from error
        return manifest


def check_parity(parity: dict[str, Any]) -> None:
    """Look whether what chose a precision is told as a manifest tells it.

    Raises:
        ValueError: it is not.
    """
    if {name: type(value) for name, value in parity.items()} != {"dtype": str, "cosine": float, "probed": int}:
        raise ValueError(f"parity is {parity!r}")


def _why_unfinished(folder: Path) -> str:
    """What is wrong with a folder that has no manifest, and what to do about it."""
    shipped = ", ".join(available())
    other = "name another index folder" + (
        f", or leave it out to search the bundled one of {shipped}" if shipped else ""
    )
    again = "run the same `python -m umr index ... --out` again"
    if not folder.exists():
        return f"there is no such folder; {other}"
    if not folder.is_dir():
        return f"it is not a folder; {other}"
    if any(folder.glob(f"{PARTIAL}*")):
        return f"its build was interrupted; {again}, it goes on where it stopped; or {other}"
    return f"it has no {MANIFEST}, so it is half-written or none at all; {again}, or {other}"


def place(where: str | Path, folder: Path) -> str:
    """As it is for a Hub name or a relative place; relative where it lies near the index, to move with it.

    Else it is absolute.
    """
    where = str(where)
    if where.startswith("hub:") or not Path(where).is_absolute():
        return where
    near = folder.parents[min(1, len(folder.parents) - 1)]
    if near != Path(near.anchor) and Path(where).is_relative_to(near):
        return Path(os.path.relpath(where, folder)).as_posix()
    return where
