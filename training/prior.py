"""What an encoder's cosine says of a pair, fitted to mined examples, which a re-ranker then betters. Not the training.

A judge of the cosine alone: log odds of yes = scale * (cosine - zero). The scale is fitted within queries, to answers
against the mined negatives of the same query (Bradley and Terry 1952), since tasks lie at cosines of their own; the
zero to all of them. Starting there is boosting (Friedman 2001, "Greedy function approximation"): what follows is
fitted to what the cosine gets wrong.

B queries, M candidates, D embedding.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.mixture import sentences_of
from training.recall import numbered, served_queries
from training.sources.source import Example, Source
from umr.disk import replacing
from umr.encoders.base import UnifiedEncoder
from umr.errors import ConfigError
from umr.rerank.config import Prior

log = logging.getLogger("training")

ROUNDS = 50  # of Newton's method; it stands still long before


@dataclass(frozen=True, eq=False, kw_only=True)
class Cosines:
    """The vectors of all examples and candidates of a source.

    Attributes:
        query_BD: of what the examples ask, each query once.
        candidate_MD: of the candidates, in their order.
        query_rows: what is asked -> row.
        candidate_rows: id -> row.
        prior: fitted to them.
    """

    query_BD: Tensor
    candidate_MD: Tensor
    query_rows: dict[tuple[object, ...], int]
    candidate_rows: dict[str, int]
    prior: Prior

    @classmethod
    def of(cls, encoder: UnifiedEncoder, source: Source, kept: Path) -> Cosines:
        """Embed what is not kept from a run before, and fit the prior.

        Args:
            encoder: asked as it serves.
            source: mined examples.
            kept: the file that keeps the vectors for a run that goes on.

        Raises:
            ConfigError: no example has a negative, or cosine does not tell answers from them at all.
        """
        wanted = {"encoder": encoder.fingerprint, "data": source.fingerprint}
        unlike = {asked(example): example for example in source.examples}
        vectors = _kept(kept, wanted)
        if vectors is None:
            queries = served_queries(list(unlike.values()), sentences_of(source, encoder))
            vectors = {
                "queries": torch.from_numpy(encoder.encode_queries(queries).vectors),
                "candidates": torch.from_numpy(
                    encoder.encode_candidates(numbered([*source.candidates.values()])).vectors
                ),
            }
            with replacing(kept) as path:
                save_file(vectors, path, wanted)
        query_rows = {one: row for row, one in enumerate(unlike)}
        candidate_rows = {did: row for row, did in enumerate(source.candidates)}
        query_BD, candidate_MD = vectors["queries"], vectors["candidates"]

        def cosines(example: Example, ids: Sequence[str]) -> np.ndarray:
            found_K = candidate_MD[[candidate_rows[did] for did in ids]] @ query_BD[query_rows[asked(example)]]
            return found_K.numpy()

        right = [cosines(example, example.positives) for example in source.examples]
        wrong = [cosines(example, example.negatives) for example in source.examples]
        scale, zero = fitted(right, wrong)
        log.info("prior: %.2f * (cosine - %.4f)", scale, zero)
        prior = Prior(encoder=encoder.fingerprint, scale=scale, zero=zero)
        return cls(query_BD=query_BD, candidate_MD=candidate_MD, query_rows=query_rows,
                   candidate_rows=candidate_rows, prior=prior)  # fmt: skip

    def known(self, example: Example, did: str) -> float:
        """The prior's logit of yes for a pair."""
        cosine = self.query_BD[self.query_rows[asked(example)]] @ self.candidate_MD[self.candidate_rows[did]]
        return self.prior.logit(float(cosine))


def asked(example: Example) -> tuple[object, ...]:
    """What makes two examples the same query: examples that differ in their answers alone share a vector."""
    return example.query, example.wanted, example.instruction


def fitted(right: Sequence[np.ndarray], wrong: Sequence[np.ndarray]) -> tuple[float, float]:
    """Scale and zero of the log odds of yes, six digits each.

    Args:
        right: cosines of the answers of each query.
        wrong: of its negatives.

    Raises:
        ConfigError: no query has both, or its answers are not nearer on the whole.
    """
    apart_N = np.concatenate([np.subtract.outer(yes, no).ravel() for yes, no in zip(right, wrong, strict=True)] or [[]])
    if not len(apart_N):
        raise ConfigError("a prior needs answers and mined negatives: mine them with python -m training.mine")
    unit = max(float(np.abs(apart_N).mean()), 1e-9)
    scale = _fit(apart_N / unit, np.ones_like(apart_N)) / unit
    if scale <= 0:
        raise ConfigError("answers are no nearer than the negatives are: the cosine of this encoder is no prior here")
    cosine_N = np.concatenate([*right, *wrong])
    label_N = np.repeat([1.0, 0.0], [sum(map(len, right)), sum(map(len, wrong))])
    below = _fit(np.ones_like(cosine_N), label_N, scale * (cosine_N - cosine_N.mean()))
    return round(float(scale), 6), round(float(cosine_N.mean() - below / scale), 6)


def _fit(slope_N: np.ndarray, label_N: np.ndarray, known_N: np.ndarray | float = 0.0) -> float:
    """The w at which the likelihood of the labels under log odds of w * slope + known is greatest, by Newton's method.

    A penalty of 1e-6 w^2 / 2 on the mean keeps w finite where the labels are told apart altogether.
    """
    w = 0.0
    for _ in range(ROUNDS):
        odds_N = np.clip(w * slope_N + known_N, -500, 500)
        yes_N = 1 / (1 + np.exp(-odds_N))
        curve = (slope_N**2 * yes_N * (1 - yes_N)).mean() + 1e-6
        w += float(np.clip((slope_N * (label_N - yes_N)).mean() - 1e-6 * w, -4 * curve, 4 * curve)) / curve
    return w


def _kept(path: Path, wanted: dict[str, str]) -> dict[str, Tensor] | None:
    if not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        if file.metadata() != wanted:
            return None
        return {name: file.get_tensor(name) for name in ("queries", "candidates")}
