"""A clip as the query of the page: its strip of frames, what a strip stands for, and what is refused."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from umr.errors import ConfigError, MediaError
from umr.shipped import BUNDLED, default_root
from umr.ui import api, query_clip
from umr.ui.compare.comparison import compare
from umr.ui.handlers import make_query
from umr.ui.parts.taken import taken
from umr.ui.query_clip import CELL, clip_of, filmstrip, shown_file, strip_of


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "upload"
    folder.mkdir()
    bundled = min((default_root() / "media" / BUNDLED / "files" / "clips").glob("*.mp4"))
    return Path(shutil.copy(bundled, folder / "mine.mp4"))


def test_a_strip_shows_the_frames_and_stands_for_its_clip(clip):
    strip = filmstrip(clip)
    assert Image.open(strip).size == (4 * CELL, 2 * CELL)
    asked = make_query(strip, "the same in red", "images").content
    assert (asked.video, asked.image, asked.text) == (clip, None, "the same in red")
    assert shown_file(asked) == strip and make_query(clip, "", "images").content.video == clip


def test_a_strip_without_its_clip_is_a_picture(clip, tmp_path):
    alone = filmstrip(clip).rename(tmp_path / strip_of(clip).name)
    assert clip_of(alone) is None
    assert make_query(alone, "", "images").content.image == alone


def test_a_clip_that_has_come_is_shown_by_its_frames(clip, tmp_path):
    assert taken({"path": str(clip)}, tmp_path) == (str(strip_of(clip)), "")


@pytest.mark.parametrize("content", [b"", b"\0\0\0\x18ftypmp42" + b"\xff" * 400])
def test_a_broken_clip_is_refused_in_words_at_once(clip, tmp_path, content):
    clip.write_bytes(content)
    instead, said = taken({"path": str(clip)}, tmp_path)
    assert instead == "" and "mine.mp4" in said and 'role="alert"' in said and not strip_of(clip).exists()


def test_a_clip_of_too_many_bytes_is_refused_with_the_limit(clip, monkeypatch):
    monkeypatch.setattr(query_clip, "MAX_BYTES", 10)
    for refused in (filmstrip, lambda path: make_query(path, "", "images")):
        with pytest.raises(MediaError, match="a clip may have"):
            refused(clip)


def test_the_endpoint_takes_a_clip_or_a_picture(clip):
    assert api.one_of(None, str(clip)) == str(clip) and api.one_of("a.png", None) == "a.png"
    for image, given, error, word in (
        ("a.png", str(clip), ConfigError, "one of them"),
        (None, "data:video/mp4;base64,AAAA", MediaError, "upload it"),
        (None, "a.txt", MediaError, "choose another"),
    ):
        with pytest.raises(error, match=word):
            api.one_of(image, given)


def test_a_comparison_on_a_clip_shows_its_frames(clip, searchers):
    found = compare(searchers, filmstrip(clip), "", "clips", ["unified", "other"], 2)
    assert Image.open(io.BytesIO(found.picture)).size == (320, 160)
    strip_of(clip).unlink()
    assert compare(searchers, clip, "", "clips", ["unified", "other"], 2).picture == b""
