"""What the page tells of the models on offer: the cards of all, and how some of them were trained. No Gradio."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from umr.encoders.config import EncoderConfig
from umr.errors import UMRError
from umr.ui import edge
from umr.ui.models import html
from umr.ui.models.facts import ModelFacts, read_facts
from umr.ui.searchers import Searchers

log = logging.getLogger(__name__)


def known(searchers: Searchers, names: Iterable[str] | None = None) -> list[ModelFacts]:
    """The facts of models, read anew; one whose folder cannot be read is left out, and the log says why.

    Args:
        searchers: what the page offers.
        names: which, unread: one that is on offer nowhere is left out too, and not logged; None: all.
    """
    found = []
    for name in searchers.names if names is None else names:
        if name not in searchers.folders:
            continue
        try:
            found.append(read_facts(name, searchers.folders[name]))
        except UMRError as error:
            log.warning("the card of %s: %s", name, error)
    return found


def frames_read(searchers: Searchers, name: str) -> int | None:
    """How many frames of a clip a model reads; None where its settings do not say, or take them by rate."""
    configs = [facts.config for facts in known(searchers, (name,))]
    if not configs or configs[0] is None or (isinstance(configs[0], EncoderConfig) and configs[0].frame_rate):
        return None
    return configs[0].max_frames


def cards(searchers: Searchers) -> Markup:
    """The dialog with the card of every model, as HTML."""
    return edge.answered_html("the cards of the models", lambda: html.dialog(known(searchers)))


def trained(searchers: Searchers, names: Any = None) -> Markup:
    """Whether models were trained equally, as HTML; "" for fewer than two, and for what is no list of names."""
    if names is not None and not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
        return Markup()
    return edge.answered_html("how models were trained", lambda: html.side_by_side(known(searchers, names)))
