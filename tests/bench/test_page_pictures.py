"""Two versions of the page as one picture; a commit that is none is told before anything is started."""

from __future__ import annotations

from PIL import Image

from umr.bench import page_pictures


def test_both_stand_side_by_side_from_the_same_top():
    found = page_pictures.side_by_side(Image.new("RGB", (30, 40), "red"), Image.new("RGB", (20, 50), "blue"))
    assert found.size == (30 + page_pictures.GAP + 20, 50)
    assert [found.getpixel(at) for at in ((0, 0), (29, 39), (0, 45), (38, 0), (46, 49))] == [
        (255, 0, 0), (255, 0, 0), (255, 255, 255), (255, 255, 255), (0, 0, 255),
    ]  # fmt: skip


def test_a_commit_that_is_none_is_told_and_nothing_is_written(tmp_path, capsys):
    assert page_pictures.main(["no-such-commit", "--out", str(tmp_path / "out")]) == 1
    assert "no-such-commit" in capsys.readouterr().err and not (tmp_path / "out").exists()
