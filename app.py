"""The page: search with a picture and a sentence.

    python app.py [--index DIR] [--encoder NAME] [--host H] [--port P]

Only starts it: the search is umr.search, what the page does umr.ui.handlers, how it looks umr.ui.layout.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from umr.errors import UMRError
from umr.shipped import BUNDLED, default_root
from umr.ui.examples import read_examples
from umr.ui.heap import share_heaps
from umr.ui.ports import chosen_port
from umr.ui.searchers import Searchers, find_searchers, media_paths
from umr.ui.short_lines import shorten_errors
from umr.ui.upload_folder import claim, give_up

#: What else than Ctrl-C ends a server: docker stop and kill, and a terminal that is closed.
STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(arguments: list[str] | None = None) -> int:
    """Serves the page until it is stopped. Returns the exit status: 2 with a message where it cannot start."""
    share_heaps()
    parser = argparse.ArgumentParser(description="Serves the search page.")
    parser.add_argument("--index", type=Path, help="an index folder to search (default: all under indexes/)")
    parser.add_argument("--encoder", help="the encoder to start with (default: unified)")
    parser.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument("--port", help="port (default: GRADIO_SERVER_PORT or the first free from 7860)")
    options = parser.parse_args(arguments)
    try:
        port = chosen_port(options.host, options.port)
        searchers = find_searchers(options.index, options.encoder)
        media = media_paths(searchers)
        uploads = claim()
    except UMRError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"there is no folder for what visitors send: {error}")
    try:
        return _serve(searchers, media, options.host, port)
    finally:  # also at SystemExit, which a signal becomes
        give_up(uploads)


def _serve(searchers: Searchers, media: list[Path], host: str | None, port: int | None) -> int:
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup has it ignored
            signal.signal(number, _stop)
    shorten_errors()
    from umr.ui.layout.connections import raise_descriptor_limit
    from umr.ui.layout.page import build_page, serve  # Gradio, which reads the variables of port and uploads

    raise_descriptor_limit()
    try:
        page = build_page(searchers, read_examples(default_root() / "media" / BUNDLED))
        searchers.preload()
        address = serve(page, media, host, port)
    except UMRError as error:
        return _fail(str(error))
    except OSError as error:  # no free port among those that Gradio tries, or a host that is not this machine's
        return _fail(f"the page cannot be served: {error}")
    print(f"The page is at {address}", flush=True)
    try:
        page.block_thread()
    finally:
        page.close(verbose=False)
    return 0


def _stop(number: int, frame: Any) -> NoReturn:
    """Ends the page as Ctrl-C does, so that what visitors sent is removed; by default these signals would remove nothing."""
    signal.signal(number, signal.SIG_IGN)  # once is enough
    sys.exit(0)


def _fail(reason: str) -> int:
    print(f"umr: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
