"""Serving the page: what keeps it from starting is a sentence, and the folder of uploads goes however it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from umr.errors import ConfigError
from umr.ui.layout import serve
from umr.ui.upload_folder import VARIABLE


def test_a_place_that_takes_no_uploads_is_told_before_anything_is_served(searchers, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.raises(ConfigError, match="there is no folder for what visitors send"):
        serve.run(searchers, tmp_path, None, None)


def test_the_folder_of_uploads_goes_when_serving_ends_in_an_exit(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(SystemExit), serve._uploads():
        folder = Path(os.environ[VARIABLE])
        assert folder.parent == tmp_path and folder.is_dir()
        raise SystemExit(0)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_to_start_is_told_and_makes_the_status_two(capsys):
    assert serve.fail(ConfigError("no index")) == 2
    assert capsys.readouterr().err == "umr: no index\n"
