"""The names of repositories of the Hub as a person types them, and the commit that each stands for. Asks nobody.

A commit that was found once is written down: the next start takes the same one, and asks nobody.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from umr.disk import write_text
from umr.errors import ConfigError, MismatchError
from umr.shipped import HUB, cache_root

NEWEST = "newest"
_NAME = re.compile(rf"{HUB}(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<asked>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository and what was asked of it.

    Attributes:
        repository: OWNER/NAME.
        asked: a branch, a tag or a commit; "" for the newest.
    """

    repository: str
    asked: str = ""

    @classmethod
    def read(cls, name: str) -> HubName:
        """The name of hub:OWNER/NAME[@REVISION].

        Raises:
            ConfigError: it is none.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ConfigError(
                f"{name!r} is not hub:OWNER/NAME or hub:OWNER/NAME@REVISION, a branch, a tag or 40 hex digits"
            )
        return cls(match["repository"], match["asked"] or "")

    def at(self, commit: str) -> str:
        """hub:OWNER/NAME@commit."""
        return f"{HUB}{self.repository}@{commit}"

    @property
    def spec(self) -> str:
        """As it was typed."""
        return self.at(self.asked) if self.asked else f"{HUB}{self.repository}"

    @property
    def commit(self) -> str:
        """The commit that is asked for by its 40 digits; "" where a name is, which can move."""
        return self.asked if _COMMIT.fullmatch(self.asked) else ""

    @property
    def plain(self) -> str:
        """As it can name a file."""
        return f"{self.repository}@{self.asked or NEWEST}".replace("/", "--")

    def pinned(self) -> str:
        """The commit that was written down for it; "" before that.

        Raises:
            MismatchError: what was written is damaged.
        """
        path = self._pin()
        if not path.is_file():
            return ""
        try:
            row = json.loads(path.read_text("utf-8"))
            if not _COMMIT.fullmatch(row["commit"]):
                raise ValueError(f"{row['commit']!r} is no commit")
            return str(row["commit"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise MismatchError(
                f"{path} is damaged ({error}); remove it, and the newest commit is asked for"
            ) from error

    def pin(self, commit: str) -> None:
        """Write down the commit that it stands for from now on.

        Raises:
            DiskFullError: nothing more fits.
        """
        row = {"repository": self.repository, "asked": self.asked or NEWEST, "commit": commit,
               "found": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")}  # fmt: skip
        self._pin().parent.mkdir(parents=True, exist_ok=True)
        write_text(self._pin(), json.dumps(row, indent=1) + "\n")

    def _pin(self) -> Path:
        return cache_root() / "pins" / f"{self.plain}.json"
