"""Frames of clips from processes of their own, so that none can end this one. Not the decoding (umr.clips.reader)."""

from __future__ import annotations

import os
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np

from umr.apart.line import FRAMES, LENGTH, PACE, Request
from umr.apart.worker import Kind
from umr.apart.workers import Workers
from umr.clips.limits import ClipLimits, Reader
from umr.moments import Span

WORKERS = 2
CLIPS = 500  # that one worker reads


class ClipDecoder:
    """A few workers, shared by all threads. Nothing is started before the first clip."""

    def __init__(self, limits: ClipLimits | None = None, workers: int = WORKERS, clips: int = CLIPS) -> None:
        """Start nothing yet.

        Args:
            limits: of each clip; None: the usual ones.
            workers: processes at a time.
            clips: how many one worker reads before another takes its place.
        """
        self.limits = limits or ClipLimits()
        kind = Kind(reader="clips", noun="clip", memory_mb=self.limits.memory_mb, workers=workers, uses=clips)
        self.workers = Workers(kind)

    def frames(
        self, path: Path, n: int, limits: ClipLimits | None = None, reader: Reader = "pyav", span: Span | None = None
    ) -> np.ndarray:
        """N frames of a clip, evenly spaced from the first to the last, uint8 (n, H, W, 3).

        Args:
            path: an existing file.
            n: how many; short clips repeat frames.
            limits: instead of this decoder's own; their memory is what workers were started with.
            reader: what decodes in the worker; parts of a clip are read by "pyav" alone.
            span: only what lies between these two moments, in seconds; None: all of it.

        Returns:
            Frames of one size; those over max_shown_pixels come smaller.

        Raises:
            MediaError: it cannot be read, is over a limit, or ends the worker twice.
        """
        within = limits or self.limits
        request = _request(path, within, n=n, reader=reader, span=span)
        return self.workers.ask(request, path.name, within.wall_s, lambda talk: talk.next(FRAMES).data)

    def seconds(self, path: Path) -> float:
        """How long a clip is shown, to the millisecond; by its packets, without decoding it.

        Raises:
            MediaError: it cannot be read, its frames have no times, or it ends the worker twice.
        """
        request = _request(path, self.limits, n=0, reader="pyav", span=None)
        return (
            self.workers.ask(request, path.name, self.limits.wall_s, lambda talk: talk.next(LENGTH).numbers[0]) / 1000
        )

    def pace(self, path: Path, span: Span | None = None) -> tuple[int, Fraction]:
        """How many frames a clip has, or a part of it, and how many are shown a second; without decoding it.

        Args:
            path: an existing file.
            span: only what lies between these two moments, in seconds; None: all of it.

        Raises:
            MediaError: it cannot be read, does not say how many are shown a second, or ends the worker twice.
        """
        request = _request(path, self.limits, n=0, reader="pyav", span=span, paced=True)
        frames, a_second, units = self.workers.ask(
            request, path.name, self.limits.wall_s, lambda talk: talk.next(PACE).numbers
        )
        return frames, Fraction(a_second, units)


def _request(path: Path, limits: ClipLimits, n: int, reader: Reader, span: Span | None, paced: bool = False) -> Request:
    """What a worker is asked for n frames; for none, its length, or its pace."""
    asked = {"path": os.fsencode(path.absolute()).hex(), "n": n, "reader": reader, "span": span, "paced": paced}
    return Request(asked | {"limits": asdict(limits), "processor_s": limits.processor_s})


#: The one of this process.
CLIPS_OF_THIS_PROCESS = ClipDecoder()
