"""`python -m umr.bench WHAT`: measurements that are scripts of their own. Not those of `python -m umr bench`."""

from __future__ import annotations

import sys
from importlib import import_module

#: What is named -> the module whose main() does it, imported where it is asked for.
WHAT = {
    "apart": "umr.bench.apart",
    "indexing": "umr.bench.indexing",
    "peers": "umr.bench.peers",
    "start": "umr.bench.start",
    "scale": "umr.bench.scale",
    "batches": "umr.bench.batches",
    "memory": "umr.bench.memory",
    "collection": "umr.bench.collection",
    "fuzz": "umr.bench.fuzz.command",
    "kills": "umr.bench.kills.command",
    "space": "umr.bench.space_test",
    "page-beside": "umr.bench.page_beside",
    "page-pictures": "umr.bench.page_pictures",
    "licences": "umr.bench.licences",
    "profile": "umr.bench.profiled",
}


def main() -> int:
    """Runs the one that is named. Returns its exit status; 2 where there is no such one."""
    if len(sys.argv) < 2 or sys.argv[1] not in WHAT:
        print(f"umr.bench: name what is to be measured: {', '.join(WHAT)}; each has --help", file=sys.stderr)
        return 2
    return int(import_module(WHAT[sys.argv[1]]).main(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
