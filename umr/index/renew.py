"""An index brought up to date: candidates added, removed, or its sources looked at again. Not the first build.

Each of the three says which candidates the next version holds; umr.index.rewrite writes it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path

from umr.errors import ConfigError
from umr.index.rewrite import Change, Group, Held, Opener, Watch, renewed
from umr.index.shards import check_unchanged
from umr.index.sources import MEDIA, Source
from umr.ingest import walked
from umr.reading import Reading
from umr.types import Candidate, Encoder, Refused


def update(index: Held, encoder: Opener, source: Source | None = None, watch: Watch | None = None) -> Change:
    """Look at every source again: what is new or changed is encoded, what is gone is removed.

    Args:
        index: of `held`.
        encoder: gives the encoder that made it.
        source: where candidates are now whose source moved, or is unknown.
        watch: gives what is called as a source is read, and as candidates are encoded.

    Raises:
        ConfigError: a source is gone or not known.
        MismatchError: the encoder is another one, or makes other vectors than it did.
        MediaError: a file changes while it is read.
    """
    groups, refused = index.groups(), list[Refused]()
    if source is not None:
        unknown = [n for n, group in enumerate(groups) if group.source.kind == "unknown"] or [*range(len(groups))]
        if len(unknown) != 1:
            raise ConfigError(f"{index.folder} has {len(groups)} sources, so --source does not say which one it is")
        (moved,) = unknown
        known = groups[moved].source
        source = replace(source, prefix=known.prefix, removed=known.removed, segment_s=known.segment_s)
        groups[moved] = replace(groups[moved], source=source)
    for number, group in enumerate(groups):
        groups[number] = _looked_at(group, index.folder, watch, refused)
    there = {one.candidate_id for group in groups for one in group.candidates}
    left_out = tuple(i for group in groups for i in group.source.removed if i in there)
    kept = [_without(group, frozenset(group.source.removed)) for group in groups]
    return replace(renewed(index, kept, encoder, watch), refused=tuple(refused), left_out=left_out)


def add(index: Held, what: Sequence[Source], encoder: Opener, watch: Watch | None = None) -> Change:
    """Take further files, folders, rows or datasets in; what was removed once is taken again.

    Files under a folder that was indexed get the ids that they have there; a source that is in the index already is
    looked at again.

    Args:
        index: of `held`.
        what: the sources.
        encoder: gives the encoder that made it.
        watch: as of `update`.

    Raises:
        ConfigError: nothing of them can be taken, or two candidates would have one id.
        MismatchError: the encoder is another one, or makes other vectors than it did.
        MediaError: a file changes while it is read.
    """
    groups, refused = index.groups(), list[Refused]()
    for given in what:
        source = _as_indexed(given, groups)
        number = next((n for n, group in enumerate(groups) if group.source.same(source)), None)
        if number is None:
            number = next((n for n, group in enumerate(groups) if _lies_in(source, group.source)), None)
        if number is None:
            groups.append(Group(source=source, candidates=()))
            number = len(groups) - 1
        if groups[number].source.same(source):
            again = replace(groups[number], source=replace(groups[number].source, removed=()))
            groups[number] = _looked_at(again, index.folder, watch, refused)
        else:
            groups[number] = _with_files(groups[number], Path(source.at), watch, refused)
    return replace(renewed(index, groups, encoder, watch), refused=tuple(refused))


def remove(index: Held, what: Sequence[str]) -> Change:
    """Take candidates out, for good: their vectors and rows are gone once this returns, and `update` leaves them out.

    Args:
        index: of `held`.
        what: ids, paths of files or folders, or patterns of either with * ? [ ], where * stands for / too.

    Raises:
        ConfigError: one of them is of no candidate, or none would be left.
    """
    groups = index.groups()
    paths = {one.candidate_id: _path(group.source, one) for group in groups for one in group.candidates}
    unwanted = frozenset(chain.from_iterable(_matching(one, paths) for one in what))
    return renewed(index, [_without(group, unwanted) for group in groups], _no_encoder, None)


def _looked_at(group: Group, folder: Path, watch: Watch | None, refused: list[Refused]) -> Group:
    """The source's candidates as they are now; files of the same bytes are not decoded again."""
    reading = Reading(known={one.candidate_id: one for one in group.candidates}, keep=folder)
    candidates, unfit = group.source.read(folder / MEDIA, watch("reading") if watch else None, reading)
    if group.source.kind == "collection":  # which lists hashes; they must be those of the files
        check_unchanged(candidates)
    refused += unfit
    return replace(group, candidates=tuple(candidates))


def _with_files(group: Group, path: Path, watch: Watch | None, refused: list[Refused]) -> Group:
    """A folder's group with a file, or all that is under a folder, of it."""
    source, known = group.source, {one.candidate_id: one for one in group.candidates}
    progress = watch("reading") if watch else None
    found, unfit = source.read(Path(), progress, Reading(known=known), within=path)
    refused += unfit
    known |= {one.candidate_id: one for one in found}
    taken = {one.candidate_id for one in found}
    removed = tuple(i for i in source.removed if i not in taken)
    ordered = sorted(known, key=lambda i: walked(i.removeprefix(source.prefix)))
    return Group(source=replace(source, removed=removed), candidates=tuple(known[i] for i in ordered))


def _as_indexed(source: Source, groups: Sequence[Group]) -> Source:
    """The source, with clips cut as they are where it, or the folder that it is in, was indexed.

    Raises:
        ConfigError: they are to be cut in another way.
    """
    place = (source.kind, source.at, source.prefix)
    for known in (group.source for group in groups):
        if place != (known.kind, known.at, known.prefix) and not _lies_in(source, known):
            continue
        if source.segment_s not in (0, known.segment_s):
            raise ConfigError(
                f"{known.at} was indexed with --segment-seconds {known.segment_s:g}, so {source.segment_s:g} would cut "
                "its clips twice: leave the option out, or build another index"
            )
        return replace(source, segment_s=known.segment_s)
    return source


def _lies_in(source: Source, folder: Source) -> bool:
    """Whether a file or folder is under a folder that was indexed, so that its ids are relative to that."""
    plain = source.kind in ("file", "folder") and not source.prefix
    return plain and folder.kind == "folder" and Path(source.at).is_relative_to(folder.at)


def _without(group: Group, unwanted: frozenset[str]) -> Group:
    gone = [one.candidate_id for one in group.candidates if one.candidate_id in unwanted]
    removed = tuple(dict.fromkeys((*group.source.removed, *gone)))
    left = tuple(one for one in group.candidates if one.candidate_id not in unwanted)
    return Group(source=replace(group.source, removed=removed), candidates=left)


def _path(source: Source, candidate: Candidate) -> str:
    """The file that a candidate was read from; "" for a row without one."""
    file = candidate.content.media
    if isinstance(file, (str, Path)):
        return str(file)
    if source.kind == "folder":
        return str(Path(source.at, candidate.candidate_id.removeprefix(source.prefix)))
    return source.at if source.kind == "file" else ""


def _matching(word: str, paths: dict[str, str]) -> list[str]:
    """The ids that are meant by an id, a path or a pattern."""
    if word in paths:
        return [word]
    path = os.path.abspath(word)
    found = [i for i, file in paths.items() if file == path or file.startswith(path + os.sep)]
    if not found and any(sign in word for sign in "*?["):
        found = [i for i, file in paths.items() if fnmatchcase(i, word) or fnmatchcase(file, path)]
    if not found:
        raise ConfigError(f"{word!r} is no id, file or pattern of a candidate of this index; nothing was removed")
    return found


def _no_encoder() -> Encoder:
    raise RuntimeError("candidates that are removed are not encoded")
