"""`umr` and `python -m umr`: the grammar of the command line and its commands. The work itself is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, as umr.cli.commands.main, which is loaded only now."""
    from umr.cli.commands import main as run

    return run(arguments)
