"""Opens a zip that a stranger made: every member is checked and streamed with counters.

Not what its files mean (ingest).

Sizes that an archive states are never believed; what is not taken is returned with its reason, and the rest goes on.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from umr.apart.worker import Died
from umr.archives.opener import ArchiveOpener, Member
from umr.errors import ConfigError, MediaError, UMRError, printable, reason
from umr.types import Refused

#: Endings of archives; one inside another is not opened, so that nothing can nest without end.
ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".jar", ".iso", ".cab"))
MAX_REASONS = 200  # refusals told one by one; the others are counted
MAX_DEPTH = 32  # folders within each other
UNPRINTABLE = "its name holds characters that cannot be printed; rename it"
#: What the system says of a name alone: too long, of a file where a folder is, below a file, or none of its own.
_OF_ITS_NAME = frozenset((errno.ENAMETOOLONG, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.EILSEQ))
OPENER = ArchiveOpener()


@dataclass(slots=True)
class Budget:
    """What may still be taken, over everything that one visitor gives: files, bytes, and bytes of one file."""

    files: int
    total: int
    one: int

    def check(self) -> None:
        """Raises MediaError where nothing more may be taken."""
        if self.files <= 0:
            raise MediaError("the limit on the number of files is reached")
        if self.total <= 0:
            raise MediaError("the limit on all files together is reached")


def unpack(archive: Path, folder: Path, budget: Budget, kinds: Collection[str]) -> list[Refused]:
    """Writes the members of a zip with an ending of `kinds` (lower case, with a dot) into `folder`, by their own paths.

    Links, members that lead out of the folder, encrypted and nested ones are refused.

    Args:
        archive: the file.
        folder: where it goes.
        budget: is used up by what is read, of refused members too, so that a bomb ends the reading.
        kinds: endings, lower case, with a dot.

    Raises:
        MediaError: the whole is no zip.
    """
    refused: list[Refused] = []
    taken = budget.files

    def each(member: Member) -> None:
        try:
            _take(member, folder, budget, kinds)
        except UMRError as error:
            _refuse(refused, member.name, str(error))
        except OSError as error:  # of this one alone, unless the disk is full
            if error.errno not in _OF_ITS_NAME:
                raise
            _refuse(refused, member.name, f"it cannot be named so here: {reason(error).lower()}; rename it")
        except Died:
            _refuse(refused, member.name, "it stops what unpacks it")
            raise

    try:
        OPENER.visit(archive, each)
    except MediaError as error:
        if budget.files == taken:
            raise
        _refuse(refused, archive.name, f"the rest of it is not taken: {error}")
    if len(refused) > MAX_REASONS:
        refused[MAX_REASONS:] = [Refused(f"{len(refused) - MAX_REASONS:,} more", "refused as those above")]
    return refused


def safe_path(name: str) -> PurePosixPath:
    """A member's name as a relative path.

    Raises:
        MediaError: one that leads out, or that no file should have.
    """
    path = PurePosixPath(name)
    if "\\" in name or path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
        raise MediaError("its path leads out of the archive")
    if not path.parts:
        raise MediaError("it has no name")
    if len(path.parts) > MAX_DEPTH:
        raise MediaError(f"it lies {len(path.parts) - 1:,} folders deep; at most {MAX_DEPTH - 1} are read")
    if not name.isprintable():
        raise MediaError(UNPRINTABLE)
    return path


def _take(member: Member, folder: Path, budget: Budget, kinds: Collection[str]) -> None:
    path = safe_path(member.name)
    if stat.S_IFMT(member.mode) not in (0, stat.S_IFREG):
        raise MediaError("a link" if stat.S_ISLNK(member.mode) else "neither a file nor a folder")
    if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
        raise MediaError("a hidden file of the system that made the archive")
    kind = path.suffix.lower()
    if kind in ARCHIVES:
        raise MediaError("an archive within an archive; unpack it first")
    if kind not in kinds:
        raise MediaError(wrong_kind(kind))
    if member.encrypted:
        raise MediaError("it is encrypted; give it without a password")
    budget.check()
    target = folder / path
    if target.exists():
        raise ConfigError("its name stands twice in the archive")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".part")
    try:
        with draft.open("xb") as out:
            copy(member.pieces(min(budget.one, budget.total) + 1), out, budget)
        os.replace(draft, target)
        budget.files -= 1
    finally:
        draft.unlink(missing_ok=True)


def copy(pieces: Iterable[bytes], out: IO[bytes], budget: Budget) -> None:
    """Writes what comes, and counts it.

    Raises:
        MediaError: over the limit of one file or of all together.
    """
    taken = 0
    for piece in pieces:
        taken += len(piece)
        budget.total -= len(piece)
        if taken > budget.one:
            raise MediaError(f"it is larger than {budget.one / 1e6:.0f} MB, whatever size it states")
        if budget.total < 0:
            raise MediaError("the limit on all files together is reached")
        out.write(piece)


def wrong_kind(kind: str) -> str:
    """The reason to refuse a file by its ending."""
    return f"{kind or 'a file without ending'} is no picture, text (.txt, .md, .jsonl) or clip that is read"


def _refuse(refused: list[Refused], name: str, why: str) -> None:
    refused.append(Refused(printable(name)[:200] or "a member without a name", why))
