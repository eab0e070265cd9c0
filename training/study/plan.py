"""What the study compares, as data: factors, their arms, the study-sized recipe. Not the runs (runs.py).

An arm is the base recipe with something changed; the base arm is the first of every factor and is run once for all of
them. Everything is trained from random weights, so that a switch acts from the first step on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from training import recipes
from training.catalogue.world import WorldSpec
from training.config import DistillConfig, RerankConfig, SecondHalf, TrainConfig
from training.study import papers
from training.study.arm import SIZE, Arm, Factor
from umr.encoders.config import COMPACT_CANDIDATE, COMPACT_QUERY
from umr.errors import ConfigError

SEEDS = (0, 1, 2)
NETWORK = recipes.SMALL
WORLD = WorldSpec(families=4000, clip_families=1, seed=5, size=SIZE, jitter=0.5)

#: (task, split, pool) that every run is measured in.
MEASURED = (
    *(("it2i", split, "local") for split in ("ind", "phrasing", "typos", "light", "camera", "combination")),
    *(("it2i", split, "local") for split in ("binding", "twofold", "clutter")),
    *(("it2i", split, "local") for split in ("shortcut-kept", "shortcut-broken", "shortcut-reversed")),
    ("it2i", "ind", "global"),
    ("it2t", "ind", "local"),
    ("t2i", "ind", "local"),
    ("i2t", "ind", "local"),
)
#: Split of it2i that are asked out of distribution, as one number.
OUTSIDE = ("phrasing", "typos", "light", "camera", "combination", "binding", "twofold", "clutter")


def vision() -> TrainConfig:
    """First stage of the study: stills alone."""
    return replace(recipes.vision(), steps=700, programmes={"vision": 1.0}, motion_weight=0.0)


def captions() -> TrainConfig:
    """Second stage: words and pictures, words and words."""
    return replace(recipes.captions(), steps=350, warmup_steps=30)


def composed() -> TrainConfig:
    """Third stage: composed queries, all kinds but clips."""
    programmes = {"pictures": 0.6, "passages": 0.2, "entries": 0.08, "kinds": 0.12}
    return replace(recipes.unified(), steps=400, warmup_steps=30, programmes=programmes, motion_weight=0.0)


def longer() -> TrainConfig:
    """More of the third stage, until composed queries are found better than the sum of their parts."""
    return replace(composed(), steps=600)


def tempted() -> TrainConfig:
    """A stage behind it: an encoder that composes goes on where cues tempt, as a pretrained one would."""
    return replace(composed(), steps=300, warmup_steps=20, muon_rate=5e-3, learning_rate=5e-4)


def finetuned() -> TrainConfig:
    """Fourth stage: on files, with or without mined negatives."""
    return replace(recipes.finetune(), steps=200, warmup_steps=20, programmes={"pictures": 1.0})


SECOND_HALF = SecondHalf(
    negatives=replace(finetuned(), name="negatives"),
    reranker=RerankConfig(name="reranker", init="", steps=400, warmup_steps=30, queries_per_batch=48, negatives=2),
    student=DistillConfig(name="distilled", init="", steps=150, warmup_steps=10, queries_per_batch=16),
    taught=600,
    weight=0.5,  # nothing is chosen for it
)
FILES = WorldSpec(families=600, clip_families=1, seed=6, size=SIZE, jitter=0.5)
COPIES = 0.1  # share of the pictures of FILES that stand in the pool twice, and of those cut a little
ASKED = ("t2i", "t2t", "i2t", "it2i", "it2t", "t2v", "it2v")  # of the files

STAGES = {"vision": vision, "captions": captions, "composed": composed, "longer": longer, "tempted": tempted}

BASE = Arm(name="base")
#: As both papers train: one pair of each family, no heads; the cue in a picture tells the edit, the text the target.
_PLAIN: dict[str, Any] = {
    "batch": "random",
    "attribute_weight": 0.0,
    "vision_weight": 0.0,
    "graded": 0.0,
    "families_per_batch": 96,
}
_CUES: dict[str, Any] = {**_PLAIN, "text_shortcut": recipes.SHORTCUT, "picture_shortcut": recipes.SHORTCUT}


def _composed(name: str, paper: str = "", **changes: Any) -> Arm:
    return Arm(name=name, changes={"composed": changes}, paper=paper)


def _then(name: str, paper: str = "", **second: Any) -> Arm:
    return replace(_composed(name, paper, **_PLAIN), then=replace(SECOND_HALF, **second))


def _mca(name: str, paper: str = "", **changes: Any) -> Arm:
    return _composed(name, paper, **_CUES, **changes)


_CONTRAST = _mca("plain contrast")
_BOTH = _mca("both", preference_weight=0.1, regularisation_weight=0.3, paper="MCA: both together are best")


def _pair(name: str, picture: float, text: float) -> tuple[Arm, ...]:
    """Plain contrast and both terms of MCA where a cue is right so often."""
    cues = {"picture_shortcut": picture, "text_shortcut": text}
    return tuple(
        replace(arm, name=f"{arm.name}, {name}", changes={"composed": {**arm.changes["composed"], **cues}}, paper="")
        for arm in (_CONTRAST, _BOTH)
    )


def _biased(arm: Arm) -> Arm:
    """An arm whose network first learned to go by one modality at a time, three times as long as the others."""
    changes = {**arm.changes, "captions": {"steps": 3 * captions().steps}}
    return replace(arm, name=f"{arm.name}, biased", changes=changes, paper="")


#: The word that U-MARVEL's prompt1 asks for, behind what is embedded, in place of nothing.
_ONE_WORD = {
    "query_template": COMPACT_QUERY.replace("{text}", "{text} In one word: "),
    "candidate_template": COMPACT_CANDIDATE.replace("{text}", "{text} In one word: "),
}

_LONGER = Arm(name="longer", stages=(*BASE.stages, "longer"))


def _goes_on(name: str, paper: str = "", **changes: Any) -> Arm:
    stages = (*_LONGER.stages, "tempted")
    return Arm(name=f"{name}, goes on", stages=stages, changes={"tempted": {**_CUES, **changes}}, paper=paper)


FACTORS = (
    Factor(
        name="architecture",
        question="Attention in both directions, the mean over tokens, and the instruction left out of it",
        papers=papers.ARCHITECTURE,
        arms=(
            BASE,
            Arm(name="causal, mean", encoder={"attention": "causal"}),
            Arm(name="bidirectional, last token", encoder={"pooling": "last"}),
            Arm(
                name="causal, last token",
                encoder={"attention": "causal", "pooling": "last"},
                paper="U-MARVEL: bidirectional with mean pooling is best",
            ),
            Arm(name="instruction pooled too", encoder={"mask_instruction": False}),
        ),
    ),
    Factor(
        name="stages",
        question="Progressive transition, at equal cost (a step of the vision stage costs a quarter of another)",
        papers=papers.STAGES,
        arms=(
            BASE,
            Arm(
                name="captions, then composed",
                stages=("captions", "composed"),
                changes={"captions": {"steps": 400}, "composed": {"steps": 525}},
            ),
            Arm(
                name="composed from the first step",
                stages=("composed",),
                changes={"composed": {"steps": 925}},
                paper="U-MARVEL: each stage of the transition adds",
            ),
        ),
    ),
    Factor(
        name="batch",
        question="Size of the batch at an equal number of pairs, learning rate, temperature",
        papers=papers.BATCH,
        arms=(
            BASE,
            _composed("half the batch", families_per_batch=24, steps=800),
            _composed("twice the batch", families_per_batch=96, steps=200, paper="U-MARVEL: larger is better"),
            _composed("half the rates", muon_rate=5e-3, learning_rate=5e-4),
            _composed("twice the rates", muon_rate=2e-2, learning_rate=2e-3),
            _composed("temperature fixed at .02", temperature=0.02, learn_temperature=False),
            _composed("temperature fixed at .05", temperature=0.05, learn_temperature=False),
            _composed(
                "temperature fixed at .1",
                temperature=0.1,
                learn_temperature=False,
                paper="U-MARVEL: a learned temperature is better than a fixed one",
            ),
        ),
    ),
    Factor(
        name="families",
        question="Families as hard negatives (48 whole ones a step; *random pairs, no heads* has one pair from each of "
        "96, as every plain arm below), attribute heads, candidates of other kinds",
        arms=(
            BASE,
            _composed("random pairs", batch="random", families_per_batch=144),
            _composed("no heads", attribute_weight=0.0, vision_weight=0.0),
            _composed("random pairs, no heads", **_PLAIN),
            _composed("no other kinds", wrong_kinds=0.0),
        ),
    ),
    Factor(
        name="prompt",
        question="A prompt that asks for one word, behind what is embedded",
        papers=papers.ARCHITECTURE,
        arms=(
            BASE,
            Arm(name="mean, one word", encoder=_ONE_WORD),
            Arm(name="last token, one word", encoder={"pooling": "last", **_ONE_WORD}),
            Arm(name="causal, mean, one word", encoder={"attention": "causal", **_ONE_WORD}),
            Arm(name="causal, last token, one word", encoder={"attention": "causal", "pooling": "last", **_ONE_WORD}),
        ),
    ),
    Factor(
        name="negatives",
        question="Mined negatives, where a tenth of the pictures stands in the pool twice and nothing says so",
        papers=papers.NEGATIVES,
        arms=(
            _then("random negatives"),
            _then("mined, unfiltered", mined=True, paper="U-MARVEL: unfiltered negatives harm"),
            _then("mined, filtered at .7", mined=True, threshold=0.7, paper="U-MARVEL: filtered negatives add"),
            _then("mined, filtered at .9", mined=True, threshold=0.9),
        ),
    ),
    Factor(
        name="distillation",
        question="Distillation of the re-ranker into the encoder, from the lists of one pool or of both",
        papers=papers.DISTILLATION,
        arms=(
            _then("mined, filtered at .9", mined=True, threshold=0.9),
            _then(
                "distilled, local",
                mined=True,
                threshold=0.9,
                distilled="local",
                paper="U-MARVEL: it adds in the local pool, and its published model loses in the global one",
            ),
            _then("distilled, both pools", mined=True, threshold=0.9, distilled="both"),
        ),
    ),
    Factor(
        name="size",
        question="Width and resolution",
        arms=(
            BASE,
            Arm(name="half the width", network={"hidden": 64, "inner": 160, "vision_width": 48}),
            Arm(name="twice the vision tower", network={"vision_layers": 6}),
            Arm(name="56 px", size=56),
            Arm(name="112 px", size=112),
        ),
    ),
    Factor(
        name="mca",
        question="Composition preference and regularisation where cues tempt (text .8, picture .8)",
        cues=True,
        papers=papers.MCA,
        arms=(
            _CONTRAST,
            _mca("preference .1", preference_weight=0.1),
            _mca("preference .5", preference_weight=0.5),
            _mca("regularisation .3, gated", regularisation_weight=0.3),
            _mca("regularisation .3, mean", regularisation_weight=0.3, mixer="mean"),
            _mca("regularisation .3, mfb", regularisation_weight=0.3, mixer="mfb"),
            _mca("regularisation 1, gated", regularisation_weight=1.0),
            _BOTH,
            _mca("both, of candidates", preference_weight=0.1, regularisation_weight=0.3, mca_side="candidate"),
            _mca("both, of queries and candidates", preference_weight=0.1, regularisation_weight=0.3, mca_side="both"),
            _mca("both, parts stopped", preference_weight=0.1, regularisation_weight=0.3, stop_gradient=True),
        ),
    ),
    Factor(
        name="tempted",
        question="The same of an encoder that composes already (longer), as the paper's backbones know things already",
        cues=True,
        arms=(
            _goes_on("plain contrast"),
            _LONGER,
            _goes_on("both", preference_weight=0.1, regularisation_weight=0.3, paper="MCA: both together are best"),
            _goes_on("preference .5", preference_weight=0.5),
            _goes_on("regularisation 1, gated", regularisation_weight=1.0),
            _goes_on("both, of candidates", preference_weight=0.1, regularisation_weight=0.3, mca_side="candidate"),
        ),
    ),
    Factor(
        name="sentence",
        question="MCA's parts asked as queries of their own, or under the very sentence of the composed query",
        cues=True,
        arms=(
            _CONTRAST,
            _BOTH,
            _mca("both, composed sentence", preference_weight=0.1, regularisation_weight=0.3, parts_asked="composed"),
        ),
    ),
    Factor(
        name="picture cue",
        question="The cue in the picture alone (.8)",
        cues=True,
        arms=_pair("picture cue", 0.8, 0.0),
    ),
    Factor(
        name="text cue",
        question="The cue in the text alone (.8)",
        cues=True,
        arms=_pair("text cue", 0.0, 0.8),
    ),
    Factor(
        name="strong cues",
        question="Cues that are right nearly always (.95)",
        cues=True,
        arms=_pair("strong cues", 0.95, 0.95),
    ),
    Factor(
        name="biased",
        question="The same of a network that learned to go by one modality at a time first, three times as long",
        cues=True,
        arms=(_biased(_CONTRAST), _biased(_BOTH)),
    ),
)


def factor(name: str) -> Factor:
    """The factor of this name.

    Raises:
        ConfigError: there is none.
    """
    found = {one.name: one for one in FACTORS}
    if name not in found:
        raise ConfigError(f"{name!r} is no factor of the study; legal: {', '.join(found)}")
    return found[name]


def arms(only: str | None = None) -> dict[str, Arm]:
    """Every arm by its name, each once: of one factor, or of all."""
    chosen = FACTORS if only is None else (factor(only),)
    found: dict[str, Arm] = {}
    for one in chosen:
        for arm in one.arms:
            if found.setdefault(arm.name, arm) != arm:
                raise ConfigError(f"two arms of the study are called {arm.name!r}; give them names of their own")
    return found
