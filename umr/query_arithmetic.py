"""Leaning a composed query towards its picture or its words, and away from other words: vector arithmetic outside the
training. Not the encoder's own composition, which it leaves as it is where nothing is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from umr.errors import ConfigError
from umr.media import clean_text
from umr.search import Outcome, Searcher
from umr.types import Content, Embeddings, Query, Result

#: How strongly "less of" pushes: the factor of its vector before the sum is brought back to length 1.
LESS = 0.5
FORMULA = "q = unit( (1 − |b|)·c + max(−b, 0)·p + max(b, 0)·t − 0.5·n )"
ONE_PART = "The balance needs a picture and a text together: it was left out."


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """What a person asks for beyond the query.

    balance: from -1 (the picture alone) over 0 (the encoder's own composition) to 1 (the text alone).
    less_of: words to move away from.  cut: results below cut x the best score are left out, 0 to 1.
    Raises ConfigError for a value outside.
    """

    balance: float = 0.0
    less_of: str = ""
    cut: float = 0.0

    def __post_init__(self) -> None:
        for name, low in (("balance", -1), ("cut", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= 1:
                raise ConfigError(f"{name} is {value!r}; a number from {low} to 1 is needed")
        if not isinstance(self.less_of, str):
            raise ConfigError(f"“less of” is a {type(self.less_of).__name__}; give words")
        object.__setattr__(self, "less_of", clean_text(self.less_of))

    @property
    def moves(self) -> bool:
        """Whether the query's vector is changed at all (a cut leaves it alone)."""
        return bool(self.balance or self.less_of)

    def moves_query(self, query: Query) -> bool:
        """Whether this query's vector is changed: a balance needs both its parts."""
        return bool(self.less_of or (self.balance and _has_both(query.content)))


UNMOVED = Steering()


def steer(
    composed: np.ndarray, picture: np.ndarray | None, text: np.ndarray | None, less: np.ndarray | None, balance: float
) -> np.ndarray:
    """FORMULA over unit vectors (D,): c composed, p picture, t text, n less, b balance; the composed one where all
    cancel.

    A part that is not there (None) adds nothing, and without its counterpart the balance must be 0.
    """
    total = (1 - abs(balance)) * composed
    for part, weight in ((picture, max(-balance, 0.0)), (text, max(balance, 0.0)), (less, -LESS)):
        if part is not None:
            total = total + weight * part
    length = float(np.linalg.norm(total))
    return (total / length if length > 1e-6 else composed).astype(np.float32)


def search(searcher: Searcher, query: Query, k: int, steering: Steering) -> Outcome:
    """As `searcher.search`, with the query's vector moved and weak results left out as the steering asks."""
    moved = partial(encode, searcher, steering=steering) if steering.moves else None
    outcome = searcher.search(query, k, moved)
    left_out = (ONE_PART,) if steering.balance and not _has_both(query.content) else ()
    return replace(outcome, results=_strong(outcome.results, steering.cut), notices=outcome.notices + left_out)


def encode(searcher: Searcher, query: Query, steering: Steering) -> Embeddings:
    """The one row of a decoded query, moved as the steering asks; a balance without its two parts is left out."""
    both = _has_both(query.content)
    parts = {"composed": query.content}
    if both and steering.balance:
        parts |= {"picture": Content(image=query.content.image), "text": Content(text=query.content.text)}
    if steering.less_of:
        parts["less"] = Content(text=steering.less_of)
    made = searcher.encoder.encode_queries(
        replace(query, query_id=name, content=content) for name, content in parts.items()
    )
    vector = dict(zip(made.ids, made.vectors))
    moved = steer(
        vector["composed"],
        vector.get("picture"),
        vector.get("text"),
        vector.get("less"),
        steering.balance if both else 0.0,
    )
    return replace(made, ids=(query.query_id,), vectors=moved[None])


def _has_both(content: Content) -> bool:
    """Whether a picture stands beside words; a text of spaces is none."""
    return content.image is not None and bool((content.text or "").strip())


def _strong(results: list[Result], cut: float) -> list[Result]:
    if not results or not cut:
        return results
    least = cut * results[0].hit.score
    return [result for result in results if result.hit.score >= least]
