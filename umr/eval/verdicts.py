"""Measures what an encoder's scores are worth and writes reports/verdicts.json: python -m umr.eval.verdicts --help.

Not the use of them (umr.verdict). The queries are validation queries, the groups that set a limit are others than those
that its rates are measured on, and each query is asked twice: of the collection, and, counting half, of the collection
without its right answers, since a visitor's question may have none. A limit is a monotone regression of being right on
the score (Barlow et al. 1972) or a conformal quantile (Vovk et al. 2005).
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from umr import shipped
from umr.encoders.templates import task_key
from umr.errors import ConfigError, MismatchError, exit_status
from umr.eval import ood
from umr.eval.groups import query_groups
from umr.eval.ood_samples import contents
from umr.eval.tuning import refuse_test
from umr.facts import facts_of
from umr.formats import BenchmarkQuery, read_qrels, read_queries
from umr.index.manifest import IndexManifest
from umr.query_files import QueryFile, query_files
from umr.search import Searcher
from umr.types import Embeddings, Qrels, Query
from umr.verdict import WORDS, Limits, Rates, Verdicts, Vocabulary, verdicts_file, words_of, write_verdicts

PRECISE = 0.9  # share of first results at a score that are right, for it to be strong
REACHED = 0.95  # share of right answers whose score is not weak
LEAST = 20  # first results, or right answers, that a limit or a rate rests on
DEPTH = 200  # hits looked at for the first wrong one
ABSENT = 0.5  # what a query without its right answers counts: every third has none, as of sensible edits of a picture
LEAST_LIMIT = (
    0.6  # share of words that the training may lack, whatever was measured: other words for a thing are no alarm
)
FOLDS = 5
BATCH = 256  # queries encoded and searched at a time
#: Splits with tags drawn into their pictures, which no visitor's picture has.
TAGGED = "shortcut"
#: Splits with words that the training lacks on purpose -> what they are called: how many of them are over the limit of
#: unknown words is stated, but they neither set it nor give known words.
OTHER_WORDS = {"phrasing": "unseen phrasings", "typos": "typing errors"}

#: What people type into a search box that is not of such a catalogue.
EVERYDAY = (
    "quarterly revenue report",
    "my dog on the beach",
    "a woman smiling",
    "sunset over the mountains",
    "how do I reset my password",
    "football players celebrating",
    "a cat sleeping",
    "red sports car",
    "birthday party with friends",
    "invoice from last month",
    "Eiffel Tower at night",
    "children playing in snow",
    "pizza with mushrooms",
    "train station in winter",
    "a man riding a bicycle",
    "wedding dress",
    "airplane taking off",
    "doctor's appointment",
    "screenshot of the error message",
    "running shoes",
    "organic chemistry lecture",
    "old map of Europe",
    "someone cooking dinner",
    "a horse in a field",
    "meeting notes from Tuesday",
    "cheap flights to Lisbon",
    "guitar solo",
    "skyline of New York",
    "my grandmother's passport",
    "electric bill",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One validation query.

    Attributes:
        query: as it is asked.
        right: ids of its right answers; none where the collection has no exact one.
        facts_answer: whatever shows the same facts as a right answer is right too.
        split: of the benchmark.
        group: it depends on the queries of the same group.
    """

    query: Query
    right: frozenset[str]
    facts_answer: bool
    split: str
    group: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a query found.

    Attributes:
        first: (score, whether it is right, weight) of the first result, and of the first one without the right answers.
        best_right: score of the best right answer; None where none was found.
        held_out: whether it measures rates instead of setting limits.
        group: see Asked.
    """

    first: tuple[tuple[float, bool, float], ...]
    best_right: float | None
    held_out: bool
    group: int


def isotonic(scores: np.ndarray, right: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The monotone curve nearest to 0 and 1 (pool adjacent violators): the share of right ones at each score.

    Args:
        scores: (N,).
        right: (N,) bool.
        weights: (N,), what each counts.

    Returns:
        The different scores (U,), ascending, and the shares (U,) at them, which never fall.
    """
    points, place = np.unique(scores, return_inverse=True)
    totals = np.bincount(place, weights)
    means = np.bincount(place, right * weights) / totals
    blocks: list[tuple[float, float, int]] = []  # mean, weight, points
    for mean, weight in zip(means.tolist(), totals.tolist(), strict=True):
        count = 1
        while blocks and blocks[-1][0] >= mean:
            before, heavy, points_before = blocks.pop()
            mean = (before * heavy + mean * weight) / (heavy + weight)
            weight, count = heavy + weight, points_before + count
        blocks.append((mean, weight, count))
    return points, np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks])


def strong_from(scores: np.ndarray, right: np.ndarray, weights: np.ndarray) -> float | None:
    """The least score at which PRECISE of first results are right; None where too few reach it, or none.

    Args:
        scores: (N,) of first results.
        right: (N,) bool.
        weights: (N,), what each counts.
    """
    points, shares = isotonic(scores, right, weights)
    good = points[shares >= PRECISE]
    return float(good[0]) if len(good) and int((scores >= good[0]).sum()) >= LEAST else None


def weak_below(right: np.ndarray) -> float:
    """The score that REACHED of right answers reach: the floor((n + 1)(1 - REACHED))-th smallest of (n,).

    Raises:
        ConfigError: n is too small to bound the rate.
    """
    place = math.floor((len(right) + 1) * (1 - REACHED) + 1e-9)
    if place < 1:
        raise ConfigError(f"{len(right)} right answers cannot bound a rate of {1 - REACHED:.2g}; give more queries")
    return float(np.sort(right)[place - 1])


def limits_of(seen: Sequence[Seen]) -> Limits | None:
    """The limits of one kind of search, with the rates on held-out queries; None where there are too few of either."""
    setting, checking = ([one for one in seen if one.held_out is held_out] for held_out in (False, True))
    right = [np.array([one.best_right for one in part if one.best_right is not None]) for part in (setting, checking)]
    if min(map(len, right)) < LEAST or not any(not good for one in checking for _, good, _ in one.first):
        return None
    strong, weak = strong_from(*_first(setting)), weak_below(right[0])
    weak = weak if strong is None else min(weak, strong)
    limits = Limits(
        strong=strong,
        weak=weak,
        queries=len(setting),
        groups=len({one.group for one in setting}),
        held_out=Rates(
            queries=len(checking),
            groups=len({one.group for one in checking}),
            right=dict.fromkeys(WORDS),
            wrong_called_strong=0.0,
            right_called_weak=0.0,
            right_called_strong=0.0,
            wrong_called_weak=0.0,
        ),
    )
    return replace(limits, held_out=_rates(limits, checking, right[1]))


def _first(seen: Iterable[Seen]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(scores, whether right, weights) of all first results."""
    scores, right, weights = zip(*(found for one in seen for found in one.first), strict=True)
    return np.array(scores), np.array(right, bool), np.array(weights)


def _rates(limits: Limits, checking: Sequence[Seen], best_right: np.ndarray) -> Rates:
    scores, good, weights = _first(checking)
    called = np.array([limits.match(score).word for score in scores.tolist()])
    of_right = np.array([limits.match(score).word for score in best_right.tolist()])
    right: dict[str, float | None] = {}
    for word in WORDS:
        chosen = called == word
        enough = int(chosen.sum()) >= LEAST
        right[word] = round(float(np.average(good[chosen], weights=weights[chosen])), 4) if enough else None
    return replace(
        limits.held_out,
        right=right,
        wrong_called_strong=_share_of(called[~good] == "strong", weights[~good]),
        wrong_called_weak=_share_of(called[~good] == "weak", weights[~good]),
        right_called_weak=_share_of(of_right == "weak"),
        right_called_strong=_share_of(of_right == "strong"),
    )


def _share_of(facts: np.ndarray, weights: np.ndarray | None = None) -> float:
    return round(float(np.average(facts, weights=weights)), 4)


def read_asked(root: str | Path) -> list[Asked]:
    """Every validation query of a benchmark folder, as it is asked, and again over candidates of every kind.

    Where a split's answers are graded, the best grade of the split is right.

    Raises:
        ConfigError: there are none, or a file is broken.
    """
    root = Path(root)
    files = [found for found in query_files(root) if not found.split.startswith(TAGGED)]
    rows: list[tuple[BenchmarkQuery, QueryFile]] = []
    right: Qrels = {}
    for found in files:
        judged = read_qrels(found.qrels)
        best = max((grade for grades in judged.values() for grade in grades.values()), default=1)
        for row in read_queries(found.path, root):
            name = f"{found.task}.{found.split}.{row.query.query_id}"  # ids of two files may be the same
            grades = judged.get(row.query.query_id, {})
            right[name] = {candidate_id: grade for candidate_id, grade in grades.items() if grade == best}
            rows.append((replace(row, query=replace(row.query, query_id=name)), found))
    groups = query_groups([row for row, _ in rows], right, str(root))
    asked = []
    for (row, found), group in zip(rows, groups, strict=True):
        ids = frozenset(right[row.query.query_id])
        asked.append(Asked(row.query, ids, False, found.split, group))
        mixed = replace(row.query, query_id=f"{row.query.query_id}.all", target_modality="all")
        asked.append(Asked(mixed, ids, row.query.target_modality != "image,text", found.split, group))
    return asked


def held_out_groups(asked: Iterable[Asked]) -> frozenset[int]:
    """Every second group, in a fixed random order: these measure the rates."""
    groups = np.array(sorted({one.group for one in asked}))
    return frozenset(np.random.default_rng(0).permutation(groups)[1::2].tolist())


def look(searcher: Searcher, asked: Sequence[Asked], held_out: frozenset[int]) -> list[Seen]:
    """Asks queries that search one and the same kind.

    Args:
        searcher: an encoder over the validation collection.
        asked: the queries.
        held_out: groups that measure rates.
    """
    pool = searcher.collection.pool(asked[0].query.target_modality)
    same = _same_facts(searcher) if any(one.facts_answer for one in asked) else {}
    seen = []
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        made: Embeddings = searcher.encoder.encode_queries([one.query for one in part])
        excluded = {one.query.query_id: searcher.excluded(one.query) for one in part}
        run = searcher.index.search(made, DEPTH, pool, excluded)
        for one in part:
            right = one.right | _also_right(one, searcher, same)
            hits = [(hit.score, hit.candidate_id in right) for hit in run[one.query.query_id]]
            best = next((score for score, good in hits if good), None)
            first = [(score, good, 1.0) for score, good in hits[:1]]
            if right:
                first += [(score, good, ABSENT) for score, good in hits if not good][:1]
            seen.append(Seen(tuple(first), best, one.group in held_out, one.group))
    return seen


def _same_facts(searcher: Searcher) -> dict[str, frozenset[str]]:
    """Facts, in motion or not -> the candidates of every kind that the collection says they are true of."""
    found: dict[str, set[str]] = {}
    for candidate in searcher.collection:
        if facts := facts_of(candidate):
            found.setdefault(_key(facts), set()).add(candidate.candidate_id)
    return {key: frozenset(ids) for key, ids in found.items()}


def _key(facts: Mapping[str, Any]) -> str:
    return json.dumps({**facts, "action": None}, sort_keys=True)


def _also_right(one: Asked, searcher: Searcher, same: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Candidates of other kinds that show what a right answer shows; of one in motion there are none."""
    if not one.facts_answer:
        return frozenset()
    facts = [facts_of(searcher.collection[candidate_id]) for candidate_id in one.right]
    still = [_key(shown) for shown in facts if shown and not shown.get("action")]
    return frozenset().union(*(same[key] for key in still))


def vocabulary(searcher: Searcher, asked: Sequence[Asked], held_out: frozenset[int]) -> Vocabulary | None:
    """Which words are known, and the limit of unknown ones.

    Known are the words of the candidates and of the queries that set limits. Of these queries each is held against the
    words of the other folds, as no text is unlike itself.

    Returns:
        None where the texts are too few to bound the rate, or so strange that no text could be over the limit.
    """
    shown = {
        word
        for candidate in searcher.collection
        for word in (*words_of(candidate.title), *words_of(candidate.content.text or ""))
    }
    folds: list[list[str]] = [[] for _ in range(FOLDS)]
    checking: list[str] = []
    others: dict[str, list[str]] = {"everyday searches": list(EVERYDAY)}
    for text, group, split in sorted({(one.query.content.text or "", one.group, one.split) for one in asked}):
        if split in OTHER_WORDS:
            others.setdefault(OTHER_WORDS[split], []).append(text)
        elif text:
            (checking if group in held_out else folds[group % FOLDS]).append(text)
    shares = [share for place in range(FOLDS) for share in _unknown_in(place, folds, shown)]
    if len(shares) < math.ceil(1 / ood.ALPHA) - 1 or not checking:
        return None
    limit = max(LEAST_LIMIT, ood.threshold(np.array(shares)))
    if limit >= 1:
        return None
    made = _with_limit(round(limit, 6), shown.union(*(words_of(text) for fold in folds for text in fold)))
    drawn = {name: [content.text or "" for content in texts] for name, texts in contents("text").items()}
    return replace(
        made,
        calibrated=len(shares),
        checked=len(checking),
        false_alarms=_share(made, checking),
        detected={name: _share(made, texts) for name, texts in (drawn | others).items()},
    )


def _unknown_in(place: int, folds: Sequence[Sequence[str]], shown: frozenset[str] | set[str]) -> list[float]:
    """For each text of one fold the share of its words that neither the candidates nor the other folds have."""
    rest = (text for number, fold in enumerate(folds) if number != place for text in fold)
    draft = _with_limit(1.0, shown.union(*map(words_of, rest)))
    return [draft.unknown(text) for text in folds[place]]


def _with_limit(limit: float, known: Iterable[str]) -> Vocabulary:
    return Vocabulary(
        limit=limit, alpha=ood.ALPHA, known=sorted(known), calibrated=0, checked=0, false_alarms=0.0, detected={}
    )


def _share(words: Vocabulary, texts: Sequence[str]) -> float:
    return round(float(np.mean([words.unlike(text) for text in texts])), 4)


def calibrate(searcher: Searcher, root: str | Path, command: str = "") -> Verdicts:
    """What the scores of an encoder are worth, and which words it knows.

    Args:
        searcher: the encoder over a validation collection.
        root: the collection's folder, with its queries.
        command: what the file says makes it again.

    Raises:
        ConfigError: these are test queries, or there are none, or too few for any kind of search.
    """
    refuse_test(searcher.collection, Path(root))
    asked = read_asked(root)
    held_out = held_out_groups(asked)
    kinds: dict[str, list[Asked]] = {}
    for one in asked:
        kinds.setdefault(task_key(one.query), []).append(one)
    found = {name: limits_of(look(searcher, kinds[name], held_out)) for name in sorted(kinds)}
    searches = {name: limits for name, limits in found.items() if limits is not None}
    if not searches:
        raise ConfigError(f"{root} has too few queries: {LEAST} right answers are needed in each half of a task's")
    return Verdicts(
        encoder=searcher.encoder.fingerprint,
        encoder_name=searcher.encoder.name,
        collection=searcher.collection.fingerprint,
        precise=PRECISE,
        reached=REACHED,
        searches=searches,
        words=vocabulary(searcher, asked, held_out),
        built_by=f"numpy {np.__version__}, python {sys.version.split()[0]}",
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
    )


def rows(verdicts: Verdicts) -> list[dict[str, Any]]:
    """The calibration as lines of a table: limits, and the rates on held-out queries."""
    return [
        {
            "search": name,
            "strong": limits.strong,
            "weak": limits.weak,
            "queries": limits.held_out.queries,
            "groups": limits.held_out.groups,
            **{f"right_of_{word}": limits.held_out.right[word] for word in WORDS},
            "wrong_called_strong": limits.held_out.wrong_called_strong,
            "right_called_weak": limits.held_out.right_called_weak,
            "right_called_strong": limits.held_out.right_called_strong,
            "wrong_called_weak": limits.held_out.wrong_called_weak,
        }
        for name, limits in verdicts.searches.items()
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measures, writes the file and prints the rates.

    Returns:
        The exit status: 0, or 2 with a message.
    """
    parser = argparse.ArgumentParser(
        prog="python -m umr.eval.verdicts",
        description="Measures what an encoder's scores are worth on validation queries, and writes "
        "indexes/NAME/reports/verdicts.json, from which search says strong, fair or weak match.",
    )
    parser.add_argument("--encoder", default=shipped.DEFAULT_ENCODER, metavar="NAME", help="default: unified")
    parser.add_argument(
        "--index",
        type=Path,
        required=True,
        metavar="DIR",
        help="its index of validation queries: python -m training.catalogue validation --out V && "
        "python -m umr index V --encoder NAME --out DIR",
    )
    parser.add_argument("--json", action="store_true", help="a JSON array on stdout instead of a table")
    options = parser.parse_args(arguments)
    with exit_status("umr") as ended:
        _run(options.encoder, options.index, options.json)
    return ended.status


def _run(name: str, index: Path, as_json: bool) -> None:
    folder = shipped.index_folder(name)
    manifest, ours = IndexManifest.read(index), IndexManifest.read(folder)
    if manifest.encoder != ours.encoder:
        raise MismatchError(
            f"{index} was built by {manifest.encoder_name} {manifest.encoder[:12]}, the shipped {name} is "
            f"{ours.encoder[:12]}; index the validation set with it: python -m umr index V --encoder {name} --out DIR"
        )
    made = calibrate(Searcher.open(index), index / manifest.collection_at, _command(name))
    print(f"written: {write_verdicts(made, verdicts_file(folder))}", file=sys.stderr)
    if as_json:
        print(json.dumps(rows(made), indent=1))
        return
    for row in rows(made):
        print("  ".join(f"{key} {_cell(value)}" for key, value in row.items()))
    if made.words is not None:
        print(
            f"words: {len(made.words.known)} known, over the limit {made.words.limit:.2f} are "
            f"{made.words.false_alarms:.3f} of {made.words.checked} held-out texts; "
            + ", ".join(f"{share:.2f} of {what}" for what, share in made.words.detected.items())
        )


def _command(name: str) -> str:
    return (
        f"python -m training.catalogue validation --out V && python -m umr index V --encoder {shlex.quote(name)} "
        f"--out VI && python -m umr.eval.verdicts --encoder {shlex.quote(name)} --index VI"
    )


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
