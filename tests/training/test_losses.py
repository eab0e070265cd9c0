"""Losses against closed forms and hand-made numbers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from training.losses import (
    composition_preference,
    composition_regularisation,
    distill_kl,
    info_nce,
    symmetric_info_nce,
)


def unit_rows(count: int, dim: int = 6, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, dim, generator=generator, dtype=torch.float64), dim=1)


def column(*places: int) -> torch.Tensor:
    return torch.tensor(places, dtype=torch.int64)


def test_zero_vectors_give_log_of_the_number_of_candidates():
    zeros_B, zeros_M = torch.zeros(4, 3), torch.zeros(7, 3)
    assert info_nce(zeros_B, zeros_M, column(0, 1, 2, 3), 0.05).item() == pytest.approx(math.log(7))
    assert symmetric_info_nce(zeros_B, zeros_B, column(0, 1, 2, 3), 0.05).item() == pytest.approx(math.log(4))
    assert composition_regularisation(zeros_B, zeros_B, 0.05).item() == pytest.approx(math.log(4))


def test_two_by_two_by_hand():
    # Cosines [[1, 0], [0, 1]] at temperature 0.5: each row is log(1 + e^-2).
    eye = torch.eye(2)
    assert info_nce(eye, eye, column(0, 1), 0.5).item() == pytest.approx(math.log1p(math.exp(-2)))
    # The wrong way round each row is log(1 + e^2).
    assert info_nce(eye, eye, column(1, 0), 0.5).item() == pytest.approx(math.log1p(math.exp(2)))


def test_temperature_divides():
    eye = torch.eye(2)
    assert info_nce(eye, eye, column(0, 1), 0.1) < info_nce(eye, eye, column(0, 1), 1.0)


def test_candidate_order_does_not_matter():
    query, candidate, positive = unit_rows(5, seed=1), unit_rows(9, seed=2), column(3, 0, 8, 1, 5)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    moved = torch.argsort(order)[positive]
    for loss in (info_nce, symmetric_info_nce):
        torch.testing.assert_close(loss(query, candidate[order], moved, 0.1), loss(query, candidate, positive, 0.1))


def test_ignored_candidates_equal_absent_ones_and_get_no_gradient():
    query, candidate = unit_rows(2, seed=1), unit_rows(5, seed=2).requires_grad_()
    ignore = torch.zeros(2, 5, dtype=torch.bool)
    ignore[:, 3:] = True
    loss = info_nce(query, candidate, column(0, 1), 0.1, ignore)
    torch.testing.assert_close(loss, info_nce(query, candidate[:3], column(0, 1), 0.1))
    loss.backward()
    assert candidate.grad[3:].abs().max() == 0
    assert candidate.grad[:3].abs().min() > 0


def test_learned_temperature_gets_the_analytic_gradient():
    eye, temperature = torch.eye(2, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    info_nce(eye, eye, column(0, 1), temperature).backward()
    # d/dt log(1 + e^(-1/t)) = e^(-1/t) / (1 + e^(-1/t)) / t^2
    share = math.exp(-2) / (1 + math.exp(-2))
    assert temperature.grad.item() == pytest.approx(share / 0.25)


def second_direction(query, candidate, positive, ignore=None):
    """The part of symmetric_info_nce that info_nce is not."""
    return 2 * symmetric_info_nce(query, candidate, positive, 0.1, ignore) - info_nce(
        query, candidate, positive, 0.1, ignore
    )


def test_symmetric_is_the_mean_of_both_directions():
    query, candidate, all_four = unit_rows(4, seed=1), unit_rows(4, seed=2), column(0, 1, 2, 3)
    forward, backward = info_nce(query, candidate, all_four, 0.1), info_nce(candidate, query, all_four, 0.1)
    both = symmetric_info_nce(query, candidate, all_four, 0.1)
    torch.testing.assert_close(both, (forward + backward) / 2)


def test_symmetric_ranks_only_queries_in_the_second_direction():
    query, candidate, positive = unit_rows(3, seed=1), unit_rows(8, seed=2), column(4, 0, 6)
    backward = info_nce(candidate[positive], query, column(0, 1, 2), 0.1)
    torch.testing.assert_close(second_direction(query, candidate, positive), backward)


def test_symmetric_takes_no_query_with_the_same_or_an_ignored_positive_as_negative():
    query, candidate = unit_rows(3, seed=1), unit_rows(2, seed=2)
    shared = second_direction(query, candidate, column(0, 0, 1))
    score = query @ candidate.T / 0.1
    first = -torch.log_softmax(score[[0, 2], 0], dim=0)[0]
    second = -torch.log_softmax(score[[1, 2], 0], dim=0)[0]
    third = -torch.log_softmax(score[:, 1], dim=0)[2]
    torch.testing.assert_close(shared, (first + second + third) / 3)
    # Query 0 ignores candidate 1, so query 0 is no negative of candidate 1 either.
    ignore = torch.tensor([[False, True], [False, False], [False, False]])
    masked = second_direction(query, candidate, column(0, 0, 1), ignore)
    third = -torch.log_softmax(score[1:, 1], dim=0)[1]
    torch.testing.assert_close(masked, (first + second + third) / 3)


def test_preference_of_equal_similarities_is_log_three():
    row = unit_rows(4)
    assert composition_preference(row, row, row, row, 0.1).item() == pytest.approx(math.log(3))


def test_preference_by_hand():
    # Similarities to the pair: composed 1, picture 0, text -1, at temperature 1.
    right, up = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    softmax = composition_preference(right, up, -right, right, 1.0)
    assert softmax.item() == pytest.approx(math.log(1 + math.exp(-1) + math.exp(-2)))


def test_preference_pulls_the_composed_and_pushes_the_parts():
    rows = [unit_rows(3, seed=seed).requires_grad_() for seed in (1, 2, 3)]
    candidate = unit_rows(3, seed=4)
    composition_preference(*rows, candidate, 0.1).backward()
    along = [(row.grad * candidate).sum(dim=1) for row in rows]
    assert (along[0] < 0).all() and (along[1] > 0).all() and (along[2] > 0).all()


def test_regularisation_has_its_own_row_as_positive():
    composed, prototype = unit_rows(5, seed=1), unit_rows(5, seed=2)
    expected = -torch.log_softmax(composed @ prototype.T / 0.2, dim=1).diagonal().mean()
    torch.testing.assert_close(composition_regularisation(composed, prototype, 0.2), expected)
    ignore = torch.zeros(5, 5, dtype=torch.bool)
    ignore[0, 1] = True
    assert composition_regularisation(composed, prototype, 0.2, ignore) < expected


def test_distillation_of_equal_scores_is_zero_and_does_not_see_a_shift():
    scores = unit_rows(3)
    assert distill_kl(scores, scores + 0.3, 0.1).item() == pytest.approx(0, abs=1e-12)


def test_distillation_equals_torch_kl_and_a_hand_made_one():
    student, teacher = unit_rows(3, seed=1), unit_rows(3, seed=2)
    expected = F.kl_div((student / 0.1).log_softmax(1), (teacher / 0.1).softmax(1), reduction="batchmean")
    torch.testing.assert_close(distill_kl(student, teacher, 0.1), expected)
    # Teacher shares (3/4, 1/4), student (1/2, 1/2).
    by_hand = distill_kl(torch.zeros(1, 2), torch.tensor([[math.log(3), 0.0]]), 1.0)
    assert by_hand.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))


def test_distillation_sends_no_gradient_to_the_teacher_nor_the_temperature_through_it():
    student, teacher = unit_rows(3, seed=1).requires_grad_(), unit_rows(3, seed=2).requires_grad_()
    distill_kl(student, teacher, 0.1).backward()
    assert teacher.grad is None and student.grad.abs().max() > 0
    temperature = torch.tensor(0.1, requires_grad=True)
    distill_kl(torch.zeros(2, 4), torch.rand(2, 4), temperature).backward()
    # A flat student does not depend on the temperature; only the teacher's side would.
    assert temperature.grad.item() == 0


def test_distillation_with_padding_equals_the_short_list():
    student, teacher = unit_rows(2, seed=1).requires_grad_(), unit_rows(2, seed=2)
    present = torch.tensor([[True, True, True, True, False, False]]).expand(2, 6)
    padded = distill_kl(student, teacher, 0.1, present)
    torch.testing.assert_close(padded, distill_kl(student[:, :4], teacher[:, :4], 0.1))
    padded.backward()
    assert student.grad[:, 4:].abs().max() == 0
    assert student.grad.isfinite().all()


def test_bf16_embeddings_are_scored_in_float32_also_under_autocast():
    query, candidate = unit_rows(4, seed=1).bfloat16(), unit_rows(4, seed=2).bfloat16()
    expected = info_nce(query.float(), candidate.float(), column(0, 1, 2, 3), 0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(info_nce(query, candidate, column(0, 1, 2, 3), 0.05), expected)


def test_refusals_name_what_is_wrong():
    rows = unit_rows(3)
    good, mask = column(0, 1, 2), torch.zeros(3, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="D differs"):
        info_nce(rows, rows[:, :4], good, 0.1)
    with pytest.raises(ValueError, match="non-empty floating matrix"):
        info_nce(rows[:0], rows, good[:0], 0.1)
    with pytest.raises(ValueError, match=r"need int64 \(3,\)"):
        info_nce(rows, rows, good[:2], 0.1)
    with pytest.raises(ValueError, match=r"outside 0\.\.2"):
        info_nce(rows, rows, column(0, 1, 3), 0.1)
    with pytest.raises(ValueError, match="must be above 0"):
        info_nce(rows, rows, good, 0.0)
    with pytest.raises(ValueError, match="need one number"):
        info_nce(rows, rows, good, torch.full((3,), 0.1))
    with pytest.raises(ValueError, match=r"need bool \(3, 3\)"):
        info_nce(rows, rows, good, 0.1, mask[:2])
    for loss in (info_nce, symmetric_info_nce):
        with pytest.raises(ValueError, match=r"positive of query row 0 \(column 0\)"):
            loss(rows, rows, good, 0.1, torch.eye(3).bool())
    with pytest.raises(ValueError, match="text_BD"):
        composition_preference(rows, rows, rows[:2], rows, 0.1)
    with pytest.raises(ValueError, match="prototype_BD"):
        composition_regularisation(rows, rows[:2], 0.1)
    with pytest.raises(ValueError, match="teacher_scores_BK"):
        distill_kl(rows, rows[:, :2], 0.1)
    with pytest.raises(ValueError, match="without any candidate"):
        distill_kl(rows, rows, 0.1, torch.zeros(3, 6, dtype=torch.bool))
