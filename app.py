"""The page: search with a picture and a sentence.

    python app.py [--index DIR] [--encoder NAME] [--reranker DIR] [--host H] [--port P] [--log text|json] [--batch N]
                  [--limits NAME=NUMBER,...|off]

Only starts it: the search is umr.search, what the page does umr.ui.handlers, how it is served umr.ui.layout.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from umr.encoders.micro_batch import MOST_ROWS
from umr.errors import UMRError
from umr.shipped import BUNDLED, default_root
from umr.ui.json_log import FORMATS, log_as
from umr.ui.layout import serve
from umr.ui.layout.heap import share_heaps
from umr.ui.layout.ports import chosen_port
from umr.ui.limits import OFF, VARIABLE, read_limits
from umr.ui.searchers import find_searchers


def main(arguments: list[str] | None = None) -> int:
    """Serves the page until it is stopped.

    Returns:
        The exit status: 2 with a message where it cannot start.
    """
    share_heaps()
    parser = argparse.ArgumentParser(description="Serves the search page.")
    parser.add_argument("--index", type=Path, help="an index folder to search (default: all under indexes/)")
    parser.add_argument("--encoder", help="the encoder to start with (default: unified)")
    parser.add_argument(
        "--reranker", metavar="DIR", help="what first hits can be re-ranked with (default: a shipped one)"
    )
    parser.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument("--port", help="port (default: GRADIO_SERVER_PORT or the first free from 7860)")
    parser.add_argument("--log", choices=FORMATS, default="text", help="json: one object a line, one for each request")
    parser.add_argument("--batch", type=int, default=MOST_ROWS, help="queries encoded together; 1: each by itself")
    parser.add_argument(
        "--limits", help=f"of one visitor, NAME=NUMBER,... or {OFF} (default: {VARIABLE}, or sane ones)"
    )
    options = parser.parse_args(arguments)
    log_as(options.log)
    try:
        port = chosen_port(options.host, options.port)
        limits = read_limits(os.environ.get(VARIABLE) if options.limits is None else options.limits)
        searchers = find_searchers(options.index, options.encoder, batch=options.batch, reranker=options.reranker)
        serve.run(searchers, default_root() / "media" / BUNDLED, options.host, port, limits)
    except UMRError as error:
        return serve.fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
