"""The registry of tabs: each row is a folder, no tab knows another or the frame, and the address knows them all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from umr.bench.architecture import circles, import_graph, rooms
from umr.types import KIND_OF, SEARCH_IN
from umr.ui.kinds import choice_of, nouns, searched
from umr.ui.layout.link import head_script, read
from umr.ui.layout.tabs import TABS

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {f"umr.ui.{row.name}" for row in TABS}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return rooms(import_graph(ROOT))


def test_a_tab_is_a_folder_with_its_own_actions_html_and_layout():
    for row in TABS:
        folder = ROOT / "umr" / "ui" / row.name
        assert {"actions.py", "html.py", "layout.py"} <= {path.name for path in folder.iterdir()}
    with_layout = {path.parent.name for path in (ROOT / "umr" / "ui").glob("*/layout.py")}
    assert with_layout == {row.name for row in TABS}  # none is forgotten


def test_no_tab_imports_another_or_the_frame(graph):
    for tab in FOLDERS:
        assert not graph[tab] & (FOLDERS | {"umr.ui.layout"})


def test_only_the_frame_imports_tabs(graph):
    above = {room for room, others in graph.items() if others & FOLDERS and not room.startswith("umr.bench")}
    assert above == {"umr.ui.layout"}


def test_no_rooms_of_the_page_go_in_a_circle(graph):
    assert [circle for circle in circles(graph) if any(room.startswith("umr.ui") for room in circle)] == []


def test_no_two_tabs_share_a_name_or_a_key_of_the_address():
    keys = [key for row in TABS for key in row.keys]
    assert len({row.name for row in TABS}) == len(TABS) and len(set(keys)) == len(keys)
    for row in TABS:
        assert json.dumps(row.keys)[1:-1] in head_script() and not {"tab", "collection"} & set(row.keys)


def test_every_tab_can_be_opened_by_the_address(searchers):
    for row in TABS:
        opened = read(searchers, f"?tab={row.name}")
        assert opened.tab == row.name and opened.notices == () and len(opened.filled) == len(TABS)


def test_every_kind_has_its_words():
    assert set(KIND_OF) | {"all"} == set(SEARCH_IN.values())
    assert [choice_of(name) for name in SEARCH_IN] == ["Images", "Passages", "Entries", "Clips", "Everything"]
    assert [searched(target) for target in SEARCH_IN.values()] == list(SEARCH_IN)
    assert nouns("all") == ("result", "results") and nouns("entries") == ("entry", "entries")
