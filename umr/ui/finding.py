"""What stored reports find, in a sentence each for whoever reads no table. Not the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from umr.eval.evaluate import over_sum
from umr.eval.pools import GLOBAL, LOCAL, Pool
from umr.eval.reports import Stored
from umr.eval.scores import pool_means

COMPOSED = "it2"  # how a task begins whose queries have picture and text


def finding(stored: Sequence[Stored]) -> str:
    """Who finds the right one first how often.

    Returns:
        Plain text; "" where no report has a mean over tasks.
    """
    means = {one.name: pool_means(one.report["rows"]) for one in stored}
    ranked = sorted((name for name in means if LOCAL in means[name]), key=lambda name: -means[name][LOCAL][0])
    if not ranked:
        return ""
    best, *others = ranked
    tasks = means[best][LOCAL][1]
    over = f", mean of {tasks} tasks" if tasks > 1 else ""
    said = f"{best} has the right one first in {_percent(means[best][LOCAL][0])} of the queries{over}"
    if others:
        said += f", {_each(others, means, LOCAL)}"
    asked = [name for name in ranked if GLOBAL in means[name]]
    if asked:
        said += f"; among all kinds {_each(asked, means, GLOBAL)}"
    return f"{said}."


def _each(names: Sequence[str], means: Mapping[str, Mapping[Pool, tuple[float, int]]], pool: Pool) -> str:
    told = [f"{name} in {_percent(means[name][pool][0])}" for name in names]
    return " and ".join(filter(None, [", ".join(told[:-1]), told[-1]]))


def composing_adds(stored: Sequence[Stored]) -> str:
    """On how many composed tasks, as trained, the composed query finds more than the sum of its two vectors.

    Returns:
        Plain text; "" where no report compares the two.
    """
    told = []
    for one in stored:
        verdicts = over_sum(one.report["rows"])
        rows = {
            key: word for key, word in verdicts.items() if key[0].startswith(COMPOSED) and key[1:] == ("ind", LOCAL)
        }
        if rows:
            count = {word: sum(found == word for found in rows.values()) for word in ("gains", "loses")}
            lost = f", less on {count['loses']}" if count["loses"] else ""
            told.append(f"{one.name} finds more on {count['gains']} of {len(rows)} tasks{lost}")
    if not told:
        return ""
    return f"Reading picture and words together instead of adding their two vectors: {'; '.join(told)}."


def _percent(value: float) -> str:
    return f"{100 * value:.1f}\u00a0%"
