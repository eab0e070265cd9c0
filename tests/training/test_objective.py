"""The sum of a step's losses against closed forms and against the losses themselves; which rows teach which head."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from training.batch import CodeBook, Composition, Contrast, TrainBatch
from training.config import TrainConfig
from training.losses import composition_preference, composition_regularisation, info_nce, symmetric_info_nce
from training.objective import TEMPERATURE_RANGE, Objective
from training.truth import CandidateKeys, QueryKeys
from umr.errors import ConfigError

DIM = 6
CONFIG = TrainConfig(name="test", temperature=0.1)
CODES = CodeBook(sizes=(3, 5, 2, 4), action=2)  # of no world: the heads take what they are told


def rows(count: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)), dim=1)


def contrast(task: str, count: int, width: int, answers: int = 0, **changes) -> Contrast:
    """Query b is answered by candidate b, and by the last `answers` candidates."""
    zeros = partial(torch.zeros, dtype=torch.int64)
    number = torch.arange(1, width + 1)
    positives, identity = zeros(count, 1 + answers, 3), zeros(width, 3)
    positives[:, 0, 0], positives[:, 1:, 0], identity[:, 0] = number[:count], number[width - answers :], number
    return Contrast(
        task=task,
        query=task,
        candidates=("picture", "passage"),
        positive=torch.arange(count),
        queries=QueryKeys(kinds=zeros(count) + 1, positives=positives, allowed=zeros(count, 0, 0), facts=zeros(count)),
        found=CandidateKeys(kind=zeros(width) + 1, identity=identity, values=zeros(width, 0), facts=zeros(width)),
        **changes,
    )


def batch(contrasts=(), compositions=(), codes=None, open_roles=()) -> TrainBatch:
    return TrainBatch(
        programme="test",
        chunks=[],
        contrasts=list(contrasts),
        compositions=list(compositions),
        codes=codes or {},
        open_roles=frozenset(open_roles),
    )


def zero_codes(count: int) -> torch.Tensor:
    return torch.zeros(count, len(CODES.sizes), dtype=torch.int64)


def test_equal_rows_cost_the_logarithm_of_what_is_not_ignored():
    one = contrast("t2i", 3, 7, answers=2)
    assert one.ignore.sum(dim=1).tolist() == [2, 2, 2] and one.ignore[:, 5:].all()
    outputs = {"t2i": rows(1).expand(3, DIM), "picture": rows(1).expand(4, DIM), "passage": rows(1).expand(3, DIM)}
    assert Objective(CONFIG, DIM)(outputs, batch([one])).item() == pytest.approx(math.log(5), abs=1e-5)


def test_tasks_are_averaged_by_their_weights_over_joined_candidates():
    first, second = contrast("t2i", 3, 7, weight=0.7, symmetric=True), contrast("it2i", 2, 7)
    outputs = {"t2i": rows(3, 1), "it2i": rows(2, 2), "picture": rows(4, 3), "passage": rows(3, 4)}
    pool = torch.cat([outputs["picture"], outputs["passage"]])
    temperature = torch.tensor(0.1)
    captions = symmetric_info_nce(outputs["t2i"], pool, first.positive, temperature, first.ignore)
    composed = info_nce(outputs["it2i"], pool, second.positive, temperature, second.ignore)
    objective = Objective(CONFIG, DIM)
    torch.testing.assert_close(objective(outputs, batch([first, second])), (0.7 * captions + composed) / 1.7)
    assert objective.terms == pytest.approx({"t2i": captions.item(), "it2i": composed.item()}, rel=1e-5)


def test_heads_that_know_nothing_cost_the_mean_logarithm_of_the_values():
    config = replace(CONFIG, attribute_weight=0.5, vision_weight=0.25, motion_weight=2.0)
    objective = Objective(config, DIM, CODES)
    for head in (objective.heads.linear, objective.vision_heads.linear, objective.motion_head):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    outputs = {"picture": rows(4), "vision": rows(5), "motion": rows(2)}
    found = objective(outputs, batch(codes={role: zero_codes(len(value)) for role, value in outputs.items()}))
    attributes = sum(map(math.log, CODES.sizes)) / len(CODES.sizes)
    action = math.log(CODES.sizes[CODES.action])
    assert found.item() == pytest.approx(0.75 * attributes + 2.0 * action, rel=1e-5)


def test_rows_that_fix_no_attribute_teach_no_head():
    objective = Objective(replace(CONFIG, attribute_weight=1.0), DIM, CODES)
    outputs = {"picture": rows(4, 1), "t2i": rows(4, 2)}
    codes = {role: zero_codes(4) for role in outputs}
    alone = objective({"picture": outputs["picture"]}, batch(codes={"picture": codes["picture"]}))
    torch.testing.assert_close(objective(outputs, batch(codes=codes, open_roles={"t2i"})), alone)


@pytest.mark.parametrize("weight", ["attribute_weight", "vision_weight", "motion_weight"])
def test_heads_are_refused_where_no_code_is_there_to_learn(weight):
    with pytest.raises(ConfigError, match=weight):
        Objective(replace(CONFIG, **{weight: 0.5}), DIM)


def test_both_losses_of_mca_are_added_per_composition():
    config = replace(CONFIG, preference_weight=0.1, regularisation_weight=0.3, mixer="mean")
    outputs = {"it2i": rows(3, 1), "it2i picture": rows(3, 2), "it2i text": rows(3, 3), "picture": rows(5, 4)}
    same = torch.zeros(3, 3, dtype=torch.bool)
    same[0, 1] = True
    one = Composition(
        task="it2i",
        roles=("it2i", "it2i picture", "it2i text"),
        paired="picture",
        positive=torch.tensor([4, 0, 2]),
        same=same,
    )
    composed, picture, text = (outputs[role] for role in one.roles)
    temperature = torch.tensor(0.1)
    preference = composition_preference(composed, picture, text, outputs["picture"][one.positive], temperature)
    prototype = F.normalize((picture + text) / 2, dim=1)
    regularisation = composition_regularisation(composed, prototype, temperature, same)
    objective = Objective(config, DIM)
    torch.testing.assert_close(objective(outputs, batch(compositions=[one])), 0.1 * preference + 0.3 * regularisation)
    torch.testing.assert_close(
        objective(outputs, batch(compositions=[one, one])), 0.1 * preference + 0.3 * regularisation
    )


def test_entries_are_held_against_their_own_parts_as_queries_are():
    """Entries equal to the queries that they answer, parts at right angles to these: both terms in closed form."""
    e = torch.eye(DIM)
    outputs = {"entry": e[:2], "entry picture": e[2:4], "entry text": e[4:6], "t2it": e[[1, 0]]}
    one = Composition(
        task="entry",
        roles=("entry", "entry picture", "entry text"),
        paired="t2it",
        positive=torch.tensor([1, 0]),
        same=torch.zeros(2, 2, dtype=torch.bool),
    )
    objective = Objective(replace(CONFIG, preference_weight=1.0, temperature=0.5), DIM)
    loss = objective(outputs, batch(compositions=[one]))
    assert loss.item() == pytest.approx(math.log(1 + 2 * math.exp(-2)), rel=1e-5)
    assert list(objective.terms) == ["preference entry"]
    regular = Objective(replace(CONFIG, regularisation_weight=1.0, temperature=0.5, mixer="mean"), DIM)
    assert regular(outputs, batch(compositions=[one])).item() == pytest.approx(math.log(2), rel=1e-5)
    outputs |= {"entry picture": e[:2], "entry text": e[:2]}  # now the prototype is the entry
    assert regular(outputs, batch(compositions=[one])).item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-5)


def test_the_temperature_stays_in_its_range_and_learns_only_where_it_may():
    objective = Objective(CONFIG, DIM)
    for value, kept in ((-9.0, TEMPERATURE_RANGE[0]), (9.0, TEMPERATURE_RANGE[1])):
        with torch.no_grad():
            objective.log_temperature.fill_(value)
        objective.keep_temperature_in_range()
        assert objective.temperature.item() == pytest.approx(kept)
    assert objective.log_temperature.requires_grad
    fixed = Objective(replace(CONFIG, learn_temperature=False, temperature=0.005), DIM)
    fixed.keep_temperature_in_range()
    assert not fixed.log_temperature.requires_grad
    assert fixed.temperature.item() == pytest.approx(0.005)  # what is not learned stays what it is


@pytest.mark.parametrize("stop", [False, True])
def test_mcas_terms_leave_the_temperature_and_where_asked_the_parts(stop):
    config = replace(CONFIG, preference_weight=0.1, regularisation_weight=0.3, mixer="mean", stop_gradient=stop)
    objective = Objective(config, DIM)
    leaves = {
        role: rows(3, seed).requires_grad_()
        for seed, role in enumerate(("it2i", "it2i picture", "it2i text", "picture"))
    }
    one = Composition(
        task="it2i",
        roles=("it2i", "it2i picture", "it2i text"),
        paired="picture",
        positive=torch.arange(3),
        same=torch.zeros(3, 3, dtype=torch.bool),
    )
    objective(leaves, batch(compositions=[one])).backward()
    assert objective.log_temperature.grad is None
    assert leaves["it2i"].grad is not None
    for part in ("it2i picture", "it2i text"):
        assert (leaves[part].grad is None) == stop
