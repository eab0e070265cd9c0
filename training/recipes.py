"""The stages that make the bundled encoders, as functions returning a complete TrainConfig. training/README.md says how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from training.config import TrainConfig

SHORTCUT = 0.8  # strength of the text and picture shortcuts in the world of the `contrastive` / `mca` comparison


def captions() -> TrainConfig:
    """First stage: captions <-> pictures and passages, from random weights."""
    return TrainConfig(
        name="captions", steps=700, programmes={"captions": 0.75, "passages": 0.25}, attribute_weight=0.5, muon_rate=0.0
    )


def vision() -> TrainConfig:
    """Second stage: the vision tower alone, from `captions`; all later stages start here."""
    return TrainConfig(name="vision", steps=1200, programmes={"vision": 1.0}, vision_weight=1.0, checkpoint_every=400)


def unified() -> TrainConfig:
    """The default encoder: all tasks over whole families, from `vision`."""
    return TrainConfig(
        name="unified",
        steps=1000,
        attribute_weight=0.3,
        vision_weight=0.3,
        programmes={"pictures": 0.52, "passages": 0.17, "entries": 0.11, "clips": 0.14, "everything": 0.06},
    )


def contrastive() -> TrainConfig:
    """Plain contrast with random in-batch negatives in the shortcut world, as both papers train; from `vision`."""
    return TrainConfig(
        name="contrastive",
        steps=220,
        muon_rate=5e-3,
        batch="random",
        families_per_batch=96,
        text_shortcut=SHORTCUT,
        picture_shortcut=SHORTCUT,
        programmes={"pictures": 0.6, "passages": 0.25, "clips": 0.15},
    )


def mca() -> TrainConfig:
    """`contrastive` with MCA's two losses, all else equal: data, steps, seed."""
    return replace(contrastive(), name="mca", preference_weight=0.1, regularisation_weight=0.3)


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    recipe.__name__: recipe for recipe in (captions, vision, unified, contrastive, mca)
}
