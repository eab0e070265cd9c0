"""The check of one query's picture: whom it flags, what it says, what it remembers, and when it claims nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import calibrate
from umr.cli.commands import main
from umr.collection import Collection
from umr.errors import ConfigError, MediaError
from umr.eval import ood
from umr.eval.familiar import UNLIKE, PictureCheck
from umr.index.index import build_index
from umr.search import Searcher, decode
from umr.shipped import index_folder
from umr.types import Candidate, Content, Query


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "photograph.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(path)
    return path


def test_a_picture_over_the_threshold_gets_one_calm_sentence_with_the_rate(searcher, photograph):
    check = PictureCheck.open(calibrate(searcher, 0.0), searcher)
    assert check.unlike(photograph)
    assert check.notices(photograph) == (f"{UNLIKE} Of its catalogue's own pictures, 1.2 % are called so by mistake.",)
    assert check.notices(None) == ()


def test_a_picture_under_the_threshold_and_one_of_the_catalogue_get_none(searcher, photograph):
    assert PictureCheck.open(calibrate(searcher, 1e9), searcher).notices(photograph) == ()
    strict = PictureCheck.open(calibrate(searcher, 0.0), searcher)
    own = next(c for c in searcher.collection if c.content.modality == "image")
    assert strict.notices(own.content.image) == ()


def test_the_verdict_is_the_one_of_your_files(searcher, photograph, tmp_path):
    """The distance is `ood.judge`'s, of the picture as a candidate."""
    build_index(
        searcher.encoder,
        Collection([Candidate(candidate_id="a", content=Content(image=photograph))], "own", ""),
        tmp_path / "own",
    )
    vectors = searcher.encoder.encode_candidates(
        [Candidate(candidate_id="a", content=Content(image=photograph))]
    ).vectors
    apart = float(ood.distances(ood.reference(searcher, "image"), vectors)[0])
    for limit, far in ((apart * 0.999, True), (apart * 1.001, False)):
        folder = calibrate(searcher, limit)
        assert PictureCheck.open(folder, searcher).unlike(photograph) is far
        (verdict,) = ood.judge(ood.read_calibration(folder, searcher), searcher, Searcher.open(tmp_path / "own"))
        assert verdict.beyond == int(far)


def test_a_picture_is_encoded_once_however_often_it_is_asked(searcher, photograph, monkeypatch):
    check, made = PictureCheck.open(calibrate(searcher, 0.0), searcher), []
    encode = searcher.encoder.encode_candidates
    monkeypatch.setattr(searcher.encoder, "encode_candidates", lambda items: made.append(1) or encode(items))
    again = photograph.with_name("copy.png")
    again.write_bytes(photograph.read_bytes())
    read = decode(Query(query_id="q", content=Content(image=photograph)))
    assert check.unlike(photograph) and check.unlike(again) and check.unlike(read)
    assert len(made) == 1


def test_a_query_without_a_picture_is_no_picture_to_judge(searcher):
    read = decode(Query(query_id="q", content=Content(text="red")))
    with pytest.raises(ConfigError, match="no picture"):
        PictureCheck.open(calibrate(searcher, 0.0), searcher).unlike(read)


def test_no_more_verdicts_are_remembered_than_stated(searcher, picture, monkeypatch):
    monkeypatch.setattr("umr.eval.familiar.REMEMBERED", 2)
    check = PictureCheck.open(calibrate(searcher, 0.0), searcher)
    for side in (30, 31, 32):
        assert check.unlike(picture(f"{side}.png", "teal", (side, 9)))
    assert len(check._known) == 2


def test_without_a_calibration_of_pictures_nothing_is_claimed(searcher):
    folder = index_folder("unified", searcher.collection.folder.parents[1])
    assert PictureCheck.open(folder, searcher) is None
    assert PictureCheck.open(calibrate(searcher, 0.0, kind="text"), searcher) is None


def test_a_picture_that_cannot_be_read_is_refused(searcher, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG")
    with pytest.raises(MediaError, match=r"broken.png"):
        PictureCheck.open(calibrate(searcher, 0.0), searcher).unlike(broken)


@pytest.fixture
def own(searcher: Searcher, photograph: Path, tmp_path: Path) -> Path:
    """An index of a person's own over one picture, by the shipped encoder."""
    folder = tmp_path / "own-index"
    build_index(
        searcher.encoder,
        Collection([Candidate(candidate_id="a", content=Content(image=photograph))], "own", ""),
        folder,
        encoder_at=searcher.collection.folder.parents[1] / "unified" / "encoder",
    )
    return folder


def test_an_own_index_is_checked_by_the_catalogue_of_its_shipped_encoder(searcher, own, photograph):
    calibrate(searcher, 0.0)
    assert PictureCheck.open(own, Searcher.open(own)).unlike(photograph)  # though its own collection holds it
    ood.calibration_file(index_folder("unified", searcher.collection.folder.parents[1])).unlink()
    assert PictureCheck.open(own, Searcher.open(own)) is None


def test_the_command_line_says_it_on_stderr_and_its_rows_stay_the_same(searcher, photograph, capsys):
    ask = ["search", "--image", str(photograph), "--text", "red", "--json"]
    assert main(ask) == 0
    before = capsys.readouterr()
    calibrate(searcher, 0.0)
    assert main(ask) == 0
    after = capsys.readouterr()
    assert after.out == before.out and before.err == ""
    assert after.err.startswith(f"umr: {UNLIKE} Of") and "1.2 %" in after.err and after.err.count("\n") == 1
    assert main(["search", "--text", "red"]) == 0 and capsys.readouterr().err == ""


def test_a_broken_calibration_is_told_with_the_way_out(searcher, photograph):
    folder = calibrate(searcher, 0.0)
    ood.calibration_file(folder).write_text("{")
    with pytest.raises(ConfigError, match="python -m umr drift"):
        PictureCheck.open(folder, searcher)
