"""The process that decodes: `python -m umr.apart.process NAME MEMORY_MB [FILE BYTES]` (READERS; of umr.apart.arena).

A file of a stranger may end this process: it has little memory, no file to write, no network, and nothing that anyone
else needs. It imports neither numpy nor torch when it starts. Not the side that asks (umr.apart.workers).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib import import_module
from typing import cast

from umr.apart.arena import Arena
from umr.apart.confined import allow_seconds, confine
from umr.apart.line import READERS, READY, REFUSED, SPENT, Line, Reader, Request, Spent, end
from umr.errors import MediaError


def main() -> None:
    """Answer requests until the other side closes the pipe, or is gone."""
    reader = cast(Reader, import_module(READERS[sys.argv[1]]))
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what a library prints must not stand between answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the side that asks hears it, and ends this process
    reader.prepare()
    arena = Arena(int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 4 else None
    confine(int(sys.argv[2]))
    line = Line(sys.stdin.buffer, out, arena)
    line.listen()
    line.send(READY)
    while True:
        answer(reader, line.next(), line)


def answer(reader: Reader, request: Request, line: Line) -> None:
    """Sends what is asked for, or why there is none."""
    allow_seconds(time.process_time() + request.asked["processor_s"])
    try:
        reader.answer(request.asked, request.data, line)
    except Spent as error:
        line.say(SPENT, str(error))
        end()
    except MediaError as error:
        line.say(REFUSED, str(error))


if __name__ == "__main__":
    main()
