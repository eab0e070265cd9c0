"""A public checkpoint as it lies in its folder: its settings, the names of its weights. Not whether it can be used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umr.encoders.tokenizer import TOKENIZER_NAME
from umr.errors import ConfigError, MismatchError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
AGAIN = "copy the checkpoint again"
SHOWN = 60  # characters of a wrong value in a message
CONFIG, MODULES = "config.json", "modules.json"  # of a model of sentence-transformers the second
_POINTER = b"version https://git-lfs.github.com/spec/"  # how the file begins that Git keeps in place of a large one
ADAPTER, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


class WeightsMissing(MismatchError):
    """All but the weights is there."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of an object in a checkpoint's JSON, each read as what it must be; others cannot be computed with.

    Attributes:
        of: whose they are, for messages: "config.json of NAME".
        values: by name; null stands for a field that is not there.
    """

    of: str
    values: Mapping[str, Any]

    def part(self, key: str) -> Fields:
        """The fields of an object inside it; none where it is not there.

        Raises:
            MismatchError: it is no object.
        """
        found = self.values.get(key)
        if not isinstance(found, dict | None):
            raise self._wrong(key, "an object is needed")
        return Fields(f"{key} in {self.of}", found or {})

    def whole(self, key: str, usual: int) -> int:
        """A whole number of at least 1; `usual` where it is not there, as old files leave out what is usual.

        Raises:
            MismatchError: it is another value.
        """
        found = self.values.get(key)
        if found is None:
            return usual
        if type(found) is not int or found < 1:
            raise self._wrong(key, "a whole number of at least 1 is needed")
        return found

    def count(self, *keys: str) -> int | None:
        """The first of some fields that is there and not 0, as a whole number; None where none is.

        Raises:
            MismatchError: it is no number, or below 0.
        """
        for key in keys:
            found = self.values.get(key)
            if found is not None and (type(found) not in (int, float) or not 0 <= found < math.inf):
                raise self._wrong(key, "a number of at least 0 is needed")
            if found:
                return int(found)
        return None

    def colours(self, key: str) -> tuple[float, ...] | None:
        """A number for each colour, or one for all three; None where it is not there.

        Raises:
            MismatchError: it is another value.
        """
        found = self.values.get(key)
        if found is None:
            return None
        three = found if isinstance(found, list) else [found] * 3
        if len(three) != 3 or any(type(one) not in (int, float) or not abs(one) < 1e9 for one in three):
            raise self._wrong(key, "a list of three numbers is needed, one for each colour")
        return tuple(map(float, three))

    def names(self, key: str) -> dict[str, str]:
        """An object whose values are words.

        Raises:
            MismatchError: it is not there, or another value.
        """
        found = self.values.get(key)
        if not isinstance(found, dict):
            raise self._wrong(key, "an object is needed")
        for name, value in found.items():
            if not isinstance(value, str) or not value:
                raise MismatchError(f"{self.of} has {value!r} for {name} of {key}; a name is needed: {AGAIN}")
        return found

    def _wrong(self, key: str, needed: str) -> MismatchError:
        shown = repr(self.values.get(key))
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
        return MismatchError(f"{self.of} has the {key} {shown}; {needed}: {AGAIN}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Somebody's checkpoint.

    Attributes:
        folder: where it lies.
        source: how it was named, for messages.
        model: its config.json.
        draft: it was written here on the way to an encoder folder, so that its weights may be linked.
    """

    folder: Path
    source: str | Path
    model: dict[str, Any]
    draft: bool = False

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
        if is_adapter(folder):
            base = read_json(folder / ADAPTER).get("base_model_name_or_path") or "its base"
            raise ConfigError(
                f"{source} is an adapter to {base}, not a whole checkpoint; merge it first: `umr adopt {source} --base "
                "BASE --out DIR` does, BASE being a folder or hub:OWNER/NAME@REVISION"
            )
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"{source} has no config.json; give the folder of a transformers checkpoint of {families}"
            )
        return cls(folder=folder, source=source, model=read_json(folder / "config.json"))

    @property
    def settings(self) -> Fields:
        """The fields of its config.json."""
        return Fields(f"config.json of {self.source}", self.model)

    def fields(self, name: str) -> Fields:
        """Those of another file (see `read`)."""
        return Fields(f"{name} of {self.source}", self.read(name))

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
        check_fetched(self.folder / TOKENIZER_NAME)

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
            MismatchError: the index is damaged, or names one elsewhere.
        """
        names = [WEIGHTS]
        if self.has(INDEX):
            names = [INDEX, *sorted(set(self.fields(INDEX).names("weight_map").values()))]
        for name in names:
            if Path(name).name != name:
                raise MismatchError(f"{self.folder / INDEX} names {name}, which lies elsewhere; do not trust it")
        return names

    def weight_files(self) -> list[str]:
        """The names of weight_names.

        Raises:
            WeightsMissing: one is.
            MismatchError: the index is damaged, or names one elsewhere.
        """
        names = self.weight_names()
        for name in names:
            if not self.has(name):
                pickled = min((path.name for path in self.folder.glob("*.bin")), default="")
                way = (
                    f"; {pickled} is a pickle: load it with transformers and save_pretrained it anew" if pickled else ""
                )
                raise WeightsMissing(
                    f"{self.folder / name} is missing; copy the checkpoint again (only safetensors are read{way})"
                )
            check_fetched(self.folder / name)
        return names


def check_fetched(path: Path) -> None:
    """Look whether a file is here itself, and not what Git keeps in its place: a clone without Git LFS has pointers.

    Raises:
        MismatchError: it is a pointer.
    """
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise MismatchError(
                f"{path} is a pointer of Git LFS, not the file itself; `git lfs pull` in its folder brings it"
            )


def is_adapter(folder: Path) -> bool:
    """Whether it is an adapter to somebody's checkpoint."""
    return (folder / ADAPTER).is_file()


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
