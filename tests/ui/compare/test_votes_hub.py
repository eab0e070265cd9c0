"""Votes are kept in a dataset repository, tested against a local stand-in of the Hub: sent, resumed, never lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from tests.deploy.hub import Hub, standing_in
from umr.ui.compare import tally_html
from umr.ui.compare.actions import how_long_kept
from umr.ui.compare.votes import FILE, VoteBox
from umr.ui.compare.votes_hub import VARIABLE, VoteRepository, votes_kept


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Iterator[Hub]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    monkeypatch.setenv("SPACE_ID", "me/search")
    with standing_in() as made:
        yield made


def start(hub: Hub, folder: Path) -> VoteRepository:
    """A server that begins with an empty disk."""
    return VoteRepository(VoteBox(folder / FILE), "me/votes", hub.address)


def test_votes_are_sent_once_and_a_server_with_an_empty_disk_goes_on_with_them(hub, tmp_path):
    first = start(hub, tmp_path / "first")
    first.box.add("it2i ind 100:5", "x", "y", "a")
    assert how_long_kept(first.box) == tally_html.LOST
    assert first.look() and first.look() and len(hub.commits) == 1
    assert hub.files[FILE] == first.box.content() and how_long_kept(first.box) == tally_html.SENT
    (asked,) = hub.created
    assert (asked["organization"], asked["name"], asked["type"]) == ("me", "votes", "dataset")
    assert asked["visibility"] == "private"

    second = start(hub, tmp_path / "second")
    assert second.look() and second.box.tally() == {"x": {"better": 1}, "y": {"worse": 1}}
    second.box.add("", "y", "x", "a")
    assert second.look() and hub.files[FILE] == second.box.content() and len(hub.commits) == 2


def test_equal_votes_of_one_second_are_all_counted(hub, tmp_path):
    vote = '{"query": "", "a": "x", "b": "y", "vote": "a", "time": "2026-01-01T00:00:00+00:00"}'
    one, two = start(hub, tmp_path / "one"), start(hub, tmp_path / "two")
    one.box.take_in([vote, vote])
    assert one.look() and two.look() and two.box.tally()["x"]["better"] == 2
    assert hub.files[FILE].count(b"\n") == 2


def test_what_lies_in_the_repository_is_never_taken_away_even_if_it_is_no_vote(hub, tmp_path):
    hub.files[FILE] = b"a note of the owner\n"
    server = start(hub, tmp_path)
    server.box.add("", "x", "y", "bad")
    assert server.look() and hub.files[FILE] == b"a note of the owner\n" + server.box.content()


def test_two_servers_that_send_at_once_lose_no_vote(hub, tmp_path, monkeypatch, caplog):
    one, two = start(hub, tmp_path / "one"), start(hub, tmp_path / "two")
    one.box.add("", "x", "y", "a")
    two.box.add("", "x", "y", "b")
    there = two._there

    def late(api):
        found = there(api)
        assert one.look()  # its commit comes between what this one has read and what it sends
        return found

    monkeypatch.setattr(two, "_there", late)
    assert not two.look() and "sent later" in caplog.text
    monkeypatch.undo()
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert two.look() and hub.files[FILE].count(b"\n") == 2 == len(two.box.lines())


@pytest.mark.parametrize("wrong", ["token", "place"])
def test_a_hub_that_refuses_or_is_not_there_is_a_line_of_the_log_and_the_vote_is_counted(hub, tmp_path, caplog, wrong):
    hub.token = "another" if wrong == "token" else hub.token
    box = VoteBox(tmp_path / FILE)
    server = VoteRepository(box, "me/votes", hub.address if wrong == "token" else "http://127.0.0.1:9")
    box.add("", "x", "y", "a")
    with caplog.at_level(logging.ERROR):
        assert not server.look()
    assert "me/votes" in caplog.text and "HF_TOKEN" in caplog.text
    assert box.tally()["x"]["better"] == 1 and how_long_kept(box) == tally_html.LOST


def test_nobody_asks_for_it_and_a_wrong_name_is_said_in_the_log(tmp_path, monkeypatch, caplog):
    box = VoteBox(tmp_path / FILE)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert votes_kept(box) is None and not caplog.records
    monkeypatch.setenv(VARIABLE, "no name")
    assert votes_kept(box) is None and "'no name' is no repository" in caplog.text
