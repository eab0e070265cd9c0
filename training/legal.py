"""Which numbers are legal in the settings of a stage, and which settings do nothing alone. Not the settings."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from umr.errors import ConfigError


class Range(NamedTuple):
    """Finite numbers from `low` on, up to `high`; without `low` itself where `above` says so."""

    low: float
    high: float = math.inf
    above: bool = False

    def holds(self, value: object) -> bool:
        """Whether a value is one of them."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return (value > self.low if self.above else value >= self.low) and value <= self.high

    def told(self) -> str:
        """In words."""
        if math.isfinite(self.high):
            return f"a number from {self.low:g} to {self.high:g}"
        return f"a number above {self.low:g}" if self.above else f"a number of at least {self.low:g}"


TEMPERATURE_RANGE = (0.01, 0.5)  # of a learned one
#: Settings of any stage that config.py does not check itself, by their names.
RANGES: Mapping[str, Range] = {
    **dict.fromkeys(("seed", "chunk_families", "warmup_steps", "shift"), Range(0)),
    **dict.fromkeys(("learning_rate", "muon_rate", "weight_decay", "listwise_weight"), Range(0)),
    **dict.fromkeys(("attribute_weight", "vision_weight", "motion_weight"), Range(0)),
    **dict.fromkeys(("preference_weight", "regularisation_weight"), Range(0)),
    **dict.fromkeys(("final_learning_rate", "light", "tint"), Range(0, 1)),
    "clip_norm": Range(0, above=True),
}
#: Settings that act only where one of others is set -> those.
ACTS_WITH: Mapping[str, tuple[str, ...]] = {
    "lora_alpha": ("lora_rank",),
    "kept_of": ("kept_start",),
    "mixer": ("regularisation_weight",),
    "mca_side": ("preference_weight", "regularisation_weight"),
    "parts_asked": ("preference_weight", "regularisation_weight"),
    "stop_gradient": ("preference_weight", "regularisation_weight"),
}
#: Settings of what is drawn from a rendered world, and of nothing else.
OF_A_WORLD = ("programmes", "batch", "text_shortcut", "picture_shortcut", "typed", "noise", "fillers", "rare",
              "wrong_kinds", "graded", "mirror", "backwards")  # fmt: skip


def check_ranges(settings: object) -> None:
    """See that every number is one that a stage can run with.

    Args:
        settings: a TrainConfig, RerankConfig or DistillConfig.

    Raises:
        ConfigError: one is not; which ones are legal is told.
    """
    for name, legal in RANGES.items():
        value = getattr(settings, name, None)
        if value is not None and not legal.holds(value):
            raise ConfigError(f"{name} is {value}; {legal.told()} is needed")


def check_shares(programmes: Mapping[str, Any]) -> None:
    """See that the shares of programmes are numbers of at least 0, one of them above 0.

    Raises:
        ConfigError: they are not.
    """
    shares = programmes.values()
    if not programmes or not all(Range(0).holds(share) for share in shares) or not sum(shares):
        raise ConfigError(f"programmes {programmes} need shares of at least 0, one of them above 0")


def check_temperature(temperature: float, learned: bool) -> None:
    """See that a stage can begin at a temperature.

    Args:
        temperature: 0 stands for where the stage before ended.
        learned: it is kept within TEMPERATURE_RANGE then.

    Raises:
        ConfigError: it cannot.
    """
    low, high = TEMPERATURE_RANGE
    if temperature and not (Range(low, high) if learned else Range(0, above=True)).holds(temperature):
        way_out = (
            f"{low:g} to {high:g}, in which a learned one is kept" if learned else "a number above 0, as it divides"
        )
        raise ConfigError(f"temperature is {temperature}; legal: {way_out}, or 0: where the stage before ended")


def refuse_idle(given: Collection[str], settings: object, worlds: bool, sources: bool) -> None:
    """Refuse settings that were given and would do nothing.

    Args:
        given: names of the settings that somebody gave.
        settings: all of them, a TrainConfig.
        worlds: whether a rendered world is trained on.
        sources: whether data of other kinds are.

    Raises:
        ConfigError: one would do nothing; what it acts with is told.
    """
    for name in given:
        needed = ACTS_WITH.get(name, ())
        if needed and not any(getattr(settings, one) for one in needed):
            raise ConfigError(f"{name} is given, but acts only with {' or '.join(needed)}, which is 0: give it too")
        if name in OF_A_WORLD and not worlds:
            raise ConfigError(f"{name} is given, but says what is drawn from a rendered world: add --data world:DIR")
        if name == "size_exponent" and not sources:
            raise ConfigError("size_exponent is given, but draws the tasks of files: give --data KIND:PATH")
        if name == "image_size" and getattr(settings, "init", None):
            raise ConfigError("image_size is given, but is of random weights: an encoder to start from has its own")
