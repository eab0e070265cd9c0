"""The tab Your files as HTML: what may be dropped, progress, what was taken and refused, how far from the training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from umr.eval.ood import Verdict
from umr.types import KIND_OF, Refused
from umr.ui.files import uploads
from umr.ui.files.uploads import OwnFiles
from umr.ui.filled import filled
from umr.ui.models.html import name_button
from umr.ui.render import escape
from umr.verdict import percent

SHOWN_REASONS = 100


def intro() -> str:
    """What the tab is for, and every cap, before anything is dropped."""
    return filled(
        "own_files",
        files=uploads.MAX_FILES,
        all=_mb(uploads.MAX_BYTES),
        one=_mb(uploads.MAX_ONE),
        archive=_mb(uploads.MAX_ARCHIVE),
        rows=f"{uploads.MAX_ROWS:,}",
    )


def progress(stage: str, done: int, total: int) -> str:
    """How far the work is."""
    share = 100 * done / max(1, total)
    return (
        f'<div class="u-own-progress" role="status"><p><b>{escape(stage)}</b> <span>{done:,} of {total:,}</span></p>'
        f'<progress max="100" value="{share:.0f}" aria-label="{escape(stage)}">{share:.0f} %</progress></div>'
    )


def ready(own: OwnFiles, verdicts: Sequence[Verdict] | None, encoder: str) -> str:
    """What was taken, what was refused and why, and how far it is from what the encoder knows."""
    counts = Counter(candidate.content.modality for candidate in own.searcher.collection)
    kinds = ", ".join(_count(number, kind) for kind, number in counts.items())
    return (
        f'<section class="u-own-ready" role="status"><h2>Ready to search: {escape(kinds)}</h2>'
        f'<p class="u-muted">Indexed with {name_button(encoder)}. Only this page can search it.</p>'
        f"{distance(verdicts)}{refusals(own.refused)}</section>"
    )


def distance(verdicts: Sequence[Verdict] | None) -> str:
    """What can be claimed about the distance from the training; nothing at all without a calibration."""
    if verdicts is None:
        return ""
    lines = []
    for verdict in verdicts:
        noun = KIND_OF[verdict.modality].files[1]
        if verdict.far:
            lines.append(
                f'<p class="u-notice" data-drift="far"><span>'
                f"<b>These {noun} are far from what the model was trained on:"
                f"</b> {_beyond(verdict)} unlike its catalogue, so expect weak results. "
                f"Such an alarm is false for {percent(verdict.rate)} of collections of catalogue {noun}.</span></p>"
            )
        else:
            lines.append(
                f'<p class="u-muted" data-drift="near">Of the {noun}, {_beyond(verdict)} '
                f"unlike what the model was trained on; about {percent(verdict.rate)} would by chance.</p>"
            )
    return "".join(lines)


def _beyond(verdict: Verdict) -> str:
    return f"{verdict.beyond} of {verdict.count} look" + ("s" if verdict.beyond == 1 else "")


def refusals(refused: Sequence[Refused]) -> str:
    """The files that were not taken, each with its reason, folded."""
    if not refused:
        return ""
    rows = "".join(
        f"<li><b>{escape(item.source)}</b> <span>{escape(item.reason)}</span></li>" for item in refused[:SHOWN_REASONS]
    )
    more = f"<li>and {len(refused) - SHOWN_REASONS:,} more</li>" if len(refused) > SHOWN_REASONS else ""
    count = f"{len(refused)} " + ("was" if len(refused) == 1 else "were")
    return f'<details class="u-own-refused" open><summary>{count} not taken</summary><ul>{rows}{more}</ul></details>'


def _count(number: int, kind: str) -> str:
    files = KIND_OF[kind].files
    return f"{number:,} {files[number != 1]}"


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
