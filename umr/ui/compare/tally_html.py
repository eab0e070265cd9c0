"""The votes so far as HTML: who is preferred, with intervals; what is kept, and how long. Tags are in a template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from markupsafe import Markup

from umr.eval.bradley_terry import Standing
from umr.ui.compare.columns import split, title
from umr.ui.markup import macros
from umr.ui.models.html import name_button
from umr.ui.plots import Dot, strip

LOST = "This is a Space: its votes are lost whenever it restarts. Save them before."
SENT = "They are sent to a dataset repository of the owner of this page, so that they stay when it restarts."
STORED = "They lie in the storage of this Space, so that they stay when it restarts."
KEPT = (
    "They lie in a file of this server; on a Space without storage, whose disk is emptied at a restart, they would be "
    "lost."
)


def tally(
    counts: Mapping[str, Counter[str]],
    standings: Mapping[str, Standing],
    kept: str = KEPT,
    known: Collection[str] = (),
) -> Markup:
    """The table of all votes, and the button that saves them.

    Args:
        counts: column -> how often it was better, worse, equal, both bad.
        standings: column -> its chance to be preferred, the best first.
        kept: where the votes lie, and for how long: LOST, SENT, STORED or KEPT.
        known: the models that have a card; votes are kept for longer than models are on offer.
    """
    rows = [_row(name, one, counts.get(name, Counter()), known) for name, one in standings.items()]
    return macros("compare").tally(rows, kept)


def _row(
    name: str, one: Standing, count: Counter[str], known: Collection[str]
) -> tuple[str, str, Markup, Counter[str]]:
    low, high = one.interval
    said = f"{100 * one.share:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    dots = strip([Dot(one.share, one.interval, "u-s1", f"{title(name)} {said}")], zero=0.5)
    model = split(name)[0]
    head = name_button(model, title(name)) if model in known else title(name)
    return head, said, dots, count
