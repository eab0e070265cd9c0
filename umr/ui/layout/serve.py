"""The page served until a person or the system stops it: its folder for uploads, its end, its log.

Not how it looks (page).

Gradio is imported within: it reads the variables of port and folder as it is.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from umr.encoders import zero_gpu
from umr.errors import ConfigError, UMRError
from umr.media import decoding_apart
from umr.shipped import BUNDLED, default_root
from umr.ui.access import Access, read_access
from umr.ui.examples import read_examples
from umr.ui.json_log import log_as
from umr.ui.layout.heap import settle, unimportable
from umr.ui.layout.ports import chosen_port
from umr.ui.layout.short_lines import shorten_errors
from umr.ui.searchers import Searchers, media_paths
from umr.ui.upload_folder import claim, give_up

if TYPE_CHECKING:
    from gradio import Blocks

#: What else than Ctrl-C ends a server: docker stop and kill, and a terminal that is closed.
STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def start(options: argparse.Namespace, find: Callable[[], Searchers | None]) -> None:
    """Serves a page as umr.cli.options.serving lets it be asked for.

    Args:
        options: of the command line.
        find: what is searched, called once the port is known to be free; None: nothing is to be served.

    Raises:
        ConfigError: as `run`, and for options that are none.
        MismatchError: as `run`.
    """
    log_as(options.log)
    port = chosen_port(options.host, options.port)
    access = read_access(options)
    searchers = find()
    if searchers is not None:
        run(searchers, default_root() / "media" / BUNDLED, options.host, port, access)


def run(searchers: Searchers, examples: Path, host: str | None, port: int | None, access: Access | None = None) -> None:
    """Serves the page, tells its address on the standard output, and comes back when it was stopped.

    Args:
        searchers: what is searched.
        examples: the folder whose pictures the example queries show.
        host: the address to listen on; None: the one of GRADIO_SERVER_NAME, or this machine alone.
        port: None: the first free one.
        access: who may ask how much; None: what holds where nothing is set.

    Raises:
        ConfigError: there is no folder for what visitors send, or the page cannot be served at that address.
        MismatchError: an index is another encoder's.
    """
    access, media = access or Access(), media_paths(searchers)
    with _uploads(), decoding_apart() as decoder:
        for number in STOPS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup has it ignored
                signal.signal(number, _stop)
        shorten_errors()
        _open(searchers)  # first, as loading it and the page's own imports overlap
        with unimportable("pyarrow"):
            from umr.ui.layout.connections import raise_descriptor_limit
            from umr.ui.layout.page import build_page, serve

        raise_descriptor_limit()
        try:
            shown = read_examples(examples)
            page = build_page(searchers, shown, access.limits)
            give_out_renewed(searchers, page)
            address = serve(page, media, host, port, searchers.healthy, access, shown)
            zero_gpu.lend_from_now()
        except OSError as error:  # no free port among those that Gradio tries, or a host that is not this machine's
            raise ConfigError(f"the page cannot be served: {error}") from error
        decoder.workers.warm()  # now, as all that came before is what people wait for
        print(f"The page is at {address}", flush=True)
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)


def give_out_renewed(searchers: Searchers, page: Blocks) -> None:
    """Lets the page give out the media of each new version of an index, and no longer those that it lacks."""

    def give_out() -> None:
        page.allowed_paths = [str(path) for path in media_paths(searchers)]

    searchers.before_renewal = give_out


def _open(searchers: Searchers) -> None:
    """Opens the default model in the background; all of them now where a GPU is lent to a copy of this process."""
    waiting = [searchers.preload()]
    if zero_gpu.present():
        waiting += [searchers.preload(name) for name in searchers.names if name != searchers.default]
        for thread in waiting:
            thread.join()
    threading.Thread(target=_settle, args=(waiting,), name="settle", daemon=True).start()


def _settle(waiting: Sequence[threading.Thread]) -> None:
    """What does not change from now on is no garbage."""
    for thread in waiting:
        thread.join()
    settle()


def fail(reason: UMRError) -> int:
    """Says why there is no page.

    Returns:
        The exit status.
    """
    print(f"umr: {reason}", file=sys.stderr)
    return 2


@contextmanager
def _uploads() -> Iterator[None]:
    """The folder of what visitors send, as long as the page is served."""
    try:
        folder = claim()
    except OSError as error:
        raise ConfigError(f"there is no folder for what visitors send: {error}") from error
    try:
        yield
    finally:  # also at SystemExit, which a signal becomes
        give_up(folder)


def _stop(number: int, _frame: object) -> NoReturn:
    """Ends the page as Ctrl-C does, so that what visitors sent is removed; by default signals remove nothing."""
    signal.signal(number, signal.SIG_IGN)  # once is enough
    sys.exit(0)
