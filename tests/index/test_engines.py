"""One contract over both engines: what a build, a search, a change and an interruption give is the same, whether the
rows are in a file of FAISS or in a Qdrant collection. A server is played by its client's mode in memory, and by its own
engine as a library."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from umr.cli.commands import main
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MismatchError
from umr.index import renew
from umr.index.build import Form, build_claimed
from umr.index.index import Index
from umr.index.manifest import FAISS, QDRANT, IndexManifest
from umr.index.rewrite import held
from umr.index.sources import Record, Source
from umr.lock import claimed
from umr.search import Searcher
from umr.types import Candidate, Content, Embeddings, Query


class Counting(FakeEncoder):
    """Notes which candidates it encodes, and dies before one of them where it is told to."""

    def __init__(self, die_at: str = "") -> None:
        super().__init__(dim=32, name="unified")
        self.encoded: list[str] = []
        self._die_at = die_at

    def encode_candidates(self, candidates):
        items = list(candidates)
        if self._die_at in [one.candidate_id for one in items]:
            raise KeyboardInterrupt
        self.encoded += [one.candidate_id for one in items if not one.candidate_id.startswith("probe-")]
        return super().encode_candidates(items)

    def __call__(self) -> Counting:
        return self


@pytest.fixture(params=["faiss", "qdrant", "edge"])
def engine(request) -> str:
    if request.param == "faiss":
        return FAISS
    request.getfixturevalue("qdrant" if request.param == "qdrant" else "qdrant_edge")
    return QDRANT


def built(engine, encoder, collection, folder, shard=10) -> IndexManifest:
    with claimed(folder) as claim:
        return build_claimed(claim, encoder, collection, Form(engine=engine, shard=shard))


@pytest.fixture
def folder(engine, encoder, collection, tmp_path) -> Path:
    built(engine, encoder, collection, tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def index(folder, encoder, collection) -> Index:
    return Index.open(folder, encoder, collection)


def queries(encoder, count: int = 6) -> Embeddings:
    vectors = np.random.default_rng(0).standard_normal((count, encoder.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(ids=tuple(f"q{n}" for n in range(count)), vectors=vectors, encoder=encoder.fingerprint)


def found(run) -> dict[str, list[str]]:
    return {query_id: [hit.candidate_id for hit in hits] for query_id, hits in run.items()}


def brute_force(index, asked, k, allowed) -> dict[str, list[str]]:
    kept = [i for i in index.ids if i in allowed]
    scores = asked.vectors @ index.vectors(kept).T
    order = [sorted(range(len(kept)), key=lambda n: (-row[n], kept[n]))[:k] for row in scores]
    return {query_id: [kept[n] for n in best] for query_id, best in zip(asked.ids, order, strict=True)}


# What a search finds


@pytest.mark.parametrize("k", [1, 7, 1000])
def test_search_equals_brute_force(index, encoder, k):
    asked = queries(encoder)
    assert found(index.search(asked, k)) == brute_force(index, asked, k, set(index.ids))


@pytest.mark.parametrize("kind", ["image", "text", "image,text", "video"])
def test_a_search_of_one_kind_equals_brute_force_over_it(index, encoder, collection, kind):
    asked, pool = queries(encoder), collection.pool(kind)
    assert found(index.search(asked, 3, pool)) == brute_force(index, asked, 3, set(pool))
    assert found(index.search(asked, 3, list(pool))) == brute_force(index, asked, 3, set(pool))


def test_scattered_pools_neighbours_and_excluded_ids_are_kept_to(index, encoder):
    asked, pool = queries(encoder), frozenset(index.ids[::3])
    assert found(index.search(asked, 4, frozenset(index.ids[5:9]))) == brute_force(index, asked, 4, index.ids[5:9])
    best = brute_force(index, asked, 1, pool)
    run = found(index.search(asked, 2, pool, exclude=best))
    assert all(set(run[q]) <= pool - set(best[q]) and len(run[q]) == 2 for q in asked.ids)
    assert index.search(asked, 2, frozenset()) == {q: [] for q in asked.ids}
    assert index.search(asked, 2, exclude={"q0": frozenset(index.ids)})["q0"] == []


def test_ties_are_broken_by_id_also_across_the_edge_of_k(engine, encoder, tmp_path):
    texts = [Candidate(candidate_id=f"{n:03}", content=Content(text="same")) for n in range(40)]
    shuffled = [texts[n] for n in np.random.default_rng(0).permutation(40)]
    built(engine, encoder, Collection(shuffled, "texts", "f"), tmp_path / "ties")
    asked = encoder.encode_candidates([texts[0]])
    run = Index.open(tmp_path / "ties", encoder).search(asked, 5, exclude={"000": {"001"}})
    assert found(run)["000"] == ["000", "002", "003", "004", "005"]


def test_both_engines_give_the_same_order_and_scores_to_the_bit(index, encoder, collection, tmp_path):
    built(FAISS, encoder, collection, tmp_path / "faiss")
    one, other = Index.open(tmp_path / "faiss", encoder, collection), index
    assert (one.vectors(one.ids) == other.vectors(other.ids)).all()
    asked = queries(encoder)
    for pool in (None, collection.pool("image"), frozenset(one.ids[::2])):
        mine, its = one.search(asked, 9, pool), other.search(asked, 9, pool)
        assert mine == its


# The locks


def test_another_encoder_foreign_queries_and_a_changed_collection_are_refused(folder, index, encoder, collection):
    with pytest.raises(MismatchError, match="was built by unified"):
        Index.open(folder, FakeEncoder(dim=32, name="other"))
    foreign = replace(queries(encoder), encoder="0" * 64)
    with pytest.raises(MismatchError, match="encode with the index's own encoder"):
        index.search(foreign, 3)
    other = Collection([replace(one, title="Another") for one in collection], "other", "0" * 64)
    with pytest.raises(MismatchError, match="changed since the index was built"):
        index.check_collection(other)
    assert index.verify_probe(encoder) == pytest.approx(1) and index.verify_rows(encoder, collection) > 0.999


def test_an_interrupted_build_goes_on_where_it_stopped(engine, collection, tmp_path):
    out, ids = tmp_path / "index", collection.ids
    with pytest.raises(KeyboardInterrupt):
        built(engine, Counting(die_at=ids[15]), collection, out)
    with pytest.raises(ConfigError, match="its build was interrupted"):
        IndexManifest.read(out)
    again = Counting()
    assert built(engine, again, collection, out).count == len(ids)
    assert again.encoded == list(ids[10:])
    opened = Index.open(out, again, collection)
    assert opened.verify_rows(again, collection) > 0.999
    assert not list(out.glob(".*"))


# Changes


@pytest.fixture
def mine(tmp_path) -> Path:
    folder = tmp_path / "mine"
    (folder / "cats").mkdir(parents=True)
    for name, colour in (("a", "red"), ("cats/c", "blue"), ("z", "tan")):
        Image.new("RGB", (9, 7), colour).save(folder / f"{name}.png")
    (folder / "b.txt").write_text("Some words.")
    (folder / "cats" / "d.txt").write_text("Others.")
    return folder


def of_folder(engine, source: Path, out: Path) -> Path:
    found = Source.of(str(source))
    collection = Collection.taken(found.name, *found.read(out / "files"))
    manifest = built(engine, Counting(), collection, out)
    Record(sources=(replace(found, count=len(collection)),)).write(out, manifest.fingerprint)
    return out


def searched(folder: Path) -> dict[str, list[str]]:
    """What a few queries find, by ids and in order, with the index opened anew."""
    encoder, manifest = FakeEncoder(dim=32, name="unified"), IndexManifest.read(folder)
    index = Index.open(folder, encoder, Collection.open(folder / manifest.collection_at))
    return found(index.search(queries(encoder), 10))


def test_what_is_added_changed_and_removed_equals_a_build_from_nothing(engine, mine, tmp_path):
    index = of_folder(engine, mine, tmp_path / "index")
    with held(index) as here:
        before = {one: here.index.vectors([one])[0].tobytes() for one in here.index.ids}
    (mine / "b.txt").write_text("New words.")
    (mine / "z.png").unlink()
    Image.new("RGB", (5, 5), "pink").save(mine / "cats" / "new.png")
    encoder = Counting()
    with held(index) as here:
        change = renew.update(here, encoder)
    assert (change.added, change.changed, change.removed) == (("cats/new.png",), ("b.txt",), ("z.png",))
    assert encoder.encoded == ["b.txt", "cats/new.png"] and change.manifest.engine == engine
    with held(index) as here:
        for kept in ("a.png", "cats/c.png", "cats/d.txt"):
            assert here.index.vectors([kept])[0].tobytes() == before[kept]
        assert renew.remove(here, ["a.png"]).removed == ("a.png",)
    assert "a.png" not in searched(index)["q0"]
    with held(index) as here:
        assert renew.add(here, [Source.of(str(mine / "a.png"))], encoder).added == ("a.png",)
    assert searched(index) == searched(of_folder(engine, mine, tmp_path / "fresh"))


def test_a_change_that_dies_leaves_the_old_version_and_goes_on(engine, mine, tmp_path):
    index = of_folder(engine, mine, tmp_path / "index")
    old, manifest = searched(index), IndexManifest.read(index)
    (mine / "new.txt").write_text("A new one.")
    with held(index) as here, pytest.raises(KeyboardInterrupt):
        renew.update(here, Counting(die_at="new.txt"))
    assert IndexManifest.read(index) == manifest and searched(index) == old
    with held(index) as here:
        assert renew.update(here, Counting()).added == ("new.txt",)
    assert searched(index) == searched(of_folder(engine, mine, tmp_path / "fresh"))


def test_who_searches_the_version_before_ends_on_it_without_what_was_removed(engine, mine, tmp_path):
    index = of_folder(engine, mine, tmp_path / "index")
    encoder = FakeEncoder(dim=32, name="unified")
    opened = Index.open(index, encoder)
    asked = queries(encoder)
    best = found(opened.search(asked, 2))
    gone = next(one for one in opened.ids if one not in {hit for hits in best.values() for hit in hits})
    with held(index) as here:
        renew.remove(here, [gone])
    assert found(opened.search(asked, 2)) == best


# From the command line to the searcher


def test_index_search_evaluate_verify_and_the_page_need_no_further_option(
    engine, searcher, benchmark, tmp_path, capsys
):
    from umr.ui.searchers import open_searcher

    out = str(benchmark.parents[1] / "unified" / "other")
    build = ["index", str(benchmark), "--encoder", "unified", "--out", out, "--engine", engine]
    assert main(build) == 0 and IndexManifest.read(out).engine == engine
    assert ("engine" in json.loads(Path(out, "manifest.json").read_text())) == (engine != "faiss")
    assert (
        main(["search", "--index", out, "--text", "This card is red.", "--in", "passages", "--top", "2", "--json"]) == 0
    )
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["id"] == "100:20" and {row["modality"] for row in rows} == {"text"}
    assert main(["evaluate", "--index", out, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert main(["evaluate", "--index", str(benchmark.parents[1] / "unified" / "catalogue"), "--json"]) == 0
    assert measured == json.loads(capsys.readouterr().out)
    assert main(["index", "verify", out]) == 0
    query = Query(query_id="q", content=Content(text="This card is red."))
    assert open_searcher(Path(out)).search(query, 5).results == searcher.search(query, 5).results


def test_parts_join_into_either_engine(engine, searcher, mine, tmp_path, capsys):
    for number in (1, 2):
        words = ["index", str(mine), "--encoder", "unified", "--out", str(tmp_path / f"part{number}")]
        assert main([*words, "--shard", f"{number}/2"]) == 0
    parts, out = [str(tmp_path / "part1"), str(tmp_path / "part2")], tmp_path / "joined"
    assert main(["index", "join", *parts, "--out", str(out), "--engine", engine]) == 0
    assert main(["index", str(mine), "--encoder", "unified", "--out", str(tmp_path / "whole")]) == 0
    joined, whole = Searcher.open(out), Searcher.open(tmp_path / "whole")
    assert (joined.index.vectors(joined.index.ids) == whole.index.vectors(whole.index.ids)).all()
    assert joined.index.ids == whole.index.ids and joined.index.manifest.engine == engine
