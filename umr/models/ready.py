"""A model that a person names, made a folder on this machine: found, or downloaded, checked and adopted.

What is there already is found without asking anybody. Before weights are downloaded or copied, all that can be refused
of the settings is, and whether the disk and the memory suffice. Every command that computes with an encoder finds it
here (`found`), and one that re-ranks its re-ranker (`reranker`), so that what one of them brought is there for all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from umr.disk import room_for_copy
from umr.encoders.checkpoint import is_adapter, is_checkpoint
from umr.encoders.hub import is_hub, never_changed
from umr.models.download import Say
from umr.models.fit import dtype_that_fits
from umr.models.forms import ENCODER, RERANKER, check_settings, sign_of
from umr.models.from_adapter import of_adapter
from umr.models.from_hub import Wishes, commit_of, newest_of, of_hub, say_untrained
from umr.models.hub_name import HubName
from umr.models.room import check_room_of
from umr.models.weights import parameters_in, weights_of
from umr.rerank.config import read_config
from umr.shipped import find_encoder, find_reranker, located
from umr.types import FLOAT32


def ready(spec: str, wishes: Wishes, say: Say) -> Path | None:
    """The encoder folder of a model.

    Args:
        spec: a bundled name, a folder of an encoder, of a public checkpoint or of an adapter to one, or
            hub:OWNER/NAME[@REVISION].
        wishes: how it is wanted.
        say: told what is found out, a sentence at a time.

    Returns:
        The folder; None for a dry run of one that is not there yet.

    Raises:
        ConfigError: there is none, umr does not open it, or it does not fit.
        MismatchError: a file of it is damaged.
    """
    return of_hub(spec, wishes, say) if is_hub(spec) else _of_folder(spec, wishes, say)


def found(spec: str, dtype: str | None, say: Say) -> tuple[Path, str]:
    """A model for a command that is no page, by its makers' recipe where umr has it.

    Args:
        spec: as of `ready`.
        dtype: what it is to be computed in; None: it is only copied.
        say: told what is found out, a sentence at a time.

    Returns:
        The encoder folder, and the place that an index writes down to find it again: hub:OWNER/NAME@COMMIT where a
        repository is an encoder's own, else the folder.

    Raises:
        ConfigError: there is none, umr does not open it, or it does not fit.
        MismatchError: a file of it is damaged.
    """
    place = cast("Path", ready(spec, Wishes(dtype=dtype, opened=dtype is not None), say))  # None after a dry run alone
    if not is_hub(spec) or place.parent == ENCODER.adoptions():
        return place, str(place)
    name = HubName.read(spec)
    return place, name.at(commit_of(name))


def at_commit(source: str, say: Say) -> str:
    """What `umr adopt` is told, a name without a revision by the commit that it stands for here; else as it is.

    Args:
        source: a folder, or hub:OWNER/NAME[@REVISION].
        say: told what is found out.

    Raises:
        ConfigError: it is no such name, or the Hub cannot be asked for the newest commit.
    """
    name = HubName.read(source) if is_hub(source) else None
    if name is None or name.asked:
        return source
    commit = commit_of(name) or newest_of(source, name, say)
    say(f"{source} is taken at commit {commit}")
    return name.at(commit)


def reranker(spec: str, wishes: Wishes, say: Say) -> Path | None:
    """The folder of a re-ranker, of the Hub by its makers' recipe.

    Args:
        spec: a shipped name, "" for the shipped one, a folder, or hub:OWNER/NAME[@REVISION].
        wishes: how it is wanted; the recipe is an encoder's.
        say: told what is found out, a sentence at a time.

    Returns:
        The folder; None for a dry run of one that is not there yet.

    Raises:
        ConfigError: there is none, umr does not open it, or it does not fit.
        MismatchError: a file of it is damaged.
    """
    return of_hub(spec, replace(wishes, recipe=None, form=RERANKER), say) if is_hub(spec) else find_reranker(spec)


def dtype_of_reranker(folder: Path, dtype: str | None = None) -> str:
    """What a re-ranker is computed in: as asked; else float32, or what fits of one that was adopted from the Hub.

    Raises:
        ConfigError: that does not fit into the memory that is free now.
    """
    config = read_config(folder)
    if not is_hub(config.network.revision):
        return dtype or FLOAT32
    return dtype_that_fits(f"the re-ranker {config.name}", parameters_in(folder), dtype)


def _of_folder(spec: str, wishes: Wishes, say: Say) -> Path | None:
    """An encoder that lies here; a public checkpoint is adopted, once for as long as its files stay what they are."""
    folder = Path(spec)
    if located(spec) is not None or not is_checkpoint(folder):
        return Path(find_encoder(spec))
    if is_adapter(folder):
        return of_adapter(spec, wishes, say)
    recipe = wishes.recipe or "plain"
    out = ENCODER.adopted_at(f"{folder.resolve().name}-{sign_of(folder)}", recipe)
    there = ENCODER.made(out)
    if there:
        say(f"{spec} is in {out}, adopted before")
    else:
        check_settings(ENCODER, folder, spec, out, recipe)
    say_untrained(spec, folder, recipe, say)
    if not there:
        weights = weights_of(folder)
        needed = sum(room_for_copy(path, out.parent, never_changed(path, spec)) for path in weights)
        check_room_of(spec, weights, needed, "copied", out.parent, wishes, say)
        if wishes.dry_run:
            return None
        ENCODER.adopt(spec, out, recipe)
    return out
