"""Which visitor's trail goes when there are too many: never that of a page which is open, as long as another is not."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import gradio as gr
import pytest

from umr.ui.layout.sessions import Sessions
from umr.ui.visitors import Visitors


@pytest.fixture
def visitors(tmp_path: Path) -> Visitors:
    return Visitors(tmp_path)


@pytest.fixture
def sessions(visitors: Visitors) -> Sessions:
    with gr.Blocks() as page:
        gr.State(())
    page.state_session_capacity = 3
    kept = Sessions(visitors)
    kept.set_blocks(page)
    return kept


def test_a_crowd_without_pages_pushes_out_nobody_who_is_here(sessions, visitors):
    with visitors.beat("me", "a"):
        trail = sessions["me"]
        for number in range(50):
            assert sessions[f"raw {number}"] is not None
        assert sessions["me"] is trail and len(sessions.session_data) == 3
    assert list(sessions.session_data)[-2:] == ["raw 49", "me"]


def test_where_all_are_here_the_one_that_asked_longest_ago_goes_and_never_the_one_that_asks(sessions, visitors):
    with ExitStack() as open_pages:
        for name in "abcd":
            open_pages.enter_context(visitors.beat(name, "x"))
        for name in "abc":
            assert sessions[name] is not None
        assert sessions["a"] is not None and sessions["d"] is not None
        assert list(sessions.session_data) == ["c", "a", "d"]
        assert sessions["raw"] is not None and list(sessions.session_data) == ["a", "d", "raw"]


def test_a_session_is_made_without_a_description_of_the_page_and_has_its_own_state(sessions):
    component = next(iter(sessions.blocks.blocks))
    assert sessions["a"].config_values == {} and sessions["a"][component] == ()
    sessions["a"][component] = ("red",)
    assert sessions["a"][component] == ("red",) and sessions["b"][component] == ()
    assert set(sessions.time_last_used) == {"a", "b"}
