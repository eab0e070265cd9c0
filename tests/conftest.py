"""A tiny world for tests, made by code: 12 pictures, 6 passages, 4 entries and 2 clips with a benchmark over them."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from umr import media
from umr.collection import Collection
from umr.encoders.config import read_config
from umr.encoders.fake import FakeEncoder
from umr.eval.ood import Calibration, Kind, write_calibration
from umr.index.index import build_index
from umr.index.manifest import IndexManifest
from umr.search import Searcher
from umr.verdict import Limits, Rates, Verdicts, Vocabulary, verdicts_file, write_verdicts

#: What a page must show as text, wherever it comes from.
MARKUP = '<img src=x onerror="alert(1)">{{value}}${1+1}`'
#: Every kind of search that the tiny world allows.
SEARCHES = tuple(
    f"{asked}->{searched}"
    for asked in ("text", "image", "image,text")
    for searched in ("text", "image", "image,text", "video", "all")
)
COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "white", "grey")


def pytest_configure() -> None:
    """Of several processes that test at once (pytest -n) each serves its pages on ports of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None:
        from gradio import http_server

        http_server.INITIAL_PORT_VALUE += http_server.TRY_NUM_PORTS * int(worker.removeprefix("gw"))


class WithoutClips(dict):
    """In the place of a processor's part for clips, of which only these fields are asked where there is none."""

    merge_size = 2
    model_input_names = ("pixel_values_videos", "video_grid_thw")


@pytest.fixture
def sentence_transformers(monkeypatch):
    """The class that opens a folder of a Qwen class with its text, pictures and pooling; clips need torchvision.

    Without torchvision transformers has pictures' processors of their own (PIL), and no class for clips, nor one to
    check it against. The wheel of torchvision in the registry loads beside torch for CUDA alone: beside torch for CPUs
    it cannot be imported, and transformers' models cannot either, where it is installed.
    """
    transformer = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    from transformers import ProcessorMixin
    from transformers.models.auto.video_processing_auto import AutoVideoProcessor
    from transformers.utils import is_torchvision_available

    if not is_torchvision_available():
        monkeypatch.setattr(AutoVideoProcessor, "from_pretrained", lambda *_, **__: WithoutClips())
        monkeypatch.setattr(ProcessorMixin, "check_argument_for_proper_class", lambda self, name, one: type(one))
    return transformer.SentenceTransformer


def no_model(folder: Path) -> Searcher:
    """An opener for pages that must not open anything."""
    raise AssertionError(f"no model may be loaded, but {folder} is opened")


def calibrate(searcher: Searcher, limit: float, kind: str = "image", rate: float = 0.0123) -> Path:
    """Writes a calibration with this threshold and rate of false alarms beside a tiny index; returns its folder."""
    folder = searcher.collection.folder.parents[1] / searcher.encoder.name / "catalogue"
    made = Kind(threshold=limit, calibrated=100, checked=100, false_alarms=rate, detected={})
    write_calibration(
        Calibration(
            encoder=searcher.encoder.fingerprint,
            alpha=0.01,
            kinds={kind: made},
            collection=searcher.collection.fingerprint,
            command="test",
        ),
        folder,
    )
    return folder


def made_verdicts(
    encoder: str, strong: float | None, weak: float, known: str = "", searches: tuple[str, ...] = SEARCHES
) -> Verdicts:
    """Verdicts of an encoder's fingerprint with these limits; `known`: the words of its training, "" for any."""
    rates = Rates(
        queries=100,
        groups=40,
        right={"strong": 0.972, "fair": 0.61, "weak": 0.1},
        wrong_called_strong=0.02,
        right_called_weak=0.05,
        right_called_strong=0.4,
        wrong_called_weak=0.5,
    )
    words = Vocabulary(
        limit=0.4, alpha=0.01, known=known.split(), calibrated=100, checked=100, false_alarms=0.0123, detected={}
    )
    limits = Limits(strong=strong, weak=weak, queries=100, groups=40, held_out=rates)
    return Verdicts(
        encoder=encoder,
        encoder_name="unified",
        collection="validation",
        precise=0.9,
        reached=0.95,
        searches=dict.fromkeys(searches, limits),
        words=words if known else None,
        built_by="test",
        built_at="",
        command="test",
    )


def judge_scores(searcher: Searcher, strong: float | None, weak: float, known: str = "") -> Path:
    """Writes such verdicts beside a tiny index; returns the index's folder, to be opened anew."""
    folder = searcher.collection.folder.parents[1] / searcher.encoder.name / "catalogue"
    write_verdicts(made_verdicts(searcher.encoder.fingerprint, strong, weak, known), verdicts_file(folder))
    return folder


def _write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _candidates(root: Path) -> dict[str, list[dict]]:
    (root / "files" / "images").mkdir(parents=True)
    (root / "files" / "clips").mkdir()
    images, texts, entries, clips = [], [], [], []
    for number, colour in enumerate(COLOURS):
        path = f"files/images/{number:02}.png"
        Image.new("RGB", (8 + number, 8), colour).save(root / path)
        row = {
            "txt": None,
            "img_path": path,
            "src_content": None,
            "title": f"{colour} card",
            "content_hash": _hash(root / path),
        }
        images.append({"did": f"100:{number}", "modality": "image"} | row)
        if number < 6:
            texts.append(
                {
                    "did": f"100:{20 + number}",
                    "txt": f"This card is {colour}.",
                    "img_path": None,
                    "modality": "text",
                    "src_content": None,
                }
            )
        if number < 4:
            entries.append(
                {"did": f"100:{30 + number}", "modality": "image,text"} | row | {"txt": f"Made in {colour} town."}
            )
    for number in range(2):
        path = f"files/clips/{number}.gif"
        frames = [Image.fromarray(np.full((8, 8, 3), 40 * step + number, np.uint8)) for step in range(4)]
        frames[0].save(root / path, save_all=True, append_images=frames[1:])
        clips.append(
            {
                "did": f"100:{40 + number}",
                "txt": None,
                "img_path": None,
                "video_path": path,
                "modality": "video",
                "src_content": None,
                "title": f"clip {number}",
                "content_hash": _hash(root / path),
            }
        )
    return {"image": images, "text": texts, "entry": entries, "video": clips}


def _queries(root: Path) -> dict[str, list[dict]]:
    """it2i: the picture's pixels lead to image n, in a file of other bytes; t2t: words of passage n; query 100:5
    has no edit."""
    (root / "files" / "queries").mkdir()
    it2i = []
    for number in range(6):
        picture = f"files/queries/{number}.bmp"
        Image.open(root / f"files/images/{number:02}.png").save(root / picture)
        it2i.append(
            {
                "qid": f"100:{number}",
                "query_txt": f"edit {number}",
                "query_img_path": picture,
                "task_id": 7,
                "query_modality": "image,text",
                "query_src_content": None,
                "pos_cand_list": [f"100:{number}"],
                "neg_cand_list": [{"did": f"100:{number + 1}"}],
            }
        )
    t2t = [
        {
            "qid": f"100:{50 + number}",
            "query_txt": f"This card is {COLOURS[number]}.",
            "query_img_path": None,
            "task_id": 1,
            "query_modality": "text",
            "query_src_content": None,
            "pos_cand_list": [f"100:{20 + number}"],
            "neg_cand_list": [],
        }
        for number in range(6)
    ]
    return {"it2i_ind": it2i, "t2t_ind": t2t, "it2i_phrasing": it2i[:3]}


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """The root of a tiny M-BEIR folder: <root>/media/catalogue, as the repository's indexes/media/catalogue."""
    root = tmp_path / "indexes" / "media" / "catalogue"
    for kind, rows in _candidates(root).items():
        _write(root / "cand_pool" / "local" / f"mbeir_catalogue_{kind}_cand_pool.jsonl", rows)
    for name, rows in _queries(root).items():
        _write(root / "query" / "test" / f"mbeir_catalogue_{name}_test.jsonl", rows)
        lines = [f"{row['qid']} 0 {found} 1 {row['task_id']}\n" for row in rows for found in row["pos_cand_list"]]
        qrels = root / "qrels" / "test" / f"mbeir_catalogue_{name}_test_qrels.txt"
        qrels.parent.mkdir(parents=True, exist_ok=True)
        qrels.write_text("".join(lines))
    return root


@pytest.fixture
def collection(benchmark: Path) -> Collection:
    return Collection.open(benchmark)


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder(dim=32, name="unified")


def _load_fake(where: str, dtype: str = "float32", device: str | None = None) -> FakeEncoder:
    config = read_config(where)
    return FakeEncoder(config.dim, config.name)


@pytest.fixture
def searcher(
    encoder: FakeEncoder, collection: Collection, benchmark: Path, monkeypatch: pytest.MonkeyPatch
) -> Searcher:
    """The bundled layout in a temporary folder, opened from disk as the product opens it, by a fake encoder."""
    root = benchmark.parents[1]
    encoder.save(root / "unified" / "encoder")
    build_index(encoder, collection, root / "unified" / "catalogue", encoder_at=root / "unified" / "encoder")
    monkeypatch.setattr("umr.encoders.load_encoder", _load_fake)
    monkeypatch.setattr("umr.shipped.default_root", lambda: root)
    return Searcher.open(root / "unified" / "catalogue")


@pytest.fixture
def dtypes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What fake encoders were asked to compute in, one word for each that is loaded from now on."""
    asked: list[str] = []

    def load(where: str, dtype: str = "float32", device: str | None = None) -> FakeEncoder:
        asked.append(dtype)
        return _load_fake(where, dtype, device)

    monkeypatch.setattr("umr.encoders.load_encoder", load)
    return asked


def built_in(precision: str, folder: Path) -> Path:
    """The index folder, whose manifest says from now on that it was built in a precision."""
    replace(IndexManifest.read(folder), precision=precision).write(folder)
    return folder


@dataclass
class FileReads:
    """How often product code decoded and hashed each file, by its resolved path."""

    decoded: Counter[Path] = field(default_factory=Counter)
    hashed: Counter[Path] = field(default_factory=Counter)

    def of(self, path: str | Path) -> tuple[int, int]:
        """(times decoded, times hashed) of one file."""
        place = Path(path).resolve()
        return self.decoded[place], self.hashed[place]


@pytest.fixture
def file_reads(monkeypatch: pytest.MonkeyPatch) -> FileReads:
    """Counts beneath `media.open_image` and `media.content_hash`, which others import by name."""
    reads, decode, sha256, whole = FileReads(), Image.open, media.file_sha256, media.file_bytes
    read: dict[int, tuple[bytes, Path]] = {}  # by the identity of the bytes, which stay here

    def opened(source: object, *rest: object, **more: object) -> Image.Image:
        if isinstance(source, (str, Path)):
            reads.decoded[Path(source).resolve()] += 1
        elif isinstance(source, BytesIO) and id(source.getvalue()) in read:
            reads.decoded[read[id(source.getvalue())][1]] += 1
        return decode(source, *rest, **more)

    def data_of(source: str | Path) -> bytes:
        data = whole(source)
        read[id(data)] = data, Path(source).resolve()
        return data

    def hashed(source: Path, *rest: object) -> str:
        reads.hashed[Path(source).resolve()] += 1
        return sha256(source, *rest)

    monkeypatch.setattr(media.Image, "open", opened)
    monkeypatch.setattr(media, "file_sha256", hashed)
    monkeypatch.setattr(media, "file_bytes", data_of)
    return reads


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Path]:
    """Writes a one-coloured picture and returns its path."""

    def write(name: str, colour: str = "red", size: tuple[int, int] = (8, 8)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path)
        return path

    return write
