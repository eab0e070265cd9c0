"""What the page's server did, in numbers alone, as Prometheus reads them. No query, no name, no address is kept.

Not where they are asked for (umr.ui.layout.monitor).
"""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType

from umr.memory import children, resident_bytes

Labels = tuple[tuple[str, str], ...]

#: Seconds up to which a histogram counts, beside all.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MOST_SERIES = 500  # of one name: labels are of the server's own choosing, and this holds if one is not
REQUESTS, REQUEST_S = "umr_requests_total", "umr_request_seconds"
EVENTS, EVENT_S = "umr_events_total", "umr_event_seconds"
#: Name -> what it counts, as it is said above the numbers.
SAID = MappingProxyType(
    {
        REQUESTS: "HTTP requests, by route, method and status.",
        REQUEST_S: "Seconds from a request until its answer begins, by route.",
        EVENTS: "What visitors asked of the page, by kind and outcome: answered, refused in words, or failed.",
        EVENT_S: "Seconds that answering took, by kind.",
    }
)


class Metrics:
    """Counters and histograms by name and labels, and values that are read when they are asked for. Thread-safe."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[Labels, int]] = defaultdict(dict)
        self._times: dict[str, dict[Labels, _Times]] = defaultdict(dict)
        self._gauges: dict[str, tuple[str, Callable[[], float | None]]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, **labels: str) -> None:
        """One more of it. name: a key of SAID."""
        key = _key(labels)
        with self._lock:
            counts = self._counts[name]
            if key in counts or len(counts) < MOST_SERIES:
                counts[key] = counts.get(key, 0) + 1

    def time(self, name: str, seconds: float, **labels: str) -> None:
        """It took so many seconds. name: a key of SAID."""
        key = _key(labels)
        with self._lock:
            times = self._times[name]
            if key in times or len(times) < MOST_SERIES:
                times.setdefault(key, _Times()).add(seconds)

    def gauge(self, name: str, said: str, read: Callable[[], float | None]) -> None:
        """A value that is read whenever the numbers are asked for; None leaves it out. A second one replaces it."""
        with self._lock:
            self._gauges[name] = (said, read)

    def text(self) -> str:
        """All of it in Prometheus' text format, version 0.0.4."""
        with self._lock:
            lines = [*self._count_lines(), *self._time_lines()]
            gauges = list(self._gauges.items())
        for name, (said, read) in gauges:
            value = read()
            if value is not None:
                lines += [*_head(name, said, "gauge"), f"{name} {value:.17g}"]
        return "\n".join(lines) + "\n"

    def _count_lines(self) -> Iterator[str]:
        for name, counts in self._counts.items():
            yield from _head(name, SAID[name], "counter")
            yield from (f"{name}{_shown(labels)} {count}" for labels, count in sorted(counts.items()))

    def _time_lines(self) -> Iterator[str]:
        for name, all_times in self._times.items():
            yield from _head(name, SAID[name], "histogram")
            for labels, times in sorted(all_times.items()):
                for limit, count in times.up_to():
                    yield f"{name}_bucket{_shown((*labels, ('le', limit)))} {count}"
                yield f"{name}_sum{_shown(labels)} {times.total:.9g}"
                yield f"{name}_count{_shown(labels)} {sum(times.counts)}"


class _Times:
    """One histogram: how many lie in each bucket, the last of which has no limit."""

    def __init__(self) -> None:
        self.counts, self.total = [0] * (len(BUCKETS) + 1), 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect.bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def up_to(self) -> Iterator[tuple[str, int]]:
        """(limit, how many are not above it), as Prometheus wants them: each bucket holds those before it."""
        so_far = 0
        for limit, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            so_far += count
            yield limit, so_far


def open_files() -> float | None:
    """How many files and connections this process has open; None where the system does not say."""
    try:
        return float(len(os.listdir(Path("/proc", "self", "fd"))))
    except OSError:
        return None


def _key(labels: dict[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _shown(labels: Labels) -> str:
    escaped = ((name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for name, value in labels)
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}" if labels else ""


def _head(name: str, said: str, kind: str) -> list[str]:
    return [f"# HELP {name} {said}", f"# TYPE {name} {kind}"]


#: Those of this process.
OBSERVED = Metrics()
_STARTED = time.time()
OBSERVED.gauge("process_start_time_seconds", "When this process started, Unix time.", lambda: _STARTED)
OBSERVED.gauge(
    "process_resident_memory_bytes", "Memory of this process that is in RAM.", lambda: resident_bytes([os.getpid()])
)
OBSERVED.gauge(
    "umr_workers_resident_memory_bytes",
    "Memory in RAM of the processes that this one has started, which decode files.",
    lambda: resident_bytes(children(os.getpid())) or 0.0,
)
OBSERVED.gauge("process_open_fds", "Files and connections that this process has open.", open_files)
OBSERVED.gauge("umr_python_threads", "Threads of this process.", lambda: float(threading.active_count()))
