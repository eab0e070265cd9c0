"""Two versions of the page in one run: the ratios, the older one's folder, and what is refused. Without a browser."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from umr.bench import page_beside
from umr.bench.page import WANTED
from umr.errors import ConfigError


def test_a_ratio_is_of_the_medians_and_below_one_where_this_version_is_quicker():
    here = {step: [100.0, 300.0, 200.0] for step in WANTED}
    there = {step: [400.0, 400.0, 9000.0] for step in WANTED}
    rows = page_beside.ratios(here, there)
    assert [row["step"] for row in rows] == list(WANTED)
    assert {(row["n"], row["p50_ms"], row["older_p50_ms"], row["ratio"]) for row in rows} == {(3, 200.0, 400.0, 0.5)}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two versions of one file."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for version in ("one", "two"):
        (tmp_path / "app.py").write_text(version)
        subprocess.run([*git, "add", "app.py"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", version], check=True)
    monkeypatch.setattr(page_beside, "repository_root", lambda: tmp_path)
    return tmp_path


def test_the_older_version_is_there_as_long_as_it_is_needed(repository: Path):
    with page_beside.checked_out("HEAD~1") as folder:
        assert (folder / "app.py").read_text() == "one" and (repository / "app.py").read_text() == "two"
    assert not folder.exists()
    listed = subprocess.run(
        ["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1


def test_a_commit_that_is_not_there_and_no_rounds_are_refused(repository: Path):
    with pytest.raises(ConfigError, match="no-such-commit"), page_beside.checked_out("no-such-commit"):
        pass
    with pytest.raises(ConfigError, match="0 rounds"):
        page_beside.beside("HEAD", rounds=0)
