"""Lines of the server's log, each of a length that can be read and stored. Not what is logged."""

from __future__ import annotations

import io
import sys
from typing import TextIO

LONGEST = 4_000  # characters of a line


class ShortLines(io.TextIOBase):
    """A stream of text that cuts long lines: Gradio prints an error with the whole value that a stranger sent."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes the text, of each line the beginning. Returns the length of the text that was given."""
        self.stream.write("".join(map(_cut, text.splitlines(keepends=True))) if len(text) > LONGEST else text)
        return len(text)

    def flush(self) -> None:
        """Writes what is held back."""
        self.stream.flush()

    def fileno(self) -> int:
        """The stream's own."""
        return self.stream.fileno()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self.stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's own."""
        return self.stream.encoding


def shorten_errors() -> None:
    """From now on what this process writes to its standard error has short lines."""
    if not isinstance(sys.stderr, ShortLines):
        sys.stderr = ShortLines(sys.stderr)


def _cut(line: str) -> str:
    if len(line) <= LONGEST:
        return line
    return f"{line[:LONGEST]} ... ({len(line):,} characters)\n"
