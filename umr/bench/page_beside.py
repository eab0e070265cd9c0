"""What a visitor waits on the page beside an older version of it, as ratios of one run. Not a budget of one version.

    python -m umr.bench page-beside COMMIT [--rounds 4] [--repeat 5] [--json]

Both pages run at once and are visited in turn, the one that goes first changing from round to round, so that what else
the machine does falls on both. Times are those of umr.bench.page. Needs git and a Chromium.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from umr.bench.browser import open_browser
from umr.bench.page import WANTED, queries_of, timed_visits
from umr.bench.server import served_page
from umr.errors import ConfigError, UMRError
from umr.eval import evaluate
from umr.shipped import BUNDLED, default_root, repository_root

OPENINGS = 2  # of each page in each round


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A version of this repository in a folder of its own, which goes with the context.

    Raises:
        ConfigError: git knows no such commit here.
    """
    git = ["git", "-C", str(repository_root())]
    with tempfile.TemporaryDirectory(prefix="umr-beside-") as made:
        folder = Path(made) / "page"
        command = [*git, "worktree", "add", "--detach", "--quiet", str(folder), commit]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise ConfigError(f"{commit} cannot be checked out: {ran.stderr.strip()}; name one that git log shows")
        try:
            yield folder
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(folder)], check=True)


def beside(commit: str, rounds: int = 4, repeat: int = 5) -> list[dict[str, Any]]:
    """Visits this version and an older one in turn.

    Args:
        commit: the older one.
        rounds: how often each is visited.
        repeat: searches, and comparisons, of one visit.

    Returns:
        A row for each step, of `ratios`.

    Raises:
        ConfigError: a setting is outside its limits, or git knows no such commit.
        MismatchError: a page shows nothing.
    """
    if not 1 <= rounds <= 100:
        raise ConfigError(f"{rounds} rounds: give 1 to 100")
    queries = queries_of(evaluate.load(default_root() / "media" / BUNDLED, "it2i", "ind"), repeat)
    taken: dict[str, dict[str, list[float]]] = {name: {step: [] for step in WANTED} for name in ("here", "there")}
    with checked_out(commit) as folder, served_page() as (here, _), served_page(at=folder) as (there, _):
        pages = [("here", here), ("there", there)]
        for number in range(rounds):
            for name, address in pages if number % 2 == 0 else reversed(pages):
                with open_browser() as browser:
                    for step, ms in timed_visits(browser, address, queries, OPENINGS).items():
                        taken[name][step] += ms
    return ratios(taken["here"], taken["there"])


def ratios(here: Mapping[str, Sequence[float]], there: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Medians of both, and the first over the second: below 1 this version is quicker."""
    rows = []
    for step, ms in here.items():
        ours, theirs = statistics.median(ms), statistics.median(there[step])
        rows.append(
            {
                "step": step,
                "n": len(ms),
                "p50_ms": round(ours, 1),
                "older_p50_ms": round(theirs, 1),
                "ratio": round(ours / theirs, 3) if theirs else None,
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the ratios. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench page-beside", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("commit", help="the older version")
    parser.add_argument("--rounds", type=int, default=4, help="visits of each version (default: 4)")
    parser.add_argument("--repeat", type=int, default=5, help="searches and comparisons of a visit (default: 5)")
    parser.add_argument("--json", action="store_true", help="the rows as JSON")
    given = parser.parse_args(arguments)
    try:
        rows = beside(given.commit, given.rounds, given.repeat)
    except UMRError as error:
        print(f"umr.bench: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(f"{row['step']:32} {row['p50_ms']:8} ms, older {row['older_p50_ms']:8} ms, ratio {row['ratio']}")
    return 0
