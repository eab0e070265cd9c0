"""A person's own files to candidates: a folder, a jsonl, a dataset. Not the collection (umr.collection).

Nothing is dropped in silence: what cannot be taken is returned with its reason.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr import media
from umr.ahead import in_order
from umr.disk import replacing, special
from umr.errors import ConfigError, DiskFullError, MediaError, UMRError, reason
from umr.formats import parse_object, read_lines
from umr.packed import KEY, is_packed, open_packed
from umr.reading import Reading
from umr.shipped import MANIFEST
from umr.types import Candidate, Content, Refused

if TYPE_CHECKING:
    import datasets

IMAGES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".avif", *media.HEIC))
TEXTS = frozenset((".txt", ".md"))
CLIPS = frozenset((".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v"))
CHECKED_FRAMES = 8  # frames of a clip that are read before it is taken

Progress = Callable[[int, int], None]
Taken = tuple[list[Candidate], list[Refused]]


def read_folder(
    folder: str | Path, progress: Progress | None = None, reading: Reading | None = None, within: Path | None = None
) -> Taken:
    """Pictures, texts and clips under a folder, sorted by path; every one is read once, to its end, before it is taken.

    Hidden files and folders are passed over, and folders that are an index, which may lie among what they are of; links
    that lead out of the folder are refused.

    Args:
        folder: what ids are relative to.
        progress: called with (done, total) after every file.
        reading: which of them, and what is known of them.
        within: only this file or folder in it.

    Raises:
        ConfigError: it is no folder.
    """
    folder, reading = Path(folder).absolute(), reading or Reading()
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; give a folder, a .jsonl file or a saved dataset")
    files = list(files_under(within or folder)) if within is None or within.is_dir() else [within]

    def entries() -> Iterator[_Entry]:
        for path in files:
            name = path.relative_to(folder).as_posix()
            wanted = reading.wants(name)
            yield _Entry(name, reading.total - 1, partial(_from_file, path, name, folder, reading) if wanted else None)

    return _taken(entries(), len(files), reading, progress)


def walked(name: str) -> tuple[tuple[bool, str], ...]:
    """What sorts the ids of a folder's files as read_folder gives them: files of a folder before those in folders."""
    *folders, file = name.split("/")
    return (*((True, one) for one in folders), (False, file))


def read_rows(path: str | Path, progress: Progress | None = None, reading: Reading | None = None) -> Taken:
    """Rows {"id"?, "text"?, "image"?, "video"?, "title"?} of a jsonl.

    Paths are relative to its folder; ids default to row-<line>. "file_name" in place of "image" is the word of a folder
    of pictures with captions (metadata.jsonl of `datasets`).

    Args:
        path: the file.
        progress: called with (done, total) after every row.
        reading: which of them, and what is known of them.

    Raises:
        ConfigError: the file cannot be read.
    """
    path, reading = Path(path).absolute(), reading or Reading()
    lines = list(read_lines(path))

    def entries() -> Iterator[_Entry]:
        for place, line in lines:
            number = place.rpartition(":")[2]
            default, name = f"row-{number}", f"{path.name}:{number}"
            try:
                row = parse_object(line, place)
            except UMRError as error:
                wanted, make = reading.wants(default), partial(_refuse, error)
            else:
                wanted, make = (
                    reading.wants(_row_id(row, default)),
                    partial(_from_row, row, default, path.parent, reading),
                )
            yield _Entry(name, reading.total - 1, make if wanted else None)

    return _taken(entries(), len(lines), reading, progress)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a source: what a refusal calls it, its place, and what reads it; None: it is not of this part."""

    name: str
    place: int
    make: Callable[[], Candidate] | None


def _taken(entries: Iterable[_Entry], total: int, reading: Reading, progress: Progress | None) -> Taken:
    """The candidates of entries, read by several threads, in the order of the entries; an id is taken once."""
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    seen: set[str] = set()
    for number, (entry, found) in enumerate(in_order(_made, entries), 1):
        try:
            if isinstance(found, Exception):
                raise found
            if found is not None:
                _claim(found.candidate_id, seen)
                candidates.append(found)
                reading.took(entry.place)
        except DiskFullError:  # it is of every entry that follows
            raise
        except (UMRError, OSError) as error:
            refused.append(Refused(entry.name, reason(error)))
        if progress is not None:
            progress(number, total)
    return candidates, refused


def _made(entry: _Entry) -> tuple[_Entry, Candidate | Exception | None]:
    """What an entry gave: a candidate, why there is none, or nothing where it is not of this part."""
    try:
        return entry, None if entry.make is None else entry.make()
    except (UMRError, OSError) as error:
        return entry, error


def _refuse(error: UMRError) -> Candidate:
    raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of a dataset's columns; without image and text, columns of those names are taken where they exist."""

    image: str | None = None
    text: str | None = None
    title: str | None = None
    id: str | None = None

    def named(self) -> list[str]:
        """Those that are asked for."""
        return [column for column in (self.image, self.text, self.title, self.id) if column is not None]


def read_dataset(
    source: str | Path,
    media_folder: str | Path,
    columns: Columns | None = None,
    split: str = "train",
    progress: Progress | None = None,
    reading: Reading | None = None,
) -> Taken:
    """A dataset saved by `save_to_disk`, or one that `load_dataset` finds by name (with its own downloads).

    Args:
        source: the folder or the name.
        media_folder: pictures inside the dataset are written there under their hash; those that are files stay where
            they are.
        columns: what is read.
        split: which part of the dataset.
        progress: called with (done, total) after every row.
        reading: which of them, and what is known of them.

    Raises:
        ConfigError: it cannot be read as a dataset, or has no such columns.
        DiskFullError: a picture could not be written.
    """
    data, columns = _opened(source, split, columns or Columns())
    reading = reading or Reading()
    writing = threading.Lock()  # equal pictures are one file

    def made(row: dict[str, Any], default: str) -> Candidate:
        with writing:
            fields = _fields(row, columns, Path(media_folder))
        return _from_row(fields, default, Path(media_folder), reading)

    def entries() -> Iterator[_Entry]:
        for number, row in enumerate(data):
            default = f"row-{number}"
            wanted = reading.wants(str(row[columns.id]) if columns.id else default)
            yield _Entry(f"row {number}", reading.total - 1, partial(made, row, default) if wanted else None)

    return _taken(entries(), len(data), reading, progress)


def _fields(row: dict[str, Any], columns: Columns, media_folder: Path) -> dict[str, Any]:
    """A dataset's row as one of a jsonl; its picture is written to the folder."""
    value = row[columns.image] if columns.image else None
    return {
        "id": str(row[columns.id]) if columns.id else None,
        "text": row[columns.text] if columns.text else None,
        "image": None if value is None else stored_picture(value, media_folder),
        "title": row[columns.title] if columns.title else None,
    }


def _opened(source: str | Path, split: str, columns: Columns) -> tuple[datasets.Dataset, Columns]:
    """The columns of a dataset that are read, with pictures as the files' own bytes, and their names."""
    data = open_dataset(source, split)
    if columns.image is None and columns.text is None:
        there = {name: name for name in ("image", "text") if name in data.column_names}
        columns = replace(columns, image=there.get("image"), text=there.get("text"))
    if columns.id is None and KEY in data.column_names:
        columns = replace(columns, id=KEY)
    missing = [column for column in columns.named() if column not in data.column_names]
    if missing or not (columns.image or columns.text):
        raise ConfigError(
            f"{source} has the columns {', '.join(data.column_names)}; "
            f"{', '.join(missing) or 'an image or text column'} is asked for: name the right ones"
        )
    return data.select_columns(columns.named()), columns


def open_dataset(source: str | Path, split: str) -> datasets.Dataset:
    """A dataset saved by `save_to_disk`, a file of umr.packed, or one that `load_dataset` finds by name.

    Pictures stay the files' own bytes.

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
        elif isinstance(getattr(feature, "feature", None), datasets.Image):  # a list of pictures
            data = data.cast_column(column, type(feature)(as_bytes))
    return data


def resolve(path: str, folder: Path) -> Path:
    """The path that a row names.

    It is absolute, else under the folder of its file, else under the working folder where only that exists.

    Raises:
        MediaError: it contains a NUL.
    """
    if "\0" in path:
        raise MediaError("a path contains a NUL character")
    there, here = folder / path, Path(path).absolute()
    return here if not there.exists() and here.exists() else there


def files_under(folder: Path) -> Iterator[Path]:
    """Files under a folder in the order of their paths, hidden ones and those of an index left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or _is_index(Path(root, name))))
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def _is_index(folder: Path) -> bool:
    """Whether a folder is an index (umr.index), also one whose files lie in a version's folder."""
    return (folder / MANIFEST).is_file() and any(folder.rglob("vectors.faiss"))


def _from_file(path: Path, name: str, folder: Path, reading: Reading) -> Candidate:
    if any(part.startswith(".") for part in name.split("/")):
        raise MediaError("hidden files and folders are passed over; rename it")
    real = Path(os.path.realpath(path))  # which a loop of links does not break
    if not real.is_relative_to(os.path.realpath(folder)):
        raise MediaError("a link that leads out of the folder")
    what = special(path)
    if what is not None:
        raise MediaError(f"{what}, not a file; it is not opened")
    kind = path.suffix.lower()
    if kind in TEXTS:
        return _candidate(name, path.stem, reading, text=_read_text(path))
    if kind in IMAGES:
        return _candidate(name, path.stem, reading, image=path)
    if kind in CLIPS:
        return _candidate(name, path.stem, reading, video=path)
    raise MediaError(f"{kind or 'a file without ending'} is no picture, text (.txt, .md) or clip that is read")


def _row_id(row: Mapping[str, Any], default: str) -> str:
    """The id of a row, also of one that will be refused."""
    value = row.get("id")
    return str(value) if isinstance(value, (str, int)) and str(value).strip() else default


def _from_row(row: dict[str, Any], default_id: str, folder: Path, reading: Reading) -> Candidate:
    if "file_name" in row and "image" not in row:
        row = {"image" if key == "file_name" else key: value for key, value in row.items()}
    unknown = set(row) - {"id", "text", "image", "video", "title"}
    if unknown:
        raise ConfigError(f"unknown fields {', '.join(sorted(unknown))}; known: id, text, image, video, title")
    parts: dict[str, str | None] = {}
    for key in ("id", "text", "image", "video", "title"):
        value = row.get(key)
        if value is not None and not isinstance(value, str) and not (key == "id" and type(value) is int):
            raise ConfigError(f"{key} is {type(value).__name__}; a text is needed")
        parts[key] = str(value) if value is not None and str(value).strip() else None
    image, video = (resolve(named, folder) if named else None for named in (parts["image"], parts["video"]))
    name, title = parts["id"] or default_id, parts["title"] or ""
    return _candidate(name, title, reading, text=parts["text"], image=image, video=video)


def _candidate(
    candidate_id: str,
    title: str,
    reading: Reading,
    *,
    text: str | None = None,
    image: Path | None = None,
    video: Path | None = None,
) -> Candidate:
    """Checked by reading it: a picture whole, some frames of a clip, the limits of a text."""
    if not candidate_id.isprintable():
        raise MediaError("its name holds characters that cannot be printed; rename it")
    text = None if text is None else media.clean_text(text) or None
    if text is None and image is None and video is None:
        raise MediaError("there is nothing in it: no text, picture or clip")
    content = Content(text=text, image=image, video=video)
    return Candidate(
        candidate_id=candidate_id,
        content=content,
        title=title,
        content_hash=_checked_hash(candidate_id, content, reading),
    )


def _checked_hash(candidate_id: str, content: Content, reading: Reading) -> str:
    """The hash of a picture's or clip's bytes, after it was decoded unless that was done to these very bytes before."""
    file = content.image if content.image is not None else content.video
    if not isinstance(file, Path):
        return ""
    if content.image is not None:
        data = media.file_bytes(file)  # once: the hash is of what was decoded
        found = media.content_hash(data)
        if not reading.has_read(candidate_id, content, found):
            image = media.open_image(data, name=file.name)
            if reading.shrunk is not None:
                reading.shrunk.keep(found, image)
        return found
    if candidate_id in reading.known and file.is_file():
        found = media.content_hash(file)
        if reading.has_read(candidate_id, content, found):
            return found
    media.sample_frames(file, CHECKED_FRAMES)
    return media.content_hash(file)


def _read_text(path: Path) -> str:
    if path.stat().st_size > 8 * media.MAX_TEXT:
        raise MediaError(
            f"it has {path.stat().st_size:,} bytes; at most {media.MAX_TEXT:,} characters are read, so split it"
        )
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MediaError(f"not UTF-8 text ({error.reason} at byte {error.start}); convert it first") from error


def _claim(candidate_id: str, seen: set[str]) -> None:
    if candidate_id in seen:
        raise ConfigError(f"the id {candidate_id!r} was used by an earlier row")
    seen.add(candidate_id)


def stored_picture(value: dict[str, Any] | str, folder: Path) -> str:
    """Path of a dataset's picture; bytes are written once, named by their hash.

    Raises:
        MediaError: the picture has neither bytes nor a path.
        DiskFullError: it could not be written.
    """
    if isinstance(value, str):
        return value
    data, path = value.get("bytes"), value.get("path")
    if data is None and not path:
        raise MediaError("its picture has neither bytes nor a path")
    if data is None:
        return str(Path(str(path)).absolute())
    kind = Path(path).suffix.lower() if path and Path(path).suffix.lower() in IMAGES else ".img"
    target = folder.absolute() / f"{media.content_hash(data)}{kind}"
    if not target.is_file():
        with replacing(target) as draft:
            draft.write_bytes(data)
    return str(target)
