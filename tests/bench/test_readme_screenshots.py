"""The README's pictures: small enough, of a size that is what it says, and shown with words for who cannot see them."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from umr.bench.readme_screenshots import MAX_BYTES, SHOTS, main, small_webp
from umr.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def png(size: tuple[int, int]) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


def test_a_picture_is_made_as_small_as_it_must_be():
    large, small = (small_webp(png((300, 200)), limit) for limit in (60_000, 30_000))
    assert len(small) <= 30_000 < len(large) <= 60_000
    assert Image.open(io.BytesIO(small)).size == (300, 200)


def test_a_picture_that_cannot_be_small_is_refused():
    with pytest.raises(ConfigError, match="300 x 200 does not fit into 500 bytes"):
        small_webp(png((300, 200)), 500)


def test_the_readme_shows_every_picture_with_words():
    shown = dict(re.findall(r"!\[([^\]]*)\]\(docs/([\w.]+)\)", (ROOT / "README.md").read_text("utf-8")))
    assert sorted(shown.values()) == sorted(["tour.webp", *(shot.name for shot in SHOTS)])
    assert all(len(words) > 30 for words in shown)


def test_the_pictures_are_small_and_of_their_windows():
    files = {shot.name: ROOT / "docs" / shot.name for shot in SHOTS}
    assert sum(file.stat().st_size for file in files.values()) <= 250_000
    for shot in SHOTS:
        assert files[shot.name].stat().st_size <= MAX_BYTES
        assert Image.open(files[shot.name]).size == (shot.width, shot.height)


def test_a_page_elsewhere_is_refused_with_a_sentence(tmp_path, capsys):
    pytest.importorskip("playwright")
    assert main(["--out", str(tmp_path), "--url", "http://example.org"]) == 2
    assert "not on this machine" in capsys.readouterr().err and not list(tmp_path.iterdir())
