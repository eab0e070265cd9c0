"""Sends a Space's folder to the Hugging Face Hub, and goes on where an earlier call was cut off. Not what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub

from umr.deploy.files import KEPT, write_folder
from umr.deploy.space import Space
from umr.encoders.hub import HUB_ERRORS
from umr.errors import ConfigError, reason
from umr.shipped import cache_root

#: What starts the page: it goes last, so that a new Space does not run on half of its files.
LAST = "app.py"


def spaces_folder(name: str) -> Path:
    """Where the folder of a Space is built: it stays there, so that a cut-off upload goes on."""
    return cache_root() / "spaces" / name.replace("/", "--")


def upload(space: Space, folder: Path, private: bool | None = None, endpoint: str | None = None) -> str:
    """Build the folder, make the Space where there is none, and send what it lacks.

    Files that the Space has and this folder has not are removed there. ZeroGPU, which costs nothing by the hour, is
    asked for; a machine that costs something is only suggested.

    Args:
        space: what is sent.
        folder: where it is built; everything else in it is removed.
        private: who may see a new Space; None leaves it to the Hub.
        endpoint: the Hub's address; None: HF_ENDPOINT, or the public one.

    Returns:
        The Space's address.

    Raises:
        ConfigError: no token, no right, no connection, or the Hub refuses; the same call goes on.
        DiskFullError: the folder cannot be built.
    """
    write_folder(space.files, folder)
    api = huggingface_hub.HfApi(endpoint=endpoint)
    try:
        made: Any = api.create_repo(
            space.name,
            repo_type="space",
            space_sdk="gradio",
            exist_ok=True,
            private=private,
            space_hardware=space.hardware.flavour if space.hardware.free else None,  # type: ignore[arg-type]  # a str
        )
        _send_most(api, space.name, folder)
        api.upload_folder(
            repo_id=space.name,
            repo_type="space",
            folder_path=folder,
            ignore_patterns=[f"{KEPT}/**"],
            delete_patterns=["*"],  # of what is there, all that is not in the folder
            commit_message="Send the page",
        )
    except HUB_ERRORS as error:
        raise ConfigError(
            f"{space.name} is not (wholly) on the Hub: {reason(error)[:300]}. Look at `hf auth whoami` (a token that "
            "may write is needed) and at the connection, then run the same command again: it goes on"
        ) from error
    return str(made)


def _send_most(api: huggingface_hub.HfApi, name: str, folder: Path) -> None:
    """All but LAST, in as many commits as the Hub can bear: in clients before 2.0 that was a method of its own."""
    most: dict[str, Any] = {"repo_id": name, "repo_type": "space", "folder_path": folder}
    many = getattr(api, "upload_large_folder", None)
    if many is not None:
        many(**most, ignore_patterns=[LAST, f"{KEPT}/**"], print_report=False)
    else:
        api.upload_folder(**most, ignore_patterns=[LAST, f"{KEPT}/**"], commit_message="Send what the page needs")
