"""Models as HTML: a button on each name, the card that it opens, how models were trained side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from markupsafe import Markup

from umr.encoders.dual_config import DualConfig
from umr.encoders.duals import pictures_seen
from umr.encoders.sentence_config import SentenceConfig
from umr.eval.pools import LOCAL
from umr.eval.scores import pool_means
from umr.shipped import shown_path
from umr.ui.markup import NOTHING, macros
from umr.ui.models.facts import ModelFacts, Stage, is_fair, settings_apart

DIALOG = "u-models"
NOBODY_KNOWS = "not recorded"
FIRST = 4  # differences that a sentence names; the table has all
MAIN = ("it2i", "ind")  # the row of a report that a card names
#: Setting of a training run -> what a person calls it.
WORDS: Mapping[str, str] = {
    "start": "what training started from",
    "stages": "the stages before",
    "world": "training data",
    "record": "whether training is recorded",
    "steps": "steps",
    "stop_after": "steps",
    "batch": "how batches are drawn",
    "families_per_batch": "batch size",
    "learning_rate": "learning rate",
    "muon_rate": "learning rate",
    "final_learning_rate": "learning rate",
    "warmup_steps": "learning rate",
    "weight_decay": "learning rate",
    "clip_norm": "learning rate",
    "seed": "random numbers",
    "programmes": "mixture of tasks",
    "size_exponent": "mixture of tasks",
    "picture_shortcut": "planted shortcuts",
    "text_shortcut": "planted shortcuts",
    "mca_side": "the losses",
    "stop_gradient": "the losses",
    "mixer": "the losses",
    "parts_asked": "the losses",
    "temperature": "how sharply right and wrong are told apart",
    "learn_temperature": "how sharply right and wrong are told apart",
    "typed": "how queries are worded",
    "noise": "how queries are worded",
    "fillers": "how queries are worded",
    "subword_dropout": "how queries are worded",
    "graded": "what counts as right",
    "wrong_kinds": "which wrong answers are shown",
    "rare": "how often rare scenes are seen",
    "kept_start": "how much is kept of the weights before",
    "kept_of": "how much is kept of the weights before",
    "shift": "how pictures are varied",
    "light": "how pictures are varied",
    "tint": "how pictures are varied",
    "mirror": "how pictures are varied",
    "backwards": "how pictures are varied",
    "image_size": "size of the network",
    "network": "size of the network",
    "vision_layers": "size of the network",
    "trained": "which weights are trained",
    "lora_rank": "which weights are trained",
    "lora_alpha": "which weights are trained",
}
OTHER = "other settings"  # that have no words of their own: of records that another version wrote
#: Rows of the table of models side by side: what, and how it is read of one.
_TABLE: tuple[tuple[str, Callable[[ModelFacts], str]], ...] = (
    ("size", lambda one: size(one)),
    ("started from", lambda one: spaced(one.start) or NOBODY_KNOWS),
    ("stages", lambda one: " → ".join(spaced(stage.name) for stage in one.stages) or NOBODY_KNOWS),
    ("steps of the last stage", lambda one: _last(one, lambda stage: _number(stage.steps))),
    ("batch", lambda one: _last(one, _batch)),
    ("losses beside the contrast", lambda one: _last(one, losses)),
    ("planted shortcuts", lambda one: _last(one, _shortcuts)),
    ("seed", lambda one: _last(one, lambda stage: str(stage.config.get("seed", NOBODY_KNOWS)))),
    ("time recorded", lambda one: duration(one.seconds)),
)


def name_button(name: str, words: str = "") -> Markup:
    """A model's name that opens its card.

    Args:
        name: the model's.
        words: what is shown in its place.
    """
    return macros("parts").model(name, words)


def name_buttons(names: Sequence[str]) -> Markup:
    """What stands beside a choice of models: the name of each, which opens its card."""
    return macros("parts").models(names)


def dialog(models: Sequence[ModelFacts]) -> Markup:
    """Every card, in one dialog of the page that shows one at a time."""
    return macros("models").dialog(DIALOG, [(one.name, card(one, models)) for one in models])


def card(one: ModelFacts, others: Sequence[ModelFacts], level: int = 2) -> Markup:
    """One model: what it is, how it was trained, what it may be compared with, what it reaches.

    Args:
        one: the model.
        others: what stands beside it on this page, itself among them or not.
        level: of its heading.
    """
    parts = _what(one), _training(one), _comparable(one, others), _numbers(one), _files(one)
    return macros("models").card(one.name, level, *parts)


def side_by_side(models: Sequence[ModelFacts]) -> Markup:
    """Whether these models were trained equally, in a sentence, with what differs below it.

    Args:
        models: which.

    Returns:
        HTML; "" for fewer than two, and where the training of none is recorded.
    """
    pairs = [(a, b, settings_apart(a, b)) for a, b in combinations(models, 2)]
    if not pairs or not any(one.stages for one in models):
        return NOTHING
    unequal = [pair for pair in pairs if pair[2] and not is_fair(pair[2])]
    bold, said = _unequal(models, unequal) if unequal else _equal(pairs)
    terms = ", ".join(sorted({key for _, _, keys in pairs for key in keys}))
    return macros("models").side_by_side(bool(unequal), bold, said, terms, table(models))


def table(models: Sequence[ModelFacts]) -> Markup:
    """How the models were trained, a column each; rows in which they differ are marked."""
    rows = []
    for what, read in _TABLE:
        values = [read(one) for one in models]
        rows.append((what, values, len(set(values)) > 1))
    return macros("models").table([name_button(one.name) for one in models], rows)


def size(one: ModelFacts) -> str:
    """How many weights it has, and what they take."""
    if one.parameters is None:
        return NOBODY_KNOWS
    count = f"{one.parameters / 1e6:.1f} M" if one.parameters >= 1e6 else f"{one.parameters:,}"
    return f"{count} parameters, {one.megabytes or 0:.1f} MB"


def spaced(name: str) -> str:
    """The name of a run, as a person writes it."""
    return name.replace("_", " ")


def duration(seconds: float | None) -> str:
    """Seconds of training as a person says them."""
    if seconds is None:
        return NOBODY_KNOWS
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def losses(stage: Stage) -> str:
    """The terms that its objective has beside the contrast, with their weights."""
    if not stage.config:
        return NOBODY_KNOWS
    found = {key.removesuffix("_weight"): value for key, value in stage.config.items() if key.endswith("_weight")}
    return ", ".join(f"{name} {value:g}" for name, value in sorted(found.items()) if value) or "none"


def differences(apart: Sequence[str], most: int | None = None) -> str:
    """Settings that differ, as a person calls them.

    Args:
        apart: as umr.ui.models.facts.settings_apart gives them.
        most: how many are named; None: all.
    """
    named = list(dict.fromkeys(WORDS.get(key, "the losses" if key.endswith("_weight") else OTHER) for key in apart))
    more = "" if most is None or len(named) <= most else f" and {len(named) - most} more"
    return ", ".join(named[:most]) + more


def _weight_of(key: str) -> tuple[int, str]:
    """Sorts settings by what they explain of a difference: as WORDS lists them, the losses after what is seen."""
    order = list(WORDS)
    return (order.index(key) if key in order else 4), key


def _what(one: ModelFacts) -> Markup:
    config = one.config
    made = f"Its weights come from {config.revision}. " if config is not None and config.revision else ""
    trained = "" if one.stages else " No training is recorded in its folder."
    facts: list[tuple[str, str]] = [("size", size(one))]
    if isinstance(config, DualConfig):
        facts += [
            ("networks", f"{config.backbone}: one for texts, one for pictures"),
            ("picture and text", config.composition),
            ("reads", f"{pictures_seen(config)}, {config.max_tokens} tokens, {config.max_frames} frames"),
        ]
    elif isinstance(config, SentenceConfig):
        facts += [
            ("network", f"{config.backbone or 'modules'}, computed by sentence-transformers"),
            ("picture and text", config.composition),
            ("reads", f"{config.max_tokens} tokens, {config.max_frames} frames"),
        ]
    elif config is not None:
        square = config.resize == "square"
        seen = f"of {config.image_size} px" if square else f"of up to {config.resize_max_pixels} pixels"
        facts += [
            ("network", f"{spaced(config.backbone)}, {config.attention} attention, {config.pooling} pooling"),
            ("reads", f"pictures {seen}, {config.max_tokens} tokens, {config.clips}"),
        ]
    facts.append(("a vector has", f"{one.manifest.dim} numbers"))
    return macros("models").what(made, trained, facts)


def _training(one: ModelFacts) -> Markup:
    if not one.stages:
        return macros("parts").muted(f"{NOBODY_KNOWS.capitalize()}.")
    mixture = one.stages[-1].config.get("programmes")
    shares = ", ".join(f"{name} {share:g}" for name, share in sorted(mixture.items())) if mixture else NOBODY_KNOWS
    facts = [
        *one.data,
        ("shares of the last stage's steps", shares),
        ("losses beside the contrast", losses(one.stages[-1])),
        ("planted shortcuts", _shortcuts(one.stages[-1])),
    ]
    return macros("models").training([(spaced(stage.name), _stage(stage), "") for stage in one.stages], facts)


def _stage(stage: Stage) -> str:
    if not stage.config:
        return NOBODY_KNOWS
    return f"{_number(stage.steps)} steps, {duration(stage.seconds)}, seed {stage.config.get('seed')}, {_batch(stage)}"


def _comparable(one: ModelFacts, others: Sequence[ModelFacts]) -> list[tuple[str, str, str]]:
    """(other, what is said, the settings by their own names)."""
    rows = []
    for other in others:
        if other.name == one.name:
            continue
        apart = settings_apart(one, other)
        if is_fair(apart):
            said = "trained equally but for the terms of the loss: a difference is evidence on these, of one seed."
        elif not apart:
            said = "no setting of their training differs."
        else:
            named = differences(sorted(apart, key=_weight_of))
            said = f"not trained equally ({named}): a difference is no verdict on methods."
        rows.append((other.name, said, ", ".join(apart)))
    return rows


def _numbers(one: ModelFacts) -> Markup:
    if one.stored is None:
        return macros("parts").muted("Nothing is measured yet.")
    facts = []
    means = pool_means(one.stored.report["rows"])
    if LOCAL in means and means[LOCAL][1] > 1:
        facts.append((f"right first, mean of {means[LOCAL][1]} tasks", f"{100 * means[LOCAL][0]:.1f} %"))
    row = one.stored.row(*MAIN)
    if row is not None and row.get("success@1") is not None:
        facts.append(("picture + text to images, right first", _with_interval(row)))
        summed = row.get("vector_sum_success@1")
        if summed is not None:
            facts.append(("its two vectors added, right first", f"{100 * summed:.1f} %"))
    return macros("models").numbers(one.stored.current, facts, one.stored.report.get("command", ""))


def _with_interval(row: Mapping[str, object]) -> str:
    interval, value = row.get("ci95_success@1"), row["success@1"]
    spread = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if isinstance(interval, list) else ""
    return f"{100 * float(str(value)):.1f} %{spread}"


def _files(one: ModelFacts) -> Markup:
    place = f"{one.config.revision}" if one.encoder is None and one.config else shown_path(one.encoder or one.index)
    facts = [
        ("licence", one.licence or NOBODY_KNOWS),
        ("folder", place),
        ("index", f"{one.manifest.count:,} vectors of {one.manifest.collection_name}"),
        ("fingerprint", one.manifest.encoder[:16]),
        ("code", one.stages[-1].commit[:16] if one.stages and one.stages[-1].commit else NOBODY_KNOWS),
    ]
    return macros("parts").facts(facts)


def _unequal(
    models: Sequence[ModelFacts], pairs: Sequence[tuple[ModelFacts, ModelFacts, list[str]]]
) -> tuple[str, str]:
    names = list(dict.fromkeys(one.name for a, b, _ in pairs for one in (a, b)))
    apart = sorted({key for _, _, keys in pairs for key in keys}, key=_weight_of)
    who = "These two" if len(models) == 2 else f"{', '.join(names[:-1])} and {names[-1]}"
    said = f"(different: {differences(apart, FIRST)}). What one finds and another does not is no verdict on methods."
    return f"{who} were not trained equally", said


def _equal(pairs: Sequence[tuple[ModelFacts, ModelFacts, list[str]]]) -> tuple[str, str]:
    apart = list(dict.fromkeys(key for _, _, keys in pairs for key in keys))
    if not apart:
        return "Nothing recorded of their training differs.", ""
    return "Trained equally", f"but for {differences(apart)}; one seed each."


def _last(one: ModelFacts, read: Callable[[Stage], str]) -> str:
    return read(one.stages[-1]) if one.stages else NOBODY_KNOWS


def _batch(stage: Stage) -> str:
    if not stage.config:
        return NOBODY_KNOWS
    return f"{stage.config.get('families_per_batch')} per batch, {stage.config.get('batch')}"


def _shortcuts(stage: Stage) -> str:
    if not stage.config:
        return NOBODY_KNOWS
    parts = (("picture", "picture_shortcut"), ("text", "text_shortcut"))
    return ", ".join(f"{name} {stage.config[key]:g}" for name, key in parts if stage.config.get(key)) or "none"


def _number(value: int | None) -> str:
    return NOBODY_KNOWS if value is None else f"{value:,}"
