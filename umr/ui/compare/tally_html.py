"""The votes so far as HTML: who is preferred, with intervals; what is kept, and for how long. Every name is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from umr.eval.bradley_terry import Standing
from umr.ui.compare.columns import title
from umr.ui.filled import filled
from umr.ui.plots import Dot, strip
from umr.ui.render import escape

LOST = "This is a Space: its votes are lost whenever it restarts. Save them before."
SENT = "They are sent to a dataset repository of the owner of this page, so that they stay when it restarts."
KEPT = "They lie in a file of this server; on a Space, whose disk is emptied at a restart, they would be lost."


def tally(counts: Mapping[str, Counter[str]], standings: Mapping[str, Standing], kept: str = KEPT) -> str:
    """The table of all votes, and the button that saves them.

    Args:
        counts: column -> how often it was better, worse, equal, both bad.
        standings: column -> its chance to be preferred, the best first.
        kept: where the votes lie, and for how long: LOST, SENT or KEPT.
    """
    rows = "".join(_row(name, one, counts.get(name, Counter())) for name, one in standings.items())
    return filled("tally", {"rows": rows}, kept=kept)


def _row(name: str, one: Standing, count: Counter[str]) -> str:
    low, high = one.interval
    said = f"{100 * one.share:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    dots = strip([Dot(one.share, one.interval, "u-s1", f"{title(name)} {said}")], zero=0.5)
    cells = "".join(f"<td>{count[word]}</td>" for word in ("better", "worse", "tie", "bad"))
    return (
        f'<tr><th scope="row">{escape(title(name))}</th><td>{said}</td><td class="u-dots-cell">{dots}</td>{cells}</tr>'
    )
