"""The stages that make the bundled encoders, as functions returning a complete TrainConfig. training/README.md says how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from training.config import TrainConfig

SHORTCUT = 0.8  # strength of the text and picture shortcuts in the world of the `contrastive` / `mca` comparison


def captions() -> TrainConfig:
    """First stage: captions <-> pictures and passages, from random weights; every other stage starts from it."""
    return TrainConfig(name="captions", steps=700, programmes={"captions": 0.75, "passages": 0.25}, attribute_weight=0.5)


def unified() -> TrainConfig:
    """The default encoder: all tasks over whole families, from `captions`."""
    return TrainConfig(name="unified", steps=2200, learning_rate=1e-3, attribute_weight=0.4,
                       programmes={"pictures": 0.5, "passages": 0.18, "entries": 0.12, "clips": 0.14, "everything": 0.06})


def contrastive() -> TrainConfig:
    """Plain contrast with random in-batch negatives in the shortcut world, as both papers train their baseline."""
    return TrainConfig(name="contrastive", steps=600, learning_rate=6e-4, batch="random", families_per_batch=96,
                       text_shortcut=SHORTCUT, picture_shortcut=SHORTCUT,
                       programmes={"pictures": 0.5, "passages": 0.2, "entries": 0.1, "clips": 0.15, "everything": 0.05})


def mca() -> TrainConfig:
    """`contrastive` with MCA's two losses, all else equal: data, steps, seed."""
    return replace(contrastive(), name="mca", preference_weight=0.1, regularisation_weight=0.3)


RECIPES: dict[str, Callable[[], TrainConfig]] = {recipe.__name__: recipe for recipe in (captions, unified, contrastive, mca)}
