"""What a person reads of an error holds nothing that a terminal obeys."""

from __future__ import annotations

import pytest

from umr.errors import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("flower.png", "flower.png"),
        ("Blüte 花 €.txt", "Blüte 花 €.txt"),
        ("\x1b]0;owned\x07.png", r"\x1b]0;owned\x07.png"),
        ("\x1b[2J\x1b[1;31mred", r"\x1b[2J\x1b[1;31mred"),
        ("a\nrefused b\r", r"a\nrefused b\r"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("\udcff.txt", r"\udcff.txt"),
    ],
)
def test_a_name_is_shown_without_what_moves_a_terminal(text, shown):
    assert printable(text) == shown and printable(text).isprintable()
