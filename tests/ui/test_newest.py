"""Of the questions of a page the last one is answered, whichever of them ends first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr

from umr.ui.compare.layout import _last
from umr.ui.parts.newest import Newest


def test_only_the_last_question_of_a_page_is_answered():
    newest = Newest()
    first, other, second = newest.asked("a"), newest.asked("b"), newest.asked("a")
    assert not newest.is_last("a", first) and newest.is_last("a", second) and newest.is_last("b", other)


def test_what_has_no_page_or_a_forgotten_one_is_answered():
    newest = Newest(most=2)
    alone, first = newest.asked(None), newest.asked("a")
    newest.asked("b")
    newest.asked("c")
    assert newest.is_last(None, alone) and newest.is_last("a", first)
    again = newest.asked("a")
    assert not newest.is_last("a", first) and newest.is_last("a", again)


def test_a_comparison_that_ends_after_a_later_one_changes_nothing_of_the_page():
    newest, page = Newest(), SimpleNamespace(session_hash="a")
    later = _last(newest, lambda *values: ["later", *values])

    def slow(*values: Any) -> list[Any]:
        assert later(page, "x") == ["later", "x"]  # asked and answered meanwhile
        return ["earlier", *values]

    assert _last(newest, slow)(page, "y") == [gr.skip()] * 3
    assert _last(newest, slow)(SimpleNamespace(session_hash="b"), "y") == ["earlier", "y"]
