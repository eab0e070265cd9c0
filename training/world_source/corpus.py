"""Sentences of the catalogue for training the tokenizer: every word table is met. Not a data set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.catalogue import edit_text, edits, text, typed
from training.catalogue.instructions import INSTRUCTIONS
from training.catalogue.scene import random_scene, with_action


def sentences(rng: np.random.Generator, scenes: int = 4000) -> Iterator[str]:
    """Captions, passages, entries, edits and questions of random scenes, then every instruction."""
    for _ in range(scenes):
        still = random_scene(rng)
        scene = with_action(still, edits.random_action(rng, still)) if rng.random() < 0.2 else still
        yield text.caption(scene, rng)
        yield typed.typed_and_said(still, rng)[0]
        yield text.passage(scene, rng)
        yield text.entry(text.random_facts(rng), rng)
        edit = edits.propose(rng, still, "action" if scene.action else None)
        yield edit_text.phrase(edit, still, rng)
        yield edit_text.question(edit, still, rng)
    for phrasings in INSTRUCTIONS.values():
        yield from phrasings
