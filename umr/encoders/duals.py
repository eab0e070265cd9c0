"""The table of the dual encoders that umr computes, by the class of their checkpoints. Not their networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from umr.encoders.backbone import class_at
from umr.errors import ConfigError

if TYPE_CHECKING:
    from umr.encoders.dual_config import DualConfig
    from umr.encoders.towers import Towers

#: Backbone name in encoder.json, which is transformers' model_type -> "module:class".
DUALS = {
    "clip": "umr.encoders.clip:ClipTowers",
    "siglip": "umr.encoders.siglip:SiglipTowers",
    "siglip2": "umr.encoders.siglip:NaflexTowers",
}

#: Of these, the ones that see a picture in its own shape.
KEEP_SHAPE = ("siglip2",)


def towers_class(name: str) -> type[Towers]:
    """The class behind a name of DUALS.

    Raises:
        ConfigError: the name is unknown; the message has the known ones.
    """
    if name not in DUALS:
        raise ConfigError(f"the dual backbone {name!r} is unknown; this version has {', '.join(sorted(DUALS))}")
    return cast("type[Towers]", class_at(DUALS[name]))


def pictures_seen(config: DualConfig) -> str:
    """How large an encoder sees pictures, in words."""
    if config.backbone in KEEP_SHAPE:
        return f"pictures of up to {config.image_size**2} pixels in their own shape"
    return f"pictures of {config.image_size} px"


def dual_families() -> str:
    """The classes of dual checkpoints that there is a backbone for, with their families, in words."""
    return ", ".join(f"{name} ({towers_class(name).family})" for name in sorted(DUALS))
