"""What a person reads of an error holds nothing that a terminal obeys."""

from __future__ import annotations

import pytest

from umr.errors import ConfigError, exit_status, printable


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


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (None, 0, ""),
        (ConfigError("no a\x1b.png"), 2, r"umr: no a\x1b.png"),
        (FileNotFoundError(2, "not there", "b.png"), 2, "umr: b.png: not there"),
    ],
)
def test_a_command_ends_with_a_status_and_one_line(capsys, raised, status, said):
    with exit_status("umr", OSError) as ended:
        if raised is not None:
            raise raised
    assert (ended.status, capsys.readouterr().err) == (status, f"{said}\n" * bool(said))


def test_what_a_person_cannot_act_on_is_no_status():
    with pytest.raises(FileNotFoundError), exit_status("umr"):
        raise FileNotFoundError
