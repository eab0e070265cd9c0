"""What a stranger sent does not fill the log: every line of the standard error has a length that can be read."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Callable

import pytest

from umr.ui.layout.short_lines import LONGEST, ShortLines, shorten_errors


@pytest.fixture
def shorten(monkeypatch: pytest.MonkeyPatch) -> Callable[[], io.StringIO]:
    """Has the page shorten the standard error, and gives what is written to it; pytest's own is set after fixtures."""

    def shortened() -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        shorten_errors()
        return stream

    return shortened


def test_an_error_with_a_value_of_megabytes_is_a_few_lines(shorten):
    errors = shorten()
    try:
        raise ValueError("x" * 5_000_000)
    except ValueError:
        traceback.print_exc()
    lines = errors.getvalue().splitlines()
    assert max(map(len, lines)) < LONGEST + 50 and lines[0] == "Traceback (most recent call last):"
    assert any(" ... (5,000,0" in line for line in lines)


def test_a_warning_of_the_product_is_cut_too(shorten):
    errors = shorten()
    handler = logging.lastResort
    assert handler is not None
    handler.handle(logging.LogRecord("umr", logging.WARNING, "", 0, "%s", ("y" * 1_000_000,), None))
    assert LONGEST < len(errors.getvalue()) < LONGEST + 60


def test_what_is_short_is_left_as_it_is_line_by_line(shorten):
    errors = shorten()
    text = "one\n" * 3000 + "end"
    assert sys.stderr.write(text) == len(text) and errors.getvalue() == text


def test_a_second_call_changes_nothing(shorten):
    errors = shorten()
    shortened = sys.stderr
    shorten_errors()
    assert sys.stderr is shortened and isinstance(shortened, ShortLines) and shortened.stream is errors


def test_what_a_terminal_would_obey_is_written_as_its_code(shorten):
    errors = shorten()
    text = "a\x1b[2J\x1b]0;mine\x07 \u202egpj.exe \x9b1m\ttab\r\nend é 猫 \U0001f431"
    assert sys.stderr.write(text) == len(text)
    shown = r"a\x1b[2J\x1b]0;mine\x07 \u202egpj.exe \x9b1m" + "\ttab\r\nend é 猫 \U0001f431"
    assert errors.getvalue() == shown
