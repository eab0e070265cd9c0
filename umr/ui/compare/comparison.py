"""Several models on one query: the comparison as a value, and what is counted on it. Not the page (umr.ui.compare)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from PIL.Image import Image

from umr import media
from umr.errors import ConfigError, MismatchError
from umr.eval import measures
from umr.search import DecodedQuery, Outcome, Searcher, decode, result_row
from umr.types import Candidate, Content, Query, Result
from umr.ui.compare.columns import RERANK, answer, check, split
from umr.ui.handlers import Question, make_query, read_count
from umr.ui.kinds import picture_file, searched
from umr.ui.queries import judged_queries
from umr.ui.query_clip import is_clip, shown_file
from umr.ui.searchers import Searchers

FEWEST, MOST = 2, 4  # models beside each other
FIRST = 10  # ranks that overlap and recall are counted on
DEPTH = 100  # ranks searched, so that it can be said where another model has an item
ANSWERS = 3  # right answers that the head shows
THUMBNAIL = 320  # px, longer side of the query's picture as it is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two to four models answered to one query.

    Attributes:
        picture: the query's picture, or the frames of its clip, as small WebP bytes, b"" without one.
        asked: "task split query-id" of a benchmark query, "" for a visitor's own.
        targets: its known right answers, best grade first.
        answers: the same as candidates, as many as the head of the comparison shows.
        outcomes: model -> at least min(100, pool) ranks, in the order of the columns.
        shown: ranks on show.
        blind: the names are hidden.
        battle: of a blind one, what a vote on it names, so that none is counted for the one that came after it.
        own: the picture is a visitor's, so that no link can hold it.
        prints: column -> fingerprint of its encoder.
        collection: what is searched, by name.
        reranker: what re-ranked columns were re-ranked by, and how; empty without such a column.
        file: what the page holds of the picture, as long as it does.
    """

    text: str
    search_in: str
    picture: bytes
    asked: str
    targets: tuple[str, ...]
    outcomes: dict[str, Outcome]
    shown: int
    blind: bool = False
    battle: str = ""
    own: bool = False
    answers: tuple[Candidate, ...] = ()
    prints: Mapping[str, str] = field(default_factory=dict)
    collection: str = ""
    reranker: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, column by column."""
        return tuple(self.outcomes)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the columns are called: the names, or A, B, ... as long as they are hidden."""
        return tuple("ABCD"[: len(self.models)]) if self.blind else self.models

    @property
    def told(self) -> tuple[str, ...]:
        """The targets that may be told: none before a blind vote, which they would decide."""
        return () if self.blind else self.targets

    def results(self, model: str, count: int | None = None) -> list[Result]:
        """The first `count` results of a model; None: as many as are on show."""
        return self.outcomes[model].results[: self.shown if count is None else count]

    def rank_of(self, candidate_id: str, model: str) -> int | None:
        """Where a model has an item, None if not within the ranks searched."""
        return next((r.hit.rank for r in self.outcomes[model].results if r.hit.candidate_id == candidate_id), None)

    def only_in(self, candidate_id: str, model: str) -> bool:
        """No other column shows this item."""
        others = (rank for name in self.models if name != model and (rank := self.rank_of(candidate_id, name)))
        return all(rank > self.shown for rank in others)

    def overlap(self, a: str, b: str) -> float:
        """overlap@10: share of the first ten (or of the whole pool, if it is smaller) that two models have both."""
        first = [{result.hit.candidate_id for result in self.results(name, FIRST)} for name in (a, b)]
        return len(first[0] & first[1]) / max(1, *map(len, first))

    def overlaps(self) -> dict[tuple[str, str], float]:
        """overlap() of every two columns."""
        return {pair: self.overlap(*pair) for pair in combinations(self.models, 2)}

    def recall(self, model: str) -> float | None:
        """recall@10: share of the known targets among the first ten; None where no target is known, or may be told."""
        hits = [result.hit for result in self.results(model, FIRST)]
        return measures.recall(FIRST)(hits, dict.fromkeys(self.told, 1)) if self.told else None

    def best_target(self, model: str) -> int | None:
        """Rank of the first target that may be told, None if it is not within the ranks searched."""
        return min((rank for target in self.told if (rank := self.rank_of(target, model))), default=None)


def compare(
    searchers: Searchers, picture: Path | Image | None, text: Any, search_in: Any, models: Any, k: Any, asked: Any = ""
) -> Comparison:
    """One checked query to every model; its text and its picture (umr.ui.handlers.read_picture) are read once.

    Args:
        searchers: what the page offers.
        picture: its file, or the picture decoded; None without one.
        text: the words, unread.
        search_in: a key of SEARCH_IN, unread.
        models: the names of two to four.
        k: how many results, unread.
        asked: "task split query-id"; it counts only while picture, text and kind are still that query's.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    names, count = read_models(searchers, models), read_count(k)
    query = make_query(picture, text, search_in)
    read = decode(query)
    opened = {name: searchers.get(split(name)[0]) for name in names}
    _check_collections(opened)
    ready, targets = _judged(searchers, read, asked)
    shared = replace(ready, ms=0.0)  # read once for all: no model's own time
    outcomes = {name: answer(searchers, name, shared, max(DEPTH, count)) for name in names}
    first = opened[names[0]].collection
    return Comparison(
        text=ready.query.content.text or "",
        search_in=search_in,
        picture=_small(ready.query.content),
        targets=targets,
        asked=asked if targets else "",
        outcomes=outcomes,
        shown=count,
        answers=tuple(first[one] for one in targets[:ANSWERS] if one in first),
        prints={name: searcher.encoder.fingerprint for name, searcher in opened.items()},
        collection=first.name,
        reranker=searchers.reranker.told() if any(split(name)[1] == RERANK for name in names) else {},
        file=shown_file(query.content),
    )


def _small(content: Content) -> bytes:
    """A decoded query's picture as a comparison keeps it; of a clip the strip of its frames, where the bar has one."""
    strip = shown_file(content)
    seen = media.open_image(strip) if strip is not None and not is_clip(strip) else content.image
    return media.thumbnail(seen, THUMBNAIL) if isinstance(seen, Image) else b""


def compare_rows(searchers: Searchers, question: Question, encoders: Any, asked: Any = "") -> dict[str, Any]:
    """A comparison as plain objects, see as_rows.

    Args:
        searchers: what the page offers.
        question: what was asked, unread.
        encoders: the names of two to four.
        asked: a benchmark query, "task split query-id"; without an image and a text of one's own it is asked as it is.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    picture, text, search_in = question.picture(), question.text, question.search_in
    if picture is None and not text and isinstance(asked, str) and asked:
        known, _ = judged_query(searchers, asked)
        picture, text = picture_file(known.content), known.content.text
        search_in = searched(known.target_modality)
    return as_rows(compare(searchers, picture, text, search_in, encoders, question.k, asked))


def as_rows(found: Comparison) -> dict[str, Any]:
    """A comparison as plain objects.

    Returns:
        {"models": [{"name", "ms", "notices": that the text was cut, the query is unlike the training, nothing fits,
        "results": the command line's rows, "recall" where targets are known}], "overlap@10": {"a|b": share},
        "benchmark": "task split query-id" or None, "targets": [ids]}; where targets are known, each result says in
        "target" whether it is one. Before a blind vote there are no milliseconds, scores, matches and targets.
    """
    columns = []
    for label, name in zip(found.labels, found.models, strict=True):
        outcome = found.outcomes[name]
        steps = ("encode", "search", "rerank", "total")
        ms = {step: round(outcome.ms[step], 3) for step in steps if step in outcome.ms}
        column: dict[str, Any] = {"name": label} | ({} if found.blind else {"ms": ms})
        column |= {
            "notices": list(outcome.notices),
            "results": [_row(found, result) for result in found.results(name)],
        }
        recall = found.recall(name)
        columns.append(column if recall is None else column | {"recall": recall})
    label_of = dict(zip(found.models, found.labels, strict=True))
    overlaps = {f"{label_of[a]}|{label_of[b]}": share for (a, b), share in found.overlaps().items()}
    return {"models": columns, "overlap@10": overlaps, "benchmark": found.asked or None, "targets": list(found.told)}


def _row(found: Comparison, result: Result) -> dict[str, Any]:
    row = result_row(result)
    if found.blind:
        return {key: value for key, value in row.items() if key not in ("score", "match")}
    return row | {"target": result.hit.candidate_id in found.told} if found.told else row


def read_models(searchers: Searchers, models: Any) -> tuple[str, ...]:
    """The two to four different columns of a request, in its order: models, or parts of one (umr.ui.compare.columns).

    Raises:
        ConfigError: what is asked cannot be given, in words.
    """
    if not isinstance(models, Sequence) or isinstance(models, str):
        raise ConfigError(f"the models are {models!r}; give a list of names out of: {', '.join(searchers.names)}")
    check(searchers, models)
    if len(set(models)) != len(models) or not FEWEST <= len(models) <= MOST:
        count = len(set(models))
        said = "none is" if not count else "one is" if count == 1 else f"{count} are"
        raise ConfigError(f"Choose two to four different models to compare; {said} chosen.")
    return tuple(models)


def benchmark_of(searchers: Searchers) -> Path | None:
    """The collection that is searched, if benchmark queries lie beside it. Reads one manifest, opens no model."""
    folder = searchers.folders[searchers.default]
    place = (folder / searchers.manifest(searchers.default).collection_at).resolve()
    return place if (place / "query").is_dir() else None


def judged_query(searchers: Searchers, asked: str) -> tuple[Query, tuple[str, ...]]:
    """A benchmark query by "task split query-id", and its targets, best grade first.

    Raises:
        ConfigError: what is asked cannot be given, in words.
    """
    benchmark, parts = benchmark_of(searchers), asked.split(" ")
    if benchmark is None or len(parts) != 3:
        raise ConfigError(f"there is no benchmark query {asked!r} here")
    queries, qrels = judged_queries(benchmark, parts[0], parts[1])
    if parts[2] not in queries:
        raise ConfigError(f"{parts[0]} {parts[1]} has no query {parts[2]!r}")
    grades = qrels[parts[2]]
    return queries[parts[2]], tuple(sorted(grades, key=lambda target: (-grades[target], target)))


def _judged(searchers: Searchers, ready: DecodedQuery, asked: Any) -> tuple[DecodedQuery, tuple[str, ...]]:
    """The query as the benchmark asks it, and its targets; unchanged and none where it was edited meanwhile."""
    if not isinstance(asked, str) or not asked:
        return ready, ()
    query = ready.query
    known, targets = judged_query(searchers, asked)
    same_text = media.clean_text(known.content.text or "") == (query.content.text or "")
    if not same_text or known.target_modality != query.target_modality:
        return ready, ()
    known_picture = known.content.image
    if ready.content_hash != ("" if known_picture is None else media.picture_hash(known_picture)):
        return ready, ()
    return replace(ready, query=replace(known, content=query.content)), targets


def _check_collections(opened: dict[str, Searcher]) -> None:
    prints = {searcher.collection.fingerprint for searcher in opened.values()}
    if len(prints) > 1:
        raise MismatchError(f"{', '.join(opened)} search different collections; compare models on one and the same")
