"""Columns of one part: what the benchmark's variants find is what they show; and queries drawn by who is right."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from umr import shipped
from umr.errors import ConfigError
from umr.eval import evaluate
from umr.eval.pools import matching
from umr.eval.store import store
from umr.ui.compare import actions as compare
from umr.ui.compare import drawn, tally_html
from umr.ui.compare import html as compare_html
from umr.ui.compare.columns import chosen, title
from umr.ui.compare.comparison import compare as compared
from umr.ui.compare.comparison import compare_rows
from umr.ui.compare.votes import VoteBox
from umr.ui.handlers import Question
from umr.ui.links import Given
from umr.ui.queries import judged_queries

PARTS = ["unified", "unified+picture", "unified+text", "unified+sum"]


def asked(searchers, columns, query="it2i ind 100:3", k=5):
    return compare_rows(searchers, Question(uploads=Path("nowhere"), text="", k=k), columns, query)


def test_each_part_finds_what_the_benchmarks_variant_finds(searchers, benchmark):
    measured = evaluate.measure(searchers.get("unified"), evaluate.load(benchmark, "it2i", "ind"))
    columns = asked(searchers, PARTS)["models"]
    for column, variant in zip(columns, ("composed", "picture", "text", "sum"), strict=True):
        run = measured.runs[variant]["100:3"][:5]
        assert [row["id"] for row in column["results"]] == [hit.candidate_id for hit in run], variant
        assert [row["score"] for row in column["results"]] == pytest.approx([hit.score for hit in run], abs=1e-5)


def test_a_part_is_named_in_words_and_keeps_its_models_card(searchers, benchmark):
    found = compared(searchers, benchmark / "files/queries/3.bmp", "edit 3", "images", PARTS, 3, "it2i ind 100:3")
    page = compare_html.comparison(found)
    for said in ("unified, picture only", "unified, text only", "unified, vector sum"):
        assert said in page
    assert page.count('data-model="unified"') == 4 and title("a+b") == "a+b"


@pytest.mark.parametrize("column", ["nobody+picture", "+picture", "unified+nothing", "unified+picture+text"])
def test_a_part_of_nothing_is_refused(searchers, column):
    with pytest.raises(ConfigError, match="no encoder"):
        asked(searchers, ["unified", column])


def test_a_part_needs_a_query_of_both(searchers):
    with pytest.raises(ConfigError, match=r"unified, text only.*Give both, or untick it"):
        compare_rows(searchers, Question(uploads=Path("nowhere"), text="red", k=3), ["unified", "unified+text"])


def test_the_bar_asks_for_models_and_parts_of_one():
    assert chosen(["a", "b"], "b", ["sum"]) == ["a", "b", "b+sum"]
    assert chosen(None, "b", ["sum"]) is None


def test_a_link_reopens_the_parts(searchers):
    given = Given.of("?tab=compare&q=100%3A3&task=it2i&split=ind&c-models=unified,unified%2Bsum")
    filled = compare.fill(searchers, given)
    assert filled.values[4:] == (["unified"], False, "unified", ["sum"]) and filled.asks and not given.notices
    given = Given.of("?c-models=unified%2Bsum,other%2Btext")
    assert compare.fill(searchers, given).values[-2:] == ("unified", ["sum"]) and len(given.notices) == 1


def test_the_right_answer_stands_at_the_head_though_no_column_shows_it(searchers, benchmark):
    found = compared(searchers, benchmark / "files/queries/3.bmp", "edit 3", "images", ["unified", "other"], 1,
                     "it2i ind 100:3")  # fmt: skip
    page = compare_html.comparison(found)
    head = page[page.index("u-answers") : page.index('class="u-columns"')]
    assert "03.png" in head and "The right answer" in head and "found at rank" in head


@pytest.fixture
def stored(searchers, benchmark):
    """Both models' stored runs; in those of the second the first two it2i ind queries are wrong at rank 1."""
    for name in searchers.names:
        folder = searchers.folders[name].parent / "reports"
        store(searchers.get(name), benchmark, folder, matching(benchmark, "it2i", "ind"))
    runs = (searchers.folders["other"].parent / "reports" / "runs").glob("it2i.ind.composed.run.xz")
    assert list(runs)
    return searchers


def rights(monkeypatch, right: dict[str, set[str]]):
    monkeypatch.setattr(drawn, "_right", lambda folder, *_: frozenset(right[folder.parent.name]))


def draws(searchers, **wanted):
    chance = random.Random(3)
    found = {
        compare.random_query(searchers, chance, ["unified", "other"], drawn.Filter(**wanted))[3] for _ in range(40)
    }
    return {one.rpartition(" ")[2] for one in found}


def test_queries_are_drawn_by_who_is_right(searchers, monkeypatch):
    rights(monkeypatch, {"unified": {"100:0", "100:1", "100:2"}, "other": {"100:1", "100:3"}})
    one = {"task": "it2i", "split": "ind"}
    assert draws(searchers, differ=True, **one) == {"100:0", "100:2", "100:3"}
    assert draws(searchers, winner="only:unified", **one) == {"100:0", "100:2"}
    assert draws(searchers, winner="only:other", **one) == {"100:3"}
    assert draws(searchers, winner=drawn.ALL, **one) == {"100:1"}
    assert draws(searchers, winner=drawn.NONE, **one) == {"100:4", "100:5"}


def test_stored_runs_say_who_is_right(stored, benchmark):
    runs = stored.folders["unified"].parent / "reports"
    measured = evaluate.measure(stored.get("unified"), evaluate.load(benchmark, "it2i", "ind"))
    right = drawn._right(runs, benchmark, "it2i", "ind", "composed")
    for query_id, relevant in measured.judged.qrels.items():
        assert (query_id in right) is (measured.runs["composed"][query_id][0].candidate_id in relevant)


def test_tasks_and_splits_are_filtered_without_any_run(searchers):
    chance = random.Random(1)
    assert compare.random_query(searchers, chance, (), drawn.Filter(task="t2t"))[3].startswith("t2t ind ")
    assert compare.random_query(searchers, chance, (), drawn.Filter(split="phrasing"))[3].startswith("it2i phrasing ")
    with pytest.raises(ConfigError, match="no benchmark queries of this task and split"):
        compare.random_query(searchers, chance, (), drawn.Filter(task="t2t", split="phrasing"))


def test_every_task_can_be_drawn_by_who_is_right(searchers, benchmark, monkeypatch):
    tasks = dict.fromkeys(task for task, _ in drawn.pairs(benchmark))
    assert {"it2i", "t2t"} <= set(tasks) and next(iter(tasks)).startswith(drawn.COMPOSED)
    for task in tasks:
        queries = judged_queries(benchmark, task, "ind")[0]
        rights(monkeypatch, {"unified": set(queries), "other": set(list(queries)[1:])})
        assert draws(searchers, task=task, differ=True) == {next(iter(queries))}
        assert draws(searchers, task=task) <= set(queries)


def test_a_split_without_a_task_is_of_picture_and_text_where_it_can_be(benchmark):
    every = drawn.pairs(benchmark)
    assert {task[:3] for task, _ in drawn.pairs(benchmark, drawn.Filter())} == {drawn.COMPOSED}
    assert all(drawn.pairs(benchmark, drawn.Filter(split=split)) for _, split in every)
    path = benchmark / "query/test/mbeir_catalogue_t2t_ind_test.jsonl"
    path.rename(path.with_name("mbeir_catalogue_t2t_typed_test.jsonl"))
    assert drawn.pairs(benchmark, drawn.Filter(split="typed")) == [("t2t", "typed")]


def test_what_cannot_be_drawn_is_said_with_the_way_out(searchers, monkeypatch):
    with pytest.raises(ConfigError, match="evaluate --encoder NAME --store"):
        compare.random_query(searchers, random.Random(1), ["unified", "other"], drawn.Filter(differ=True))
    rights(monkeypatch, {"unified": set(), "other": set()})
    with pytest.raises(ConfigError, match="none of the columns"):
        wanted = drawn.Filter(winner="only:third")
        compare.random_query(searchers, random.Random(1), ["unified", "other"], wanted)


def test_after_a_vote_the_next_battle_is_one_press_away_and_votes_can_be_saved(searchers, tmp_path):
    box = VoteBox(tmp_path / "votes.jsonl")
    with pytest.raises(ConfigError, match="no votes to save"):
        compare.export_file(None, "votes", box)
    question = Question(uploads=Path("nowhere"), text="red", k=3)
    page, kept, _ = compare.compare_page(searchers, question, ["unified", "other"], True, "")
    assert "data-next" not in page and "Preferred" not in page
    voted, _ = compare.vote_page(box, kept, f"a {kept.battle}")
    assert "data-next" in voted and "data-vote" not in voted and "Preferred to another" in voted
    saved = compare.export_file(None, "votes", box)
    assert saved["name"] == "votes.jsonl"
    (row,) = [json.loads(line) for line in box.content().decode().splitlines()]
    assert row["vote"] == "a" and {row["a"], row["b"]} == {"unified", "other"}


def test_names_in_the_tally_open_cards_but_those_of_models_that_are_gone(searchers, tmp_path):
    box = VoteBox(tmp_path / "votes.jsonl")
    box.add("", "other+picture", "gone", "a")
    question = Question(uploads=Path("nowhere"), text="red", k=3)
    _, kept, _ = compare.compare_page(searchers, question, ["unified", "other"], True, "")
    tally = compare.vote_page(box, kept, f"tie {kept.battle}", searchers.names)[0].partition("u-tally")[2]
    assert tally.count('data-model="other"') == 2 and 'data-model="unified"' in tally and "gone" in tally
    assert 'data-model="gone"' not in tally and ">other, picture only</button>" in tally


def test_a_space_says_that_its_votes_are_lost(searchers, tmp_path, monkeypatch):
    question = Question(uploads=Path("nowhere"), text="red", k=3)
    said = []
    for space in ("", "owner/name"):
        monkeypatch.setenv("SPACE_ID", space)
        _, kept, _ = compare.compare_page(searchers, question, ["unified", "other"], True, "")
        said.append(compare.vote_page(VoteBox(tmp_path / "votes.jsonl"), kept, f"tie {kept.battle}")[0])
    assert "would be lost" in said[0] and "are lost whenever it restarts" in said[1]


def test_a_space_says_that_votes_in_its_storage_stay(tmp_path, monkeypatch):
    monkeypatch.delenv("UMR_CACHE", raising=False)
    monkeypatch.setenv("SPACE_ID", "owner/name")
    monkeypatch.setattr(shipped, "STORAGE", tmp_path)
    box = VoteBox()
    box.add("", "unified", "other", "a")
    assert box.file == tmp_path / "umr" / "votes.jsonl" and VoteBox().tally() == box.tally()
    assert compare.how_long_kept(box) == tally_html.STORED
    monkeypatch.setenv("UMR_CACHE", str(tmp_path.parent / "elsewhere"))
    assert compare.how_long_kept(VoteBox()) == tally_html.LOST
