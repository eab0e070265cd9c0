"""Visitors of a page beside those who search: who only connects, uploads slowly, leaves in the middle, has own files.

Not the searches themselves (umr.bench.load_test), whose errors, mix-ups and memory are counted meanwhile, nor how one
of these visitors speaks to the page (umr.bench.guest).
"""

from __future__ import annotations

import html
import io
import logging
import os
import random
import re
import secrets
import selectors
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from umr.bench import load_test
from umr.bench.guest import Guest, Refusal, functions_of, source_of
from umr.bench.load_test import PATIENCE_S, Asked, alone, connect_plain, report, same, together
from umr.bench.server import served_page
from umr.errors import ConfigError
from umr.eval.evaluate import Judged
from umr.lock import LOCK
from umr.shipped import DEFAULT_ENCODER
from umr.ui.edge import OUR_FAULT
from umr.ui.visitors import LEFT_S

if sys.platform != "win32":  # which has no such limit
    import resource

log = logging.getLogger(__name__)

MOST = 1024  # of each kind
SLOW_S = 10.0  # that an upload takes
PAUSE_S = 1.0  # after an error or a refusal, and between two looks at what waits
GONE_S = 2 * LEFT_S  # until nothing of visitors who left may be there
OWN_FILES = 2
_MARK = re.compile(r"umr-own-\d+-\d+")  # in the names of an own file
_TAG = re.compile(r"<[^>]*>")
_HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half"


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """How many there are of each kind at a time.

    Attributes:
        idle: connections that ask nothing, or never end their headers.
        slow: visitors who send a picture in SLOW_S and search with it.
        leaving: visitors who close everything in the middle of an upload or of a search.
        own: visitors who index files of their own, search them, and remove them or leave.

    Raises:
        ConfigError: a number is outside its limits.
    """

    idle: int = 0
    slow: int = 0
    leaving: int = 0
    own: int = 0

    def __post_init__(self) -> None:
        for one, count in self.asked.items():
            if not 0 <= count <= MOST:
                raise ConfigError(f"--{one} is {count}: give 0 to {MOST}")

    @property
    def asked(self) -> dict[str, int]:
        """How many by kind."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(slots=True)
class Met:
    """What they met. Appending to a list is atomic, so they share it without a lock.

    Attributes:
        done: the kind of every visit that ended as it should.
        refused: what the page said it does not do.
        errors: in words.
        wrong: what got another's answer.
    """

    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit.

    Attributes:
        guest: who comes.
        functions: of the page, by name.
        asked: a query with a picture, and its right answer.
        mark: of files that are this visit's alone.
        rng: of what it does.
    """

    guest: Guest
    functions: Mapping[str, int]
    asked: Asked
    mark: str
    rng: random.Random

    @property
    def picture(self) -> Path:
        """Of the query."""
        return Path(self.asked.image or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What is visited.

    Attributes:
        host: with its port.
        run: what sessions of this run begin with.
        functions: of the page, by name.
        asked: queries with their right answers.
        until: nobody comes any more, as time.monotonic() says it.
    """

    host: str
    run: str
    functions: Mapping[str, int]
    asked: Sequence[Asked]
    until: float

    def visit(self, kind: str, number: int, turn: int) -> Visit:
        """The number-th visitor comes for the turn-th time."""
        session = f"{self.run}-{kind}-{number}-{turn}"
        return Visit(
            guest=Guest(host=self.host, session=session, source=source_of(self.host, number)),
            functions=self.functions,
            asked=self.asked[number % len(self.asked)],
            mark=f"umr-own-{number}-{turn}",
            rng=random.Random(f"{kind} {number} {turn}"),
        )


#: Does a visit; returns what got another's answer, "" where nothing did.
_Doing = Callable[[Visit], str]


def bench_crowd(
    judged: Judged, users: int, seconds: float, company: Company, url: str | None = None, uploads: Path | None = None
) -> dict[str, Any]:
    """Load a page with simultaneous searches by plain HTTP, in company.

    Args:
        judged: whose queries are asked, one for each who searches.
        users: who search, 1 to 256.
        seconds: how long, up to 3600.
        company: who else is there.
        url: a page that runs already, on this machine; None starts app.py.
        uploads: where a page that runs already keeps what visitors send; None: its files cannot be seen.

    Returns:
        The row of the report; beside what `load_test.report` says, the visits of each kind that ended as they should,
        refusals in words, and the files that are left of visitors who are gone, None where they cannot be seen.

    Raises:
        ConfigError: a setting is outside its limits, or this process may not open as many connections.
        MismatchError: the page does not answer, or too few queries have answers of their own.
    """
    load_test.check(users, seconds)
    _make_room(3 * users + company.idle + 4 * (company.slow + company.leaving + company.own) + 100)
    with tempfile.TemporaryDirectory(prefix="umr-load-") as folder:
        kept = Path(folder) if url is None else uploads
        with served_page(url, uploads=kept) as (address, process):
            asks = [connect_plain(address) for _ in range(users)]
            asked = alone(asks[0], judged, users)
            _check_pictures(asked, company)
            before, met = _files_in(kept), Met()
            host, run = urlsplit(address).netloc, secrets.token_hex(4)
            page = _Page(
                host=host,
                run=run,
                functions=functions_of(host),
                asked=_by_upload(host, run, asked[: company.slow]) or asked,
                until=time.monotonic() + seconds,
            )
            threads = _started(page, company, met)
            tally = together(asks, asked, seconds, None if process is None else process.pid)
            for thread in threads:
                thread.join()
            left = left_in(kept, before)
    tally.errors += met.errors
    tally.wrong += met.wrong
    came = {kind: met.done.count(kind) for kind, count in company.asked.items() if count}
    told = {"refused": len(met.refused), "first_refused": sorted(set(met.refused))[:3], "files_left": left}
    return report(tally, users) | came | told


def failures(row: Mapping[str, Any]) -> list[str]:
    """What a report says against the page, in words; [] for a page that served everybody well."""
    found = load_test.failures(row)
    found += [f"no visit of --{kind} came to its end" for kind in Company().asked if row.get(kind) == 0]
    if row.get("files_left"):
        found.append(f"{row['files_left']} files are left of visitors who are gone")
    return found


def _check_pictures(asked: Sequence[Asked], company: Company) -> None:
    if (company.slow or company.leaving) and not all(one.image for one in asked):
        raise ConfigError("--slow and --leaving send the pictures of queries: choose a --task whose queries have them")


def _by_upload(host: str, run: str, asked: Sequence[Asked]) -> list[Asked]:
    """The same queries with the answers that they have when their picture is sent as a file.

    The page leaves out a result that is the picture itself, which it knows of a file alone.
    """
    found = []
    for number, one in enumerate(asked):
        guest, picture = Guest(host=host, session=f"{run}-alone-{number}"), Path(one.image or "")
        with guest.here():
            kept = guest.upload(picture.name, picture.read_bytes())
            found.append(replace(one, answer=guest.answer(guest.begin(kept, one.text))))
    return found


def _make_room(count: int) -> None:
    """Lets this process, and a page that it starts, open so many files."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != hard < count:
        raise ConfigError(f"{count:,} open files are needed, and {hard:,} may be open: ask for fewer visitors")
    if resource.RLIM_INFINITY != soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _started(page: _Page, company: Company, met: Met) -> list[threading.Thread]:
    threads = [threading.Thread(target=_idle, args=(page, company.idle, met))] if company.idle else []
    comers = [kind for kind in _DOINGS for _ in range(company.asked[kind])]
    threads += [threading.Thread(target=visits, args=(page, kind, at, met)) for at, kind in enumerate(comers)]
    for thread in threads:
        thread.start()
    return threads


def visits(page: _Page, kind: str, number: int, met: Met) -> None:
    """One visit after the other until the time is over; the last one is brought to its end."""
    turn = 0
    while time.monotonic() < page.until:
        try:
            wrong = _DOINGS[kind](page.visit(kind, number, turn))
        except Refusal as refused:
            met.refused.append(str(refused)[:300])
            time.sleep(PAUSE_S)
        except Exception as error:  # whatever the page does to a client is what this bench counts
            log.info("a visitor met an error", exc_info=True)
            met.errors.append(f"{kind}: {type(error).__name__}: {error}"[:300])
            time.sleep(PAUSE_S)
        else:
            met.wrong.extend([wrong] if wrong else [])
            met.done.append(kind)
        turn += 1


def _idle(page: _Page, count: int, met: Met) -> None:
    """Keeps so many connections that ask nothing; one that the page ends is followed by another."""
    place, opened = urlsplit(f"//{page.host}"), 0
    lines: list[socket.socket] = []
    with selectors.DefaultSelector() as waiting:
        while time.monotonic() < page.until:
            try:
                while len(lines) < count:
                    line = socket.create_connection((place.hostname, place.port or 80), PATIENCE_S)
                    waiting.register(line, selectors.EVENT_READ)
                    lines.append(line)
                    line.sendall(_HALF * (opened % 2))
                    met.done.append("idle")
                    opened += 1
            except OSError as error:
                met.errors.append(f"idle: {type(error).__name__}: {error}"[:300])
            time.sleep(PAUSE_S)
            told = [key.fileobj for key, _ in waiting.select(0)]
            for line in [one for one in lines if one in told and _is_over(one)]:
                waiting.unregister(line)
                lines.remove(line)
                line.close()
        for line in lines:
            line.close()


def _is_over(line: socket.socket) -> bool:
    try:
        return not line.recv(4096)
    except OSError:
        return True


def _slow(visit: Visit) -> str:
    guest, asked = visit.guest, visit.asked
    with guest.here():
        kept = guest.upload(visit.picture.name, visit.picture.read_bytes(), SLOW_S)
        return "" if same(guest.answer(guest.begin(kept, asked.text)), asked.answer) else asked.text


def _leaving(visit: Visit) -> str:
    guest, rng = visit.guest, visit.rng
    name, content = visit.picture.name, visit.picture.read_bytes()
    with guest.here():
        if rng.random() < 0.3:
            guest.upload(name, content, share=rng.uniform(0.1, 0.9))
            return ""
        event = guest.begin(guest.upload(name, content), visit.asked.text)
        if rng.random() < 0.7:  # else it is not even waited for
            guest.go_away(event, rng.uniform(0, 0.5))
    return ""


def _own(visit: Visit) -> str:
    guest, functions = visit.guest, visit.functions
    with guest.here():
        names = [f"{visit.mark}-{number}.png" for number in range(OWN_FILES)]
        files = [_value(guest.upload(name, _noise(visit.rng)), name) for name in names]
        said, _, _, searching = guest.press(functions["own_add"], files, DEFAULT_ENCODER, False)
        if not searching["visible"]:
            raise _refusal(said)
        found = guest.press(functions["own_search"], None, "a picture", "all")[0]
        marks = {*_MARK.findall(found)}
        if not marks:
            raise _refusal(found)
        if visit.rng.random() < 0.5:
            guest.press(functions["own_remove"])
    return "" if marks == {visit.mark} else visit.mark


def _value(path: str, name: str) -> dict[str, Any]:
    """An uploaded file as Gradio's components have it."""
    return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def _noise(rng: random.Random) -> bytes:
    """A PNG that nobody else has."""
    out = io.BytesIO()
    Image.frombytes("RGB", (24, 24), rng.randbytes(24 * 24 * 3)).save(out, "PNG")
    return out.getvalue()


def _refusal(shown: str) -> Exception:
    """What stands in the place of an answer: a refusal in words, or an error."""
    words = html.unescape(" ".join(_TAG.sub(" ", shown).split()))
    return Refusal(words) if 'role="alert"' in shown and OUR_FAULT[:20] not in words else ValueError(words)


_DOINGS: Mapping[str, _Doing] = {"slow": _slow, "leaving": _leaving, "own": _own}


def _files_in(folder: Path | None) -> set[str]:
    """Paths of all that visitors sent, and of what was made of it."""
    if folder is None:
        return set()
    return {os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name != LOCK}


def left_in(folder: Path | None, before: set[str]) -> int | None:
    """How many files there are GONE_S after everybody left that were not there before; None where none can be seen."""
    if folder is None:
        return None
    until = time.monotonic() + GONE_S
    while (left := _files_in(folder) - before) and time.monotonic() < until:
        time.sleep(PAUSE_S)
    for path in sorted(left)[:10]:
        log.warning("%s is left", path)
    return len(left)
