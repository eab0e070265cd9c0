"""`python -m umr.bench kills`: cuts commands off at random, gives them again, and compares. Not how it cuts (trouble).

python -m umr.bench kills --count 50 --what index --what add
python -m umr.bench kills --trouble full --what pack     also: readonly, vanish, change, clock, two (writers)
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from umr.bench.kills import trouble
from umr.bench.kills.deeds import DEEDS, Deed, preload
from umr.bench.kills.trouble import Ended, Hook, forked, looked_at
from umr.errors import MismatchError, UMRError, printable

COUNT = 50
TROUBLES = ("kill", "full", "readonly", "vanish", "change", "clock", "two")
WHOLE, CUT, WORDS = "came through", "killed", "refused in words"  # what became of the command in trouble
CUT_LATER = "killed with work kept"
EQUAL, REFUSED, FAULT = "equal afterwards", "refused afterwards in words", "FAULT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A deed with what it needs and what it gives when nothing comes between.

    Attributes:
        deed: what is done.
        prepared: a folder that it may be done in; it is copied for each time.
        work: the folder that it is done in: the same name each time, as names stand in what is written.
        log: what a process says, outside of both.
        usual: how the command ends when it is left alone.
        expected: its result.
    """

    deed: Deed
    prepared: Path
    work: Path
    log: Path
    usual: Ended
    expected: dict[str, str]

    @classmethod
    def of(cls, deed: Deed, root: Path) -> Trial:
        """Prepare a deed under `root` and do it once without trouble.

        Raises:
            MismatchError: it does not even then end well.
        """
        prepared, work, log = root / "prepared", root / "work", root / "said"
        work.mkdir(parents=True)

        def prepare() -> int:
            deed.prepare(work)
            return 0

        made = forked(prepare, log)
        if made.status:
            raise MismatchError(f"what is to be done cannot be prepared: {made.said[-500:]}")
        work.rename(prepared)
        shutil.copytree(prepared, work)
        usual = forked(lambda: deed.run(work), log)
        expected, why = looked_at(deed.result, work, log)
        if usual.status or why:
            raise MismatchError(f"it does not end well without trouble: {why or usual.said[-500:]}")
        return cls(deed=deed, prepared=prepared, work=work, log=log, usual=usual, expected=expected)

    def once(self, kind: str, rng: random.Random) -> tuple[str, str, str]:
        """(what became of the command in trouble, what afterwards, why that is a fault)."""
        shutil.rmtree(self.work)
        shutil.copytree(self.prepared, self.work)
        first, fault = self._in_trouble(kind, rng)
        if not fault:
            _, fault = looked_at(self.deed.standing, self.work, self.log) if self._is_there() else ({}, "")
        if fault:
            return first, FAULT, fault
        if self.deed.source is not None:  # what vanished or changed is there as it was
            shutil.copytree(self.prepared / self.deed.source, self.work / self.deed.source, dirs_exist_ok=True)
        again = forked(lambda: self.deed.run(self.work), self.log)
        if again.refused:
            return first, REFUSED, ""
        if again.status:
            return first, FAULT, f"given again it ended with {again.status}: {again.said[-500:]}"
        found, why = looked_at(self.deed.result, self.work, self.log)
        other = sorted(name for name in {*found, *self.expected} if found.get(name) != self.expected.get(name))
        return (first, FAULT, why or f"other than without trouble: {other[:5]}") if other else (first, EQUAL, "")

    def _is_there(self) -> bool:
        return (self.work / "out").exists()

    def _in_trouble(self, kind: str, rng: random.Random) -> tuple[str, str]:
        """(what became of the command, why that is a fault)."""
        log = self.log.with_name("beside")
        beside = trouble.start(lambda: self.deed.run(self.work), log) if kind == "two" else None
        ended = forked(lambda: self.deed.run(self.work), self.log, self._hook(kind, rng))
        both = [ended, *([] if beside is None else [trouble.wait(beside, log)])]
        for one in both:
            if one.status not in (0, -9) and not one.refused:
                return FAULT, f"it ended with {one.status}: {one.said[-500:]}"
        if ended.status == -9:
            kept = self.deed.kept and (self.work / self.deed.kept).exists()
            return (CUT_LATER if kept else CUT), ""
        return (WORDS if ended.refused else WHOLE), ""

    def _hook(self, kind: str, rng: random.Random) -> Hook | None:
        if kind == "kill":
            return trouble.killed(rng, self.usual)
        if kind == "full":
            return trouble.without_room(rng, self.usual, self.work)
        if kind == "readonly":
            return trouble.read_only(self.work)
        if kind == "clock":
            return trouble.jumping(rng, self.usual, self.work)
        at_files = {"vanish": trouble.vanishing, "change": trouble.changing}
        if kind not in at_files or self.deed.source is None:
            return None
        return at_files[kind](rng, self.usual, self.work / self.deed.source)


def try_deed(name: str, kind: str, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Does one deed so often in trouble.

    Args:
        name: of DEEDS.
        kind: one of TROUBLES.
        count: how often.
        seed: of the moments.

    Returns:
        Numbers of every outcome, and what the faults are.

    Raises:
        MismatchError: it does not end well without trouble either.
    """
    found, faults = Counter[str](), []
    with tempfile.TemporaryDirectory(prefix="umr-kills-") as root:
        trial = Trial.of(DEEDS[name], Path(root))
        for number in range(count):
            first, afterwards, why = trial.once(kind, random.Random(f"{seed} {name} {kind} {number}"))
            found[first] += 1
            found[afterwards] += first != FAULT
            if why:
                faults.append(f"{name} {kind} {number}: {why}")
    return found, faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the numbers of every deed. Returns 1 if there was a fault, 2 with a message, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m umr.bench kills", description="Cuts commands off and repeats them."
    )
    parser.add_argument("--count", type=int, default=COUNT, help=f"times of each (default {COUNT})")
    parser.add_argument("--what", action="append", choices=list(DEEDS), help="a command, may be repeated (default all)")
    parser.add_argument("--trouble", action="append", choices=TROUBLES, help="what comes between (default kill)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    options = parser.parse_args(arguments)
    preload(options.what or list(DEEDS))
    faulty = False
    for name in options.what or DEEDS:
        for kind in options.trouble or ("kill",):
            try:
                found, faults = try_deed(name, kind, options.count, options.seed)
            except UMRError as error:
                print(f"umr.bench kills: {error}", file=sys.stderr)
                return 2
            told = ", ".join(f"{number} {what}" for what, number in sorted(found.items()) if number)
            print(f"{name:<6}{kind:<9}{options.count:>4} times: {told}", flush=True)
            for fault in faults:
                print(f"    FAULT {printable(fault)}", flush=True)
            faulty = faulty or bool(faults)
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
