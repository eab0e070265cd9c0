"""A re-ranker that goes on from an encoder's cosines: they enter its answers, and another encoder's are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.errors import MismatchError
from umr.rerank.config import Prior
from umr.rerank.order import Reordering
from umr.rerank.reranker import Reranker
from umr.types import Content, Query


@pytest.fixture
def with_prior(searcher):
    """Makes a re-ordering whose prior is of an encoder: by default that of the searcher."""
    plain = tiny_reranker(tiny_tokenizer())

    def make(encoder: str = "", scale: float = 20.0) -> Reordering:
        prior = Prior(encoder=encoder or searcher.encoder.fingerprint, scale=scale, zero=0.5)
        config = replace(plain.config, prior=prior)
        changed = Reranker(config, plain.network.backbone, plain.network.tokenizer).eval()
        return Reordering(reranker=changed, weight=1.0, depth=8)

    return make, Reordering(reranker=plain, weight=1.0, depth=8)


QUERY = Query(query_id="q", content=Content(text="a red card"), target_modality="image")


def test_the_cosine_of_each_hit_is_a_part_of_its_logit(searcher, with_prior):
    make, plain = with_prior
    hits = {one.hit.candidate_id: one.hit.score for one in searcher.search(QUERY, 8).results}
    one, other = ({hit.hit.candidate_id: hit.hit.score for hit in order.search(searcher, QUERY, 8).results}
                  for order in (plain, make()))  # fmt: skip
    assert set(one) == set(other) == set(hits)
    for did, cosine in hits.items():
        logit = np.log(one[did] / (1 - one[did])) + 20 * (cosine - 0.5)
        assert other[did] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
    steep = make(scale=1e5).search(searcher, QUERY, 8).results  # the pair alone counts for nothing then
    assert [row.hit.candidate_id for row in steep] == list(hits)


def test_hits_of_another_encoder_are_refused_with_the_way_out(searcher, with_prior):
    order = with_prior[0]("f" * 64)
    said = r"tiny goes on from the cosines of the encoder f{12}, and these hits are of .*index of its own encoder"
    with pytest.raises(MismatchError, match=said):
        order.search(searcher, QUERY, 8)
    with pytest.raises(MismatchError, match=said):
        order({}, [], searcher)
    with_prior[1].check("any encoder")  # the pair alone is judged: nothing to refuse
