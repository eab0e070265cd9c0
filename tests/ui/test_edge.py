"""The page's edge: refusals are told in words, faults without their traceback, work that shows its steps ends."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.conftest import MARKUP
from umr.errors import ConfigError
from umr.ui.edge import OUR_FAULT, answered, answered_html, each_answered
from umr.ui.render import escape


def refuse(error: Exception) -> str:
    raise error


def test_what_is_answered_is_shown_as_it_is():
    assert answered("a test", lambda: (1, "two"), lambda message: (0, message)) == (1, "two")


def test_a_refusal_is_told_in_its_own_words_and_escaped(caplog):
    said = answered_html("a test", lambda: refuse(ConfigError(f"there is no {MARKUP}")))
    assert escape(MARKUP) in said and MARKUP not in said and 'role="alert"' in said
    assert caplog.records == []


def test_a_fault_is_in_the_log_and_not_on_the_page(caplog):
    said = answered("a test", lambda: refuse(OSError("/secret/place")), lambda message: [message])
    assert all(escape(sentence) in said[0] for sentence in OUR_FAULT.split(". ")) and "secret" not in said[0]
    assert caplog.messages == ["a test failed"] and "/secret/place" in caplog.text


@pytest.mark.parametrize("error", [ConfigError("no more"), ZeroDivisionError("no more")])
def test_the_step_that_fails_is_the_last_and_is_told(error):
    def steps() -> Generator[str, None, None]:
        yield "one"
        yield refuse(error)

    shown = list(each_answered("a test", steps(), lambda message: message))
    assert shown[0] == "one" and len(shown) == 2 and 'role="alert"' in shown[1]


def test_work_that_is_left_is_closed_at_once():
    closed = []

    def steps() -> Generator[str, None, None]:
        try:
            yield "one"
            yield "two"
        finally:
            closed.append(True)

    left = each_answered("a test", steps(), lambda message: message)
    assert next(left) == "one" and not closed
    left.close()
    assert closed == [True]
