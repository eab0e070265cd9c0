"""What a visitor asked of their own files: kept with the files, and gone with them. It stands in no address.

The browser's history knows each search by a name that says nothing of it.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

from umr.errors import ConfigError
from umr.ui.results.history import Turn

MAX_STEPS = 40  # searches that Back finds again


@dataclass(slots=True)
class Asked:
    """The searches of one collection; safe to use from several threads.

    Attributes:
        count: how many results were asked for at last.
    """

    count: int = 0
    _turns: dict[str, Turn] = field(default_factory=dict)
    _last: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, turn: Turn, count: int) -> str:
        """The name of a search that was just answered: another one than the last search's if it asks something else."""
        with self._lock:
            if self._turns.get(self._last) != turn:
                self._last = secrets.token_hex(8)
            self._turns.pop(self._last, None)
            self._turns[self._last], self.count = turn, count
            for old in list(self._turns)[:-MAX_STEPS]:
                del self._turns[old]
            return self._last

    def last(self) -> Turn:
        """The search on show.

        Raises:
            ConfigError: there was none.
        """
        with self._lock:
            if self._last not in self._turns:
                raise ConfigError("the search that found this is over; search again")
            return self._turns[self._last]

    def back_to(self, name: str) -> Turn | None:
        """The search of this name, which is on show from now on; None where there is none (any more)."""
        with self._lock:
            if name in self._turns:
                self._last = name
            return self._turns.get(name)
