"""A scene as integers, one column per attribute: codes for the auxiliary heads, bits for the masks of true answers.

Not a description: that is training/catalogue/text.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from training.catalogue.scene import (
    ACTIONS,
    CATEGORIES,
    COLOURS,
    FINISHES,
    LEGAL,
    SIDES,
    Scene,
)

#: Column name -> its values, None first where the attribute can be absent. The code is the position.
COLUMNS: dict[str, tuple] = {
    **LEGAL,
    "companion category": (None, *CATEGORIES),
    "companion colour": (None, *COLOURS),
    "companion finish": (None, *FINISHES),
    "companion side": (None, *SIDES),
    "action": (None, *ACTIONS),
    "action colour": (None, *COLOURS),
}
CARDINALITIES = tuple(len(values) for values in COLUMNS.values())
ANYTHING = np.full(len(COLUMNS), -1, np.int64)  # every bit of every attribute: a query that fixes nothing
_CODES = [{value: code for code, value in enumerate(values)} for values in COLUMNS.values()]


def codes(scene: Scene) -> np.ndarray:
    """The scene's values as (A,) int64 positions in COLUMNS, A attributes."""
    companion, action = scene.companion, scene.action
    values = (
        scene.category,
        scene.colour,
        scene.finish,
        scene.pattern,
        scene.surface,
        scene.size,
        scene.count,
        companion and companion.category,
        companion and companion.colour,
        companion and companion.finish,
        companion and companion.side,
        action and action.kind,
        action and action.colour,
    )
    return np.array([table[value] for table, value in zip(_CODES, values, strict=True)], dtype=np.int64)


def bits(codes_NA: np.ndarray) -> np.ndarray:
    """The bit of each code: (N, A) int64 or (A,), as truth.CandidateKeys holds them."""
    return np.left_shift(np.int64(1), codes_NA)


def allowing(allowed_A: np.ndarray, values: Mapping[str, Iterable[Any]]) -> np.ndarray:
    """The bits of what a query allows, with other ones for some attributes.

    Args:
        allowed_A: (A,) int64 of all attributes: the bits of a scene, or ANYTHING.
        values: column -> the values that it may have instead; without any, nothing fits.

    Returns:
        (A,) int64.
    """
    changed = allowed_A.copy()
    for place, (name, table) in enumerate(zip(COLUMNS, _CODES, strict=True)):
        if name in values:
            changed[place] = sum(1 << table[value] for value in set(values[name]))
    return changed


def same_meaning(query_codes_BA: np.ndarray, said_BA: np.ndarray, candidate_codes_MA: np.ndarray) -> np.ndarray:
    """Which candidates have every value that a query says.

    Args:
        query_codes_BA: (B, A) codes of the wanted scenes.
        said_BA: (B, A) bool, the columns that each query says.
        candidate_codes_MA: (M, A) codes of the found scenes.

    Returns:
        (B, M) bool.
    """
    agree_BMA = query_codes_BA[:, None, :] == candidate_codes_MA[None, :, :]
    return (agree_BMA | ~said_BA[:, None, :]).all(axis=2)


def columns_said(names: frozenset[str]) -> np.ndarray:
    """(A,) bool: the columns that a text states, from the names of what it says.

    "companion" stands for every column of the companion, "companion colour" for that one alone.
    """
    return np.array([name in names or name.split()[0] in names for name in COLUMNS])
