"""What is shipped beside weights is made in one order, by commands that exist, and never from half a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import publish as module
from training.publish import Step, forget, main, run, steps, take
from umr.cli.parser import parser
from umr.errors import ConfigError
from umr.shipped import DEFAULT_ENCODER


def test_every_command_is_one_that_the_command_line_takes():
    for step in steps(DEFAULT_ENCODER, Path("indexes"), Path("V")):
        module, *words = step.command
        if module == "umr":
            assert parser().parse_args(words).command == words[0]


def test_calibrations_come_after_the_index_and_examples_after_the_report():
    names = [step.name for step in steps(DEFAULT_ENCODER, Path("indexes"), Path("V"))]
    assert names.index("index") < names.index("vector sum") < names.index("evaluate") < names.index("drift")
    assert names.index("validation index") < names.index("verdicts")
    assert names.index("index") < names.index("pooling") < names.index("card of pooling")
    assert names[-2:] == ["examples", "golden"]
    assert "examples" not in [step.name for step in steps("mca", Path("indexes"), Path("V"))]


def test_new_weights_replace_the_old_ones_whole(tmp_path):
    made, shipped = tmp_path / "made", tmp_path / "shipped"
    for folder, names in ((made, ("encoder.json", "model")), (shipped, ("encoder.json", "left over"))):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(folder.name)
    take(made, shipped)
    assert {path.name: path.read_text() for path in shipped.iterdir()} == {"encoder.json": "made", "model": "made"}


def test_what_was_measured_before_goes_and_what_was_calibrated_stays(tmp_path):
    (tmp_path / "runs").mkdir()
    for name in ("runs/it2i.gone.composed.run.gz", "diagnosis.it2i.gone.json.xz", "report.json", "verdicts.json"):
        (tmp_path / name).write_text("")
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts.json"]


def test_a_folder_without_an_encoder_replaces_nothing(tmp_path):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "encoder.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds no encoder \(encoder\.json is missing\)"):
        take(tmp_path, shipped)
    assert (shipped / "encoder.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody", "--validation", "V"], "nobody: no shipped encoder; there are "),
        (["mca", "contrastive", "--validation", "V", "--from", "D"], "--from is for one NAME"),
        (
            ["mca", "--validation", "V", "--skip", "polish"],
            "--skip polish: no such step; there are other tools, card, index, ",
        ),
    ],
)
def test_what_cannot_be_made_is_said_before_anything_runs(capsys, words, said):
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_weights_of_a_new_name_are_taken_and_everything_beside_them_made(tmp_path, monkeypatch):
    made, root = tmp_path / "made", tmp_path / "repository" / "indexes"
    for folder in (made, root):
        folder.mkdir(parents=True)
    (made / "encoder.json").write_text("{}")
    ran: list[Step] = []
    monkeypatch.setattr(module, "default_root", lambda: root)
    monkeypatch.setattr(module, "repository_root", lambda: root.parent)
    monkeypatch.setattr(module, "run", ran.append)
    assert main(["new", "--validation", "V", "--from", str(made), "--skip", "drift"]) == 0
    assert (root / "new" / "encoder" / "encoder.json").read_text() == "{}"
    assert [step.name for step in ran] == [one.name for one in steps("new", root, made) if one.name != "drift"]


def test_a_step_that_fails_ends_the_run():
    with pytest.raises(ConfigError, match="wrong ended with 2"):
        run(Step(name="wrong", command=("umr", "no-such-command")))
