"""The Diagnose tab without a browser: a stored diagnosis in words, plot and list; nothing a file supplies is markup."""

import json
import re
from dataclasses import replace

import pytest

from tests.conftest import MARKUP, no_model
from umr.eval.diagnosis import diagnosis_file, read_diagnosis, write_diagnosis
from umr.eval.store import store
from umr.ui.diagnose import actions as diagnose
from umr.ui.plots import Point, scatter
from umr.ui.queries import compare_link, judged_queries
from umr.ui.searchers import Searchers


@pytest.fixture
def searchers(searcher, benchmark) -> Searchers:
    """One encoder with stored reports; opening it fails the test."""
    judged_queries.cache_clear()
    path = benchmark / "query/test/mbeir_catalogue_it2i_ind_test.jsonl"
    path.write_text(path.read_text().replace("edit 3", json.dumps(MARKUP)[1:-1]))
    root = benchmark.parents[1]
    store(searcher, benchmark, root / "unified" / "reports")
    return Searchers({"unified": root / "unified" / "catalogue"}, "unified", no_model)


def test_the_choices_are_what_is_stored_with_it2i_ind_first(searchers):
    assert diagnose.diagnosed_pairs(searchers) == ["it2i ind", "it2i phrasing"]


def test_the_headlines_say_the_stored_numbers(searchers):
    page = diagnose.show(searchers, "unified", "it2i ind")
    assert "In 100.0\u00a0% of 6 queries the picture (100.0\u00a0%) or the text (" in page
    assert "diagnosis.it2i.ind.json.xz" in page and "python -m umr diagnose --encoder unified --task it2i" in page


def test_a_diagnosis_stands_below_its_models_name_which_opens_its_card(searchers):
    page = diagnose.show(searchers, "unified", "it2i ind")
    assert page.count('data-model="unified"') == 1 and re.search(r"<h2><button[^>]*>unified</button></h2>", page)


def test_every_query_is_a_point_that_leads_to_its_comparison(searchers):
    page = diagnose.show(searchers, "unified", "it2i ind")
    assert page.count('class="u-point') == 6 and page.count('class="u-query"') == 6
    assert page.count('href="?tab=compare&amp;q=100%3A2&amp;task=it2i&amp;split=ind"') == 2
    assert len(re.findall(r'class="u-point[^>]*tabindex="0"', page)) == 1


def test_markup_in_a_query_is_shown_as_text(searchers):
    page = diagnose.show(searchers, "unified", "it2i ind")
    assert "&lt;img src=x" in page and "<img src=x" not in page
    assert not re.search(r"\{\{|\$\{|`", page)


def test_a_diagnosis_of_other_weights_says_so(searchers):
    folder = searchers.folders["unified"].parent / "reports"
    assert "other weights" not in diagnose.show(searchers, "unified", "it2i ind")
    write_diagnosis(folder, replace(read_diagnosis(folder, "it2i", "ind"), encoder="0" * 64))
    assert "other weights" in diagnose.show(searchers, "unified", "it2i ind")


@pytest.mark.parametrize(
    ("name", "which"),
    [
        ("nobody", "it2i ind"),
        (None, "it2i ind"),
        ("unified", "../x ind"),
        ("unified", None),
        ("unified", ["it2i ind"]),
        ({}, 3),
    ],
)
def test_a_bad_request_is_answered_in_words(searchers, name, which):
    assert 'role="alert"' in diagnose.show(searchers, name, which)


def test_a_missing_diagnosis_names_the_command_that_writes_it(searchers):
    diagnosis_file(searchers.folders["unified"].parent / "reports", "it2i", "ind").unlink()
    page = diagnose.show(searchers, "unified", "it2i ind")
    assert "Not diagnosed yet" in page and "--store --task it2i --split ind" in page


def test_a_broken_diagnosis_is_an_error_in_words(searchers):
    diagnosis_file(searchers.folders["unified"].parent / "reports", "it2i", "ind").write_text("{")
    assert 'role="alert"' in diagnose.show(searchers, "unified", "it2i ind")


def test_a_scatter_places_equal_values_on_the_diagonal_and_reaches_over_all_points():
    points = [Point(x=v, y=v, mark="composed", label="q", href="?q", data={}) for v in (0.31, 0.6)]
    drawn = re.findall(r'<circle cx="([\d.]+)%" cy="([\d.]+)%"', scatter(points, "x", "y"))
    assert [float(x) + float(y) for x, y in drawn] == pytest.approx([100, 100], abs=0.02)
    assert "<span>0.3</span>" in scatter(points, "x", "y") and "<span>0.6</span>" in scatter(points, "x", "y")
    assert scatter([], "x", "y").count("u-point") == 0


def test_a_compare_link_cannot_be_broken_by_an_id():
    assert compare_link("a&b=<c>", "it2i", "ind") == "?tab=compare&q=a%26b%3D%3Cc%3E&task=it2i&split=ind"


def test_two_models_stand_side_by_side(searchers):
    root = searchers.folders["unified"].parent
    both = Searchers({"unified": root / "catalogue", "other": root / "catalogue"}, "unified", no_model)
    page = diagnose.show(both, "unified", "it2i ind", "other")
    assert page.count('class="u-side"') == 2 and page.count("u-scatter") == 2 and page.count("u-figures") == 2
    assert 'data-model="unified"' in page and 'data-model="other"' in page
    for alone in ("none", "unified"):
        assert diagnose.show(both, "unified", "it2i ind", alone).count("u-scatter") == 1
    assert 'role="alert"' in diagnose.show(both, "unified", "it2i ind", "nobody")


def test_tasks_and_splits_are_chosen_in_words(searchers):
    assert diagnose.pair_name("it2i ind") == "picture + text → images, as trained"
