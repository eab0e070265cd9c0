"""All that the loop sees of a rendered world: batches, the book of their codes, sentences, what an encoder must see.

What a scene is, is known in this package and in training/catalogue alone.
"""

from __future__ import annotations

from typing import Any

from training.batch import CodeBook
from training.catalogue.instructions import serving
from training.catalogue.world import World, load_world
from training.world_source.attributes import CARDINALITIES, COLUMNS
from training.world_source.corpus import sentences
from training.world_source.programmes import BatchBuilder, check_compositions, check_programmes
from umr.encoders.base import UnifiedEncoder
from umr.errors import ConfigError

__all__ = [
    "CODES",
    "BatchBuilder",
    "World",
    "check_compositions",
    "check_pixels",
    "check_programmes",
    "load_world",
    "sentences",
    "serving",
    "world_record",
    "world_told",
]

#: Of every world's batches.
CODES = CodeBook(sizes=CARDINALITIES, action=list(COLUMNS).index("action"))


def world_told(world: World) -> str:
    """How much there is of a world, in words."""
    return f"{len(world.families)} families, {len(world.clip_families)} clip families"


def world_record(world: World) -> dict[str, Any]:
    """What a training record says of a world that is all the data."""
    return {"world": world.manifest, "world_fingerprint": world.fingerprint}


def check_pixels(encoder: UnifiedEncoder, world: World) -> None:
    """See that the encoder sees what the world holds.

    Raises:
        ConfigError: it takes pictures of another size, or clips of another length.
    """
    for what, seen, key in (("pictures", "image_size", "size"), ("clips", "max_frames", "clip_frames")):
        wanted, there = getattr(encoder.config, seen), world.manifest[key]
        if wanted != there:
            option = f"--{seen.replace('_', '-')} {there}"
            raise ConfigError(
                f"{encoder.name} needs {what} of {seen} {wanted}, the world's have {there}: adopt it with {option}, "
                "or render a world of its own"
            )
