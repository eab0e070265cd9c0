"""The next version of an index, from the candidates it is to hold. Not which those are (umr.index.renew).

What did not change, by the hash of its bytes and by its text, keeps its vector bit for bit; the rest is encoded. The
version holds its candidates alone, in the order of their sources, as a build from nothing would. It stands once its
manifest is renamed into place; before that the old one is whole, and after an interruption the same call goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from umr.collection import CANDIDATES, Collection, fingerprint_of, to_row
from umr.disk import file_sha256
from umr.errors import ConfigError
from umr.formats import write_jsonl
from umr.index.build import SHARD, check_ids
from umr.index.engines import store_again
from umr.index.index import Index, check_encoder
from umr.index.manifest import PARTIAL, PROBE, IndexManifest
from umr.index.shards import encoded_shards, forget_plans, keep_plan
from umr.index.sources import MEDIA, Record, Source, read_record
from umr.index.versions import VERSION, clear, commit, made_now, write_columns_of, write_ids
from umr.ingest import Progress
from umr.lock import claimed
from umr.moments import Span
from umr.streamed import READ, forget
from umr.types import Candidate, Encoder, Refused

Opener = Callable[[], Encoder]  # called only if something is to be encoded
Watch = Callable[[str], Progress]  # what goes on -> what is called with (done, total) meanwhile
_BLOCK = 65_536  # rows copied at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The candidates of one source, in their order."""

    source: Source
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a renewal did.

    Attributes:
        manifest: of the version that stands now.
        added, changed, removed: ids.
        encoded: candidates whose vectors were made anew.
        refused: what was offered and not taken.
        left_out: ids that the sources still have, and that stay out as they were removed once.
    """

    manifest: IndexManifest
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    encoded: tuple[Candidate, ...] = ()
    refused: tuple[Refused, ...] = ()
    left_out: tuple[str, ...] = ()


class Held:
    """An index that is to be renewed: its vectors, candidates and sources, opened without its encoder."""

    def __init__(self, folder: Path) -> None:
        """Open and check all of it.

        Raises:
            ConfigError: there is no finished index.
            MismatchError: its files or its candidates are not what its manifest lists.
        """
        self.folder, self.manifest = folder, IndexManifest.read(folder)
        self.index = Index.read(folder, self.manifest, self.manifest.dim)
        self.collection = Collection.open(folder / self.manifest.collection_at, self.manifest.collection_name)
        self.index.check_collection(self.collection)
        self.record = read_record(folder, self.manifest)

    def groups(self) -> list[Group]:
        """Its candidates by source.

        Raises:
            ConfigError: it holds a part of its source alone.
        """
        if self.record.part is not None:
            raise ConfigError(
                f"{self.folder} is part {self.record.part} of an index: join the parts first, with "
                "`python -m umr index join SHARD ... --out DIR`"
            )
        rest = iter(self.collection)
        return [
            Group(source=one, candidates=tuple(next(rest) for _ in range(one.count))) for one in self.record.sources
        ]


@contextmanager
def held(folder: str | Path) -> Iterator[Held]:
    """The index of a folder, for the caller alone in the block, without what a process that died left in it.

    Raises:
        ConfigError: there is no finished index, or another process has the folder.
        MismatchError: it is damaged.
    """
    IndexManifest.read(folder)  # before the lock, which would make the folder
    with claimed(folder) as claim:
        found = Held(claim.folder)
        clear(found.folder, found.manifest)
        _clear_pictures(found.folder, found.record, found.collection)
        yield found


def renewed(index: Held, groups: Sequence[Group], encoder: Opener, watch: Watch | None) -> Change:
    """Write the version of these candidates, if it is another one than there is.

    Args:
        index: what stands.
        groups: all candidates of the next version, by source.
        encoder: gives the encoder that made it.
        watch: gives what is called with (done, total) as candidates are encoded.

    Raises:
        ConfigError: two candidates have one id, or there is none.
        MismatchError: the encoder is another one, or makes other vectors than it did.
        MediaError: a file changed since it was listed.
    """
    _check_one_each(index, groups)
    collection = Collection.taken(index.collection.name, [one for group in groups for one in group.candidates])
    check_ids(collection.ids)
    sources = [replace(group.source, count=len(group.candidates)) for group in groups]
    record = Record(sources=tuple(one for one in sources if one.count or one.kind not in ("file", "unknown")))
    before = Collection.taken(index.collection.name, tuple(index.collection))
    if collection.fingerprint == before.fingerprint and record == index.record:
        forget_plans(index.folder)
        forget(index.folder)
        return Change(manifest=index.manifest)
    kept = _kept(before, collection)
    fresh = tuple(one for one, old in zip(collection, kept, strict=True) if old is None)
    manifest = _written(index, collection, record, (kept, fresh), encoder, watch)
    return Change(
        manifest=manifest,
        added=tuple(i for i in collection.ids if i not in before),
        changed=tuple(i for i in collection.ids if i in before and not _alike(before[i], collection[i])),
        removed=tuple(i for i in before.ids if i not in collection),
        encoded=fresh,
    )


def _check_one_each(index: Held, groups: Sequence[Group]) -> None:
    """Every id stands once, and there is one at all."""
    owner: dict[str, Source] = {}
    for group in groups:
        for one in group.candidates:
            if (other := owner.setdefault(one.candidate_id, group.source)) is not group.source:
                raise ConfigError(
                    f"the id {one.candidate_id!r} is in {other.at or 'this index'} and in {group.source.at}; add the "
                    "second one with --prefix WORD, which then stands before its ids"
                )
    if not owner:
        raise ConfigError(f"nothing would be left in {index.folder}; remove the folder if it is not wanted any more")


def _key(candidate: Candidate) -> tuple[str, str | None, str, Span | None] | None:
    """What decides a vector; None where a row does not state the hash of its file, which may have changed."""
    content = candidate.content
    if content.modality != "text" and not candidate.content_hash:
        return None
    return content.modality, content.text, candidate.content_hash, content.span


def _alike(old: Candidate, new: Candidate) -> bool:
    return old is new or (_key(old) is not None and _key(old) == _key(new))


def _kept(before: Collection, now: Collection) -> list[str | None]:
    """For each candidate the id whose stored vector is its own: it did not change, or only its name did."""
    by_key = {key: one.candidate_id for one in before if (key := _key(one)) is not None}
    found: list[str | None] = []
    for one in now:
        same = one.candidate_id in before and _alike(before[one.candidate_id], one)
        key = _key(one)
        found.append(one.candidate_id if same else None if key is None else by_key.get(key))
    return found


def _written(
    index: Held,
    collection: Collection,
    record: Record,
    rows: tuple[list[str | None], tuple[Candidate, ...]],
    encoder: Opener,
    watch: Watch | None,
) -> IndexManifest:
    """Write the version whole, into a draft, and let it stand.

    rows: of each candidate the id whose vector it keeps, and the candidates that have none.
    """
    folder, old, (kept, fresh) = index.folder, index.manifest, rows
    nprobe = 0 if index.index.coarse is None else index.index.coarse.nprobe
    store = store_again(old, nprobe, len(collection))
    plan = {"encoder": old.encoder, "collection": collection.fingerprint, "precision": old.precision, "shard": SHARD}
    draft = keep_plan(folder, plan | {"from": old.fingerprint, "sources": [asdict(one) for one in record.sources]})
    version, whole = draft.name.replace(f"{PARTIAL}-", VERSION), draft / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir()
    write_jsonl(whole / CANDIDATES, (to_row(one, folder / version) for one in collection))
    blocks = _merged(index.index, kept, _encoded(index, fresh, draft, encoder, watch))
    write_ids(whole, collection.ids)
    rows_of = store.write(whole, collection, blocks, old.encoder, old.dim)
    write_columns_of(whole, collection, whole)
    shutil.copyfile(folder / old.files_at / PROBE, whole / PROBE)
    whole_of_old = old.licence if all(i in index.collection for i in collection.ids) else ""
    manifest = replace(
        old,
        collection=fingerprint_of([(CANDIDATES, file_sha256(whole / CANDIDATES))]),
        collection_at=version,
        files_at=version,
        count=len(collection),
        licence=collection.licence or whole_of_old,
        **rows_of,
        **made_now(whole),
    )
    record.write(whole, manifest.fingerprint, folder)
    commit(folder, whole, manifest, frozenset(index.collection.ids).difference(i for i in kept if i is not None))
    forget(folder)
    _clear_pictures(folder, record, collection)
    return manifest


def _clear_pictures(folder: Path, record: Record, collection: Collection) -> None:
    """Remove the files of a dataset, which were written beside the index, that no candidate shows any more.

    Those that an interrupted reading wrote stay for the next one.
    """
    if not any(one.kind == "dataset" for one in record.sources) or any(folder.glob(f"{READ}*.jsonl")):
        return
    shown = {str(file) for one in collection for file in (one.content.image, one.content.video)}
    for file in (folder / MEDIA).glob("*"):
        if str(file) not in shown:
            file.unlink()


def _encoded(
    index: Held, fresh: tuple[Candidate, ...], draft: Path, encoder: Opener, watch: Watch | None
) -> Iterator[np.ndarray]:
    """Vectors of the candidates that have none, by the index's own encoder, kept in the draft as they are made."""
    if not fresh:
        return
    made = encoder()
    check_encoder(index.folder, index.manifest, made)
    index.index.verify_probe(made)
    progress, done = watch("indexing") if watch else None, 0
    for vectors in encoded_shards(made, Collection.taken(index.collection.name, fresh), draft, SHARD):
        done += len(vectors)
        if progress is not None:
            progress(done, len(fresh))
        yield vectors


def _merged(index: Index, kept: Sequence[str | None], fresh: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Blocks of rows: those that are kept from the index, and between them the fresh ones in their order."""
    spare = np.empty((0, index.manifest.dim), np.float32)
    for start in range(0, len(kept), _BLOCK):
        block = kept[start : start + _BLOCK]
        old = [i for i in block if i is not None]
        is_old = np.array([i is not None for i in block])
        needed = len(block) - len(old)
        while len(spare) < needed:
            spare = np.concatenate([spare, next(fresh)])
        rows = np.empty((len(block), index.manifest.dim), np.float32)
        rows[~is_old], spare = spare[:needed], spare[needed:]
        if old:
            rows[is_old] = index.vectors(old)
        yield rows
