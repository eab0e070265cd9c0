"""The curve over the pool's size: exact where it starts, in closed form where pictures are nearer than the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import pool_size
from training.catalogue import benchmark, distractors, pool, writer
from training.catalogue.grid import GridSizes
from training.catalogue.scene import Scene
from training.catalogue.unasked import check_unasked
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MismatchError
from umr.eval.evaluate import evaluate, load
from umr.index.index import build_index
from umr.search import Searcher
from umr.types import Embeddings

TINY = pool.Sizes(
    grid=GridSizes(categories=2, colours=4, surfaces=2, counted=(1, 1), arrangements=2, cluttered=1, combined=(1, 1)),
    with_entries=4,
    with_clips=3,
    it2i=12,
    ind=6,
    other=2,
    typed=9,
    free=2,
)
SEED, ADDED = 3, 40
MEASURED = [("t2i", "ind"), ("t2i", "typed"), ("it2i", "ind")]


class Knowing(FakeEncoder):
    """Its vectors of the benchmark's queries are given; all others are of their content."""

    def __init__(self) -> None:
        super().__init__(dim=48, name="knowing")
        self.known: dict[str, np.ndarray] = {}

    def encode_queries(self, queries):
        usual = super().encode_queries(queries)
        given = [self.known.get(query_id, vector) for query_id, vector in zip(usual.ids, usual.vectors, strict=True)]
        return replace(usual, vectors=np.stack(given))


@dataclass
class Shown:
    """An encoder whose candidate vectors are given, under the fingerprint of another."""

    name: str
    fingerprint: str
    vectors: np.ndarray

    def encode_candidates(self, candidates):
        ids = tuple(one.candidate_id for one in candidates)
        return Embeddings(ids=ids, vectors=self.vectors[[int(i) for i in ids]], encoder=self.fingerprint)


@dataclass
class Made:
    """A tiny benchmark of pictures, opened with an encoder that finds the first answer of every query."""

    plan: writer.Plan
    root: Path
    searcher: Searcher

    def added(self, folder: Path, vectors: np.ndarray, fingerprint: str | None = None) -> distractors.Distractors:
        """Pictures with these vectors, as `distractors` writes them."""
        encoder = self.searcher.encoder
        shown = Shown("knowing", fingerprint or encoder.fingerprint, vectors)
        distractors.embed_distractors(shown, self.plan, len(vectors), SEED, folder, workers=1)
        return distractors.load_distractors(folder, encoder)

    def query_vector(self, task: str, split: str, place: int) -> np.ndarray:
        return self.searcher.encoder.known[load(self.root, task, split).queries[place].query_id]


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def far(count: int) -> np.ndarray:
    """Vectors that are far from everything."""
    return -unit(np.abs(np.random.default_rng(1).standard_normal((count, 48))))


@pytest.fixture(scope="module")
def plan() -> writer.Plan:
    return benchmark.make_plan(SEED, TINY, "test")


@pytest.fixture
def made(plan, tmp_path, monkeypatch) -> Made:
    def draw(scene, seed, size, style="catalogue"):
        return np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)

    def render(task):
        path, job = task
        Image.fromarray(draw(job.scene, job.seed, 8)).save(path, "PNG")

    monkeypatch.setattr(writer, "render_file", render)
    monkeypatch.setattr(distractors, "render_image", lambda scene, seed, size: draw(scene, seed, 8))
    asked = {key: asks for key, asks in plan.queries.items() if key in MEASURED}
    used = {ask.media for asks in asked.values() for ask in asks} | {row.media for row in plan.rows if row.media}
    pictures = replace(
        plan,
        queries=asked,
        rows=[row for row in plan.rows if row.modality == "image"],
        media={path: job for path, job in plan.media.items() if path in used and job.kind != "clips"},
    )
    root = tmp_path / "benchmark"
    writer.write(pictures, root, workers=1)
    encoder, collection = Knowing(), Collection.open(root)
    encoder.save(tmp_path / "encoder")
    build_index(encoder, collection, tmp_path / "index", encoder_at=tmp_path / "encoder")
    monkeypatch.setattr("umr.encoders.load_encoder", lambda *place, **settings: encoder)
    searcher = Searcher.open(tmp_path / "index")
    noise = np.random.default_rng(0)
    for task, split in MEASURED:
        for query_id, relevant in load(root, task, split).qrels.items():
            answer = searcher.index.vectors(tuple(relevant))[0]
            encoder.known[query_id] = unit(answer + 0.02 * noise.standard_normal(48))
    return Made(plan, root, searcher)


def rows_of(rows: list[pool_size.Row], task: str, split: str) -> list[pool_size.Row]:
    return [row for row in rows if (row["task"], row["split"]) == (task, split)]


def test_steps_double_up_to_all():
    assert pool_size.steps(12_000) == [0, 5000, 10_000, 12_000]
    assert pool_size.steps(20_000) == [0, 5000, 10_000, 20_000]
    assert pool_size.steps(300) == [0, 300]


def test_without_added_pictures_it_is_what_evaluate_finds(made, tmp_path):
    encoder = made.searcher.encoder
    shuffled = list(encoder.known.values())[::-1]
    encoder.known = {  # half of the queries look for something else
        query_id: vector if place % 2 else shuffled[place]
        for place, (query_id, vector) in enumerate(encoder.known.items())
    }
    rows = pool_size.curve(made.searcher, made.root, made.added(tmp_path / "added", far(ADDED)))
    assert [(row["task"], row["split"], row["added"]) for row in rows] == [
        (*asked, added) for asked in MEASURED for added in (0, ADDED)
    ]
    for task, split in MEASURED:
        row, stored = rows_of(rows, task, split)[0], evaluate(made.searcher, made.root, task, split)
        assert row["pool"] == len(made.searcher.collection.pool("image"))
        for name in ("n", "groups", "success@1", "success@5", "ci95_success@1"):
            assert row[name] == stored[name]
        assert 0.2 < row["success@1"] < 1


def test_a_picture_nearer_than_the_answer_takes_its_place(made, tmp_path, monkeypatch):
    monkeypatch.setattr(pool_size, "FIRST", 10)
    vectors = far(ADDED)
    vectors[3] = made.query_vector("t2i", "ind", 0)  # among the first ten
    vectors[12:17] = made.query_vector("t2i", "ind", 1)  # five of them: out of the first five too
    vectors[30] = made.query_vector("it2i", "ind", 2)
    rows = pool_size.curve(made.searcher, made.root, made.added(tmp_path / "added", vectors))
    described = rows_of(rows, "t2i", "ind")
    n = described[0]["n"]
    assert [row["added"] for row in described] == [0, 10, 20, ADDED]
    assert [row["success@1"] for row in described] == pytest.approx([1, (n - 1) / n, (n - 2) / n, (n - 2) / n])
    assert [row["success@5"] for row in described] == pytest.approx([1, 1, (n - 1) / n, (n - 1) / n])
    low, high = described[-1]["ci95_success@1"]
    assert low < (n - 2) / n <= high
    composed = rows_of(rows, "it2i", "ind")
    m = composed[0]["n"]
    assert [row["success@1"] for row in composed] == pytest.approx([1, 1, 1, (m - 1) / m])
    assert [row["pool"] - composed[0]["pool"] for row in composed] == [0, 10, 20, ADDED]


@pytest.mark.parametrize(("task", "split"), MEASURED)
def test_a_scene_that_answers_a_query_is_refused(made, tmp_path, task, split):
    added = made.added(tmp_path / "added", far(4))
    held = {row.did: row.scene for row in made.plan.rows}
    answer = held[made.plan.queries[task, split][1].relevant[0]]
    wrong = replace(added, scenes=[*added.scenes[:3], answer])
    with pytest.raises(MismatchError, match="added picture 3 answers a query of"):
        check_unasked(made.root, [(task, split)], wrong.scenes)
    check_unasked(made.root, MEASURED, added.scenes)


def test_a_benchmark_that_does_not_say_what_it_asks_cannot_be_enlarged(made, tmp_path):
    path = made.root / "query/test/mbeir_catalogue_it2i_ind_test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row | {"query_src_content": None}) + "\n" for row in rows))
    with pytest.raises(ConfigError, match="does not say which scene it asks for"):
        check_unasked(made.root, MEASURED, [Scene("mug", "red")])


def test_vectors_of_another_encoder_or_changed_ones_are_refused(made, tmp_path):
    with pytest.raises(ConfigError, match="no finished distractors"):
        distractors.load_distractors(tmp_path, made.searcher.encoder)
    with pytest.raises(MismatchError, match=r"holds vectors of knowing 0+, not of knowing .*distractors --encoder"):
        made.added(tmp_path / "others", far(4), fingerprint="0" * 64)
    made.added(tmp_path / "changed", far(4))
    np.save(tmp_path / "changed/vectors.npy", far(4) / 2)
    with pytest.raises(MismatchError, match="changed after it was written"):
        distractors.load_distractors(tmp_path / "changed", made.searcher.encoder)
    short = replace(made.added(tmp_path / "short", far(4)), vectors=far(4)[:, :5])
    with pytest.raises(MismatchError, match="have 48 numbers each"):
        pool_size.curve(made.searcher, made.root, short)


def test_the_command_prints_and_writes_the_curve(made, tmp_path, capsys):
    made.added(tmp_path / "added", far(ADDED))
    asked = ["--index", str(tmp_path / "index"), "--vectors", str(tmp_path / "added")]
    assert pool_size.main([*asked, "--json", str(tmp_path / "curve.json")]) == 0
    said = capsys.readouterr().out
    written = json.loads((tmp_path / "curve.json").read_text())
    assert written["fingerprint"] == made.searcher.encoder.fingerprint and len(written["rows"]) == 6
    assert f"t2i ind: {written['rows'][0]['n']} queries of" in said and "success@1 1.000 [" in said
    assert pool_size.main([*asked[:2], "--vectors", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("training.pool_size: ")
