"""What it costs that a picture is decoded in a process of its own: beside decoding it here, in turns, in one run.

    python -m umr.bench apart [--runs 40]

Not how safe it is (umr.bench.fuzz). Pictures have several sizes, up to a camera's; the pixels of both ways must be
equal. On a machine that does other work a decode is interrupted: the least of many is what it costs, and the time of
the processor, which is that of both processes, says what it takes from others.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from umr import media
from umr.bench.rows import printed
from umr.bench.turns import in_turns
from umr.errors import ConfigError, MismatchError
from umr.pictures.decoder import PictureDecoder
from umr.ui.layout.heap import share_heaps

#: (format, width, height): from what the catalogue holds to what telephones take.
PICTURES = (("JPEG", 112, 112), ("JPEG", 640, 480), ("PNG", 640, 480), ("JPEG", 1280, 960), ("WEBP", 1280, 960),
            ("JPEG", 2048, 1536), ("JPEG", 4000, 3000))  # fmt: skip
RUNS = 40
_GRAIN = 8  # px of a block of one colour: files of about the size of photographs


def picture(form: str, width: int, height: int) -> bytes:
    """A file of one of PICTURES."""
    small = np.random.default_rng(0).integers(0, 255, (-(-height // _GRAIN), -(-width // _GRAIN), 3), dtype=np.uint8)
    whole = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    whole.save(out, form, quality=90)
    return out.getvalue()


def bench_apart(runs: int) -> list[dict[str, Any]]:
    """Decode every one of PICTURES here and apart, in turns.

    Args:
        runs: of each.

    Returns:
        A row for each: the least and the median milliseconds of both ways, "more_ms" of the two least ones, and the
        least milliseconds of the processor.

    Raises:
        ConfigError: runs is below 1.
        MismatchError: the pixels differ, or no worker starts.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs: give at least 1")
    share_heaps()  # as the page's process does
    decoder = PictureDecoder(workers=1)
    try:
        return [_row(decoder, form, width, height, runs) for form, width, height in PICTURES]
    finally:
        decoder.workers.close()


def _row(decoder: PictureDecoder, form: str, width: int, height: int, runs: int) -> dict[str, Any]:
    data = picture(form, width, height)
    ways: dict[str, Callable[[], Image.Image]] = {
        "here": lambda: media.open_image(data),
        "apart": lambda: decoder.picture(data, media.MAX_PIXELS, "a picture"),
    }
    if ways["here"]().tobytes() != ways["apart"]().tobytes():
        raise MismatchError(f"decoded apart, a {form} of {width} x {height} px has other pixels than decoded here")
    (pid,) = decoder.workers.pids()
    took = in_turns(ways, runs, partial(_cpu_s, pid))
    row: dict[str, Any] = {"picture": f"{form} {width} x {height}", "bytes": len(data)}
    least = {name: 1000 * min(one.s for one in spent) for name, spent in took.items()}
    row |= {f"{name}_ms": round(least[name], 2) for name in ways}
    row["more_ms"] = round(least["apart"] - least["here"], 2)
    row |= {f"{name}_p50_ms": round(1000 * statistics.median(one.s for one in took[name]), 2) for name in ways}
    return row | {f"{name}_cpu_ms": round(1000 * min(one.cpu_s for one in took[name]), 2) for name in ways}


def _cpu_s(pid: int) -> float:
    """Time of the processor that this process and the worker have used; of the latter where the system tells."""
    said = Path("/proc", str(pid), "schedstat")
    return time.process_time() + (int(said.read_text().split()[0]) / 1e9 if said.exists() else 0.0)


def main(arguments: Sequence[str]) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench apart", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each picture and way (default: {RUNS})")
    options = parser.parse_args(arguments)
    return printed(lambda: bench_apart(options.runs))
