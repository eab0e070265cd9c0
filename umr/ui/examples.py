"""The example queries of the first page with what they find, and the command that picks them from the benchmark.

    python -m umr.ui.examples [--encoder NAME]      writes umr/ui/examples.json

A page shows the stored results before any model runs, and only for the encoder that found them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from umr.disk import atomic_write
from umr.errors import ConfigError, exit_status
from umr.eval import evaluate
from umr.search import Searcher
from umr.shipped import BUNDLED, DEFAULT_ENCODER, default_root, index_folder
from umr.types import SEARCH_IN, Candidate, Content, Hit, Result
from umr.ui.kinds import media_file, picture_file

EXAMPLES_FILE = Path(__file__).with_name("examples.json")
#: What the first page shows: benchmark task, and where its query searches.
PLAN = (
    ("it2i", "images"),
    ("it2t", "passages"),
    ("it2v", "clips"),
    ("t2i", "images"),
    ("it2i", "images"),
    ("it2it", "entries"),
    ("t2v", "clips"),
    ("it2i", "all"),
)
LONGEST = 90  # characters of an example's text, so that its card stays small
STORED = 24  # results of an example, as many as a search shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A query that can be clicked.

    Attributes:
        search_in: a key of SEARCH_IN.
        image: its picture, None for a text alone.
        results: what the encoder of fingerprint `made_by` found, empty where nothing is stored.
    """

    text: str
    search_in: str
    image: Path | None = None
    results: tuple[Result, ...] = ()
    made_by: str = ""

    def __post_init__(self) -> None:
        if self.search_in not in SEARCH_IN:
            raise ConfigError(f"an example searches in {self.search_in!r}; there are: {', '.join(SEARCH_IN)}")


def read_examples(media: Path, file: Path = EXAMPLES_FILE) -> list[Example]:
    """The examples whose pictures are in this collection's folder; none for another collection.

    Pictures are absolute.

    Raises:
        ConfigError: a file that is not a list of {"image": path | null, "text", "search_in", "made_by"?, "results"?:
            rows of `stored`}.
    """
    try:
        rows = [
            Example(
                text=row["text"],
                search_in=row["search_in"],
                image=media / row["image"] if row["image"] else None,
                made_by=row.get("made_by", ""),
                results=tuple(_result(found, rank, media) for rank, found in enumerate(row.get("results", []), 1)),
            )
            for row in json.loads(file.read_text("utf-8"))
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} is not a list of examples: {error}") from error
    here = any(row.image and row.image.is_file() for row in rows)
    return [row for row in rows if here and (row.image is None or row.image.is_file())]


def pick_examples(searcher: Searcher, media: Path, plan: Sequence[tuple[str, str]] = PLAN) -> list[dict[str, Any]]:
    """Rows of examples.json: for each place of the plan a short query whose best result is right.

    It is looked for further on in the benchmark each time.
    These queries are chosen because they work: they say nothing of how often the encoder is right.

    Raises:
        ConfigError: no query of a task does.
    """
    rows: list[dict[str, Any]] = []
    for place, (task, search_in) in enumerate(plan):
        judged = evaluate.load(media, task, "ind")
        begin = place * len(judged.queries) // len(plan)
        for query in [*judged.queries[begin:], *judged.queries[:begin]]:
            content = query.content
            file = picture_file(content)
            picture = None if file is None else file.relative_to(media).as_posix()
            row: dict[str, Any] = {"image": picture, "text": content.text or "", "search_in": search_in}
            if len(row["text"]) > LONGEST or (row["image"], row["text"]) in [(r["image"], r["text"]) for r in rows]:
                continue
            best = searcher.search(replace(query, target_modality=SEARCH_IN[search_in]), STORED).results
            if best and best[0].hit.candidate_id in judged.qrels[query.query_id]:
                rows.append(
                    row | {"made_by": searcher.encoder.fingerprint, "results": [stored(r, media) for r in best]}
                )
                break
        else:
            raise ConfigError(
                f"no short {task} query finds its target first; train the encoder longer, or change the plan"
            )
    return rows


def stored(result: Result, media: Path) -> dict[str, Any]:
    """What a card shows of a result, with its file relative to the collection's folder."""
    candidate, content = result.candidate, result.candidate.content
    row: dict[str, Any] = {"id": candidate.candidate_id, "score": round(result.hit.score, 4)}
    row |= {key: value for key, value in (("title", candidate.title), ("text", content.text)) if value}
    file = media_file(content)
    if file is not None:
        row["image" if content.video is None else "video"] = file.relative_to(media).as_posix()
    return row


def _result(row: dict[str, Any], rank: int, media: Path) -> Result:
    files = {key: media / row[key] for key in ("image", "video") if key in row}
    return Result(
        hit=Hit(row["id"], float(row["score"]), rank),
        candidate=Candidate(
            candidate_id=row["id"], content=Content(text=row.get("text"), **files), title=row.get("title", "")
        ),
    )


def main(arguments: list[str] | None = None) -> int:
    """Writes examples.json from the bundled benchmark.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description="Picks eight example queries from the bundled benchmark.")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    options = parser.parse_args(arguments)
    with exit_status("umr") as ended:
        rows = pick_examples(Searcher.open(index_folder(options.encoder)), default_root() / "media" / BUNDLED)
        with atomic_write(EXAMPLES_FILE) as file:
            file.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n")
        print(f"{len(rows)} examples written to {EXAMPLES_FILE}")
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
