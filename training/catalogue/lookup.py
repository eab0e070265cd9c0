"""Scenes as a table of codes: which rows satisfy an edit, and how far each is from a scene.

Not what an edit or a short query means (edits.py, typed.py). The same answers as `matches` and edits.differences give
scene by scene (tests compare them), some hundred times quicker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from training.catalogue.edits import FIELDS, Edit
from training.catalogue.scene import Scene
from training.catalogue.typed import TypedQuery


class SceneTable:
    """N scenes as int32 codes (N, len(FIELDS)); a companion and an action are one code each."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.scenes = list(scenes)
        self._code_of: list[dict[Any, int]] = [{} for _ in FIELDS]
        rows = [
            [
                codes.setdefault(getattr(scene, name), len(codes))
                for name, codes in zip(FIELDS, self._code_of, strict=True)
            ]
            for scene in self.scenes
        ]
        self.codes_NF = np.array(rows, np.int32).reshape(len(rows), len(FIELDS))

    def __len__(self) -> int:
        return len(self.scenes)

    def has(self, attribute: str, values: Iterable[Any]) -> np.ndarray:
        """(N,) bool: whose attribute is one of `values`."""
        place = FIELDS.index(attribute)
        mine = self.codes_NF[:, place]
        found = np.zeros(len(self), bool)
        for value in values:
            if value in self._code_of[place]:
                found |= mine == self._code_of[place][value]
        return found

    def applied(self, reference: Scene, edit: Edit) -> np.ndarray:
        """(N,) bool: who has the edited attributes as asked, whatever else they show."""
        fits = np.ones(len(self), bool)
        for name, values in edit.allowed(reference).items():
            fits &= self.has(name, values)
        return fits

    def relevant(self, reference: Scene, edit: Edit) -> np.ndarray:
        """(R,) row numbers of all scenes that satisfy the edit."""
        fits = self.applied(reference, edit)
        for name in FIELDS:
            if name not in edit.allowed(reference):
                fits &= self.has(name, (getattr(reference, name),))
        return np.flatnonzero(fits)

    def showing(self, query: TypedQuery) -> np.ndarray:
        """(R,) row numbers of all scenes that show what a short query says."""
        if not query.company:
            return np.flatnonzero(np.logical_and.reduce([self.has(name, (value,)) for name, value in query.main]))
        mains = (dict(query.main)["category"], dict(query.company)["category"])  # either object may be the main one
        there = np.flatnonzero(self.has("category", mains) & ~self.has("companion", (None,)))
        return np.array([row for row in there if query.matches(self.scenes[row])], np.intp)

    def distance(self, scene: Scene) -> np.ndarray:
        """(N,) int: in how many attributes each differs from the scene."""
        mine = [codes.get(getattr(scene, name), -1) for name, codes in zip(FIELDS, self._code_of, strict=True)]
        return (self.codes_NF != np.array(mine, np.int32)).sum(1)
