"""Encoders from the Hugging Face Hub, at a pinned revision, data files only; what the Hub refuses, in words.

Not the download that goes on where it stopped (umr.models.download): what that brought whole is found here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeGuard

import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from umr.errors import ConfigError, reason
from umr.shipped import HUB, cache_root

#: What the Hub's client raises: its HTTP library's own errors, those of the system, words about names and answers.
HUB_ERRORS: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OSError, ValueError, RuntimeError)
#: Of models of sentence-transformers also word lists and sentencepiece models.
ALLOWED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
_NAME = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")


def is_hub(where: str | Path) -> TypeGuard[str]:
    """Whether this names a Hub repository rather than a folder."""
    return isinstance(where, str) and where.startswith(HUB)


def fetch(where: str) -> Path:
    """Download `hub:owner/name@revision`: safetensors, json, chat templates and tokenizers only, never code.

    Returns:
        Its local folder; nobody is asked for one that lies at `kept_at`.

    Raises:
        ConfigError: the name has no revision, or the download fails.
    """
    match = _NAME.fullmatch(where)
    if match is None:
        raise ConfigError(
            f"{where!r} is not hub:owner/name@revision; the revision (a tag or 40 hex digits) is required"
        )
    if (kept := kept_at(match["repo"], match["revision"])).is_dir():
        return kept
    with told(where):
        folder = huggingface_hub.snapshot_download(
            match["repo"], revision=match["revision"], allow_patterns=list(ALLOWED)
        )
    return Path(folder)


def kept_at(repository: str, commit: str) -> Path:
    """Where a snapshot lies that was downloaded whole; there is no such folder before that.

    Args:
        repository: OWNER/NAME.
        commit: 40 hex digits; a branch or tag names no snapshot, and is never there.
    """
    return cache_root() / "hub" / f"{repository}@{commit}".replace("/", "--")


def never_changed(path: Path, where: str | Path) -> bool:
    """Whether nobody changes a file of weights in place, so that an encoder may share it.

    Args:
        path: the file.
        where: its checkpoint, as it was named; of a folder, only links into the own store of the Hub's client are such.
    """
    real = Path(os.path.realpath(path))
    stored = path.is_symlink() and real.parent.name == "blobs" and real.parents[1].name.startswith("models--")
    return is_hub(where) or (stored and os.access(real, os.R_OK) and _own(real))


def _own(path: Path) -> bool:
    """Whether this user may change its rights, as the sealing of a folder does."""
    return not hasattr(os, "geteuid") or path.stat().st_uid == os.geteuid()


def repository(name: str) -> str:
    """The name, if it is one that the Hub takes for a repository.

    Raises:
        ConfigError: it is not OWNER/NAME.
    """
    try:
        validate_repo_id(name)
        owned = name.count("/") == 1
    except ValueError:
        owned = False
    if not owned:
        raise ConfigError(
            f"{name!r} is no repository, for it is not OWNER/NAME as the Hub takes it: give OWNER/NAME, such as "
            "me/search; both are letters, digits, '.', '_' and '-', begin and end with none of '.' and '-', and hold "
            "no '..' and no '--'"
        )
    return name


@contextmanager
def told(where: str) -> Iterator[None]:
    """A block that asks the Hub.

    Args:
        where: what for, as hub:owner/name@revision.

    Raises:
        ConfigError: in place of what its client raises, with the way out.
    """
    try:
        yield
    except HUB_ERRORS as error:
        raise ConfigError(_why(where, error)) from error


def _why(where: str, error: Exception) -> str:
    repository, _, revision = where.removeprefix(HUB).partition("@")
    page = f"{huggingface_hub.constants.ENDPOINT}/{repository}"
    if isinstance(error, GatedRepoError):
        return f"{where} is gated: accept its terms at {page}, then log in with `hf auth login`"
    if isinstance(error, RepositoryNotFoundError):
        return f"there is no {page} that you may read: check OWNER/NAME; a private one needs `hf auth login`"
    if isinstance(error, RevisionNotFoundError):
        return f"{repository} has no revision {revision!r}, or no longer: name a branch, a tag or a commit of {page}"
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        return f"{where} lacks a file that it needs ({reason(error)}); look at {page}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"{where} may not be read with this login ({status}): log in with `hf auth login`, or look at {page}"
    return f"{where} could not be downloaded ({reason(error)}); check the name and the connection"
