"""What docs/operations.md and compose.qdrant.yaml show can be typed: YAML, JSON and Python are that, and every command
of umr in them is one to the real grammar. What they do on a cluster no test here says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import app
from umr.bench import scale
from umr.cli.index_parser import as_one_word
from umr.cli.parser import parser
from umr.index.qdrant_server import KEY, URL
from umr.index.qdrant_store import _indexed

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
COMPOSE = (ROOT / "compose.qdrant.yaml").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.S | re.M)


def commands(shell: str) -> Iterator[list[str]]:
    """The words of each command of ours in a script, with numbers in the place of its variables."""
    text = re.sub(r"\\\n\s*#?", " ", shell)
    text = re.sub(r"\$\(\([^)]*\)\)|\$\{?\w+\}?", "1", text)
    for line in text.splitlines():
        for command in re.findall(r"(?:python -m umr(?:\.bench)?|python app\.py) [^;&|`\n]*", line):
            yield [word for word in shlex.split(command, comments=True)]


def understood(words: list[str], monkeypatch) -> None:
    """Given to the grammar, which ends the test with its message where it does not know them."""
    if words[:3] == ["python", "-m", "umr"]:
        assert parser().parse_args(as_one_word(words[3:])).command
    elif words[:4] == ["python", "-m", "umr.bench", "scale"]:
        assert scale._parser().parse_args(words[4:]).vectors
    else:
        assert words[:2] == ["python", "app.py"]
        asked = []
        monkeypatch.setattr(app.serve, "start", lambda options, found: asked.append(options))
        assert app.main(words[2:]) == 0 and asked


def jobs() -> list[dict]:
    return [job for block in blocks("yaml") for job in yaml.safe_load_all(block)]


def scripts() -> dict[str, str]:
    """Every script that is shown, by what it is of."""
    found = {f"bash {n}": block for n, block in enumerate(blocks("bash"))}
    for job in jobs():
        (container,) = job["spec"]["template"]["spec"]["containers"]
        found[job["metadata"]["name"]] = [*container["command"], *container.get("args", [])][-1]
    found["compose's head"] = "\n".join(line for line in COMPOSE.splitlines() if line.startswith("#"))
    found["compose's page"] = shlex.join(yaml.safe_load(COMPOSE)["services"]["umr"]["command"])
    return found


@pytest.mark.parametrize("name", scripts())
def test_every_command_is_one_to_the_grammar(name, monkeypatch):
    for words in commands(scripts()[name]):
        understood(words, monkeypatch)


def test_there_are_commands_to_check():
    found = [words for shell in scripts().values() for words in commands(shell)]
    indexing = [words for words in found if words[3:4] == ["index"]]
    assert len(found) >= 17 and sum("--shard" in words for words in indexing) == 2
    assert sum(words[4] == "join" and words[-1] == "qdrant" for words in indexing) == 2


@pytest.mark.parametrize("block", [block for block in blocks("bash") if "curl" in block])
def test_what_is_sent_to_the_server_is_json_and_to_an_address_with_a_key(block):
    sent = re.findall(r"-d '([^']*)'", block)
    assert len(sent) == block.count("-d '") and all(isinstance(json.loads(one), dict) for one in sent)
    assert block.count("curl") == block.count("api-key: $UMR_QDRANT_API_KEY")


def test_ray_starts_every_part_once_and_joins_them(monkeypatch):
    (block,) = blocks("python")
    ran: list[list[str]] = []
    made = SimpleNamespace(
        init=lambda: None,
        get=lambda waited: [one() for one in waited],
        remote=lambda **_: lambda function: SimpleNamespace(remote=lambda *args: lambda: function(*args)),
    )
    monkeypatch.setitem(sys.modules, "ray", made)
    monkeypatch.setattr(subprocess, "run", lambda words, check: ran.append(words))
    monkeypatch.setattr("glob.glob", lambda pattern: [f"/shared/parts/{n}" for n in range(1, 17)])
    exec(compile(block, "ray", "exec"), {})
    options = [parser().parse_args(as_one_word(words[3:])) for words in ran]
    assert [one.shard for one in options[:-1]] == [f"{n}/16" for n in range(1, 17)]
    assert {str(one.out) for one in options[:-1]} == {str(path) for path in options[-1].shards}
    assert options[-1].command == "index join" and options[-1].engine == "qdrant"


def test_the_parts_of_the_jobs_are_all_of_them_and_go_where_they_are_joined():
    parts, join = jobs()
    container = parts["spec"]["template"]["spec"]["containers"][0]
    assert parts["spec"]["completionMode"] == "Indexed" and parts["spec"]["completions"] == 16
    assert "i=$((JOB_COMPLETION_INDEX + 1));" in container["args"][0] and "--shard $i/16" in container["args"][0]
    assert "--out /shared/parts/$i" in container["args"][0]
    joined = join["spec"]["template"]["spec"]["containers"][0]
    assert "join /shared/parts/*" in joined["command"][-1] and {one["name"] for one in joined["env"]} == {URL, KEY}
    slurm = next(block for block in blocks("bash") if "--array" in block)
    assert "--array=1-16" in slurm and "--shard $SLURM_ARRAY_TASK_ID/16" in slurm


def test_three_nodes_know_each_other_keep_two_of_everything_and_are_open_to_nobody():
    services = yaml.safe_load(COMPOSE)["services"]
    nodes = {name: one for name, one in services.items() if name.startswith("qdrant-")}
    assert len(nodes) == 3
    for name, node in nodes.items():
        assert node["command"][-1] == f"http://{name}:6335" and ("--bootstrap" in node["command"]) == (
            name != "qdrant-1"
        )
        settings = node["environment"]
        assert settings["QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR"] == "2" and "ports" not in node
        assert "${QDRANT_KEY:?" in settings["QDRANT__SERVICE__API_KEY"] and node["mem_limit"]
        assert {place.split(":")[0] for place in node["volumes"]} <= set(yaml.safe_load(COMPOSE)["volumes"])
    page = services["umr"]
    assert page["environment"][URL] == "http://qdrant-1:6333" and set(page["depends_on"]) == set(nodes)
    assert (ROOT / page["build"]["args"]["WITH"]).is_file() and "ARG WITH=" in (ROOT / "Dockerfile").read_text("utf-8")


def test_the_page_names_every_field_that_a_filter_may():
    models = SimpleNamespace(PayloadSchemaType=SimpleNamespace(KEYWORD="keyword", INTEGER="integer"))
    beside = {field.replace("facts.companion.", ".") if "companion" in field else field for field in _indexed(models)}
    assert all(f"`{field}`" in PAGE or f"`facts.companion{field}`" in PAGE for field in beside)
