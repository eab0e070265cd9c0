"""Data sets of `datasets`, also one file of them, and the files inside. Not what is made of their rows (umr.ingest)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from umr import media
from umr.disk import replacing
from umr.errors import ConfigError, MediaError, StoppedError, reason
from umr.tar_rows import TarRows

if TYPE_CHECKING:
    import datasets

    Rows = TypeVar("Rows", datasets.Dataset, datasets.IterableDataset)

TABLE, TAR = ".parquet", ".tar"
PACKED = (TABLE, TAR)  # endings of files that are a dataset each
#: What `save_to_disk` leaves in a folder; one of them is there.
DICT = "dataset_dict.json"  # of one with splits
SAVED = ("dataset_info.json", DICT)
_writing = threading.Lock()  # equal pictures are one file


def is_packed(source: str | Path) -> bool:
    """Whether this is a file that is a dataset by itself."""
    path = Path(source)
    return path.suffix.lower() in PACKED and path.is_file()


def is_saved(source: str | Path) -> bool:
    """Whether this is a folder of `save_to_disk`."""
    return any(Path(source, name).is_file() for name in SAVED)


def is_whole(source: str | Path) -> bool:
    """Whether this is one dataset without splits: a file, or a folder that `save_to_disk` wrote of one."""
    return is_packed(source) or (is_saved(source) and not Path(source, DICT).is_file())


def open_packed(source: str | Path) -> datasets.Dataset | TarRows:
    """The rows of a file; of a tar, picture, clip and words have the columns "image", "video" and "text" too.

    Args:
        source: the file.

    Raises:
        OSError, ValueError, datasets.exceptions.DatasetsError: it cannot be read as what it is called.
    """
    path = Path(source).absolute()
    if path.suffix.lower() == TAR:
        return TarRows.open(path)
    import datasets  # heavy, and only this reader needs it

    return datasets.load_dataset("parquet", data_files=str(path), split="train")


def open_dataset(source: str | Path, split: str) -> datasets.Dataset | TarRows:
    """A dataset saved by `save_to_disk`, a file of umr.packed, or one that `load_dataset` finds by name, downloaded.

    Pictures and clips stay the files' own bytes. One found by name is read as it comes by umr.streamed.

    Raises:
        ConfigError: it cannot be read as a dataset, or has no such split.
    """
    import datasets  # heavy, and only this reader needs it

    try:
        if is_saved(source):
            data = datasets.load_from_disk(str(source))
        elif is_packed(source):
            data = open_packed(source)
            if isinstance(data, TarRows):
                return data
        else:
            data = datasets.load_dataset(str(source), split=split)
        if isinstance(data, datasets.DatasetDict):
            data = data[split]
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:  # of names, files and splits
        raise unreadable(source, split, error) from error
    return as_bytes(data)


def unreadable(source: str | Path, split: str, error: Exception) -> ConfigError:
    """What is said of a source that is no dataset, or has no such split."""
    words = next(iter(str(error.__cause__ or error).splitlines()), type(error).__name__)
    return ConfigError(f"{source} (split {split}) cannot be read as a dataset: {words}")


def as_bytes(data: Rows) -> Rows:
    """The same rows, with pictures and clips not decoded."""
    import datasets

    undecoded = datasets.Image(decode=False)  # not re-encoded pixels
    for column, feature in (data.features or {}).items():
        if isinstance(feature, datasets.Image):
            data = data.cast_column(column, undecoded)
        elif isinstance(feature, datasets.Video):
            data = data.cast_column(column, datasets.Video(decode=False))
        elif isinstance(getattr(feature, "feature", None), datasets.Image):  # a list of pictures
            data = data.cast_column(column, type(feature)(undecoded))
    return data


def container(data: bytes) -> str:
    """The ending of a clip's file by its first bytes, which a browser goes by."""
    return ".webm" if data.startswith(b"\x1aE\xdf\xa3") else ".avi" if data.startswith(b"RIFF") else ".mp4"


def stored(value: Any, folder: Path, what: str, ending: Callable[[bytes, str], str]) -> str:
    """Path of a dataset's picture or clip; bytes are written once, named by their hash. Threads may call it at once.

    Args:
        value: its path, its bytes, or a row with "bytes" and "path".
        folder: where bytes go.
        what: it is, in a refusal.
        ending: of the file, given the bytes and the ending that it has, which may be "".

    Raises:
        MediaError: it is another value, has neither bytes nor a path, or what its path leads to is not there.
        StoppedError: it lies elsewhere and could not be fetched.
        DiskFullError: it could not be written.
    """
    if isinstance(value, str):
        return value
    row = {"bytes": value} if isinstance(value, bytes) else value
    if not isinstance(row, Mapping):
        raise MediaError(
            f"its {what} is {type(value).__name__}; a path, the file's bytes, or both as a struct are needed"
        )
    data, path = row.get("bytes"), row.get("path")
    if data is None and not path:
        raise MediaError(f"its {what} has neither bytes nor a path")
    if data is None and "://" not in str(path):
        return str(Path(str(path)).absolute())
    data = _fetched(str(path)) if data is None else data
    kind = ending(data, Path(str(path or "").partition("::")[0]).suffix.lower())
    target = folder.absolute() / f"{media.content_hash(data)}{kind}"
    with _writing:
        if not target.is_file():
            with replacing(target) as draft:
                draft.write_bytes(data)
    return str(target)


def _fetched(address: str) -> bytes:
    """The bytes of a file that a streamed row names: in an archive, on the Hub, or in an archive there.

    Raises:
        MediaError: it is not there, or too large.
        StoppedError: it cannot be fetched.
    """
    import httpx
    from datasets.utils.file_utils import xopen

    try:
        with xopen(address, "rb") as file:
            data: bytes = file.read(media.MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise MediaError(f"{address} is not there") from error
    except (OSError, ValueError, KeyError, httpx.HTTPError) as error:
        raise StoppedError(
            f"{address} could not be fetched ({reason(error)}): check the connection and run the same command again, "
            "which goes on near that row"
        ) from error
    if len(data) > media.MAX_BYTES:
        raise MediaError(f"it has over {media.MAX_BYTES / 1e6:,.0f} MB; files that large are indexed from a folder")
    return data
