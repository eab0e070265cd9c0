"""What the Compare tab does with a request: compare, pick a benchmark query, vote, export. Plain functions, no Gradio."""

from __future__ import annotations

import base64
import logging
import random
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from umr import evaluation
from umr.errors import ConfigError, UMRError
from umr.types import SEARCH_IN
from umr.ui import compare_html, render
from umr.ui.compare_export import as_json, as_png
from umr.ui.comparison import MOST, Comparison, as_rows, benchmark_of, compare, compare_rows, judged_query, read_models
from umr.ui.handlers import OUR_FAULT
from umr.ui.links import MAX_ADDRESS
from umr.ui.queries import judged_queries
from umr.ui.searchers import Searchers
from umr.ui.votes import CHOICES, VoteBox

__all__ = ["Asked", "as_rows", "compare_page", "compare_rows", "export_file", "linked_query", "open_link",
           "random_query", "vote_page", "warm"]

log = logging.getLogger(__name__)

SHOWN = 10
#: A benchmark query for the bar: picture's path or None, text, what to search, "task split query-id".
Asked = tuple[str | None, str, str, str]


def compare_page(searchers: Searchers, uploads: Path, image: Any, text: Any, search_in: Any, models: Any, blind: Any,
                 asked: Any) -> tuple[str, Comparison | None]:
    """The comparison, or what went wrong, as HTML, and the comparison to keep for a vote and an export."""
    try:
        names = read_models(searchers, models)
        if blind:  # two of the chosen ones, in an order that says nothing
            names = random.sample(names, 2)
        found = compare(searchers, uploads, image, text, search_in, names, SHOWN, asked)
        found = replace(found, blind=bool(blind))
        return compare_html.comparison(found), found
    except UMRError as error:
        return render.error(str(error)), None
    except Exception:  # the page's edge: a visitor reads a sentence, the log keeps the traceback
        log.exception("comparison failed")
        return render.error(OUR_FAULT), None


def vote_page(box: VoteBox, found: Comparison | None, vote: Any) -> tuple[str, Comparison | None]:
    """The comparison with its names, after the vote was kept. A comparison takes one vote.  Raises UMRError."""
    if found is None or not found.blind:
        raise ConfigError("There is nothing to vote on. Compare blind first.")
    if vote not in CHOICES:
        raise ConfigError(f"there is no vote {vote!r}; there are: {', '.join(CHOICES)}")
    box.add(found.asked, *found.models, vote)
    found = replace(found, blind=False)
    return compare_html.comparison(found, vote, box.tally()), found


def random_query(searchers: Searchers, random_from: random.Random | None = None) -> Asked:
    """Any benchmark query of picture and text, of any split. Raises ConfigError where there is no benchmark."""
    chance, benchmark = random_from or random.Random(), benchmark_of(searchers)
    if benchmark is None:
        raise ConfigError("There are no benchmark queries beside this collection.")
    pairs = evaluation.all_tasks_and_splits(benchmark)
    task, split = chance.choice([pair for pair in pairs if pair[0].startswith("it2")] or pairs)
    query_id = chance.choice(sorted(judged_queries(benchmark, task, split)[0]))
    return _asked(searchers, f"{task} {split} {query_id}")


def linked_query(searchers: Searchers, address: Any) -> Asked | None:
    """The benchmark query that the page's query string names (umr.ui.queries.compare_link), None where it names none.

    Raises ConfigError for one that is not here."""
    if not isinstance(address, str) or len(address) > MAX_ADDRESS:
        return None  # umr.ui.links says so
    given = {key: values[0] for key, values in parse_qs(address.lstrip("?")).items()}
    if given.get("tab") != "compare" or "q" not in given:
        return None
    return _asked(searchers, " ".join(given.get(part, "") for part in ("task", "split", "q")))


def open_link(searchers: Searchers, address: Any) -> tuple[str | None, str, str, str, str, Comparison | None] | None:
    """linked_query() and its comparison by the models first on offer, as compare_page() gives it."""
    linked = linked_query(searchers, address)
    if linked is None:
        return None
    picture, text, search_in, asked = linked
    image, folder = ({"path": picture}, Path(picture).parent) if picture else (None, Path())  # ours, not a visitor's
    return *linked, *compare_page(searchers, folder, image, text, search_in, searchers.names[:MOST], False, asked)


def export_file(found: Comparison | None, kind: Any) -> dict[str, str]:
    """A comparison as a file for the browser: its name, media type, and content in base64. Raises ConfigError."""
    if found is None:
        raise ConfigError("There is no comparison to export. Compare first.")
    if kind not in ("png", "json"):
        raise ConfigError(f"there is no export as {kind!r}; there are: png, json")
    content = as_png(found) if kind == "png" else as_json(found).encode("utf-8")
    media_type = "image/png" if kind == "png" else "application/json"
    return {"name": f"comparison.{kind}", "type": media_type, "content": base64.b64encode(content).decode("ascii")}


def warm(searchers: Searchers) -> None:
    """Opens every model on offer, so that the first comparison need not wait; what fails is told by the comparison."""
    for name in searchers.names:
        try:
            searchers.get(name)
        except UMRError as error:
            log.error("%s cannot be opened: %s", name, error)


def _asked(searchers: Searchers, asked: str) -> Asked:
    query, _ = judged_query(searchers, asked)
    search_in = {target: key for key, target in SEARCH_IN.items()}[query.target_modality]
    picture = query.content.image
    return str(picture) if isinstance(picture, (str, Path)) else None, query.content.text or "", search_in, asked
