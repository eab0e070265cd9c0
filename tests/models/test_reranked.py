"""A published re-ranker by its name on the Hub: downloaded, pinned, adopted and refused as encoders are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import app
from tests.encoders.published_qwen3 import publish3
from tests.eval.benchmarks.test_benchmarks import cirr
from tests.models.shelf import Shelf, point
from tests.rerank.test_adopt import RECIPE, released
from tests.rerank.tiny import tiny_reranker
from umr.cli.commands import main
from umr.errors import ConfigError
from umr.models import fit
from umr.models.ready import Wishes, dtype_of_reranker, ready, reranker
from umr.models.weights import memory, parameters_in
from umr.query_arithmetic import UNMOVED
from umr.rerank import load_reranker
from umr.rerank.store import save_reranker
from umr.search import decode
from umr.types import SEARCH_IN, Content, Query
from umr.ui.searchers import Searchers

NAME = "Qwen/Qwen3-VL-Reranker-2B"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """In the layout of Qwen3-VL-Reranker, with a head of its own."""
    return released(tmp_path_factory.mktemp("public") / "Qwen3-VL-Reranker-2B", tied=False)


@pytest.fixture
def shelf(bare_shelf, checkpoint, make, tokenizer, tmp_path) -> Shelf:
    make(name="ours").save(tmp_path / "ours")
    save_reranker(tiny_reranker(tokenizer), tmp_path / "again")
    bare_shelf.shelve("me/ours", tmp_path / "ours")
    bare_shelf.shelve("me/again", tmp_path / "again")
    for name in (NAME, "me/unknown"):
        bare_shelf.shelve(name, checkpoint)
    return bare_shelf


@pytest.fixture
def evaluate(tmp_path, capsys):
    """Measures the tiny encoder on CIRR's layout, re-ranked: the rows, or None, and what was said."""
    cirr(tmp_path / "data")

    def call(name: str, *more: str) -> tuple[list[dict] | None, str]:
        words = [
            "evaluate",
            "--benchmark",
            "cirr",
            "--data",
            str(tmp_path / "data"),
            "--encoder",
            str(tmp_path / "ours"),
        ]
        status = main([*words, "--rerank", name, "--depth", "2", "--weight", "1", "--json", *more])
        told = capsys.readouterr()
        return json.loads(told.out) if status == 0 else None, told.err

    return call


def test_a_benchmark_is_reranked_by_a_name_which_is_offline_afterwards(
    shelf, evaluate, checkpoint, tmp_path, monkeypatch
):
    found, said = evaluate(f"hub:{NAME}")
    commit = shelf.heads[NAME, "main"]
    assert f"hub:{NAME} is commit {commit} today" in said and "M parameters, weights of" in said
    assert "are to be downloaded to" in said and f"in the order of {NAME.partition('/')[2]}" in said
    assert main(["adopt", str(checkpoint), "--out", str(tmp_path / "made"), "--recipe", RECIPE]) == 0
    assert found is not None and found == evaluate(str(tmp_path / "made"))[0] and found[0]["rerank"] is True
    requests = len(shelf.asked)
    point(monkeypatch, NOBODY)
    again, said = evaluate(f"hub:{NAME}")
    assert again == found and f"hub:{NAME} is at commit {commit}, downloaded before" in said
    [place] = (tmp_path / "cache" / "rerankers").glob("[!.]*")
    [kept] = (tmp_path / "cache" / "hub").glob("*Reranker*/model.safetensors")
    assert len(shelf.asked) == requests and kept.samefile(place / "model.safetensors")
    assert load_reranker(place, device="cpu").config.network.revision == f"hub:{NAME}@{commit}"


def test_a_page_offers_one_by_its_name(shelf, tmp_path, monkeypatch, capsys):
    pages: list[Searchers] = []
    monkeypatch.setattr("umr.ui.layout.serve.run", lambda searchers, *_: pages.append(searchers))
    (tmp_path / "notes").mkdir()
    for name, text in (("a", "a red mug on a table"), ("b", "two cats"), ("c", "a lamp")):
        (tmp_path / "notes" / f"{name}.txt").write_text(text)
    words = ["--folder", str(tmp_path / "notes"), "--encoder", str(tmp_path / "ours"), "--reranker", f"hub:{NAME}"]
    assert main(["demo", *words, "--dry-run"]) == 0 and pages == [] and shelf.weights_asked() == []
    assert main(["demo", *words]) == 0
    point(monkeypatch, NOBODY)
    assert app.main(words) == 0 and app.main(["--reranker", f"hub:{NAME}"]) == 0
    assert [page.reranker.offer.name for page in pages] == ["Qwen3-VL-Reranker-2B"] * 3
    asked = decode(Query(query_id="q", content=Content(text="a mug"), target_modality=SEARCH_IN["all"]))
    found = pages[1].reranker.search(pages[1].get("ours"), asked, 3, UNMOVED)
    assert {one.hit.candidate_id for one in found.results} == {"a.txt", "b.txt", "c.txt"}
    assert pages[1].reranker.told()["reranker"] == "Qwen3-VL-Reranker-2B" and "rerank" in found.ms


def test_a_repository_of_umrs_own_rerankers_folder_is_used_as_it_is(shelf, evaluate, tmp_path):
    found, said = evaluate("hub:me/again")
    assert found == evaluate(str(tmp_path / "again"))[0] and "is commit" in said
    assert not (tmp_path / "cache" / "rerankers").exists()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("hub:me/ours", "is an encoder, not a re-ranker: --encoder takes it"),
        ("hub:google/siglip-base-patch16-224", "is an encoder, not a re-ranker: --encoder hub:google/siglip"),
        ("hub:me/unknown", "is no re-ranker that umr knows how to ask: it has no reranker.json, and is none of "),
        ("hub:me/nothing", "that you may read: check OWNER/NAME"),
        (f"hub:{NAME}@v9", "has no revision 'v9'"),
        ("hub:again", "is not hub:OWNER/NAME"),
    ],
)
def test_what_is_no_reranker_is_refused_before_its_weights_are_downloaded(shelf, evaluate, spec, words):
    found, said = evaluate(spec)
    assert found is None and words in said and "Traceback" not in said and shelf.weights_asked() == []


def test_a_checkpoint_that_lacks_what_a_reranker_needs_is_refused_before_its_weights(
    shelf, evaluate, checkpoint, tmp_path
):
    shelf.shelve(NAME, publish3(tmp_path / "without"))
    assert "no token yes" in evaluate(f"hub:{NAME}")[1] and shelf.weights_asked() == []
    shelf.shelve(NAME, {path.name: path.read_bytes() for path in checkpoint.iterdir() if path.name != "config.json"})
    commit = shelf.heads[NAME, "main"]
    assert f"hub:{NAME}@{commit} has no config.json" in evaluate(f"hub:{NAME}@{commit}")[1]
    assert shelf.weights_asked() == []


def test_a_reranker_is_no_encoder(shelf):
    for spec in ("hub:me/again", f"hub:{NAME}"):
        with pytest.raises(ConfigError, match="is a re-ranker, not an encoder: --rerank"):
            ready(spec, Wishes(), print)
    assert shelf.weights_asked() == []


def test_one_that_does_not_fit_is_refused_with_the_numbers(shelf, evaluate, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fit, "free_disk", lambda _: fit.SPARE)
        assert "are to be downloaded to" in evaluate(f"hub:{NAME}")[1].splitlines()[-1]
    with monkeypatch.context() as patch:
        patch.setattr(fit, "free_memory", lambda: 1_000_000)
        assert "1.0 MB are free. Close other programs" in evaluate(f"hub:{NAME}")[1].splitlines()[-1]
    assert shelf.weights_asked() == []
    place = reranker(f"hub:{NAME}", Wishes(), print)
    assert place is not None and dtype_of_reranker(place) == "float32" and dtype_of_reranker(place, "bfloat16")
    monkeypatch.setattr(fit, "free_gpu", lambda: None)
    half = memory(parameters_in(place), "bfloat16")
    monkeypatch.setattr(fit, "free_memory", lambda: fit.BESIDE + half)
    assert dtype_of_reranker(place) == "bfloat16"  # float32 does not fit beside what is open
    monkeypatch.setattr(fit, "free_memory", lambda: 0)
    with pytest.raises(ConfigError, match="the re-ranker Qwen3-VL-Reranker-2B does not fit"):
        dtype_of_reranker(place)
