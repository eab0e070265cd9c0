"""The calls of the page's own script (umr/ui/page.js) that Gradio wants as text. Not the script itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = Path(__file__).parent.parent / "page.js"
SEARCH = Path(__file__).parent.parent / "search" / "search.js"

# When a gr.HTML is there (js_on_load); one after the other where one has several.
PRESSED = "umr.pressed(element, trigger);"
PLAYS = "umr.plays(element);"
COPIES = "umr.copies(element);"
PANEL = "umr.panel(element);"
CARDS = "umr.cards(element); umr.leaves(element, trigger);"
BROWSES = "umr.browses(element, trigger);"
STEPS = "umr.steps(element);"
TRAVELS = "umr.travels(element, trigger);"
RECENTS = "umr.recents(element);"
AWAY = "umr.away(element);"
COLUMNS = "umr.columns(element, trigger);"
POINTS = "umr.points(element);"

# After an event (js).
OPEN_PANEL = "(id) => { umr.openPanel(id); }"
TO_RESULTS = "(address) => { umr.toResults(address); }"
BROWSED = "() => { umr.browsed(); }"
MORE_SHOWN = "(address) => { umr.moreShown(address); }"
TO_BAR = "() => { umr.toBar(); }"
TO_OWN_BAR = "() => { umr.toOwnBar(); }"
TO_DRILL = "() => { umr.toDrill(); }"
SAVE = "(file) => { umr.save(file); }"
#: What the page was opened with.
ADDRESS = "() => umr.own.given()"
#: The address is being given: from now on it follows what is on show.
GIVEN = "(tab) => { umr.address.give(tab); }"


def selects(name: str) -> str:
    """A press of what has data-`name` is the component's select event."""
    return f"umr.selects(element, trigger, '{name}');"


def press(selector: str) -> str:
    """A button of the page is pressed."""
    return f"() => {{ umr.press('{selector}'); }}"


def tell(tab: str) -> str:
    """The address tells what a tab shows."""
    return f"(address) => {{ umr.address.tell('{tab}', address); }}"


def show(tab: str) -> str:
    """The address tells which tab is on show."""
    return f"() => {{ umr.address.tab('{tab}'); }}"


def head(keys: Mapping[str, Sequence[str]]) -> str:
    """The page's script for its head, read anew.

    Args:
        keys: tab -> the keys of the address that are the tab's own.
    """
    source = "".join(place.read_text("utf-8") for place in (PAGE, SEARCH))
    return f"<script>\n{source}umr.address.keys = {json.dumps(keys)};\n</script>"
