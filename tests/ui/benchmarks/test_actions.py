"""The Benchmarks tab without a browser: stored numbers with their sources, differences, and the queries behind them."""

import base64
import csv
import io
import json
import re
import shutil

import pytest

from tests.conftest import MARKUP, no_model
from tests.eval.test_judged import write_free
from umr.errors import ConfigError
from umr.eval.pools import matching
from umr.eval.store import store
from umr.ui.benchmarks import actions as benchmarks
from umr.ui.plots import Dot, strip
from umr.ui.report import offer
from umr.ui.searchers import Searchers


@pytest.fixture
def searchers(searcher, benchmark) -> Searchers:
    """Two encoders with the same stored reports; opening either fails the test."""
    benchmarks._judged.cache_clear()
    root = benchmark.parents[1]
    store(searcher, benchmark, root / "unified" / "reports")
    shutil.copytree(root / "unified", root / "other")
    return Searchers({name: root / name / "catalogue" for name in ("unified", "other")}, "unified", no_model)


def test_every_row_has_every_model_with_its_interval(searchers):
    page = benchmarks.tables(searchers, "success@1")
    assert (
        page.count('data-drill="unified|') == page.count('data-drill="other|') == 2 + 2 + 3
    )  # and of all kinds those in distribution
    assert "picture 100.0" in page and "61.0 – 100.0" in page  # Wilson's for six of six
    assert "6 queries of 6 families" in page
    assert page.count('role="img"') == 4 + 1  # and the means


@pytest.mark.parametrize(
    ("column", "variant"),
    [("picture_only_success@1", "picture"), ("text_only_success@1", "text"), ("vector_sum_success@1", "sum")],
)
def test_a_single_part_has_its_whiskers_from_the_stored_report(searchers, column, variant):
    stored = json.loads((searchers.folders["unified"].parent / "reports" / "report.json").read_text())
    rows = [row for row in stored["rows"] if row[column] is not None]
    page = benchmarks.tables(searchers, column)
    assert [row["pool"] for row in rows] == ["local", "global", "local"] and page.count(
        'scope="row"'
    ) == 3  # "as trained" stands beside the other split again
    assert page.count("u-whisker") == 2 * 3  # both models
    for row in rows:
        low, high = row["intervals"][column]
        assert f"{100 * low:.1f} – {100 * high:.1f}" in page
        assert row["pool"] == "global" or f'x1="{100 * low:.2f}%" x2="{100 * high:.2f}%"' in page
    assert f"runs/it2i.ind.{variant}.run.xz" in page and "data-drill" not in page  # such a run is too short to lead on


def test_the_parts_beside_a_number_name_their_intervals(searchers):
    page = benchmarks.tables(searchers, "success@1")
    assert 'title="picture: 61.0 – 100.0, 95 % bootstrap interval">picture 100.0<' in page
    assert "the text&#x27;s weight is 0.50. Composed minus sum: +0.0 points, +0.0 to +0.0: no clear difference" in page


def test_every_number_names_its_run_file_and_its_command(searchers):
    page = benchmarks.tables(searchers, "mrr")
    command = "python -m umr evaluate --encoder unified --store --task t2t --split ind"
    assert f"runs/t2t.ind.composed.run.xz\n{command}" in page
    assert page.count("title=") >= page.count("u-num")


def test_the_in_distribution_rows_come_first_and_open(searchers):
    page = benchmarks.tables(searchers, "success@1")
    titles = re.findall(r"<h3>([^<]+)</h3>", page)
    assert titles == ["As trained", "Out of distribution: picture + text → images"]


def test_a_pressed_number_shows_its_queries_hardest_first(searchers):
    page = benchmarks.drill(searchers, "unified|it2i|ind|local|0")
    assert page.count('class="u-query"') == 6
    ranks = [int(rank) for rank in re.findall(r"right at (\d+)", page)]
    assert ranks == sorted(ranks, reverse=True) and len(ranks) == 6
    assert 'href="?tab=compare&amp;q=100%3A0&amp;task=it2i&amp;split=ind"' in page


def test_the_number_of_all_kinds_has_its_own_column_and_leads_to_its_own_ranks(searchers):
    stored = json.loads((searchers.folders["unified"].parent / "reports" / "report.json").read_text())
    whole = next(row for row in stored["rows"] if (row["task"], row["pool"]) == ("it2i", "global"))
    page = benchmarks.tables(searchers, "success@1")
    title = 'title="[^"]*runs/it2i.ind.composed.global.run.xz[^"]*--pool global[^"]*"'
    number = f"<button[^>]*{title}>{100 * whole['success@1']:.1f}<"
    assert re.search(f'<td class="u-whole" data-label="unified, all kinds">{number}', page)
    assert "Mean of 2 tasks" in page and page.count("not run") == 0
    drilled = benchmarks.drill(searchers, "unified|it2i|ind|global|0")
    assert "picture + text → images, as trained, among all kinds" in drilled and "composed.global.run.xz" in drilled
    assert f"right for {6 * whole['success@1']:.0f} of 6 queries" in drilled


def test_free_edits_say_how_often_the_main_facts_are_kept(searchers, searcher, benchmark):
    write_free(benchmark)
    store(searcher, benchmark, searchers.folders["unified"].parent / "reports", matching(benchmark, "it2i", "free"))
    page = benchmarks.tables(searchers, "success@1")
    assert "<h3>As people ask</h3>" in page and "4 queries of 3 families, 50 % with an exact answer" in page
    assert re.search(r'title="Of 1 queries without an exact answer[^"]*">else kept [01]', page)
    assert "not run" in page, "the other model has not"
    assert "2 of 2 queries that have an exact answer" in benchmarks.drill(searchers, "unified|it2i|free|local|0")
    kept = benchmarks.tables(searchers, "edit_made_facts_kept")
    assert kept.count('scope="row"') == 1 and "u-whisker" in kept


def test_typed_queries_have_a_row_for_each_form(searchers, searcher, benchmark):
    path = benchmark / "query/test/mbeir_catalogue_t2t_ind_test.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines):
        line["query_src_content"] = json.dumps({"form": f"form <{number % 2}>", "family": number})
    name = path.name.replace("ind", "typed")
    path.with_name(name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    qrels = benchmark / "qrels/test"
    shutil.copy(qrels / "mbeir_catalogue_t2t_ind_test_qrels.txt", qrels / "mbeir_catalogue_t2t_typed_test_qrels.txt")
    store(searcher, benchmark, searchers.folders["unified"].parent / "reports", matching(benchmark, None, "typed"))
    page = benchmarks.tables(searchers, "success@1")
    assert page.count("typed in this form · 3 queries") == 2 and "form &lt;1&gt;" in page
    assert "typed in this form" not in benchmarks.tables(searchers, "mrr")


def test_a_report_from_before_the_pools_were_told_apart_is_shown(searchers):
    for folder in searchers.folders.values():
        report = folder.parent / "reports" / "report.json"
        data = json.loads(report.read_text())
        rows = [row for row in data["rows"] if row.pop("pool") == "local"]
        report.write_text(json.dumps(data | {"rows": rows}))
    page = benchmarks.tables(searchers, "success@1")
    assert page.count('data-drill="unified|') == 4 and "u-whole" not in page and 'role="alert"' not in page


def test_pages_of_queries_are_turned(searchers, monkeypatch):
    monkeypatch.setattr("umr.ui.benchmarks.html.PAGE", 4)
    first, second = (benchmarks.drill(searchers, f"unified|it2i|ind|local|{page}") for page in (0, 1))
    assert (first.count('class="u-query"'), second.count('class="u-query"')) == (4, 2)
    assert (
        'data-drill="unified|it2i|ind|local|1"' in first
        and first.count(" disabled>") == second.count(" disabled>") == 1
    )


@pytest.mark.parametrize(
    "key",
    [
        None,
        3,
        "",
        "unified|it2i|ind",
        "unified|it2i|ind|0",
        "nobody|it2i|ind|local|0",
        "unified|../x|ind|local|0",
        "unified|it2i|ind|nowhere|0",
        "unified|it2i|phrasing|global|0",
        "unified|it2i|ind|local|-1",
        "unified|it2i|ind|local|" + "9" * 7,
        {"a": 1},
    ],
)
def test_a_drill_that_names_nothing_is_answered_in_words(searchers, key):
    assert 'role="alert"' in benchmarks.drill(searchers, key)


@pytest.mark.parametrize("column", [None, "n", "success@2", ["mrr"], MARKUP])
def test_an_unknown_measure_is_answered_in_words(searchers, column):
    page = benchmarks.tables(searchers, column)
    assert 'role="alert"' in page and "<img" not in page


def test_a_model_against_its_copy_shows_no_clear_difference(searchers):
    page = benchmarks.difference(searchers, "unified", "other")
    assert "shows no clear difference on 3 of 3 rows" in page and "python -m umr compare unified other" in page
    assert "does not differ from itself" in benchmarks.difference(searchers, "other", "other")
    assert 'role="alert"' in benchmarks.difference(searchers, "unified", "nobody")


def test_the_papers_pair_comes_first_where_both_are(searchers, benchmark):
    assert benchmarks.first_pair(searchers) == ("unified", "other")
    folder = next(iter(searchers.folders.values()))
    both = Searchers(dict.fromkeys(("unified", "mca", "contrastive"), folder), "unified", no_model)
    assert benchmarks.first_pair(both) == ("contrastive", "mca")


def test_no_report_at_all_names_the_command(searcher, benchmark):
    page = benchmarks.tables(Searchers({"unified": benchmark.parents[1] / "unified" / "catalogue"}, "unified"), "mrr")
    assert "Nothing measured yet" in page and "python -m umr evaluate --encoder unified --store" in page


def test_markup_in_reports_and_queries_is_shown_as_text(searchers, benchmark):
    report = searchers.folders["other"].parent / "reports" / "report.json"
    data = json.loads(report.read_text())
    data["command"] = MARKUP
    data["rows"][0] |= {"task": "it2i", "split": MARKUP}
    report.write_text(json.dumps(data | {"encoder": MARKUP}))
    path = benchmark / "query/test/mbeir_catalogue_it2i_ind_test.jsonl"
    path.write_text(path.read_text().replace("edit 3", json.dumps(MARKUP)[1:-1]))
    for page in (benchmarks.tables(searchers, "success@1"), benchmarks.drill(searchers, "unified|it2i|ind|local|0")):
        assert "&lt;img src=x" in page and "<img src=x" not in page
        assert not re.search(r"\{\{|\$\{|`", page)
    assert "measured with other weights" in benchmarks.tables(searchers, "success@1")


def test_a_strip_draws_the_value_and_its_whisker_in_per_cent_of_the_axis():
    drawn = strip([Dot(0.5, (0.25, 0.75), "u-s1", "said <b>")])
    assert 'cx="50.00%"' in drawn and 'x1="25.00%" x2="75.00%"' in drawn and "said &lt;b&gt;" in drawn
    assert 'cx="50.00%"' in strip([Dot(0.0, None, "u-even", "x")], -0.1, 0.1, 0.0)


def test_the_finding_stands_on_top_in_one_sentence(searchers):
    page = benchmarks.tables(searchers, "success@1")
    assert page.startswith('<p class="u-finding">') and "has the right one first in" in page
    assert "mean of 2 tasks" in page and "Reading picture and words together instead of adding" in page


def test_every_stored_row_is_in_the_csv_with_its_interval_and_its_command(searchers):
    made = benchmarks.table_file(searchers)
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(made["content"]).decode(), newline="")))
    stored = json.loads((searchers.folders["unified"].parent / "reports" / "report.json").read_text())
    assert made["name"] == "benchmarks.csv" and len(rows) == 2 * len(stored["rows"])
    for told, row in zip(rows, stored["rows"], strict=False):
        assert (told["model"], told["task"], told["pool"]) == ("unified", row["task"], row["pool"])
        assert float(told["success@1"]) == row["success@1"] and told["command"] == stored["command"]
        assert [float(told[f"success@1 {end}"]) for end in ("low", "high")] == pytest.approx(
            row["ci95_success@1"], abs=1e-4
        )
        assert told["picture_only_success@1"] == ("" if row["picture_only_success@1"] is None else
                                                  str(row["picture_only_success@1"]))  # fmt: skip


def test_no_cell_of_the_csv_is_a_formula(searchers):
    report = searchers.folders["other"].parent / "reports" / "report.json"
    report.write_text(json.dumps(json.loads(report.read_text()) | {"command": "=1+1"}))
    content = base64.b64decode(benchmarks.table_file(searchers)["content"]).decode()
    assert ",'=1+1" in content and ",=1+1" not in content


def test_a_report_of_the_pair_is_handed_out_as_a_file(searchers):
    made = offer.report_file(searchers, "unified", "other")
    assert made["name"] == "report-unified-other.html" and made["type"] == "text/html"
    assert "other against unified" in base64.b64decode(made["content"]).decode()
    with pytest.raises(ConfigError, match="does not differ from itself"):
        offer.report_file(searchers, "other", "other")


def test_a_report_is_offered_of_the_best_two_first_and_of_each_two_with_the_better_one_last(searchers):
    folder = searchers.folders["other"].parent
    shutil.copytree(folder, folder.parent / "third")
    shutil.copytree(folder, folder.parent / "bare", ignore=shutil.ignore_patterns("reports"))
    for name, share in (("other", 0.5), ("third", 0.25)):
        file = folder.parent / name / "reports" / "report.json"
        report = json.loads(file.read_text("utf-8"))
        for row in report["rows"]:
            row["success@1"] *= share
        file.write_text(json.dumps(report))
    named = ("third", "bare", "unified", "other")
    offered = Searchers({name: folder.parent / name / "catalogue" for name in named}, "unified", no_model)
    assert offer.pairs(offered) == [("other", "unified"), ("third", "unified"), ("third", "other")]


def write_curve(searchers, name: str, **more) -> None:
    folder = searchers.folders[name].parent / "reports"
    fingerprint = json.loads((folder / "report.json").read_text())["encoder"]
    rows = [
        {"task": "it2i", "split": "ind", "added": pool - 12, "pool": pool, "success@1": value,
         "ci95_success@1": [value - 0.1, value + 0.1]}
        for pool, value in ((12, 0.9), (5012, 0.5), (20012, 0.25))
    ]  # fmt: skip
    (folder / "pool_size.json").write_text(json.dumps({"fingerprint": fingerprint, "rows": rows} | more))


def test_a_stored_curve_over_the_pools_size_is_a_plot(searchers):
    assert "As the pool grows" not in benchmarks.tables(searchers, "success@1")
    write_curve(searchers, "unified")
    page = benchmarks.tables(searchers, "success@1")
    assert "As the pool grows" in page and "12 90.0 %, 5,012 50.0 %, 20,012 25.0 %" in page
    assert 'points="0.00,10.00 ' in page and "100.00,75.00" in page, "from the left edge at 90 % to the right at 25 %"


@pytest.mark.parametrize("more", [{"fingerprint": "0" * 64}, {"rows": [{"task": "it2i"}]}, {"rows": 3}])
def test_a_curve_of_other_weights_or_a_broken_one_is_not_drawn(searchers, more):
    write_curve(searchers, "unified", **more)
    page = benchmarks.tables(searchers, "success@1")
    assert "As the pool grows" not in page and 'role="alert"' not in page
