"""HTML of template files: what is printed is escaped once, what a macro prints must be given."""

from __future__ import annotations

import html
import re

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from tests.conftest import MARKUP
from umr.ui.markup import TEMPLATES, escape, macros

FILES = sorted(path for folder in TEMPLATES for path in folder.glob("*.html"))


def test_words_are_escaped_and_parts_are_not():
    part = macros("parts").muted(MARKUP)
    page = macros("compare").notice(MARKUP, part)
    assert MARKUP not in page and page == f'<p class="u-notice"><span><b>{escape(MARKUP)}:</b> {part}</span></p>'


def test_what_is_escaped_is_read_by_neither_html_nor_gradio_and_says_the_same():
    said = escape(MARKUP + "'&")
    assert not set("<>\"'{}$`") & set(said) and html.unescape(said) == MARKUP + "'&"
    assert isinstance(said, Markup) and escape(said) == said


def test_a_joined_text_is_escaped_as_one_that_is_printed_alone():
    assert escape(MARKUP) in macros("models").what(MARKUP, "", [])


def test_what_a_macro_prints_must_be_given():
    with pytest.raises(UndefinedError, match="drawing"):
        macros("parts").refused("no picture")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_word_is_joined_to_what_the_next_line_begins_with(path):
    """Of two lines the second follows without a space where it begins with a tag: within a sentence one is written."""
    joined = re.compile(r"[^\s<>{}]\s*\n\s*(?:<(?:a|b|code|em|small|span|strong)\b|\{\{ (?!\" \"))")
    assert not joined.findall(path.read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_template_says_what_it_is_and_has_macros_alone(path):
    module = macros(path.stem)
    assert path.read_text("utf-8").startswith("{# ") and str(module) == ""
    assert [name for name in vars(module) if callable(getattr(module, name))]
