"""python -m training.study [--list | --only FACTOR | --report]: which parts of the recipe matter, measured.

Without an option every arm of every factor is run with every seed. What is finished is kept, so that the command can
be given again until it is done; where there is a GPU, it trains there. --report keeps the results of all runs beside
the report (STUDY.runs.jsonl.xz): what is in there is not run again on another machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from training.study.finished import beside, joined, read_finished, write_finished
from training.study.plan import FACTORS, SEEDS, arms
from training.study.report import write_report
from training.study.runs import Place, configs, read_results, run_all
from umr.errors import ConfigError, exit_status
from umr.shipped import BUNDLED, cache_root, default_root

log = logging.getLogger("training")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(logging.INFO)
    out = options.out or cache_root() / "study"
    with exit_status("training.study", ValueError) as ended:
        _check(options)
        if options.list:
            _list()
        elif options.report:
            kept = joined(read_results(out), read_finished(beside(options.to)))
            print(write_report(kept, default_root() / "media" / BUNDLED, options.to))
            write_finished(kept, beside(options.to))
        else:
            _run(options, out)
    return ended.status


def _check(options: argparse.Namespace) -> None:
    """Raise ConfigError where what chooses runs is given to a command that makes none."""
    for name, given in (("--arms", options.arms), ("--seeds", options.seeds)):
        if given is not None and (options.list or options.report):
            asked = "--list tells all" if options.list else "--report is of all that is finished"
            raise ConfigError(f"{name} chooses what is run, but {asked}: leave one out")


def _list() -> None:
    for factor in FACTORS:
        print(f"{factor.name}: {factor.question}")
        for arm in factor.arms:
            print(f"  {arm.name}")
    print(f"{len(arms())} arms, {len(SEEDS)} seeds each: {len(arms()) * len(SEEDS)} runs")


def _run(options: argparse.Namespace, out: Path) -> None:
    place = Place(
        out=out,
        benchmark=default_root() / "media" / BUNDLED,
        threads=options.threads,
        finished=read_finished(beside(options.to)),
    )
    wanted = arms(options.only)
    chosen, seeds = options.arms or list(wanted), list(SEEDS) if options.seeds is None else options.seeds
    unknown = sorted(set(chosen) - set(wanted))
    if unknown:
        raise ConfigError(f"no arm is called {unknown[0]!r}; legal: {', '.join(wanted)}")
    wanted = {name: arm for name, arm in wanted.items() if name in chosen}
    if options.workers < 1:
        raise ConfigError(f"--workers is {options.workers}; at least 1 run at a time is needed")
    for arm in wanted.values():  # a setting that is not legal is told before a world is rendered
        for seed in seeds:
            configs(arm, seed, place)
    total = len(wanted) * len(seeds)
    for number, path in enumerate(run_all(list(wanted.values()), seeds, place, options.workers), 1):
        found = json.loads(path.read_text("utf-8"))
        first = found["rows"][0]["success@1"]
        print(
            f"{number} of {total}: {found['arm']['name']}, seed {found['seed']}: it2i ind {100 * first:.1f}, "
            f"{sum(found['seconds'].values())} s",
            flush=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.study", description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="factors and arms")
    what.add_argument("--only", metavar="FACTOR", help="run the arms of one factor")
    what.add_argument("--report", action="store_true", help="write the report of what is finished")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="of what is run, these alone")
    parser.add_argument("--out", type=Path, help="the study's folder (default: study, in the cache)")
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[1] / "STUDY.md", help="the report's file")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 0 1 2")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time (default 2)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each run (default 1)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
