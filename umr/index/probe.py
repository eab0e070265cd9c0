"""What is encoded again to see whether an index holds what its encoder makes. Not a test set.

Eight fixed inputs reveal changed preprocessing, which no hash sees; rows of the collection reveal those of another
encoder.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from umr import media
from umr.columns import MODALITIES
from umr.errors import MediaError
from umr.index.shards import check_unchanged
from umr.types import Candidate, Content, Embeddings, Query

if TYPE_CHECKING:
    from umr.collection import Collection
    from umr.types import Encoder

#: Lowest cosine between a stored and a re-encoded probe; float32 against bfloat16 of one encoder stays above it.
TOLERANCE = 0.99
PROBES = 8
FEWEST_ROWS, MOST_ROWS = 8, 64
STRETCH = 512  # rows; a shorter wrong stretch, of a large collection, can lie between two that are looked at
log = logging.getLogger(__name__)

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
        Content(text="Über 20 € \u2013 花瓶, naïve café"),
    ]
    queries = [
        Query(query_id=f"probe-{n}", content=content, instruction=_INSTRUCTION) for n, content in enumerate(asked)
    ]
    candidates = [Candidate(candidate_id=f"probe-{n}", content=content) for n, content in enumerate(found)]
    return np.concatenate([encoder.encode_queries(queries).vectors, encoder.encode_candidates(candidates).vectors])


def sample_rows(encoder: Encoder, collection: Collection, most: int = MOST_ROWS) -> Embeddings:
    """Vectors of candidates that stand evenly over the collection, from its first to its last: always the same ones.

    One for every 512, at least 8 and at most `most`; fewer where files are gone or changed, as an index is searched
    without them. Clips, which take much longer to read, are passed over where there is anything else.
    """
    clips = [kind for kind, modality in enumerate(MODALITIES) if modality.startswith("video")]
    rows = np.flatnonzero(~np.isin(collection.kinds, clips))
    rows = rows if len(rows) else np.arange(len(collection))
    count = min(len(rows), most, max(FEWEST_ROWS, len(rows) // STRETCH))
    places = np.linspace(0, len(rows) - 1, count).round().astype(int)
    wanted = [collection[collection.ids[row]] for row in rows[places].tolist()]
    return encoder.encode_candidates([candidate for candidate in wanted if _is_as_listed(candidate)])


def _is_as_listed(candidate: Candidate) -> bool:
    try:
        check_unchanged([candidate])
        if candidate.content.image is not None:
            media.open_image(candidate.content.image)
    except MediaError as error:
        log.warning("a row of the index is not compared: %s", error)
        return False
    return True


def _picture(height: int, width: int, step: int) -> np.ndarray:
    """A picture made by whole numbers only, so that every machine makes the same one: stripes, a ramp and a disc."""
    y, x = np.mgrid[:height, :width]
    disc = (x - width // 2) ** 2 + (y - height // 2) ** 2 < (min(height, width) // 3) ** 2
    red, green, blue = x * 255 // width, y * 255 // height, (x // step + y // (2 * step)) % 2 * 200
    return np.stack([np.where(disc, 220, red), np.where(disc, 40, green), blue], axis=-1).astype(np.uint8)
