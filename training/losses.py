"""Training losses: tensors in, one scalar out. Not models, not batching: no module, no device, no global state.

Shapes: B queries, M candidates, D embedding, K listed candidates of one query. Rows are unit vectors, so a dot product
is a cosine; temperature divides. Scores are computed in float32 at least, also under autocast.
Sources: InfoNCE, van den Oord et al. 2018 (arXiv 1807.03748), Eq. 4; preference and regularisation, MCA (arXiv
2510.15543, Eq. 4 and the regularisation beside it; rebuilt from descriptions, the paper's own text was not at hand);
distillation, U-MARVEL (arXiv 2507.14902, last stage).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Temperature = float | Tensor


def info_nce(
    query_BD: Tensor,
    candidate_MD: Tensor,
    positive_B: Tensor,
    temperature: Temperature,
    ignore_BM: Tensor | None = None,
) -> Tensor:
    """Mean of -log softmax(cosine / temperature) at each query's positive, over all candidates of the batch.

    Args:
        query_BD: (B, D) unit rows.
        candidate_MD: (M, D) unit rows.
        positive_B: (B,) int64, column of each query's positive.
        temperature: above 0; divides the cosines.
        ignore_BM: (B, M) bool, True = no negative of this query (a known false negative); its score becomes -inf.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: shapes do not fit, a positive is outside 0..M-1 or is itself ignored.
    """
    score_BM = _scores(query_BD, candidate_MD, temperature)
    _check_positive(positive_B, score_BM)
    return F.cross_entropy(_without_ignored(score_BM, positive_B, ignore_BM), positive_B)


def symmetric_info_nce(
    query_BD: Tensor,
    candidate_MD: Tensor,
    positive_B: Tensor,
    temperature: Temperature,
    ignore_BM: Tensor | None = None,
) -> Tensor:
    """InfoNCE in both directions, their mean: query -> candidates, and each positive candidate -> queries.

    The second direction ranks the B queries for each of the B positives; a query that has the same positive, or for
    which the positive is ignored, is no negative there (CLIP, Radford et al. 2021, arXiv 2103.00020, Figure 3).

    Args:
        query_BD: (B, D) unit rows.
        candidate_MD: (M, D) unit rows.
        positive_B: (B,) int64, column of each query's positive.
        temperature: above 0; divides the cosines.
        ignore_BM: (B, M) bool, True = no negative of this query.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: as info_nce.
    """
    score_BM = _scores(query_BD, candidate_MD, temperature)
    _check_positive(positive_B, score_BM)
    forward = F.cross_entropy(_without_ignored(score_BM, positive_B, ignore_BM), positive_B)
    row_B = torch.arange(len(positive_B), device=score_BM.device)
    same_BB = positive_B[:, None] == positive_B[None, :]
    if ignore_BM is not None:
        same_BB = same_BB | ignore_BM[:, positive_B].T
    same_BB = same_BB & (row_B[:, None] != row_B[None, :])
    backward = F.cross_entropy(score_BM[:, positive_B].T.masked_fill(same_BB, -torch.inf), row_B)
    return 0.5 * forward + 0.5 * backward


def composition_preference(
    composed_BD: Tensor,
    picture_BD: Tensor,
    text_BD: Tensor,
    paired_BD: Tensor,
    temperature: Temperature,
) -> Tensor:
    """The paired item should be nearer to the composed embedding than to either part alone (MCA's preference loss).

    -log of the composed score's share among the three scores (MCA, arXiv 2510.15543, Eq. 4, rebuilt). Row b of all
    four belongs to one pair; pass composed items only. They may be queries, paired with their targets, or candidates,
    paired with queries that they answer. For a stop-gradient on the parts, pass them detached.

    Args:
        composed_BD: (B, D) unit rows of picture and text together.
        picture_BD: (B, D) of the picture alone.
        text_BD: (B, D) of the text alone.
        paired_BD: (B, D) of what each of them should find, or be found by.
        temperature: above 0; divides the cosines.

    Returns:
        Scalar, nats; log 3 where nothing is preferred.

    Raises:
        ValueError: shapes differ.
    """
    parts = {"composed_BD": composed_BD, "picture_BD": picture_BD, "text_BD": text_BD, "paired_BD": paired_BD}
    for name, part in parts.items():
        if part.shape != composed_BD.shape:
            raise ValueError(f"{name} is {tuple(part.shape)}, composed_BD {tuple(composed_BD.shape)}: need one shape")
    _check_rows("composed_BD", composed_BD)
    _check_temperature(temperature)
    paired_BD = _wide(paired_BD)
    score_B3 = (
        torch.stack([(_wide(part) * paired_BD).sum(dim=1) for part in (composed_BD, picture_BD, text_BD)], dim=1)
        / temperature
    )
    return -F.log_softmax(score_B3, dim=1)[:, 0].mean()


def composition_regularisation(
    composed_BD: Tensor, prototype_BD: Tensor, temperature: Temperature, ignore_BB: Tensor | None = None
) -> Tensor:
    """InfoNCE from each composed embedding to the mixed prototype of its own parts (MCA's regularisation loss).

    Args:
        composed_BD: (B, D) unit rows.
        prototype_BD: (B, D), a mixer's output; row b is the positive of row b, all other rows are negatives.
        temperature: above 0; divides the cosines.
        ignore_BB: (B, B) bool, True = no negative (items of equal meaning).

    Returns:
        Scalar, nats.

    Raises:
        ValueError: shapes differ or the diagonal is ignored.
    """
    if composed_BD.shape != prototype_BD.shape:
        raise ValueError(
            f"composed_BD is {tuple(composed_BD.shape)}, prototype_BD {tuple(prototype_BD.shape)}: need one shape"
        )
    own_B = torch.arange(len(composed_BD), device=composed_BD.device)
    return info_nce(composed_BD, prototype_BD, own_B, temperature, ignore_BB)


def distill_kl(
    student_scores_BK: Tensor,
    teacher_scores_BK: Tensor,
    temperature: Temperature,
    present_BK: Tensor | None = None,
) -> Tensor:
    """KL(softmax(teacher / temperature) || softmax(student / temperature)), mean over queries.

    No gradient reaches the teacher's scores, nor the temperature through them (U-MARVEL, arXiv 2507.14902, last stage).

    Args:
        student_scores_BK: (B, K) scores before the temperature, e.g. cosines.
        teacher_scores_BK: (B, K) of the same candidates.
        temperature: above 0; divides both.
        present_BK: (B, K) bool, False = padding of a short list.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: shapes differ or a query has no candidate present.
    """
    _check_rows("student_scores_BK", student_scores_BK)
    if student_scores_BK.shape != teacher_scores_BK.shape:
        raise ValueError(
            f"student_scores_BK is {tuple(student_scores_BK.shape)}, "
            f"teacher_scores_BK {tuple(teacher_scores_BK.shape)}: need one shape"
        )
    _check_temperature(temperature)
    if present_BK is None:
        present_BK = torch.ones_like(student_scores_BK, dtype=torch.bool)
    _check_bool("present_BK", present_BK, student_scores_BK)
    if not bool(present_BK.any(dim=1).all()):
        raise ValueError("present_BK has a row without any candidate: leave that query out of the batch")
    fixed = temperature.detach() if isinstance(temperature, Tensor) else temperature

    def log_share(scores_BK: Tensor, divisor: Temperature) -> Tensor:
        scores_BK = _wide(scores_BK).masked_fill(~present_BK, -torch.inf) / divisor
        # Back to 0 at padding: its share is 0, and -inf minus -inf would be NaN.
        return F.log_softmax(scores_BK, dim=1).masked_fill(~present_BK, 0.0)

    teacher_BK = log_share(teacher_scores_BK.detach(), fixed)
    student_BK = log_share(student_scores_BK, temperature)
    return (teacher_BK.exp() * present_BK * (teacher_BK - student_BK)).sum(dim=1).mean()


def _scores(query_BD: Tensor, candidate_MD: Tensor, temperature: Temperature) -> Tensor:
    """(B, M) cosine / temperature; autocast is switched off because bf16 cosines are too coarse at low temperature."""
    _check_rows("query_BD", query_BD)
    _check_rows("candidate_MD", candidate_MD)
    if query_BD.shape[1] != candidate_MD.shape[1]:
        raise ValueError(f"query_BD is {tuple(query_BD.shape)}, candidate_MD {tuple(candidate_MD.shape)}: D differs")
    _check_temperature(temperature)
    with torch.autocast(query_BD.device.type, enabled=False):
        return _wide(query_BD) @ _wide(candidate_MD).T / temperature


def _without_ignored(score_BM: Tensor, positive_B: Tensor, ignore_BM: Tensor | None) -> Tensor:
    if ignore_BM is None:
        return score_BM
    _check_bool("ignore_BM", ignore_BM, score_BM)
    hidden_B = ignore_BM.gather(1, positive_B[:, None]).squeeze(1)
    if bool(hidden_B.any()):
        row = int(hidden_B.nonzero()[0])
        raise ValueError(f"ignore_BM marks the positive of query row {row} (column {int(positive_B[row])})")
    return score_BM.masked_fill(ignore_BM, -torch.inf)


def _wide(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in float64 if it is that already."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _check_rows(name: str, rows: Tensor) -> None:
    if rows.dim() != 2 or not rows.is_floating_point() or 0 in rows.shape:
        raise ValueError(f"{name} is {rows.dtype} {tuple(rows.shape)}: need a non-empty floating matrix")


def _check_positive(positive_B: Tensor, matrix_BM: Tensor) -> None:
    count, width = matrix_BM.shape
    if positive_B.shape != (count,) or positive_B.dtype != torch.int64:
        raise ValueError(f"positive_B is {positive_B.dtype} {tuple(positive_B.shape)}: need int64 ({count},)")
    if bool(((positive_B < 0) | (positive_B >= width)).any()):
        raise ValueError(f"positive_B has a column outside 0..{width - 1}: {positive_B.tolist()}")


def _check_bool(name: str, mask: Tensor, like: Tensor) -> None:
    if mask.shape != like.shape or mask.dtype != torch.bool:
        raise ValueError(f"{name} is {mask.dtype} {tuple(mask.shape)}: need bool {tuple(like.shape)}")


def _check_temperature(temperature: Temperature) -> None:
    if isinstance(temperature, Tensor) and temperature.numel() != 1:
        raise ValueError(f"temperature is a tensor {tuple(temperature.shape)}: need one number")
    value = float(temperature.detach() if isinstance(temperature, Tensor) else temperature)
    if not value > 0:
        raise ValueError(f"temperature is {value}: it divides, so it must be above 0")
