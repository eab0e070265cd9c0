"""The rooms and their arrows: how they are read from imports, what is drawn, and that the picture is current."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from umr.bench import architecture
from umr.bench.architecture import PICTURE, floors, import_graph, main, modules, picture, reduced, room_of, rooms

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A repository of seven modules: a tab on a search on two that only handle data."""
    files = {
        "app.py": "from umr.ui.layout import page\n",
        "umr/__init__.py": "import umr.search\n",
        "umr/types.py": "import os\n",
        "umr/search.py": "from umr.types import Query\nfrom umr.index import build\n",
        "umr/index/__init__.py": "",
        "umr/index/build.py": "def make():\n    from umr import types\n    from umr.index import flat\n",
        "umr/index/flat.py": "",
        "umr/ui/__init__.py": "",
        "umr/ui/layout/__init__.py": "from umr import search, types\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "training").mkdir()
    return tmp_path


def test_the_picture_in_docs_is_the_one_that_the_command_draws():
    drawn = picture(rooms(import_graph(ROOT)))
    assert (ROOT / PICTURE).read_text("utf-8") == drawn, "draw it again: python -m umr.bench.architecture"


def test_every_module_is_found_and_a_package_has_the_name_of_its_folder(house):
    assert sorted(modules(house)) == [
        *("app", "umr", "umr.index", "umr.index.build", "umr.index.flat", "umr.search", "umr.types"),
        *("umr.ui", "umr.ui.layout"),
    ]


def test_imports_inside_functions_are_arrows_and_a_package_is_one_only_by_its_own_names(house):
    graph = import_graph(house)
    assert graph["umr.index.build"] == {"umr.types", "umr.index.flat"}
    assert graph["umr.search"] == {"umr.types", "umr.index.build"}
    assert graph["app"] == {"umr.ui.layout"} and graph["umr.types"] == set()


def test_rooms_are_what_lies_directly_in_an_open_package(house):
    assert [room_of(name) for name in ("umr.types", "umr.index.flat", "umr.ui.search.html", "training.train")] == [
        *("umr.types", "umr.index", "umr.ui.search", "training"),
    ]
    assert rooms(import_graph(house)) == {
        "app": {"umr.ui.layout"},
        "umr.types": set(),
        "umr.search": {"umr.types", "umr.index"},
        "umr.index": {"umr.types"},
        "umr.ui.layout": {"umr.search", "umr.types"},
    }


def test_a_room_stands_above_all_that_it_imports_and_implied_arrows_are_left_out(house):
    graph = rooms(import_graph(house))
    assert floors(graph) == {"app": 4, "umr.ui.layout": 3, "umr.search": 2, "umr.index": 1, "umr.types": 0}
    assert reduced(graph) == {
        "app": {"umr.ui.layout"},
        "umr.ui.layout": {"umr.search"},
        "umr.search": {"umr.index"},
        "umr.index": {"umr.types"},
        "umr.types": set(),
    }


def test_the_picture_names_every_room_once_and_draws_the_arrows_that_are_left():
    graph = {"a": {"b", "c<"}, "b": {"c<"}, "c<": set()}
    drawn = ElementTree.fromstring(picture(graph))
    assert sorted(text.text for text in drawn.iter(f"{SVG}text")) == ["a", "b", "c<"]
    heights = {text.text: float(text.get("y")) for text in drawn.iter(f"{SVG}text")}
    assert heights["a"] < heights["b"] < heights["c<"]
    assert len([path for path in drawn.iter(f"{SVG}path") if path.get("marker-end")]) == 2


def test_the_command_draws_lists_and_refuses_a_circle(house, monkeypatch, capsys):
    monkeypatch.setattr(architecture, "__file__", str(house / "umr" / "bench" / "architecture.py"))
    (house / "docs").mkdir()
    assert main(["--list"]) == 0
    out, err = capsys.readouterr()
    assert "umr.search: umr.index, umr.types\n" in out and "5 rooms, 6 arrows, 0 circles" in err
    assert main([]) == 0 and (house / PICTURE).read_text("utf-8") == picture(rooms(import_graph(house)))
    (house / PICTURE).unlink()
    (house / "umr" / "types.py").write_text("from umr import search\n")
    assert main([]) == 1 and not (house / PICTURE).exists()
    assert "circle: umr.index, umr.search, umr.types" in capsys.readouterr().err
