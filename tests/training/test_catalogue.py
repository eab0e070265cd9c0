"""`python -m training.catalogue`: every command makes what it says, and says in one line what is wrong."""

from __future__ import annotations

import pytest
from PIL import Image

from training.catalogue.__main__ import main
from training.catalogue.world import load_world


def test_world_is_built_and_counted(tmp_path, capsys):
    out = tmp_path / "world"
    sizes = ["--families", "2", "--clip-families", "1", "--size", "28", "--seed", "5", "--workers", "1"]
    sizes += ["--crowded", "0.7", "--bystanders", "0.3", "--cluttered", "0.5"]
    assert main(["world", *sizes, "--out", str(out)]) == 0
    world = load_world(out)
    assert world.pixels.shape == (10, 28, 28, 3) and world.manifest["seed"] == 5
    assert (world.manifest["crowded"], world.manifest["bystanders"]) == (0.7, 0.3)
    assert f"{out}: 10 pictures in 2 families, {len(world.clip_pixels)} clips" in capsys.readouterr().out
    again = load_world(out)
    assert again.fingerprint == world.fingerprint != ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--families", "0"], "--families 0 must be at least 1"),
        (["--families", "1", "--clip-families", "2"], "2 clip families of 1 image families"),
        (["--families", "1", "--renders-per-family", "2"], "2 renders per family; at least 4"),
        (["--families", "1", "--crowded", "70"], "crowded is 70.0; it is a share of the families, from 0 to 1"),
        (["--families", "1", "--cluttered", "0.5"], "cluttered is 0.5, a share of the crowded families, and none is"),
        (["--families", "1", "--bystanders", "-1"], "bystanders is -1.0; it is a share of the renders, from 0 to 1"),
        (["--families", "1", "--text-shortcut", "0.8"], "shortcuts are in the queries, which only --mbeir writes"),
    ],
)
def test_a_world_that_cannot_be_is_refused_in_one_line(tmp_path, capsys, arguments, said):
    assert main(["world", *arguments, "--size", "28", "--out", str(tmp_path / "world")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("training.catalogue: ") and error.count("\n") == 1
    assert not (tmp_path / "world" / "world.json").exists()


def test_sheet_and_text_sample_show_scenes(tmp_path, capsys):
    assert main(["sheet", "--scenes", "2", "--size", "28", "--out", str(tmp_path / "sheet.png")]) == 0
    assert Image.open(tmp_path / "sheet.png").width >= 56
    assert main(["text-sample", "--scenes", "1"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{kind} " in said for kind in ("caption", "partial", "passage", "entry", "wanted"))


def test_an_argument_that_no_command_has_is_refused(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main(["world", "--colour", "red", "--out", str(tmp_path)])
    assert stopped.value.code == 2
