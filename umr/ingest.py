"""A person's own files to candidates: a folder, a jsonl, a dataset. Not the collection (umr.collection).

Nothing is dropped in silence: what cannot be taken is returned with its reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr import media
from umr.disk import replacing, special
from umr.errors import ConfigError, DiskFullError, MediaError, UMRError, reason
from umr.formats import parse_object, read_lines
from umr.types import Candidate, Content, Refused

if TYPE_CHECKING:
    import datasets

IMAGES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".avif", *media.HEIC))
TEXTS = frozenset((".txt", ".md"))
CLIPS = frozenset((".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v"))
CHECKED_FRAMES = 8  # frames of a clip that are read before it is taken

Progress = Callable[[int, int], None]
Taken = tuple[list[Candidate], list[Refused]]


def read_folder(folder: str | Path, progress: Progress | None = None) -> Taken:
    """Pictures, texts and clips under a folder, sorted by path; every one is read once, to its end, before it is taken.

    Hidden files and folders are passed over; links that lead out of the folder are refused.

    Raises:
        ConfigError: it is no folder.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; give a folder, a .jsonl file or a saved dataset")
    files = list(_files(folder))
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    for number, path in enumerate(files, 1):
        name = path.relative_to(folder).as_posix()
        try:
            candidates.append(_from_file(path, name, folder))
        except (UMRError, OSError) as error:
            refused.append(Refused(name, reason(error)))
        if progress is not None:
            progress(number, len(files))
    return candidates, refused


def read_rows(path: str | Path, progress: Progress | None = None) -> Taken:
    """Rows {"id"?, "text"?, "image"?, "video"?, "title"?} of a jsonl.

    Paths are relative to its folder; ids default to row-<line>.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = Path(path).absolute()
    lines = list(read_lines(path))
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    seen: set[str] = set()
    for number, (place, line) in enumerate(lines, 1):
        try:
            row = parse_object(line, place)
            candidate = _from_row(row, f"row-{place.rpartition(':')[2]}", path.parent)
            _claim(candidate.candidate_id, seen)
            candidates.append(candidate)
        except (UMRError, OSError) as error:
            refused.append(Refused(f"{path.name}:{place.rpartition(':')[2]}", reason(error)))
        if progress is not None:
            progress(number, len(lines))
    return candidates, refused


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
) -> Taken:
    """A dataset saved by `save_to_disk`, or one that `load_dataset` finds by name (with its own downloads).

    Args:
        source: the folder or the name.
        media_folder: pictures inside the dataset are written there under their hash; those that are files stay where
            they are.
        columns: what is read.
        split: which part of the dataset.
        progress: called with (done, total) after every row.

    Raises:
        ConfigError: it cannot be read as a dataset, or has no such columns.
        DiskFullError: a picture could not be written.
    """
    data, columns = _opened(source, split, columns or Columns())
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    seen: set[str] = set()
    for number, row in enumerate(data):
        try:
            value = row[columns.image] if columns.image else None
            fields = {
                "id": str(row[columns.id]) if columns.id else None,
                "text": row[columns.text] if columns.text else None,
                "image": None if value is None else stored_picture(value, Path(media_folder)),
                "title": row[columns.title] if columns.title else None,
            }
            candidate = _from_row(fields, f"row-{number}", Path(media_folder))
            _claim(candidate.candidate_id, seen)
            candidates.append(candidate)
        except DiskFullError:  # it is of every row that follows
            raise
        except (UMRError, OSError) as error:
            refused.append(Refused(f"row {number}", reason(error)))
        if progress is not None:
            progress(number + 1, len(data))
    return candidates, refused


def _opened(source: str | Path, split: str, columns: Columns) -> tuple[datasets.Dataset, Columns]:
    """The columns of a dataset that are read, with pictures as the files' own bytes, and their names."""
    data = open_dataset(source, split)
    if columns.image is None and columns.text is None:
        there = {name: name for name in ("image", "text") if name in data.column_names}
        columns = replace(columns, image=there.get("image"), text=there.get("text"))
    missing = [column for column in columns.named() if column not in data.column_names]
    if missing or not (columns.image or columns.text):
        raise ConfigError(
            f"{source} has the columns {', '.join(data.column_names)}; "
            f"{', '.join(missing) or 'an image or text column'} is asked for: name the right ones"
        )
    return data.select_columns(columns.named()), columns


def open_dataset(source: str | Path, split: str) -> datasets.Dataset:
    """A dataset saved by `save_to_disk`, or one that `load_dataset` finds by name; pictures stay the files' own bytes.

    Raises:
        ConfigError: it cannot be read as a dataset, or has no such split.
    """
    import datasets  # heavy, and only this reader needs it

    try:
        if Path(source).is_dir():
            data = datasets.load_from_disk(str(source))
        else:
            data = datasets.load_dataset(str(source), split=split)
        if isinstance(data, datasets.DatasetDict):
            data = data[split]
    except (OSError, ValueError, KeyError) as error:  # what it raises for names, folders and splits it does not know
        words = str(error).splitlines()[0]
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


def _files(folder: Path) -> Iterator[Path]:
    """Files under a folder in the order of their paths, hidden ones left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def _from_file(path: Path, name: str, folder: Path) -> Candidate:
    real = Path(os.path.realpath(path))  # which a loop of links does not break
    if not real.is_relative_to(os.path.realpath(folder)):
        raise MediaError("a link that leads out of the folder")
    what = special(path)
    if what is not None:
        raise MediaError(f"{what}, not a file; it is not opened")
    kind = path.suffix.lower()
    if kind in TEXTS:
        return _candidate(name, path.stem, text=_read_text(path))
    if kind in IMAGES:
        return _candidate(name, path.stem, image=path)
    if kind in CLIPS:
        return _candidate(name, path.stem, video=path)
    raise MediaError(f"{kind or 'a file without ending'} is no picture, text (.txt, .md) or clip that is read")


def _from_row(row: dict[str, Any], default_id: str, folder: Path) -> Candidate:
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
    return _candidate(parts["id"] or default_id, parts["title"] or "", text=parts["text"], image=image, video=video)


def _candidate(
    candidate_id: str, title: str, text: str | None = None, image: Path | None = None, video: Path | None = None
) -> Candidate:
    """Checked by reading it: a picture whole, some frames of a clip, the limits of a text."""
    if not candidate_id.isprintable():
        raise MediaError("its name holds characters that cannot be printed; rename it")
    text = None if text is None else media.clean_text(text) or None
    file = image if image is not None else video
    if text is None and file is None:
        raise MediaError("there is nothing in it: no text, picture or clip")
    if image is not None:
        media.open_image(image)
    if video is not None:
        media.sample_frames(video, CHECKED_FRAMES)
    return Candidate(
        candidate_id=candidate_id,
        content=Content(text=text, image=image, video=video),
        title=title,
        content_hash="" if file is None else media.content_hash(file),
    )


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
