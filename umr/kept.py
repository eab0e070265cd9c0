"""Arrays by a key, the last used ones kept within a number of bytes. Not how they are made."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What knows how many bytes it has: an array, or a tensor."""

    @property
    def nbytes(self) -> int:
        """Bytes of its numbers."""


Value = TypeVar("Value", bound=Sized)


class Kept(Generic[Value]):
    """The last used values, of `room` bytes together at most; the newest stays, however little room there is."""

    def __init__(self, room: int) -> None:
        self._room, self._size = room, 0
        self._values: OrderedDict[str, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> Value | None:
        """The value of a key, which counts as used now; None where it is not kept."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: str, value: Value) -> None:
        """Keep the value of a key that is not kept."""
        self._values[key] = value
        self._size += value.nbytes
        while self._size > self._room and len(self._values) > 1:
            self._size -= self._values.popitem(last=False)[1].nbytes
