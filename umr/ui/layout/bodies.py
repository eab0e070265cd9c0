"""What a request's body may be: how much work to parse, and what Gradio and the MCP server take as given of it.

Not its length nor how long it may take (umr.ui.layout.gate).
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from gradio import route_utils
from gradio_client.utils import strip_invalid_filename_characters
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException

from umr.ui.parts.wiring import SURROGATE

MAX_PARTS = 50_000  # lists, objects and their members in one body: what is slow to parse is many small things
MAX_DEPTH = 100  # of lists and objects within each other; the page's own are 8 deep
BRACKETS = re.compile(rb"[\[\]{}]")
TOO_MANY_PARTS = f"a request may have {MAX_PARTS:,} lists, objects and members"
TOO_DEEP = f"a request may have lists and objects {MAX_DEPTH} deep within each other"
MAX_FUNCTIONS = 10_000  # more than any page has
NO_JSON = "the request's body is no JSON that can be read: UTF-8, and finite numbers of at most 4,300 digits"
NO_FUNCTION = "“fn_index” is the number of one of this page's functions"
NO_SESSION = "“session_hash” is a text without broken characters"
NO_DATA = "“data” is a list of a function's arguments"
NO_FILE = "every “files” of an upload is a file with a name that a file can have; nothing of it was kept"


class Refused(Exception):
    """A request that is answered here. status: of HTTP."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class WholeUploads(route_utils.GradioMultiPartParser):
    """Gradio's reader of uploads, which refuses one with a part that Gradio stops at.

    Gradio gives the files of an upload their places one after another. At a part that is no file, or is named "..", it
    stops, and those before it would stay, unknown to the limits on uploads, for as long as the server runs.
    """

    async def parse(self) -> FormData:
        """The parts.

        Raises:
            MultiPartException: they are no upload; Gradio answers so, with status 400.
        """
        form = await super().parse()
        for part in form.getlist("files"):
            if not isinstance(part, UploadFile) or _file_name(part) == "..":
                raise MultiPartException(NO_FILE)
        return form


def _file_name(part: UploadFile) -> str:
    return strip_invalid_filename_characters(Path(part.filename or "").name)


def take_whole_uploads() -> None:
    """Has the uploads of all pages of this process read so; Gradio has no setting for it."""
    route_utils.GradioMultiPartParser = WholeUploads  # type: ignore[misc]


def check_work(body: bytes) -> None:
    """See that it has no more members than are parsed at a time, and not in too many levels.

    Raises:
        Refused: it has.
    """
    if sum(map(body.count, (b",", b"{", b"[", b"}", b"]"))) > MAX_PARTS:
        raise Refused(413, TOO_MANY_PARTS)
    if _depth(body) > MAX_DEPTH:
        raise Refused(413, TOO_DEEP)


def _depth(body: bytes) -> int:
    """How deep its brackets go, those within its texts too: what parses and walks a body goes as deep."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for found in BRACKETS.finditer(body):
        depth += 1 if found[0] in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def check_json(body: bytes, kind: str) -> dict[str, Any] | None:
    """See that a body is as Gradio and the MCP server take as given; they would end the answer where it is not so.

    A body that can be read as JSON is checked whatever it is called: which kinds are read is theirs to say.

    Args:
        body: of a request that is no upload.
        kind: its Content-Type, "" where none is given. A body of another kind than JSON that nothing reads as JSON is
            theirs to refuse.

    Returns:
        What it asks, None where it is no object.

    Raises:
        Refused: it is no JSON that they can read, or names a function, a session or data in a way that they cannot.
    """
    try:
        asked = json.loads(body.decode("utf-8"), parse_constant=_finite, parse_float=_finite)
    except json.JSONDecodeError as error:
        if "json" in kind.lower() or json.detect_encoding(body) != "utf-8":  # UTF-16 and 32, which Python reads too
            raise Refused(400, NO_JSON) from error
        return None
    except (ValueError, RecursionError) as error:  # also more digits than Python reads
        raise Refused(400, NO_JSON) from error
    if not isinstance(asked, dict):
        return None
    function, session = asked.get("fn_index"), asked.get("session_hash")
    if function is not None and (type(function) is not int or not 0 <= function < MAX_FUNCTIONS):
        raise Refused(400, NO_FUNCTION)
    if session is not None and (not isinstance(session, str) or SURROGATE.search(session)):
        raise Refused(400, NO_SESSION)
    if not isinstance(asked.get("data", []), list):
        raise Refused(400, NO_DATA)
    return asked


def _finite(text: str) -> float:
    """A number of a body; an answer that quotes it could not be written were it infinite, or none."""
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(text)
    return found
