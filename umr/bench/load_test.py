"""Many visitors at once on the served page: does each get their own answer, how long does it take, does memory grow.

Each user is a client of its own, in a thread, asking the named endpoint /search: gradio_client, or plain HTTP, which
leaves more of a small machine to the server. Not a browser, nor visitors who do anything else (umr.bench.crowd), and
only this machine: a page of others is not loaded by it.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import math
import os
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from umr.bench.server import served_page
from umr.errors import ConfigError, MismatchError
from umr.eval.evaluate import Judged
from umr.memory import resident_mib
from umr.shipped import DEFAULT_ENCODER

log = logging.getLogger(__name__)

EVERY_S = 1.0  # between two looks at the server's memory
SCORE_APART = 1e-3  # scores that differ by more are of another query: batching moves them by 1e-5
K = 10
CALL = "/gradio_api/call/search"
ROUNDS = 4  # that two pages are loaded in turns
PATIENCE_S = 600.0  # that a plain visitor waits
LEAK_SHARE = 0.05  # growth of memory in the second half, as a share of what it was in the middle, that counts as a leak

Answer = tuple[tuple[str, float], ...]
Ask = Callable[[str, str | None], Answer]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and the answer that it had when nobody else was there."""

    text: str
    image: str | None
    answer: Answer


@dataclass(slots=True)
class Tally:
    """What the users met. Appending to a list is atomic, so they share it without a lock.

    Attributes:
        ms: of each answer.
        errors: in words.
        wrong: texts of queries that got another's answer.
        memory_mib: (seconds since the start, MiB) of the server.
        elapsed_s: until the last answer.
        cpu_s: seconds of processors that the server took meanwhile; nan where they cannot be seen.
    """

    ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    memory_mib: list[tuple[float, float]] = field(default_factory=list)
    elapsed_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, other: Tally) -> None:
        """What was met in another round of the same users."""
        self.ms += other.ms
        self.errors += other.errors
        self.wrong += other.wrong
        self.memory_mib += [(self.elapsed_s + at, memory) for at, memory in other.memory_mib]
        self.elapsed_s, self.cpu_s = self.elapsed_s + other.elapsed_s, self.cpu_s + other.cpu_s


def bench_load(
    judged: Judged, users: int, seconds: float, url: str | None = None, plain: bool = False
) -> dict[str, Any]:
    """Load a page with simultaneous visitors.

    Args:
        judged: whose queries are asked, one for each visitor.
        users: visitors, 1 to 256.
        seconds: how long, up to 3600.
        url: a page that runs already, on this machine; None starts app.py.
        plain: the visitors ask by HTTP alone.

    Returns:
        The row of the report.

    Raises:
        ConfigError: a setting is outside its limits.
        MismatchError: the page does not answer, or too few queries have answers of their own.
    """
    check(users, seconds)
    with served_page(url) as (address, process):
        asks = [(connect_plain if plain else connect)(address) for _ in range(users)]
        asked = alone(asks[0], judged, users)
        tally = together(asks, asked, seconds, None if process is None else process.pid)
    return report(tally, users)


def bench_beside(
    judged: Judged, users: int, seconds: float, beside: Sequence[str], plain: bool = False
) -> list[dict[str, Any]]:
    """Load two pages in turns, ROUNDS times each, so that what else the machine does meets both.

    Args:
        judged: whose queries are asked, one for each visitor.
        users: visitors of a page, 1 to 256.
        seconds: how long each page is loaded, up to 3600.
        beside: what app.py is started with on the second and every further page, as on a command line; the first has
            none.
        plain: the visitors ask by HTTP alone.

    Returns:
        A row for each page. `times` says how many times as many searches a second it answers as the last.

    Raises:
        ConfigError: a setting is outside its limits.
        MismatchError: a page does not answer, or too few queries have answers of their own.
    """
    check(users, seconds)
    given = ["", *beside]
    with ExitStack() as pages:
        served = [pages.enter_context(served_page(None, shlex.split(words))) for words in given]
        asks = [[(connect_plain if plain else connect)(address) for _ in range(users)] for address, _ in served]
        asked = [alone(one[0], judged, users) for one in asks]
        tallies = [Tally() for _ in served]
        for _ in range(ROUNDS):
            for tally, one, queries, (_, process) in zip(tallies, asks, asked, served, strict=True):
                tally.add(together(one, queries, seconds / ROUNDS, None if process is None else process.pid))
    rows = [
        {"page": f"app.py {words}".rstrip()} | report(tally, users) for words, tally in zip(given, tallies, strict=True)
    ]
    return [row | {"times": _ratio(row["per_second"], rows[-1]["per_second"])} for row in rows]


def check(users: int, seconds: float) -> None:
    """Raises ConfigError for settings outside their limits."""
    if not 1 <= users <= 256 or not 0 < seconds <= 3600:
        raise ConfigError(f"{users} users for {seconds:g} s: give 1 to 256 users and up to 3600 s")


def connect_plain(address: str) -> Ask:
    """As `connect`, by two requests of plain HTTP: what is asked, and its answer as it comes."""
    host = urlsplit(address).netloc

    def ask(text: str, image: str | None) -> Answer:
        picture = (
            None if image is None else f"data:image/webp;base64,{base64.b64encode(Path(image).read_bytes()).decode()}"
        )
        body = json.dumps({"data": [picture, text, "images", DEFAULT_ENCODER, K]})
        connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
        try:
            connection.request("POST", CALL, body, {"Content-Type": "application/json"})
            told = _read(connection)
            connection.request("GET", f"{CALL}/{json.loads(told)['event_id']}")
            return read_answer(_read(connection))
        finally:
            connection.close()

    return ask


def read_answer(told: str) -> Answer:
    """The answer in what an event of the endpoint was told.

    Raises:
        ValueError: it ended otherwise.
    """
    event, _, data = told.strip().rpartition("\ndata: ")
    if not event.endswith("event: complete"):
        raise ValueError(data)
    return tuple((row["id"], row["score"]) for row in json.loads(data)[0])


def _read(connection: http.client.HTTPConnection) -> str:
    answer = connection.getresponse()
    told = answer.read().decode()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}: {told}")
    return told


def connect(address: str) -> Ask:
    """A user: its own client and session. Returns what asks one query."""
    from gradio_client import Client, handle_file  # heavy, and only this command needs it

    client = Client(address, verbose=False)

    def ask(text: str, image: str | None) -> Answer:
        rows = client.predict(
            image=handle_file(image) if image else None, text=text, search_in="images", k=K, api_name="/search"
        )
        return tuple((row["id"], row["score"]) for row in rows)

    return ask


def alone(ask: Ask, judged: Judged, users: int) -> list[Asked]:
    """One query for each user, with its answer when nobody else asks; no two with the same answer.

    Raises:
        MismatchError: there are too few such queries: then a mix-up could not be seen.
    """
    found: list[Asked] = []
    for query in judged.queries:
        if len(found) == users:
            break
        image = query.content.image
        text = query.content.text or ""
        answer = ask(text, None if image is None else str(image))
        if answer and not any(same(answer, other.answer) for other in found):
            found.append(Asked(text, None if image is None else str(image), answer))
    if len(found) < users:
        raise MismatchError(f"only {len(found)} queries of {judged.task} have answers of their own; {users} are needed")
    return found


def together(asks: Sequence[Ask], asked: Sequence[Asked], seconds: float, pid: int | None) -> Tally:
    """All users at once until the time is over, each with its own query again and again.

    Args:
        asks: of each user.
        asked: the query of each; every answer is compared with the one that it had alone.
        seconds: how long.
        pid: the server's process; None where its memory cannot be seen.
    """
    tally, start = Tally(), time.monotonic()
    before = math.nan if pid is None else processor_s(pid)
    threads = [
        threading.Thread(target=_user, args=(ask, own, start + seconds, tally), daemon=True)
        for ask, own in zip(asks, asked, strict=True)
    ]
    for thread in threads:
        thread.start()
    while True:
        if pid is not None:
            tally.memory_mib.append((time.monotonic() - start, resident_mib(pid)))
        if not any(thread.is_alive() for thread in threads):
            break
        threads[0].join(EVERY_S)
        if not threads[0].is_alive():
            time.sleep(0.05)
    tally.elapsed_s = time.monotonic() - start
    tally.cpu_s = math.nan if pid is None else processor_s(pid) - before
    return tally


def _user(ask: Ask, own: Asked, until: float, tally: Tally) -> None:
    """Ask until the time is over, and once in any case: a machine may be late to begin."""
    first = True
    while first or time.monotonic() < until:
        first = False
        begin = time.perf_counter()
        try:
            answer = ask(own.text, own.image)
        except Exception as error:  # whatever a client raises is what this bench counts
            log.info("a user met an error", exc_info=True)
            tally.errors.append(f"{type(error).__name__}: {error}"[:300])
            continue
        tally.ms.append(1000 * (time.perf_counter() - begin))
        if not same(answer, own.answer):
            tally.wrong.append(own.text)


def same(a: Answer, b: Answer) -> bool:
    """Whether two answers are of one query: the same scores, and the same ids but for ties within the tolerance."""
    if len(a) != len(b) or any(abs(x[1] - y[1]) > SCORE_APART for x, y in zip(a, b, strict=True)):
        return False
    return len({x[0] for x in a} & {y[0] for y in b}) >= len(a) - 1


def report(tally: Tally, users: int) -> dict[str, Any]:
    """The row: counts, milliseconds, and memory at the start, in the middle and at the end (medians of a tenth).

    `cpu_ms` is what one search took of the server's processors, whatever else the machine did.
    """
    p50, p95, p99 = (round(float(v), 1) for v in np.percentile(tally.ms, (50, 95, 99))) if tally.ms else (None,) * 3
    memory = [value for _, value in tally.memory_mib]
    tenth = max(1, len(memory) // 10)
    start, middle, end = (_median(memory[at : at + tenth]) for at in (0, len(memory) // 2, max(0, len(memory) - tenth)))
    growth = None if middle is None or end is None else round(end - middle, 1)
    return {
        "users": users,
        "seconds": round(tally.elapsed_s, 1),
        "searches": len(tally.ms),
        "errors": len(tally.errors),
        "of_others": len(tally.wrong),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "per_second": _ratio(len(tally.ms), tally.elapsed_s),
        "cpu_ms": _ratio(1000 * tally.cpu_s, len(tally.ms)),
        "memory_start_mib": start,
        "memory_middle_mib": middle,
        "memory_end_mib": end,
        "growth_second_half_mib": growth,
        "first_errors": tally.errors[:3],
    }


def failures(row: Mapping[str, Any]) -> list[str]:
    """What a report says against the page, in words; [] for a page that served everybody well."""
    found = []
    if row["errors"] or row["of_others"]:
        found.append(
            f"{row['errors']} errors and {row['of_others']} results of others; the first: {row['first_errors']}"
        )
    if not row["searches"]:
        found.append("nobody got an answer")
    growth, middle = row["growth_second_half_mib"], row["memory_middle_mib"]
    if growth is not None and growth > LEAK_SHARE * middle:
        found.append(f"memory grew by {growth} MiB in the second half, from {middle} MiB")
    return found


def processor_s(pid: int) -> float:
    """Seconds of processors that a process has taken, by /proc; nan where the system has none."""
    try:
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ratio(of: float | None, to: float | None) -> float | None:
    """The quotient with two digits; None where one of them is missing or nothing."""
    if of is None or to is None or not to or math.isnan(of / to):
        return None
    return round(of / to, 2)


def _median(values: Sequence[float]) -> float | None:
    kept = [value for value in values if not math.isnan(value)]
    return round(float(np.median(kept)), 1) if kept else None
