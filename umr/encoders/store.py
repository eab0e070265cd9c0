"""Encoder folders: written whole, read only when nothing in them changed. Not the weights' format: the backbone's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer

from umr.disk import file_sha256
from umr.encoders.backbone import Backbone
from umr.encoders.card import write_card
from umr.encoders.config import EncoderConfig, write_config
from umr.encoders.dual_config import AnyConfig, DualConfig
from umr.encoders.interop import check_interop, write_interop
from umr.encoders.sentence_config import SentenceConfig
from umr.encoders.tokenizer import save_tokenizer
from umr.errors import ConfigError, MismatchError
from umr.known_hashes import known_sha256
from umr.shipped import CONFIG_NAME
from umr.whole import replacing_folder

Sealed = TypeVar("Sealed")
Config = TypeVar("Config", EncoderConfig, DualConfig, SentenceConfig)


def save_encoder(
    config: EncoderConfig,
    backbone: Backbone,
    tokenizer: Tokenizer,
    folder: str | Path,
    extra: Mapping[str, str] | None = None,
) -> EncoderConfig:
    """Write weights, tokenizer, extra texts and what seal adds; returns the config written.

    An encoder already there is replaced.

    Args:
        config: the settings.
        backbone: writes the weights.
        tokenizer: of the encoder.
        folder: where to.
        extra: {file name: text} kept beside them.

    Raises:
        ConfigError: the target exists and is no encoder folder.
    """

    def write(draft: Path) -> None:
        backbone.save(draft)
        save_tokenizer(tokenizer, draft)
        for name, text in (extra or {}).items():
            (draft / name).write_text(text, encoding="utf-8")

    check_place(folder)
    return seal(config, Path(folder), write)


def check_place(folder: str | Path, config: str = CONFIG_NAME, what: str = "an encoder folder") -> None:
    """Look, before any work is done, at what a folder to be written would replace.

    Args:
        folder: nothing, an empty folder or one of the same kind may be there.
        config: the file that a folder of this kind holds.
        what: the kind, in words.

    Raises:
        ConfigError: something else is there.
    """
    target = Path(folder)
    if target.exists() and not (target / config).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} exists and is not {what}; choose another place or remove it")


def seal(config: Config, target: Path, write: Callable[[Path], None]) -> Config:
    """An encoder folder of the files that `write` puts into the folder it is given; returns the config written.

    To them come what other tools read (umr.encoders.interop), the model card and, last, encoder.json with the sha256 of
    every file that was written: not of these, which are no part of the encoder's identity, nor of the card, which may
    be edited. Made beside the target and renamed, so that a folder is either whole or absent.

    Args:
        config: the settings, whose list of files is replaced.
        target: the folder; one that is there is replaced.
        write: puts weights, tokenizer and whatever else into the folder that it is given.
    """

    def finish(draft: Path, files: dict[str, str]) -> Config:
        sealed = config.with_files(files)
        if isinstance(sealed, EncoderConfig):  # the others keep their checkpoint's own files
            write_interop(sealed, draft)
        write_card(sealed, draft)
        write_config(sealed, draft)
        return sealed

    return sealed_folder(target, write, finish)


def sealed_folder(
    target: Path, write: Callable[[Path], None], finish: Callable[[Path, dict[str, str]], Sealed]
) -> Sealed:
    """A folder that is either whole or absent: made beside the target and renamed.

    Args:
        target: the folder; one that is there is replaced.
        write: puts files into the folder that it is given.
        finish: adds what names them, given the sha256 of each by its name; what it returns is returned.

    Raises:
        ConfigError: another process is writing it.
        DiskFullError: nothing more fits.
    """
    with replacing_folder(target) as draft:
        write(draft)
        files = {path.relative_to(draft).as_posix(): file_sha256(path) for path in sorted(draft.rglob("*"))
                 if path.is_file()}  # fmt: skip
        sealed = finish(draft, files)
        for path in draft.rglob("*"):  # safetensors writes for the owner alone; an encoder is shared
            path.chmod(0o755 if path.is_dir() else 0o644)
    return sealed


def check_files(config: AnyConfig, folder: str | Path) -> None:
    """Compare every file of an encoder folder with its hash (see check_hashes and check_interop)."""
    check_hashes(config.files, Path(folder), CONFIG_NAME, "encoder")
    check_interop(folder)


def check_hashes(files: Mapping[str, str], folder: Path, listed_in: str, what: str) -> None:
    """Compare every file with its hash.

    Args:
        files: {name in the folder: sha256}.
        folder: where they lie.
        listed_in: the file that lists them.
        what: the folder is, "encoder".

    Raises:
        MismatchError: a file is missing, changed or unlisted; the message names the first.
    """
    if not files:
        raise MismatchError(
            f"{folder} lists no files in {listed_in}, so nothing vouches for its weights; save it again"
        )
    for name, expected in sorted(files.items()):
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise MismatchError(f"{folder / listed_in} lists {name}, which lies outside the folder; do not trust it")
        if not path.is_file():
            raise MismatchError(f"{path} is missing; copy the {what} folder again")
        found = known_sha256(path)
        if found != expected:
            raise MismatchError(
                f"{path} changed: its sha256 is {found[:12]}..., {listed_in} expects {expected[:12]}...; "
                f"copy the {what} folder again, or save the {what} you meant"
            )
    weights = {path.name for path in folder.glob("*.safetensors")} | {
        name for name in ("config.json", "model.safetensors.index.json") if (folder / name).is_file()
    }
    for name in sorted(weights - set(files)):
        raise MismatchError(f"{folder / name} is not listed in {listed_in}; remove it, or copy the folder again")
