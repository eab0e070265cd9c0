"""`--dtype auto`: what a comparison of some candidates chooses, what the manifest keeps of it, and who keeps to it."""

from __future__ import annotations

import json
from pathlib import Path
from weakref import ReferenceType, ref

import numpy as np
import pytest

from umr.cli.commands import main
from umr.encoders.fake import FakeEncoder
from umr.errors import MismatchError
from umr.index import parity
from umr.index.manifest import IndexManifest
from umr.index.parity import Parity, begun, compared, digest, probe
from umr.index.shards import keep_plan
from umr.ingest import read_rows
from umr.shrunk import Shrunk
from umr.types import Embeddings


class Clock:
    """Stands still but for what encoders add."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Rough(FakeEncoder):
    """The fake encoder, whose vectors stand off by a cosine, at a speed."""

    def __init__(self, clock: Clock, row_s: float, cosine: float = 1.0) -> None:
        super().__init__(dim=32, name="unified")
        self.clock, self.row_s, self.cosine = clock, row_s, cosine

    def encode_candidates(self, candidates) -> Embeddings:
        made = super().encode_candidates(candidates)
        self.clock.now += self.row_s * len(made.ids)
        aside = np.roll(made.vectors, 1, axis=1)
        aside -= (aside * made.vectors).sum(axis=1, keepdims=True) * made.vectors
        aside /= np.linalg.norm(aside, axis=1, keepdims=True)
        vectors = self.cosine * made.vectors + np.sqrt(1 - self.cosine**2) * aside
        return Embeddings(ids=made.ids, vectors=vectors.astype(np.float32), encoder=made.encoder)


class Shrinking(Rough):
    """One that sees pictures at a size of its own, and refers to itself."""

    def __init__(self, clock: Clock, row_s: float, cosine: float = 1.0) -> None:
        super().__init__(clock, row_s, cosine)
        self.myself = self

    def shrunk(self, image) -> np.ndarray:
        return np.asarray(image)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(parity, "perf_counter", made)
    return made


@pytest.mark.parametrize(
    ("cosine", "row_s", "taken"),
    [(0.9995, 0.5, "bfloat16"), (0.9995, 1.0, "float32"), (0.9985, 0.5, "float32"), (0.9985, 2.0, "float32")],
)
def test_bfloat16_is_taken_where_it_is_quicker_and_every_vector_is_near(collection, clock, cosine, row_s, taken):
    exact, rough = Rough(clock, 1.0), Rough(clock, row_s, cosine)
    both = {"float32": exact, "bfloat16": rough}
    found, speed = compared(both.__getitem__, probe(collection), Shrunk(exact))
    assert (found.dtype, found.probed, speed) == (taken, 24, 1 / row_s)
    assert found.cosine == pytest.approx(cosine, abs=1e-5)


def test_the_probe_is_of_every_kind_and_always_the_same(collection):
    found = probe(collection, 12)
    counts = {kind: sum(one.content.modality == kind for one in found) for kind in collection.counts()}
    assert set(counts.values()) == {2, 3, 4} and sum(counts.values()) == 12  # of the two clips both, and more of others
    assert probe(collection, 12) == found and len(probe(collection)) == len(collection)


@pytest.fixture
def auto(tmp_path: Path, clock, monkeypatch) -> tuple[list[str], list[str]]:
    """The command that builds an index of 20 passages in tmp_path/index, and what encoders are asked to compute in."""
    asked: list[str] = []

    def load(_: str, dtype: str = "float32", device: str | None = None) -> FakeEncoder:
        asked.append(dtype)
        return Rough(clock, 1.0) if dtype == "float32" else Rough(clock, 0.5, 0.9995)

    monkeypatch.setattr("umr.encoders.load_encoder", load)
    FakeEncoder(dim=32, name="unified").save(tmp_path / "encoder")
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"id": "{n:02}", "text": "text {n}"}}\n' for n in range(20)))
    words = ["index", str(tmp_path / "rows.jsonl"), "--encoder", str(tmp_path / "encoder"), "--dtype", "auto", "--out"]
    return [*words, str(tmp_path / "index")], asked


def test_an_index_is_built_in_the_choice_says_it_and_an_update_keeps_it(auto, tmp_path, capsys):
    command, asked = auto
    assert main(command) == 0
    assert (
        "--dtype auto takes bfloat16: over 20 of the candidates the lowest cosine between float32 and bfloat16 is "
        "0.999500, where 0.999 is asked, and bfloat16 is 2.00 times as quick here" in capsys.readouterr().err
    )
    manifest = IndexManifest.read(tmp_path / "index")
    assert (manifest.precision, manifest.parity["dtype"], manifest.parity["probed"]) == ("bfloat16", "bfloat16", 20)
    asked.clear()
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"id": "20", "text": "one more"}\n')
    assert main(["index", "update", str(tmp_path / "index")]) == 0
    again = IndexManifest.read(tmp_path / "index")
    assert asked == ["bfloat16"] and "--dtype auto" not in capsys.readouterr().err
    assert (again.precision, again.parity, again.count) == ("bfloat16", manifest.parity, 21)


@pytest.mark.parametrize(
    ("cosine", "asked"),
    [(0.9995, ["float32", "bfloat16"]), (0.9, ["float32", "bfloat16", "float32"])],
)
def test_one_precision_is_in_memory_at_a_time(auto, clock, monkeypatch, cosine, asked):
    command, _ = auto
    made: list[tuple[str, ReferenceType[Shrinking]]] = []

    def load(_: str, dtype: str = "float32", device: str | None = None) -> FakeEncoder:
        assert [one() for _, one in made] == [None] * len(made)
        encoder = Shrinking(clock, 1.0) if dtype == "float32" else Shrinking(clock, 0.5, cosine)
        made.append((dtype, ref(encoder)))
        return encoder

    monkeypatch.setattr("umr.encoders.load_encoder", load)
    assert main(command) == 0
    assert [dtype for dtype, _ in made] == asked


def test_a_build_that_was_interrupted_goes_on_with_the_choice_that_it_began_with(auto, tmp_path, capsys):
    encoder, (command, asked) = FakeEncoder(dim=32, name="unified"), auto
    (tmp_path / "index").mkdir()
    rows, _ = read_rows(tmp_path / "rows.jsonl")
    kept = Parity(dtype="float32", cosine=0.9, probed=20, of=digest(rows))
    plan = {"encoder": encoder.fingerprint, "parity": kept.facts(), "parity_of": kept.of}
    draft = keep_plan(tmp_path / "index", plan)
    found = [begun(tmp_path / "index", *of) for of in ((encoder.fingerprint, kept.of), ("e", kept.of))]
    assert found == [kept, None] and begun(tmp_path / "index", encoder.fingerprint, digest(rows[1:])) is None
    assert main(command) == 0 and "takes float32" in capsys.readouterr().err
    assert IndexManifest.read(tmp_path / "index").parity == kept.facts() and asked == ["float32"]
    draft.mkdir()
    for damaged in ("[]", "{", '{"encoder": "e", "parity": [1]}', '{"encoder": "e", "parity": {"dtype": "bfloat16"}}'):
        (draft / "plan.json").write_text(damaged)
        assert begun(tmp_path / "index", "e", "") is None


def test_parts_are_built_in_a_precision_that_is_named(auto, capsys):
    assert main([*auto[0], "--shard", "1/2"]) == 2
    assert "build each part with the same --dtype, float32 or bfloat16" in capsys.readouterr().err


def test_a_manifest_without_the_choice_is_as_before_and_one_with_another_form_is_refused(auto, tmp_path):
    command, _ = auto
    assert main([*command, "--dtype", "float32"]) == 0
    path = tmp_path / "index" / "manifest.json"
    assert "parity" not in json.loads(path.read_text()) and IndexManifest.read(path.parent).parity == {}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"parity": {"dtype": "bfloat16", "cosine": "near"}}))
    with pytest.raises(MismatchError, match="parity is"):
        IndexManifest.read(path.parent)
