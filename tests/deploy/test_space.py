"""What a Space of the page is made of, for each kind of machine, and that the page opens from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.conftest import built_in
from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.cli.commands import main
from umr.cli.parser import MACHINES
from umr.collection import Collection
from umr.deploy.files import write_folder
from umr.deploy.hardware import CPU_WHEELS, HARDWARE, ZERO_TORCH, hardware, requirements
from umr.deploy.space import BINARY, INDEXES, LARGE, TAGS, SpaceFile, _attributes, plan_space
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MismatchError
from umr.index.index import build_index
from umr.index.manifest import IndexManifest
from umr.rerank.config import read_config
from umr.rerank.store import save_reranker
from umr.search import Searcher
from umr.shipped import BUNDLED, RERANKER, RERANKER_CONFIG, available
from umr.types import Content, Query
from umr.ui.reranking import find_page_reranker

ROOT = Path(__file__).resolve().parents[2]


def lines(machine: str) -> dict[str, Requirement]:
    found = [line for line in requirements(HARDWARE[machine]).splitlines() if not line.startswith("--")]
    return {f"{item.name}; {item.marker}": item for item in map(Requirement, found)}


def paths(space) -> dict[str, SpaceFile]:
    return {file.path: file for file in space.files}


def matter(space) -> dict:
    text = paths(space)["README.md"].content.decode()
    return yaml.safe_load(text.split("---\n")[1])


def test_each_machine_gets_its_own_faiss_and_torch():
    assert set(HARDWARE) == set(MACHINES)
    names = {name: [one.name for one in lines(name).values()] for name in HARDWARE}
    assert "faiss-cpu" in names["cpu"] and "faiss-gpu" not in names["cpu"]
    assert "faiss-cpu" in names["zero"] and "faiss-gpu" not in names["zero"] and "spaces" in names["zero"]
    assert {"faiss-gpu", "faiss-cpu"} <= set(names["gpu"])  # by a marker, one of the two
    assert requirements(HARDWARE["cpu"]).startswith(CPU_WHEELS + "\n") and "pytorch.org" in CPU_WHEELS
    assert not [name for name in ("zero", "gpu") if "--extra" in requirements(HARDWARE[name])]


def test_the_rest_of_the_pins_are_the_repositorys_own():
    for name, machine in HARDWARE.items():
        own = [line for line in (ROOT / machine.requirements).read_text().splitlines() if line and line[0] != "#"]
        own = [line for line in own if not (name == "zero" and line.startswith("torch"))]
        assert [line for line in requirements(machine).splitlines() if line in own] == own


def test_zero_gpus_torch_is_within_what_it_offers_and_what_is_tested():
    within = next(one for one in lines("cpu").values() if one.name == "torch").specifier
    zero = Requirement(ZERO_TORCH).specifier
    offered = ("2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.0", "2.13.0", "2.7.1")
    assert [one for one in offered if one in zero] == ["2.8.0", "2.10.0", "2.11.0"]
    assert all(one in within for one in offered if one in zero)
    assert "3.12.12" in SpecifierSet(">=3.11") and HARDWARE["zero"].python == "3.12.12"


@pytest.mark.parametrize("machine", MACHINES)
def test_the_front_matter_says_what_the_hub_asks(machine):
    said = matter(plan_space("me/search", hardware(machine), ["unified"]))
    assert (said["sdk"], said["app_file"], said["license"]) == ("gradio", "app.py", "apache-2.0")
    assert said["suggested_hardware"] == {"cpu": "cpu-basic", "zero": "zero-a10g", "gpu": "t4-small"}[machine]
    assert said["tags"] == list(TAGS) and said["models"] == []
    assert said["thumbnail"].startswith("https://huggingface.co/spaces/me/search/resolve/main/docs/")
    assert isinstance(said["python_version"], str) and said["python_version"].startswith("3.12")
    assert len(said["short_description"]) <= 60


def test_only_the_chosen_encoders_and_no_training_go_there():
    found = paths(plan_space("me/search", hardware("cpu"), ["unified"]))
    tops = {path.partition("/")[0] for path in found}
    assert tops == {"app.py", "LICENSE", "README.md", "requirements.txt", ".gitattributes", "docs", "umr", "indexes"}
    assert {path.split("/")[1] for path in found if path.startswith("indexes/")} == {"media", "unified"}
    assert not [path for path in found if "__pycache__" in path or path.endswith(".pyc")]
    everything = paths(plan_space("me/search", hardware("cpu")))
    assert {path.split("/")[1] for path in everything if path.startswith("indexes/")} == {"media", *available()}


def test_every_file_that_is_no_text_has_a_rule_for_git(tmp_path):
    space = plan_space("me/search", hardware("cpu"))
    ruled = {line.split()[0] for line in paths(space)[".gitattributes"].content.decode().splitlines()}
    assert ruled >= {f"*{ending}" for ending in BINARY}
    endings: dict[str, Path] = {}
    for file in space.files:
        if file.source is not None and f"*{Path(file.path).suffix}" not in ruled:
            endings.setdefault(Path(file.path).suffix, file.source)
            assert file.size <= LARGE
            if Path(file.path).suffix not in (".json", ".jsonl"):
                file.source.read_bytes().decode("utf-8")
    assert ".py" in endings and ".webp" not in endings
    large = tmp_path / "rows of mine.jsonl"
    with large.open("wb") as out:
        out.truncate(LARGE + 1)
    assert b"rows[[:space:]]of[[:space:]]mine.jsonl filter=lfs" in _attributes([SpaceFile(large.name, source=large)])


def test_a_dry_run_lists_every_file_with_its_size_and_ends_well(capsys, monkeypatch):
    monkeypatch.setattr("umr.deploy.upload.upload", lambda *_, **__: pytest.fail("something was sent"))
    assert main(["deploy", "space", "me/search", "--encoder", "unified", "--dry-run"]) == 0
    out, said = capsys.readouterr()
    header, *rows = out.splitlines()
    listed = {path: int(size) for size, path in (row.split(maxsplit=1) for row in rows)}
    space = plan_space("me/search", hardware("cpu"), ["unified"])
    assert header.split() == ["bytes", "path"] and len(rows) == len(space.files)
    assert listed["app.py"] == (ROOT / "app.py").stat().st_size and sum(listed.values()) == space.size
    assert f"{len(rows):,} files" in said and "nothing was sent" in said


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["search"], "is not OWNER/NAME"),
        (["me/../x"], "is not OWNER/NAME"),
        (["me/search", "--encoder", "nobody"], "there is no index of an encoder 'nobody'"),
        (["me/search", "--encoder", "mca", "mca"], "two indexes are of the encoder 'mca'"),
        (["me/search", "--index", "nowhere"], "there is no such folder"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(words, part, capsys):
    assert main(["deploy", "space", *words, "--dry-run"]) == 2
    out, said = capsys.readouterr()
    assert out == "" and part in said and said.count("\n") == 1
    with pytest.raises(ConfigError, match="there are: cpu, zero, gpu"):
        hardware("tpu")


@pytest.mark.parametrize("name", ["a..b/c", "a/c--", "a/b--c", "a/b-", "a/b.", "-a/b", "a./b", "a/b.git", "a/b/c"])
def test_names_that_the_hub_refuses_are_refused_of_a_space_and_of_a_model(name, capsys):
    for words in (["deploy", "space", "--dry-run", "--", name], ["push", "--dry-run", "--", "unified", name]):
        assert main(words) == 2
        out, said = capsys.readouterr()
        assert out == "" and f"{name!r} is no repository" in said and "no '..' and no '--'" in said


def test_a_folder_that_holds_something_else_is_refused_before_anything_is_said_to_be_built(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep me")
    for more in ([], ["--dry-run"]):
        assert main(["deploy", "space", "me/search", "--encoder", "mca", "--out", str(tmp_path), *more]) == 2
        out, said = capsys.readouterr()
        assert out == "" and "holds something else" in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_index_of_ones_own_goes_with_its_encoder_and_its_pictures(tmp_path, picture, dtypes):
    """Also from pictures that lie elsewhere: no path of this machine is told, and what is found, and how, stays."""
    for number, colour in enumerate(("red", "green", "blue")):
        picture(f"far away/p {number}.png", colour)
    (tmp_path / "far away" / "n.txt").write_text("a green note")
    encoder = FakeEncoder(dim=32, name="mine")
    encoder.save(tmp_path / "encoder")
    index = tmp_path / "deep" / "er" / "index"
    build_index(encoder, Collection.from_folder(tmp_path / "far away"), index, encoder_at=tmp_path / "encoder")
    built_in("bfloat16", index)
    query = Query(query_id="q", content=Content(image=tmp_path / "far away" / "p 1.png"))
    there = Searcher.open(index).search(query, 4).results
    files = plan_space("me/mine", hardware("cpu"), indexes=[index]).files
    write_folder(files, tmp_path / "space")
    assert not (tmp_path / "space" / INDEXES / "unified").exists()
    moved = tmp_path / "space" / INDEXES / "mine" / BUNDLED
    here = Searcher.open(moved)
    found = here.search(query, 4).results
    assert [(one.hit.candidate_id, one.hit.score) for one in found] == [
        (one.hit.candidate_id, one.hit.score) for one in there
    ]
    assert here.index.verify_probe(here.encoder) > 0.99
    assert all(str(tmp_path / "space") in str(one.content.image) for one in here.collection if one.content.image)
    told = (moved / "manifest.json").read_text() + (moved / "../../media/mine/candidates.jsonl").read_text()
    assert dtypes == ["bfloat16", "bfloat16"]
    assert str(tmp_path) not in told and "deep/er" not in told and IndexManifest.read(moved).count == 4
    (tmp_path / "far away" / "p 2.png").unlink()
    with pytest.raises(ConfigError, match=r"p 2\.png is not there any more"):
        plan_space("me/mine", hardware("cpu"), indexes=[index])


def test_a_re_ranker_goes_where_the_page_finds_it_and_a_changed_one_is_refused(tmp_path, capsys):
    save_reranker(tiny_reranker(tiny_tokenizer()), tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").write_text("no part of it")
    words = ["deploy", "space", "me/search", "--encoder", "unified", "--reranker", str(tmp_path / "mine"), "--dry-run"]
    assert main(words) == 0
    rows = [row.split(maxsplit=1) for row in capsys.readouterr().out.splitlines()[1:]]
    sent = {path: int(size) for size, path in rows if path.startswith(f"{INDEXES}/{RERANKER}/")}
    there = {path.name: path.stat().st_size for path in (tmp_path / "mine").iterdir() if path.name != "notes.txt"}
    assert sent == {f"{INDEXES}/{RERANKER}/{name}": size for name, size in there.items()} and "README.md" in there

    files = plan_space("me/search", hardware("cpu"), ["unified"], reranker=tmp_path / "mine").files
    write_folder([file for file in files if file.path in sent], tmp_path / "space")
    offer = find_page_reranker(root=tmp_path / "space" / INDEXES).offer
    assert offer is not None and (offer.name, offer.folder.name) == ("tiny", RERANKER)
    assert read_config(offer.folder) == read_config(tmp_path / "mine")
    assert find_page_reranker(root=tmp_path).offer is None

    with (tmp_path / "mine" / "model.safetensors").open("ab") as weights:
        weights.write(b"0")
    with pytest.raises(MismatchError, match=r"model\.safetensors"):
        plan_space("me/search", hardware("cpu"), ["unified"], reranker=tmp_path / "mine")
    (tmp_path / "mine" / RERANKER_CONFIG).unlink()
    assert main(words) == 2 and "there is no re-ranker" in capsys.readouterr().err


def test_a_second_build_of_the_folder_holds_what_is_planned_and_no_more(tmp_path):
    first = [SpaceFile("a/b.txt", content=b"1"), SpaceFile("c.txt", content=b"2")]
    write_folder(first, tmp_path / "space")
    (tmp_path / "space" / ".cache" / "huggingface").mkdir()
    (tmp_path / "space" / ".cache" / "huggingface" / "resume").write_text("kept")
    write_folder([SpaceFile("c.txt", content=b"3")], tmp_path / "space")
    left = {path.relative_to(tmp_path / "space").as_posix() for path in (tmp_path / "space").rglob("*")}
    assert {path for path in left if not path.startswith(".cache")} == {"c.txt"}
    assert ".cache/huggingface/resume" in left and (tmp_path / "space" / "c.txt").read_bytes() == b"3"


def test_the_page_of_a_space_is_imported_from_its_folder_alone(tmp_path):
    """All that app.py imports is there: it runs in a folder of its own, with this machine's packages."""
    files = [
        file
        for file in plan_space("me/search", hardware("cpu"), ["unified"]).files
        if "/catalogue/files/" not in file.path
    ]
    write_folder(files, tmp_path / "space")
    code = (
        "import app, umr, json; from umr.ui.layout.page import build_page; "
        "from umr.ui.searchers import find_searchers; s = find_searchers(); page = build_page(s, []); "
        "print(json.dumps([umr.__file__, s.names, len(page.fns)]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "space", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    where, names, functions = json.loads(ran.stdout.splitlines()[-1])
    assert Path(where).is_relative_to(tmp_path / "space") and names == ["unified"] and functions > 40
