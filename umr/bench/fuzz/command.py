"""`python -m umr.bench fuzz`: damages, reads, counts and names the faults. Not a test of how good results are.

python -m umr.bench fuzz --seconds 300 [--only png --only faiss] [--seed 0] [--keep DIR]
python -m umr.bench fuzz --only requests      damaged requests to a page that is started for it
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from umr.bench.fuzz import answers, requests
from umr.bench.fuzz.judge import FAULT, OPENED, REFUSED, WORKERS_ENDED, Fault, damaged, fuzz
from umr.bench.fuzz.kinds import KINDS
from umr.errors import UMRError, printable

SECONDS = 60.0
_SHOWN = 10  # faults that are told one by one, of each kind


def say(found: Mapping[str, Counter[str]], faults: Sequence[Fault]) -> None:
    """Prints the numbers of each kind, and the first faults of each with what makes them again."""
    for label, counts in found.items():
        ended = f", {counts[WORKERS_ENDED]:,} of them {WORKERS_ENDED}" if counts[WORKERS_ENDED] else ""
        tried = counts[OPENED] + counts[REFUSED] + counts[FAULT]
        print(
            f"{label:<10}{tried:>8,} damaged:{counts[OPENED]:>8,} opened,{counts[REFUSED]:>8,} refused in words{ended},"
            f"{counts[FAULT]:>6,} faults"
        )
        for fault in [one for one in faults if one.kind == label][:_SHOWN]:
            print(printable(f"    FAULT {label} {fault.number} ({fault.name[:80]}): {fault.why}"))
    total = sum(counts[one] for counts in found.values() for one in (OPENED, REFUSED, FAULT))
    print(f"{total:,} in all, {len(faults):,} faults", flush=True)


def keep(folder: Path, faults: Sequence[Fault], seed: int) -> None:
    """Writes what was at fault into the folder, named by kind and number."""
    folder.mkdir(parents=True, exist_ok=True)
    for fault in faults:
        data = fault.data or damaged(KINDS[fault.kind], fault.kind, seed, fault.number)[1]
        (folder / f"{fault.kind}-{fault.number}-{Path(fault.name).name[:40] or 'body'}").write_bytes(data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what became of everything. Returns 1 if there was a fault, 2 with a message, else 0."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench fuzz", description="Damages what strangers can send.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"in all (default {SECONDS:g})")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default 0)")
    parser.add_argument("--only", action="append", choices=[*KINDS, requests.LABEL], help="a kind, may be repeated")
    parser.add_argument("--keep", type=Path, help="folder for what was at fault")
    options = parser.parse_args(arguments)
    labels = options.only or [label for label, kind in KINDS.items() if kind.usual]
    files = [label for label in labels if label != requests.LABEL]
    found: dict[str, Counter[str]] = {}
    faults: list[Fault] = []
    try:
        if files:
            found, faults = fuzz(files, options.seconds * len(files) / len(labels), options.seed)
        if len(files) < len(labels):
            found[requests.LABEL], more = answers.fuzz_requests(options.seconds / len(labels), options.seed)
            faults += more
    except UMRError as error:
        print(f"umr.bench fuzz: {error}", file=sys.stderr)
        return 2
    say(found, faults)
    if options.keep is not None:
        keep(options.keep, faults, options.seed)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
