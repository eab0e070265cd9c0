"""The tab Your files as HTML: what may be dropped, progress, what was taken and refused, how far from the training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from umr.eval.ood import Verdict
from umr.types import KIND_OF, Refused
from umr.ui.files import uploads
from umr.ui.files.uploads import OwnFiles
from umr.ui.markup import NOTHING, macros, together
from umr.ui.models.html import name_button
from umr.verdict import percent

SHOWN_REASONS = 100
CUT = f"Cut clips into parts of {uploads.SEGMENT_S:g} seconds"
CUT_MEANS = "Each part is found by itself and played from where it begins. Indexing takes longer."


def intro() -> Markup:
    """What the tab is for, and every cap, before anything is dropped."""
    return macros("files").intro(_caps())


def place() -> Markup:
    """What stands where files are dropped: what may be, and how much."""
    return macros("files").place(_caps())


def _caps() -> dict[str, str]:
    return {
        "files": f"{uploads.MAX_FILES:,}",
        "unpacked": _mb(uploads.MAX_BYTES),
        "one": _mb(uploads.MAX_ONE),
        "archive": _mb(uploads.MAX_ARCHIVE),
        "rows": f"{uploads.MAX_ROWS:,}",
    }


def progress(stage: str, done: int, total: int) -> Markup:
    """How far the work is."""
    share = 100 * done / max(1, total)
    return macros("files").progress(stage, f"{done:,} of {total:,}", f"{share:.0f}")


def ready(own: OwnFiles, verdicts: Sequence[Verdict] | None, encoder: str) -> Markup:
    """What was taken, what was refused and why, and how far it is from what the encoder knows."""
    counts = Counter(candidate.content.modality for candidate in own.searcher.collection)
    kinds = ", ".join(_count(number, kind) for kind, number in counts.items())
    return macros("files").ready(kinds, name_button(encoder), distance(verdicts), refusals(own.refused))


def distance(verdicts: Sequence[Verdict] | None) -> Markup:
    """What can be claimed about the distance from the training; nothing at all without a calibration."""
    return together(_distance(verdict) for verdict in verdicts or ())


def _distance(verdict: Verdict) -> Markup:
    noun, rate = KIND_OF[verdict.modality].files[1], percent(verdict.rate)
    if verdict.far:
        said = f"{_beyond(verdict)} unlike its catalogue, so expect weak results. Such an alarm is false for {rate} of "
        return macros("files").far(noun, f"{said}collections of catalogue {noun}.")
    said = f"Of the {noun}, {_beyond(verdict)} unlike what the model was trained on; about {rate} would by chance."
    return macros("files").near(said)


def _beyond(verdict: Verdict) -> str:
    return f"{verdict.beyond} of {verdict.count} look" + ("s" if verdict.beyond == 1 else "")


def refusals(refused: Sequence[Refused]) -> Markup:
    """The files that were not taken, each with its reason, folded."""
    if not refused:
        return NOTHING
    more = f"and {len(refused) - SHOWN_REASONS:,} more" if len(refused) > SHOWN_REASONS else ""
    count = f"{len(refused)} " + ("was" if len(refused) == 1 else "were")
    return macros("files").refusals(count, refused[:SHOWN_REASONS], more)


def _count(number: int, kind: str) -> str:
    files = KIND_OF[kind].files
    return f"{number:,} {files[number != 1]}"


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
