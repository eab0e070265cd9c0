"""Data sets of `datasets`, also one file of them, and the files inside. Not what is made of their rows (umr.ingest)."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr import media
from umr.disk import replacing
from umr.errors import ConfigError, MediaError

if TYPE_CHECKING:
    import datasets

#: Ending of a file -> the reader of `datasets` for it, which lies on this machine.
READERS = {".parquet": "parquet", ".tar": "webdataset"}
KEY = "__key__"  # webdataset's column of what the files of one sample are called
#: A tar's columns are the endings of its files; the first of these that is there is the one that is meant.
ENDINGS = {"image": ("jpg", "jpeg", "png", "webp"), "video": ("mp4", "webm", "mov", "mkv", "avi", "m4v"),
           "text": ("txt",)}  # fmt: skip


def is_packed(source: str | Path) -> bool:
    """Whether this is a file of one of READERS."""
    path = Path(source)
    return path.suffix.lower() in READERS and path.is_file()


def open_packed(source: str | Path) -> datasets.Dataset:
    """The rows of a file; picture, clip and words have the columns "image", "video" and "text" where endings tell.

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
    data = data.rename_columns({one: meant for meant, one in found.items() if one and meant not in there})
    clips = "video" in data.column_names and not isinstance(data.features["video"], datasets.Video)
    return data.cast_column("video", datasets.Video(decode=False)) if clips else data  # an ending that it does not know


def open_dataset(source: str | Path, split: str) -> datasets.Dataset:
    """A dataset saved by `save_to_disk`, a file of umr.packed, or one that `load_dataset` finds by name.

    Pictures and clips stay the files' own bytes.

    Raises:
        ConfigError: it cannot be read as a dataset, or has no such split.
    """
    import datasets  # heavy, and only this reader needs it

    try:
        if Path(source).is_dir():
            data = datasets.load_from_disk(str(source))
        elif is_packed(source):
            data = open_packed(source)
        else:
            data = datasets.load_dataset(str(source), split=split)
        if isinstance(data, datasets.DatasetDict):
            data = data[split]
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:  # of names, files and splits
        words = next(iter(str(error.__cause__ or error).splitlines()), type(error).__name__)
        raise ConfigError(f"{source} (split {split}) cannot be read as a dataset: {words}") from error
    as_bytes = datasets.Image(decode=False)  # not re-encoded pixels
    for column, feature in data.features.items():
        if isinstance(feature, datasets.Image):
            data = data.cast_column(column, as_bytes)
        elif isinstance(feature, datasets.Video):
            data = data.cast_column(column, datasets.Video(decode=False))
        elif isinstance(getattr(feature, "feature", None), datasets.Image):  # a list of pictures
            data = data.cast_column(column, type(feature)(as_bytes))
    return data


def container(data: bytes) -> str:
    """The ending of a clip's file by its first bytes, which a browser goes by."""
    return ".webm" if data.startswith(b"\x1aE\xdf\xa3") else ".avi" if data.startswith(b"RIFF") else ".mp4"


def stored(value: dict[str, Any] | str, folder: Path, what: str, ending: Callable[[bytes, str], str]) -> str:
    """Path of a dataset's picture or clip; bytes are written once, named by their hash.

    Args:
        value: its path, or a row with "bytes" and "path".
        folder: where bytes go.
        what: it is, in a refusal.
        ending: of the file, given the bytes and the ending that it has, which may be "".

    Raises:
        MediaError: it has neither bytes nor a path.
        DiskFullError: it could not be written.
    """
    if isinstance(value, str):
        return value
    data, path = value.get("bytes"), value.get("path")
    if data is None and not path:
        raise MediaError(f"its {what} has neither bytes nor a path")
    if data is None:
        return str(Path(str(path)).absolute())
    kind = ending(data, Path(path or "").suffix.lower())
    target = folder.absolute() / f"{media.content_hash(data)}{kind}"
    if not target.is_file():
        with replacing(target) as draft:
            draft.write_bytes(data)
    return str(target)
