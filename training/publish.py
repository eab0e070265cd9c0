"""Everything that is shipped beside an encoder's weights, made anew: index, reports, calibrations, examples.

python -m training.publish NAME [NAME ...] --validation V [--from DIR] [--skip STEP ...]
Not the weights (train.py) and not the media (catalogue). Run it after either changed. V is the folder that `python -m
training.catalogue validation --out V` wrote: what is tuned and calibrated is tuned and calibrated there.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from umr.disk import put
from umr.errors import ConfigError, exit_status
from umr.shipped import BUNDLED, DEFAULT_ENCODER, REPORTS, default_root, repository_root

log = logging.getLogger("training")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command, after `python -m`.

    Attributes:
        name: what --skip calls it.
        command: its words.
    """

    name: str
    command: tuple[str, ...]


def steps(name: str, root: Path, validation: Path) -> list[Step]:
    """What is made for one encoder, in its order.

    Args:
        name: of the encoder in `root`.
        root: the folder of shipped encoders.
        validation: the collection with its queries; its index is kept in it, one for each encoder.

    Returns:
        The commands.
    """
    default = name == DEFAULT_ENCODER
    own, theirs = root / name, validation / "indexes" / name
    encoder, tuned = str(own / "encoder"), str(own / REPORTS / "vector_sum.json")
    made = {
        "other tools": ("umr.encoders.interop", encoder),
        "card": ("umr.encoders.card", encoder),
        "index": ("umr", "index", str(root / "media" / BUNDLED), "--encoder", encoder, "--out", str(own / BUNDLED)),
        "validation index": ("umr", "index", str(validation), "--encoder", encoder, "--out", str(theirs)),
        "vector sum": ("umr", "evaluate", "--index", str(theirs), "--tune-vector-sum", tuned),
        "evaluate": ("umr", "evaluate", "--encoder", name, "--store"),
        "pooling": ("umr", "evaluate", "--encoder", name, "--pooling", str(own / REPORTS / "pooling.json")),
        "card of pooling": ("umr.encoders.card", encoder),
        "drift": ("umr", "drift", "--encoder", name),
        "verdicts": ("umr.eval.verdicts", "--encoder", name, "--index", str(theirs)),
    }
    if default:
        made |= {"examples": ("umr.ui.examples",), "golden": ("tests.golden.rewrite",)}
    return [Step(name=step, command=command) for step, command in made.items()]


def take(source: Path, target: Path) -> None:
    """Put a trained encoder in the place of a shipped one.

    Raises:
        ConfigError: the folder holds no encoder.
    """
    if not (source / "encoder.json").is_file():
        raise ConfigError(f"{source} holds no encoder (encoder.json is missing): give a folder that training wrote")
    waiting = target.with_name(target.name + ".new")
    shutil.rmtree(waiting, ignore_errors=True)
    shutil.copytree(source, waiting)
    if target.exists():
        shutil.rmtree(target)
    put(waiting, target)


def forget(reports: Path) -> None:
    """Remove stored rows, runs and diagnoses: they may be of splits that there are no more, or of other weights."""
    shutil.rmtree(reports / "runs", ignore_errors=True)
    for file in [*reports.glob("diagnosis.*.json*"), reports / "report.json"]:
        file.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(prog="python -m training.publish", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME", help="a folder of indexes/ that has an encoder")
    parser.add_argument("--validation", type=Path, required=True, metavar="V", help="queries to tune and calibrate on")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", help="weights of the one NAME, new or there already"
    )
    parser.add_argument("--skip", nargs="*", default=[], metavar="STEP", help="leave out, such as: evaluate")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    with exit_status("training.publish") as ended:
        root = default_root()
        there = sorted(folder.parent.name for folder in root.glob("*/encoder"))  # with an index yet or not
        unknown = sorted(set(options.names) - set(there)) if options.source is None else []  # new ones may come
        if unknown:
            raise ConfigError(f"{', '.join(unknown)}: no shipped encoder; there are {', '.join(there)}")
        if options.source and len(options.names) > 1:
            raise ConfigError("--from is for one NAME: publish the others on their own")
        if options.source:
            take(options.source, root / options.names[0] / "encoder")
        shown = root.relative_to(repository_root())  # an index keeps its command: without this machine's folders
        made = [step for name in options.names for step in steps(name, shown, options.validation.absolute())]
        wrong = sorted(set(options.skip) - {step.name for step in made})
        if wrong:
            raise ConfigError(f"--skip {', '.join(wrong)}: no such step; there are {', '.join(s.name for s in made)}")
        if "evaluate" not in options.skip:
            for name in options.names:
                forget(root / name / REPORTS)
        for step in made:
            if step.name not in options.skip:
                run(step)
    return ended.status


def run(step: Step) -> None:
    """Run a step in a process of its own.

    Raises:
        ConfigError: it failed; what it said is on stderr.
    """
    began = time.monotonic()
    log.info("%s: python -m %s", step.name, " ".join(step.command))
    done = subprocess.run([sys.executable, "-m", *step.command], check=False, cwd=repository_root())
    if done.returncode:
        raise ConfigError(f"{step.name} ended with {done.returncode}: mend what it says, then go on with --skip")
    log.info("%s: %.0f s", step.name, time.monotonic() - began)


if __name__ == "__main__":
    raise SystemExit(main())
