"""A model of the Hub made a folder on this machine: found where it was brought before, or downloaded, and adopted.

Before weights are downloaded, all that can be refused of the settings is, and whether the disk and the memory suffice.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub

from umr.encoders.backbone import BACKBONES, backbone_class
from umr.encoders.checkpoint import ADAPTER, CONFIG, first_module, read_json
from umr.encoders.hub import kept_at, told
from umr.errors import ConfigError
from umr.lock import claimed
from umr.models.adapters import adopted_into, base_of, check_plain
from umr.models.download import Remote, Say, bring, keep, listed, newest, parameters, weight_names
from umr.models.fit import check_disk, dtype_that_fits, gigabytes
from umr.models.forms import ENCODER, RERANKER, Form, check_form, check_weightless, form_of
from umr.models.hub_name import HubName
from umr.models.listing import BASE, PLAIN, opens, recipe_of
from umr.models.published import PUBLISHED, published
from umr.models.weights import BYTES, memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a model is wanted.

    Attributes:
        recipe: as `umr adopt --recipe`; None: its makers' where umr has it, else the plain one.
        dtype: what it is to be computed in; None: what fits.
        check: ask the Hub whether a name moved since its commit was written down.
        dry_run: download settings alone, and say what the rest would take.
        opened: it is to be computed with, so its weights must fit into memory too; else they are only copied.
        form: what it is to be.
    """

    recipe: str | None = None
    dtype: str | None = None
    check: bool = False
    dry_run: bool = False
    opened: bool = True
    form: Form = ENCODER


def of_hub(spec: str, wishes: Wishes, say: Say) -> Path | None:
    """The folder of a model of the Hub (see umr.models.ready.ready, and `reranker` there)."""
    name = HubName.read(spec)
    recipe = _recipe(name, wishes, say)
    commit = commit_of(name)
    place = _there(name, commit, recipe, wishes.form) if commit else None
    if place is not None:
        say(f"{spec} is at commit {commit}, downloaded before")
        if place.parent == ENCODER.adoptions() and published(name.repository) is None:
            say_untrained(spec, place, recipe, say)
        if wishes.check:
            _say_moved(name, commit, wishes.form, say)
        return place
    if not commit:
        commit = newest_of(spec, name, say)
    else:
        say(f"{spec} is taken at commit {commit}")
        _say_moved(name, commit, wishes.form, say)
    with ExitStack() as claims:
        _claim(name, commit, claims)
        return _brought(spec, listed(name, commit), recipe, wishes, say, claims)


def commit_of(name: HubName) -> str:
    """The commit that it stands for here: asked for, of umr's own table, or written down; "" before one is."""
    row = published(name.repository)
    known = "" if row is None or name.asked else row.revision
    return name.commit or known or name.pinned()


def newest_of(spec: str, name: HubName, say: Say) -> str:
    """The commit that it stands for on the Hub now, written down."""
    commit = newest(name)
    name.pin(commit)
    say(f"{spec} is commit {commit} today; it stays at that one from now on")
    return commit


def size_of(spec: str, count: int) -> str:
    """How many parameters there are, and what they weigh in memory."""
    sizes = ", ".join(f"{gigabytes(memory(count, dtype))} in {dtype}" for dtype in BYTES)
    return f"{spec}: {count / 1e6:,.1f} M parameters, weights of {sizes} in memory"


def say_untrained(spec: str, folder: Path, recipe: str, say: Say) -> None:
    """Say of a language model's checkpoint that nobody here knows what it was trained to; others were trained so."""
    settings = first_module(folder) / CONFIG
    kind = read_json(settings).get("model_type") if settings.is_file() else None
    if recipe == "plain" and isinstance(kind, str) and kind in BACKBONES:
        say(f"{spec} is a {backbone_class(kind).special.family} that umr does not know, and probably not trained for "
            "retrieval: unless it was, its results are those of an untrained encoder")  # fmt: skip


def _claim(name: HubName, commit: str, claims: ExitStack) -> None:
    """Have the folder of a snapshot to oneself until the claims end."""
    whole = kept_at(name.repository, commit)
    claims.enter_context(claimed(whole.with_name(f"{whole.name}.claim")))


def _brought(spec: str, remote: Remote, recipe: str, wishes: Wishes, say: Say, claims: ExitStack) -> Path | None:
    """Download, check and adopt."""
    bring(remote, remote.settings())
    check_form(wishes.form, remote.folder, remote.where)
    made = wishes.form.mark in remote.sizes
    if not made:
        _check_recipe(remote, recipe)
    base = None if made or ADAPTER not in remote.sizes else _base(remote, say, claims)
    whole, out = base or remote, _adopted_at(remote.name, remote.commit, recipe, wishes.form)
    if not all((whole.folder / name).is_file() for name in weight_names(whole)):  # else it was looked at before
        check_weightless(wishes.form, whole.folder, whole.where, out, recipe)
    if form_of(remote.sizes) is None and published(remote.name.repository) is None:
        say_untrained(spec, whole.folder, recipe, say)
    parts = [remote] if base is None else [remote, base]
    check_room(spec, parts, wishes, say, base is not None)
    if wishes.dry_run:
        return None
    for part in parts:
        bring(part, weight_names(part), say)
        keep(part)
    if made:
        return remote.folder
    if not wishes.form.made(out) and base is not None:
        adopted_into(base.where, remote.where, out, recipe)
    elif not wishes.form.made(out):
        wishes.form.adopt(remote.where, out, recipe)
    return out


def base_commit(adapter: str, name: HubName, say: Say) -> str:
    """The commit of the repository that an adapter was trained on, which stays the same from now on.

    Args:
        adapter: how the adapter is named.
        name: the repository.
        say: told both.

    Raises:
        ConfigError: the Hub cannot be reached, or refuses.
    """
    say(f"{adapter} is an adapter: it is merged into {name.spec}, on which it was trained")
    commit = commit_of(name)
    if not commit:
        return newest_of(name.spec, name, say)
    say(f"{name.spec} is taken at commit {commit}")
    return commit


def remote_base(adapter: str, name: HubName, commit: str, claims: ExitStack) -> Remote:
    """What an adapter is merged into, its settings here.

    Args:
        adapter: how the adapter is named, for messages.
        name: the repository that it was trained on.
        commit: of that.
        claims: keeps the snapshot's folder to oneself until it ends.

    Raises:
        ConfigError: the Hub cannot be reached or refuses, or it is no plain checkpoint.
        MismatchError: a file is not what the Hub lists.
    """
    _claim(name, commit, claims)
    base = listed(name, commit)
    bring(base, base.settings())
    check_plain(adapter, base.where, base.sizes)
    return base


def _base(adapter: Remote, say: Say, claims: ExitStack) -> Remote:
    name = base_of(adapter)
    return remote_base(adapter.where, name, base_commit(adapter.where, name, say), claims)


def check_room(spec: str, parts: list[Remote], wishes: Wishes, say: Say, merged: bool) -> None:
    """Say what a model takes, and refuse it where that is not there.

    Args:
        spec: how it was named.
        parts: what is downloaded of it, the whole checkpoint last.
        wishes: how it is wanted.
        say: told what it takes.
        merged: an adapter is merged into the checkpoint, which makes it anew.

    Raises:
        ConfigError: it does not fit into memory, or weights that its settings name are not there.
        DiskFullError: it does not fit on the disk.
    """
    needed, count = 0, 0
    for part in parts:
        names = weight_names(part)
        bring(part, [name for name in names if name not in part.sizes])  # refuses: they are not there
        needed, count = needed + part.missing(names), parameters(part, names)
    anew = sum(parts[-1].sizes[name] for name in weight_names(parts[-1])) if merged else 0
    folder = parts[0].folder.parent
    more = f", and {gigabytes(anew)} to be merged there" if anew else ""
    say(f"{size_of(spec, count)}; {gigabytes(needed)} are to be downloaded to {folder}{more}")
    if wishes.opened:
        dtype_that_fits(spec, count, wishes.dtype)
    check_disk(spec, needed + anew, folder)


def _recipe(name: HubName, wishes: Wishes, say: Say) -> str:
    """The recipe that a published model is adopted by, and what that means; a name of no row is asked plainly.

    "" for a re-ranker of no row: it must be a folder of umr's (see _check_recipe).
    """
    row = published(name.repository)
    if row is None:
        return wishes.recipe or ("plain" if wishes.form is ENCODER else "")
    form = RERANKER if row.reranks else ENCODER
    if form is not wishes.form:
        raise ConfigError(
            f"{name.repository} is {form.what}, not {wishes.form.what}: {form.option} {name.spec} takes it"
        )
    words = opens(row)
    if words.startswith("no"):
        raise ConfigError(f"{name.repository} is not opened: {words}; `python -m umr models` lists what is")
    if form is RERANKER:
        return wishes.recipe or row.asks
    recipe = wishes.recipe or recipe_of(row)
    if words == BASE:
        say(f"{name.repository} is not trained for retrieval: its results are those of an untrained encoder")
    elif words == PLAIN and recipe == "plain":
        say(f"{name.repository} is asked plainly, not as its makers ask it ({row.source}): its results are not theirs")
    return recipe


def _check_recipe(remote: Remote, recipe: str) -> None:
    """Refuse a checkpoint that nobody here knows how to ask, which a re-ranker of no row is."""
    if recipe:
        return
    known = ", ".join(one.name for one in PUBLISHED if one.reranks)
    raise ConfigError(
        f"{remote.where} is no re-ranker that umr knows how to ask: it has no {RERANKER.mark}, and is none of {known}. "
        f"`umr adopt {remote.where} --recipe RECIPE --out DIR` makes the folder that --rerank takes of one that is "
        "asked as one of these"
    )


def _say_moved(name: HubName, commit: str, form: Form, say: Say) -> None:
    """Say where the name stands now, if that is another commit; nothing for one that is a commit itself."""
    if name.commit:
        return
    now = newest(name)
    if now != commit:
        say(f"{name.repository} moved: {name.asked or 'the newest'} is commit {now} now; {commit} is kept. "
            f"To take the other: {form.option} {name.at(now)}")  # fmt: skip


def _there(name: HubName, commit: str, recipe: str, form: Form) -> Path | None:
    places = kept_at(name.repository, commit), _adopted_at(name, commit, recipe, form)
    return next((place for place in places if form.made(place)), None) or _of_client(name, commit, form)


def _of_client(name: HubName, commit: str, form: Form) -> Path | None:
    """What the Hub's own client keeps of it, where that is a whole folder of its form."""
    with told(name.at(commit)):
        settings = huggingface_hub.try_to_load_from_cache(name.repository, form.mark, revision=commit)
    if not isinstance(settings, str):
        return None
    folder = Path(settings).parent
    return folder if all((folder / file).is_file() for file in form.files(folder)) else None


def _adopted_at(name: HubName, commit: str, recipe: str, form: Form) -> Path:
    return form.adopted_at(f"{name.repository}@{commit[:12]}".replace("/", "--"), recipe)
