"""Peak memory of a served page while small files that decode to huge pictures are sent to it at once.

    python -m umr.bench.bombs [--searches 4] [--compares 3] [--limit 1536]

Not how many visitors it serves (umr.bench.load_test). Exit status 1 above the limit, or if a request was lost.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from umr.bench.server import served_page
from umr.errors import UMRError
from umr.memory import resident_mib

SIDE = 8000  # px; 64 megapixels, the most that is read
GREY = 1000  # of 65,535
SEARCHES, COMPARES = 4, 3
LIMIT_MIB = 1536.0
EVERY_S = 0.02  # between two looks at the memory
SETTLE_S = 3.0  # before it is looked at without requests
PATIENCE_S = 300.0  # for all answers
ANSWERED, REFUSED, LOST = "answered", "refused in words", "lost"

Send = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Resident memory in MiB of the page and its children, and what became of the requests."""

    base: float
    peak: float
    afterwards: float
    outcomes: Counter[str]
    seconds: float


def bomb(side: int = SIDE) -> bytes:
    """A valid PNG of side x side grey pixels of 16 bits, all of one value: 141 kB for 128 MB of pixels.

    Args:
        side: px.

    Returns:
        The file.
    """
    out = io.BytesIO()
    Image.new("I;16", (side, side), GREY).save(out, "PNG")
    return out.getvalue()


def watched(sends: Sequence[Send], memory: Callable[[], float], settle_s: float = SETTLE_S) -> Peak:
    """Sends everything at once and looks at the memory until all is answered.

    Args:
        sends: each sends one request, and tells what became of it.
        memory: resident MiB now.
        settle_s: seconds to wait before the last look.

    Returns:
        The memory before, at its highest, and afterwards; a request without an answer in PATIENCE_S is lost.
    """
    base, outcomes = memory(), Counter[str]()
    threads = [threading.Thread(target=lambda send=send: outcomes.update([send()]), daemon=True) for send in sends]
    begin, peak = time.monotonic(), base
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and time.monotonic() - begin < PATIENCE_S:
        peak = max(peak, memory())
        time.sleep(EVERY_S)
    seconds = time.monotonic() - begin
    outcomes[LOST] += len(sends) - outcomes.total()
    time.sleep(settle_s)
    return Peak(base=base, peak=peak, afterwards=memory(), outcomes=outcomes, seconds=seconds)


def request(address: str, endpoint: str, picture: Path) -> Send:
    """What sends the picture to a named endpoint, as a client of its own would."""
    from gradio_client import Client, handle_file  # heavy, and only this command needs it
    from gradio_client.exceptions import AppError
    from httpx import HTTPError

    client = Client(address, verbose=False)

    def send() -> str:
        try:
            client.predict(image=handle_file(picture), text="", search_in="images", api_name=endpoint)
        except AppError as error:
            print(f"{endpoint}: {error}", file=sys.stderr)
            return REFUSED
        except (HTTPError, OSError, ValueError) as error:  # the page is gone, or what it says is no answer
            print(f"{endpoint}: {type(error).__name__}: {error}", file=sys.stderr)
            return LOST
        return ANSWERED

    return send


def bench_bombs(searches: int = SEARCHES, compares: int = COMPARES, side: int = SIDE) -> Peak:
    """Starts the page and sends it the bombs, all at once.

    Args:
        searches: how many go to /search.
        compares: how many go to /compare.
        side: px of the picture.

    Returns:
        The memory and the outcomes.

    Raises:
        MismatchError: the page does not start.
    """
    with tempfile.TemporaryDirectory() as folder, served_page() as (address, process):
        picture = Path(folder) / "bomb.png"
        picture.write_bytes(bomb(side))
        sends = [request(address, name, picture) for name in ["/search"] * searches + ["/compare"] * compares]
        pids = [] if process is None else [process.pid]  # one, as the page was started here
        return watched(sends, lambda: sum(map(resident_mib, pids)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the memory as JSON. Returns 1 above the limit or if a request was lost, 2 with a message, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m umr.bench.bombs", description="Peak memory of the page under pictures that decode to much."
    )
    parser.add_argument("--searches", type=int, default=SEARCHES, help=f"requests to /search (default {SEARCHES})")
    parser.add_argument("--compares", type=int, default=COMPARES, help=f"requests to /compare (default {COMPARES})")
    parser.add_argument("--limit", type=float, default=LIMIT_MIB, help=f"MiB (default {LIMIT_MIB:g})")
    options = parser.parse_args(arguments)
    try:
        found = bench_bombs(options.searches, options.compares)
    except UMRError as error:
        print(f"umr.bench.bombs: {error}", file=sys.stderr)
        return 2
    row = {
        "base_mib": round(found.base, 1),
        "peak_mib": round(found.peak, 1),
        "afterwards_mib": round(found.afterwards, 1),
        "limit_mib": options.limit,
        "seconds": round(found.seconds, 1),
        "requests": dict(found.outcomes),
    }
    print(json.dumps(row, indent=1))
    return 1 if found.peak > options.limit or found.outcomes[LOST] else 0


if __name__ == "__main__":
    sys.exit(main())
