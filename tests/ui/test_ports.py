"""The port that a start of the page is given: a whole number, free, and really that one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from umr.errors import ConfigError
from umr.ui.layout.ports import PORT, TRIED, chosen_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield str(listening.getsockname()[1])


@pytest.mark.parametrize("value", ["abc", "99999", "0", "-1", "", "80.5", "\N{SUPERSCRIPT TWO}", "9" * 5000])
def test_what_is_no_port_is_refused_from_either_source(value):
    with pytest.raises(ConfigError, match="--port is .* from 1 to 65535"):
        chosen_port(None, value, {})
    with pytest.raises(ConfigError, match=f"{PORT} is .* from 1 to 65535"):
        chosen_port(None, None, {PORT: value})


@pytest.mark.parametrize("name", TRIED)
def test_a_number_of_ports_that_is_none_is_refused_by_its_name(name):
    assert chosen_port(None, None, {name: "5"}) is None
    for value in ("junk", "", "-1"):
        with pytest.raises(ConfigError, match=f"{name} is '{value}', which is no number of ports"):
            chosen_port(None, None, {name: value})


def test_the_flag_goes_before_the_variable_and_without_both_any_port_will_do(taken):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    assert chosen_port(None, str(free), {PORT: taken}) == free
    assert chosen_port("localhost", None, {PORT: str(free)}) == free
    assert chosen_port(None, None, {}) is None


def test_a_port_in_use_and_a_foreign_host_are_refused(taken):
    with pytest.raises(ConfigError, match="address already in use"):
        chosen_port(None, taken, {})
    with pytest.raises(ConfigError, match="192.0.2.1:8000 cannot be listened on"):
        chosen_port("192.0.2.1", "8000", {})


def test_the_page_starts_with_no_traceback_where_the_number_of_ports_is_none():
    ran = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=os.environ | {TRIED[0]: "junk"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"umr: {TRIED[0]} is 'junk'") and ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "variable"),
    [(["--port", "99999"], None), ([], "abc"), ([], "99999"), (["--port", "TAKEN"], None), ([], "TAKEN")],
)
def test_the_page_says_in_one_line_why_it_cannot_have_its_port(flags, variable, taken):
    flags = [taken if flag == "TAKEN" else flag for flag in flags]
    environment = {name: value for name, value in os.environ.items() if name != PORT}
    if variable is not None:
        environment[PORT] = taken if variable == "TAKEN" else variable
    ran = subprocess.run(
        [sys.executable, "app.py", *flags],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("umr: ") and ran.stderr.count("\n") == 1
