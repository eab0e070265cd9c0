"""A record says which commit, which weights and which stages made an encoder; what is not known it calls unknown."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.config import TrainConfig
from training.provenance import stages, weights_fingerprint
from training.train import train
from umr.commit import git_commit
from umr.errors import ConfigError


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The folder of the code in a checkout of its own."""
    code = tmp_path / "clone" / "training"
    code.mkdir(parents=True)
    (code / "train.py").write_text("1\n")
    git(code.parent, "init", "-q")
    git(code.parent, "add", ".")
    git(code.parent, "commit", "-qm", "first")
    return code


def test_the_commit_of_a_clean_checkout_is_its_head(checkout):
    (checkout / "notes.txt").write_text("what lies beside the code is no change of it\n")
    assert git_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_changed_or_an_added_file_of_the_code_makes_the_commit_dirty(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    (checkout / "more.py").write_text("2\n")
    assert git_commit(checkout) == f"{head}-dirty"
    (checkout / "more.py").unlink()
    (checkout / "train.py").write_text("3\n")
    assert git_commit(checkout) == f"{head}-dirty"


def test_without_git_or_a_checkout_the_commit_says_so(checkout, tmp_path, monkeypatch):
    copied = tmp_path / "copied"
    shutil.copytree(checkout, copied)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert git_commit(copied) == "unknown (not a git checkout)"
    stranger = checkout.parent / "environment" / "training"  # installed somewhere inside another project's checkout
    shutil.copytree(checkout, stranger)
    assert git_commit(stranger) == "unknown (not a git checkout)"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(checkout) == "unknown (git is not installed)"


def test_a_fingerprint_of_weights_tells_values_names_and_types_apart():
    module = torch.nn.Linear(3, 2)
    same = torch.nn.Linear(3, 2)
    same.load_state_dict(module.state_dict())
    assert weights_fingerprint(same) == weights_fingerprint(module)
    seen = {weights_fingerprint(module), weights_fingerprint(torch.nn.Sequential(same))}
    seen.add(weights_fingerprint(same.half()))
    with torch.no_grad():
        module.bias[1] += 1e-6
    assert len(seen | {weights_fingerprint(module)}) == 4


def test_every_stage_of_a_chain_is_recorded_with_its_settings_and_its_seconds(tiny_world, small_encoder, tmp_path):
    small_encoder().save(tmp_path / "adopted")
    config = TrainConfig(name="one", init=str(tmp_path / "adopted"), steps=1, families_per_batch=2, threads=1)
    one = train(config, tiny_world, tmp_path / "one")
    train(replace(config, name="two", init=str(tmp_path / "one")), tiny_world, tmp_path / "two")
    record = json.loads((tmp_path / "two" / "train_config.json").read_text())
    assert record["world"] == tiny_world.manifest and record["world_fingerprint"] == tiny_world.fingerprint
    adopted, first = record["stages"]
    assert adopted["name"] == "small" and adopted["config"] is None
    assert first["name"] == "one" and first["fingerprint"] == one.fingerprint
    assert first["config"]["init"] == "adopted" and first["config"]["steps"] == 1
    assert first["world"] == tiny_world.fingerprint and first["seconds"] >= 0 and first["commit"]
    assert [stage["name"] for stage in stages(str(tmp_path / "two"))] == ["small", "one", "two"]
    assert stages(None) == []


def test_a_record_without_stages_leaves_its_start_unknown_and_a_damaged_one_is_refused(small_encoder, tmp_path):
    old = {"config": {"name": "unified", "init": "unified-a"}, "seconds": 169, "commit": ""}
    small_encoder().save(tmp_path / "old", {"train_config.json": json.dumps(old)})
    start, own = stages(str(tmp_path / "old"))
    assert start["name"] == "unified-a" and start["fingerprint"] is None and start["config"] is None
    assert own["seconds"] == 169 and own["commit"] is None
    (tmp_path / "old" / "train_config.json").write_text("[]")
    with pytest.raises(ConfigError, match="no record of a training run"):
        stages(str(tmp_path / "old"))
