"""An adapter in a folder made an encoder folder: merged once into its base, which lies here too or comes from the Hub.

Not an adapter of the Hub (umr.models.from_hub); what both share is umr.models.adapters.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from umr.models.adapters import adopted_into, base_of_folder, check_plain
from umr.models.download import Remote, Say, bring, keep, weight_names
from umr.models.forms import ENCODER, check_settings, check_weightless, sign_of
from umr.models.from_hub import Wishes, base_commit, check_room, remote_base, say_untrained
from umr.models.room import check_room_of
from umr.models.weights import weights_of


def of_adapter(spec: str, wishes: Wishes, say: Say) -> Path | None:
    """The encoder folder of an adapter that lies here, for as long as its files and its base stay what they are.

    Args:
        spec: its folder.
        wishes: how it is wanted.
        say: told what is found out.

    Returns:
        The folder; None for a dry run of one that is not there yet.

    Raises:
        ConfigError: it is of a kind that is not merged, its base is not found or none that umr opens, or does not fit.
        MismatchError: a file is damaged, or the adapter is of another checkpoint.
        DiskFullError: it does not fit on the disk.
    """
    adapter, recipe = Path(spec), wishes.recipe or "plain"
    base = base_of_folder(adapter, spec)
    if isinstance(base, Path):
        say(f"{spec} is an adapter: it is merged into {base}, on which it was trained")
        sign = sign_of(base)
    else:
        sign = base_commit(spec, base, say)
    out = ENCODER.adopted_at(f"{adapter.resolve().name}-{sign_of(adapter)}-{sign[:12]}", recipe)
    if ENCODER.made(out):
        say(f"{spec} is in {out}, adopted before")
        say_untrained(spec, out, recipe, say)
        return out
    if isinstance(base, Path):
        return _into_folder(spec, base, out, wishes, say)
    with ExitStack() as claims:
        return _into_remote(spec, remote_base(spec, base, sign, claims), out, wishes, say)


def _into_folder(spec: str, base: Path, out: Path, wishes: Wishes, say: Say) -> Path | None:
    recipe = wishes.recipe or "plain"
    check_plain(spec, str(base), {path.name for path in base.iterdir()})
    check_settings(ENCODER, base, str(base), out, recipe)
    say_untrained(spec, base, recipe, say)
    weights = weights_of(base)
    needed = sum(path.stat().st_size for path in weights)
    check_room_of(spec, weights, needed, "written", out.parent, wishes, say)
    if wishes.dry_run:
        return None
    adopted_into(str(base), spec, out, recipe)
    return out


def _into_remote(spec: str, base: Remote, out: Path, wishes: Wishes, say: Say) -> Path | None:
    recipe = wishes.recipe or "plain"
    if not all((base.folder / file).is_file() for file in weight_names(base)):  # else it was looked at before
        check_weightless(ENCODER, base.folder, base.where, out, recipe)
    say_untrained(spec, base.folder, recipe, say)
    check_room(spec, [base], wishes, say, merged=True)
    if wishes.dry_run:
        return None
    bring(base, weight_names(base), say)
    keep(base)
    adopted_into(base.where, spec, out, recipe)
    return out
