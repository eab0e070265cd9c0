"""The errors a person can act on; each says what was wrong, what is legal and the way out. Not for internal bugs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class UMRError(Exception):
    """Base of every error that umr raises on purpose; its message is printed, never a traceback."""


class MediaError(UMRError):
    """A picture, clip or text that cannot be read safely; it never becomes a vector."""


class MismatchError(UMRError):
    """Two things that do not belong together (index and encoder, files and their manifest, ids and vectors)."""


class ConfigError(UMRError):
    """A setting or argument outside its legal values, or a folder that is not what it should be."""


class DiskFullError(ConfigError):
    """Nothing more can be written where a file should go.

    It is of no single row or file: whoever goes on after those stops.
    """


class StoppedError(ConfigError):
    """A source gives no more, as a network does that is gone; started again, the command goes on.

    It is of no single row or file either.
    """


def printable(text: str) -> str:
    r"""The text on one line, with what no terminal should be sent (control and direction characters) as \x1b, \u202e.

    For names that strangers gave: their files', their rows'.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def reason(error: Exception) -> str:
    """What went wrong, in words: an own error's message; another's without its number and the path of a file."""
    if isinstance(error, UMRError):
        return str(error)
    return str(getattr(error, "strerror", None) or next(iter(str(error).splitlines()), "") or type(error).__name__)


def in_words(error: Exception) -> str:
    """What a command says of an error and its end: ours as it is, the system's with the file it is about."""
    return f"{error.filename or 'a file'}: {error.strerror or error}" if isinstance(error, OSError) else str(error)


@dataclass(slots=True)
class Ended:
    """How a command ended. status: 0, or 2 where it said why it could not go on."""

    status: int = 0


@contextmanager
def exit_status(program: str, *also: type[Exception]) -> Iterator[Ended]:
    """A block that is a command: an error in it that a person can act on ends it, and is one line on stderr.

    Args:
        program: what the line begins with.
        also: errors that are told so beside those of umr.

    Yields:
        What has the exit status behind the block.
    """
    ended = Ended()
    told: tuple[type[Exception], ...] = (UMRError, *also)
    try:
        yield ended
    except told as error:
        print(f"{program}: {printable(in_words(error))}", file=sys.stderr)
        ended.status = 2
