"""The page tells what it searches, whatever happens to the files meanwhile, and never where they lie."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import faiss
import pytest

from tests.conftest import built_in
from umr.encoders.fake import FakeEncoder
from umr.encoders.micro_batch import MicroBatcher
from umr.errors import ConfigError, MismatchError, UMRError
from umr.index import renew
from umr.index.index import build_index
from umr.index.manifest import IndexManifest
from umr.index.rewrite import held
from umr.search import Searcher
from umr.types import Content, Query
from umr.ui import api
from umr.ui.handlers import Question, search_rows
from umr.ui.searchers import Searchers, find_searchers, open_searcher, reopen_searcher


def test_a_model_that_is_open_is_told_as_it_is_searched_after_its_index_was_rebuilt(searchers, collection):
    before = api.models(searchers)
    searchers.get("unified")
    folder = searchers.folders["unified"]
    build_index(FakeEncoder(dim=48, name="mca"), collection, folder, encoder_at=folder)
    assert api.models(searchers) == before
    (folder / "manifest.json").unlink()
    assert api.models(searchers) == before
    assert [row["models"] for row in api.collections(searchers)] == [["unified", "other"]]
    assert search_rows(searchers, Question(uploads=folder, text="red", k=3), "unified", lambda told: None)


@pytest.mark.parametrize("damage", ["no manifest", "broken manifest", "no vectors", "no collection", "no encoder"])
def test_what_is_wrong_with_an_index_is_told_without_its_place(searchers, benchmark, tmp_path, damage):
    folder = searchers.folders["unified"]
    if damage == "no manifest":
        (folder / "manifest.json").unlink()
    elif damage == "broken manifest":
        (folder / "manifest.json").write_text("[" * 100_000)
    elif damage == "no vectors":
        (folder / "vectors.faiss").unlink()
    elif damage == "no collection":
        os.rename(benchmark / "cand_pool", benchmark / "elsewhere")
    else:
        (folder.parent / "encoder" / "encoder.json").unlink()
    with pytest.raises(UMRError) as error:
        searchers.get("unified")
    assert str(tmp_path) not in str(error.value) and "/tmp/" not in str(error.value) and len(str(error.value)) > 40
    if "manifest" in damage:
        with pytest.raises((ConfigError, MismatchError), match="the index of unified") as error:
            api.models(searchers)
        assert str(tmp_path) not in str(error.value)


def test_the_command_of_a_manifest_does_not_tell_where_the_server_keeps_things(searchers):
    path = searchers.folders["unified"] / "manifest.json"
    command = "python -m umr index /srv/people/anna/pictures --encoder unified --out '/srv/indexes/mine'"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"command": command}))
    (path.parent / "probe.npy").unlink()
    with pytest.raises(MismatchError, match="umr index pictures --encoder unified --out 'mine'") as error:
        searchers.get("unified")
    assert "srv" not in str(error.value)


def test_an_index_with_rows_of_another_encoder_is_not_opened_by_the_page(searchers, collection):
    folder = searchers.folders["unified"]
    other = FakeEncoder(dim=32, name="another")
    rows = other.encode_candidates(list(collection)).vectors
    rows[:] = rows[::-1]
    index = faiss.IndexScalarQuantizer(32, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    faiss.write_index(index, str(folder / "vectors.faiss"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["vectors.faiss"] = hashlib.sha256((folder / "vectors.faiss").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MismatchError, match="is not the vector that unified makes of it"):
        open_searcher(folder)
    assert Searchers({"unified": folder}, "unified").manifest("unified").count == len(collection)


def test_queries_of_one_model_are_encoded_together_unless_that_is_switched_off(searchers):
    folder = searchers.folders["unified"]
    together, alone = (find_searchers(folder, batch=batch).get("unified") for batch in (8, 1))
    assert isinstance(together.encoder, MicroBatcher) and together.encoder.most_rows == 8
    assert isinstance(alone.encoder, FakeEncoder)
    question = Question(uploads=folder, text="This card is red.", k=5)
    found = [search_rows(one, question, "unified", lambda told: None) for one in (searchers, find_searchers(folder))]
    assert found[0] == found[1] != []
    with pytest.raises(ConfigError, match="--batch is 0"):
        find_searchers(folder, batch=0)


def test_the_page_encodes_queries_in_the_precision_of_each_index(searchers, dtypes):
    precisions = {"unified": "bfloat16", "other": "float32"}
    for name, precision in precisions.items():
        built_in(precision, searchers.folders[name])
        find_searchers(searchers.folders[name]).get(name)
    assert dtypes == list(precisions.values())


def test_the_next_version_of_an_index_keeps_the_encoder_unless_it_is_of_another_precision(searchers, dtypes):
    folder = searchers.folders["unified"]
    old = open_searcher(built_in("bfloat16", folder), batch=5)
    assert reopen_searcher(folder, old).encoder is old.encoder
    new = reopen_searcher(built_in("float32", folder), old).encoder
    assert new is not old.encoder and isinstance(new, MicroBatcher) and new.most_rows == 5
    assert dtypes == ["bfloat16", "float32"]


# An index that is renewed while the page runs


def without(folder: Path, *ids: str) -> str:
    """Removes candidates as `index remove` does; returns the new version's fingerprint."""
    with held(folder) as index:
        return renew.remove(index, ids).manifest.fingerprint


def settled(searchers: Searchers, name: str, unlike: Searcher) -> Searcher:
    """The searcher that took another one's place."""
    end = time.monotonic() + 60
    while (found := searchers.get(name)) is unlike and time.monotonic() < end:
        time.sleep(0.01)
    return found


def test_a_new_version_is_picked_up_between_queries_and_who_has_the_old_one_ends_with_it(searchers):
    folder, old = searchers.folders["unified"], searchers.get("unified")
    before = api.models(searchers)[0]
    fingerprint = without(folder, "100:20", "100:3")
    new = settled(searchers, "unified", old)
    assert new is not old and new.encoder is old.encoder  # whose weights are not loaded twice
    asked = Query(query_id="q", content=Content(text="This card is red."), target_modality="text")
    assert [one.search(asked, 1).results[0].candidate.candidate_id == "100:20" for one in (old, new)] == [True, False]
    after = api.models(searchers)[0]
    assert (before["vectors"], after["vectors"], after["index"]) == (24, 22, fingerprint)
    assert before["index"] == old.index.manifest.fingerprint != fingerprint
    assert before["fingerprint"] == after["fingerprint"] == old.encoder.fingerprint
    assert IndexManifest.read(searchers.folders["other"]).fingerprint == api.models(searchers)[1]["index"]


def test_to_tell_the_models_is_enough_to_pick_a_new_version_up(searchers):
    old = searchers.get("unified")
    fingerprint, end = without(searchers.folders["unified"], "100:20"), time.monotonic() + 60
    while api.models(searchers)[0]["index"] != fingerprint and time.monotonic() < end:
        time.sleep(0.01)
    assert searchers.opened("unified") is not old and len(searchers.opened("unified").collection) == 23


@pytest.mark.parametrize("damage", ["vectors", "candidates", "manifest", "encoder", "no manifest"])
def test_a_damaged_new_version_is_a_line_in_the_log_once_and_the_old_one_is_served(searchers, caplog, damage):
    folder, old = searchers.folders["unified"], searchers.get("unified")
    without(folder, "100:20")
    manifest = IndexManifest.read(folder)
    if damage in ("vectors", "candidates"):
        name = {"vectors": "vectors.faiss", "candidates": "candidates.jsonl"}[damage]
        (folder / manifest.files_at / name).write_bytes(b"")
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    elif damage == "encoder":
        row = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(row | {"encoder_name": "other"}))
    else:
        (folder / "manifest.json").unlink()
    opened, end = [searchers.get("unified") for _ in range(3)], time.monotonic() + 60
    while damage != "no manifest" and "is not served" not in caplog.text and time.monotonic() < end:
        time.sleep(0.01)
    opened.append(searchers.get("unified"))
    assert all(one is old for one in opened) and api.models(searchers)[0]["vectors"] == 24
    assert caplog.text.count("the new version of the index of unified is not served, the old one is") == (
        damage != "no manifest"
    )


def test_a_version_that_is_mended_is_picked_up(searchers, caplog):
    folder, old = searchers.folders["unified"], searchers.get("unified")
    fingerprint = without(folder, "100:20")
    manifest = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_text("{")
    searchers.get("unified")
    end = time.monotonic() + 60
    while "is not served" not in caplog.text and time.monotonic() < end:
        time.sleep(0.01)
    (folder / "manifest.json").write_bytes(manifest)
    assert settled(searchers, "unified", old).index.manifest.fingerprint == fingerprint


def test_a_manifest_that_says_the_same_opens_nothing(searchers):
    old = searchers.get("unified")
    searchers._reopener = lambda *given: pytest.fail("nothing is to be opened")
    os.utime(searchers.folders["unified"] / "manifest.json", (1, 1))
    assert all(searchers.get("unified") is old for _ in range(3))
    assert reopen_searcher(searchers.folders["unified"], old).encoder is old.encoder
