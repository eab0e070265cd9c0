"""Example queries of a report side by side, from stored runs, with every picture inside as a data URI."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from umr import media
from umr.collection import Collection
from umr.errors import MediaError
from umr.eval import splits
from umr.eval.diagnosis import first_relevant, right_first
from umr.eval.judged import Judged
from umr.moments import Span
from umr.types import Candidate, Content, Hit, Query, Run
from umr.ui.markup import NOTHING, macros, together
from umr.ui.queries import task_name, words
from umr.ui.render import name_of

SIDE = 160  # px, longer side of a picture
SHOWN = 5  # results of each model
FRAMES = 8  # a clip is shown by the middle one of them


@dataclass(slots=True)
class Pictures:
    """Pictures as data URIs, each made once."""

    made: dict[tuple[Path, Span | None], str] = field(default_factory=dict)

    def of(self, content: Content, alt: str) -> Markup:
        """An img element; "" for words alone, and for a file that cannot be read."""
        source = content.video if content.video is not None else content.image
        if not isinstance(source, (str, Path)):
            return NOTHING
        key = Path(source), content.span
        if key not in self.made:
            self.made[key] = _uri(content)
        uri = self.made[key]
        return macros("report").picture(uri, alt) if uri else NOTHING


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


def examples(
    chosen: Chosen, judged: Judged, runs: dict[str, Run], collection: Collection, pictures: Pictures
) -> Markup:
    """The queries of one heading, the models' first results side by side."""
    known = {query.query_id: query for query in judged.queries}
    shown = together(_example(known[one], judged, runs, collection, pictures) for one in chosen.ids)
    return macros("report").chosen(chosen.heading, shown)


def _example(query: Query, judged: Judged, runs: dict[str, Run], collection: Collection, pictures: Pictures) -> Markup:
    relevant = judged.qrels[query.query_id]
    answer = next((collection[one] for one in sorted(relevant) if one in collection), None)
    right = NOTHING if answer is None else _item(answer, pictures, True)
    rows = [
        (name, _place(hits, relevant), _items(hits[:SHOWN], relevant, collection, pictures))
        for name, hits in ((name, run.get(query.query_id, ())) for name, run in runs.items())
    ]
    asked = pictures.of(query.content, "The query's picture")
    where = f"{task_name(judged.task)}, {splits.title(judged.split)}, query {query.query_id}"
    return macros("report").example(asked, words(query), where, right, rows)


def _items(hits: Sequence[Hit], relevant: dict[str, int], collection: Collection, pictures: Pictures) -> list[Markup]:
    return [
        _item(collection[hit.candidate_id], pictures, hit.candidate_id in relevant)
        for hit in hits
        if hit.candidate_id in collection
    ]


def _item(candidate: Candidate, pictures: Pictures, is_right: bool) -> Markup:
    return macros("report").item(pictures.of(candidate.content, ""), name_of(candidate)[:120], is_right)


def _place(hits: Sequence[Hit], relevant: dict[str, int]) -> str:
    rank = first_relevant(hits, relevant)
    return f"right at rank {rank}" if rank else f"right one not among the first {len(hits)}"


def _drawn(chance: random.Random, ids: frozenset[str], count: int) -> tuple[str, ...]:
    return tuple(chance.sample(sorted(ids), min(count, len(ids))))


def _uri(content: Content) -> str:
    try:
        data = media.thumbnail(_picture(content), SIDE)
    except MediaError:
        return ""
    return f"data:image/webp;base64,{base64.b64encode(data).decode('ascii')}"


def _picture(content: Content) -> Image.Image:
    """The picture, or the frame in the middle of the clip."""
    if content.video is not None:
        return Image.fromarray(media.sample_frames(content.video, FRAMES, content.span)[FRAMES // 2])
    return media.open_image(content.image)  # type: ignore[arg-type]  # one of them is there
