"""HTML of template files: what is said in it is escaped, what it asks for must be there, and it has no line ends."""

from __future__ import annotations

import pytest

from tests.conftest import MARKUP
from umr.ui.filled import TEMPLATES, filled
from umr.ui.render import escape


def test_words_are_escaped_and_parts_are_not():
    page = filled("tally", {"rows": "<tr></tr>"}, kept=MARKUP)
    assert "<tbody><tr></tr></tbody>" in page and MARKUP not in page and escape(MARKUP) in page


def test_what_a_template_names_must_be_given():
    with pytest.raises(KeyError, match="kept"):
        filled("tally", {"rows": ""})


@pytest.mark.parametrize("name", sorted(path.stem for path in TEMPLATES.glob("*.html")))
def test_no_element_is_split_over_lines(name):
    lines = [line.strip() for line in (TEMPLATES / f"{name}.html").read_text("utf-8").splitlines()]
    assert all(line.startswith(("<", "$")) and line.endswith((">", "$asked")) for line in lines)
