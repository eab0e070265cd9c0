"""What several commands have in common in the grammar of the command line. Not the commands (umr.cli.parser)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

DTYPES = ("float32", "bfloat16")
ENCODER = "a shipped name, a folder, or hub:owner/name@revision"


def command(commands: Commands, name: str, command: str, text: str) -> argparse.ArgumentParser:
    """A command by what is typed and by what main() calls it, with its help."""
    one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    one.set_defaults(command=command)
    return one


def dtype(one: argparse.ArgumentParser) -> None:
    """The option --dtype."""
    one.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="what the encoder computes in (default: float32)"
    )
