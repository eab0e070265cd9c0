"""The two forms of folder that a model is made into, an encoder's and a re-ranker's: where one lies, how one is made.

Nothing is downloaded here, and no form is chosen.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from umr.disk import copied
from umr.encoders.backbone import backbone_class
from umr.encoders.checkpoint import WeightsMissing
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_config import read_settings
from umr.encoders.hub import ALLOWED
from umr.errors import ConfigError, UMRError
from umr.rerank.config import read_config
from umr.shipped import CONFIG_NAME, RERANKER_CONFIG, cache_root

WEIGHTS = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a repository or a public checkpoint is made into.

    Attributes:
        what: it is called, with its article.
        mark: the file that makes a folder one.
        home: the folder of the cache that adopted ones lie in.
        option: of the command line, which takes one.
        files: a folder's settings -> {name: sha256} of its other files.
        backbone: a folder's settings -> the name of the backbone that computes it; "" for another way.
        adopt: writes the folder `out` from a checkpoint, by a recipe.
    """

    what: str
    mark: str
    home: str
    option: str
    files: Callable[[Path], Mapping[str, str]]
    backbone: Callable[[Path], str]
    adopt: Callable[[str | Path, Path, str], object]

    def adoptions(self) -> Path:
        """Where adopted ones lie."""
        return Path(os.path.abspath(cache_root() / self.home))

    def adopted_at(self, name: str, recipe: str) -> Path:
        """Where one of this name comes to lie, asked by a recipe."""
        return self.adoptions() / f"{name}-{recipe}"

    def made(self, folder: Path) -> bool:
        """Whether the folder is one."""
        return (folder / self.mark).is_file()


def _encoder(source: str | Path, out: Path, recipe: str) -> object:
    from umr.encoders.adopt import adopt

    return adopt(source, out, recipe=recipe)


def _reranker(source: str | Path, out: Path, recipe: str) -> object:
    from umr.rerank.adopt import adopt_reranker

    return adopt_reranker(source, out, recipe)


def _backbone_of_encoder(folder: Path) -> str:
    settings = read_settings(folder)
    return settings.backbone if isinstance(settings, EncoderConfig) else ""


ENCODER = Form(
    what="an encoder",
    mark=CONFIG_NAME,
    home="encoders",
    option="--encoder",
    files=lambda folder: read_settings(folder).files,
    backbone=_backbone_of_encoder,
    adopt=_encoder,
)
RERANKER = Form(
    what="a re-ranker",
    mark=RERANKER_CONFIG,
    home="rerankers",
    option="--rerank",
    files=lambda folder: read_config(folder).files,
    backbone=lambda folder: read_config(folder).network.backbone,
    adopt=_reranker,
)


def form_of(files: Container[str]) -> Form | None:
    """What a folder with these files is; None for somebody's checkpoint."""
    return next((form for form in (ENCODER, RERANKER) if form.mark in files), None)


def check_form(form: Form, folder: Path, where: str) -> None:
    """Refuse a folder of the other form, which is called `where`.

    Raises:
        ConfigError: it is one.
    """
    other = RERANKER if form is ENCODER else ENCODER
    if other.made(folder) and not form.made(folder):
        raise ConfigError(f"{where} is {other.what}, not {form.what}: {other.option} takes it")


def check_weightless(form: Form, folder: Path, where: str, out: Path, recipe: str) -> None:
    """Refuse a folder without weights for anything but these; it is called `where` then.

    Raises:
        ConfigError: it is none that umr opens.
        MismatchError: its settings are damaged.
    """
    check_form(form, folder, where)
    try:
        if form.made(folder):
            if backbone := form.backbone(folder):
                backbone_class(backbone)
        else:
            form.adopt(folder, out, recipe)
    except WeightsMissing:
        return
    except UMRError as error:
        raise type(error)(str(error).replace(str(folder), where)) from error


def check_settings(form: Form, folder: Path, where: str, out: Path, recipe: str) -> None:
    """As check_weightless, of a folder with weights, which are not opened.

    Raises:
        ConfigError: it is none that umr opens.
        MismatchError: its settings are damaged.
    """
    with tempfile.TemporaryDirectory(prefix="umr-") as bare:
        for path in (path for pattern in ALLOWED for path in folder.rglob(pattern)):
            if path.is_file() and path.suffix != WEIGHTS:
                place = Path(bare) / path.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                copied(path, place)
        check_weightless(form, Path(bare), where, out, recipe)


def sign_of(folder: Path) -> str:
    """A sign of where a folder lies, and of the names, sizes and dates of its files."""
    seen = hashlib.sha256(str(folder.resolve()).encode())
    for path in sorted(folder.rglob("*")):
        now = path.stat()
        seen.update(f"{path.relative_to(folder)} {now.st_size} {now.st_mtime_ns}\n".encode())
    return seen.hexdigest()[:12]
