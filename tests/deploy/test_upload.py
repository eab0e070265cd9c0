"""Sending a Space to a local stand-in of the Hub: what arrives, in which order, and going on after a broken line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from tests.deploy.hub import Hub, standing_in
from umr.deploy.files import SpaceFile
from umr.deploy.hardware import HARDWARE
from umr.deploy.space import Space
from umr.deploy.upload import LAST, spaces_folder, upload
from umr.errors import ConfigError


@pytest.fixture(params=[True, False], ids=["lfs", "plain"])
def hub(request, monkeypatch) -> Iterator[Hub]:
    """By LFS, as a client without hf_xet does it, and by the client's pipeline of many commits where it has one."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", request.param)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    with standing_in() as made:
        made.lfs = request.param
        yield made


def space(count: int = 6, machine: str = "cpu", **more: bytes) -> Space:
    """A Space of a few texts and of `count` files that are no text."""
    files = {LAST: b"print(1)\n", "README.md": b"---\nsdk: gradio\n---\n", ".gitattributes": b"*.faiss filter=lfs\n"}
    files |= {f"indexes/{number}.faiss": bytes([0, 255, number]) * 50 for number in range(count)} | more
    made = tuple(SpaceFile(path, content=data) for path, data in sorted(files.items()))
    return Space(name="me/search", hardware=HARDWARE[machine], files=made)


def held(sent: Space) -> dict[str, bytes]:
    return {file.path: file.content for file in sent.files}


def test_everything_arrives_and_the_page_starts_last(hub, tmp_path):
    address = upload(space(), tmp_path / "space", endpoint=hub.address)
    assert hub.files == held(space()) and address == f"{hub.address}/spaces/me/search"
    assert hub.commits[-1] == [LAST] and all(LAST not in commit for commit in hub.commits[:-1])
    (asked,) = hub.created
    assert (asked["organization"], asked["name"], asked["type"], asked["sdk"]) == ("me", "search", "space", "gradio")
    assert "hardware" not in asked and hub.sent == (6 if hub.lfs else 0)


@pytest.mark.parametrize(("machine", "asked"), [("cpu", None), ("zero", "zero-a10g"), ("gpu", None)])
def test_only_a_machine_that_costs_nothing_by_the_hour_is_asked_for(hub, tmp_path, machine, asked):
    upload(space(1, machine), tmp_path / "space", private=True, endpoint=hub.address)
    assert hub.created[0].get("hardware") == asked and hub.created[0]["visibility"] == "private"


@pytest.mark.parametrize("taken", range(4))
def test_a_broken_line_is_told_in_words_and_the_same_call_goes_on(hub, tmp_path, taken, monkeypatch):
    if not hub.lfs:
        pipeline = pytest.importorskip("huggingface_hub._upload_pipeline")
        monkeypatch.setattr(pipeline, "COMMIT_SIZE_SCALE", [2])
        monkeypatch.setattr(pipeline, "INITIAL_COMMIT_SIZE_INDEX", 0)
    hub.breaks_after = taken
    with pytest.raises(ConfigError, match="run the same command again: it goes on"):
        upload(space(), tmp_path / "space", endpoint=hub.address)
    assert LAST not in hub.files
    before, hub.breaks_after = len(hub.commits), None
    upload(space(), tmp_path / "space", endpoint=hub.address)
    assert hub.files == held(space())
    if hub.lfs:
        assert hub.sent == 6  # nothing came twice
    else:
        again = [path for commit in hub.commits[before:] for path in commit]
        assert len(again) == len(space().files) - 2 * taken


def test_what_is_there_already_is_not_sent_again_and_what_is_gone_is_removed(hub, tmp_path):
    upload(space(4), tmp_path / "space", endpoint=hub.address)
    commits, sent = len(hub.commits), hub.sent
    upload(space(4), tmp_path / "space", endpoint=hub.address)
    assert hub.sent == sent and not [path for commit in hub.commits[commits:] for path in commit]
    upload(space(2, note=b"new"), tmp_path / "space", endpoint=hub.address)
    assert hub.files == held(space(2, note=b"new")) and hub.sent == sent


@pytest.mark.parametrize("wrong", ["token", "place"])
def test_no_right_and_no_connection_are_told_in_one_sentence(hub, tmp_path, monkeypatch, wrong):
    hub.token = "another" if wrong == "token" else hub.token
    with pytest.raises(ConfigError, match=r"me/search is not .* on the Hub: .*hf auth whoami"):
        upload(space(), tmp_path / "space", endpoint=hub.address if wrong == "token" else "http://127.0.0.1:9")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="holds something else"):
        upload(space(), tmp_path, endpoint="http://127.0.0.1:9")
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_the_folder_of_a_space_is_the_same_each_time(monkeypatch, tmp_path):
    monkeypatch.setenv("UMR_CACHE", str(tmp_path))
    assert (
        spaces_folder("me/search") == tmp_path / "spaces" / "me--search" == spaces_folder(Path("me/search").as_posix())
    )
