"""Benchmark queries on the page: what a stored query looks like, and its link to Compare. Encodes nothing."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

from markupsafe import Markup

from umr.eval import evaluate
from umr.types import KIND_BY_LETTERS, Qrels, Query
from umr.ui.kinds import picture_file
from umr.ui.markup import macros
from umr.ui.render import media_url

_PART = {"t": "text", "i": "picture", "it": "picture + text", "v": "clips"}


def task_name(task: str) -> str:
    """A task as a person says it: what is asked with, an arrow, what is found."""
    asked, _, found = task.partition("2")
    kind = KIND_BY_LETTERS.get(found)
    return f"{_PART.get(asked, asked)} → {'any kind' if kind is None else kind.many}"


def task_order(task: str) -> tuple[int, str]:
    """Sorts tasks: those that are asked with the most parts first."""
    return -len(task.partition("2")[0]), task


@lru_cache(maxsize=64)
def judged_queries(benchmark: Path, task: str, split: str) -> tuple[dict[str, Query], Qrels]:
    """Query id -> query, and the judgements, of one (task, split).

    Raises:
        ConfigError: it is not there.
    """
    judged = evaluate.load(benchmark, task, split)
    return {query.query_id: query for query in judged.queries}, judged.qrels


def compare_link(query_id: str, task: str, split: str) -> str:
    """Address, from the page's own, that opens the Compare tab with this query."""
    return "?" + urlencode({"tab": "compare", "q": query_id, "task": task, "split": split})


def words(query: Query) -> str:
    """The query's text, or what stands for it."""
    return query.content.text or "(no text)"


def picture_url(query: Query) -> str:
    """Address of the query's picture, "" where it has none."""
    file = picture_file(query.content)
    return "" if file is None else media_url(file)


def item(query: Query, task: str, split: str, facts: str) -> Markup:
    """A query as a list item that leads to its comparison.

    Args:
        query: a benchmark query.
        task: its task.
        split: its split.
        facts: what is said of it.
    """
    link = compare_link(query.query_id, task, split)
    return macros("queries").item(picture_url(query), link, query.query_id, words(query), facts)
