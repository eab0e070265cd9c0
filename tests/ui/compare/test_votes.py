"""Votes that were kept stay counted, whatever else is in their file."""

from __future__ import annotations

import json
import logging

import pytest

from umr.errors import ConfigError
from umr.ui.compare.votes import VoteBox

GOOD = {"query": "", "a": "x", "b": "y", "vote": "a", "time": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"\xff\xfe", b"null", b'{"a": "x"}', b'{"a": [], "b": {}, "vote": ["a"]}', b"[" * 100_000,
     json.dumps(GOOD | {"vote": "c"}).encode(), json.dumps(GOOD | {"a": 3}).encode()],
)  # fmt: skip
def test_a_broken_line_costs_no_other_vote_and_stays_in_the_file(tmp_path, caplog, line):
    box = VoteBox(tmp_path / "votes.jsonl")
    box.add("", "x", "y", "a")
    with box.file.open("ab") as file:
        file.write(line + b"\n")
    box.add("", "x", "y", "a")
    with caplog.at_level(logging.WARNING):
        assert box.tally() == {"x": {"better": 2}, "y": {"worse": 2}}
    assert "1 of 3 lines" in caplog.text and line in box.file.read_bytes()


def test_a_vote_after_a_line_that_was_cut_off_is_a_line_of_its_own(tmp_path):
    box = VoteBox(tmp_path / "votes.jsonl")
    box.file.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD)[:20])
    box.add("", "x", "y", "a")
    assert box.tally() == {"x": {"better": 2}, "y": {"worse": 2}}
    assert len(box.file.read_text("utf-8").splitlines()) == 3


def test_a_file_of_votes_that_cannot_be_read_is_said_without_its_place(tmp_path, monkeypatch):
    box = VoteBox(tmp_path / "votes.jsonl")
    box.add("", "x", "y", "a")

    def refuse(path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(box.file), "read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"^The votes cannot be read: Permission denied\.$"):
        box.tally()
