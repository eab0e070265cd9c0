"""The page: search with a picture and a sentence.

    python app.py [--index DIR] [--encoder NAME] [--host H] [--port P]

Only starts it: the search is umr.search, what the page does umr.ui.handlers, how it looks umr.ui.layout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from umr.errors import UMRError
from umr.search import BUNDLED, default_root
from umr.ui.examples import read_examples
from umr.ui.layout.page import build_page, serve
from umr.ui.searchers import find_searchers, media_folders


def main(arguments: list[str] | None = None) -> int:
    """Serves the page until it is stopped. Returns the exit status: 2 with a message where it cannot start."""
    parser = argparse.ArgumentParser(description="Serves the search page.")
    parser.add_argument("--index", type=Path, help="an index folder to search (default: all under indexes/)")
    parser.add_argument("--encoder", help="the encoder to start with (default: unified)")
    parser.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default: GRADIO_SERVER_PORT or the first free from 7860)")
    options = parser.parse_args(arguments)
    try:
        searchers = find_searchers(options.index, options.encoder)
        media = media_folders(searchers)
        page = build_page(searchers, read_examples(default_root() / "media" / BUNDLED))
    except UMRError as error:
        print(f"umr: {error}", file=sys.stderr)
        return 2
    searchers.preload()
    print(f"The page is at {serve(page, media, options.host, options.port)}", flush=True)
    page.block_thread()
    return 0


if __name__ == "__main__":
    sys.exit(main())
