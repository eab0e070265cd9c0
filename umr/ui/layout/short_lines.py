"""Lines of the server's log, each of a length that can be read and stored, and nothing that moves a terminal.

Not what is logged.
"""

from __future__ import annotations

import io
import sys
from typing import TextIO

LONGEST = 4_000  # characters of a line
#: What a terminal would obey, or show in another order, by its code: control characters but tabs and ends of lines, and
#: those that turn the direction of writing.
_CODES = (*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x2028, 0x202F),
          *range(0x2066, 0x206A))  # fmt: skip
_SHOWN = {code: chr(code).encode("unicode_escape").decode("ascii") for code in _CODES}


class ShortLines(io.TextIOBase):
    """A stream of text that cuts long lines: Gradio prints an error with the whole value that a stranger sent.

    What a terminal would obey is written as umr.errors.printable writes it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes the text, of each line the beginning.

        Returns:
            The length of the text that was given.
        """
        shown = text.translate(_SHOWN)
        self.stream.write("".join(map(_cut, shown.splitlines(keepends=True))) if len(shown) > LONGEST else shown)
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
