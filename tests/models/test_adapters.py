"""A LoRA adapter by its name on the Hub, or in a folder: its base is found or downloaded, and both are one encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.encoders.published import publish
from tests.encoders.published_last import LastReference, publish_adapter
from tests.encoders.test_published import ASKED
from tests.encoders.test_published_last import FROM_A_CELL, least_cosine
from tests.models.shelf import Shelf, contents, point
from umr.cli.commands import main
from umr.encoders import load_encoder
from umr.encoders.config import read_config
from umr.errors import ConfigError
from umr.models import fit
from umr.models.published import published
from umr.models.ready import Wishes, ready
from umr.ui.searchers import Searchers

NAME, BASE = "VLM2Vec/VLM2Vec-V2.0", "Qwen/Qwen2-VL-2B-Instruct"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path, LastReference]:
    """An adapter with magnitudes and the older names of weights, its base, and what peft computes of both."""
    root = tmp_path_factory.mktemp("vlm2vec")
    model = publish_adapter(root / "adapter", publish(root / "base"), older=True)
    return root / "adapter", root / "base", LastReference(root / "base", model.get_base_model())


@pytest.fixture
def shelf(bare_shelf, trained) -> Shelf:
    for name, folder in ((NAME, trained[0]), (BASE, trained[1])):
        bare_shelf.shelve_published(name, folder)
    return bare_shelf


def test_one_command_merges_an_adapter_and_its_vectors_are_those_of_peft(shelf, trained, tmp_path, monkeypatch, capsys):
    pages: list[Searchers] = []
    monkeypatch.setattr("umr.ui.layout.serve.run", lambda searchers, *_: pages.append(searchers))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("a red mug on a table")
    words = ["demo", "--folder", str(tmp_path / "notes"), "--encoder", f"hub:{NAME}"]
    rows = published(NAME), published(BASE)
    assert main([*words, "--dry-run"]) == 0 and shelf.weights_asked() == []
    said = capsys.readouterr().err
    assert f"is an adapter: it is merged into hub:{BASE}, on which it was trained" in said
    assert all(row is not None and f"hub:{row.name} is taken at commit {row.revision}" in said for row in rows)
    assert "are to be downloaded to" in said and "to be merged there" in said
    assert main(words) == 0 and [page.names for page in pages] == [["VLM2Vec-V2.0"]]
    requests = len(shelf.asked)
    point(monkeypatch, "http://127.0.0.1:9")
    assert main(words) == 0 and len(pages) == 2 and len(shelf.asked) == requests

    place = ready(f"hub:{NAME}", Wishes(), print)
    assert place is not None and read_config(place).revision == f"hub:{NAME}@{rows[0].revision}"
    encoder, reference = load_encoder(place, device="cpu"), trained[2]
    seen = [one for one in FROM_A_CELL if one.video is None]
    assert len(seen) == 4
    assert least_cosine(encoder, seen, [reference.vlm2vec(one, query=False) for one in seen], None) >= 0.9999
    assert least_cosine(encoder, seen, [reference.vlm2vec(one, ASKED) for one in seen], ASKED) >= 0.9999


def test_an_adapter_of_no_row_names_its_base_itself_and_the_base_stays_at_a_commit(shelf, trained, tmp_path, capsys):
    base = {**contents(trained[1])}
    shelf.shelve("me/base", base)
    shelf.shelve("me/lora", changed(trained[0], base_model_name_or_path="me/base"))
    first = shelf.heads["me/base", "main"]
    said: list[str] = []
    place = ready("hub:me/lora", Wishes(recipe="lamra"), said.append)
    assert place is not None and f"hub:me/base is commit {first} today; it stays at that one from now on" in said
    shelf.shelve("me/base", base | {"more.json": b"{}"})
    shelf.shelve("me/lora", changed(trained[0], base_model_name_or_path="me/base", inference_mode=False))
    commit = shelf.heads["me/lora", "main"]
    said.clear()
    assert ready(f"hub:me/lora@{commit}", Wishes(recipe="lamra"), said.append) not in (None, place)
    assert f"hub:me/base is taken at commit {first}" in said
    tagged = shelf.shelve("me/base", base | {"most.json": b"{}"}, branch="v2")
    shelf.shelve("me/lora", changed(trained[0], base_model_name_or_path="me/base", revision="v2"))
    said.clear()
    ready(f"hub:me/lora@{shelf.heads['me/lora', 'main']}", Wishes(recipe="lamra", dry_run=True), said.append)
    assert f"hub:me/base@v2 is commit {tagged} today; it stays at that one from now on" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"base_model_name_or_path": "/fsx/somebody/qwen"},
            "has the base '/fsx/somebody/qwen', which is no other repository",
        ),
        ({"base_model_name_or_path": "me/lora"}, "has the base 'me/lora', which is no other repository"),
        ({"base_model_name_or_path": NAME}, "which is no plain checkpoint; `umr adopt hub:me/lora@"),
        ({"base_model_name_or_path": "me/nothing"}, "that you may read: check OWNER/NAME"),
        ({"peft_type": "IA3"}, "has the peft_type 'IA3'; 'LORA' alone is merged here"),
    ],
)
def test_an_adapter_that_cannot_be_merged_is_refused_before_weights_are_downloaded(shelf, trained, change, words):
    shelf.shelve("me/lora", changed(trained[0], **{"base_model_name_or_path": BASE} | change))
    with pytest.raises(ConfigError) as refused:
        ready("hub:me/lora", Wishes(), print)
    assert words in str(refused.value) and shelf.weights_asked() == []


def test_an_adapter_whose_base_does_not_fit_or_is_of_no_class_is_refused(shelf, trained, monkeypatch):
    weights = sum(len(data) for name, data in contents(trained[1]).items() if name.endswith(".safetensors"))
    adapter = (trained[0] / "adapter_model.safetensors").stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(fit, "free_disk", lambda _: fit.SPARE + adapter + 2 * weights - 1)  # downloaded, and merged
        with pytest.raises(fit.DiskFullError, match="are to be downloaded to"):
            ready(f"hub:{NAME}", Wishes(), print)
    other = json.loads((trained[1] / "config.json").read_text()) | {"model_type": "blip"}
    shelf.shelve("me/blip", contents(trained[1]) | {"config.json": json.dumps(other).encode()})
    shelf.shelve("me/lora", changed(trained[0], base_model_name_or_path="me/blip"))
    with pytest.raises(ConfigError, match=r"hub:me/blip@.* is of the class 'blip'"):
        ready("hub:me/lora", Wishes(), print)
    assert shelf.weights_asked() == []


def local(adapter: Path, folder: Path, **change: object) -> Path:
    """A copy of an adapter's folder, its settings changed."""
    folder.mkdir()
    for name, data in changed(adapter, **change).items():
        (folder / name).write_bytes(data)
    return folder


def test_a_folder_of_an_adapter_is_an_encoder_of_every_command_once_merged(shelf, trained, tmp_path, capsys):
    base = shutil.copytree(trained[1], tmp_path / "base")
    lora = local(trained[0], tmp_path / "lora", base_model_name_or_path=str(base))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("a red mug on a table")
    notes, index, cache = str(tmp_path / "notes"), tmp_path / "index", tmp_path / "cache" / "encoders"
    assert main(["demo", "--folder", notes, "--encoder", str(lora), "--dry-run"]) == 0 and not cache.exists()
    said = capsys.readouterr().err
    assert f"{lora} is an adapter: it is merged into {base}, on which it was trained" in said
    assert "M parameters, weights of" in said and f"are to be written to {cache}" in said
    assert main(["index", notes, "--encoder", str(lora), "--out", str(index)]) == 0
    [place] = cache.iterdir()
    assert main(["search", "--index", str(index), "--text", "a red mug", "--json"]) == 0
    capsys.readouterr()
    assert ready(str(lora), Wishes(), print) == place and "adopted before" in capsys.readouterr().out

    merged = ready(str(lora), Wishes(recipe="vlm2vec-v2"), print)
    seen = [one for one in FROM_A_CELL if one.video is None]
    wanted = [trained[2].vlm2vec(one, ASKED) for one in seen]
    assert least_cosine(load_encoder(merged, device="cpu"), seen, wanted, ASKED) >= 0.9999
    assert shelf.asked == [] and read_config(merged).name == "lora"
    (base / "more.json").write_text("{}")
    assert ready(str(lora), Wishes(dry_run=True), print) is None  # merged anew into a base that is another one


def test_a_folder_of_an_adapter_brings_its_base_from_the_hub_and_is_offline_afterwards(
    shelf, trained, tmp_path, monkeypatch
):
    lora, said, commit = tmp_path / "lora", [], published(BASE).revision
    place = ready(str(local(trained[0], lora, base_model_name_or_path=f"hub:{BASE}")), Wishes(), said.append)
    assert f"{lora} is an adapter: it is merged into hub:{BASE}, on which it was trained" in said
    assert f"hub:{BASE} is taken at commit {commit}" in said and any("to be merged there" in one for one in said)
    assert place is not None and load_encoder(place, device="cpu").name == "lora"
    point(monkeypatch, "http://127.0.0.1:9")
    assert ready(str(lora), Wishes(), print) == place
    again = local(trained[0], tmp_path / "peft", base_model_name_or_path=BASE)  # as peft writes the name
    with pytest.raises(ConfigError, match="check the name and the connection"):
        ready(str(again), Wishes(), print)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"base_model_name_or_path": "/fsx/somebody/qwen"},
            "which is no folder here and no repository of the Hub; `umr adopt",
        ),
        ({"base_model_name_or_path": "./qwen"}, "has the base './qwen', which is no folder here"),
        ({"base_model_name_or_path": None}, "has the base None, which is no folder here"),
        ({"base_model_name_or_path": "me/nothing"}, "that you may read: check OWNER/NAME"),
        ({"base_model_name_or_path": NAME}, "which is no plain checkpoint; `umr adopt"),
        ({"base_model_name_or_path": "LORA"}, "which is no plain checkpoint; `umr adopt"),
        ({"base_model_name_or_path": "EMPTY"}, "has no config.json"),
        ({"base_model_name_or_path": BASE, "peft_type": "IA3"}, "has the peft_type 'IA3'; 'LORA' alone is merged here"),
    ],
)
def test_a_folder_of_an_adapter_that_cannot_be_merged_is_refused(shelf, trained, tmp_path, change, words):
    (tmp_path / "empty").mkdir()
    named = change["base_model_name_or_path"]
    told = change | {"base_model_name_or_path": str(tmp_path / named.lower()) if named in ("LORA", "EMPTY") else named}
    lora = local(trained[0], tmp_path / "lora", **told)
    with pytest.raises(ConfigError) as refused:
        ready(str(lora), Wishes(), print)
    assert words in str(refused.value) and shelf.weights_asked() == []
    (lora / "adapter_model.safetensors").unlink()
    if "peft_type" not in change:
        with pytest.raises(ConfigError, match=r"has no adapter_model\.safetensors"):
            ready(str(lora), Wishes(), print)


def test_a_folder_of_an_adapter_whose_merging_does_not_fit_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("UMR_CACHE", str(tmp_path / "cache"))
    lora = local(trained[0], tmp_path / "lora", base_model_name_or_path=str(trained[1]))
    weights = sum(path.stat().st_size for path in trained[1].glob("*.safetensors"))
    monkeypatch.setattr(fit, "free_disk", lambda _: fit.SPARE + weights - 1)
    with pytest.raises(fit.DiskFullError, match="are to be written to"):
        ready(str(lora), Wishes(), print)


def changed(adapter: Path, **change: object) -> dict[str, bytes]:
    """The files of an adapter, its settings changed."""
    told = json.loads((adapter / "adapter_config.json").read_text()) | change
    return contents(adapter) | {"adapter_config.json": json.dumps(told).encode()}
