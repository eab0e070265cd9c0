"""The votes of blind comparisons: appended to one local file, as names only, and counted. Not who voted, nor on what."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from umr.errors import ConfigError
from umr.formats import read_jsonl

CHOICES = ("a", "b", "tie", "bad")
FILE = "votes.jsonl"
MAX_BYTES = 8 << 20  # some 60,000 votes; nobody should fill a disk by voting


def votes_file() -> Path:
    """votes.jsonl under $UMR_CACHE, else under ~/.cache/umr."""
    return Path(os.environ.get("UMR_CACHE") or Path.home() / ".cache" / "umr") / FILE


class VoteBox:
    """Votes in a file, one JSON object a line. Safe to use from several threads."""

    def __init__(self, file: Path | None = None) -> None:
        """file: None stands for votes_file(), looked up at each use."""
        self._file = file
        self._lock = threading.Lock()

    @property
    def file(self) -> Path:
        """Where the votes lie."""
        return self._file or votes_file()

    def add(self, asked: str, a: str, b: str, vote: str) -> None:
        """Keep one vote: benchmark query ("" for a visitor's own), model of A, model of B, and which is better.

        Raises ConfigError for an unknown vote, or where it cannot be kept."""
        if vote not in CHOICES:
            raise ConfigError(f"there is no vote {vote!r}; there are: {', '.join(CHOICES)}")
        row = {"query": asked, "a": a, "b": b, "vote": vote, "time": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            with self._lock:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                if self.file.is_file() and self.file.stat().st_size > MAX_BYTES:
                    raise ConfigError("The box is full: no more votes are kept.")
                with self.file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(row) + "\n")
        except OSError as error:
            raise ConfigError(f"The vote cannot be kept: {error.strerror}. Set UMR_CACHE to a writable folder.") from error

    def tally(self) -> dict[str, Counter[str]]:
        """Model -> how often it was "better", "worse", "tie" or "bad" (both bad), best share of decided votes first."""
        counts: dict[str, Counter[str]] = {}
        rows = read_jsonl(self.file) if self.file.is_file() else ()
        for _, row in rows:
            for side, other in (("a", "b"), ("b", "a")):
                words = {side: "better", other: "worse"}
                counts.setdefault(str(row.get(side)), Counter())[words.get(row.get("vote"), str(row.get("vote")))] += 1
        return dict(sorted(counts.items(), key=lambda item: (-_share(item[1]), item[0])))


def _share(count: Counter[str]) -> float:
    return count["better"] / max(1, count["better"] + count["worse"])
