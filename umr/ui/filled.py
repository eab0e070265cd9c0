"""HTML of template files (umr/ui/templates), with what is said in them escaped. Not the small parts, which are Python.

A line of a file holds whole elements: line ends and indentation between them are left out of the page.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

from umr.ui.render import escape

TEMPLATES = Path(__file__).parent / "templates"


def filled(name: str, parts: dict[str, str] | None = None, **said: object) -> str:
    """A template with everything that it names.

    Args:
        name: the file's, without its ending.
        parts: name -> HTML that is made already.
        said: name -> words and numbers, which are escaped.

    Raises:
        KeyError: the template names something else.
    """
    return _template(name).substitute({key: escape(value) for key, value in said.items()} | (parts or {}))


@cache
def _template(name: str) -> Template:
    lines = (TEMPLATES / f"{name}.html").read_text("utf-8").splitlines()
    return Template("".join(line.lstrip() for line in lines))
