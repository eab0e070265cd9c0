"""Who wins in pairs: Bradley and Terry's model with intervals, from votes alone. Not where votes lie.

P(i is preferred to j) = s_i / (s_i + s_j) (Bradley and Terry, 1952), fitted by minorisation-maximisation (Hunter,
2004). A draw counts half for each side. Every pair that met is given PRIOR wins each way, so that a model that won
every time has a finite strength.

Intervals are of the Bayesian bootstrap (Rubin, 1981): each draw weighs the votes and the prior's wins anew, by a
Dirichlet distribution. Of one model against another without draws that is exactly the beta distribution of its share
of wins, with Jeffreys' prior: few votes, or votes that all say the same, never look certain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

DRAWS, STEPS = 1000, 200
PRIOR = 0.5
ENDS = (2.5, 97.5)  # per cent: of the interval


@dataclass(frozen=True, slots=True)
class Standing:
    """One model among those that were voted on.

    Attributes:
        share: the chance from 0 to 1 that it is preferred to another one of them, drawn at random.
        interval: the 95 % interval of this chance: of the Bayesian bootstrap over votes.
        battles: in which it stood.
    """

    share: float
    interval: tuple[float, float]
    battles: int


def standings(votes: Iterable[tuple[str, str, float]], draws: int = DRAWS, seed: int = 0) -> dict[str, Standing]:
    """Models by their chance to be preferred, the best first.

    Args:
        votes: (a, b, 1 where a is preferred, 0 where b is, 0.5 for a draw).
        draws: of the bootstrap.
        seed: of its random numbers.

    Returns:
        {} without votes.
    """
    cells = Counter(votes)
    if not cells:
        return {}
    names = sorted({name for a, b, _ in cells for name in (a, b)})
    place = {name: number for number, name in enumerate(names)}
    kinds = [(place[a], place[b], score) for a, b, score in cells]
    met = sorted({(min(a, b), max(a, b)) for a, b, _ in kinds})
    kinds += [(a, b, score) for a, b in met for score in (1.0, 0.0)]
    counts_C = np.array([*cells.values(), *[PRIOR] * (2 * len(met))], float)
    # gamma variables are Dirichlet weights up to a factor of the draw, which no share depends on
    drawn_BC = np.random.default_rng(seed).gamma(counts_C, size=(draws, len(counts_C)))
    shares_BM = _shares(_wins(kinds, np.vstack([counts_C, drawn_BC]), len(names)))
    low_M, high_M = np.percentile(shares_BM[1:], ENDS, axis=0)
    battles = Counter[str]()
    for (a, b, _), count in cells.items():
        battles.update({a: count, b: count})
    found = {
        name: Standing(float(shares_BM[0, at]), (float(low_M[at]), float(high_M[at])), battles[name])
        for name, at in place.items()
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1].share, item[0])))


def _wins(kinds: list[tuple[int, int, float]], counts_BC: np.ndarray, models: int) -> np.ndarray:
    """(B, M, M): wins of the row over the column in each draw."""
    wins_BMM = np.zeros((len(counts_BC), models, models))
    for cell, (a, b, score) in enumerate(kinds):
        wins_BMM[:, a, b] += score * counts_BC[:, cell]
        wins_BMM[:, b, a] += (1 - score) * counts_BC[:, cell]
    return wins_BMM


def _shares(wins_BMM: np.ndarray) -> np.ndarray:
    """(B, M): the mean chance of each model against the others, after STEPS of Hunter's update."""
    games_BMM = wins_BMM + wins_BMM.transpose(0, 2, 1)
    strength_BM = np.ones(wins_BMM.shape[:2])
    for _ in range(STEPS):
        both_BMM = strength_BM[:, :, None] + strength_BM[:, None, :]
        strength_BM = wins_BMM.sum(2) / (games_BMM / both_BMM).sum(2)
        strength_BM /= strength_BM.mean(1, keepdims=True)
    chance_BMM = strength_BM[:, :, None] / (strength_BM[:, :, None] + strength_BM[:, None, :])
    others = wins_BMM.shape[1] - 1
    return (chance_BMM.sum(2) - 0.5) / max(1, others)
