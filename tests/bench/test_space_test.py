"""The commands beside a Space and its packages: what they say where nothing can be tested, which licences are told."""

from __future__ import annotations

import json
import subprocess
from email.message import Message

import pytest

from umr.bench import licences, space_test
from umr.errors import MismatchError


def test_without_the_python_or_a_registry_it_is_said_and_nothing_is_red(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert space_test.main([]) == 0 and "not tested: no Python 3.12 is at hand" in capsys.readouterr().out

    def told(words: str):
        monkeypatch.setattr(space_test.subprocess, "run", lambda command, **more: subprocess.CompletedProcess(
            command, "pip" in command, "", words))  # fmt: skip
        return space_test.installed(tmp_path, tmp_path, tmp_path)

    assert "name resolution" in told("Temporary failure in name resolution")
    with pytest.raises(MismatchError, match="cannot be installed: ERROR: No matching"):
        told("x\nERROR: No matching distribution")


def test_a_python_that_does_not_run_is_none(monkeypatch, tmp_path):
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert space_test.python_of("3.12") is None
    shim.write_text("#!/bin/sh\nexit 0\n")
    assert space_test.python_of("3.12") == shim


@pytest.mark.parametrize(("data", "ids"), [([[{"id": "a"}, {"id": "b"}]], ["a", "b"]), ([[]], None)])
def test_a_search_that_finds_nothing_is_refused(monkeypatch, data, ids):
    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self):
            return self.said

    def urlopen(asked, timeout):
        answer = Answer()
        posted = not isinstance(asked, str)
        answer.said = b'{"event_id": "e"}' if posted else f"event: complete\ndata: {json.dumps(data)}\n".encode()
        return answer

    monkeypatch.setattr(space_test.urllib.request, "urlopen", urlopen)
    if ids is None:
        with pytest.raises(MismatchError, match="finds nothing"):
            space_test.searched("http://127.0.0.1:1", "unified")
    else:
        assert space_test.searched("http://127.0.0.1:1", "unified") == ids


def test_a_licence_is_the_expression_else_the_classifiers_else_the_field():
    class Package:
        def __init__(self, *fields):
            self.metadata = Message()
            for name, value in fields:
                self.metadata[name] = value

    field, classifier = ("License", "BSD\nand its text"), ("Classifier", "License :: OSI Approved :: MIT License")
    assert licences.licence(Package(field, classifier, ("License-Expression", "MIT"))) == "MIT"
    assert licences.licence(Package(field, classifier)) == "MIT License"
    assert licences.licence(Package(field)) == "BSD" and licences.licence(Package()) == licences.UNSAID


def test_the_list_holds_what_is_required_and_what_that_needs(capsys, tmp_path):
    assert licences.main([]) == 0
    said = capsys.readouterr().out
    names = {line.split()[0] for line in said.splitlines()}
    assert {"torch", "transformers", "gradio", "numpy", "tokenizers"} <= names
    assert licences.main(["--requirements", str(tmp_path / "none.txt")]) == 2
