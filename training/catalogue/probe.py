"""Which facts a linear probe reads from an encoder's pictures, and whether still in pictures of three and a companion.

    python -m training.catalogue.probe --encoder unified [--facts count finish ...] [--json FILE]

The probe is fitted to the benchmark's pictures but the cluttered ones, and asked of lines that it has not seen and of
these. It has seen no cluttered picture either: what it misses there is not all the encoder's fault. Not a measure of
search.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from training.catalogue.scene import Scene
from training.catalogue.splits import cell_of, is_cluttered
from umr.disk import write_text
from umr.errors import ConfigError, exit_status
from umr.formats import facts_of
from umr.search import Searcher
from umr.shipped import BUNDLED, default_root

#: Fact -> what a scene says of it; those of the companion are None where there is none.
FACTS: Mapping[str, Any] = {
    "category": lambda scene: scene.category,
    "colour": lambda scene: scene.colour,
    "finish": lambda scene: scene.finish,
    "pattern": lambda scene: scene.pattern,
    "surface": lambda scene: scene.surface,
    "size": lambda scene: scene.size,
    "count": lambda scene: scene.count,
    "side": lambda scene: scene.companion and scene.companion.side,
    "companion": lambda scene: scene.companion and scene.companion.category,
    "its colour": lambda scene: scene.companion and scene.companion.colour,
    "its finish": lambda scene: scene.companion and scene.companion.finish,
}
SCALE = 10.0  # of unit vectors, so that a probe's weights are of the size of one
DECAY = 1e-4
QUARTER = 4  # one of so many lines is held out

Row = dict[str, Any]


def fitted(vectors: np.ndarray, labels: np.ndarray, values: int) -> torch.Tensor:
    """A multinomial logistic regression, each value weighing the same however many pictures show it.

    Args:
        vectors: (N, D) float32, of unit length.
        labels: (N,) int64, from 0.
        values: V, how many there are.

    Returns:
        (D + 1, V) float64; the last row is added.
    """
    inputs = _inputs(vectors)
    target = torch.from_numpy(labels)
    weight = 1 / torch.bincount(target, minlength=values).clamp(min=1).double()
    probe = torch.zeros(inputs.shape[1], values, dtype=torch.float64, requires_grad=True)
    steps = torch.optim.LBFGS([probe], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        steps.zero_grad()
        total = cross_entropy(inputs @ probe, target, weight) + DECAY * probe.square().sum()
        total.backward()
        return total

    steps.step(loss)
    return probe.detach()


def read(probe: torch.Tensor, vectors: np.ndarray) -> np.ndarray:
    """(N,) the value that the probe reads from each vector."""
    return (_inputs(vectors) @ probe).argmax(1).numpy()


def _inputs(vectors: np.ndarray) -> torch.Tensor:
    scaled = torch.from_numpy(vectors).double() * SCALE
    return torch.cat([scaled, torch.ones(len(scaled), 1, dtype=torch.float64)], 1)


def probed(scenes: Sequence[Scene], vectors: np.ndarray, facts: Sequence[str]) -> list[Row]:
    """What can be read of each fact.

    Args:
        scenes: N, what the pictures show.
        vectors: (N, D) float32, their embeddings.
        facts: keys of FACTS.

    Returns:
        A row for each fact: "fact", "values", "held_out" and "cluttered" (shares read right, None without pictures),
        "n" of both, and "read" of the cluttered ones: (said, read, how many), the most frequent first.

    Raises:
        ConfigError: a fact is none, or no picture is left to fit to.
    """
    unknown = [fact for fact in facts if fact not in FACTS]
    if unknown:
        raise ConfigError(f"{unknown[0]!r} is no fact of a scene; legal: {', '.join(FACTS)}")
    cluttered = np.array([is_cluttered(scene) for scene in scenes], dtype=bool)
    held_out = np.array([_number(scene) % QUARTER == 0 for scene in scenes], dtype=bool) & ~cluttered
    known = ~cluttered & ~held_out
    if not known.any():
        raise ConfigError("no picture is left to fit a probe to; the bundled collection has thousands")
    rows = []
    for fact in facts:
        said = [FACTS[fact](scene) for scene in scenes]
        values = sorted(set(said), key=str)
        labels = np.array([values.index(value) for value in said], np.int64)
        probe = fitted(vectors[known], labels[known], len(values))
        right, found = {}, {}
        for name, some in (("held_out", held_out), ("cluttered", cluttered)):
            found[name] = read(probe, vectors[some])
            right[name] = float((found[name] == labels[some]).mean()) if some.any() else None
        pairs = Counter(zip(labels[cluttered].tolist(), found["cluttered"].tolist(), strict=True))
        rows.append(
            {
                "fact": fact,
                "values": len(values),
                **right,
                "n": [int(held_out.sum()), int(cluttered.sum())],
                "read": [(values[one], values[other], many) for (one, other), many in pairs.most_common()],
            }
        )
    return rows


def _number(scene: Scene) -> int:
    """Of the scene's line, the same on every machine."""
    return int.from_bytes(sha256(repr(cell_of(scene)).encode()).digest()[:4], "big")


def scenes_of(searcher: Searcher) -> tuple[list[Scene], np.ndarray]:
    """The scenes of a collection's pictures, and their embeddings (N, D) float32.

    Raises:
        ConfigError: it says no scenes.
    """
    found = {}
    for candidate_id in searcher.collection.pool("image") or ():
        scene = facts_of(searcher.collection[candidate_id].source).get("scene")
        if scene:
            found[candidate_id] = Scene.from_json(scene)
    if not found:
        raise ConfigError("this collection's pictures say no scenes: give a bundled index, or one of a catalogue")
    return list(found.values()), searcher.index.vectors(tuple(found)).astype(np.float32)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(
        prog="python -m training.catalogue.probe", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--encoder", default="unified", metavar="NAME", help="a shipped one (default: unified)")
    parser.add_argument("--index", type=Path, metavar="DIR", help="another index of a catalogue, in place of it")
    parser.add_argument("--facts", nargs="+", default=list(FACTS), metavar="FACT", help=f"of {', '.join(FACTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    options = parser.parse_args(arguments)
    with exit_status("training.catalogue.probe") as ended:
        searcher = Searcher.open(options.index or default_root() / options.encoder / BUNDLED)
        rows = probed(*scenes_of(searcher), options.facts)
        if options.json:
            write_text(options.json, json.dumps(rows, indent=1) + "\n")
        print("\n".join(map(told, rows)))
    return ended.status


def told(row: Row) -> str:
    """The line of a fact."""
    parts = [f"{row['fact']:11}"]
    for name, many in zip(("held_out", "cluttered"), row["n"], strict=True):
        share = "-" if row[name] is None else f"{100 * row[name]:.1f} %"
        parts.append(f"{name.replace('_', ' ')} {share:>7} of {many:,}")
    wrong = [f"{said} as {seen}: {many}" for said, seen, many in row["read"] if said != seen]
    return "  ".join([*parts, ", ".join(wrong[:3])]).rstrip()


if __name__ == "__main__":
    raise SystemExit(main())
