"""What a command says beside its results, on stderr: how far it is, how fast, how long still; notices. Not logging."""

from __future__ import annotations

import sys
import time

from umr.errors import printable


class Progress:
    """Callable(done, total) that writes to stderr: in place on a terminal, else a line every ten seconds, and the last.

    A total of 0 is one that is not known.

    Args:
        what: is going on; the line begins with it.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._live = sys.stderr.isatty()
        self._start: tuple[float, int] | None = None
        self._shown = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is, where it is time to."""
        now, last = time.monotonic(), done >= total > 0
        if self._start is None:
            self._start = (now, done)
        if now - self._shown < (0.2 if self._live else 10.0) and not last:
            return
        self._shown = now
        seconds, counted = now - self._start[0], done - self._start[1]
        rate = counted / seconds if seconds > 0 and counted else 0.0
        speed = f" · {rate:,.0f}/s" if rate else ""
        left = f" · {(total - done) / rate:,.0f} s left" if rate and total else ""
        print(
            f"{self.what} {done:,}{f' of {total:,}' if total else ''}{speed}{left}",
            end="\r" if self._live and not last else "\n",
            file=sys.stderr,
            flush=True,
        )


def say(notice: str) -> None:
    """One line that a person should know, at once."""
    print(f"umr: {printable(notice)}", file=sys.stderr, flush=True)
