"""The page's edge: what a request asked for, or a message in its place.

A visitor reads a sentence, the log keeps the rest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from markupsafe import Markup

from umr.errors import UMRError
from umr.ui import render
from umr.ui.metrics import EVENT_S, EVENTS, OBSERVED

log = logging.getLogger(__name__)

OUR_FAULT = "Something went wrong on our side; the server's log has the details. Please try again."
Shown = TypeVar("Shown")


def answered(what: str, ask: Callable[[], Shown], refused: Callable[[Markup], Shown]) -> Shown:
    """What `ask` gives; what it raises is said instead.

    Args:
        what: what the log and the numbers call this request, one of a few words.
        ask: does what was asked for.
        refused: what is shown around the message, which is HTML.
    """
    start, outcome = time.perf_counter(), "answered"
    try:
        return ask()
    except UMRError as error:
        outcome = "refused"
        return refused(render.error(str(error)))
    except Exception:  # here and nowhere else: an unforeseen fault must not end in a page that says nothing
        outcome = "failed"
        log.exception("%s failed", what, extra={"fields": {"kind": what}})
        return refused(render.error(OUR_FAULT))
    finally:
        OBSERVED.count(EVENTS, kind=what, outcome=outcome)
        OBSERVED.time(EVENT_S, time.perf_counter() - start, kind=what)


def answered_html(what: str, ask: Callable[[], Markup]) -> Markup:
    """As `answered`, for what is shown as it is."""
    return answered(what, ask, lambda message: message)


def each_answered(
    what: str, steps: Generator[Shown, None, None], refused: Callable[[Markup], Shown]
) -> Iterator[Shown]:
    """As `answered`, for work that shows its steps: what one of them raises is said, and is the last."""
    try:
        while (step := answered(what, lambda: next(steps, None), refused)) is not None:
            yield step
    finally:
        steps.close()
