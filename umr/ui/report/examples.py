"""Example queries of a report side by side, from stored runs, with every picture inside as a data URI."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from umr import media
from umr.collection import Collection
from umr.errors import MediaError
from umr.eval import splits
from umr.eval.diagnosis import first_relevant, right_first
from umr.eval.judged import Judged
from umr.types import Candidate, Content, Hit, Query, Run
from umr.ui.queries import task_name, words
from umr.ui.render import escape, name_of

SIDE = 160  # px, longer side of a picture
SHOWN = 5  # results of each model
FRAMES = 8  # a clip is shown by the middle one of them


@dataclass(slots=True)
class Pictures:
    """Pictures as data URIs, each made once."""

    made: dict[Path, str] = field(default_factory=dict)

    def of(self, content: Content, alt: str) -> str:
        """An img element; "" for words alone, and for a file that cannot be read."""
        source = content.video if content.video is not None else content.image
        if not isinstance(source, (str, Path)):
            return ""
        path = Path(source)
        if path not in self.made:
            self.made[path] = _uri(path, content.video is not None)
        uri = self.made[path]
        return f'<img src="{uri}" alt="{escape(alt)}" width="96" height="96">' if uri else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Queries that stand under one heading.

    Attributes:
        heading: why they are shown.
        ids: of the queries.
    """

    heading: str
    ids: tuple[str, ...]


def choose(judged: Judged, a: tuple[str, Run], b: tuple[str, Run], count: int, seed: int) -> list[Chosen]:
    """Queries that only one of two models has right first, that neither has, and random ones.

    Args:
        judged: the queries.
        a: a model's name and run.
        b: the other's.
        count: of each.
        seed: of the random draw.
    """
    chance = random.Random(seed)
    right = [right_first(judged.qrels, run) for _, run in (a, b)]
    asked = frozenset(judged.qrels)
    groups = (
        (f"Only {a[0]} has the right one first", right[0] - right[1]),
        (f"Only {b[0]} has the right one first", right[1] - right[0]),
        ("Neither has the right one first", asked - right[0] - right[1]),
        (f"Drawn at random from all queries (seed {seed})", asked),
    )
    return [
        Chosen(heading=f"{heading}: {len(ids):,} of {len(asked):,}", ids=_drawn(chance, ids, count))
        for heading, ids in groups
        if ids
    ]


def examples(chosen: Chosen, judged: Judged, runs: dict[str, Run], collection: Collection, pictures: Pictures) -> str:
    """The queries of one heading, the models' first results side by side."""
    known = {query.query_id: query for query in judged.queries}
    shown = "".join(_example(known[one], judged, runs, collection, pictures) for one in chosen.ids)
    return f"<section><h3>{escape(chosen.heading)}</h3>{shown}</section>"


def _example(query: Query, judged: Judged, runs: dict[str, Run], collection: Collection, pictures: Pictures) -> str:
    relevant = judged.qrels[query.query_id]
    answer = next((collection[one] for one in sorted(relevant) if one in collection), None)
    right = "" if answer is None else f'<div class="r-answer"><p>Right answer</p>{_item(answer, pictures, True)}</div>'
    rows = "".join(
        f'<div class="r-row"><p><b>{escape(name)}</b> {_place(run.get(query.query_id, ()), relevant)}</p><ol>'
        + "".join(_hit(hit, relevant, collection, pictures) for hit in run.get(query.query_id, ())[:SHOWN])
        + "</ol></div>"
        for name, run in runs.items()
    )
    asked = pictures.of(query.content, "The query's picture")
    where = f"{task_name(judged.task)}, {splits.title(judged.split)}, query {query.query_id}"
    return (
        f'<article class="r-example"><header>{asked}<div><h4>“{escape(words(query))}”</h4>'
        f'<p class="u-muted">{escape(where)}</p></div>{right}</header>{rows}</article>'
    )


def _hit(hit: Hit, relevant: dict[str, int], collection: Collection, pictures: Pictures) -> str:
    if hit.candidate_id not in collection:
        return ""
    return f"<li>{_item(collection[hit.candidate_id], pictures, hit.candidate_id in relevant)}</li>"


def _item(candidate: Candidate, pictures: Pictures, is_right: bool) -> str:
    mark = " r-right" if is_right else ""
    said = "<b>right</b> " if is_right else ""
    name = name_of(candidate)
    return (
        f'<figure class="r-item{mark}">{pictures.of(candidate.content, "")}<figcaption>{said}{escape(name[:120])}'
        "</figcaption></figure>"
    )


def _place(hits: Sequence[Hit], relevant: dict[str, int]) -> str:
    rank = first_relevant(hits, relevant)
    return f"right at rank {rank}" if rank else f"right one not among the first {len(hits)}"


def _drawn(chance: random.Random, ids: frozenset[str], count: int) -> tuple[str, ...]:
    return tuple(chance.sample(sorted(ids), min(count, len(ids))))


def _uri(path: Path, is_clip: bool) -> str:
    try:
        picture = Image.fromarray(media.sample_frames(path, FRAMES)[FRAMES // 2]) if is_clip else media.open_image(path)
        content = media.thumbnail(picture, SIDE)
    except MediaError:
        return ""
    return f"data:image/webp;base64,{base64.b64encode(content).decode('ascii')}"
