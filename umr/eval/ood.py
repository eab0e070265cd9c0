"""Whether given things are far from what an encoder was trained on; measured, with its rate of false alarms.

Not a judgement of search quality. The distance is Mahalanobis' from the bundled collection's vectors of the same kind
(Lee et al. 2018, arXiv 1807.03888, section 2.1, with one class); its threshold is a conformal quantile on held-out
catalogue content (Vovk et al. 2005, section 2.2), so that a single one is over it with a rate of ALPHA at most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from umr.disk import atomic_write
from umr.errors import ConfigError
from umr.eval import evaluate, judged, ood_samples
from umr.eval.reports import beside
from umr.eval.splits import IN_DISTRIBUTION
from umr.search import Searcher
from umr.types import Candidate, Content, Modality

ALPHA = 0.01  # rate of a single false alarm, and of a false claim about a set
RIDGE = 0.01  # added to the covariance, as a share of its mean variance
FOLDS = 5
PICTURES = 1200  # held-out pictures that are encoded
KINDS: tuple[Modality, ...] = ("image", "text", "video")
FILE = "drift.json"
HELD_OUT = IN_DISTRIBUTION  # split whose queries' pictures neither training nor any index has seen
#: Splits whose pictures are as none in training, the nearest thing that is not the catalogue -> how a table calls them.
SHIFTED = {"light": "catalogue in another light", "camera": "catalogue by another camera"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The calibration of one modality.

    Attributes:
        threshold: distance above which a single one is unlike the catalogue.
        calibrated: held-out ones that set the threshold.
        checked: held-out ones that did not.
        false_alarms: measured share of `checked` that is over the threshold.
        detected: share over it, by what was shown instead.
    """

    threshold: float
    calibrated: int
    checked: int
    false_alarms: float
    detected: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured of an encoder over a collection.

    Attributes:
        encoder, collection: the fingerprints it holds for.
        alpha: the promised rate of false alarms.
        kinds: by modality.
        command: what makes it again.
    """

    encoder: str
    collection: str
    alpha: float
    kinds: dict[Modality, Kind]
    command: str

    def rate(self, kind: Kind) -> float:
        """Rate of false alarms of a single one: the larger of the promised and the measured."""
        return max(self.alpha, kind.false_alarms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What can be said of a set of one modality.

    Attributes:
        modality: which.
        count: how many there are.
        beyond: how many are over the threshold.
        rate: of false alarms of a single one, the larger of the promised and the measured.
        chance: probability of so many false alarms, or more, in a set of this size (binomial).
        far: chance <= rate, so a claim too is wrong that often.
    """

    modality: Modality
    count: int
    beyond: int
    rate: float
    chance: float
    far: bool


def calibration_file(index_folder: str | Path) -> Path:
    """Where the calibration of a bundled index lies: beside it, in reports/drift.json."""
    return beside(index_folder) / FILE


def read_calibration(index_folder: str | Path, searcher: Searcher) -> Calibration | None:
    """The calibration of this encoder over this collection; None where there is none, or one of others: no claim then.

    Raises:
        ConfigError: the file is not a calibration.
    """
    path = calibration_file(index_folder)
    if not path.is_file():
        return None
    try:
        row = json.loads(path.read_text("utf-8"))
        kinds = row.pop("kinds")
        if set(kinds) - set(KINDS):
            raise ValueError(f"its kinds are {', '.join(kinds)}, not of {', '.join(KINDS)}")
        found = Calibration(kinds={name: Kind(**kinds[name]) for name in KINDS if name in kinds}, **row)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is not a calibration ({error}); write it again: python -m umr drift") from error
    same = found.encoder == searcher.encoder.fingerprint and found.collection == searcher.collection.fingerprint
    return found if same else None


def write_calibration(calibration: Calibration, index_folder: str | Path) -> Path:
    """Writes reports/drift.json beside the index and returns its path."""
    path = calibration_file(index_folder)
    with atomic_write(path) as file:
        file.write(json.dumps(asdict(calibration), indent=1) + "\n")
    return path


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Mean (D,) and ridged covariance (D, D) of a reference's rows, float64: what a distance is counted in."""

    mean_D: np.ndarray
    covariance_DD: np.ndarray

    @classmethod
    def of(cls, reference_ND: np.ndarray) -> Spread:
        """The spread of these rows."""
        covariance_DD = np.cov(reference_ND.astype(np.float64).T)
        covariance_DD += RIDGE * np.trace(covariance_DD) / len(covariance_DD) * np.eye(len(covariance_DD))
        return cls(reference_ND.mean(0, dtype=np.float64), covariance_DD)

    def distances(self, vectors_MD: np.ndarray) -> np.ndarray:
        """(M,) Mahalanobis distances of vectors from the mean."""
        apart_MD = vectors_MD.astype(np.float64) - self.mean_D
        return np.sqrt((apart_MD * np.linalg.solve(self.covariance_DD, apart_MD.T).T).sum(1))


def distances(reference_ND: np.ndarray, vectors_MD: np.ndarray) -> np.ndarray:
    """(M,) Mahalanobis distances of vectors from the mean and the (ridged) covariance of the reference's rows."""
    return Spread.of(reference_ND).distances(vectors_MD)


def threshold(held_out: np.ndarray, alpha: float = ALPHA) -> float:
    """The ceil((n + 1)(1 - alpha))-th smallest of (n,) distances.

    Raises:
        ConfigError: n is too small to bound the rate.
    """
    place = math.ceil((len(held_out) + 1) * (1 - alpha))
    if place > len(held_out):
        raise ConfigError(
            f"{len(held_out)} held-out ones cannot bound a rate of {alpha:g}; {math.ceil(1 / alpha) - 1} are needed"
        )
    return float(np.sort(held_out)[place - 1])


def chance_of(count: int, beyond: int, rate: float) -> float:
    """Probability of `beyond` or more out of `count`, each with `rate`."""
    return min(
        1.0, math.fsum(math.comb(count, k) * rate**k * (1 - rate) ** (count - k) for k in range(beyond, count + 1))
    )


def reference(searcher: Searcher, modality: Modality) -> np.ndarray:
    """(N, D) vectors of everything of one modality in the bundled collection: what distances are measured from."""
    return searcher.index.vectors(_ids(searcher, modality))


def judge(calibration: Calibration, bundled: Searcher, own: Searcher) -> list[Verdict]:
    """A verdict for each modality of a collection that is calibrated, most alarming first.

    The members count as independent: a set of copies of one thing alarms more often than stated.
    """
    verdicts = []
    for name, kind in calibration.kinds.items():
        ids = _ids(own, name)
        if not ids:
            continue
        apart = distances(reference(bundled, name), own.index.vectors(ids))
        beyond = int((apart > kind.threshold).sum())
        rate = calibration.rate(kind)
        chance = chance_of(len(ids), beyond, rate)
        verdicts.append(
            Verdict(
                modality=name,
                count=len(ids),
                beyond=beyond,
                rate=rate,
                chance=chance,
                far=beyond > 0 and chance <= rate * (1 + 1e-9),
            )
        )
    return sorted(verdicts, key=lambda verdict: (not verdict.far, verdict.chance))


def calibrate(searcher: Searcher, media: str | Path, pictures: int = PICTURES, command: str = "") -> Calibration:
    """Thresholds from held-out content of the catalogue, and what they detect of things that are not of it.

    Of pictures, queries' own are held out, which no index holds. Passages and clips are each scored by a reference of
    the other folds. A modality with too few to bound the rate is left out: then nothing is claimed of it.

    Args:
        searcher: an encoder over the bundled collection.
        media: the benchmark's folder.
        pictures: how many held-out ones are encoded at most.
        command: what the calibration says makes it again.

    Raises:
        ConfigError: the benchmark has no queries with pictures in distribution.
    """
    kinds = {}
    for name in KINDS:
        if len(_ids(searcher, name)) < 2 * FOLDS:
            continue
        known = reference(searcher, name)
        held_out = (
            distances(known, _encode(searcher, _held_out(media)[:pictures])) if name == "image" else _by_folds(known)
        )
        found = _kind(
            held_out,
            {what: distances(known, _encode(searcher, contents)) for what, contents in _others(name, media).items()},
        )
        if found is not None:
            kinds[name] = found
    return Calibration(
        encoder=searcher.encoder.fingerprint,
        collection=searcher.collection.fingerprint,
        alpha=ALPHA,
        kinds=kinds,
        command=command,
    )


def rows(calibration: Calibration) -> list[dict[str, Any]]:
    """The calibration as lines of a table: one for held-out content and one for each other thing."""
    lines: list[dict[str, Any]] = []
    for name, kind in calibration.kinds.items():
        lines.append({"kind": name, "shown": "catalogue, held out", "n": kind.checked, "over": kind.false_alarms})
        lines += [{"kind": name, "shown": what, "n": None, "over": share} for what, share in kind.detected.items()]
    return lines


def _ids(searcher: Searcher, modality: Modality) -> list[str]:
    return sorted(searcher.collection.pool(modality) or ())


def _kind(held_out: np.ndarray, others: Mapping[str, np.ndarray]) -> Kind | None:
    mixed = np.random.default_rng(0).permutation(held_out)
    setting, checking = mixed[::2], mixed[1::2]
    if len(setting) < math.ceil(1 / ALPHA) - 1 or not len(checking):
        return None
    limit = threshold(setting)
    return Kind(
        threshold=limit,
        calibrated=len(setting),
        checked=len(checking),
        false_alarms=round(float((checking > limit).mean()), 6),
        detected={what: round(float((apart > limit).mean()), 4) for what, apart in others.items()},
    )


def _by_folds(reference_ND: np.ndarray) -> np.ndarray:
    fold = np.random.default_rng(0).permutation(len(reference_ND)) % FOLDS
    return np.concatenate([distances(reference_ND[fold != n], reference_ND[fold == n]) for n in range(FOLDS)])


def _others(name: str, media: str | Path) -> dict[str, list[Content]]:
    drawn = {what: list(contents) for what, contents in ood_samples.contents(name).items()}
    if name == "image":
        shifted = {what: _pictures(media, split)[:100] for split, what in SHIFTED.items()}
        drawn |= {what: pictures for what, pictures in shifted.items() if pictures}
    return drawn


def _held_out(media: str | Path) -> list[Content]:
    """The held-out pictures.

    Raises:
        ConfigError: there are none; the splits that there are are named.
    """
    found = _pictures(media, HELD_OUT)
    if not found:
        splits = sorted({split for _, split in evaluate.all_tasks_and_splits(media)})
        raise ConfigError(
            f"{media} has no queries with pictures of split {HELD_OUT}, whose pictures are held out and set the "
            f"threshold; its splits are {', '.join(splits)}. Calibrate on a benchmark of python -m training.catalogue"
        )
    return found


def _pictures(media: str | Path, split: str) -> list[Content]:
    """The pictures of all queries of a split, each once, in a fixed random order."""
    paths = sorted(
        {
            query.content.image
            for task, found in evaluate.all_tasks_and_splits(media)
            if found == split
            for query in judged.load(media, task, found).queries
            if isinstance(query.content.image, Path)
        }
    )
    return [Content(image=paths[place]) for place in np.random.default_rng(0).permutation(len(paths))]


def _encode(searcher: Searcher, contents: Sequence[Content]) -> np.ndarray:
    candidates = [Candidate(candidate_id=str(number), content=content) for number, content in enumerate(contents)]
    return searcher.encoder.encode_candidates(candidates).vectors
