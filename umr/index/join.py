"""Indexes of the parts of one source, joined to the index of all of it. Not how a part is built (umr.index.index).

Nothing is encoded: the rows of the parts are put in the order of the source, so that the files are those of a build
that was never parted, if a candidate's vector does not depend on which others were encoded with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from umr.disk import replacing
from umr.errors import ConfigError, MismatchError
from umr.index.build import PLAIN, Form
from umr.index.engines import store_asked
from umr.index.manifest import PROBE, IndexManifest, place
from umr.index.rewrite import Held
from umr.index.shards import keep_plan
from umr.index.sources import MEDIA, Part, Record, collection_of
from umr.index.versions import COLLECTION, command, install, made_now, write_columns_of, write_ids
from umr.lock import Claim
from umr.shipped import encoder_of_index
from umr.types import Candidate

_BLOCK = 65_536  # rows copied at a time


def join(claim: Claim, folders: Sequence[str | Path], form: Form = PLAIN) -> IndexManifest:
    """Write the index of a whole source from the indexes of its parts.

    Args:
        claim: the folder that it goes to.
        folders: the parts', in any order.
        form: its engine, factory and nprobe are those of the whole.

    Raises:
        ConfigError: the factory does not fit, or a part is missing, given twice or no part; it is named.
        MismatchError: parts are of different encoders or sources, or a part is damaged.
    """
    parts = _parts([Held(Path(folder).absolute()) for folder in folders])
    first, folder = parts[0], claim.folder
    if any(one.folder == folder for one in parts):
        raise ConfigError(f"{folder} is one of the parts; join them into another folder")
    candidates, rows = _in_order(parts)
    store = store_asked(form.engine, form.factory, form.nprobe, len(candidates), first.manifest.dim)
    source = first.record.sources[0]
    collection = collection_of(source, [_with_file_here(one, parts, folder) for one in candidates])
    if collection.folder is None:
        collection.name = first.collection.name
        collection = collection.save(folder / COLLECTION)
    elif tuple(collection) != tuple(candidates):
        raise MismatchError(f"{source.at} changed since its parts were indexed; index every part again")
    made = {"join": [one.manifest.fingerprint for one in parts], "collection": collection.fingerprint}
    draft = keep_plan(folder, made)
    write_ids(draft, collection.ids)
    blocks = _blocks(parts, collection.ids, rows)
    held = store.write(draft, collection, blocks, first.manifest.encoder, first.manifest.dim)
    write_columns_of(draft, collection)
    shutil.copyfile(first.folder / first.manifest.files_at / PROBE, draft / PROBE)
    old = first.manifest
    manifest = replace(
        old,
        encoder_at=place(encoder_of_index(first.folder, old.encoder_at, old.encoder_name), folder),
        collection=collection.fingerprint,
        collection_name=collection.name,
        collection_at=place(collection.folder or "", folder),
        files_at="",
        count=len(collection),
        licence=collection.licence,
        command=command(),
        **held,
        **made_now(draft),
    )
    install(folder, draft, manifest)
    Record(sources=(replace(source, count=len(collection)),)).write(folder, manifest.fingerprint)
    return manifest


def _part(held: Held) -> Part:
    if held.record.part is None:
        raise ConfigError(f"{held.folder} is no part of an index: it was built without --shard")
    return held.record.part


def _parts(held: Sequence[Held]) -> list[Held]:
    """The parts by their numbers, after it was seen that they are those of one source and one encoder."""
    if not held:
        raise ConfigError("there is nothing to join; give the folders that `index ... --shard i/n` wrote")
    first, known = held[0], dict[int, Held]()
    for one in held:
        _check_fit(first, one)
        number = _part(one).number
        if number in known:
            raise ConfigError(f"part {_part(one)} is given twice: {known[number].folder} and {one.folder}")
        known[number] = one
    count = _part(first).of
    missing = [f"{number}/{count}" for number in range(1, count + 1) if number not in known]
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} of {first.record.sources[0].at} missing: index it with --shard {missing[0]}, and "
            "join all of them"
        )
    return [known[number] for number in range(1, count + 1)]


def _check_fit(first: Held, one: Held) -> None:
    a, b = _part(first), _part(one)
    pairs = {
        "encoder": (first.manifest.encoder_name, one.manifest.encoder_name),
        "encoder's fingerprint": (first.manifest.encoder[:12], one.manifest.encoder[:12]),
        "precision": (first.manifest.precision, one.manifest.precision),
        "source": (first.record.sources[0].at, one.record.sources[0].at),
        "number of parts": (a.of, b.of),
        "number of entries in the source": (a.total, b.total),
        "list of entries in the source": (a.listing[:12], b.listing[:12]),
    }
    for what, (mine, other) in pairs.items():
        if mine != other:
            raise MismatchError(
                f"{first.folder} (part {a}) and {one.folder} (part {b}) do not fit: the {what} is {mine} of the first "
                f"and {other} of the second; index the one that is out of date again"
            )
    if not first.record.sources[0].same(one.record.sources[0]):
        raise MismatchError(
            f"{first.folder} and {one.folder} were read in different ways (columns, split, parts of clips); index one "
            "of them again"
        )


def _in_order(parts: Sequence[Held]) -> tuple[list[Candidate], list[int]]:
    """The candidates in the order of their source, and of each the number of its part among `parts`."""
    found = [
        (entry, number, candidate)
        for number, one in enumerate(parts)
        for entry, candidate in zip(_part(one).places, one.collection, strict=True)
    ]
    found.sort(key=lambda row: row[0])
    return [candidate for _, _, candidate in found], [number for _, number, _ in found]


def _blocks(parts: Sequence[Held], ids: Sequence[str], rows: Sequence[int]) -> Iterator[np.ndarray]:
    """The vectors of the ids in their order. rows: of each id the number of its part."""
    number_N = np.array(rows)
    for start in range(0, len(ids), _BLOCK):
        block, of_block = ids[start : start + _BLOCK], number_N[start : start + _BLOCK]
        vectors = np.empty((len(block), parts[0].manifest.dim), np.float32)
        for number, one in enumerate(parts):
            here = np.flatnonzero(of_block == number).tolist()
            if here:
                vectors[here] = one.index.vectors([block[row] for row in here])
        yield vectors


def _with_file_here(candidate: Candidate, parts: Sequence[Held], folder: Path) -> Candidate:
    """The candidate; with its file copied to `folder` if it lies beside a part, where a dataset's are written."""
    content = candidate.content
    file = content.media
    if not isinstance(file, Path) or not any(file.is_relative_to(one.folder / MEDIA) for one in parts):
        return candidate
    target = folder / MEDIA / file.name
    if not target.is_file():
        with replacing(target) as draft:
            shutil.copyfile(file, draft)
    shown = replace(content, image=target) if content.image is not None else replace(content, video=target)
    return replace(candidate, content=shown)
