"""The README's moving picture: its frames and their times are kept, it fits its size, and it says what it shows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from umr.bench.readme_capture import MAX_BYTES, SHOWN, main, moving_webp
from umr.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
FRAMES = [(Image.new("RGB", (40, 30), colour), shown) for colour, shown in (("red", 300), ("blue", 700), ("lime", 500))]


def frames(content: bytes) -> list[tuple[tuple[int, ...], int]]:
    """The middle pixel and the milliseconds of every frame."""
    moving, found = Image.open(io.BytesIO(content)), []
    for number in range(moving.n_frames):
        moving.seek(number)
        moving.load()
        found.append((moving.convert("RGB").getpixel((20, 15)), moving.info["duration"]))
    return found


def test_frames_keep_their_order_and_their_times():
    found = frames(moving_webp(FRAMES))
    assert [shown for _, shown in found] == [300, 700, 500]
    for (pixel, _), meant in zip(found, ((255, 0, 0), (0, 0, 255), (0, 255, 0)), strict=True):
        assert max(abs(one - other) for one, other in zip(pixel, meant, strict=True)) < 30


def test_what_cannot_be_small_is_refused():
    with pytest.raises(ConfigError, match=r"3 frames of \(40, 30\) px do not fit into 50 bytes"):
        moving_webp(FRAMES, 50)


def test_the_stored_one_is_small_moves_and_begins_anew():
    stored = ROOT / "docs" / "tour.webp"
    moving = Image.open(stored)
    assert stored.stat().st_size <= MAX_BYTES and moving.size == SHOWN
    assert moving.n_frames >= 6 and moving.info["loop"] == 0


def test_a_page_elsewhere_is_refused_with_a_sentence(tmp_path, capsys):
    pytest.importorskip("playwright")
    assert main(["--out", str(tmp_path / "a.webp"), "--url", "http://example.org"]) == 2
    assert "not on this machine" in capsys.readouterr().err and not list(tmp_path.iterdir())
