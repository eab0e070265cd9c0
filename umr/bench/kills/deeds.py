"""What is cut off: commands over small folders, and what must be equal in the end. Not how (trouble)."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from umr.bench.fuzz.kinds import write_tiny_encoder
from umr.disk import file_sha256
from umr.errors import MismatchError, exit_status

PICTURES = 24  # of a source, so that an index has several shards' worth of files
_STEPS = 6
_LATEST = "out.checkpoints/latest"
_MODULES = ("umr.cli.commands", "umr.cli.index", "umr.encoders.base", "umr.encoders.qwen_vl", "umr.encoders.tokenizer",
            "umr.encoders.store", "umr.index.index", "umr.index.renew")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that a person does by a command.

    Attributes:
        prepare: makes in a new folder what the command needs; run once.
        run: the command, given that folder; what it writes goes to folder/out. Returns its exit status.
        result: what must be equal afterwards, by file.
        standing: raises a UMRError where what is there, after it was cut off, could be taken for whole and is not.
        source: files of it may vanish or change; None where there are none.
        kept: a file in the folder that is there once some of the work is kept; "" where nobody looks for one.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path], int]
    result: Callable[[Path], dict[str, str]]
    standing: Callable[[Path], Mapping[str, str] | None]
    source: str | None
    kept: str = ""


def command(module: str, *arguments: str) -> int:
    """`python -m module arguments` in this process. Returns its exit status."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 2
    return 0


def preload(what: Sequence[str]) -> None:
    """Import what the commands use, and compute nothing: whoever is forked from here has it already."""
    for name in (*_MODULES, *(["training.train", "training.recall"] if {"train", "world"} & {*what} else [])):
        import_module(name)


def _pictures(folder: Path, count: int, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.NEAREST).save(folder / f"{number:03}.png")


def _index_command(folder: Path) -> int:
    out = str(folder / "out")
    return command("umr", "index", str(folder / "source"), "--encoder", str(folder / "encoder"), "--out", out)


def _prepare_index(folder: Path) -> None:
    write_tiny_encoder(folder / "encoder")
    _pictures(folder / "source", PICTURES)


def _prepare_add(folder: Path) -> None:
    _prepare_index(folder)
    if _index_command(folder):
        raise MismatchError(f"{folder} could not be indexed")
    _pictures(folder / "more", PICTURES // 2, PICTURES)


def _add_command(folder: Path) -> int:
    return command("umr", "index", "add", str(folder / "out"), str(folder / "more"))


def _index_result(folder: Path) -> dict[str, str]:
    """Hashes of vectors, ids, probe and collection; what lies there besides, by name alone."""
    from umr.index.manifest import IndexManifest
    from umr.index.stored import check_whole, open_collection

    out = folder / "out"
    manifest = IndexManifest.read(out)
    check_whole(out, manifest, open_collection(out, manifest))
    names = sorted(path.name for path in out.rglob("*") if not path.name.startswith("version-"))
    return manifest.files | {"candidates": manifest.collection, "names": " ".join(names)}


def _index_stands(folder: Path) -> None:
    """Either no index, or a whole one."""
    if (folder / "out" / "manifest.json").exists():
        _index_result(folder)


def _prepare_train(folder: Path) -> None:
    write_tiny_encoder(folder / "encoder")
    _pictures(folder / "source", PICTURES)
    names = sorted(path.name for path in (folder / "source").iterdir())
    rows = [
        {"image": f"source/{one}", "text": f"make it {other[:3]}", "target": f"source/{other}"}
        for one, other in zip(names, [*names[1:], names[0]], strict=True)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _train_command(folder: Path) -> int:
    return _trained(folder, "finetune", "--data", f"jsonl:{folder / 'rows.jsonl'}")


def _prepare_world(folder: Path) -> None:
    said = json.loads((write_tiny_encoder(folder / "encoder", frames=8) / "encoder.json").read_text("utf-8"))
    families = ["--families", "6", "--clip-families", "3", "--size", str(said["image_size"]), "--workers", "1"]
    if command("training.catalogue", "world", *families, "--out", str(folder / "catalogue")):
        raise MismatchError(f"{folder} has no world")


def _world_command(folder: Path) -> int:
    """The recipe that trains the bundled encoders, with all its programmes."""
    return _trained(folder, "unified", "--world", str(folder / "catalogue"))


def _trained(folder: Path, recipe: str, *data: str) -> int:
    settings = [f"steps={_STEPS}", "checkpoint_every=2", "threads=1", "bf16=false", "families_per_batch=4",
                "log_every=50"]  # fmt: skip
    return command("training.train", recipe, *data, "--init", str(folder / "encoder"), "--out", str(folder / "out"),
                   "--set", *settings)  # fmt: skip


def _train_result(folder: Path) -> dict[str, str]:
    from umr.encoders import load_encoder

    load_encoder(folder / "out", device="cpu")
    said = json.loads((folder / "out" / "encoder.json").read_text("utf-8"))
    del said["files"]  # hashes of the record too, which tells the time; the weights are compared themselves
    wanted = ("model.safetensors", "tokenizer.json")
    return (
        _hashes(folder / "out", wanted)
        | {"encoder": json.dumps(said)}
        | {"names": " ".join(sorted(path.name for path in folder.iterdir()))}
        | {"hidden": " ".join(sorted(path.name for path in folder.rglob(".*")))}
    )


def _encoder_stands(folder: Path) -> None:
    from umr.encoders import load_encoder

    if (folder / "out" / "encoder.json").exists():
        load_encoder(folder / "out", device="cpu")


def _hashes(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    return {name: file_sha256(folder / name) for name in names}


def _pack_command(folder: Path) -> int:
    """Builds the folder that `umr deploy space` sends; nothing is sent."""
    from umr.deploy.files import write_folder
    from umr.deploy.hardware import hardware
    from umr.deploy.space import plan_space

    with exit_status("umr") as ended:
        space = plan_space("somebody/page", hardware("cpu"), indexes=[folder / "index"])
        write_folder(space.files, folder / "out")
    return ended.status


def _prepare_pack(folder: Path) -> None:
    _prepare_index(folder)
    if _index_command(folder):
        raise MismatchError(f"{folder} could not be indexed")
    (folder / "out").rename(folder / "index")


def _pack_result(folder: Path) -> dict[str, str]:
    out = folder / "out"
    names = tuple(path.relative_to(out).as_posix() for path in sorted(out.rglob("*")) if path.is_file())
    return _hashes(out, names)


def _nothing(_: Path) -> None:
    """What is half there is not taken for whole by anybody: it is sent only when the command ends well."""


DEEDS: Mapping[str, Deed] = {
    "index": Deed(
        prepare=_prepare_index, run=_index_command, result=_index_result, standing=_index_stands, source="source"
    ),
    "add": Deed(prepare=_prepare_add, run=_add_command, result=_index_result, standing=_index_result, source="more"),
    "train": Deed(
        prepare=_prepare_train,
        run=_train_command,
        result=_train_result,
        standing=_encoder_stands,
        source="source",
        kept=_LATEST,
    ),
    "world": Deed(
        prepare=_prepare_world,
        run=_world_command,
        result=_train_result,
        standing=_encoder_stands,
        source=None,
        kept=_LATEST,
    ),
    "pack": Deed(prepare=_prepare_pack, run=_pack_command, result=_pack_result, standing=_nothing, source=None),
}
