"""How much one visitor may ask of the page's server, so that everybody gets a turn.

Not who asks (umr.ui.layout.gate), nor how it is told (umr.ui.layout.turns). A visitor is an address: a session is
what a client calls itself. Rates are token buckets (as in RFC 2697): a minute's worth may be asked at once, and comes
back evenly.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Literal

from umr.errors import ConfigError, UMRError

Kind = Literal["search", "step", "call", "upload", "index"]
OFF = "off"
OPEN_WAIT_S = 5
REMEMBERED = 20_000  # visitors with an account; of more, those go who asked longest ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one address may ask. The defaults suit a small Space: many times what a person does, and no flood.

    Attributes:
        searches: of the page, a minute; results, comparisons, details and suggestions are searches too.
        searches_at_once: that wait or are being answered.
        calls: of the named endpoints and MCP tools, a minute.
        calls_at_once: that wait or are being answered.
        uploads: requests that send files, a minute.
        uploads_at_once: that are arriving.
        indexings: of "Your files", an hour; asking every model is one too.
        upload_mb: MB of uploads that are kept.
        upload_files: uploads that are kept.
        open_at_once: requests of any kind that are not answered to their end: each open page is one, and one more while
            it waits for something. Never more than a share of the server's connections (umr.ui.layout.page).
        steps: everything else that the page asks and that waits its turn, a minute: pictures to choose from, tables,
            reports, a look at a picture that has come. Who fills the queue with them lets nobody search.
        steps_at_once: that wait or are being answered.

    Raises:
        ConfigError: a limit is no whole number from 1.
    """

    searches: int = 120
    searches_at_once: int = 12
    calls: int = 120
    calls_at_once: int = 8
    uploads: int = 60
    uploads_at_once: int = 6
    indexings: int = 30
    upload_mb: int = 400
    upload_files: int = 1_000
    open_at_once: int = 256
    steps: int = 1_200
    steps_at_once: int = 32

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if type(value) is not int or not 1 <= value <= 10**9:
                raise ConfigError(f"the limit {one.name} is {value!r}; it must be a whole number from 1")


@dataclass(frozen=True, slots=True)
class _Rule:
    """What holds for one kind of request.

    Attributes:
        many, one: what a person calls them.
        most: so many in `period_s` seconds, which are called `period`.
        at_once: so many at a time; None: as many as there are.
    """

    many: str
    one: str
    most: int
    period: str
    period_s: float
    at_once: int | None


class TooMuch(UMRError):
    """A request over a limit. wait_s: whole seconds after which it may be sent again."""

    def __init__(self, message: str, wait_s: int):
        super().__init__(message)
        self.wait_s = wait_s


class Accounts:
    """What each visitor has left. Safe to use from several threads."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic):
        """clock: seconds that only grow."""
        self.limits = limits
        self._clock = clock
        self._rules: dict[Kind, _Rule] = {
            "search": _Rule("searches", "search", limits.searches, "minute", 60, limits.searches_at_once),
            "step": _Rule("steps on the page", "step", limits.steps, "minute", 60, limits.steps_at_once),
            "call": _Rule("calls", "call", limits.calls, "minute", 60, limits.calls_at_once),
            "upload": _Rule("uploads", "upload", limits.uploads, "minute", 60, limits.uploads_at_once),
            "index": _Rule("indexings of files", "indexing", limits.indexings, "hour", 3600, None),
        }
        self._left: OrderedDict[tuple[str, Kind], tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, visitor: str, kind: Kind, running: int = 0) -> None:
        """Counts a request of a visitor.

        Args:
            visitor: as `visitor_of` gives it.
            kind: what it asks.
            running: requests of this kind and visitor that wait or are being answered.

        Raises:
            TooMuch: it is one too many; it is not counted. The message says which limit it is and when to try again.
        """
        rule = self._rules[kind]
        if rule.at_once is not None and running >= rule.at_once:
            raise TooMuch(
                f"This server works on at most {rule.at_once} {rule.many} of one visitor at a time, so that everybody "
                f"gets a turn. Wait until one of yours is done, and send this {rule.one} again.",
                1,
            )
        now, each_s = self._clock(), rule.period_s / rule.most
        with self._lock:
            left, at = self._left.pop((visitor, kind), (float(rule.most), now))
            left = min(float(rule.most), left + (now - at) / each_s)
            allowed = left >= 1
            self._left[visitor, kind] = (left - allowed, now)
            if len(self._left) > REMEMBERED:
                self._left.popitem(last=False)
        if not allowed:
            wait_s = max(1, math.ceil((1 - left) * each_s))
            raise TooMuch(
                f"This server takes at most {rule.most} {rule.many} of one visitor in {_a(rule.period)}, so that "
                f"everybody gets a turn. Send this {rule.one} again in {_said(wait_s)}.",
                wait_s,
            )


class Open:
    """How many requests each visitor has open: who holds every connection lets nobody else ask. Of one thread."""

    def __init__(self, most: int) -> None:
        """most: of one visitor."""
        self.most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def held(self, address: str) -> Iterator[None]:
        """While this lasts, a request is open.

        Args:
            address: whose request it is.

        Raises:
            TooMuch: it is one too many.
        """
        visitor = visitor_of(address)
        if visitor is None:
            yield
            return
        if self._open[visitor] >= self.most:
            raise TooMuch(
                f"This server holds at most {self.most} pages and requests of one visitor open at a time, so that "
                "everybody is answered. Close some of this page's tabs, or let requests end, and try again.",
                OPEN_WAIT_S,
            )
        self._open[visitor] += 1
        try:
            yield
        finally:
            self._open[visitor] -= 1
            if not self._open[visitor]:
                del self._open[visitor]


def visitor_of(address: str) -> str | None:
    """By what a visitor is known, None for this machine itself, which nothing is counted for.

    Of IPv6 that is the network of 64 bits that one household or machine has for itself.

    Args:
        address: whose request it is.
    """
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped is None:
            return None if known.is_loopback else str(ipaddress.ip_network((known, 64), strict=False))
        known = known.ipv4_mapped
    return None if known.is_loopback else str(known)


def read_limits(text: str | None) -> Limits | None:
    """The limits that a person set: the defaults for None and "", no limits (None) for "off".

    Args:
        text: "searches=60,upload_mb=100", the names being those of Limits.

    Raises:
        ConfigError: it is none of these.
    """
    if (text or "").strip().lower() == OFF:
        return None
    limits, names = Limits(), [one.name for one in fields(Limits)]
    for part in filter(None, (part.strip() for part in (text or "").split(","))):
        name, _, value = (side.strip() for side in part.partition("="))
        if name not in names or not value.isascii() or not value.isdigit() or len(value) > 9:
            raise ConfigError(
                f"{part!r} is no limit; write {OFF}, or NAME=NUMBER, parted by commas, of: {', '.join(names)}"
            )
        limits = replace(limits, **{name: int(value)})
    return limits


def told(limits: Limits) -> str:
    """What a visitor may know of them beforehand."""
    return (
        f"One visitor may ask {limits.searches} searches, {limits.steps:,} other steps of the page and "
        f"{limits.calls} calls of the endpoints a minute, and send {limits.uploads} uploads a minute; "
        f"{limits.upload_mb} MB of them are kept, and {limits.open_at_once} pages and requests may be open at a time. "
        "What goes beyond is answered with the limit and when to try again (status 429 with Retry-After)."
    )


def _a(period: str) -> str:
    return f"an {period}" if period.startswith("h") else f"a {period}"


def _said(seconds: int) -> str:
    if seconds >= 120:
        return f"{math.ceil(seconds / 60)} minutes"
    return "1 second" if seconds == 1 else f"{seconds} seconds"
