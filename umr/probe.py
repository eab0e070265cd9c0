"""Eight fixed inputs whose stored vectors reveal changed preprocessing, which no hash sees. Not a test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from umr.types import Candidate, Content, Query

if TYPE_CHECKING:
    from umr.types import Encoder

#: Lowest cosine between a stored and a re-encoded probe; float32 against bfloat16 of one encoder stays above it.
TOLERANCE = 0.99
PROBES = 8
_INSTRUCTION = "Find what is described."


def encode_probe(encoder: Encoder) -> np.ndarray:
    """Vectors (PROBES, D) of four queries, then four candidates: text, picture and both, in either role."""
    wide, tall = _picture(96, 160, 3), _picture(200, 120, 7)
    asked = [
        Content(text="two small red mugs on a wooden table"),
        Content(image=wide),
        Content(text="the same, but blue and striped", image=tall),
        Content(text="without the lamp", image=wide),
    ]
    found = [
        Content(text="A large glass vase. It stands on grey slate, 24 cm high."),
        Content(image=tall),
        Content(text="Hand made in small numbers.", image=wide),
        Content(text="Über 20 € – 花瓶, naïve café"),
    ]
    queries = [
        Query(query_id=f"probe-{n}", content=content, instruction=_INSTRUCTION) for n, content in enumerate(asked)
    ]
    candidates = [Candidate(candidate_id=f"probe-{n}", content=content) for n, content in enumerate(found)]
    return np.concatenate([encoder.encode_queries(queries).vectors, encoder.encode_candidates(candidates).vectors])


def _picture(height: int, width: int, step: int) -> np.ndarray:
    """A picture made by whole numbers only, so that every machine makes the same one: stripes, a ramp and a disc."""
    y, x = np.mgrid[:height, :width]
    disc = (x - width // 2) ** 2 + (y - height // 2) ** 2 < (min(height, width) // 3) ** 2
    red, green, blue = x * 255 // width, y * 255 // height, (x // step + y // (2 * step)) % 2 * 200
    return np.stack([np.where(disc, 220, red), np.where(disc, 40, green), blue], axis=-1).astype(np.uint8)
