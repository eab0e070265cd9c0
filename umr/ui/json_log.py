"""The server's log as one JSON object a line, without anything that a visitor gave. Not what is logged."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

LOGGER = "umr"
FORMATS = ("text", "json")


class JsonLines(logging.Formatter):
    """A record as JSON: time, level, logger, event, and the fields that its caller chose.

    The event is the message's own words, without what is filled into them: names of files, texts and the messages of
    errors may be a visitor's. Of an error its kind and the lines of code that it went through are told.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": str(record.msg),
        }
        told |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])
            told["error"] = record.exc_info[0].__name__
            told["at"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(told)


def log_as(form: str, stream: TextIO | None = None) -> None:
    """Has the product's own log written in this form, json with a line for each request too.

    Args:
        form: one of FORMATS; "text" leaves it as Python has it: warnings and worse.
        stream: where to; None: the standard error.
    """
    if form != "json":
        return
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(LOGGER)
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
