"""What the page's named endpoints need beside a search: models, collections, pictures as clients give them.

No Gradio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from umr.errors import ConfigError, MediaError
from umr.ingest import CLIPS
from umr.shipped import repository_root
from umr.types import KIND_OF
from umr.ui.handlers import real_path
from umr.ui.query_clip import is_clip
from umr.ui.searchers import Searchers

NOT_FETCHED = "pictures are not fetched from other machines: give a data URI, or upload the file"
FILE = "/gradio_api/file="  # what the page's server gives files out under


def models(searchers: Searchers) -> list[dict[str, Any]]:
    """A row per model on offer, the default one first.

    It has name, default, fingerprint (the encoder's), index, dim, precision, collection, vectors, and reranker (its
    name, None for none). index is the fingerprint of the version that is searched, another one after each change of
    the index. None is opened for it; of one that is open, what is searched is told, whatever lies on the disk by now.
    """
    rows, offer = [], searchers.reranker.offer
    for name in searchers.names:
        manifest = searchers.manifest(name)
        rows.append(
            {
                "name": name,
                "default": name == searchers.default,
                "fingerprint": manifest.encoder,
                "index": manifest.fingerprint,
                "dim": manifest.dim,
                "precision": manifest.precision,
                "collection": manifest.collection_name,
                "vectors": manifest.count,
                "reranker": None if offer is None else offer.name,
            }
        )
    return rows


def collections(searchers: Searchers) -> list[dict[str, Any]]:
    """A row per collection on offer: name, fingerprint, count, what can be searched in it and how many of each."""
    rows: dict[str, dict[str, Any]] = {}
    for name in searchers.names:
        manifest = searchers.manifest(name)
        if manifest.collection not in rows:
            collection = searchers.get(name).collection
            counts = collection.counts()
            rows[manifest.collection] = {
                "name": collection.name,
                "fingerprint": collection.fingerprint,
                "count": len(collection),
                "kinds": {KIND_OF[kind].many: count for kind, count in counts.items()},
                "models": [],
            }
        rows[manifest.collection]["models"].append(name)
    return list(rows.values())


def renamed(name: str, value: Any, old_name: str, old: Any) -> Any:
    """What a request says by an argument's name or by its old one; None where it says nothing.

    Raises:
        ConfigError: it says both.
    """
    if value is not None and old is not None:
        raise ConfigError(f"{old_name} is the old name of {name}: give {name} alone")
    return old if value is None else value


def one_of(image: Any, clip: Any) -> Any:
    """The picture or the clip of a request, as `given_picture` takes it.

    Raises:
        ConfigError: both are given.
        MediaError: the clip is a data URI, which is no file that its decoder could read, or no clip by its name.
    """
    if not clip:
        return image
    if image:
        raise ConfigError("there are both a picture and a clip: give one of them")
    if isinstance(clip, str) and clip.startswith("data:"):
        raise MediaError("a clip is not read from a data URI: upload it as a file")
    path = clip.get("path") if isinstance(clip, Mapping) else clip
    if not isinstance(path, str) or not is_clip(Path(path)):
        raise MediaError(f"the clip's name does not end as one ({', '.join(sorted(CLIPS))}); choose another file")
    return clip


def given_picture(image: Any, places: Sequence[Path]) -> tuple[Any, Path]:
    """A client's picture as `handlers.read_picture` takes it, and which of `places` it lies in or is.

    Args:
        image: None, a data URI, the address or the media of a result, or Gradio's file value.
        places: folders and files.

    Raises:
        MediaError: a file elsewhere, and for an address on another machine: nothing is fetched.
    """
    if not isinstance(image, str) or not image:
        return image or None, places[0]
    if image.startswith("data:"):
        return {"url": image}, places[0]
    address, given_out, path = image.partition(FILE)
    if not given_out and "://" in address:
        raise MediaError(NOT_FETCHED)
    file = repository_root() / (unquote(path) if given_out else image)
    real = real_path(file)
    for place in places:
        if real is not None and real.is_relative_to(place.resolve()):
            return {"path": str(file)}, place
    raise MediaError("the picture is neither a data URI nor a result's media; upload it as a file instead")
