"""The walk of a new user: one command, a folder, the page; then offline. And everything that is refused, in words.

A stand-in of the Hub serves a tiny Qwen2-VL checkpoint in its own layout and an encoder folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import app
from tests.encoders.public import write_checkpoint
from tests.models.photographs import write_photographs
from tests.models.shelf import HEADS, Shelf, contents, point
from umr.cli.commands import main
from umr.encoders.config import read_config
from umr.models import fit
from umr.search import decode
from umr.types import SEARCH_IN, Content, Query
from umr.ui.searchers import Searchers

QWEN, OURS = "hub:me/tiny-VL", "hub:me/ours"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("public") / "tiny-VL"
    write_checkpoint(folder, "1GB")
    return folder


@pytest.fixture
def shelf(bare_shelf, checkpoint, make, tmp_path, monkeypatch) -> Shelf:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4)  # bytes: a break costs no more
    make(name="ours").save(tmp_path / "ours")
    bare_shelf.shelve("me/tiny-VL", checkpoint)
    bare_shelf.shelve("me/ours", tmp_path / "ours")
    return bare_shelf


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder of a few real photographs and a text."""
    write_photographs(tmp_path / "pictures")
    (tmp_path / "pictures" / "note.txt").write_text("a red mug on a table")
    return tmp_path / "pictures"


@pytest.fixture
def served(monkeypatch) -> list[Searchers]:
    """What pages are served over, in place of serving them."""
    found: list[Searchers] = []
    monkeypatch.setattr("umr.ui.layout.serve.run", lambda searchers, *_: found.append(searchers))
    return found


def demo(pictures: Path, *more: str) -> int:
    return main(["demo", "--folder", str(pictures), *more])


def found(searchers: Searchers, name: str, picture: Path) -> list[tuple[str, float]]:
    asked = decode(
        Query(query_id="q", content=Content(image=picture, text="the same"), target_modality=SEARCH_IN["images"])
    )
    return [(one.hit.candidate_id, one.hit.score) for one in searchers.search(name, asked, 5).results]


def test_one_command_downloads_adopts_indexes_and_opens_and_the_next_start_is_offline(
    shelf, pictures, served, capsys, monkeypatch
):
    assert demo(pictures, "--encoder", QWEN, "--encoder", OURS) == 0
    said, commit = capsys.readouterr().err, shelf.heads["me/tiny-VL", "main"]
    assert f"{QWEN} is commit {commit} today" in said and "M parameters, weights of" in said
    assert "are to be downloaded to" in said and "5 indexed, 0 refused" in said
    [first] = served
    assert first.names == ["tiny-VL", "ours"]
    picture = min(pictures.glob("*.jpg"))
    before = {name: found(first, name, picture) for name in first.names}
    others = {path.name for path in pictures.glob("*.jpg")} - {picture.name}  # a query never finds its own file
    assert {name: {one for one, _ in hits} for name, hits in before.items()} == dict.fromkeys(first.names, others)
    config = read_config(first.get("tiny-VL").index.folder / first.manifest("tiny-VL").encoder_at)
    assert config.revision == f"{QWEN}@{commit}" and config.name == "tiny-VL"

    requests = len(shelf.asked)
    point(monkeypatch, "http://127.0.0.1:9")
    assert app.main(["--folder", str(pictures), "--encoder", QWEN, "--encoder", OURS]) == 0
    said = capsys.readouterr().err
    assert f"{QWEN} is at commit {commit}, downloaded before" in said and "indexing" not in said
    assert {name: found(served[1], name, picture) for name in first.names} == before
    assert len(shelf.asked) == requests


def test_weights_lie_on_the_disk_once(shelf, pictures, served, tmp_path):
    assert demo(pictures, "--encoder", QWEN) == 0
    [kept] = (tmp_path / "cache" / "hub").glob("*tiny-VL@*/model.safetensors")
    [adopted] = (tmp_path / "cache" / "encoders").glob("*tiny-VL@*/model.safetensors")
    assert kept.samefile(adopted)


def test_a_download_goes_on_at_the_byte_where_it_stopped(shelf, pictures, served, capsys, tmp_path, checkpoint):
    shelf.cut = True
    assert demo(pictures, "--encoder", QWEN) == 2
    assert "could not be downloaded" in capsys.readouterr().err and served == []
    [part] = (tmp_path / "cache" / "hub").rglob("model.safetensors.part")
    half = part.stat().st_size
    assert half == (checkpoint / "model.safetensors").stat().st_size // 2
    shelf.cut = shelf.down = False
    shelf.asked.clear()
    assert demo(pictures, "--encoder", QWEN) == 0
    ranges = [asked for path, asked in shelf.asked if path.startswith("/cdn/") and asked not in HEADS]
    assert ranges == [f"bytes={half}-"] and len(served) == 1


def test_without_a_terminal_lines_say_how_far_the_weights_are(shelf, pictures, served, capsys, monkeypatch):
    assert demo(pictures, "--encoder", OURS) == 0
    assert "model.safetensors:" not in capsys.readouterr().err  # it took less than the time between two lines
    monkeypatch.setattr("umr.models.download.EVERY_S", 0.0)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)
    assert demo(pictures, "--encoder", QWEN) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("umr: model.safetensors: ")]
    assert said == [f"umr: model.safetensors: 0.{n} MB of 0.3 MB" for n in (1, 2, 3)]


def test_an_interrupted_download_keeps_its_commit_where_the_branch_moves(shelf, pictures, served, capsys, checkpoint):
    shelf.cut = True
    assert demo(pictures, "--encoder", QWEN) == 2
    first = shelf.heads["me/tiny-VL", "main"]
    shelf.cut = shelf.down = False
    files = {path.name: path.read_bytes() for path in checkpoint.iterdir()} | {"more.json": b"{}"}
    second = shelf.shelve("me/tiny-VL", files)
    capsys.readouterr()
    assert demo(pictures, "--encoder", QWEN) == 0
    said = capsys.readouterr().err
    assert f"the newest is commit {second} now; {first} is kept" in said and f"--encoder {QWEN}@{second}" in said
    requests = len(shelf.asked)
    assert demo(pictures, "--encoder", QWEN) == 0 and len(shelf.asked) == requests
    assert "moved" not in capsys.readouterr().err  # nobody was asked
    assert demo(pictures, "--encoder", QWEN, "--check") == 0
    assert f"{first} is kept" in capsys.readouterr().err and len(shelf.asked) == requests + 1
    assert demo(pictures, "--encoder", f"{QWEN}@{second}", "--dry-run") == 0 and len(served) == 3


def test_shards_are_brought_by_their_index_and_nothing_else_of_weights(shelf, pictures, served, tmp_path):
    write_checkpoint(tmp_path / "shards", "60KB")
    files = contents(tmp_path / "shards") | {
        "original/model.safetensors": b"another form",
        "code.py": b"",
        "x.bin": b"",
    }
    shelf.shelve("me/shards", files)
    assert demo(pictures, "--encoder", "hub:me/shards") == 0 and served[0].names == ["shards"]
    [kept] = (tmp_path / "cache" / "hub").glob("*shards@*")
    assert {*contents(kept)} == {*contents(tmp_path / "shards")} - {"README.md"} and len(
        [*kept.glob("*.safetensors")]
    ) > 2


def test_files_that_come_and_go_are_noticed_on_the_next_start(shelf, pictures, served, capsys):
    assert demo(pictures, "--encoder", OURS) == 0
    (pictures / "note.txt").unlink()
    Image.new("RGB", (30, 30), "teal").save(pictures / "teal.png")
    capsys.readouterr()
    assert demo(pictures, "--encoder", OURS) == 0
    assert "1 added, 0 changed, 1 removed, 1 encoded" in capsys.readouterr().err


def test_a_folder_that_the_shell_left_a_tilde_in_is_found(shelf, pictures, served, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(pictures.parent))
    assert main(["demo", "--folder=~/pictures", "--encoder", OURS]) == 0
    assert served[0].get("ours").index.manifest.count == 5
    assert (
        main(["demo", "--folder=~/none", "--encoder", OURS]) == 2 and "--folder is '~/none'" in capsys.readouterr().err
    )


def test_a_folder_of_a_public_checkpoint_is_adopted_once(checkpoint, shelf, pictures, served, tmp_path):
    assert demo(pictures, "--encoder", str(checkpoint)) == 0
    [place] = (tmp_path / "cache" / "encoders").iterdir()
    made = (place / "encoder.json").stat().st_mtime_ns
    assert demo(pictures, "--encoder", str(checkpoint)) == 0
    assert [*(tmp_path / "cache" / "encoders").iterdir()] == [place]
    assert (place / "encoder.json").stat().st_mtime_ns == made and shelf.asked == []
    assert not (place / "model.safetensors").samefile(checkpoint / "model.safetensors")  # somebody's own


def changed(checkpoint: Path, name: str, change: Callable[[dict[str, Any]], Any] | None) -> dict[str, bytes]:
    """The files of the checkpoint, with one JSON file changed, or without one."""
    files = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    data = files.pop(name)
    if change is not None:
        content = json.loads(data)
        change(content)
        files[name] = json.dumps(content).encode()
    return files


WRONG: dict[str, tuple[str, Callable[[dict[str, Any]], Any] | None, str]] = {
    "another class": ("config.json", lambda file: file.update(model_type="blip"), "is of the class 'blip'"),
    "quantised": ("config.json", lambda file: file.update(quantization_config={"bits": 4}), "is quantised"),
    "no settings": ("config.json", None, "has no config.json"),
    "no tokenizer": ("tokenizer.json", None, "has no tokenizer.json"),
    "no weights": ("model.safetensors", None, "lacks model.safetensors"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_none_of_ours_is_refused_before_its_weights_are_downloaded(
    case, shelf, pictures, served, capsys, checkpoint
):
    name, change, expected = WRONG[case]
    commit = shelf.shelve("me/wrong", changed(checkpoint, name, change))
    assert demo(pictures, "--encoder", "hub:me/wrong") == 2
    said = capsys.readouterr().err
    assert expected in said and f"hub:me/wrong@{commit}" in said and "Traceback" not in said
    assert not shelf.weights_asked() and served == []


def test_a_repository_without_safetensors_is_refused_with_where_a_conversion_may_lie_which_is_opened(
    shelf, pictures, served, capsys, checkpoint
):
    shelf.shelve("me/old", changed(checkpoint, "model.safetensors", None) | {"pytorch_model.bin": b"a pickle"})
    assert demo(pictures, "--encoder", "hub:me/old") == 2 and served == []
    said = capsys.readouterr().err
    assert "Somebody may have proposed a conversion, hub:me/old@refs/pr/N: see the repository's pull requests" in said
    commit = shelf.shelve("me/old", checkpoint, branch="refs%2Fpr%2F15")
    assert demo(pictures, "--encoder", "hub:me/old@refs/pr/15") == 0 and len(served) == 1
    assert f"hub:me/old@refs/pr/15 is commit {commit} today" in capsys.readouterr().err
    files = changed(checkpoint, "config.json", None) | {"model.safetensors": b""}
    shelf.shelve("me/bare", files)
    assert demo(pictures, "--encoder", "hub:me/bare") == 2 and "refs/pr" not in capsys.readouterr().err


def test_what_the_hub_refuses_is_said_in_words(shelf, pictures, served, capsys, monkeypatch):
    def said(spec: str) -> str:
        assert demo(pictures, "--encoder", spec) == 2
        return capsys.readouterr().err

    for status in (401, 403):
        shelf.gates["me/tiny-VL"] = status
        assert "is gated: accept its terms at" in said(QWEN)
    assert "that you may read: check OWNER/NAME" in said("hub:me/nothing")
    assert "has no revision 'v9'" in said(f"{OURS}@v9") and "has no revision" in said(f"{OURS}@{'0' * 40}")
    assert "is not hub:OWNER/NAME" in said("hub:ours")
    assert "is a re-ranker, not an encoder" in said("hub:code-kunkun/LamRA-Rank")
    point(monkeypatch, "http://127.0.0.1:9")
    assert "check the name and the connection" in said(OURS)
    assert "there is no encoder" in said("nothing-here") and served == []


def test_too_little_disk_or_memory_is_refused_with_the_numbers(shelf, pictures, served, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fit, "free_disk", lambda _: fit.SPARE)
        assert demo(pictures, "--encoder", QWEN) == 2
        assert "are to be downloaded to" in capsys.readouterr().err.splitlines()[-1]
    with monkeypatch.context() as patch:
        patch.setattr(fit, "free_memory", lambda: 1_000_000)
        assert demo(pictures, "--encoder", QWEN) == 2
        assert "1.0 MB are free. Close other programs" in capsys.readouterr().err.splitlines()[-1]
    assert not shelf.weights_asked() and served == []


def test_weights_that_are_not_what_the_hub_lists_are_refused_and_brought_anew(shelf, pictures, served, capsys):
    files = shelf.commits_of["me/ours", shelf.heads["me/ours", "main"]]
    right = files["model.safetensors"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("umr.models.download.file_sha256", lambda _: "0" * 64)
        assert demo(pictures, "--encoder", OURS) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "model.safetensors of hub:me/ours" in said and "(its sha256)" in said
    shelf.asked.clear()
    assert demo(pictures, "--encoder", OURS) == 0 and len(served) == 1
    assert ("/cdn/" + hashlib.sha256(right).hexdigest(), "") in shelf.asked  # from its first byte


def test_memory_decides_what_is_computed_in(monkeypatch):
    monkeypatch.setattr(fit, "free_gpu", lambda: None)
    free = {"is": fit.BESIDE + 4_000}
    monkeypatch.setattr(fit, "free_memory", lambda: free["is"])
    assert fit.dtype_that_fits("it", 1_000) == "float32"
    free["is"] -= 1
    assert fit.dtype_that_fits("it", 1_000) == "bfloat16" == fit.dtype_that_fits("it", 1_000, "bfloat16")
    with pytest.raises(fit.ConfigError, match=r"1\.2 GB of memory, 1\.2 GB are free\. With --dtype bfloat16: 1\.2 GB"):
        fit.dtype_that_fits("it", 1_000, "float32")
    free["is"] = 0
    with pytest.raises(fit.ConfigError, match="it does not fit: 2,000 M parameters in bfloat16"):
        fit.dtype_that_fits("it", 2_000_000_000)
    monkeypatch.setattr(fit, "free_memory", lambda: None)
    assert fit.dtype_that_fits("it", 2_000_000_000) == "float32"  # not told by this system
    monkeypatch.setattr(fit, "free_gpu", lambda: 5_000_000_000)
    with pytest.raises(fit.ConfigError, match=r"need 9\.2 GB of memory of the GPU, 5\.0 GB are free"):
        fit.dtype_that_fits("it", 2_000_000_000, "float32")
