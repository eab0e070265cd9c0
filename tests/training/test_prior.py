"""The cosine as what a re-ranker starts from: it is fitted by logistic regression, and at first its order holds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.test_rerank import CONFIG, THINGS, source_of, texts
from training.mixture import sentences_of
from training.prior import Cosines, fitted
from training.recall import numbered, served_queries
from training.rerank import RerankTrainer, main, undecided
from umr.encoders import load_trainable
from umr.errors import ConfigError
from umr.rerank import load_reranker
from umr.rerank.config import Prior, RerankerConfig
from umr.rerank.reranker import Reranker
from umr.rerank.store import begin_reranker
from umr.types import Candidate


@pytest.fixture(scope="module")
def start(tmp_path_factory, small_encoder):
    folder = tmp_path_factory.mktemp("start") / "small"
    small_encoder().save(folder)
    return folder


def test_the_fit_is_where_the_slopes_of_both_likelihoods_are_zero():
    rng = np.random.default_rng(0)
    right, wrong = [rng.normal(0.7, 0.1, 2) for _ in range(40)], [rng.normal(0.5, 0.1, 3) for _ in range(40)]
    scale, zero = fitted(right, wrong)
    apart = np.concatenate([np.subtract.outer(yes, no).ravel() for yes, no in zip(right, wrong, strict=True)])
    assert abs((apart / (1 + np.exp(scale * apart))).mean()) < 1e-4 and scale > 0
    cosine = np.concatenate([*right, *wrong])
    left = np.repeat([1.0, 0.0], [80, 120]) - 1 / (1 + np.exp(-scale * (cosine - zero)))
    assert abs(left.mean()) < 1e-4
    # of two normal distributions of one width s, log odds are linear, (m1 - m0) / s^2 a unit; of differences too
    many = [rng.normal(0.7, 0.1, (20_000, 1)), rng.normal(0.5, 0.1, (20_000, 1))]
    scale, zero = fitted(*many)
    assert scale == pytest.approx(20, rel=0.05) and zero == pytest.approx(0.6, abs=0.005)


def test_the_scale_is_of_differences_within_a_query_wherever_its_cosines_lie():
    rng = np.random.default_rng(0)
    place = rng.normal(0, 0.3, (20_000, 1))  # tasks lie at cosines of their own
    right, wrong = place + rng.normal(0.1, 0.05, (20_000, 1)), place + rng.normal(0.0, 0.05, (20_000, 4))
    assert fitted(right, wrong)[0] == pytest.approx(0.1 / 0.05**2, rel=0.05)


def test_a_cosine_that_tells_nothing_is_refused_and_one_that_tells_all_stays_finite():
    with pytest.raises(ConfigError, match="no nearer than the negatives"):
        fitted([np.array([0.1, 0.2])], [np.array([0.3, 0.4])])
    with pytest.raises(ConfigError, match=r"python -m training\.mine"):
        fitted([np.array([0.1])], [np.array([])])
    with pytest.raises(ConfigError, match=r"python -m training\.mine"):
        fitted([], [])
    scale, zero = fitted([np.array([0.8, 0.9])], [np.array([0.1, 0.2])])
    assert 0 < scale < 1000 and 0.2 < zero < 0.8


def begun(start, source, tmp_path, config):
    """A run with a prior, as the command begins it, and the cosines that it knows."""
    cosines = Cosines.of(load_trainable(start), source, tmp_path / "cosines.safetensors")
    plain = begin_reranker(start, "toy")
    undecided(plain)
    with_prior = Reranker(replace(plain.config, prior=cosines.prior), plain.network.backbone, plain.network.tokenizer)
    return RerankTrainer(config, source, with_prior, cosines), cosines


def test_before_the_first_step_a_pair_is_worth_what_its_cosine_says(start, tmp_path):
    source = source_of(tmp_path / "mined.jsonl", texts(THINGS[:3]))
    config = replace(CONFIG, prior=True, negatives=2, listwise_weight=1.0, steps=40)
    run, cosines = begun(start, source, tmp_path, config)
    encoder = load_trainable(start)
    query = served_queries(source.examples[:1], sentences_of(source, encoder))[0]
    contents = list(source.candidates.values())
    cosine_M = (encoder.encode_queries([query]).vectors @ encoder.encode_candidates(numbered(contents)).vectors.T)[0]
    candidates = [Candidate(candidate_id=f"{n}", content=one) for n, one in enumerate(contents)]
    found = run.reranker.scores(query, candidates, cosines=cosine_M.tolist())
    prior = cosines.prior
    expected = 1 / (1 + np.exp(-prior.scale * (cosine_M - prior.zero)))
    assert np.allclose(found, expected, atol=1e-4) and prior.encoder == encoder.fingerprint
    first = next(iter(source.candidates))
    assert cosines.known(source.examples[0], first) == pytest.approx(prior.logit(float(cosine_M[0])), abs=1e-3)
    with pytest.raises(ConfigError, match=f"0 of {len(candidates)} were given.*{encoder.fingerprint[:12]}"):
        run.reranker.scores(query, candidates)
    (batch,) = run.builder.build(0)
    logits = run.logits(batch)
    assert torch.allclose(logits[:, 0] - logits[:, 1], batch.known, atol=1e-4) and batch.known.std() > 0
    losses = [run.step(n, run.builder.build(n))["loss"] for n in range(config.steps)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5]), losses


def test_vectors_are_kept_for_a_run_that_goes_on_and_not_for_other_data(start, tmp_path):
    one, other = (source_of(tmp_path / f"{n}.jsonl", texts(THINGS[:n])) for n in (2, 3))
    encoder, kept = load_trainable(start), tmp_path / "cosines.safetensors"
    first = Cosines.of(encoder, one, kept)
    before = kept.stat().st_mtime_ns
    again = Cosines.of(encoder, one, kept)
    assert torch.equal(first.query_BD, again.query_BD) and first.prior == again.prior
    assert kept.stat().st_mtime_ns == before
    assert len(Cosines.of(encoder, other, kept).candidate_MD) == len(other.candidates)
    assert kept.stat().st_mtime_ns != before
    assert len(first.query_BD) == 4 < len(one.examples)  # one text a colour, whatever its answers are


def test_the_command_keeps_the_prior_in_the_folder(start, tmp_path, capsys):
    source_of(tmp_path / "mined.jsonl", texts(THINGS[:2]))
    command = ["--init", str(start), "--data", f"jsonl:{tmp_path / 'mined.jsonl'}", "--out", str(tmp_path / "made")]
    assert main([*command, "--set", "steps=2", "queries_per_batch=4", "bf16=false", "threads=1", "prior=true"]) == 0
    prior = load_reranker(tmp_path / "made", device="cpu").config.prior
    assert isinstance(prior, Prior) and prior.encoder == load_trainable(start).fingerprint
    path = tmp_path / "made" / "reranker.json"
    said = json.loads(path.read_text())
    assert said["prior"] == {"encoder": prior.encoder, "scale": prior.scale, "zero": prior.zero}
    for bad in ({"scale": 1.0}, {**said["prior"], "zero": float("inf")}, 3):
        path.write_text(json.dumps(said | {"prior": bad}))
        with pytest.raises(ConfigError, match="encoder, scale and zero are needed"):
            load_reranker(tmp_path / "made")
    assert RerankerConfig.__dataclass_fields__["prior"].default is None
