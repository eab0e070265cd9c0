"""The snippets of the README's section on other programs, run as they stand against a page that is served."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from umr.ui.layout.page import build_page, serve
from umr.ui.searchers import Searchers

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "http://127.0.0.1:7860/"


def snippets() -> list[tuple[str, str]]:
    """(language, code) of each fenced block of the section."""
    section = (ROOT / "README.md").read_text("utf-8").partition("## From other programs\n")[2].partition("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@pytest.fixture
def address(searcher, benchmark) -> Iterator[str]:
    folder = benchmark.parents[1] / "unified" / "catalogue"
    names = ("unified", "contrastive", "mca")
    page = build_page(Searchers(dict.fromkeys(names, folder), "unified", opener=lambda _: searcher), [])
    yield serve(page, [benchmark], "127.0.0.1", None)
    page.close()


def test_the_section_shows_both_clients():
    assert [language for language, _ in snippets()] == ["python", "python"]
    code = "".join(code for _, code in snippets())
    assert "import Client" in code and "import ClientSession" in code and code.count(ADDRESS.rstrip("/")) == 2


@pytest.mark.parametrize(
    ("place", "printed"), [(0, r"100:\d+ [\d.-]+ \{'contrastive\|mca': 1\.0\}"), (1, r"(\d 100:\d+ .+\n?){3}")]
)
def test_a_snippet_runs_and_prints_what_it_found(address, place, printed):
    code = snippets()[place][1].replace(ADDRESS.rstrip("/"), address.rstrip("/"))
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(printed, ran.stdout), ran.stdout
