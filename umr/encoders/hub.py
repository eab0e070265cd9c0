"""Encoders from the Hugging Face Hub, at a pinned revision, data files only. No cache: huggingface_hub keeps one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeGuard

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError

from umr.errors import ConfigError
from umr.shipped import HUB

#: What the Hub's client raises: its HTTP library's own errors, those of the system, words about names and answers.
HUB_ERRORS: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OSError, ValueError, RuntimeError)
ALLOWED = ("*.safetensors", "*.json", "*.jinja")
_NAME = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")


def is_hub(where: str | Path) -> TypeGuard[str]:
    """Whether this names a Hub repository rather than a folder."""
    return isinstance(where, str) and where.startswith(HUB)


def fetch(where: str) -> Path:
    """Download `hub:owner/name@revision`: safetensors, json and chat templates only, never code.

    Returns:
        Its local folder.

    Raises:
        ConfigError: the name has no revision, or the download fails.
    """
    match = _NAME.fullmatch(where)
    if match is None:
        raise ConfigError(
            f"{where!r} is not hub:owner/name@revision; the revision (a tag or 40 hex digits) is required"
        )
    try:
        folder = huggingface_hub.snapshot_download(
            match["repo"], revision=match["revision"], allow_patterns=list(ALLOWED)
        )
    except HUB_ERRORS as error:
        raise ConfigError(f"{where} could not be downloaded ({error}); check the name and the connection") from error
    return Path(folder)
