"""Damaged requests to a page: the public endpoints, MCP, the queue of every private function, and ids of others.

Not what is answered to them (answers), nor files (kinds).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from umr.bench.fuzz import damage

LABEL = "requests"
SESSION, OTHER = "fuzz", "victim"  # whose requests these are, and another visitor, whom they name at times
JOIN = "gradio_api/queue/join"
ABSENT = 9_999  # the number, and the name, of no function
#: Endpoint -> arguments that it answers.
SOUND: dict[str, list[Any]] = {
    "search": [None, "a red mug", "images", "unified", 3, False],
    "search_text": ["a red mug", "images", "unified", 3, False],
    "compare": [None, "a red mug", "images", None, 3, ""],
    "list_models": [],
    "list_collections": [],
}
#: Values of a page's fields and of what was pressed, beside those of damage.HOSTILE.
VALUES = (*damage.HOSTILE, '{"path": "/etc/passwd"}', '{"path": "a\\u0000b", "meta": {"_type": "gradio.FileData"}}',
          '{"path": "\\ud83d", "meta": {"_type": "gradio.FileData"}}', '{"url": "data:image/png;base64,\\u00e9"}',
          '{"url": "data:image/png;base64,AAAA"}', '"data:image/png;base64,iVBORw0KGgo="', f'"{OTHER}"',
          '{"__type__": "update", "value": {"path": "http://example.org/a.png"}}', '{"id": {"__type__": "update"}}',
          '{"__type__": "generic_update"}', "[" + "0," * 2_000 + "0]", str(2**63), str(-(2**63) - 1), str(10**30),
          '{"path": "http://example.org/a.png", "meta": {"_type": "gradio.FileData"}}',
          '"<img src=x>{{value}}"')  # fmt: skip
JSON = "application/json"
#: Other names of what a body is: all that a server may read as JSON, kinds that it does not read, and none.
KINDS = ("application/JSON", "Application/Json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=utf-16",
         "application/vnd.x+JSON", "application/problem+json", " application/json ,text/plain", "text/plain", "json",
         "multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "\xff/\xe9", "",
         None)  # fmt: skip
_IDS = (OTHER, "../../x", "\ud83d", "\0", "9" * 5_000, "x" * 9_000, "0", "", "\u202e", "{}", "null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of the page, public or private.

    Attributes:
        number: by which the queue knows it.
        values: what its fields hold when the page is opened, as JSON.
    """

    number: int
    values: tuple[str, ...]


class Asked(NamedTuple):
    """A request. body: b"" for none. kind: its Content-Type; None: it has none."""

    method: str
    path: str
    body: bytes
    kind: str | None = JSON

    @property
    def session(self) -> str | None:
        """The session that a request of the queue says it is of; None where that cannot be read."""
        try:
            found = json.loads(self.body)["session_hash"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return found if isinstance(found, str) else None


def functions_of(config: Mapping[str, Any]) -> list[Function]:
    """The functions of a page by its own description (the route /config)."""
    values = {one["id"]: json.dumps(one.get("props", {}).get("value")) for one in config["components"]}
    return [
        Function(number=one["id"], values=tuple(values.get(field, "null") for field in one["inputs"]))
        for one in config["dependencies"]
        if one.get("backend_fn", True)
    ]


def made(seed: int, number: int, functions: Sequence[Function] = ()) -> Asked:
    """The number-th request, the same for the same seed and page.

    Args:
        seed: of the damage.
        number: which one.
        functions: of the page; none: only the public endpoints are asked.
    """
    rng = random.Random(f"{seed} {LABEL} {number}")
    asked = _called_json(number, functions, rng)
    return asked._replace(kind=rng.choice(KINDS)) if rng.random() < 0.3 else asked


def _called_json(number: int, functions: Sequence[Function], rng: random.Random) -> Asked:
    if functions and number % 2:
        return _of_queue(functions[number // 2 % len(functions)], rng)
    name = sorted(SOUND)[number // 2 % len(SOUND)]
    sound = SOUND[name] or ["unasked"]
    way = rng.randrange(6)
    if way < 2:  # a call whose arguments alone are damaged
        body = b'{"data": ' + damage.of_json(json.dumps(sound).encode(), rng) + b"}"
        return Asked("POST", f"gradio_api/call/{name}", body)
    if way == 2:
        function = rng.choice((rng.randrange(60), rng.randrange(60), ABSENT))
        told = {"data": sound, "fn_index": function, "session_hash": SESSION, "event_data": {"id": "x"}}
        return Asked("POST", JOIN, damage.of_json(json.dumps(told).encode(), rng))
    if way == 3:
        told = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {"text": "x"}}}
        return Asked("POST", "gradio_api/mcp/", damage.of_json(json.dumps(told).encode(), rng))
    if way == 4:
        return _of_others(name, rng)
    route = rng.choice((f"run/{name}", f"run/{name}", f"run/{ABSENT}", f"call/v2/{ABSENT}"))
    return Asked("POST", f"gradio_api/{route}", damage.of_json(json.dumps({"data": sound}).encode(), rng))


def _of_queue(function: Function, rng: random.Random) -> Asked:
    """A private function's call with hostile values in one place or more: fields, or what was pressed."""
    values = list(function.values)
    pressed = json.dumps({"id": "x", "value": "x", "index": 0})
    for _ in range(rng.choice((1, 1, 2, 9))):
        place = rng.randrange(len(values) + 1)
        if place < len(values):
            values[place] = rng.choice(VALUES)
        else:
            pressed = rng.choice((rng.choice(VALUES), f'{{"id": {rng.choice(VALUES)}, "value": {rng.choice(VALUES)}}}'))
    if rng.random() < 0.1:
        values = values[:-1] if rng.random() < 0.5 else [*values, "null"]
    body = (
        f'{{"data": [{", ".join(values)}], "fn_index": {function.number}, "session_hash": "{SESSION}", '
        f'"event_data": {pressed}}}'
    )
    return Asked("POST", JOIN, body.encode())


def _of_others(name: str, rng: random.Random) -> Asked:
    """Ids of sessions, events and uploads that are another visitor's, or none at all."""
    one, two = rng.choice(_IDS), rng.choice(_IDS)
    told = json.dumps({"session_hash": one, "event_id": two, "fn_index": rng.randrange(60)}).encode()
    address = quote(one, safe="", errors="replace")
    return rng.choice((
        Asked("POST", "gradio_api/cancel", told),
        Asked("POST", "gradio_api/reset", told),
        Asked("GET", f"gradio_api/call/{name}/{address}", b""),
        Asked("GET", f"gradio_api/queue/data?session_hash={address}", b""),
        Asked("GET", f"gradio_api/file={address}", b""),
        Asked("GET", f"gradio_api/upload_progress?upload_id={address}", b""),
        Asked("GET", f"?tab=search&model={address}&ref={quote(two, safe='', errors='replace')}", b""),
    ))  # fmt: skip
