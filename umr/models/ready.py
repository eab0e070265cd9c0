"""A model that a person names, made an encoder folder on this machine: found, or downloaded, checked and adopted.

What is there already is found without asking anybody. Before weights are downloaded or copied, all that can be refused
of the settings is, and whether the disk and the memory suffice. Every command that computes with an encoder finds it
here (`found`), so that what one of them brought is there for all.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import huggingface_hub

from umr.disk import copied, room_for_copy
from umr.encoders.backbone import BACKBONES, backbone_class
from umr.encoders.checkpoint import CONFIG, WeightsMissing, first_module, is_checkpoint, read_json
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_config import read_settings
from umr.encoders.hub import ALLOWED, is_hub, kept_at, never_changed, told
from umr.errors import ConfigError, UMRError
from umr.lock import claimed
from umr.models.download import WEIGHTS, Remote, bring, keep, listed, newest, parameters, weight_names
from umr.models.fit import check_disk, dtype_that_fits, gigabytes
from umr.models.hub_name import HubName
from umr.models.listing import BASE, PLAIN, RERANKER, opens, recipe_of
from umr.models.published import published
from umr.models.weights import BYTES, memory, parameters_of, weights_of
from umr.shipped import CONFIG_NAME, cache_root, find_encoder, located

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a model is wanted.

    Attributes:
        recipe: as `umr adopt --recipe`; None: its makers' where umr has it, else the plain one.
        dtype: what it is to be computed in; None: what fits.
        check: ask the Hub whether a name moved since its commit was written down.
        dry_run: download settings alone, and say what the rest would take.
        opened: it is to be computed with, so its weights must fit into memory too; else they are only copied.
    """

    recipe: str | None = None
    dtype: str | None = None
    check: bool = False
    dry_run: bool = False
    opened: bool = True


def ready(spec: str, wishes: Wishes, say: Say) -> Path | None:
    """The encoder folder of a model.

    Args:
        spec: a bundled name, a folder of an encoder or of a public checkpoint, or hub:OWNER/NAME[@REVISION].
        wishes: how it is wanted.
        say: told what is found out, a sentence at a time.

    Returns:
        The folder; None for a dry run of one that is not there yet.

    Raises:
        ConfigError: there is none, umr does not open it, or it does not fit.
        MismatchError: a file of it is damaged.
    """
    return _of_hub(spec, wishes, say) if is_hub(spec) else _of_folder(spec, wishes, say)


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
    if not is_hub(spec) or place.parent == _adoptions():
        return place, str(place)
    name = HubName.read(spec)
    return place, name.at(_commit(name))


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
    commit = _commit(name) or _newest(source, name, say)
    say(f"{source} is taken at commit {commit}")
    return name.at(commit)


def _of_folder(spec: str, wishes: Wishes, say: Say) -> Path | None:
    """An encoder that lies here; a public checkpoint is adopted, once for as long as its files stay what they are."""
    folder = Path(spec)
    if located(spec) is not None or not is_checkpoint(folder):
        return Path(find_encoder(spec))
    recipe = wishes.recipe or "plain"
    out = _encoder_at(f"{folder.resolve().name}-{_seen(folder)}", recipe)
    there = (out / CONFIG_NAME).is_file()
    if there:
        say(f"{spec} is in {out}, adopted before")
    else:
        _check_bare(spec, folder, out, recipe)
    _say_untrained(spec, folder, recipe, say)
    if not there:
        _check_room(spec, folder, out, wishes, say)
        if wishes.dry_run:
            return None
    return _adopted(spec, out, recipe)


def _seen(folder: Path) -> str:
    """A sign of where a folder lies, and of the names, sizes and dates of its files."""
    seen = hashlib.sha256(str(folder.resolve()).encode())
    for path in sorted(folder.rglob("*")):
        now = path.stat()
        seen.update(f"{path.relative_to(folder)} {now.st_size} {now.st_mtime_ns}\n".encode())
    return seen.hexdigest()[:12]


def _check_bare(spec: str, folder: Path, out: Path, recipe: str) -> None:
    """Refuse what the settings of a checkpoint show to be none of ours, before its weights are opened."""
    with tempfile.TemporaryDirectory(prefix="umr-") as bare:
        for path in (path for pattern in ALLOWED for path in folder.rglob(pattern)):
            if path.is_file() and path.suffix != WEIGHTS:
                place = Path(bare) / path.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                copied(path, place)
        _check_weightless(Path(bare), spec, out, recipe)


def _check_room(spec: str, folder: Path, out: Path, wishes: Wishes, say: Say) -> None:
    """Say what the adoption of a folder takes, and refuse it where that is not there."""
    weights = weights_of(folder)
    count = sum(map(parameters_of, weights))
    needed = sum(room_for_copy(path, out.parent, never_changed(path, spec)) for path in weights)
    what = f"{gigabytes(needed)} are to be copied to" if needed else "they are linked, not copied, in"
    say(f"{_size(spec, count)}; {what} {out.parent}")
    if wishes.opened:
        dtype_that_fits(spec, count, wishes.dtype)
    check_disk(spec, needed, out.parent, "copied")


def _size(spec: str, count: int) -> str:
    sizes = ", ".join(f"{gigabytes(memory(count, dtype))} in {dtype}" for dtype in BYTES)
    return f"{spec}: {count / 1e6:,.1f} M parameters, weights of {sizes} in memory"


def _of_hub(spec: str, wishes: Wishes, say: Say) -> Path | None:
    name = HubName.read(spec)
    recipe = _recipe(name, wishes, say)
    commit = _commit(name)
    place = _there(name, commit, recipe) if commit else None
    if place is not None:
        say(f"{spec} is at commit {commit}, downloaded before")
        if place.parent == _adoptions() and published(name.repository) is None:
            _say_untrained(spec, place, recipe, say)
        if wishes.check:
            _say_moved(name, commit, say)
        return place
    if not commit:
        commit = _newest(spec, name, say)
    else:
        say(f"{spec} is taken at commit {commit}")
        _say_moved(name, commit, say)
    whole = kept_at(name.repository, commit)
    with claimed(whole.with_name(f"{whole.name}.claim")):
        return _brought(spec, listed(name, commit), recipe, wishes, say)


def _brought(spec: str, remote: Remote, recipe: str, wishes: Wishes, say: Say) -> Path | None:
    """Download, check and adopt."""
    bring(remote, remote.settings())
    _check_settings(remote, recipe)
    if CONFIG_NAME not in remote.sizes and published(remote.name.repository) is None:
        _say_untrained(spec, remote.folder, recipe, say)
    names = weight_names(remote)
    bring(remote, [name for name in names if name not in remote.sizes])  # refuses: they are not there
    count, needed = parameters(remote, names), remote.missing(names)
    say(f"{_size(spec, count)}; {gigabytes(needed)} are to be downloaded to {remote.folder.parent}")
    if wishes.opened:
        dtype_that_fits(spec, count, wishes.dtype)
    check_disk(spec, needed, remote.folder.parent)
    if wishes.dry_run:
        return None
    bring(remote, names)
    folder = keep(remote)
    if CONFIG_NAME in remote.sizes:
        return folder
    return _adopted(remote.where, _adopted_at(remote.name, remote.commit, recipe), recipe)


def _check_settings(remote: Remote, recipe: str) -> None:
    """Refuse what its settings show to be none of ours, before its weights are downloaded."""
    if all((remote.folder / name).is_file() for name in weight_names(remote)):
        return  # they were looked at before
    _check_weightless(remote.folder, remote.where, _adopted_at(remote.name, remote.commit, recipe), recipe)


def _check_weightless(folder: Path, where: str, out: Path, recipe: str) -> None:
    """Refuse a folder without weights for anything but these; it is called `where` then."""
    from umr.encoders.adopt import adopt

    try:
        if (folder / CONFIG_NAME).is_file():
            settings = read_settings(folder)
            if isinstance(settings, EncoderConfig):
                backbone_class(settings.backbone)
        else:
            adopt(folder, out, recipe=recipe)
    except WeightsMissing:
        return
    except UMRError as error:
        raise type(error)(str(error).replace(str(folder), where)) from error


def _recipe(name: HubName, wishes: Wishes, say: Say) -> str:
    """The recipe that a published model is adopted by, and what that means; a name of no row is asked plainly."""
    row = published(name.repository)
    if row is None:
        return wishes.recipe or "plain"
    words = opens(row)
    if words == RERANKER:
        raise ConfigError(
            f"{name.repository} is a re-ranker, not an encoder: `umr adopt {name.at(name.asked or 'main')} --out DIR "
            f"--recipe {row.asks}` makes the folder that --rerank takes beside an encoder"
        )
    if words.startswith("no"):
        raise ConfigError(f"{name.repository} is not opened: {words}; `python -m umr models` lists what is")
    recipe = wishes.recipe or recipe_of(row)
    if words == BASE:
        say(f"{name.repository} is not trained for retrieval: its results are those of an untrained encoder")
    elif words == PLAIN and recipe == "plain":
        say(f"{name.repository} is asked plainly, not as its makers ask it ({row.source}): its results are not theirs")
    return recipe


def _say_untrained(spec: str, folder: Path, recipe: str, say: Say) -> None:
    """Say of a language model's checkpoint that nobody here knows what it was trained to; others were trained so."""
    settings = first_module(folder) / CONFIG
    kind = read_json(settings).get("model_type") if settings.is_file() else None
    if recipe == "plain" and isinstance(kind, str) and kind in BACKBONES:
        say(f"{spec} is a {backbone_class(kind).special.family} that umr does not know, and probably not trained for "
            "retrieval: unless it was, its results are those of an untrained encoder")  # fmt: skip


def _commit(name: HubName) -> str:
    """The commit that it stands for here: asked for, of umr's own table, or written down; "" before one is."""
    row = published(name.repository)
    known = "" if row is None or name.asked else row.revision
    return name.commit or known or name.pinned()


def _say_moved(name: HubName, commit: str, say: Say) -> None:
    """Say where the name stands now, if that is another commit; nothing for one that is a commit itself."""
    if name.commit:
        return
    now = newest(name)
    if now != commit:
        say(f"{name.repository} moved: {name.asked or 'the newest'} is commit {now} now; {commit} is kept. "
            f"To take the other: --encoder {name.at(now)}")  # fmt: skip


def _newest(spec: str, name: HubName, say: Say) -> str:
    """The commit that it stands for on the Hub now, written down."""
    commit = newest(name)
    name.pin(commit)
    say(f"{spec} is commit {commit} today; it stays at that one from now on")
    return commit


def _there(name: HubName, commit: str, recipe: str) -> Path | None:
    places = kept_at(name.repository, commit), _adopted_at(name, commit, recipe)
    place = next((place for place in places if (place / CONFIG_NAME).is_file()), None)
    return place or _of_client(name, commit)


def _of_client(name: HubName, commit: str) -> Path | None:
    """What the Hub's own client keeps of it, where that is a whole encoder."""
    with told(name.at(commit)):
        settings = huggingface_hub.try_to_load_from_cache(name.repository, CONFIG_NAME, revision=commit)
    if not isinstance(settings, str):
        return None
    folder = Path(settings).parent
    return folder if all((folder / file).is_file() for file in read_settings(folder).files) else None


def _adopted_at(name: HubName, commit: str, recipe: str) -> Path:
    return _encoder_at(f"{name.repository}@{commit[:12]}".replace("/", "--"), recipe)


def _encoder_at(name: str, recipe: str) -> Path:
    return _adoptions() / f"{name}-{recipe}"


def _adoptions() -> Path:
    return Path(os.path.abspath(cache_root() / "encoders"))


def _adopted(source: str, out: Path, recipe: str) -> Path:
    from umr.encoders.adopt import adopt

    if not (out / CONFIG_NAME).is_file():
        adopt(source, out, recipe=recipe)
    return out
