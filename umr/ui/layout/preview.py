"""What the page is outside itself: its icon, and what other sites show of a link to it. Not how the card is drawn.

Gradio's own page has an icon, a name and pictures of Gradio's, from Gradio's sites; there is no setting for these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from gradio import routes
from jinja2 import BaseLoader, Environment
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from umr.ui.card import card
from umr.ui.examples import Example
from umr.ui.layout.monitor import CARD, prefix, route_of
from umr.ui.markup import TEMPLATES, macros

ICON = TEMPLATES[0] / "icon.svg"
PAGE = "frontend/index.html"  # Gradio's
THEIRS = re.compile(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>')
KEPT_S = 86_400  # that a site may keep the card


class Card:
    """Answers CARD; behind the gate, so that what holds for every other address holds for it."""

    def __init__(self, app: ASGIApp, examples: Sequence[Example], root_path: str = ""):
        """examples: what it may show; it is drawn when it is asked for first."""
        self.app, self.root, self.drawn = app, prefix(root_path), cache(lambda: card(examples))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes on."""
        asked = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if not asked or route_of(scope["path"], self.root) != CARD:
            await self.app(scope, receive, send)
            return
        kept = {"Cache-Control": f"public, max-age={KEPT_S}"}
        await Response(self.drawn(), media_type="image/png", headers=kept)(scope, receive, send)


class _Own(BaseLoader):
    """Gradio's templates; the page's says what this page is in the place of what it says of Gradio."""

    def __init__(self, theirs: BaseLoader):
        self.theirs = theirs

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, *rest = self.theirs.get_source(environment, template)
        return own_head(source) if template == PAGE else source, *rest  # type: ignore[return-value]


def own_head(source: str) -> str:
    """Gradio's page with this page's own description, picture and icon."""
    ours = iter((macros("page").preview(),))
    return THEIRS.sub(lambda _: next(ours, ""), source)


def own_preview() -> None:
    """Has Gradio's page, in this process, say what this page is. Set once."""
    environment: Any = routes.templates.env
    if not isinstance(environment.loader, _Own):
        environment.loader = _Own(environment.loader)
