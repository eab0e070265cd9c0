"""A snapshot of a repository of the Hub, downloaded so that it goes on at the byte where it stopped. Not what it is.

huggingface_hub begins a file anew that was broken off by the end of a process; weights of gigabytes are not. A snapshot
lies under its own name once it is whole (umr.encoders.hub.kept_at), beside that as NAME.part before.
"""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from umr.disk import file_sha256, put, told_when_full
from umr.encoders.checkpoint import ADAPTER, ADAPTER_WEIGHTS, Checkpoint, first_module
from umr.encoders.hub import ALLOWED, kept_at, told
from umr.errors import ConfigError, MismatchError, reason
from umr.models.fit import gigabytes
from umr.models.forms import WEIGHTS, form_of
from umr.models.hub_name import HubName

_PART = ".part"
#: Seconds between two lines of how far a download is, where no terminal shows the bar of the Hub's client.
EVERY_S = 10.0
Say = Callable[[str], None]
_MODULE = re.compile(r"\d+_\w+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What a repository holds at a commit.

    Attributes:
        name: the repository.
        commit: 40 hex digits.
        sizes: {file: bytes}, of the files that umr reads.
        hashes: {file: sha256}, of those that the Hub lists one for.
    """

    name: HubName
    commit: str
    sizes: Mapping[str, int]
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """hub:OWNER/NAME@commit."""
        return self.name.at(self.commit)

    @property
    def folder(self) -> Path:
        """Where its files come to lie, whole or not."""
        whole = kept_at(self.name.repository, self.commit)
        return whole if whole.is_dir() else whole.with_name(whole.name + _PART)

    def settings(self) -> list[str]:
        """The small files: all but weights."""
        return [name for name in self.sizes if not name.endswith(WEIGHTS)]

    def missing(self, names: Iterable[str]) -> int:
        """Bytes of these files that are not on the disk yet."""
        listed = [name for name in names if name in self.sizes]
        return sum(self.sizes[name] - _there(self.folder / name, self.sizes[name]) for name in listed)


def newest(name: HubName) -> str:
    """The commit that a name stands for on the Hub now.

    Raises:
        ConfigError: the Hub cannot be reached, or refuses.
    """
    with told(f"hub:{name.repository}@{name.asked}" if name.asked else f"hub:{name.repository}"):
        found = huggingface_hub.HfApi().model_info(name.repository, revision=name.asked or None).sha
    if not found:
        raise ConfigError(f"the Hub names no commit of {name.repository}; name one: hub:{name.repository}@COMMIT")
    return found


def listed(name: HubName, commit: str) -> Remote:
    """What a repository holds.

    Raises:
        ConfigError: the Hub cannot be reached, or refuses.
    """
    with told(name.at(commit)):
        info = huggingface_hub.HfApi().model_info(name.repository, revision=commit, files_metadata=True)
    wanted = [one for one in info.siblings or [] if _wanted(one.rfilename)]
    hashes = {one.rfilename: one.lfs.sha256 for one in wanted if one.lfs is not None}
    return Remote(name=name, commit=commit, sizes={one.rfilename: one.size or 0 for one in wanted}, hashes=hashes)


def parameters(remote: Remote, names: Iterable[str]) -> int:
    """How many numbers these weights hold, of which only the heads are read.

    Raises:
        ConfigError: the Hub cannot be reached, or refuses.
        MismatchError: one of them is no safetensors.
    """
    from huggingface_hub.errors import SafetensorsParsingError

    count, api = 0, huggingface_hub.HfApi()
    for name in names:
        try:
            with told(remote.where):
                found = api.parse_safetensors_file_metadata(remote.name.repository, name, revision=remote.commit)
        except SafetensorsParsingError as error:
            raise MismatchError(
                f"{name} of {remote.where} cannot be read as safetensors ({reason(error)}); only these are"
            ) from error
        count += sum(found.parameter_count.values())
    return count


def bring(remote: Remote, names: Iterable[str], say: Say | None = None) -> Path:
    """Download these files into the snapshot's folder, each from where it stopped.

    Args:
        remote: what the repository holds.
        names: of the files.
        say: told how far it is, where no terminal shows it.

    Returns:
        The folder.

    Raises:
        ConfigError: the Hub cannot be reached, or refuses; what came is kept.
        MismatchError: a file is not what the Hub lists.
        DiskFullError: nothing more fits.
    """
    wanted = list(names)
    for name in wanted:
        if name not in remote.sizes:
            raise ConfigError(
                f"{remote.where} lacks {name}, without which it cannot be opened (of weights only safetensors are "
                f"read); name a repository or revision that has it{_conversion(remote, name)}"
            )
    for name in wanted:
        _bring_one(remote, name, None if sys.stderr.isatty() else say)
    return remote.folder


def weight_names(remote: Remote) -> list[str]:
    """The weights that its settings name, once those are here.

    Raises:
        ConfigError: its settings cannot be read.
        MismatchError: they are damaged.
    """
    form = form_of(remote.sizes)
    if form is not None:
        return sorted(name for name in form.files(remote.folder) if name.endswith(WEIGHTS))
    if ADAPTER in remote.sizes:
        return [ADAPTER_WEIGHTS]
    first = first_module(remote.folder)
    found = Checkpoint(folder=first, source=remote.where, model={}).weight_names()
    own = [(first / name).relative_to(remote.folder).as_posix() for name in found if name.endswith(WEIGHTS)]
    beside = sorted(name for name in remote.sizes if name.endswith(WEIGHTS) and "/" in name)
    return list(dict.fromkeys([*own, *beside]))


def keep(remote: Remote) -> Path:
    """Give the folder its name: all that is wanted of it is here. Returns it.

    Raises:
        DiskFullError: nothing more fits.
    """
    whole = kept_at(remote.name.repository, remote.commit)
    if not whole.is_dir():
        put(remote.folder, whole)
    return whole


def _conversion(remote: Remote, lost: str) -> str:
    """Where safetensors of a repository may lie that has none at this commit; "" for another file, or beside some."""
    if not lost.endswith(WEIGHTS) or any(name.endswith(WEIGHTS) for name in remote.sizes):
        return ""
    proposed = remote.name.at("refs/pr/N")
    return f". Somebody may have proposed a conversion, {proposed}: see the repository's pull requests"


def _wanted(name: str) -> bool:
    """Whether umr reads a file: as `fetch`, but no weights in folders, which are other forms of the same.

    Those of a module of sentence-transformers, which has a folder as 2_Dense, are none.
    """
    other = name.endswith(WEIGHTS) and "/" in name and not _MODULE.match(name)
    return any(fnmatch(name, pattern) for pattern in ALLOWED) and not other


def _there(path: Path, size: int) -> int:
    """How much of a file is on the disk."""
    part = path.with_name(path.name + _PART)
    return size if path.is_file() else min(size, part.stat().st_size) if part.is_file() else 0


class _Told(io.BufferedWriter):
    """A file that is appended to, and says from time to time how much of it is there."""

    def __init__(self, path: Path, name: str, size: int, say: Say | None) -> None:
        super().__init__(io.FileIO(path, "a"))
        self._name, self._size, self._say, self._told = name, size, say, time.monotonic()

    def write(self, data: Any) -> int:
        """As of every file."""
        written = super().write(data)
        now = time.monotonic()
        if self._say is not None and now - self._told >= EVERY_S:
            self._told = now
            self._say(f"{self._name}: {gigabytes(self.tell())} of {gigabytes(self._size)}")
        return written


def _bring_one(remote: Remote, name: str, say: Say | None) -> None:
    target = remote.folder / name
    if target.is_file() and target.stat().st_size == remote.sizes[name]:
        return
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise MismatchError(f"{remote.where} lists {name}, which lies elsewhere; do not trust it")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + _PART)
    url = huggingface_hub.hf_hub_url(remote.name.repository, name, revision=remote.commit)
    with told(remote.where), told_when_full(target), _Told(part, name, remote.sizes[name], say) as file:
        done = file.seek(0, os.SEEK_END)
        if done > remote.sizes[name]:  # of another program
            done = file.truncate(0)
        http_get(url, file, resume_size=done, headers=build_hf_headers(), expected_size=remote.sizes[name],
                 displayed_filename=name)  # fmt: skip
    _check(remote, name, part)
    if name.endswith(WEIGHTS):
        put(part, target)
    else:
        os.replace(part, target)  # on the disk once `keep` puts it there


def _check(remote: Remote, name: str, part: Path) -> None:
    """Look whether the bytes are those that the Hub lists; others are removed, so that the next call begins anew."""
    expected = remote.hashes.get(name)
    wrong = "its size" if part.stat().st_size != remote.sizes[name] else ""
    if not wrong and expected is not None and file_sha256(part) != expected:
        wrong = "its sha256"
    if wrong:
        part.unlink()
        raise MismatchError(f"{name} of {remote.where} is not what the Hub lists ({wrong}); run the same command again")
