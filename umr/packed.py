"""Data sets that are one file: a parquet table, a webdataset tar. Not what is made of their rows (umr.ingest)."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datasets

#: Ending of a file -> the reader of `datasets` for it, which lies on this machine.
READERS = {".parquet": "parquet", ".tar": "webdataset"}
KEY = "__key__"  # webdataset's column of what the files of one sample are called
#: A tar's columns are the endings of its files; the first of these that is there is the one that is meant.
ENDINGS = {"image": ("jpg", "jpeg", "png", "webp"), "text": ("txt",)}


def is_packed(source: str | Path) -> bool:
    """Whether this is a file of one of READERS."""
    path = Path(source)
    return path.suffix.lower() in READERS and path.is_file()


def open_packed(source: str | Path) -> datasets.Dataset:
    """The rows of a file, whose picture and words have the columns "image" and "text" where their endings tell.

    Args:
        source: the file.

    Raises:
        OSError, ValueError, datasets.exceptions.DatasetsError: it cannot be read as what it is called.
    """
    import datasets  # heavy, and only this reader needs it

    path = Path(source).absolute()
    try:
        data = datasets.load_dataset(READERS[path.suffix.lower()], data_files=str(path), split="train")
    except tarfile.TarError as error:
        raise ValueError(f"no tar that can be read ({error})") from error
    there = set(data.column_names)
    if KEY not in there:
        return data
    found = {meant: next((one for one in endings if one in there), None) for meant, endings in ENDINGS.items()}
    return data.rename_columns({one: meant for meant, one in found.items() if one and meant not in there})
