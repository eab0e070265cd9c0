"""The weighted vector sum and its stored weights: what the arithmetic says, and whose weights are never used."""

from dataclasses import replace

import numpy as np
import pytest

from umr.errors import ConfigError, MismatchError
from umr.eval.evaluate import evaluate
from umr.eval.vector_sum import (
    GRID,
    UNTUNED,
    Tuned,
    Weights,
    read_weights,
    weight_of,
    weights_file,
    write_weights,
)
from umr.fusion import weighted_sum

TUNED = Tuned(weight=0.7, n=20, groups=5, success_at_1=[0.5] * len(GRID))


@pytest.fixture
def weights(searcher) -> Weights:
    """Weights of this encoder, from other queries."""
    return Weights(
        encoder=searcher.encoder.fingerprint,
        encoder_name="unified",
        collection="validation",
        tasks={"it2i": TUNED},
        built_by="",
        built_at="",
        command="choose again",
    )


def test_the_plain_sum_is_what_it_was_to_the_last_bit():
    rng = np.random.default_rng(0)
    parts = [
        part / np.linalg.norm(part, axis=1, keepdims=True) for part in rng.normal(size=(2, 50, 16)).astype(np.float32)
    ]
    total = parts[0] + parts[1]
    assert (weighted_sum(*parts, UNTUNED) == total / np.linalg.norm(total, axis=1, keepdims=True)).all()


def test_weights_are_read_as_they_were_written(weights, tmp_path):
    assert read_weights(write_weights(weights, tmp_path / "w.json")) == weights


def test_the_stored_weight_is_used_and_stated(searcher, benchmark, weights):
    assert evaluate(searcher, benchmark, "it2i", "ind")["vector_sum_weight"] == UNTUNED
    write_weights(weights, weights_file(searcher.index.folder))
    assert (weight_of(searcher, "it2i"), weight_of(searcher, "it2v")) == (0.7, UNTUNED)
    row = evaluate(searcher, benchmark, "it2i", "ind")
    assert row["vector_sum_weight"] == 0.7
    assert evaluate(searcher, benchmark, "t2t", "ind")["vector_sum_weight"] is None
    write_weights(replace(weights, tasks={"it2i": replace(TUNED, weight=1.0)}), weights_file(searcher.index.folder))
    row = evaluate(searcher, benchmark, "it2i", "ind")
    assert row["vector_sum_success@1"] == row["text_only_success@1"]


def test_weights_of_another_encoder_are_refused(searcher, weights):
    write_weights(replace(weights, encoder="other"), weights_file(searcher.index.folder))
    with pytest.raises(MismatchError, match=r"was chosen for unified other.*choose again"):
        weight_of(searcher, "it2i")


def test_weights_that_were_chosen_on_what_is_evaluated_are_refused(searcher, benchmark, weights):
    write_weights(replace(weights, collection=searcher.collection.fingerprint), weights_file(searcher.index.folder))
    with pytest.raises(MismatchError, match="may not be evaluated there"):
        evaluate(searcher, benchmark, "it2i", "ind")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"tasks": {"it2i": {"weight": 0.5}}}', None])
def test_a_file_that_holds_no_weights_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "w.json").write_text(text)
    with pytest.raises(ConfigError, match=r"w\.json holds no weights.*--tune-vector-sum"):
        read_weights(tmp_path / "w.json")


def test_a_weight_that_was_never_tried_is_refused(weights, tmp_path):
    path = write_weights(replace(weights, tasks={"it2i": replace(TUNED, weight=0.33)}), tmp_path / "w.json")
    with pytest.raises(ConfigError, match=r"0.33 is none of 0, 0.05"):
        read_weights(path)
