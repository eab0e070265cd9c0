"""A part of a clip by its moments: where it is cut, how it is called. Not the reading of its frames (umr.clips)."""

from __future__ import annotations

from umr.errors import ConfigError

Span = tuple[float, float]  # seconds from the clip's first frame: where a part begins, and where it ends
SHORTEST_S = 0.5  # of a part that may be asked for
_REST = 0.25  # of a part: what is left at the end is a part of its own only where it is longer


def check_length(seconds: float) -> float:
    """The length of parts that was asked for, 0 for whole clips.

    Raises:
        ConfigError: it is no length.
    """
    if seconds != 0 and not SHORTEST_S <= seconds < float("inf"):
        raise ConfigError(f"parts of {seconds:g} s cannot be cut; at least {SHORTEST_S:g} s are needed, or 0 for none")
    return float(seconds)


def cut(duration: float, seconds: float) -> list[Span]:
    """The parts of a clip, one after the other; [] for one that stays whole.

    A short rest at the end belongs to the last one, so that no part is of a frame or two.

    Args:
        duration: of the clip, in seconds.
        seconds: of a part; 0: clips stay whole.
    """
    count = int(duration / seconds + 1 - _REST) if seconds else 0
    if count < 2:
        return []
    ends = [round(float(seconds) * number, 3) for number in range(1, count)]
    return list(zip([0.0, *ends], [*ends, round(duration, 3)], strict=True))


def clock(seconds: float) -> str:
    """A moment as a player says it, 0:42 or 1:02:03; with tenths where it is no whole second."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    second = f"{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02}:{second}" if hours else f"{minutes}:{second}"


def told(span: Span) -> str:
    """A part in words: 0:40 to 0:50."""
    return f"{clock(span[0])} to {clock(span[1])}"


def fragment(span: Span | None) -> str:
    """What follows a clip's address, or its id, to mean a part (W3C Media Fragments); "" for all of it."""
    return "" if span is None else f"#t={span[0]:.10g},{span[1]:.10g}"
