"""The table of the dual encoders that umr computes, by the class of their checkpoints. Not their networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from umr.encoders.backbone import class_at
from umr.errors import ConfigError

if TYPE_CHECKING:
    from umr.encoders.towers import Towers

#: Backbone name in encoder.json, which is transformers' model_type -> "module:class".
DUALS = {
    "clip": "umr.encoders.clip:ClipTowers",
    "siglip": "umr.encoders.siglip:SiglipTowers",
}

#: A class that is not computed -> what it is, and what of its family is.
NEAR = {
    "siglip2": "SigLIP 2 with pictures of any shape (NaFlex), of which umr opens the repositories of a fixed size: "
    "google/siglip2-base-patch16-224, google/siglip2-base-patch16-384 and google/siglip2-so400m-patch14-384"
}


def towers_class(name: str) -> type[Towers]:
    """The class behind a name of DUALS.

    Raises:
        ConfigError: the name is unknown; the message has the known ones.
    """
    if name not in DUALS:
        raise ConfigError(f"the dual backbone {name!r} is unknown; this version has {', '.join(sorted(DUALS))}")
    return cast("type[Towers]", class_at(DUALS[name]))


def dual_families() -> str:
    """The classes of dual checkpoints that there is a backbone for, with their families, in words."""
    return ", ".join(f"{name} ({towers_class(name).family})" for name in sorted(DUALS))
