"""The page: search with a picture and a sentence.

    python app.py [--index DIR] [--encoder NAME] [--reranker DIR] [--host H] [--port P] [--log text|json] [--batch N]
                  [--limits NAME=NUMBER,...|off] [--proxies NETWORK,...] [--hosts NAME,...] [--frames ORIGIN,...]
    python app.py --folder DIR [--encoder NAME|DIR|hub:OWNER/NAME[@REVISION]]...     as `python -m umr demo`

Only starts it: the search is umr.search, what the page does umr.ui.handlers, how it is served umr.ui.layout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from umr.cli.demo import searchers
from umr.cli.options import own_folder, serving
from umr.cli.rerank import brought
from umr.errors import ConfigError, UMRError
from umr.ui.layout import serve
from umr.ui.layout.heap import share_heaps
from umr.ui.searchers import Searchers, find_searchers


def main(arguments: list[str] | None = None) -> int:
    """Serves the page until it is stopped.

    Returns:
        The exit status: 2 with a message where it cannot start.
    """
    share_heaps()
    parser = argparse.ArgumentParser(description="Serves the search page.")
    parser.add_argument("--index", type=Path, help="an index folder to search (default: all under indexes/)")
    parser.add_argument("--encoder", action="append", help="the encoder to start with (default: unified); of --folder")
    own_folder(parser)
    serving(parser)
    options = parser.parse_args(arguments)
    try:
        serve.start(options, lambda: _found(options))
    except UMRError as error:
        return serve.fail(error)
    return 0


def _found(options: argparse.Namespace) -> Searchers | None:
    if options.folder is None and options.segment_seconds:
        raise ConfigError("--segment-seconds cuts the clips of a --folder; give it, or cut with `umr index`")
    if options.folder is not None and options.index is None:
        return searchers(options)
    if options.folder is not None or len(options.encoder or [""]) > 1:
        raise ConfigError("several encoders search a --folder together, and a --folder has an index of its own")
    encoder = None if options.encoder is None else options.encoder[0]
    again = None if options.reranker is None else brought(options.reranker)
    return find_searchers(options.index, encoder, batch=options.batch, reranker=again)


if __name__ == "__main__":
    sys.exit(main())
