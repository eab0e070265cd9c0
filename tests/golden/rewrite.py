"""Writes tests/golden/search.json, the stored searches of the shipped encoder. Not a test; run it after new weights:

python -m tests.golden.rewrite
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from umr.disk import atomic_write
from umr.eval.evaluate import load
from umr.search import Searcher
from umr.shipped import BUNDLED, DEFAULT_ENCODER, default_root, index_folder
from umr.types import SEARCH_IN, Query

STORED = Path(__file__).with_name("search.json")
TOP = 5
PLACES = (0, 250)  # of the queries taken from each benchmark file
#: What is searched -> the tasks whose queries are asked, with two queries each.
TASKS = {
    "images": ("it2i", "t2i", "i2i"),
    "passages": ("it2t", "t2t", "i2t"),
    "entries": ("it2it", "t2it", "i2i"),
    "clips": ("it2v", "t2v", "i2i"),
    "all": ("it2i", "t2t", "i2i"),
}


def queries() -> dict[str, Query]:
    """Name -> query: six for each kind that can be searched, the same ones always."""
    root = default_root() / "media" / BUNDLED
    found = {}
    for kind, tasks in TASKS.items():
        for task in tasks:
            asked = load(root, task, "ind").queries
            for place in PLACES:
                name = f"{kind} {task} {asked[place].query_id}"
                found[name] = replace(asked[place], target_modality=SEARCH_IN[kind])
    return found


def golden(searcher: Searcher) -> dict[str, Any]:
    """The encoder's fingerprint and, for every query, the ids and scores of the first five."""
    found = {
        name: [[result.hit.candidate_id, round(result.hit.score, 5)] for result in searcher.search(query, TOP).results]
        for name, query in queries().items()
    }
    return {"encoder": searcher.encoder.fingerprint, "collection": searcher.collection.fingerprint, "queries": found}


def main() -> None:
    """Search and write."""
    made = golden(Searcher.open(index_folder(DEFAULT_ENCODER)))
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in made.pop("queries").items())
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in made.items())
    with atomic_write(STORED) as file:
        file.write(f'{{\n{head} "queries": {{\n{rows}\n }}\n}}\n')


if __name__ == "__main__":
    main()
