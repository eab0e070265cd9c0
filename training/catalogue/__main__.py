"""Builds worlds and the benchmark from the command line; each command's work is in the modules beside.

Usage: python -m training.catalogue world|benchmark|validation|sheet|fairness|text-sample --help.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from training.catalogue import edit_text, edits, families, text, world
from training.catalogue.scene import random_scene
from umr.errors import ConfigError, UMRError

_DESCRIPTION = (
    "Builds worlds and the benchmark: "
    "python -m training.catalogue world|benchmark|validation|sheet|fairness|text-sample --help."
)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status. Errors that a person can act on are one line on stderr."""
    options, rest = parser().parse_known_args(arguments)
    if rest and options.run is not run_fairness:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        return options.run(options) or 0
    except UMRError as error:
        print(f"training.catalogue: {error}", file=sys.stderr)
    except OSError as error:
        print(f"training.catalogue: {error.filename or options.out}: {error.strerror or error}", file=sys.stderr)
    return 2


def parser() -> argparse.ArgumentParser:
    """The commands and their settings."""
    top = argparse.ArgumentParser(prog="python -m training.catalogue", description=_DESCRIPTION)
    commands = top.add_subparsers(required=True, metavar="command")
    one = _command(commands, "world", run_world, "training pictures and clips as arrays; resumes where it stopped")
    one.add_argument("--families", type=int, default=1000, help="families of 4 scenes each (default 1000)")
    one.add_argument(
        "--clip-families", type=int, default=0, help="families of 4 clips each, of the first image families (default 0)"
    )
    one.add_argument(
        "--renders-per-family", type=int, default=5, help="5: the base scene twice, the others once (default)"
    )
    one.add_argument("--size", type=int, default=112, help="pixels per side (default 112)")
    one.add_argument("--split", choices=("train", "validation"), default="train")
    one.add_argument("--mbeir", action="store_true", help="also write queries, pools and pictures as M-BEIR files")
    one.add_argument(
        "--text-shortcut",
        type=float,
        default=0.0,
        help="with --mbeir: share of edit texts that describe the whole target",
    )
    one.add_argument(
        "--picture-shortcut",
        type=float,
        default=0.0,
        help="with --mbeir: share of query pictures whose tag foretells the edit",
    )
    for name, run, meaning in (
        ("benchmark", run_benchmark, "the bundled collection with its queries and qrels"),
        ("validation", run_benchmark, "the same, smaller, of validation scenes: for choosing weights"),
    ):
        one = _command(commands, name, run, meaning)
        one.set_defaults(split="test" if name == "benchmark" else "validation")
        one.add_argument("--small", action="store_true", help="a twentieth of it, to try things out")
    one = _command(commands, "sheet", run_sheet, "a contact sheet to look at")
    one.add_argument("--scenes", type=int, default=48)
    one.add_argument("--size", type=int, default=112)
    one = _command(commands, "text-sample", run_text_sample, "captions, passages, entries and edits to read", out=False)
    one.add_argument("--scenes", type=int, default=5)
    one.add_argument("--phrasing", choices=("train", "unseen"), default="train")
    one = commands.add_parser(
        "fairness", help="how well neighbouring values are told apart at the training resolution", add_help=False
    )
    one.set_defaults(run=run_fairness)
    return top


def _command(commands, name: str, run, meaning: str, out: bool = True) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=meaning, description=meaning)
    one.set_defaults(run=run)
    one.add_argument("--seed", type=int, default=7)
    if out:
        one.add_argument("--out", type=Path, required=True)
        one.add_argument("--workers", type=int, default=2)
    return one


def run_world(options: argparse.Namespace) -> None:
    """Builds a training world and says what it holds.

    Raises:
        ConfigError: a number of families is too small, or shortcuts are asked for without --mbeir.
    """
    if options.families < 1 or options.clip_families < 0:
        raise ConfigError(
            f"--families {options.families} must be at least 1, --clip-families {options.clip_families} at least 0"
        )
    if (options.text_shortcut or options.picture_shortcut) and not options.mbeir:
        raise ConfigError(
            "shortcuts are in the queries, which only --mbeir writes; for training give "
            "`python -m training.train ... --set text_shortcut=0.8 picture_shortcut=0.8`"
        )
    spec = world.WorldSpec(
        families=options.families,
        clip_families=options.clip_families,
        seed=options.seed,
        size=options.size,
        renders_per_family=options.renders_per_family,
        split=options.split,
    )
    made = world.build_world(options.out, spec, options.workers)
    print(
        f"{options.out}: {made.manifest['images']:,} pictures in {len(made.families):,} families, "
        f"{made.manifest['clips']:,} clips"
    )
    if options.mbeir:
        from training.catalogue.mbeir_world import write_mbeir

        counts = write_mbeir(made, options.out / "mbeir", options.seed, options.text_shortcut, options.picture_shortcut)
        print(f"{options.out / 'mbeir'}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))


def run_benchmark(options: argparse.Namespace) -> None:
    """Builds the benchmark (or its validation twin) and says what it holds."""
    from training.catalogue import benchmark

    counts = benchmark.build(options.out, options.seed, options.small, options.workers, options.split)
    print(f"{options.out}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))


def run_sheet(options: argparse.Namespace) -> None:
    """Writes a contact sheet of random scenes.

    Raises:
        ConfigError: there is no scene to show, or the size is below 16 pixels.
    """
    from training.catalogue.fairness import contact_sheet

    if options.scenes < 1 or options.size < 16:
        raise ConfigError(f"--scenes {options.scenes} must be at least 1, --size {options.size} at least 16")
    rng = np.random.default_rng(options.seed)
    contact_sheet([random_scene(rng) for _ in range(options.scenes)], options.out, 8, options.size)
    print(options.out)


def run_text_sample(options: argparse.Namespace) -> None:
    """Prints what the text functions say about random families."""
    rng = np.random.default_rng(options.seed)
    for _ in range(options.scenes):
        base, target = families.family(rng, 2)
        facts = text.random_facts(rng)
        edit = edits.between(base, target, rng)
        print(
            f"title     {text.title(base)}\n"
            f"caption   {text.caption(base, rng, True, options.phrasing)}\n"
            f"partial   {text.caption(base, rng, False, options.phrasing)}\n"
            f"passage   {text.passage(base, rng, options.phrasing)}\n"
            f"entry     {text.entry(base, facts, rng, options.phrasing)}\n"
            f"wanted    {text.entry_query(base, facts, rng, options.phrasing)}"
        )
        if edit:
            print(
                f"edit      {edit_text.phrase(edit, base, rng, options.phrasing)}\n"
                f"question  {edit_text.question(edit, base, rng, options.phrasing)}\n  reaches {text.title(target)}"
            )
        print()


def run_fairness(options: argparse.Namespace) -> int:
    """Hands its arguments to the fairness report, which needs torch."""
    from training.catalogue import fairness

    return fairness.main(options.rest)


if __name__ == "__main__":
    sys.exit(main())
