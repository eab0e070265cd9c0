"""A visitor's own files to a temporary collection with an index, in one folder that goes as a whole. Not the page.

Nothing is dropped in silence: what is refused is told with its reason, and the rest goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umr import media
from umr.apart.workers import stoppable
from umr.collection import Collection
from umr.errors import ConfigError, MediaError, UMRError, printable, reason
from umr.formats import parse_object, read_lines
from umr.index.index import Index, build_index
from umr.ingest import CLIPS, IMAGES, TEXTS, read_folder
from umr.reading import Reading
from umr.search import Searcher
from umr.types import Candidate, Content, Encoder, Refused
from umr.ui import query_clip
from umr.ui.files import archive
from umr.ui.files.archive import ARCHIVES, Budget
from umr.verdict import Verdicts

#: All caps of a visitor's collection, in one place; the page states them before anything is dropped.
MAX_FILES = 500
MAX_BYTES = 200_000_000  # of all files, unpacked
MAX_ONE = query_clip.MAX_BYTES  # of one file
MAX_ARCHIVE = 32_000_000  # of one zip as it is sent
MAX_ROWS = 2_000  # passages in .jsonl files
MAX_PARTS = 2_000  # files and parts of clips, where these are cut
SEGMENT_S = 10.0  # of a part

CHUNK = 1 << 16  # bytes that are copied at a time
ROWS = ".jsonl"
KINDS = IMAGES | TEXTS | CLIPS | {ROWS}
SHARD = 16  # candidates encoded between two reports of progress, and so before a cancellation is heard

Report = Callable[[str, int, int], None]


class Cancelled(UMRError):
    """The visitor stopped the work; what was made of it is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFiles:
    """What became of a visitor's files.

    Attributes:
        folder: everything of theirs on disk.
    """

    folder: Path
    searcher: Searcher
    refused: tuple[Refused, ...]


def index_files(
    sources: Sequence[tuple[str, Path]],
    folder: Path,
    encoder: Encoder,
    report: Report,
    segment_s: float = 0.0,
    verdicts: Verdicts | None = None,
) -> OwnFiles:
    """Takes the files in, reads and indexes them.

    report(stage, done, total) may raise Cancelled, and is asked again while a clip is decoded.

    Args:
        sources: (name that the visitor gave, where it lies).
        folder: is made, and holds everything of theirs.
        encoder: what embeds them.
        report: report(stage, done, total) is told the progress.
        segment_s: longer clips are cut into parts of so many seconds; 0: they stay whole.
        verdicts: what the encoder's scores are worth; None: no verdict is given.

    Raises:
        ConfigError: nothing at all can be taken, or clips would be too many parts; the folder is removed whenever this
            raises.
    """
    last: tuple[str, int, int] = ("Taking in", 0, len(sources))

    def told(*at: Any) -> None:
        nonlocal last
        last = at
        report(*at)

    try:
        refused = take(sources, folder, told)
        with stoppable(lambda: report(*last)):
            candidates, unread = read(folder, told, segment_s)
            made = Collection(candidates, "Your files", "", None, [*refused, *unread])
            collection = made.save(folder / "collection")  # beside the files, so that both can be moved together
            index = folder / "index"
            build_index(encoder, collection, index, shard=SHARD, progress=lambda *at: told("Indexing", *at))
        kept = Collection.open(folder / "collection")
        searcher = Searcher(encoder, Index.open(index, encoder), kept, verdicts)
        return OwnFiles(folder=folder, searcher=searcher, refused=collection.refused)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def take(sources: Sequence[tuple[str, Path]], folder: Path, report: Report) -> list[Refused]:
    """Brings files, and what zips hold, into folder/files and folder/rows; within the caps."""
    budget, refused = Budget(MAX_FILES, MAX_BYTES, MAX_ONE), []
    (folder / "files").mkdir(parents=True, exist_ok=True)
    for number, (given, path) in enumerate(sources, 1):
        name = Path(given.replace("\\", "/")).name
        try:
            if not name.isprintable():  # half a character and a zero byte too, which no file can be named by
                raise MediaError(archive.UNPRINTABLE)
            if Path(name).suffix.lower() == ".zip":
                inside = _unzip(path, _free(folder / "files" / Path(name).stem), budget)
                refused += [Refused(f"{name}: {item.source}", item.reason) for item in inside]
            else:
                _take_file(name, path, folder / "files", budget)
        except (UMRError, OSError) as error:
            refused.append(Refused(printable(name)[:200] or "a file without a name", reason(error)))
        report("Taking in", number, len(sources))
    _set_rows_apart(folder)
    return refused + _show_heic(folder / "files")


def read(folder: Path, report: Report, segment_s: float = 0.0) -> tuple[list[Candidate], list[Refused]]:
    """The candidates of a folder that `take` filled: files by umr.ingest, then the passages of .jsonl files.

    Raises:
        ConfigError: clips would be too many parts.
    """
    reading = Reading(segment_s=segment_s)

    def told(done: int, total: int) -> None:
        if segment_s and len(reading.places) > MAX_PARTS:
            raise ConfigError(
                f"Cut into parts of {segment_s:g} seconds, these files would be over {MAX_PARTS:,}. Give fewer or "
                "shorter clips, or leave them whole."
            )
        report("Reading", done, total)

    candidates, refused = read_folder(folder / "files", told, reading)
    left = MAX_ROWS
    for path in sorted((folder / "rows").rglob(f"*{ROWS}")):
        name = path.relative_to(folder / "rows").as_posix()
        passages, unread = read_passages(path, name, left, folder / "files")
        left -= len(passages)
        candidates += passages
        refused += unread
        report("Reading", len(candidates), len(candidates))
    return candidates, refused


def read_passages(
    path: Path, name: str, limit: int, pictures: Path | None = None
) -> tuple[list[Candidate], list[Refused]]:
    """Rows {"text", "title"?, "id"?, "image"?} of a jsonl; ids begin with the file's name, so that none stands twice.

    A row with "image", the name of a picture that was given with it, is an entry: the picture with the text. Any other
    path is refused: it would be one of this machine, not of the visitor's.

    Args:
        path: the file.
        name: what the visitor calls it.
        limit: how many rows are taken.
        pictures: the folder of the pictures that were given; None: there are none.
    """
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    seen: set[str] = set()
    try:
        for place, line in read_lines(path, strict=False):
            at = f"{name}:{place.rpartition(':')[2]}"
            try:
                if len(candidates) >= limit:
                    raise MediaError(
                        f"the limit of {MAX_ROWS:,} passages is reached; this and all after it are left out"
                    )
                candidates.append(_passage(parse_object(line, at), at, name, seen, pictures))
            except UMRError as error:
                refused.append(Refused(at, str(error).removeprefix(f"{at}: ")))
                if len(candidates) >= limit or len(refused) >= archive.MAX_REASONS:
                    break
    except ConfigError as error:
        refused.append(Refused(name, str(error).replace(str(path), name)))
    return candidates, refused


def _passage(row: dict, place: str, name: str, seen: set[str], pictures: Path | None) -> Candidate:
    unknown = set(row) - {"text", "title", "id", "image"}
    if unknown:
        raise ConfigError(
            f"unknown fields {', '.join(sorted(unknown))[:100]}; a row holds text, title, id and image, no other files"
        )
    text, title, own = row.get("text"), row.get("title") or "", row.get("id")
    if not isinstance(text, str) or not isinstance(title, str) or not isinstance(own, (str, int, type(None))):
        raise ConfigError('a row is {"text": "...", "title"?: "...", "id"?: "..."}')
    words = media.clean_text(text)
    if not words:
        raise MediaError("there is no text in it")
    candidate_id = place if own is None else f"{name}:{own}"
    if candidate_id in seen or not candidate_id.isprintable() or len(candidate_id) > 500:
        raise ConfigError("its id stands twice, is too long, or cannot be printed")
    image = _picture(row["image"], pictures) if row.get("image") is not None else None
    seen.add(candidate_id)
    return Candidate(
        candidate_id=candidate_id,
        content=Content(text=words, image=image),
        title=media.clean_text(title)[:300],
        content_hash="" if image is None else media.content_hash(image),
    )


def _picture(name: Any, folder: Path | None) -> Path:
    """A picture that was given beside the row, by its name there.

    Raises:
        MediaError: there is none of this name, or it cannot be read.
    """
    if not isinstance(name, str) or folder is None:
        raise MediaError("“image” is the name of a picture that is given with the rows")
    path = media.browser_copy(folder / archive.safe_path(name))
    try:
        is_there = path.is_file() and path.resolve().is_relative_to(folder.resolve())
    except OSError:  # its name is too long for the system to look
        is_there = False
    if path.suffix.lower() not in IMAGES or not is_there:
        raise MediaError(f"there is no picture {name[:100]!r} among these files; give it with the rows")
    media.open_image(path)
    return path


def _take_file(name: str, path: Path, folder: Path, budget: Budget) -> None:
    kind = Path(name).suffix.lower()
    if kind in ARCHIVES:
        raise MediaError("of archives only .zip is opened; make a zip of it")
    if kind not in KINDS:
        raise MediaError(archive.wrong_kind(kind))
    if name.startswith("."):
        raise MediaError("a hidden file")
    budget.check()
    with path.open("rb") as source, _free(folder / name).open("xb") as out:
        try:
            archive.copy(iter(lambda: source.read(CHUNK), b""), out, budget)
        except MediaError:
            Path(out.name).unlink()
            raise
    budget.files -= 1


def _unzip(path: Path, folder: Path, budget: Budget) -> list[Refused]:
    if path.stat().st_size > MAX_ARCHIVE:
        raise MediaError(f"a zip may have {MAX_ARCHIVE / 1e6:.0f} MB; split it")
    return archive.unpack(path, folder, budget, KINDS)


def _free(path: Path) -> Path:
    """The path, or one like it that no file has yet: two folders of a visitor may hold files of one name."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem} ({number}){path.suffix}")
    return free


def _show_heic(folder: Path) -> list[Refused]:
    """Puts a JPEG in the place of every HEIC, which browsers do not show; never over another file that was given."""
    refused = []
    for path in [p for p in folder.rglob("*") if p.suffix.lower() in media.HEIC and p.is_file()]:
        try:
            if (copy := media.browser_copy(path)).exists():
                raise MediaError(f"a file {copy.name!r} was given too; rename one of them")
            media.shown_in_browsers(path)
        except (MediaError, OSError) as error:
            refused.append(Refused(path.name, reason(error)))
        path.unlink()
    return refused


def _set_rows_apart(folder: Path) -> None:
    """Moves .jsonl files to folder/rows: they are read line by line, the others as one thing each."""
    for path in [p for p in (folder / "files").rglob("*") if p.suffix.lower() == ROWS and p.is_file()]:
        target = (folder / "rows" / path.relative_to(folder / "files")).with_suffix(ROWS)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, _free(target))
