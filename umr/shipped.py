"""Where what this repository ships lies, and how the name of an encoder or an index is resolved. Nothing is opened."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from umr.errors import ConfigError

#: The collection that the repository ships, and its folder's name under every encoder.
BUNDLED = "catalogue"
DEFAULT_ENCODER = "unified"
#: The file that makes a folder a finished index, and the one that makes it an encoder; each is written last.
MANIFEST, CONFIG_NAME = "manifest.json", "encoder.json"
#: The file that makes a folder a re-ranker, and the folder under indexes/ where a shipped one lies.
RERANKER_CONFIG, RERANKER = "reranker.json", "reranker"
#: The folder beside an index that keeps what was measured of its encoder.
REPORTS = "reports"
#: How a name starts that is a repository of the Hugging Face Hub.
HUB = "hub:"
#: A repository as the Hub's page shows it, or its address.
_REPOSITORY = re.compile(
    r"(?:https?://[\w.:-]+/)?(?P<repository>[\w-][\w.-]*/[\w.-]+)(?:/(?:tree|resolve|blob)/(?P<revision>[\w.-]+).*|/)?"
)
#: SPDX name of the licence of this repository (LICENSE), and of what it renders and trains.
LICENCE = "Apache-2.0"
#: owner/name, which Hugging Face sets in the environment of a Space; and where one has its storage, if it has any.
SPACE, STORAGE = "SPACE_ID", Path("/data")


def repository_root() -> Path:
    """The folder that holds umr/ and indexes/."""
    return Path(__file__).resolve().parents[1]


def default_root() -> Path:
    """The repository's indexes/."""
    return repository_root() / "indexes"


def cache_root() -> Path:
    """Where worlds, checkpoints, votes and built folders lie: $UMR_CACHE, else a Space's storage, else ~/.cache/umr."""
    named, storage = os.environ.get("UMR_CACHE"), space_storage()
    if named:
        return Path(named)
    return Path.home() / ".cache" / "umr" if storage is None else storage / "umr"


def space_storage() -> Path | None:
    """What outlives a restart of the Space that this is; None where it is none, or has no storage to write to."""
    there = os.environ.get(SPACE) and STORAGE.is_dir() and os.access(STORAGE, os.W_OK)
    return STORAGE if there else None


def shown_path(path: str | Path) -> str:
    """A path from the repository's root where it lies in it, else absolute."""
    path = Path(os.path.abspath(path))
    return (path.relative_to(repository_root()) if path.is_relative_to(repository_root()) else path).as_posix()


def available(root: str | Path | None = None) -> list[str]:
    """Names of the encoders that have a finished index of the bundled collection, sorted.

    Args:
        root: the folder of encoders; None: the repository's.
    """
    root = default_root() if root is None else Path(root)
    return sorted(path.parents[1].name for path in root.glob(f"*/{BUNDLED}/{MANIFEST}"))


def index_folder(encoder: str, root: str | Path | None = None) -> Path:
    """The bundled index of an encoder.

    Args:
        encoder: its name.
        root: the folder of encoders; None: the repository's.

    Raises:
        ConfigError: there is none; those that exist are named.
    """
    root = default_root() if root is None else Path(root)
    names = available(root)
    if encoder not in names:
        source = ""
        if encoder.startswith(HUB) or Path(encoder).is_dir():  # which any command that indexes takes
            media = os.path.relpath(root / "media" / BUNDLED)
            source = f" {shlex.quote(media)} --encoder {shlex.quote(encoder)} --out DIR"
        raise ConfigError(
            f"there is no index of an encoder {encoder!r}; there are: {', '.join(names) or 'none'}. "
            f"Build one with `python -m umr index{source}`, or name its folder with --index"
        )
    return root / encoder / BUNDLED


def find_encoder(name: str, root: str | Path | None = None) -> str:
    """Where load_encoder finds what a person names.

    Args:
        name: a shipped encoder's name, an encoder folder, or hub:owner/name@revision.
        root: the folder of encoders; None: the repository's.

    Raises:
        ConfigError: there is no such encoder; the shipped ones are named.
    """
    root = default_root() if root is None else Path(root)
    found = located(name, root)
    if found is not None:
        return found
    shipped = sorted(path.parents[1].name for path in root.glob(f"*/encoder/{CONFIG_NAME}"))
    meant = _on_hub(name)
    raise ConfigError(
        f"there is no encoder {name!r}; shipped are: {', '.join(shipped) or 'none'}. "
        f"A folder that holds {CONFIG_NAME}, a public checkpoint's folder or {HUB}OWNER/NAME[@REVISION] will do too"
        + (f"; of the Hub it is {meant}" if meant else "")
    )


def _on_hub(name: str) -> str:
    """How a repository is named that somebody typed as the Hub's page shows it; "" for anything else."""
    found = _REPOSITORY.fullmatch(name)
    if found is None:
        return ""
    return f"{HUB}{found['repository']}" + (f"@{found['revision']}" if found["revision"] else "")


def located(name: str, root: str | Path | None = None) -> str | None:
    """As find_encoder; None where there is none."""
    root = default_root() if root is None else Path(root)
    return _resolved(name, (root.absolute() / name / "encoder", Path(name).absolute()))


def rerankers(root: str | Path | None = None) -> list[str]:
    """Names of the shipped re-rankers, sorted.

    Args:
        root: the folder of encoders; None: the repository's.
    """
    root = default_root() if root is None else Path(root)
    return sorted(path.parent.name for path in root.glob(f"*/{RERANKER_CONFIG}"))


def find_reranker(name: str = "", root: str | Path | None = None) -> Path:
    """The folder of a re-ranker.

    Args:
        name: a folder, or a shipped re-ranker's name; "" for the shipped one.
        root: the folder of encoders; None: the repository's.

    Raises:
        ConfigError: there is none; the way to one is named.
    """
    root = default_root() if root is None else Path(root)
    places = [root / (name or RERANKER), *([Path(name)] if name else [])]
    found = next((place for place in places if (place / RERANKER_CONFIG).is_file()), None)
    if found is not None:
        return found
    asked = f"there is no re-ranker {name!r}" if name else f"no re-ranker is shipped ({shown_path(places[0])})"
    raise ConfigError(
        f"{asked}; shipped are: {', '.join(rerankers(root)) or 'none'}. Name a folder that holds {RERANKER_CONFIG} "
        "(--rerank DIR; of the commands rerank and bench rerank, and of app.py, --reranker DIR), or of the Hub, "
        "hub:OWNER/NAME (python -m umr models), or train one: "
        "python -m training.mine --help, then python -m training.rerank --help"
    )


def encoder_of_index(folder: Path, encoder_at: str, encoder_name: str) -> str:
    """Where load_encoder finds the encoder of an index: as its manifest says, else the shipped one of the same name.

    Args:
        folder: the index's.
        encoder_at: the manifest's place, relative to the folder, or a name of the Hub.
        encoder_name: the manifest's name of it.

    Raises:
        ConfigError: it is at neither place.
    """
    shipped = default_root() / encoder_name / "encoder"
    found = _resolved(encoder_at, (folder / encoder_at, shipped))
    if found is not None:
        return found
    raise ConfigError(
        f"the encoder of {folder} is neither at {folder / encoder_at} nor at {shipped}; "
        f"copy {encoder_name} there, or rebuild the index"
    )


def _resolved(name: str, places: Iterable[Path]) -> str | None:
    """A name of the Hub as it is, else the first place that holds an encoder; None where none does."""
    if name.startswith(HUB):
        return name
    return next((str(place) for place in places if (place / CONFIG_NAME).is_file()), None)
