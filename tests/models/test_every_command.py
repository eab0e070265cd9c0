"""One way from a name to an encoder for every command: what one of them adopted or pinned is there for the others."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.encoders import dual_public
from tests.encoders.public import write_checkpoint
from tests.eval.benchmarks.test_benchmarks import cirr
from tests.models.shelf import Shelf, point
from umr.cli.commands import main
from umr.encoders.dual_config import read_settings
from umr.index.manifest import IndexManifest
from umr.models import fit
from umr.models.published import published
from umr.models.ready import Wishes, ready

KNOWN = "google/siglip-base-patch16-224"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def siglip(tmp_path_factory) -> Path:
    return dual_public.write(tmp_path_factory.mktemp("public") / "tiny-SigLIP", dual_public.SIGLIP)


@pytest.fixture
def shelf(bare_shelf, siglip, make, tmp_path) -> Shelf:
    make(name="ours").save(tmp_path / "ours")
    bare_shelf.shelve("me/ours", tmp_path / "ours")
    bare_shelf.shelve("me/tiny-SigLIP", siglip)
    bare_shelf.shelve_published(KNOWN, siglip)
    return bare_shelf


@pytest.fixture
def notes(tmp_path) -> Path:
    """A folder of two texts."""
    (tmp_path / "notes").mkdir()
    for name, text in (("a", "a red mug on a table"), ("b", "two cats")):
        (tmp_path / "notes" / f"{name}.txt").write_text(text)
    return tmp_path / "notes"


@pytest.fixture
def rows(tmp_path) -> Path:
    (tmp_path / "rows.jsonl").write_text('{"text": "a red mug", "role": "candidate"}\n')
    return tmp_path / "rows.jsonl"


@pytest.fixture
def embed(rows, tmp_path, capsys):
    """Embeds the row: its vector, and what was said."""

    def call(spec: str) -> tuple[np.ndarray | None, str]:
        status = main(["embed", str(rows), "--encoder", spec, "--out", str(tmp_path / "v.npy")])
        return np.load(tmp_path / "v.npy") if status == 0 else None, capsys.readouterr().err

    return call


def kept_by_client(shelf: Shelf, name: str, cache: Path) -> Path:
    """The snapshot of a repository as the Hub's own client keeps it: links into a store of blobs."""
    commit = shelf.heads[name, "main"]
    home = cache / f"models--{name}".replace("/", "--")
    for file, data in shelf.commits_of[name, commit].items():
        blob, link = home / "blobs" / hashlib.sha256(data).hexdigest(), home / "snapshots" / commit / file
        for path in (blob, link):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link.symlink_to(blob)
    return home / "snapshots" / commit


def adopted(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "encoders").glob("[!.]*"))


def test_a_public_checkpoints_folder_is_an_encoder_of_every_command(shelf, siglip, notes, embed, tmp_path, capsys):
    vector, said = embed(str(siglip))
    assert vector is not None and "M parameters, weights of" in said and "are to be copied to" in said
    [place] = adopted(tmp_path)
    assert main(["index", str(notes), "--encoder", str(siglip), "--out", str(tmp_path / "index")]) == 0
    assert f"is in {place}, adopted before" in capsys.readouterr().err
    assert (tmp_path / "index" / IndexManifest.read(tmp_path / "index").encoder_at).resolve() == place.resolve()
    assert main(["search", "--index", str(tmp_path / "index"), "--text", "a red mug", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    cirr(tmp_path / "data")
    asked = ["evaluate", "--benchmark", "cirr", "--data", str(tmp_path / "data"), "--encoder", str(siglip), "--json"]
    assert main(asked) == 0 and json.loads(capsys.readouterr().out)[0]["part"] == "val"
    assert main(["push", str(siglip), "me/mine", "--dry-run", "--json"]) == 0
    assert "encoder.json" in {row["file"] for row in json.loads(capsys.readouterr().out)}
    assert main(["export", str(siglip), "--to", "sentence-transformers", "--out", str(tmp_path / "out")]) == 2
    assert "is a dual encoder" in capsys.readouterr().err
    assert adopted(tmp_path) == [place] and shelf.asked == []


def test_a_name_of_the_table_needs_no_revision_and_every_name_is_offline_afterwards(shelf, notes, embed, monkeypatch):
    first, said = embed(f"hub:{KNOWN}")
    row = published(KNOWN)
    assert row is not None and f"is taken at commit {row.revision}" in said and "are to be downloaded to" in said
    commit = shelf.heads["me/tiny-SigLIP", "main"]
    assert ready("hub:me/tiny-SigLIP", Wishes(), print) is not None  # as `demo` does
    requests = len(shelf.asked)
    point(monkeypatch, NOBODY)
    again, said = embed(f"hub:{KNOWN}")
    assert "downloaded before" in said and first is not None and np.array_equal(first, again)
    pinned, said = embed("hub:me/tiny-SigLIP")
    assert f"is at commit {commit}, downloaded before" in said and np.array_equal(first, pinned)
    assert len(shelf.asked) == requests


def test_an_index_names_an_encoder_of_the_hub_by_its_commit(shelf, notes, tmp_path, monkeypatch, capsys):
    index, commit = tmp_path / "index", shelf.heads["me/ours", "main"]
    assert main(["index", str(notes), "--encoder", "hub:me/ours", "--out", str(index)]) == 0
    assert IndexManifest.read(index).encoder_at == f"hub:me/ours@{commit}"
    point(monkeypatch, NOBODY)
    assert main(["search", "--index", str(index), "--text", "a red mug"]) == 0
    assert "a.txt" in capsys.readouterr().out


def test_what_the_hubs_own_client_keeps_is_not_downloaded_again(shelf, embed, tmp_path, monkeypatch):
    commit = shelf.heads["me/ours", "main"]
    kept_by_client(shelf, "me/ours", tmp_path / "client")
    point(monkeypatch, NOBODY)
    assert embed(f"hub:me/ours@{commit}")[0] is not None
    assert "check the name and the connection" in embed("hub:me/ours")[1]  # no commit was ever written down for it


def test_refusals_are_those_of_demo(shelf, embed, tmp_path, notes, monkeypatch):
    assert "there is no encoder 'nothing-here'" in embed("nothing-here")[1]
    assert "is not hub:OWNER/NAME" in embed("hub:ours")[1]
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"base_model_name_or_path": "Qwen/Qwen2-VL-2B-Instruct"}')
    (tmp_path / "lora" / "adapter_model.safetensors").write_bytes(b"")
    assert "adapter_config.json has the peft_type None; 'LORA' alone is merged here" in embed(str(tmp_path / "lora"))[1]
    assert main(["demo", "--folder", str(notes), "--encoder", str(tmp_path / "lora")]) == 2


def test_what_searches_a_bundled_index_names_the_command_that_builds_another(shelf, siglip, capsys):
    for word in (f"hub:{KNOWN}", str(siglip)):
        for command in (["search", "--text", "a mug"], ["evaluate"], ["diagnose"]):
            assert main([*command, "--encoder", word]) == 2
            said = capsys.readouterr().err
            assert f"media/catalogue --encoder {word} --out DIR`, or name its folder with --index" in said
    assert shelf.asked == []


def test_adopt_takes_a_name_without_a_revision_by_the_commit_that_demo_took(shelf, tmp_path, monkeypatch, capsys):
    assert ready("hub:me/tiny-SigLIP", Wishes(), print) is not None
    shelf.shelve("me/tiny-SigLIP", {"README.md": b"another commit"})
    point(monkeypatch, NOBODY)
    assert main(["adopt", "hub:me/tiny-SigLIP", "--out", str(tmp_path / "here")]) == 0
    commit = read_settings(tmp_path / "here").revision.rpartition("@")[2]
    assert commit in capsys.readouterr().err and "config.json" in shelf.commits_of["me/tiny-SigLIP", commit]
    assert main(["adopt", "hub:me/other", "--out", str(tmp_path / "other")]) == 2
    assert "check the name and the connection" in capsys.readouterr().err


# A folder: nothing is opened or copied before there is room for it


def demo(notes: Path, *more: str) -> int:
    return main(["demo", "--folder", str(notes), *more])


def test_a_folders_dry_run_says_its_sizes_and_writes_nothing(shelf, siglip, notes, tmp_path, capsys):
    assert demo(notes, "--encoder", str(siglip), "--dry-run") == 0
    said = capsys.readouterr().err
    assert f"{siglip}: " in said and "M parameters, weights of" in said and "are to be copied to" in said
    assert not (tmp_path / "cache").exists()
    assert demo(notes, "--dry-run") == 0 and "of memory in float32" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_does_not_fit_is_neither_opened_nor_copied(shelf, siglip, notes, tmp_path, capsys, monkeypatch):
    copied = (siglip / "model.safetensors").stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(fit, "free_disk", lambda _: fit.SPARE + copied - 1)
        assert demo(notes, "--encoder", str(siglip)) == 2
        assert "are to be copied to" in capsys.readouterr().err.splitlines()[-1]
    with monkeypatch.context() as patch:
        patch.setattr(fit, "free_memory", lambda: 1_000_000)
        assert demo(notes, "--encoder", str(siglip)) == 2
        assert "1.0 MB are free. Close other programs" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "cache").exists()


def test_what_only_copies_a_model_asks_for_no_memory(shelf, siglip, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fit, "free_memory", lambda: 1_000_000)
    write_checkpoint(tmp_path / "tiny-VL", "1GB")
    shelf.shelve("me/tiny-VL", tmp_path / "tiny-VL")
    command = ["--to", "sentence-transformers", "--out"]
    for number, spec in enumerate(("hub:me/tiny-VL", str(tmp_path / "tiny-VL"))):
        out = tmp_path / f"out-{number}"
        assert main(["export", spec, *command, str(out)]) == 0, capsys.readouterr().err
        assert (out / "encoder.json").is_file()
    assert main(["push", str(siglip), "me/mine", "--dry-run"]) == 0
    monkeypatch.setattr(fit, "free_disk", lambda _: fit.SPARE)
    assert main(["export", "hub:me/tiny-SigLIP", *command, str(tmp_path / "none")]) == 2
    assert "are to be downloaded to" in capsys.readouterr().err.splitlines()[-1]


def test_other_forms_of_the_weights_are_not_counted(shelf, siglip, tmp_path):
    folder = shutil.copytree(siglip, tmp_path / "twice")
    shutil.copy(folder / "model.safetensors", folder / "model.fp16.safetensors")
    said: list[str] = []
    for one in (siglip, folder):
        ready(str(one), Wishes(dry_run=True), said.append)
    assert said[0].split(": ")[1].split(";")[0] == said[1].split(": ")[1].split(";")[0]


def test_weights_in_the_store_of_the_hubs_client_are_linked(shelf, siglip, tmp_path, monkeypatch, capsys):
    snapshot = kept_by_client(shelf, "me/tiny-SigLIP", tmp_path / "client")
    monkeypatch.setattr(fit, "free_disk", lambda _: fit.SPARE)
    said: list[str] = []
    place = ready(str(snapshot), Wishes(), said.append)
    assert place is not None and "they are linked, not copied" in said[0]
    assert (place / "model.safetensors").samefile(snapshot / "model.safetensors")
    assert not (place / "config.json").samefile(snapshot / "config.json")


def test_a_language_model_that_is_not_in_the_table_is_said_to_be_probably_untrained(shelf, tmp_path):
    write_checkpoint(tmp_path / "tiny-VL", "1GB")
    shelf.shelve("me/tiny-VL", tmp_path / "tiny-VL")
    for spec in ("hub:me/tiny-VL", str(tmp_path / "tiny-VL")):
        told: list[list[str]] = [[], [], []]
        for said, wishes in zip(told, (Wishes(dry_run=True), Wishes(), Wishes()), strict=True):
            ready(spec, wishes, said.append)
        assert ["probably not trained for retrieval" in " ".join(said) for said in told] == [True, True, True]
    quiet: list[str] = []
    ready("hub:me/tiny-VL", replace(Wishes(), recipe="umarvel", dry_run=True), quiet.append)
    ready("hub:me/ours", Wishes(dry_run=True), quiet.append)
    assert quiet and "trained" not in " ".join(quiet)


# On a GPU


@pytest.fixture
def gpu(monkeypatch):
    """torch tells of a GPU with so many free bytes, which has bfloat16 or has not."""

    def tell(free: int, bfloat16: bool) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation=True: bfloat16)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a GPU of tests")
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (free, free))
        monkeypatch.setattr(fit, "free_memory", lambda: None)

    return tell


def test_a_gpu_with_bfloat16_computes_in_it_and_one_without_as_the_cpu(gpu):
    assert fit.dtype_that_fits("it", 1_000) == "float32"
    gpu(100 * 10**9, bfloat16=True)
    assert fit.dtype_that_fits("it", 1_000) == "bfloat16" and fit.bfloat16_gpu() == "a GPU of tests"
    assert fit.dtype_that_fits("it", 1_000, "float32") == "float32"
    with pytest.raises(fit.ConfigError, match=r"need 201\.2 GB of memory of the GPU, 100\.0 GB are free"):
        fit.dtype_that_fits("it", 100 * 10**9)
    gpu(5 * 10**9, bfloat16=False)
    assert fit.dtype_that_fits("it", 1_000) == "float32" and fit.bfloat16_gpu() == ""
    assert fit.dtype_that_fits("it", 10**9) == "bfloat16"  # where float32 does not fit, as ever


def precision(index: Path) -> str:
    return IndexManifest.read(index).precision


def test_an_encoder_of_the_hub_is_indexed_in_bfloat16_on_a_gpu_that_has_it(
    shelf, siglip, notes, tmp_path, monkeypatch, capsys
):
    def index(spec: str, name: str, *more: str) -> str:
        assert main(["index", str(notes), "--encoder", spec, "--out", str(tmp_path / name), *more]) == 0
        return capsys.readouterr().err

    said = "hub:me/ours is computed in bfloat16, which a GPU of tests computes in; --dtype float32 asks for the other"
    assert said not in index("hub:me/ours", "cpu") and precision(tmp_path / "cpu") == "float32"
    monkeypatch.setattr(fit, "bfloat16_gpu", lambda: "a GPU of tests")
    assert said in index("hub:me/ours", "gpu") and precision(tmp_path / "gpu") == "bfloat16"
    assert main(["search", "--index", str(tmp_path / "gpu"), "--text", "a red mug", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    others = {"asked": ("hub:me/ours", "--dtype", "float32"), "part": ("hub:me/ours", "--shard", "1/1"),
              "folder": (str(siglip),), "encoder": (str(tmp_path / "ours"),)}  # fmt: skip
    for name, (spec, *more) in others.items():
        assert "is computed in" not in index(spec, name, *more) and precision(tmp_path / name) == "float32"


def test_a_benchmark_measures_an_encoder_of_the_hub_in_what_index_takes(shelf, siglip, tmp_path, monkeypatch, capsys):
    cirr(tmp_path / "data")

    def evaluate(spec: str, name: str, *more: str) -> str:
        work, runs = str(tmp_path / name), str(tmp_path / f"{name}-runs")
        words = ["evaluate", "--benchmark", "cirr", "--data", str(tmp_path / "data"), "--encoder", spec, *more]
        assert main([*words, "--work", work, "--runs", runs]) == 0
        capsys.readouterr()
        return "".join(path.read_text() for path in Path(runs).rglob("*.json"))

    monkeypatch.setattr(fit, "bfloat16_gpu", lambda: "a GPU of tests")
    assert "--encoder hub:me/ours --dtype bfloat16" in evaluate("hub:me/ours", "gpu")
    assert "--encoder hub:me/ours --dtype float32" in evaluate("hub:me/ours", "asked", "--dtype", "float32")
    assert "--dtype" not in evaluate(str(siglip), "folder")
    found = {name: precision(tmp_path / name / "index") for name in ("gpu", "asked", "folder")}
    assert found == {"gpu": "bfloat16", "asked": "float32", "folder": "float32"}


def test_demo_says_what_the_gpu_computes_in(gpu, shelf, notes, capsys):
    gpu(100 * 10**9, bfloat16=True)
    assert demo(notes, "--dry-run") == 0
    said = capsys.readouterr().err
    assert "of memory in bfloat16, which a GPU of tests computes in; --dtype float32 asks for the other" in said
    assert demo(notes, "--dry-run", "--dtype", "float32") == 0
    assert "of memory in float32\n" in capsys.readouterr().err
