"""A public checkpoint as it lies in its folder: its settings, the names of its weights. Not whether it can be used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umr.encoders.tokenizer import TOKENIZER_NAME
from umr.errors import ConfigError, MismatchError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
CONFIG, MODULES = "config.json", "modules.json"  # of a model of sentence-transformers the second
ADAPTER = "adapter_config.json"


class WeightsMissing(MismatchError):
    """All but the weights is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Somebody's checkpoint.

    Attributes:
        folder: where it lies.
        source: how it was named, for messages.
        model: its config.json.
    """

    folder: Path
    source: str | Path
    model: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, source: str | Path, families: str) -> Checkpoint:
        """The checkpoint of a folder.

        Args:
            folder: where it lies.
            source: how it was named.
            families: what would be supported, for the message.

        Raises:
            ConfigError: there is no config.json, or it is an adapter.
            MismatchError: it is damaged.
        """
        if (folder / ADAPTER).is_file():
            base = read_json(folder / ADAPTER).get("base_model_name_or_path") or "its base"
            raise ConfigError(
                f"{source} is an adapter to {base}, not a whole checkpoint; merge it first: peft's "
                "PeftModel.from_pretrained(base, ADAPTER).merge_and_unload().save_pretrained(FOLDER), with the "
                "tokenizer and preprocessor beside it"
            )
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"{source} has no config.json; give the folder of a transformers checkpoint of {families}"
            )
        return cls(folder=folder, source=source, model=read_json(folder / "config.json"))

    def check_tokenizer(self) -> None:
        """Look whether it has the tokenizer's one file.

        Raises:
            ConfigError: it has not.
        """
        if not self.has(TOKENIZER_NAME):
            raise ConfigError(
                f"{self.source} has no {TOKENIZER_NAME}; AutoTokenizer.from_pretrained(...).save_pretrained(...) "
                "writes one"
            )

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.folder / name).is_file()

    def read(self, name: str) -> dict[str, Any]:
        """The JSON object in a file.

        Raises:
            ConfigError: it is absent.
            MismatchError: it is damaged.
        """
        if not self.has(name):
            raise ConfigError(f"{self.source} has no {name}; give the whole folder of the checkpoint")
        return read_json(self.folder / name)

    def weight_names(self) -> list[str]:
        """Names of the safetensors, with their index first where there are shards; they may be missing.

        Raises:
            MismatchError: the index names one elsewhere.
        """
        if self.has(INDEX):
            shards = self.read(INDEX).get("weight_map")
            names = [INDEX, *sorted(set(shards.values()))] if isinstance(shards, dict) else [INDEX]
        else:
            names = [WEIGHTS]
        for name in names:
            if Path(name).name != name:
                raise MismatchError(f"{self.folder / INDEX} names {name}, which lies elsewhere; do not trust it")
        return names

    def weight_files(self) -> list[str]:
        """The names of weight_names.

        Raises:
            WeightsMissing: one is.
            MismatchError: the index names one elsewhere.
        """
        names = self.weight_names()
        for name in names:
            if not self.has(name):
                raise WeightsMissing(
                    f"{self.folder / name} is missing; copy the checkpoint again (only safetensors are read)"
                )
        return names


def is_checkpoint(folder: Path) -> bool:
    """Whether it is somebody's checkpoint, or an adapter to one; not whether umr opens it."""
    return any((folder / name).is_file() for name in (CONFIG, MODULES, ADAPTER))


def modules(folder: Path) -> list[dict[str, str]]:
    """What modules.json of a model of sentence-transformers lists.

    Raises:
        MismatchError: it is damaged.
    """
    path = folder / MODULES
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise MismatchError(f"{path} is not readable JSON ({error}); copy the folder again") from error
    whole = isinstance(found, list) and found
    if not whole or not all(
        isinstance(one, dict) and {str} == {type(one.get(k)) for k in ("path", "type")} for one in found
    ):
        raise MismatchError(f"{path} lists no modules with a path and a type; copy the folder again")
    for one in found:
        if Path(one["path"]).is_absolute() or ".." in Path(one["path"]).parts:
            raise MismatchError(f"{path} names {one['path']}, which lies elsewhere; do not trust it")
    return list(found)


def first_module(folder: Path) -> Path:
    """Where the network lies: of a model of sentence-transformers its first module's folder, else the folder itself.

    Raises:
        MismatchError: modules.json is damaged.
    """
    return folder / modules(folder)[0]["path"] if (folder / MODULES).is_file() else folder


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint.

    Raises:
        MismatchError: it is damaged.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise MismatchError(f"{path} is not readable JSON ({error}); copy the checkpoint again") from error
    if not isinstance(data, dict):
        raise MismatchError(f"{path} holds a {type(data).__name__}, not an object; copy the checkpoint again")
    return data
