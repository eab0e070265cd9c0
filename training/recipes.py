"""The stages that make the bundled encoders, as functions that return a TrainConfig. Not how they are chained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from training.config import DistillConfig, RerankConfig, SecondHalf, TrainConfig

TYPED = 0.4  # share of short queries among those that describe a scene
NOISE = 0.12  # share of their words with a typing error
SUBWORDS = 0.05  # share of the pieces of their words that are cut in two
RARE = 3.0  # how much likelier counts and second objects are drawn, which few scenes have
LIGHT, TINT = 0.25, 0.07  # how far pictures, and their colour channels alone, are lightened or darkened
#: Sizes of the network of the pair that is compared, as the study's (training/study/plan.py).
SMALL = {"hidden": 128, "layers": 3, "heads": 4, "shared_heads": 4, "inner": 320,
         "vision_width": 96, "vision_layers": 3, "vision_heads": 4}  # fmt: skip
SHORTCUT = 0.8  # strength of the text and picture shortcuts in the world of the `contrastive` / `mca` comparison


def vision() -> TrainConfig:
    """First stage: the vision tower alone on stills and clips, from random weights; such steps are cheap."""
    return TrainConfig(
        name="vision",
        steps=1800,
        warmup_steps=50,
        programmes={"vision": 0.86, "motion": 0.14},
        vision_weight=1.0,
        motion_weight=1.0,
        rare=RARE,
        light=LIGHT,
        tint=TINT,
        checkpoint_every=500,
    )


def captions() -> TrainConfig:
    """Second stage: captions and short queries <-> pictures and passages, from `vision`; the later ones start here."""
    return TrainConfig(
        name="captions",
        steps=450,
        warmup_steps=40,
        programmes={"captions": 0.75, "passages": 0.25},
        attribute_weight=0.5,
        vision_weight=0.3,
        typed=TYPED,
        noise=NOISE,
        subword_dropout=SUBWORDS,
        rare=RARE,
        light=LIGHT,
        tint=TINT,
        checkpoint_every=100,
    )


def unified() -> TrainConfig:
    """The default encoder: all tasks over whole families, also among candidates of other kinds, from `captions`."""
    return TrainConfig(
        name="unified",
        steps=3200,
        warmup_steps=60,
        temperature=0.045,
        attribute_weight=0.3,
        vision_weight=0.3,
        motion_weight=0.5,
        typed=TYPED,
        noise=NOISE,
        subword_dropout=SUBWORDS,
        rare=RARE,
        wrong_kinds=0.15,
        graded=0.3,
        light=LIGHT,
        tint=TINT,
        checkpoint_every=100,
        programmes={
            "pictures": 0.42,
            "passages": 0.10,
            "entries": 0.06,
            "clips": 0.20,
            "motion": 0.05,
            "everything": 0.05,
            "kinds": 0.12,
        },
    )


def longer() -> TrainConfig:
    """`unified` again, at over half of its rate, for scenes that it has not seen; from an encoder of `unified`.

    Words and pictures are disturbed more: words around the query that say nothing, more typing errors, more light.
    """
    return replace(
        unified(),
        name="longer",
        steps=3200,
        muon_rate=6e-3,
        learning_rate=6e-4,
        temperature=0.03,
        seed=1,
        noise=0.15,
        fillers=0.25,
        light=0.30,
        tint=0.09,
    )


def deeper() -> TrainConfig:
    """`longer` with twice the vision tower, and a third of the steps for that alone; from an encoder of `longer`.

    What an encoder of `longer` gets wrong is what it sees: of the first hits that are wrong in `it2i`, a third differ
    in metal or glossy alone, a sixth in the kind of object.
    """
    return replace(
        longer(),
        name="deeper",
        steps=4400,
        vision_layers=8,
        muon_rate=8e-3,
        learning_rate=8e-4,
        seed=2,
        vision_weight=1.0,
        programmes={
            "vision": 0.32,
            "pictures": 0.29,
            "passages": 0.07,
            "entries": 0.04,
            "clips": 0.13,
            "motion": 0.03,
            "everything": 0.04,
            "kinds": 0.08,
        },
    )


def company() -> TrainConfig:
    """`deeper` again, for pictures with more than one thing in them and for pools of every kind; from its encoder.

    What an encoder of `deeper` gets wrong most is which thing a word belongs to: short queries that name two objects,
    edits of the second one, and which of several kinds is right.
    """
    return replace(
        deeper(),
        name="company",
        steps=2700,
        vision_layers=0,
        muon_rate=6e-3,
        learning_rate=6e-4,
        seed=3,
        rare=8.0,
        programmes={
            "vision": 0.26,
            "pictures": 0.34,
            "passages": 0.06,
            "entries": 0.04,
            "clips": 0.12,
            "motion": 0.02,
            "everything": 0.08,
            "kinds": 0.08,
        },
    )


def anykind() -> TrainConfig:
    """`company` for a short while at half its rate and batch, a third of the steps in pools where any kind is right.

    A picture that asked for anything of its scene found clips that begin with it and in which something happens. So
    few families teach that and take from the rest: seven tenths of the weights stay those of `company`.
    """
    return replace(
        company(),
        name="anykind",
        steps=750,
        warmup_steps=30,
        kept_start=0.7,
        families_per_batch=24,
        muon_rate=3e-3,
        learning_rate=3e-4,
        seed=4,
        rare=5.0,
        programmes={
            "vision": 0.18,
            "pictures": 0.28,
            "passages": 0.05,
            "entries": 0.03,
            "clips": 0.07,
            "motion": 0.01,
            "everything": 0.32,
            "kinds": 0.06,
        },
        log_every=10,
        checkpoint_every=50,
    )


def crowded() -> TrainConfig:
    """`anykind` for longer and at a higher rate, in crowded worlds; from its encoder, of which two thirds stay.

    What an encoder of `anykind` gets wrong is what it sees: how many there are where something stands beside them,
    what that is made of, metal or glossy. So a third of the steps is for the vision tower alone.
    """
    return replace(
        anykind(),
        name="crowded",
        steps=1500,
        kept_start=0.667,
        families_per_batch=32,
        muon_rate=4e-3,
        learning_rate=4e-4,
        seed=5,
        rare=4.0,
        programmes={
            "vision": 0.34,
            "pictures": 0.29,
            "passages": 0.05,
            "entries": 0.03,
            "clips": 0.07,
            "motion": 0.02,
            "everything": 0.13,
            "kinds": 0.07,
        },
        log_every=20,
        checkpoint_every=100,
    )


def cluttered() -> TrainConfig:
    """`crowded` in a world where three have something beside them, too; from its encoder, of which a half stays.

    What an edit leads to is learned from pairs: from pictures with a companion none led to three before. More steps ask
    for edits, fewer are for the vision tower alone, which reads the count by now.
    """
    return replace(
        crowded(),
        name="cluttered",
        steps=750,
        stop_after=600,
        kept_start=0.5,
        seed=7,
        programmes={
            "vision": 0.25,
            "pictures": 0.36,
            "passages": 0.05,
            "entries": 0.03,
            "clips": 0.08,
            "motion": 0.02,
            "everything": 0.12,
            "kinds": 0.09,
        },
    )


def refine() -> TrainConfig:
    """A last short stretch of `unified`, from the rate at which that was stopped to almost none; from `unified`.

    Without attribute heads: each stage begins with new ones, which so few steps at so low a rate would not teach.
    """
    programmes = {name: share for name, share in unified().programmes.items() if name != "motion"}
    return replace(
        unified(),
        steps=100,
        warmup_steps=5,
        muon_rate=2.5e-3,
        learning_rate=2.5e-4,
        temperature=0.033,
        seed=1,
        programmes=programmes,
        attribute_weight=0.0,
        vision_weight=0.0,
        motion_weight=0.0,
    )


def contrastive() -> TrainConfig:
    """Plain contrast with random in-batch negatives in the shortcut world, as both papers train; from captions."""
    return TrainConfig(
        name="contrastive",
        steps=1000,
        warmup_steps=30,
        batch="random",
        families_per_batch=96,
        text_shortcut=SHORTCUT,
        picture_shortcut=SHORTCUT,
        checkpoint_every=100,
        programmes={"pictures": 0.5, "passages": 0.2, "clips": 0.12, "entries": 0.1, "everything": 0.08},
    )


def mca() -> TrainConfig:
    """`contrastive` with MCA's two losses; the paper does not print their weights.

    Settings, steps, seed and the rows of every step are the same: tests/training/test_programmes.py compares them.
    """
    return replace(contrastive(), name="mca", preference_weight=0.1, regularisation_weight=0.3)


def finetune() -> TrainConfig:
    """Your own data (`--data`), from any encoder; the programmes are for a world beside them."""
    return TrainConfig(
        name="finetuned",
        steps=300,
        warmup_steps=20,
        families_per_batch=48,
        muon_rate=4e-3,
        learning_rate=4e-4,
        temperature=0.04,
        shift=4,
        light=0.05,
        programmes={"pictures": 0.5, "passages": 0.2, "entries": 0.1, "clips": 0.2},
    )


def umarvel() -> SecondHalf:
    """U-MARVEL's stages after `contrastive`: filtered hard negatives, on files alone. Nothing is distilled.

    The re-ranker below goes on from the encoder's cosine, attends in both directions within query and candidate and
    compares the candidates of a query; after 400 of its steps it was no better than the encoder (training/LOG.md), so
    that there is nothing to distil. `replace(umarvel(), distilled="both")` runs all stages.
    """
    return SecondHalf(
        mined=True,
        threshold=0.8,
        keep=3,
        negatives=replace(
            finetune(),
            name="umarvel",
            init="contrastive",
            steps=1000,
            warmup_steps=30,
            muon_rate=6e-3,
            learning_rate=6e-4,
            temperature=0.039,
            shift=6,
            light=0.12,
        ),
        reranker=RerankConfig(
            name="teacher",
            init="umarvel",
            steps=700,
            queries_per_batch=48,
            negatives=3,
            random_share=0.25,
            attention="bidirectional",
            listwise_weight=1.0,
            frozen_vision=True,
            prior=True,
            shift=0,
            light=0.0,
        ),
        student=DistillConfig(name="distilled", init="umarvel", steps=300, queries_per_batch=8),
        taught=3000,
    )


def finetune_7b() -> TrainConfig:
    """M-BEIR, or your own data, with a backbone of 7B on 8 GPUs: U-MARVEL's third stage, as its launch script has it.

    Adapters of rank 128 on the language model, the vision tower fixed, batches of 3,840, one pass over the 1,332,790
    rows of M-BEIR's union. Ours: true answers are no negatives, weights lie in slices, activations of 32 examples a
    process are held at a time. Never run: `python -m training.estimate` says what it would take.
    """
    return TrainConfig(
        name="finetuned_7b",
        steps=347,
        warmup_steps=10,
        families_per_batch=3840,
        chunk_families=32,
        lora_rank=128,
        lora_alpha=256,
        learning_rate=4e-4,
        muon_rate=0.0,
        final_learning_rate=0.0,
        weight_decay=0.0,
        temperature=0.05,
        shift=0,
        light=0.0,
        checkpointing=True,
        sharded=True,
        log_every=1,
        checkpoint_every=25,
    )


def finetune_2b() -> TrainConfig:
    """`finetune_7b` for a backbone of 2B, whole on each GPU; one of 24 GB will do. Never run."""
    return replace(finetune_7b(), name="finetuned_2b", sharded=False)


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    recipe.__name__: recipe
    for recipe in (
        vision,
        captions,
        unified,
        longer,
        deeper,
        company,
        anykind,
        crowded,
        cluttered,
        refine,
        contrastive,
        mca,
        finetune,
    )
}
#: Recipes for pretrained backbones on GPUs, which take `--data` and `--init`.
LARGE: dict[str, Callable[[], TrainConfig]] = {recipe.__name__: recipe for recipe in (finetune_2b, finetune_7b)}
