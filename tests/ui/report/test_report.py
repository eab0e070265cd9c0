"""The report of two models: one file that holds all of itself, whose numbers are those of the stored reports."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from tests.conftest import MARKUP
from umr.cli.commands import main
from umr.errors import ConfigError
from umr.eval.store import store
from umr.ui.report.build import Asked, report


@pytest.fixture
def root(searcher, benchmark):
    """Two encoders with stored reports; the second is a copy whose every it2i answer is one rank further down."""
    root = benchmark.parents[1]
    store(searcher, benchmark, root / "unified" / "reports")
    shutil.copytree(root / "unified", root / "other")
    return root


def made(root, **more) -> str:
    return report(Asked(a=("unified", root / "unified/catalogue"), b=("other", root / "other/catalogue"), **more))


class Links(HTMLParser):
    """What a file would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.found += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "data", "poster")]


def test_everything_is_inside(root):
    page = made(root)
    links = Links()
    links.feed(page)
    assert links.found and all(link.startswith("data:image/webp;base64,") for link in links.found)
    assert not re.search(r"url\(\s*['\"]?(?!data:)|@import", page) and "$" not in page.split("<main")[1]


def test_the_parts_that_were_promised_are_there(root):
    page = made(root)
    for said in ("other against unified", "How it was trained", "What it may be compared with", "95 %, paired",
                 "Does the model read both parts?", "u-scatter", "Drawn at random from all queries (seed 0)",
                 "Right answer", "python -m umr compare unified other", "python -m umr report unified other",
                 "prefers-color-scheme: dark", "@media print"):  # fmt: skip
        assert said in page, said
    assert re.search(r"Made on \d{4}-\d\d-\d\d \d\d:\d\d UTC from stored reports", page)


def test_the_numbers_are_those_of_the_stored_reports(root):
    rows = json.loads((root / "unified" / "reports" / "report.json").read_text())["rows"]
    row = next(row for row in rows if (row["task"], row["split"], row["pool"]) == ("it2i", "ind", "local"))
    page = made(root)
    assert f"<td>{100 * row['success@1']:.1f}</td>" in page and "no clear difference" in page
    assert "+0.0 (+0.0 to +0.0)" in page


def test_the_random_examples_follow_the_seed(root):
    def drawn(seed: int) -> list[str]:
        page = made(root, count=2, seed=seed)
        return re.findall(r"query (100:\d+)", page[page.index("Drawn at random") :])

    assert drawn(1) == drawn(1) and len({tuple(drawn(seed)) for seed in range(6)}) > 1


@pytest.mark.parametrize(("change", "words"), [({"count": -1}, "examples"), ({"count": 51}, "from 0 to 50")])
def test_a_wrong_number_of_examples_is_refused(root, change, words):
    with pytest.raises(ConfigError, match=words):
        made(root, **change)


def test_a_model_against_itself_and_one_without_reports_are_refused(root):
    with pytest.raises(ConfigError, match="does not differ from itself"):
        report(Asked(a=("unified", root / "unified/catalogue"), b=("unified", root / "unified/catalogue")))
    shutil.rmtree(root / "other" / "reports")
    with pytest.raises(ConfigError, match="evaluate --encoder other --store"):
        made(root)


def test_markup_of_queries_stays_text(root, benchmark):
    path = benchmark / "query/test/mbeir_catalogue_it2i_ind_test.jsonl"
    path.write_text(re.sub(r"edit \d", lambda _: json.dumps(MARKUP)[1:-1], path.read_text()))
    page = made(root, count=6)
    assert "&lt;img src=x" in page and "<img src=x" not in page


def test_the_command_writes_the_file_and_refuses_another_ending(root, tmp_path, capsys):
    assert main(["report", "unified", "other", "--out", str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!doctype html>")
    assert main(["report", "unified", "other", "--out", str(tmp_path / "r.pdf")]) == 2
    assert main(["report", "unified", "nobody", "--out", str(tmp_path / "s.html")]) == 2
    assert "nobody" in capsys.readouterr().err and not (tmp_path / "s.html").exists()
