"""Vision states of pictures and clips, computed once and kept for the next query. Not the pixels, not the network.

F frames, S side in px, V vision tokens of an item, H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from umr.encoders.base import UnifiedEncoder
from umr.encoders.templates import media_kind
from umr.errors import MediaError
from umr.kept import Kept
from umr.moments import fragment
from umr.types import Content

ROOM = 512 * 2**20  # bytes of states that are kept
BATCH = 32  # items seen at a time; of clips an eighth


@dataclass(frozen=True, slots=True, eq=False)
class SeenItem:
    """A picture or clip that was seen.

    Attributes:
        states: (V, H), or wider (umr.encoders.backbone.Backbone.see).
        grid: (t, h, w) of these.
    """

    states: Tensor
    grid: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """Bytes of the states."""
        return self.states.nbytes


class SeenMedia:
    """Contents to the states of their picture or clip; those of files are kept, the last used ones.

    A file that is written anew under its old name is not looked at again: make another one of these.
    """

    def __init__(self, network: UnifiedEncoder, room: int = ROOM) -> None:
        self._network = network
        self._kept: Kept[SeenItem] = Kept(room)

    def __call__(self, contents: Sequence[Content], names: Sequence[str]) -> list[SeenItem | None]:
        """The states of each content, None for one without a picture or clip.

        Args:
            contents: of any modalities.
            names: what errors call each.

        Raises:
            MediaError: a content cannot be read; it is named.
        """
        keys = [_key(content) for content in contents]
        found: dict[object, SeenItem] = {}
        unseen: dict[object, np.ndarray] = {}
        for content, key, name in zip(contents, keys, names, strict=True):
            if key is None or key in found or key in unseen:
                continue
            kept = self._kept.get(key) if isinstance(key, str) else None
            if kept is not None:
                found[key] = kept
                continue
            try:
                pixels = self._network.pixels(content)
            except MediaError as error:
                raise MediaError(f"{name}: {error}") from error
            if pixels is not None:
                unseen[key] = pixels
        found |= self._see(unseen)
        return [None if key is None else found[key] for key in keys]

    def _see(self, items: dict[object, np.ndarray]) -> dict[object, SeenItem]:
        """Key -> states; items of one length and size go together."""
        found: dict[object, SeenItem] = {}
        for shape in sorted({pixels.shape for pixels in items.values()}):
            keys = [key for key, pixels in items.items() if pixels.shape == shape]
            size = BATCH if shape[0] == 1 and self._network.cell is None else max(1, BATCH // 8)
            for start in range(0, len(keys), size):
                block = keys[start : start + size]
                states = self._network.see(np.stack([items[key] for key in block]))
                grid = self._network.grid(items[block[0]])
                found |= {key: SeenItem(one, grid) for key, one in zip(block, states, strict=True)}
        for key, one in found.items():
            if isinstance(key, str):
                self._kept.put(key, SeenItem(one.states.clone(), one.grid))  # not a view of all that were seen with it
        return found


def _key(content: Content) -> object:
    """The path of a file, and of which part, as text; of what is in memory its place there; None for neither."""
    kind = media_kind(content)
    if kind is None:
        return None
    source = content.image if kind == "image" else content.video
    return f"{kind} {source}{fragment(content.span)}" if isinstance(source, (str, Path)) else id(source)
