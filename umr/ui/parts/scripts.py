"""The page's own scripts and styles, and the calls of them that Gradio wants as text. Not the scripts themselves.

umr/ui/page.js and umr/ui/style.css come first, then what lies beside what it belongs to (umr/ui/*/*.js and *.css).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

UI = Path(__file__).parent.parent
PAGE = UI / "page.js"

# When a gr.HTML is there (js_on_load); one after the other where one has several.
PRESSED = "umr.pressed(element, trigger);"
PLAYS = "umr.plays(element);"
COPIES = "umr.copies(element);"
PANEL = "umr.panel(element);"
CARDS = "umr.cards(element); umr.leaves(element, trigger);"
BROWSES = "umr.browses(element, trigger);"
STEPS = "umr.steps(element);"
OWN_TRAVELS = "umr.mine.queue.ready(trigger);"
RECENTS = "umr.recents(element);"
AWAY = "umr.away(element);"
COLUMNS = "umr.columns(element, trigger);"
POINTS = "umr.points(element);"
TABLES = "umr.tables(element, trigger);"
BATTLES = "umr.battles(element, trigger);"
REPORTS = "umr.reports(element, trigger);"

# After an event (js).
TO_RESULTS = "(address) => { umr.toResults(address); }"
BROWSED = "() => { umr.browsed(); }"
TO_COMPARED = "(address) => { umr.toCompared(address, true); }"
MORE_SHOWN = "(address) => { umr.moreShown(address); }"
OWN_MORE_SHOWN = "() => { umr.moreShown(''); }"
TO_BAR = "() => { umr.toBar(); }"
TO_OWN_BAR = "() => { umr.toOwnBar(); }"
TO_OWN_EXTRA = "() => { umr.toOwnExtra(); }"
TO_OWN_RESULTS = "(step) => { umr.toOwnResults(step); }"
OWN_TRAVELLED = "() => { umr.mine.travelled(); }"
FETCH_FILE = "(address) => { umr.fetchFile(address); }"
TO_DRILL = "() => { umr.openDrill(); }"
SAVE = "(file) => { umr.save(file); }"
NOT_SAVED = "() => { umr.made(); }"
#: What the page was opened with.
ADDRESS = "() => umr.own.given()"
#: The address is being given: from now on it follows what is on show.
GIVEN = "(tab) => { umr.address.give(tab); }"


def selects(name: str) -> str:
    """A press of what has data-`name` is the component's select event."""
    return f"umr.selects(element, trigger, '{name}');"


def open_panel(sheet: str) -> str:
    """The sheet with this id opens, for what was pressed."""
    return f"(id) => {{ umr.openPanel(id, '{sheet}'); }}"


def making(selector: str) -> str:
    """This button is busy until a file is there; what it takes goes on as it is."""
    return f"(...given) => {{ umr.making(document.querySelector('{selector}')); return given; }}"


def press(selector: str) -> str:
    """A button of the page is pressed."""
    return f"() => {{ umr.press('{selector}'); }}"


def answered(tab: str) -> str:
    """The address tells what a tab shows, as no step of its own; an answer below the window comes into view."""
    return "(address) => { umr.toCompared(address); }" if tab == "compare" else tell(tab)


def tell(tab: str) -> str:
    """The address tells what a tab shows."""
    return f"(address) => {{ umr.address.tell('{tab}', address); }}"


def travels(tab: str) -> str:
    """The component's select event asks the server for what an address shows in a tab."""
    return f"umr.travels(element, trigger, '{tab}');"


def travelled(tab: str) -> str:
    """What an address shows in a tab is there, or was refused."""
    return f"() => {{ umr.traveller('{tab}').over(); }}"


def show(tab: str) -> str:
    """The address tells which tab is on show."""
    return f"() => {{ umr.address.shown('{tab}'); }}"


def head(keys: Mapping[str, Sequence[str]]) -> str:
    """The page's scripts as one element of its head, read anew.

    Args:
        keys: tab -> the keys of the address that are the tab's own.
    """
    return f"<script>\n{together('js')}umr.address.keys = {json.dumps(keys)};\n</script>"


def style() -> str:
    """The page's styles as one element of its head, read anew: there from the first paint."""
    return f"<style>{together('css')}</style>"


def together(ending: str) -> str:
    """The files of an ending one after the other: the page's own, then those of its folders, by name.

    Args:
        ending: js or css.
    """
    files = [*sorted(UI.glob(f"*.{ending}")), *sorted(UI.glob(f"*/*.{ending}"))]
    return "".join(path.read_text("utf-8") for path in files)
