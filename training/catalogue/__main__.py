"""Builds worlds and the benchmark, and measures what they hold: python -m training.catalogue COMMAND --help."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from training.catalogue import edit_text, edits, families, splits, text, typed, world
from training.catalogue.layout import STYLES
from training.catalogue.scene import random_scene
from umr.errors import ConfigError, UMRError


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
        print(
            f"training.catalogue: {error.filename or getattr(options, 'out', '')}: {error.strerror or error}",
            file=sys.stderr,
        )
    return 2


def parser() -> argparse.ArgumentParser:
    """The commands and their settings."""
    top = argparse.ArgumentParser(prog="python -m training.catalogue", description=__doc__)
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
    one.add_argument(
        "--jitter", type=float, default=0.0, help="share of the renders with wider lights and cameras (default 0)"
    )
    one.add_argument(
        "--crowded",
        type=float,
        default=0.0,
        help="share of the families with more than one thing in most of their pictures (default 0)",
    )
    one.add_argument(
        "--cluttered",
        type=float,
        default=0.0,
        help="share of the crowded families in which three have something beside them, too (default 0)",
    )
    one.add_argument(
        "--bystanders",
        type=float,
        default=0.0,
        help="share of the pictures with things around that nothing is said of (default 0)",
    )
    _asking(one)
    for name, run, meaning in (
        ("benchmark", run_benchmark, "the bundled collection with its queries and qrels"),
        ("validation", run_benchmark, "the same, smaller, of validation scenes: for choosing weights"),
    ):
        one = _command(commands, name, run, meaning)
        one.set_defaults(split="test" if name == "benchmark" else "validation")
        one.add_argument("--small", action="store_true", help="a twentieth of it, to try things out")
    _measuring(commands)
    one = _command(commands, "sheet", run_sheet, "a contact sheet to look at")
    one.add_argument("--scenes", type=int, default=48)
    one.add_argument("--size", type=int, default=112)
    one.add_argument("--style", choices=tuple(STYLES), default="catalogue")
    one.add_argument("--companions", type=float, default=0.4, help="share of scenes with a companion (default 0.4)")
    one = _command(commands, "text-sample", run_text_sample, "captions, passages, entries and edits to read", out=False)
    one.add_argument("--scenes", type=int, default=5)
    one.add_argument("--phrasing", choices=("train", "validation", "test"), default="train")
    one = commands.add_parser(
        "fairness", help="how well neighbouring values are told apart at the training resolution", add_help=False
    )
    one.set_defaults(run=run_fairness)
    return top


def _asking(one: argparse.ArgumentParser) -> None:
    """What of a world is written as M-BEIR files."""
    one.add_argument("--mbeir", action="store_true", help="also write queries, pools and pictures as M-BEIR files")
    one.add_argument(
        "--duplicates",
        type=float,
        default=0.0,
        help="with --mbeir: share of pictures that are in the pool twice, unsaid",
    )
    one.add_argument(
        "--near-duplicates", type=float, default=0.0, help="with --mbeir: the same, the copy cut and lightened a little"
    )
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
    one.add_argument(
        "--fillers",
        type=float,
        default=0.0,
        help="with --mbeir: share of queries with words around theirs that say nothing",
    )
    one.add_argument(
        "--tasks", nargs="+", metavar="TASK", help="with --mbeir: what is asked, t2i ... typed (default: everything)"
    )
    one.add_argument(
        "--queries-per-family",
        type=int,
        metavar="N",
        help="with --mbeir: at most so many queries of each task per family, drawn by the seed (default: all)",
    )


def _measuring(commands: Any) -> None:
    """The commands that say or extend what the benchmark holds, without rendering its files."""
    one = _command(
        commands,
        "coverage",
        run_coverage,
        "how many sensible edits of a random picture have an exact answer",
        out=False,
    )
    one.add_argument("--split", choices=("validation", "test"), default="test")
    one.add_argument("--small", action="store_true", help="of the small collection")
    one.add_argument("--draws", type=int, default=5000, help="(picture, edit) pairs (default 5000)")
    one = _command(
        commands, "splits", run_splits, "what is left for training, and how far test scenes are from it", out=False
    )
    one.add_argument("--draws", type=int, default=20_000, help="random scenes (default 20000)")
    one = _command(
        commands, "distractors", run_distractors, "vectors of further test scenes that answer no query; resumes"
    )
    one.add_argument("--encoder", required=True, metavar="NAME", help="a shipped name or an encoder folder")
    one.add_argument("--count", type=int, default=20_000)
    one.add_argument("--small", action="store_true", help="beside the small benchmark")


def _command(
    commands: Any, name: str, run: Callable[..., int | None], meaning: str, out: bool = True
) -> argparse.ArgumentParser:
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
        ConfigError: a number of families is too small, or copies or shortcuts are asked for without --mbeir.
    """
    if options.families < 1 or options.clip_families < 0:
        raise ConfigError(
            f"--families {options.families} must be at least 1, --clip-families {options.clip_families} at least 0"
        )
    if (options.duplicates or options.near_duplicates) and not options.mbeir:
        raise ConfigError("copies that nothing links to their pictures are in the files that only --mbeir writes")
    if (options.text_shortcut or options.picture_shortcut) and not options.mbeir:
        raise ConfigError(
            "shortcuts are in the queries, which only --mbeir writes; for training give "
            "`python -m training.train ... --set text_shortcut=0.8 picture_shortcut=0.8`"
        )
    if (options.tasks or options.queries_per_family is not None or options.fillers) and not options.mbeir:
        raise ConfigError("--tasks, --queries-per-family and --fillers are of queries, which only --mbeir writes")
    asked = _mbeir_spec(options)  # before anything is rendered
    spec = world.WorldSpec(
        families=options.families,
        clip_families=options.clip_families,
        seed=options.seed,
        size=options.size,
        renders_per_family=options.renders_per_family,
        split=options.split,
        jitter=options.jitter,
        crowded=options.crowded,
        bystanders=options.bystanders,
        cluttered=options.cluttered,
    )
    made = world.build_world(options.out, spec, options.workers)
    pictures, clips = made.manifest["images"], made.manifest["clips"]
    print(f"{options.out}: {pictures:,} pictures in {len(made.families):,} families, {clips:,} clips")
    if options.mbeir:
        from training.catalogue.mbeir_world import write_mbeir

        counts = write_mbeir(made, options.out / "mbeir", options.seed, asked)
        print(f"{options.out / 'mbeir'}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))


def _mbeir_spec(options: argparse.Namespace) -> Any:
    """What --mbeir writes.

    Raises:
        ConfigError: a share, a task or the number of queries is none.
    """
    from training.catalogue.mbeir_world import TASKS, MbeirSpec

    return MbeirSpec(
        tasks=options.tasks or TASKS,
        queries_per_family=options.queries_per_family,
        text_shortcut=options.text_shortcut,
        picture_shortcut=options.picture_shortcut,
        fillers=options.fillers,
        duplicates=options.duplicates,
        near_duplicates=options.near_duplicates,
    )


def run_benchmark(options: argparse.Namespace) -> None:
    """Builds the benchmark (or its validation twin) and says what it holds."""
    from training.catalogue import benchmark

    counts = benchmark.build(options.out, options.seed, options.small, options.workers, options.split)
    print(f"{options.out}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))


def run_coverage(options: argparse.Namespace) -> None:
    """Prints, kind by kind, how often a sensible edit of a random picture has an exact answer."""
    from training.catalogue import benchmark, free, grid

    sizes = benchmark.sizes_of(options.small, options.split).grid
    scenes = [scene for group in grid.groups_of(options.split, sizes, options.seed) for scene in group.scenes]
    print(f"{len(scenes):,} pictures")
    for what, offered in (
        ("values that the category comes in", free.range_of(scenes)),
        ("any value of the world", None),
    ):
        print(f"{what}:")
        for kind, row in free.coverage(scenes, options.draws, options.seed, offered).items():
            print(f"  {kind:9} exact {row['exact']:6.1%}   main facts kept {row['possible']:6.1%}   n {row['n']:,}")


def run_splits(options: argparse.Namespace) -> None:
    """Prints the share of each split and how many training scenes lie at distance 1 of the test scenes."""
    rng = np.random.default_rng(options.seed)
    drawn = [random_scene(rng) for _ in range(options.draws)]
    counts = Counter(splits.split_of(scene) for scene in drawn)
    print("ordinary scenes: " + ", ".join(f"{counts[split] / len(drawn):.1%} {split}" for split in splits.SPLITS))
    from training.catalogue import benchmark, grid

    groups = grid.groups_of("test", benchmark.FULL.grid, options.seed)
    shown = [scene for group in groups if group.part != "combination" for scene in group.scenes]
    near = Counter(
        sum(splits.in_distribution(other, "train") for other in splits.neighbourhood(shown[row]))
        for row in rng.permutation(len(shown))[:200]
    )
    print(
        "training scenes at distance 1 of 200 test pictures without a held-out line: "
        + ", ".join(f"{n} at {count} of {near.total()}" for n, count in sorted(near.items()))
    )


def run_distractors(options: argparse.Namespace) -> None:
    """Embeds further test scenes and says where the vectors are."""
    from training.catalogue import benchmark
    from training.catalogue.distractors import embed_distractors
    from umr.encoders import load_encoder
    from umr.shipped import find_encoder

    plan = benchmark.make_plan(options.seed, benchmark.sizes_of(options.small, "test"), "test")
    encoder = load_encoder(find_encoder(options.encoder))
    started = time.monotonic()

    def progress(done: int, count: int) -> None:
        minutes = (time.monotonic() - started) / 60
        print(f"{done:,} of {count:,} embedded, {minutes:.1f} min", file=sys.stderr, flush=True)

    vectors = embed_distractors(encoder, plan, options.count, options.seed, options.out, options.workers, progress)
    print(f"{vectors}: {options.count:,} vectors")


def run_sheet(options: argparse.Namespace) -> None:
    """Writes a contact sheet of random scenes.

    Raises:
        ConfigError: there is no scene to show, or the size is below 16 pixels.
    """
    from training.catalogue.fairness import contact_sheet

    if options.scenes < 1 or options.size < 16:
        raise ConfigError(f"--scenes {options.scenes} must be at least 1, --size {options.size} at least 16")
    rng = np.random.default_rng(options.seed)
    scenes = [random_scene(rng, companion_share=options.companions) for _ in range(options.scenes)]
    contact_sheet(scenes, options.out, 8, options.size, options.style)
    print(options.out)


def run_text_sample(options: argparse.Namespace) -> None:
    """Prints what the text functions say about random families."""
    rng = np.random.default_rng(options.seed)
    for _ in range(options.scenes):
        base, target = families.family(rng, 2)
        facts = text.random_facts(rng)
        edit = edits.between(base, target, rng)
        phrasing = options.phrasing
        for name, line in (
            ("title", text.title(base)),
            ("caption", text.caption(base, rng, True, phrasing)),
            ("partial", text.caption(base, rng, False, phrasing)),
            ("typed", typed.typed_and_said(base, rng)[0]),
            ("passage", text.passage(base, rng, phrasing)),
            ("entry", text.entry(facts, rng, phrasing)),
            ("wanted", text.entry_query(base, facts, rng, phrasing)),
        ):
            print(f"{name:9} {line}")
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
