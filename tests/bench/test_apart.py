"""The bench of decoding apart: its files, its rows, and that other pixels end it."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from umr.bench import apart
from umr.errors import MismatchError
from umr.pictures.decoder import PictureDecoder


def test_its_pictures_have_the_size_and_format_that_they_are_named_by():
    for form, width, height in apart.PICTURES[:3]:
        image = Image.open(io.BytesIO(apart.picture(form, width, height)))
        assert (image.format, image.size) == (form, (width, height))


def test_a_row_says_what_decoding_takes_here_and_apart(monkeypatch, capsys):
    monkeypatch.setattr(apart, "PICTURES", (("PNG", 40, 30),))
    assert apart.main(["--runs", "3"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["picture"] == "PNG 40 x 30"
    assert row["more_ms"] == pytest.approx(row["apart_ms"] - row["here_ms"], abs=0.02)
    assert min(row["here_cpu_ms"], row["apart_cpu_ms"], row["here_p50_ms"], row["apart_p50_ms"]) >= 0
    assert apart.main(["--runs", "0"]) == 2 and "0 runs" in capsys.readouterr().err


def test_other_pixels_end_it(monkeypatch):
    monkeypatch.setattr(PictureDecoder, "picture", lambda *_: Image.new("RGB", (40, 30)))
    monkeypatch.setattr(apart, "PICTURES", (("PNG", 40, 30),))
    with pytest.raises(MismatchError, match="decoded apart, a PNG of 40 x 30 px has other pixels"):
        apart.bench_apart(1)
