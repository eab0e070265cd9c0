"""HTML from the macros of template files (umr/ui/templates, umr/ui/report/templates). Python decides what they say.

All that a template prints is escaped, once: what a macro or `escape` gave is HTML already, and stays as it is. A line
of a template that begins with a tag or a brace follows the line before without a space, any other after one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = (Path(__file__).parent / "templates", Path(__file__).parent / "report" / "templates")
NOTHING = Markup("")
#: Characters of HTML, and those that Gradio's own templates would read.
_ESCAPED = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "'": "&#x27;",
        "{": "&#123;",
        "}": "&#125;",
        "$": "&#36;",
        "`": "&#96;",
    }
)
_UNSAFE = re.compile("[&<>\"'{}$`]")


def escape(value: object) -> Markup:
    """The value as text that neither HTML nor Gradio's templates interpret, in content and in attributes."""
    if type(value) is Markup:
        return value
    text = str(value)
    return str.__new__(Markup, text.translate(_ESCAPED) if _UNSAFE.search(text) else text)  # text has no __html__


def together(parts: Iterable[Markup]) -> Markup:
    """Pieces of HTML, one after the other."""
    return Markup("".join(parts))


@cache
def macros(name: str) -> Any:
    """The macros of a template file as functions, which give Markup.

    Args:
        name: the file's, without its ending.

    Raises:
        jinja2.UndefinedError: by a macro that prints what it was not given.
    """
    return _ENVIRONMENT.get_template(f"{name}.html").module


class _Lines(FileSystemLoader):
    """Files without the line ends and the indentation that only their reader needs."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Any]:
        source, *rest = super().get_source(environment, template)
        return re.sub(r"\s*\n\s*", " ", re.sub(r"\s*\n\s*(?=[<{]|$)", "", source)), *rest  # type: ignore[return-value]


_ENVIRONMENT = Environment(
    loader=_Lines(TEMPLATES), autoescape=True, undefined=StrictUndefined, finalize=escape, auto_reload=False
)
_ENVIRONMENT.filters["number"] = format
