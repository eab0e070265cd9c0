"""What strangers can send, kind by kind: sound files, their damage, and the reader they meet. Not the judgement.

A reader is given a damaged file's name, its bytes and an empty folder; it returns where the file can be used, and
raises a UMRError where it is refused in words. Whatever else comes out of it is a fault.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from umr import media
from umr.bench.fuzz import damage, seeds
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MismatchError

if TYPE_CHECKING:
    from umr.search import Searcher

Read = Callable[[str, bytes, Path], None]
Damage = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing that is sent.

    Attributes:
        made: the sound files, by name.
        read: what opens or refuses one.
        damage: what is done to it before.
        usual: whether it is tried where no kind is named.
    """

    made: Callable[[], Mapping[str, bytes]]
    read: Read
    damage: Damage = damage.of_bytes
    usual: bool = True


def _written(name: str, data: bytes, folder: Path) -> Path:
    path = folder / Path(name).name
    path.write_bytes(data)
    return path


def _picture(name: str, data: bytes, folder: Path) -> None:
    """As the page decodes one, and as it shows one of a telephone."""
    image = media.open_image(_written(name, data, folder))
    if image.mode != "RGB" or min(image.size) < 1:
        raise TypeError(f"{image.mode} {image.size}")
    media.letterbox(image, 64)
    media.shown_in_browsers(folder / Path(name).name)


def _clip(name: str, data: bytes, folder: Path) -> None:
    frames = media.sample_frames(_written(name, data, folder), 8)
    if frames.shape[0] != 8 or frames.dtype != np.uint8:
        raise TypeError(f"{frames.dtype} {frames.shape}")


@cache
def _decord() -> Callable[[Path], object]:
    from umr.clips.decoder import ClipDecoder

    decoder = ClipDecoder()
    return lambda path: decoder.frames(path, 8, reader="decord")


def _by_decord(name: str, data: bytes, folder: Path) -> None:
    _decord()(_written(name, data, folder))


def _drop(name: str, data: bytes, folder: Path) -> None:
    """Dropped into "Your files", beside a sound text, and searched: the whole drop must not be lost for one file."""
    from umr.ui.files.uploads import index_files

    sources = [(name, _written(name, data, folder)), ("sound.txt", _written("sound.txt", b"Sound words.", folder))]
    encoder = FakeEncoder(dim=16, name="unified")
    own = index_files(sources, folder / "own", encoder, lambda *_: None)
    if "sound.txt" not in own.searcher.collection:
        raise LookupError(f"the sound file was lost: {own.refused}")
    list(own.searcher.collection)
    if len(own.searcher.collection) == 1:
        raise ConfigError(str(own.refused))


def _rows(name: str, data: bytes, folder: Path) -> None:
    """As whoever reads a file of this name does: `umr index`, the page, a benchmark, the votes."""
    from umr import formats, ingest
    from umr.ui.compare.votes import VoteBox
    from umr.ui.files.uploads import read_passages

    path = _written(name, data, folder)
    if name == "rows.jsonl":
        read_passages(path, name, 1000, folder)
        ingest.read_rows(path)
    elif name == "candidates.jsonl":
        from umr.collection import Collection

        formats.count_pool(path)
        formats.read_pool(path)
        list(Collection.open(folder))
    elif name == "queries.jsonl":
        formats.read_queries(path, folder)
    elif name == "votes.jsonl":
        box = VoteBox(path)
        box.tally(), box.standings(), box.lines()
        box.add("", "x", "y", "a")
        if box.tally()["x"]["better"] < 1:
            raise LookupError("a vote was lost")
    else:
        (formats.read_qrels if name == "qrels.txt" else formats.read_run)(path)


def _arrays(name: str, data: bytes, folder: Path) -> None:
    from umr.arrays import map_arrays, read_npy

    path = _written(name, data, folder)
    if path.suffix == ".npy":
        read_npy(path).tobytes()
    else:
        for array in map_arrays(path)[0].values():
            array.tobytes()


def _vectors(name: str, data: bytes, folder: Path) -> None:
    """Read and mapped, then searched: FAISS trusts what its file says of its own sizes."""
    from umr.index.coarse import CoarseIndex
    from umr.index.flat import FlatIndex

    path, query = _written(name, data, folder), np.eye(1, 16, dtype=np.float32)
    refused: list[MismatchError] = []
    for mapped in (False, True):
        try:
            if name == "vectors.faiss":
                flat = FlatIndex.read(path, mapped=mapped, on_gpu=False)
                if flat.dim == query.shape[1] and len(flat):
                    flat.search(query, min(5, len(flat)), None)
                    flat.vectors(np.array([0, len(flat) - 1]))
            else:
                flat = FlatIndex.read(_written("exact.faiss", seeds.vectors()["vectors.faiss"], folder), on_gpu=False)
                CoarseIndex.read(path, seeds.COARSE_FACTORY, flat, mapped=mapped).search(query, 5)
        except MismatchError as error:
            refused.append(error)
    if refused:
        raise refused[0]


@cache
def fuzzed_index() -> Path:
    """A small whole index beside its encoder's folder, made once in this process."""
    from umr.collection import Collection
    from umr.index.index import build_index

    root = Path(tempfile.mkdtemp(prefix="umr-fuzz-index-"))
    (root / "files").mkdir()
    for name, data in (("b.png", seeds.pngs()["rgb.png"]), ("a.txt", b"Some words."), ("c.txt", b"Others.")):
        (root / "files" / name).write_bytes(data)
    encoder = FakeEncoder(dim=16, name="unified")
    encoder.save(root / "encoder")
    collection = Collection.from_folder(root / "files")
    collection.name = "fuzzed"
    build_index(encoder, collection.save(root / "collection"), root / "index", encoder_at=root / "encoder")
    return root


def index_files() -> dict[str, bytes]:
    """The files of the index, and of its collection, by name."""
    root = fuzzed_index()
    names = ("index/manifest.json", "index/ids.txt", "index/probe.npy", "index/vectors.faiss",
             "collection/candidates.jsonl")  # fmt: skip
    return {name: (root / name).read_bytes() for name in names}


def _index(name: str, data: bytes, folder: Path) -> None:
    """Opened and searched, with the hashes that fit the damaged file: a stranger who makes an index writes them so."""
    from umr.collection import Collection
    from umr.disk import file_sha256
    from umr.index.index import Index
    from umr.index.manifest import IndexManifest
    from umr.index.stored import open_collection
    from umr.types import Candidate, Content

    root = shutil.copytree(fuzzed_index(), folder / "copy")
    (root / name).write_bytes(data)
    index, encoder = root / "index", FakeEncoder(dim=16, name="unified")
    manifest = IndexManifest.read(index)
    if name != "index/manifest.json":
        files = {one: file_sha256(index / one) for one in manifest.files}
        fingerprint = Collection.open(root / "collection").fingerprint
        manifest = replace(manifest, files=files, collection=fingerprint)
        manifest.write(index)
    collection = open_collection(index, manifest)
    opened = Index.open(index, encoder, collection)
    found = opened.search(encoder.encode_candidates([Candidate(candidate_id="q", content=Content(text="x"))]), 3)
    for hits in found.values():
        [collection[hit.candidate_id].title for hit in hits]


def tiny_encoder() -> dict[str, bytes]:
    """The files of a real encoder with a small network of random weights, made once in this process."""
    folder = _tiny_encoder()
    wanted = ("encoder.json", "config.json", "model.safetensors", "tokenizer.json")
    return {name: (folder / name).read_bytes() for name in wanted}


@cache
def _tiny_encoder() -> Path:
    return write_tiny_encoder(Path(tempfile.mkdtemp(prefix="umr-fuzz-encoder-")) / "tiny")


def write_tiny_encoder(folder: Path, frames: int = 4) -> Path:
    """Saves a real encoder, whose small network has random weights, the same every time. Returns its folder.

    Args:
        folder: where to.
        frames: that it reads of a clip.
    """
    import torch

    from umr.encoders.base import UnifiedEncoder
    from umr.encoders.qwen_vl import SPECIAL, QwenVLBackbone
    from umr.encoders.tokenizer import plain_tokenizer, train_tokenizer

    torch.manual_seed(0)
    config, sizes = QwenVLBackbone.tiny()
    config = replace(config, max_frames=frames)
    tokenizer = plain_tokenizer(train_tokenizer(["a small teal mug on marble"] * 8, SPECIAL, 320), SPECIAL)
    backbone = QwenVLBackbone.for_tokenizer(config, tokenizer, **sizes)
    UnifiedEncoder(config, backbone, tokenizer).eval().save(folder)
    return folder


def _encoder(name: str, data: bytes, folder: Path) -> None:
    """Loaded, with hashes that fit, and asked for the vector of a text."""
    from umr.disk import file_sha256
    from umr.encoders import load_encoder
    from umr.models.weights import parameters_in
    from umr.types import Content, Query

    root = shutil.copytree(_tiny_encoder(), folder / "tiny")
    (root / name).write_bytes(data)
    if name != "encoder.json":
        said = json.loads((root / "encoder.json").read_bytes())
        said["files"] = {one: file_sha256(root / one) for one in said["files"]}
        (root / "encoder.json").write_text(json.dumps(said))
    parameters_in(root)
    encoder = load_encoder(root, device="cpu")
    encoder.encode_queries([Query(query_id="q", content=Content(text="a red mug"))])


@cache
def _searcher() -> Searcher:
    from umr.collection import Collection
    from umr.index.index import Index
    from umr.search import Searcher

    root, encoder = fuzzed_index(), FakeEncoder(dim=16, name="unified")
    return Searcher(encoder, Index.open(root / "index", encoder), Collection.open(root / "collection", "fuzzed"))


def _address(_: str, data: bytes, folder: Path) -> None:
    """Never refused as a whole: what is wrong of it becomes a notice, and the rest must be askable."""
    from umr.ui.compare import link as compare
    from umr.ui.links import Given
    from umr.ui.results import narrow
    from umr.ui.search import link as search
    from umr.ui.searchers import Searchers

    folder = fuzzed_index() / "index"
    searchers = Searchers({"unified": folder, "other": folder}, "unified", opener=lambda _: _searcher())
    given = Given.of(data.decode("utf-8", "surrogateescape"))
    asked, compared = search.read(searchers, given), compare.read(searchers, given)
    narrow.read(asked.narrowed).excluded(_searcher())
    "".join(given.notices).encode("utf-8")  # half a character could not be sent to a browser
    for turn in asked.trail:
        search.write(turn, "fuzzed", "unified", 12, asked.trail)
    f"{asked.text}{compared.text}".encode()
    if given.notices:
        raise ConfigError(given.notices[0])


def _dropped() -> seeds.Files:
    return seeds.jpegs() | seeds.pngs() | seeds.webps() | seeds.gifs() | seeds.clips()


def _of_name(data: bytes, rng: random.Random) -> bytes:
    """JSON is damaged as JSON, other files as bytes."""
    return (damage.of_json if data[:1] in (b"{", b"[") else damage.of_bytes)(data, rng)


KINDS: Mapping[str, Kind] = {
    "jpeg": Kind(made=seeds.jpegs, read=_picture),
    "png": Kind(made=seeds.pngs, read=_picture),
    "webp": Kind(made=seeds.webps, read=_picture),
    "gif": Kind(made=seeds.gifs, read=_picture),
    "heic": Kind(made=seeds.heics, read=_picture),
    "picture": Kind(made=seeds.other_pictures, read=_picture),
    "clip": Kind(made=seeds.clips, read=_clip),
    "zip": Kind(made=seeds.zips, read=_drop),
    "drop": Kind(made=_dropped, read=_drop),
    "rows": Kind(made=seeds.rows, read=_rows, damage=damage.of_json),
    "arrays": Kind(made=seeds.arrays, read=_arrays),
    "faiss": Kind(made=seeds.vectors, read=_vectors),
    "index": Kind(made=index_files, read=_index, damage=_of_name),
    "encoder": Kind(made=tiny_encoder, read=_encoder, damage=_of_name),
    "address": Kind(made=seeds.addresses, read=_address, damage=damage.of_address),
    "decord": Kind(made=seeds.clips, read=_by_decord, usual=False),
}
