"""What several commands have in common in the grammar of the command line. Not the commands (umr.cli.parser)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from umr.types import DTYPES, FLOAT32
from umr.ui.access import VARIABLES
from umr.ui.json_log import FORMATS
from umr.ui.limits import OFF

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ENCODER = "a bundled name, a folder of an encoder or of a public checkpoint, or hub:OWNER/NAME[@REVISION]"


def command(commands: Commands, name: str, command: str, text: str) -> argparse.ArgumentParser:
    """A command by what is typed and by what main() calls it, with its help."""
    one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    one.set_defaults(command=command)
    return one


def dtype(one: argparse.ArgumentParser) -> None:
    """The option --dtype of a command that opens an encoder by itself."""
    one.add_argument("--dtype", choices=DTYPES, default=FLOAT32, help="what is computed in (default: float32)")


def dtype_of_index(one: argparse.ArgumentParser, more: str = "") -> None:
    """The option --dtype of a command that opens an index, which says what its queries are encoded in."""
    one.add_argument(
        "--dtype",
        choices=DTYPES,
        help=f"what is computed in (default: what the index was built in, else float32{more})",
    )


def serving(one: argparse.ArgumentParser) -> None:
    """The options of a page that is served: of app.py, and of commands that open one."""
    one.add_argument(
        "--reranker",
        metavar="NAME",
        help="what first hits can be re-ranked with: a folder, or hub:OWNER/NAME[@REVISION] (default: a shipped one)",
    )
    one.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    one.add_argument("--port", help="port (default: GRADIO_SERVER_PORT or the first free from 7860)")
    one.add_argument("--log", choices=FORMATS, default="text", help="json: one object a line, one for each request")
    one.add_argument("--batch", type=int, default=16, help="queries encoded together; 1: each by itself")
    asked = {
        "limits": f"of one visitor, NAME=NUMBER,... or {OFF}; else sane ones",
        "proxies": "addresses and networks whose X-Forwarded-For is believed, parted by commas; else loopback's alone",
        "hosts": "names that the page is asked by, parted by commas; else any, or loopback's where it listens there",
        "frames": "origins of pages that may frame this one, as https://example.org, parted by commas; else the Hub's",
    }
    for name, text in asked.items():
        one.add_argument(f"--{name}", help=f"{text} (default: {VARIABLES[name]})")


def own_folder(one: argparse.ArgumentParser) -> None:
    """The options of a folder of one's own with models of one's choice."""
    one.add_argument("--folder", metavar="DIR", help="pictures, texts and clips to search, indexed on the first start")
    segments(one)
    one.add_argument(
        "--recipe", metavar="NAME", help="how a public checkpoint is asked, as `umr adopt --recipe` (default: as known)"
    )
    one.add_argument(
        "--dtype",
        choices=DTYPES,
        help="what encoders compute in (default: float32; bfloat16 where that alone fits, and on a GPU that has it)",
    )
    one.add_argument("--check", action="store_true", help="ask the Hub whether a revision moved; the pinned one stays")
    one.add_argument(
        "--dry-run", action="store_true", help="say what would be downloaded and needed; download settings alone"
    )


def segments(one: argparse.ArgumentParser) -> None:
    """The option that cuts long clips."""
    one.add_argument(
        "--segment-seconds",
        type=float,
        default=0.0,
        metavar="S",
        help="cut clips that are longer into parts of S seconds, each found by itself with the moments it is from "
        "(default: clips stay whole)",
    )
