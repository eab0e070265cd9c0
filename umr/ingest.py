"""A person's own files to candidates: a folder, a jsonl, a dataset. Not the collection (umr.collection).

Nothing is dropped in silence: what cannot be taken is returned with its reason.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from umr import media
from umr.ahead import in_order
from umr.disk import special
from umr.errors import ConfigError, DiskFullError, MediaError, StoppedError, UMRError, reason
from umr.formats import parse_object, read_lines, span_of
from umr.moments import cut, fragment
from umr.packed import PACKED, container, is_packed, is_saved, open_dataset, stored
from umr.reading import Reading
from umr.shipped import MANIFEST
from umr.streamed import EVERY, READ, Kept, Row, Stream, open_stream
from umr.tar_rows import ENDINGS, KEY, UNDECODED
from umr.types import Candidate, Content, Refused

IMAGES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".avif", *media.HEIC))
TEXTS = frozenset((".txt", ".md"))
CLIPS = frozenset(f".{ending}" for ending in ENDINGS["video"])
CHECKED_FRAMES = 8  # frames of a clip that are read before it is taken
MOST_PARTS = 10_000  # of one clip
_SOURCES = frozenset((".jsonl", *PACKED))
_CAPTIONS = "metadata.csv"  # of a folder of pictures, in the layout of `datasets`
_NOTHING = "there is nothing in it: no text, picture or clip"

Progress = Callable[[int, int], None]
Taken = tuple[list[Candidate], list[Refused]]
Made = list[Candidate | Refused]  # of one entry


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
    """Rows {"id"?, "text"?, "image"?, "video"?, "title"?} of a jsonl; "start" and "end" say which seconds of a clip.

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
    lines = list(read_lines(path, strict=False))  # a line that is no UTF-8 text is refused alone

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
    make: Callable[[], Made] | None


def _taken(entries: Iterable[_Entry], total: int, reading: Reading, progress: Progress | None) -> Taken:
    """The candidates of entries, read by several threads, in the order of the entries; an id is taken once."""
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    seen: set[str] = set()
    for number, (entry, found) in enumerate(in_order(_made, entries), 1):
        try:
            if isinstance(found, Exception):
                raise found
            for one in found:
                if isinstance(one, Refused):
                    refused.append(one)
                    continue
                _claim(one.candidate_id, seen)
                candidates.append(one)
                reading.took(entry.place)
        except (DiskFullError, StoppedError):  # they are of every entry that follows
            raise
        except (UMRError, OSError) as error:
            refused.append(Refused(entry.name, reason(error)))
        if progress is not None:
            progress(number, total)
    return candidates, refused


def _made(entry: _Entry) -> tuple[_Entry, Made | Exception]:
    """What an entry gave: its candidates, why there is none, or nothing where it is not of this part."""
    try:
        return entry, [] if entry.make is None else entry.make()
    except (UMRError, OSError) as error:
        return entry, error


def _refuse(error: UMRError) -> Made:
    raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of a dataset's columns; without image, video and text, columns of those names are taken where they exist.

    Where pictures stand beside clips, as their first frames do, the clips are meant. Of a stream of
    webdataset's samples the columns of ENDINGS are taken too.
    """

    image: str | None = None
    video: str | None = None
    text: str | None = None
    title: str | None = None
    id: str | None = None

    def named(self) -> list[str]:
        """Those that are asked for."""
        columns = (self.image, self.video, self.text, self.title, self.id)
        return [column for column in columns if column is not None]


def read_dataset(
    source: str | Path,
    media_folder: str | Path,
    columns: Columns | None = None,
    split: str = "train",
    progress: Progress | None = None,
    reading: Reading | None = None,
) -> Taken:
    """A dataset saved by `save_to_disk`, a file of one, or one that `datasets` finds by name, read as it comes.

    Args:
        source: the folder, the file or the name.
        media_folder: pictures and clips inside the dataset are written there under their hash; those that are files
            stay where they are.
        columns: what is read.
        split: which part of the dataset.
        progress: called with (done, total) after every row; a total of 0 is one that is not known.
        reading: which of them, and what is known of them.

    Raises:
        ConfigError: it cannot be read as a dataset, or has no such columns.
        StoppedError: it gives no more rows, or one of its files could not be fetched.
        DiskFullError: a picture could not be written.
    """
    columns, reading, folder = columns or Columns(), reading or Reading(), Path(media_folder)
    stream = None if is_saved(source) or is_packed(source) else open_stream(str(source), split)
    if stream is not None:
        columns = _chosen(source, stream.columns, columns)
        return _StreamReading(stream.selected(columns.named()), columns, folder, reading).taken(progress)
    data = open_dataset(source, split)
    columns = _chosen(source, data.column_names, columns)
    data = data.select_columns(columns.named())

    def made(row: dict[str, Any], default: str) -> Made:
        return _from_row(_fields(row, columns, folder), default, folder, reading)

    def entries() -> Iterator[_Entry]:
        for number, row in enumerate(data):
            default = f"row-{number}"
            wanted = reading.wants(str(row[columns.id]) if columns.id else default)
            name = str(row[KEY]) if columns.id == KEY else f"row {number}"
            yield _Entry(name, reading.total - 1, partial(made, row, default) if wanted else None)

    return _taken(entries(), len(data), reading, progress)


class _StreamReading:
    """One reading of a stream: rows that an earlier one kept, then the others as they come, which are kept."""

    def __init__(self, stream: Stream, columns: Columns, folder: Path, reading: Reading) -> None:
        self._stream, self._columns, self._folder, self._reading = stream, columns, folder, reading
        of = hashlib.sha256(json.dumps([stream.of, asdict(columns), reading.part]).encode()).hexdigest()
        self._kept = Kept(reading.keep and reading.keep / f"{READ}{of[:16]}.jsonl", of)
        self._lines: dict[int, Row] = {}  # of rows that are not in order yet
        self._states: dict[int, Row] = {}

    def taken(self, progress: Progress | None) -> Taken:
        """All of it. As read_dataset says."""
        count = self._kept.count

        def done(number: int, total: int) -> None:
            nonlocal count
            count = number
            if number > self._kept.count:
                self._kept.add(self._lines.pop(number - 1))
                if number - 1 in self._states:
                    self._kept.mark(self._states.pop(number - 1))
            if progress is not None:
                progress(number, total if number <= total else 0)

        found = _taken(self._entries(), self._stream.count, self._reading, done)
        if not self._kept.whole:
            self._kept.mark(None)
        if progress is not None and count != self._stream.count:
            progress(count, count)
        return found

    def _entries(self) -> Iterator[_Entry]:
        for number, line in enumerate(self._kept.lines()):
            yield self._entry(number, line["id"], partial(self._again, number, line))
        if self._kept.whole:
            return
        before, named = self._kept.count, self._columns.id
        try:
            for number, row in enumerate(self._stream.rows(before, self._kept.state), before):
                name = row.get(named) if named else None
                candidate_id = f"row-{number}" if name is None else str(name)
                self._lines[number] = {"id": candidate_id}
                if not (number + 1) % EVERY:
                    self._states[number] = self._stream.data.state_dict()
                yield self._entry(number, candidate_id, partial(self._made, number, row))
        except StoppedError as error:  # told behind the rows before it, which are kept
            yield _Entry("", 0, partial(_refuse, error))

    def _entry(self, number: int, candidate_id: str, make: Callable[[], Made]) -> _Entry:
        wanted = self._reading.wants(candidate_id)
        return _Entry(f"row {number}", self._reading.total - 1, make if wanted else None)

    def _made(self, number: int, row: Row) -> Made:
        line = self._lines[number]
        try:
            for column, why in row.get(UNDECODED, {}).items():
                if column in self._columns.named():
                    raise MediaError(why)
            line["row"] = _fields(row, self._columns, self._folder)
        except MediaError as error:
            line["refused"] = reason(error)
            raise
        return self._again(number, line)

    def _again(self, number: int, line: Row) -> Made:
        if "refused" in line:
            raise MediaError(line["refused"])
        return _from_row(line["row"], f"row-{number}", self._folder, self._reading)


def _fields(row: dict[str, Any], columns: Columns, media_folder: Path) -> dict[str, Any]:
    """A dataset's row as one of a jsonl; picture or clip are written to the folder, words of a clip are its title."""
    image, video, text, title, name = (
        row.get(column) if column else None
        for column in (columns.image, columns.video, columns.text, columns.title, columns.id)
    )
    if isinstance(text, bytes):
        raise MediaError("its words are not UTF-8 text; convert them first")
    return {
        "id": None if name is None else str(name),
        "text": text if video is None else None,
        "image": None if image is None else stored_picture(image, media_folder),
        "video": None if video is None else stored_clip(video, media_folder),
        "title": text if title is None and video is not None else title,
    }


def _chosen(source: str | Path, there: Sequence[str], columns: Columns) -> Columns:
    """The columns that are read of those that a dataset has."""
    if columns.image is None and columns.text is None and columns.video is None:
        usual = {name: found for name in ENDINGS if (found := _usual(name, there))}
        if "video" in usual and not (KEY in there and usual["video"] == "video"):  # a tar's own rows have one of both
            usual.pop("image", None)
        columns = replace(columns, **usual)
    if columns.id is None and KEY in there:
        columns = replace(columns, id=KEY)
    missing = [column for column in columns.named() if column not in there]
    if missing or not (columns.image or columns.text or columns.video):
        raise ConfigError(
            f"{source} has the columns {', '.join(there)}; "
            f"{', '.join(missing) or 'an image, video or text column'} is asked for: name the right ones"
        )
    return columns


def _usual(name: str, there: Sequence[str]) -> str | None:
    """The column that is meant by "image", "video" or "text" where nobody names one."""
    others = ENDINGS[name] if KEY in there else ()
    return next((one for one in (name, *others) if one in there), None)


def resolve(path: str, folder: Path) -> Path:
    """The path that a row names.

    It is absolute, else under the folder of its file, else under the working folder where only that exists. A name that
    is too long for a file is of none.

    Raises:
        MediaError: it contains a NUL.
    """
    if "\0" in path:
        raise MediaError("a path contains a NUL character")
    there, here = folder / path, Path(path).absolute()
    return here if not os.path.exists(there) and os.path.exists(here) else there


def files_under(folder: Path) -> Iterator[Path]:
    """Files under a folder in the order of their paths, hidden ones and those of an index left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or _is_index(Path(root, name))))
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def _is_index(folder: Path) -> bool:
    """Whether a folder is an index (umr.index), also one whose files lie in a version's folder."""
    return (folder / MANIFEST).is_file() and any(folder.rglob("vectors.faiss"))


def _from_file(path: Path, name: str, folder: Path, reading: Reading) -> Made:
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
        return [_candidate(name, path.stem, reading, Content(text=_read_text(path)))]
    if kind in IMAGES:
        return [_candidate(name, path.stem, reading, Content(image=path))]
    if kind in CLIPS:
        return _parts(name, path.stem, reading, Content(video=path))
    if kind in _SOURCES:
        raise MediaError("a source by itself, which is read where the file is named in place of its folder")
    if path.name == _CAPTIONS:
        raise MediaError("words of the pictures beside it, which are read where the folder is named as dataset:FOLDER")
    raise MediaError(f"{kind or 'a file without ending'} is no picture, text (.txt, .md) or clip that is read")


def _row_id(row: Mapping[str, Any], default: str) -> str:
    """The id of a row, also of one that will be refused."""
    value = row.get("id")
    return str(value) if isinstance(value, (str, int)) and str(value).strip() else default


def _from_row(row: dict[str, Any], default_id: str, folder: Path, reading: Reading) -> Made:
    if "file_name" in row and "image" not in row:
        row = {"image" if key == "file_name" else key: value for key, value in row.items()}
    unknown = set(row) - {"id", "text", "image", "video", "title", "start", "end"}
    if unknown:
        raise ConfigError(
            f"unknown fields {', '.join(sorted(unknown))}; known: id, text, image, video, title, start, end"
        )
    parts: dict[str, str | None] = {}
    for key in ("id", "text", "image", "video", "title"):
        value = row.get(key)
        if value is not None and not isinstance(value, str) and not (key == "id" and type(value) is int):
            raise ConfigError(f"{key} is {type(value).__name__}; a text is needed")
        parts[key] = str(value) if value is not None and str(value).strip() else None
    image, video = (resolve(named, folder) if named else None for named in (parts["image"], parts["video"]))
    name, title = parts["id"] or default_id, parts["title"] or ""
    if parts["text"] is None and image is None and video is None:
        raise MediaError(_NOTHING)
    content = Content(text=parts["text"], image=image, video=video, span=span_of(row))
    return _parts(name, title, reading, content)


def _parts(candidate_id: str, title: str, reading: Reading, content: Content) -> Made:
    """One candidate; several of a clip that is longer than clips may be here, each by its moments.

    Parts that cannot be read are refused by their moments, and the others taken.

    Raises:
        MediaError: nothing of it can be read.
    """
    whole = content.video is None or content.span is not None or not reading.segment_s
    spans = [] if whole else cut(media.clip_seconds(content.video), reading.segment_s)  # type: ignore[arg-type]
    if not spans:
        return [_candidate(candidate_id, title, reading, content)]
    if len(spans) > MOST_PARTS:
        raise MediaError(
            f"it would be {len(spans):,} parts; at most {MOST_PARTS:,} are made of a clip: cut longer ones"
        )
    hashed = cache(media.content_hash)  # a clip is hashed once, not once for each of its parts
    made: Made = []
    errors = []
    for one in spans:
        name = candidate_id + fragment(one)
        try:
            made.append(_candidate(name, title, reading, replace(content, span=one), hashed))
        except MediaError as error:
            errors.append(error)
            made.append(Refused(name, reason(error)))
    if len(errors) == len(spans):
        raise errors[0]
    return made


def _candidate(
    candidate_id: str,
    title: str,
    reading: Reading,
    content: Content,
    hashed: Callable[[Path], str] = media.content_hash,
) -> Candidate:
    """Checked by reading it: a picture whole, some frames of a clip, the limits of a text."""
    if not candidate_id.isprintable():
        raise MediaError("its name holds characters that cannot be printed; rename it")
    text = None if content.text is None else media.clean_text(content.text) or None
    if text is None and content.image is None and content.video is None:
        raise MediaError(_NOTHING)
    content = replace(content, text=text)
    content_hash = _checked_hash(candidate_id, content, reading, hashed)
    return Candidate(
        candidate_id=candidate_id,
        content=content,
        title=title,
        content_hash=content_hash,
        duration_s=_duration(candidate_id, content, content_hash, reading),
    )


def _duration(candidate_id: str, content: Content, content_hash: str, reading: Reading) -> float | None:
    """Seconds of a whole clip; None where its frames do not say when they are shown, and of anything else."""
    if not isinstance(content.video, Path) or content.span is not None:
        return None
    if reading.has_read(candidate_id, content, content_hash):
        return reading.known[candidate_id].duration_s
    try:
        return media.clip_seconds(content.video)
    except MediaError:  # it was read just now, so that this alone is not known of it
        return None


def _checked_hash(candidate_id: str, content: Content, reading: Reading, hashed: Callable[[Path], str]) -> str:
    """The hash of a picture's or clip's bytes, after it was decoded unless that was done to these very bytes before."""
    file = content.media
    if not isinstance(file, Path):
        return ""
    if content.image is not None:
        data = media.file_bytes(file)  # once: the hash is of what was decoded
        found = media.content_hash(data)
        if not reading.has_read(candidate_id, content, found):
            image = media.open_image(data, name=file.name, own=False)
            if reading.shrunk is not None:
                reading.shrunk.keep(found, image)
        return found
    if candidate_id in reading.known and file.is_file():
        found = hashed(file)
        if reading.has_read(candidate_id, content, found):
            return found
    media.sample_frames(file, CHECKED_FRAMES, content.span)
    return hashed(file)


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
    return stored(value, folder, "picture", lambda _, kind: kind if kind in IMAGES else ".img")


def stored_clip(value: dict[str, Any] | str, folder: Path) -> str:
    """As stored_picture, of a clip."""
    return stored(value, folder, "clip", lambda data, kind: kind if kind in CLIPS else container(data))
