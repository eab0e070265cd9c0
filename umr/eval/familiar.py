"""Whether the picture of one query is unlike what an encoder was trained on, and the sentence that says so.

Not the calibration (umr.eval.ood): a single picture is over its threshold or not, at the rate of false alarms stated
there.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
from PIL.Image import Image

from umr import media
from umr.collection import Collection
from umr.errors import ConfigError
from umr.eval import ood
from umr.eval.ood import Calibration, Spread
from umr.index.index import Index
from umr.index.manifest import IndexManifest
from umr.search import DecodedQuery, Searcher
from umr.shipped import available, index_folder
from umr.types import Candidate, Content
from umr.verdict import percent

UNLIKE = "This picture is unlike what this model was trained on, so expect weak results."
REMEMBERED = 4096  # pictures whose verdict is kept, 64 characters each: many edits are asked of one picture


class PictureCheck:
    """Tells pictures that are unlike a bundled catalogue from those that are not. Safe to use from several threads."""

    def __init__(self, calibration: Calibration, bundled: Searcher) -> None:
        """Measure the catalogue's spread once.

        Args:
            calibration: with the kind "image".
            bundled: the encoder over the collection that it was calibrated on.
        """
        self._bundled = bundled
        self._threshold = calibration.kinds["image"].threshold
        self._spread = Spread.of(ood.reference(bundled, "image"))
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._lock = threading.Lock()
        self.rate = calibration.rate(calibration.kinds["image"])

    @classmethod
    def open(cls, folder: str | Path, searcher: Searcher) -> PictureCheck | None:
        """The check of an index folder's encoder.

        Args:
            folder: an index folder; a person's own is checked by the catalogue that its encoder was shipped with.
            searcher: what was opened from it.

        Returns:
            None where nothing was calibrated for this encoder: then nothing is claimed.

        Raises:
            ConfigError: the calibration cannot be read.
        """
        bundled = searcher
        calibration = ood.read_calibration(folder, bundled)
        if calibration is None:
            shipped = _shipped(searcher)
            if shipped is None:
                return None
            folder, bundled = shipped
            calibration = ood.read_calibration(folder, bundled)
        return None if calibration is None or "image" not in calibration.kinds else cls(calibration, bundled)

    def unlike(self, picture: str | Path | Image | DecodedQuery) -> bool:
        """Whether a picture is unlike the catalogue; never for one that is in it.

        Args:
            picture: what a query shows, or the query with its picture decoded and hashed, which is done here
                otherwise; its verdict is remembered by its bytes.

        Raises:
            MediaError: it cannot be read.
            ConfigError: it is a query without a picture.
        """
        key, shown = _keyed(picture)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = not self._bundled.collection.with_hash(key) and self._far(shown)
        with self._lock:
            self._known[key] = found
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    def notices(self, picture: str | Path | Image | DecodedQuery | None) -> tuple[str, ...]:
        """What a person should know of a query's picture (see `unlike`): nothing, or one sentence of two parts."""
        if picture is None or not self.unlike(picture):
            return ()
        return (f"{UNLIKE} Of its catalogue's own pictures, {percent(self.rate)} are called so by mistake.",)

    def _far(self, picture: str | Path | Image | np.ndarray) -> bool:
        shown = Candidate(candidate_id="picture", content=Content(image=picture))
        vectors = self._bundled.encoder.encode_candidates([shown]).vectors
        return bool(self._spread.distances(vectors)[0] > self._threshold)


def _keyed(picture: str | Path | Image | DecodedQuery) -> tuple[str, str | Path | Image | np.ndarray]:
    """The hash of a picture's bytes, and the picture."""
    if not isinstance(picture, DecodedQuery):
        return media.picture_hash(picture), picture
    shown = picture.query.content.image
    if shown is None:
        raise ConfigError("the query has no picture that could be unlike others; ask it of a query with one")
    return picture.content_hash, shown


def _shipped(searcher: Searcher) -> tuple[Path, Searcher] | None:
    """The bundled index of this very encoder, opened; None where it is not a shipped one."""
    encoder = searcher.encoder
    if encoder.name not in available():
        return None
    folder = index_folder(encoder.name)
    manifest = IndexManifest.read(folder)
    if manifest.encoder != encoder.fingerprint:
        return None
    collection = Collection.open(folder / manifest.collection_at)
    return folder, Searcher(encoder, Index.open(folder, encoder), collection)
