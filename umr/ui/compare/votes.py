"""The votes of blind comparisons: appended to one local file, as names only, and counted.

Not who voted, nor on what.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from umr.errors import ConfigError, reason
from umr.eval.bradley_terry import Standing, standings
from umr.formats import parse_object
from umr.shipped import cache_root

log = logging.getLogger(__name__)

CHOICES = ("a", "b", "tie", "bad")
FILE = "votes.jsonl"
MAX_BYTES = 8 << 20  # some 60,000 votes; nobody should fill a disk by voting


def votes_file() -> Path:
    """votes.jsonl, where umr.shipped.cache_root says."""
    return cache_root() / FILE


class VoteBox:
    """Votes in a file, one JSON object a line. Safe to use from several threads.

    Attributes:
        sent: they are in a repository too (umr.ui.compare.votes_hub), as of its last answer.
    """

    def __init__(self, file: Path | None = None) -> None:
        """file: None stands for votes_file(), looked up at each use."""
        self._file, self.sent = file, False
        self._lock = threading.Lock()

    @property
    def file(self) -> Path:
        """Where the votes lie."""
        return self._file or votes_file()

    def add(self, asked: str, a: str, b: str, vote: str) -> None:
        """Keep one vote: benchmark query ("" for a visitor's own), model of A, model of B, and which is better.

        Raises:
            ConfigError: an unknown vote, or where it cannot be kept.
        """
        if vote not in CHOICES:
            raise ConfigError(f"there is no vote {vote!r}; there are: {', '.join(CHOICES)}")
        row = {"query": asked, "a": a, "b": b, "vote": vote, "time": datetime.now(UTC).isoformat(timespec="seconds")}
        self.take_in([json.dumps(row)])

    def take_in(self, lines: Sequence[str]) -> None:
        """Keep votes as `lines` gives them.

        Raises:
            ConfigError: they cannot be kept, or the box is full.
        """
        if not lines:
            return
        try:
            with self._lock:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                if self.file.is_file() and self.file.stat().st_size > MAX_BYTES:
                    raise ConfigError("The box is full: no more votes are kept.")
                with self.file.open("ab+") as out:
                    out.write(_line_end(out) + "".join(line + "\n" for line in lines).encode())
        except OSError as error:
            raise ConfigError(
                f"The vote cannot be kept: {error.strerror}. Set UMR_CACHE to a writable folder."
            ) from error

    def tally(self) -> dict[str, Counter[str]]:
        """Model -> how often it was "better", "worse", "tie" or "bad" (both bad), best share of decided votes first.

        A broken line is passed over, as one vote should not cost all the others; how many are is in the log.

        Raises:
            ConfigError: the file cannot be read.
        """
        counts: dict[str, Counter[str]] = {}
        for row in self._rows():
            for side, other in (("a", "b"), ("b", "a")):
                words = {side: "better", other: "worse"}
                counts.setdefault(row[side], Counter())[words.get(row["vote"], row["vote"])] += 1
        return dict(sorted(counts.items(), key=lambda item: (-_share(item[1]), item[0])))

    def standings(self) -> dict[str, Standing]:
        """Model -> its chance to be preferred to another; "equal" and "both bad" count as half a win for each.

        Raises:
            ConfigError: the file cannot be read.
        """
        scores = {"a": 1.0, "b": 0.0}
        return standings((row["a"], row["b"], scores.get(row["vote"], 0.5)) for row in self._rows())

    def content(self) -> bytes:
        """The votes as they are kept, one JSON object a line, without what is none.

        Raises:
            ConfigError: there are none yet, or the file cannot be read.
        """
        lines = self.lines()
        if not lines:
            raise ConfigError("There are no votes to save yet.")
        return "".join(line + "\n" for line in lines).encode()

    def lines(self) -> list[str]:
        """The votes, one JSON object each, without what is none.

        Raises:
            ConfigError: the file cannot be read.
        """
        return [_written(row) for row in self._rows()]

    def _rows(self) -> list[dict[str, Any]]:
        try:
            lines = self.file.read_bytes().splitlines() if self.file.is_file() else []
        except OSError as error:
            raise ConfigError(f"The votes cannot be read: {error.strerror}.") from error
        rows, broken = [], []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                rows.append(_vote(line, f"{FILE}:{number}"))
            except (ConfigError, UnicodeDecodeError) as error:
                broken.append(reason(error))
        if broken:
            log.warning(
                "%d of %d lines of %s are no votes and are not counted; the first: %s",
                len(broken),
                len(lines),
                self.file,
                broken[0],
            )
        return rows


def canonical(line: bytes) -> str:
    """A line of a file of votes as `lines` gives it; "" for one that is no vote."""
    try:
        return _written(_vote(line, FILE))
    except (ConfigError, UnicodeDecodeError):
        return ""


def _written(row: dict[str, Any]) -> str:
    return json.dumps({key: row.get(key, "") for key in ("query", "a", "b", "vote", "time")})


def _line_end(file: IO[bytes]) -> bytes:
    """What a file lacks to end in a whole line: a process that died in the middle of one leaves it open."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def _vote(line: bytes, place: str) -> dict[str, Any]:
    """Raises ConfigError or UnicodeDecodeError for a line that is no vote."""
    row = parse_object(line.decode("utf-8"), place)
    if row.get("vote") not in CHOICES or not all(isinstance(row.get(side), str) for side in ("a", "b")):
        raise ConfigError(f"{place}: two models and a vote out of {', '.join(CHOICES)} are needed")
    return row


def _share(count: Counter[str]) -> float:
    return count["better"] / max(1, count["better"] + count["worse"])
