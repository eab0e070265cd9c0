"""How tabs are wired: what an event is allowed, what was pressed, whose uploads they are, what a tab gives."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.components import Component
from gradio.utils import get_upload_folder

from umr.errors import UMRError
from umr.ui.examples import Example
from umr.ui.links import Choice
from umr.ui.metrics import EVENT_S, EVENTS, OBSERVED
from umr.ui.searchers import Searchers
from umr.ui.visitors import Visitors

UPLOADS = Path(get_upload_folder())  # where Gradio keeps what visitors upload, and copies of what the page shows them
VISITORS = Visitors(UPLOADS)  # whose these are; for all pages of this process, as the folder is

#: How the page's own events are wired: not shown to clients, and checked by the handlers alone (Gradio's components
#: would raise where a visitor should read a sentence).
PRIVATE: dict[str, Any] = {"api_visibility": "private", "preprocess": False}
QUIET: dict[str, Any] = PRIVATE | {"show_progress": "hidden"}
#: Of events that encode a query: so many at once, whose queries go in batches (umr.encoders.micro_batch). Most of them
#: wait without work; a page that asks several models does it for each, so fewer of those go at once.
SEARCHING: dict[str, Any] = {"concurrency_limit": 32, "concurrency_id": "search"}
COMPARING: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "compare"}
#: Of what takes minutes.
INDEXING: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "own-files"}
#: Of what follows a choice or a press: one that comes while the last is still worked on is worked on next, not dropped.
LATEST: dict[str, Any] = {"trigger_mode": "always_last"}
MAX_PRESSED = 1_000  # characters of an id, a number or a suggestion
SURROGATE = re.compile("[\ud800-\udfff]")
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the page gives a tab.

    Attributes:
        pictures: what holds a visitor's picture in the tabs before it.
    """

    searchers: Searchers
    examples: Sequence[Example]
    page: gr.Blocks
    pictures: list[Component] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a tab does with an address that asks something: what its button does, with the tab's address at the end."""

    ask: Callable[..., Any]
    inputs: Sequence[Component]
    outputs: Sequence[Component]
    address: gr.Textbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a tab gives the page.

    Attributes:
        fields: what an address fills in, in the order of the registry's `fill`.
        run: what is done where it asks.
        choices: of a tab that asks nothing, one for each field.
        pictures: what holds a visitor's picture, or what came of it.
        query: picture, text and kind of its query, where another tab may ask it too.
        carry: the button that takes it there.
    """

    fields: Sequence[Component] = ()
    run: Run | None = None
    choices: Sequence[Choice] = ()
    pictures: Sequence[Component] = ()
    query: Sequence[Component] = ()
    carry: gr.Button | None = None


def pressed(event: gr.EventData, most: int = MAX_PRESSED) -> str:
    """What the browser says was pressed: any short text, whose meaning the handlers check.

    Nothing else passes, so that no answer can hold what Gradio would take for a change of a component.

    Args:
        event: as it came.
        most: characters.

    Raises:
        gr.Error: it is none.
    """
    value = event._data.get("id") if isinstance(event._data, dict) else None
    if isinstance(value, str) and len(value) <= most and not SURROGATE.search(value):  # which JSON cannot say
        return value
    raise gr.Error("What was pressed is not of this page. Reload it, and try again.", print_exception=False)


def shown(function: Callable[Asked, Answer], *arguments: Asked.args, **options: Asked.kwargs) -> Answer:
    """The function's value.

    Raises:
        gr.Error: what the function refuses, shown as Gradio's own message, without a traceback.
    """
    start, outcome = time.perf_counter(), "failed"
    try:
        answer = function(*arguments, **options)
        outcome = "answered"
        return answer
    except UMRError as error:
        outcome = "refused"
        raise gr.Error(str(error), print_exception=False) from error
    finally:
        OBSERVED.count(EVENTS, kind="an endpoint", outcome=outcome)
        OBSERVED.time(EVENT_S, time.perf_counter() - start, kind="an endpoint")


def claim_uploads(component: gr.Image | gr.File) -> None:
    """Has the page name what it uploaded at once: only then is it known whose it is (umr.ui.visitors)."""

    def arrived(_: Any) -> None:
        """Nothing to do: that it was asked is enough."""

    component.upload(arrived, component, None, queue=False, **QUIET)
