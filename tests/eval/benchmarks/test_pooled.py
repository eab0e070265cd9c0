"""Pools on disk become one collection, each id once, made again only where the pools changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from umr.collection import Collection
from umr.errors import ConfigError, MismatchError
from umr.eval.benchmarks import pooled as module
from umr.eval.benchmarks.pooled import Pooled, pooled
from umr.types import Candidate

ONE_CHECKSUM = ("plumless", "buckeroo")  # the classic pair of words with one CRC-32


@pytest.fixture(params=[1, 20_000], ids=["mapped", "held"], autouse=True)
def fewest(request, monkeypatch) -> None:
    """Both ways in which a collection is there."""
    monkeypatch.setattr("umr.collection.FEWEST", request.param)


def row(did: str, **more: str) -> dict[str, str | None]:
    return {"did": did, "txt": f"This is {did}", "img_path": None, "modality": "text", "src_content": None} | more


def written(folder: Path, name: str, rows: list[dict]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return folder / f"{name}.jsonl"


def loud(candidate: Candidate) -> Candidate:
    return replace(candidate, content=replace(candidate.content, text=str(candidate.content.text).upper()))


@pytest.fixture
def pools(tmp_path) -> dict[str, Path]:
    first = [row("a"), row("b", title="first"), row(ONE_CHECKSUM[0])]
    return {
        "one": written(tmp_path / "data", "one", first),
        "two": written(tmp_path / "data", "two", [row(ONE_CHECKSUM[1]), row("b", title="second"), row("c")]),
    }


def made(pools: dict[str, Path], tmp_path: Path) -> Pooled:
    return pooled("both", tmp_path / "data", pools, tmp_path / "work" / "collection", loud)


def test_each_id_is_once_there_and_in_the_pools_that_have_it(pools, tmp_path):
    found = made(pools, tmp_path)
    assert (found.collection.name, found.collection.folder) == ("both", tmp_path / "work" / "collection")
    assert found.collection.ids == ("a", "b", *ONE_CHECKSUM, "c")
    assert found.collection["b"].content.text == "THIS IS B" and found.collection["b"].title == "first"
    assert {name: list(pool) for name, pool in found.pools.items()} == {
        "one": ["a", "b", ONE_CHECKSUM[0]],
        "two": ["b", ONE_CHECKSUM[1], "c"],
    }
    assert "a" in found.pools["one"] and "a" not in found.pools["two"] and 5 not in found.pools["one"]
    assert "nobody" not in found.pools["one"] and len(found.pools["two"]) == 3
    assert found.pools["one"] == {"a", "b", ONE_CHECKSUM[0]}


def test_it_is_the_collection_that_the_candidates_in_memory_would_be_saved_as(pools, tmp_path):
    found = made(pools, tmp_path).collection
    saved = Collection(tuple(found), "both", "").save(tmp_path / "saved" / "collection")
    assert saved.fingerprint == found.fingerprint and list(saved) == list(found)


def test_it_is_made_once_and_again_where_a_pool_changed(pools, tmp_path, monkeypatch):
    first = made(pools, tmp_path)

    def never(*_):
        raise AssertionError("it is written again")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_Writing", never)
        again = made(pools, tmp_path)
    assert list(again.collection) == list(first.collection) and again.pools == first.pools
    written(tmp_path / "data", "two", [row("d")])
    changed = made(pools, tmp_path)
    assert changed.collection.ids == ("a", "b", ONE_CHECKSUM[0], "d") and list(changed.pools["two"]) == ["d"]
    assert list(made({"two": pools["two"]}, tmp_path).collection.ids) == ["d"]


def test_a_collection_that_somebody_changed_is_refused(pools, tmp_path):
    found = made(pools, tmp_path).collection
    path = found.folder / "candidates.jsonl"
    path.write_text(path.read_text().replace("THIS IS C", "THIS IS X"))
    with pytest.raises(MismatchError, match="changed since it was made of the pools; remove"):
        made(pools, tmp_path)


@pytest.mark.parametrize(
    ("name", "more", "place", "did"),
    [
        ("two", [row("a", txt="Another one")], "two.jsonl:4", "a"),
        ("two", [row("c")], "two.jsonl:4", "c"),
        ("two", [row("b")], "two.jsonl:4", "b"),
        ("one", [row("e"), row("a")], "one.jsonl:5", "a"),
    ],
    ids=["two contents", "twice in one pool", "a known one twice", "twice in the first"],
)
def test_an_id_of_two_candidates_is_refused_with_its_place(pools, tmp_path, name, more, place, did):
    rows = [json.loads(line) for line in pools[name].read_text().splitlines()]
    written(tmp_path / "data", name, [*rows, *more])
    with pytest.raises(ConfigError, match=rf"{place}: the did '{did}' stands for two candidates"):
        made(pools, tmp_path)
    assert not (tmp_path / "work" / "collection" / "candidates.jsonl").exists()
