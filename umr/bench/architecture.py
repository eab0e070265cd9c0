"""The rooms of this repository and the arrows between them, read from the imports, and the picture of them.

    python -m umr.bench.architecture            writes docs/architecture.svg
    python -m umr.bench.architecture --list     prints every room with what it imports, and the circles

A room is a module or package directly under umr/ or umr/ui/, or all of training/; an arrow is an import, wherever in a
file it stands. Not the rules over this graph (tests/test_architecture.py).
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path

Graph = dict[str, set[str]]

PICTURE = Path("docs") / "architecture.svg"
#: Packages whose parts are rooms of their own.
OPEN = ("umr", "umr.ui")
COLOURS = {"app": "#d9d2e9", "training": "#f4d6d6", "umr.ui": "#d3e5cf", "umr.cli": "#d3e5cf", "umr.bench": "#f6e7c8"}
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 148, 34, 16, 54, 24


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file of every module of umr/ and training/, and app.py; packages by the name of their folder."""
    files = [root / "app.py", *(path for top in ("umr", "training") for path in sorted((root / top).rglob("*.py")))]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imported(path: Path) -> Iterator[str]:
    """Every dotted name that a file may import: `from a import b` gives both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(root: Path) -> Graph:
    """Module -> the modules of this repository that it imports.

    A package counts as imported only where something of its own __init__.py is asked for, since a name that is a module
    of it is an arrow to that module.
    """
    files = modules(root)
    graph: Graph = {}
    for name, path in files.items():
        found = {other for other in imported(path) if other in files and other != name}
        deeper = {other.rpartition(".")[0] for other in found}
        plain = {other for other in found if other not in deeper or _asks_package(path, other, files)}
        graph[name] = plain
    return graph


def _asks_package(path: Path, package: str, files: Mapping[str, Path]) -> bool:
    """Whether a file imports from a package a name that is no module of it."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == package
        and any(f"{package}.{alias.name}" not in files for alias in node.names)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    )


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, each sorted; [] where the graph has no circle (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def room_of(module: str) -> str:
    """The room that a module belongs to: umr.ui.search.html -> umr.ui.search, training.train -> training."""
    parts = module.split(".")
    for depth in range(1, len(parts)):
        if ".".join(parts[:depth]) not in OPEN:
            return ".".join(parts[:depth])
    return module


def rooms(graph: Mapping[str, set[str]]) -> Graph:
    """The graph of rooms: what each imports of others. umr/__init__.py only hands names on, and is none."""
    found: Graph = {}
    for module, others in graph.items():
        if module not in OPEN:
            mine = found.setdefault(room_of(module), set())
            mine |= {room_of(other) for other in others if other not in OPEN} - {room_of(module)}
    return found


def floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """How many rooms lie under each on the longest way down; the ground is 0. The graph must have no circle."""
    known: dict[str, int] = {}

    def floor(node: str) -> int:
        if node not in known:
            known[node] = 1 + max((floor(other) for other in graph[node]), default=-1)
        return known[node]

    for node in graph:
        floor(node)
    return known


def reduced(graph: Mapping[str, set[str]]) -> Graph:
    """The arrows that no longer way implies."""

    @cache
    def below(node: str) -> set[str]:
        return graph[node].union(*(below(other) for other in graph[node]))

    return {
        node: {one for one in others if not any(one in below(two) for two in others - {one})}
        for node, others in graph.items()
    }


def picture(graph: Mapping[str, set[str]]) -> str:
    """The rooms as SVG, each above all that it imports; arrows that a longer way implies are left out."""
    floor = floors(graph)
    rows = [sorted(room for room in graph if floor[room] == level) for level in range(max(floor.values()), -1, -1)]
    widest = max(map(len, rows))
    width = 2 * MARGIN + widest * WIDTH + (widest - 1) * GAP_X
    height = 2 * MARGIN + len(rows) * HEIGHT + (len(rows) - 1) * GAP_Y
    place = {}
    for level, row in enumerate(rows):
        left = (width - len(row) * WIDTH - (len(row) - 1) * GAP_X) / 2
        for number, room in enumerate(row):
            place[room] = (left + number * (WIDTH + GAP_X), MARGIN + level * (HEIGHT + GAP_Y))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        'font-family="system-ui, sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#667"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
    ]
    for room, others in sorted(reduced(graph).items()):
        for other in sorted(others):
            (x, y), (to_x, to_y) = place[room], place[other]
            x, y, to_x = x + WIDTH / 2, y + HEIGHT, to_x + WIDTH / 2
            bend = (y + to_y) / 2
            lines.append(
                f'<path d="M{x:g} {y:g} C{x:g} {bend:g} {to_x:g} {bend:g} {to_x:g} {to_y:g}" fill="none" '
                'stroke="#667" stroke-width="1" marker-end="url(#tip)"/>'
            )
    for room, (x, y) in sorted(place.items()):
        lines.append(
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{_colour(room)}" stroke="#445"/>'
            f'<text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + 4:g}" font-size="12" text-anchor="middle" fill="#112">'
            f"{escape(room)}</text>"
        )
    return "\n".join([*lines, "</svg>", ""])


def _colour(room: str) -> str:
    for start, colour in COLOURS.items():
        if room == start or room.startswith(f"{start}."):
            return colour
    return "#d6e4f2"


def main(arguments: list[str] | None = None) -> int:
    """Draws or lists the rooms of the repository that this file lies in.

    Returns:
        The exit status: 1 where modules or rooms import each other in a circle, which cannot be drawn.
    """
    parser = argparse.ArgumentParser(
        prog="python -m umr.bench.architecture", description="Draws the rooms of this repository and their arrows."
    )
    parser.add_argument("--list", action="store_true", help="print rooms, arrows and circles instead of drawing them")
    options = parser.parse_args(arguments)
    root = Path(__file__).resolve().parents[2]
    graph = import_graph(root)
    house = rooms(graph)
    if options.list:
        for room in sorted(house):
            print(f"{room}: {', '.join(sorted(house[room])) or 'nothing'}")
    found = circles(graph) + circles(house)
    arrows = sum(map(len, house.values()))
    print(f"{len(graph)} modules, {len(house)} rooms, {arrows} arrows, {len(found)} circles", file=sys.stderr)
    for circle in found:
        print(f"circle: {', '.join(circle)}", file=sys.stderr)
    if found or options.list:
        return 1 if found else 0
    (root / PICTURE).write_text(picture(house), "utf-8", newline="\n")
    print(f"{PICTURE.as_posix()} written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
