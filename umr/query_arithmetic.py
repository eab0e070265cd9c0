"""Leaning a composed query towards its picture or its words, and away from other words, by vector arithmetic.

It is outside the training. Not the encoder's own composition, which it leaves as it is where nothing is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from umr.errors import ConfigError
from umr.media import clean_text
from umr.types import Content, Embeddings, Encoder, Hit, Query

#: How strongly "less of" pushes: the factor of its vector before the sum is brought back to length 1.
LESS = 0.5
FORMULA = "q = unit( (1 − |b|)·c + max(−b, 0)·p + max(b, 0)·t − 0.5·n )"  # noqa: RUF001 - the sign of mathematics
ONE_PART = "The balance needs a picture and a text together: it was left out."


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryArithmetic:
    """What a person asks for beyond the query.

    Attributes:
        balance: from -1 (the picture alone) over 0 (the encoder's own composition) to 1 (the text alone).
        less_of: words to move away from.
        less_like: ids of results to move away from, by their stored vectors.
        cut: results below cut x the best score are left out, 0 to 1.

    Raises:
        ConfigError: a value lies outside.
        MediaError: the words are too long, or no text.
    """

    balance: float = 0.0
    less_of: str = ""
    cut: float = 0.0
    less_like: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, low in (("balance", -1), ("cut", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= 1:
                raise ConfigError(f"{name} is {value!r}; a number from {low} to 1 is needed")
        if not isinstance(self.less_of, str):
            raise ConfigError(f"“less of” is a {type(self.less_of).__name__}; give words")
        object.__setattr__(self, "less_of", clean_text(self.less_of))

    def moves_query(self, query: Query) -> bool:
        """Whether this query's vector is changed: a balance needs both its parts."""
        return bool(self.less_of or self.less_like or (self.balance and _has_both(query.content)))


UNMOVED = QueryArithmetic()


def combined(
    composed: np.ndarray, picture: np.ndarray | None, text: np.ndarray | None, less: np.ndarray | None, balance: float
) -> np.ndarray:
    """FORMULA over unit vectors (D,); the composed one where all cancel.

    Args:
        composed: c, the query as the encoder composes it.
        picture: p, its picture alone; None adds nothing.
        text: t, its text alone; None adds nothing.
        less: n, words to move away from; None adds nothing.
        balance: b, 0 where a part is missing.

    Returns:
        A unit vector (D,), float32.
    """
    total = (1 - abs(balance)) * composed
    for part, weight in ((picture, max(-balance, 0.0)), (text, max(balance, 0.0)), (less, -LESS)):
        if part is not None:
            total = total + weight * part
    length = float(np.linalg.norm(total))
    return (total / length if length > 1e-6 else composed).astype(np.float32)


def encode(encoder: Encoder, query: Query, moved: QueryArithmetic, unwanted: np.ndarray | None = None) -> Embeddings:
    """The one row of a decoded query, moved as asked; a balance without its two parts is left out.

    Args:
        encoder: what encodes it.
        query: as it was read.
        moved: what is asked of it.
        unwanted: (M, D) unit vectors of the results to move away from, as the index holds them.
    """
    parts = {"composed": query.content}
    balance = moved.balance if _has_both(query.content) else 0.0
    if balance:
        parts |= {"picture": Content(image=query.content.image), "text": Content(text=query.content.text)}
    if moved.less_of:
        parts["less"] = Content(text=moved.less_of)
    if len(parts) == 1 and unwanted is None:
        return encoder.encode_queries([query])
    made = encoder.encode_queries(replace(query, query_id=name, content=content) for name, content in parts.items())
    vector = dict(zip(made.ids, made.vectors, strict=True))
    less = _away(vector.get("less"), unwanted)
    sum_D = combined(vector["composed"], vector.get("picture"), vector.get("text"), less, balance)
    return replace(made, ids=(query.query_id,), vectors=sum_D[None])


def _away(words: np.ndarray | None, unwanted: np.ndarray | None) -> np.ndarray | None:
    """n: the mean of what there should be less of, the words' vector (D,) and those of results (M, D), of length 1."""
    rows = [*([] if words is None else [words]), *([] if unwanted is None else unwanted)]
    if not rows:
        return None
    mean = np.mean(rows, axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 1e-6 else None


def notices(query: Query, moved: QueryArithmetic) -> tuple[str, ...]:
    """What a person should know of what was asked for and left out."""
    return (ONE_PART,) if moved.balance and not _has_both(query.content) else ()


def strong(hits: Sequence[Hit], moved: QueryArithmetic) -> Sequence[Hit]:
    """The hits, best first, without those that score below the asked share of the best."""
    if not hits or not moved.cut:
        return hits
    least = moved.cut * hits[0].score
    return [hit for hit in hits if hit.score >= least]


def _has_both(content: Content) -> bool:
    """Whether a picture stands beside words; a text of spaces is none."""
    return content.image is not None and bool((content.text or "").strip())
