"""What `--data KIND:PATH[?option=value,...][@SHARE]` says, checked. Nothing is opened."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from umr.errors import ConfigError

FORM = "KIND:PATH[?option=value,...][@SHARE]"
#: Kind -> its options, in the order in which they are told.
OPTIONS: dict[str, tuple[str, ...]] = {
    "jsonl": (),
    "mbeir": (),
    "cirr": ("split",),
    "fashioniq": ("split",),
    "datasets": ("split", "image", "text", "target", "negatives", "instruction"),
    "world": (),
}
_SHARE = re.compile(r"(?P<rest>.+)@(?P<share>[-+]?(?:[0-9.]+(?:e[-+]?[0-9]+)?|nan|inf))", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """One data set to train on.

    Attributes:
        kind: a key of OPTIONS.
        path: a file, a folder, or a name on the Hugging Face Hub.
        share: of the training steps, relative to those of the other data sets.
        options: of this kind.
    """

    kind: str
    path: str
    share: float = 1.0
    options: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> DataSpec:
    """The data set that one `--data` names.

    Raises:
        ConfigError: the kind or an option is unknown, the path is empty, or the share is no number above 0.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in OPTIONS:
        raise ConfigError(f"--data {text!r} is not {FORM}; kinds: {', '.join(OPTIONS)}")
    share, match = 1.0, _SHARE.fullmatch(rest)
    if match is not None:
        rest, share = match["rest"], _share(text, match["share"])
    path, _, listed = rest.partition("?")
    path = os.path.expanduser(path)  # a shell leaves the ~ behind KIND:
    if not path.strip():
        raise ConfigError(f"--data {text!r} names no file or folder; {FORM} is needed")
    return DataSpec(kind=kind, path=path, share=share, options=_options(text, kind, listed))


def parse_all(texts: Sequence[str]) -> list[DataSpec]:
    """The data sets of every `--data`.

    Raises:
        ConfigError: one is broken, or two name the same.
    """
    specs = [parse(text) for text in texts]
    seen: set[tuple[str, str, str]] = set()
    for text, spec in zip(texts, specs, strict=True):
        key = (spec.kind, spec.path, str(sorted(spec.options.items())))
        if key in seen:
            raise ConfigError(f"--data {text!r} is given twice: give it once, with the share that it should have")
        seen.add(key)
    return specs


def _share(text: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError as error:
        raise ConfigError(f"--data {text!r}: the share {value!r} is no number") from error
    if not (share > 0 and math.isfinite(share)):
        raise ConfigError(
            f"--data {text!r}: the share is {value}; a number above 0 is needed, such as 0.3 (leave the data out "
            "instead of giving it none)"
        )
    return share


def _options(text: str, kind: str, listed: str) -> dict[str, str]:
    legal = OPTIONS[kind]
    options: dict[str, str] = {}
    for pair in filter(None, listed.split(",")):
        name, sign, value = pair.partition("=")
        if not sign or not value or name not in legal or name in options:
            raise ConfigError(
                f"--data {text!r}: {pair!r} is no option=value that {kind} has, or it is given twice; "
                f"legal: {', '.join(legal) or 'none'}"
            )
        options[name] = value
    return options
