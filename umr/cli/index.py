"""What `index` and its sub-commands do: they read, encode, write, and say on stderr what became of it."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from umr.cli.index_parser import AUTO
from umr.cli.progress import Progress, say
from umr.collection import Collection
from umr.errors import ConfigError, printable
from umr.index.sources import COLUMNS, MEDIA, Part, Record, Source, collection_of, read_part
from umr.moments import check_length
from umr.reading import Reading
from umr.shipped import HUB
from umr.types import DTYPES, FLOAT32

if TYPE_CHECKING:
    from umr.index.build import Form
    from umr.index.parity import Parity
    from umr.index.rewrite import Change, Opener
    from umr.shrunk import Shrunk
    from umr.types import Candidate, Encoder, Refused

_NAMED = 20  # ids that are said one by one


def found_encoder(name: str, dtype: str) -> tuple[Encoder, str]:
    """An encoder by bundled name, folder or Hub name, and the place to find it again; says what was found out of it."""
    from umr.models.ready import found

    folder, place = found(name, dtype, say)
    from umr.encoders import load_encoder

    return load_encoder(folder, dtype=dtype), place


def dtype_of(asked: str | None, encoder: str) -> str:
    """What a command computes an encoder in: as asked, else as is usual here for one of its kind, which is said."""
    from umr.models.fit import bfloat16_gpu, usual_dtype

    if asked is not None:
        return asked
    usual = usual_dtype(large=encoder.startswith(HUB))
    if usual != FLOAT32:
        say(f"{encoder} is computed in {usual}, which {bfloat16_gpu()} computes in; --dtype float32 asks for the other")
    return usual


@dataclass(slots=True)
class _Opened:
    """An encoder of which one precision is in memory at a time.

    Attributes:
        encoder: as it is computed in now.
        place: where it is found again.
        dtype: the precision.
        shrunk: the pictures that were decoded for it.
    """

    encoder: Encoder
    place: str
    dtype: str
    shrunk: Shrunk

    def turned(self, dtype: str) -> Encoder:
        """The encoder in a precision; who has it in another one must have let it go."""
        if dtype != self.dtype:
            from umr.encoders import load_encoder

            self.shrunk.serve(None)
            del self.encoder
            gc.collect()  # what refers to itself is let go only then
            self.encoder, self.dtype = load_encoder(self.place, dtype=dtype), dtype
            self.shrunk.serve(self.encoder)
        return self.encoder


def build(options: argparse.Namespace) -> None:
    """`index`: reads, encodes, writes; says what it refused. Nobody else writes to its folder meanwhile."""
    part, form = read_part(options.shard) if options.shard else (1, 1), _form(options)
    asked = FLOAT32 if options.dtype == AUTO or (options.shard and not options.dtype) else options.dtype
    opened = _opened(options.encoder, dtype_of(asked, options.encoder))
    from umr.index.build import build_claimed
    from umr.index.coarse import check_factory
    from umr.index.manifest import FAISS
    from umr.lock import claimed
    from umr.streamed import forget

    if form.engine == FAISS:
        check_factory(form.factory, form.nprobe, opened.encoder.dim)
    with claimed(options.out) as claim:
        source = _source(options.source, options)
        reading = Reading(part=part, shrunk=opened.shrunk, keep=claim.folder)
        collection = _collection(source, options, reading)
        _say_refused(collection.refused)
        parity = _chosen(claim.folder, opened, collection) if options.dtype == AUTO else None
        form = replace(form, shrunk=opened.shrunk, parity=parity)
        manifest = build_claimed(
            claim,
            opened.encoder,
            collection,
            form,
            encoder_at=opened.place,
            precision=opened.dtype,
            progress=Progress("indexing"),
        )
        counted = replace(source, count=len(collection))
        record = Record(sources=(counted,), part=_part(reading) if options.shard else None)
        record.write(claim.folder, manifest.fingerprint)
        forget(claim.folder)
    _say_cut(opened.encoder, collection)
    print(f"{manifest.count} indexed, {len(collection.refused)} refused, in {options.out}", file=sys.stderr)


def _opened(name: str, dtype: str) -> _Opened:
    encoder, place = found_encoder(name, dtype)
    from umr.shrunk import Shrunk

    return _Opened(encoder=encoder, place=place, dtype=dtype, shrunk=Shrunk(encoder))


def _chosen(folder: Path, opened: _Opened, collection: Collection) -> Parity:
    """What chose the precision that the candidates speak for, which is said; the encoder is turned to it."""
    from umr.index.parity import begun, compared, digest, probe

    candidates, how = probe(collection), "as this build began"
    parity = begun(folder, opened.encoder.fingerprint, digest(candidates))
    if parity is None:
        parity, speed = compared(opened.turned, candidates, opened.shrunk)
        how = f"and bfloat16 is {speed:.2f} times as quick here"
    say(f"{parity}, {how}")
    opened.turned(parity.dtype)
    return parity


def add(options: argparse.Namespace) -> None:
    """`index add`: says what became of the index."""
    from umr.index.renew import add as added
    from umr.index.rewrite import held

    what = [replace(_source(word, options), prefix=options.prefix) for word in options.what]
    with held(options.index) as index:
        encoder = _own_encoder(options.index)
        _say_change(added(index, what, encoder, Progress), encoder, options.index)


def update(options: argparse.Namespace) -> None:
    """`index update`: says what became of the index."""
    from umr.index.renew import update as updated
    from umr.index.rewrite import held

    source = None if options.source is None else _source(options.source, options)
    with held(options.index) as index:
        encoder = _own_encoder(options.index)
        _say_change(updated(index, encoder, source, Progress), encoder, options.index)


def remove(options: argparse.Namespace) -> None:
    """`index remove`: says what is gone."""
    from umr.index.renew import remove as removed
    from umr.index.rewrite import held

    with held(options.index) as index:
        _say_change(removed(index, options.what), None, options.index)


def join(options: argparse.Namespace) -> None:
    """`index join`: says how many candidates there are."""
    from umr.index.join import join as joined
    from umr.lock import claimed

    with claimed(options.out) as claim:
        manifest = joined(claim, options.shards, _form(options))
    print(f"{manifest.count} indexed, of {len(options.shards)} parts, in {options.out}", file=sys.stderr)


def verify(options: argparse.Namespace) -> None:
    """`index verify`: says that all is as it was built, or what is not."""
    from umr.index.manifest import IndexManifest
    from umr.index.stored import check_rows, check_whole, open_collection

    manifest = IndexManifest.read(options.index)
    check_whole(options.index, manifest, open_collection(options.index, manifest))
    check_rows(options.index, manifest)
    there = f", the rows in {manifest.rows_at}" if manifest.rows_at else ""
    print(
        f"{options.index}: {len(manifest.files)} files{there} and the collection of {manifest.count:,} candidates are "
        "those that were built",
        file=sys.stderr,
    )


#: Command -> what does it.
DONE: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "index": build,
    "index add": add,
    "index remove": remove,
    "index update": update,
    "index join": join,
    "index verify": verify,
}


def _form(options: argparse.Namespace) -> Form:
    """How the index is searched, as far as it can be known before a candidate is read."""
    from umr.index.build import Form
    from umr.index.engines import check_asked
    from umr.index.manifest import FACTORY, FAISS

    of_whole = (options.engine, options.factory, options.nprobe) != (FAISS, FACTORY, 0)
    if options.command == "index" and options.shard and of_whole:
        what = "--factory" if options.engine == FAISS else "--engine"
        raise ConfigError(f"{what} is of the whole index: give it to `index join`, and build each part without it")
    if options.command == "index" and options.shard and options.dtype == AUTO:
        raise ConfigError(
            "--dtype auto is of the whole source, as parts must be of one precision: build each part with the same "
            f"--dtype, {' or '.join(DTYPES)}"
        )
    check_asked(options.engine, options.factory, options.nprobe)
    return Form(engine=options.engine, factory=options.factory, nprobe=options.nprobe)


def _source(where: str, options: argparse.Namespace) -> Source:
    columns = {column: getattr(options, f"{column}_column") for column in COLUMNS}
    source = Source.of(where, columns, options.split)
    length = check_length(getattr(options, "segment_seconds", 0.0))  # `update` has none, and cuts as before
    if length and source.kind == "collection":
        raise ConfigError(
            f"{where} is a collection, which says by itself what its candidates are: --segment-seconds is for folders, "
            "files, rows and datasets"
        )
    return replace(source, segment_s=length)


def _collection(source: Source, options: argparse.Namespace, reading: Reading) -> Collection:
    """What `index` was given, or the part of it that was asked for."""
    if source.kind == "collection" and not options.shard:
        from umr.columns import COLUMNS as NAME
        from umr.index.manifest import IDS
        from umr.streamed import READ

        kept = options.out / f"{READ}collection"
        return Collection.streamed(source.at, kept / NAME, kept / IDS)
    taken, refused = source.read(options.out / MEDIA, Progress("reading"), reading)
    if options.shard and not taken and not refused:
        raise ConfigError(f"no candidate of {options.source} is of part {options.shard}; choose fewer parts")
    return collection_of(source, taken, refused)


def _part(reading: Reading) -> Part:
    number, of = reading.part
    return Part(number=number, of=of, total=reading.total, listing=reading.listing, places=tuple(reading.places))


def _own_encoder(folder: Path) -> Opener:
    """What loads an index's encoder, once, as precise as it was when the index was built."""

    @cache
    def opened() -> Encoder:
        from umr.encoders import load_encoder
        from umr.index.manifest import IndexManifest
        from umr.shipped import encoder_of_index

        manifest = IndexManifest.read(folder)
        place = encoder_of_index(folder, manifest.encoder_at, manifest.encoder_name)
        return load_encoder(place, dtype=manifest.precision)

    return opened


def _say_change(change: Change, encoder: Opener | None, folder: Path) -> None:
    _say_refused(change.refused)
    for what in ("added", "changed", "removed"):
        ids = getattr(change, what)
        for one in ids[:_NAMED]:
            print(printable(f"{what} {one}"), file=sys.stderr)
        if len(ids) > _NAMED:
            print(f"{what} {len(ids) - _NAMED:,} more", file=sys.stderr)
    if change.left_out:
        print(
            f"umr: {len(change.left_out)} that were removed before stay out; `index add` takes them again",
            file=sys.stderr,
        )
    if change.encoded and encoder is not None:
        _say_cut(encoder(), change.encoded)
    print(
        f"{len(change.added)} added, {len(change.changed)} changed, {len(change.removed)} removed, "
        f"{len(change.encoded)} encoded, {len(change.refused)} refused: {change.manifest.count} in {folder}",
        file=sys.stderr,
    )


def _say_refused(refused: Iterable[Refused]) -> None:
    for one in refused:
        print(printable(f"refused {one.source}: {one.reason}"), file=sys.stderr)


def _say_cut(encoder: Encoder, candidates: Iterable[Candidate]) -> None:
    from umr.cli.embed import cut_notice

    for notice in cut_notice(encoder, (one.content for one in candidates)):
        print(f"umr: {printable(notice)}", file=sys.stderr)
