"""A model that a person names, made an encoder folder on this machine: found, or downloaded, checked and adopted.

What is there already is found without asking anybody. Before weights are downloaded, all that can be refused of the
settings is, and whether the disk and the memory suffice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from umr.encoders.backbone import backbone_class
from umr.encoders.checkpoint import CONFIG, MODULES, WeightsMissing
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_config import read_settings
from umr.encoders.hub import is_hub, kept_at
from umr.errors import ConfigError, UMRError
from umr.lock import claimed
from umr.models.download import Remote, bring, keep, listed, newest, parameters, weight_names
from umr.models.fit import check_disk, dtype_that_fits, gigabytes
from umr.models.hub_name import HubName
from umr.models.listing import BASE, PLAIN, RERANKER, opens, recipe_of
from umr.models.published import published
from umr.models.weights import BYTES, memory
from umr.shipped import CONFIG_NAME, cache_root, find_encoder

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a model is wanted.

    Attributes:
        recipe: as `umr adopt --recipe`; None: its makers' where umr has it, else the plain one.
        dtype: what it is to be computed in; None: what fits.
        check: ask the Hub whether a name moved since its commit was written down.
        dry_run: download settings alone, and say what the rest would take.
    """

    recipe: str | None = None
    dtype: str | None = None
    check: bool = False
    dry_run: bool = False


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
    return _of_hub(spec, wishes, say) if is_hub(spec) else _of_folder(spec, wishes)


def _of_folder(spec: str, wishes: Wishes) -> Path:
    """An encoder that lies here; a public checkpoint is adopted, once for as long as its files stay what they are."""
    folder = Path(spec)
    if (folder / CONFIG_NAME).is_file() or not any((folder / name).is_file() for name in (CONFIG, MODULES)):
        return Path(find_encoder(spec))
    seen = hashlib.sha256(str(folder.resolve()).encode())
    for path in sorted(folder.rglob("*")):
        told = path.stat()
        seen.update(f"{path.relative_to(folder)} {told.st_size} {told.st_mtime_ns}\n".encode())
    recipe = wishes.recipe or "plain"
    return _adopted(spec, _encoder_at(f"{folder.resolve().name}-{seen.hexdigest()[:12]}", recipe), recipe)


def _of_hub(spec: str, wishes: Wishes, say: Say) -> Path | None:
    name = HubName.read(spec)
    recipe = _recipe(name, wishes, say)
    commit = name.commit or _known_commit(name) or name.pinned()
    place = _there(name, commit, recipe) if commit else None
    if place is not None:
        say(f"{spec} is at commit {commit}, downloaded before")
        if wishes.check:
            _say_moved(name, commit, say)
        return place
    if not commit:
        commit = newest(name)
        name.pin(commit)
        say(f"{spec} is commit {commit} today; it stays at that one from now on")
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
    names = weight_names(remote)
    bring(remote, [name for name in names if name not in remote.sizes])  # refuses: they are not there
    count, needed = parameters(remote, names), remote.missing(names)
    sizes = ", ".join(f"{gigabytes(memory(count, dtype))} in {dtype}" for dtype in BYTES)
    say(f"{spec}: {count / 1e6:,.1f} M parameters, weights of {sizes} in memory; {gigabytes(needed)} are to be "
        f"downloaded to {remote.folder.parent}")  # fmt: skip
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
    from umr.encoders.adopt import adopt

    if all((remote.folder / name).is_file() for name in weight_names(remote)):
        return  # they were looked at before
    try:
        if CONFIG_NAME in remote.sizes:
            settings = read_settings(remote.folder)
            if isinstance(settings, EncoderConfig):
                backbone_class(settings.backbone)
        else:
            adopt(remote.folder, _adopted_at(remote.name, remote.commit, recipe), recipe=recipe)
    except WeightsMissing:
        return
    except UMRError as error:
        raise type(error)(str(error).replace(str(remote.folder), remote.where)) from error


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


def _known_commit(name: HubName) -> str:
    """The commit that umr's own table is of, for a name without a revision."""
    row = published(name.repository)
    return "" if row is None or name.asked else row.revision


def _say_moved(name: HubName, commit: str, say: Say) -> None:
    """Say where the name stands now, if that is another commit; nothing for one that is a commit itself."""
    if name.commit:
        return
    now = newest(name)
    if now != commit:
        say(f"{name.repository} moved: {name.asked or 'the newest'} is commit {now} now; {commit} is kept. "
            f"To take the other: --encoder {name.at(now)}")  # fmt: skip


def _there(name: HubName, commit: str, recipe: str) -> Path | None:
    places = kept_at(name.repository, commit), _adopted_at(name, commit, recipe)
    return next((place for place in places if (place / CONFIG_NAME).is_file()), None)


def _adopted_at(name: HubName, commit: str, recipe: str) -> Path:
    return _encoder_at(f"{name.repository}@{commit[:12]}".replace("/", "--"), recipe)


def _encoder_at(name: str, recipe: str) -> Path:
    return Path(os.path.abspath(cache_root() / "encoders" / f"{name}-{recipe}"))


def _adopted(source: str, out: Path, recipe: str) -> Path:
    from umr.encoders.adopt import adopt

    if not (out / CONFIG_NAME).is_file():
        adopt(source, out, recipe=recipe)
    return out
