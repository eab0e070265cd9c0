"""Triplets outside the rendered catalogue: plain coloured shapes on plain grounds, and what to change in them.

    python -m tests.training.shapes DIR

writes DIR/train.jsonl (500 triplets) and DIR/held_out.jsonl (100) with their pictures: other renderings, and scenes and
changes that the 500 do not ask for.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from umr.formats import write_jsonl

SIDE = 96  # px
COLOURS = {"red": (205, 40, 40), "green": (40, 160, 70), "blue": (45, 80, 205), "yellow": (235, 205, 50),
           "purple": (135, 60, 170), "orange": (240, 130, 35)}  # fmt: skip
GROUNDS = {"white": (240, 240, 240), "grey": (128, 128, 128), "black": (25, 25, 25), "pink": (250, 190, 205)}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
ASKS = ("make it {}", "change it to {}", "the same but {}", "{} instead")


@dataclass(frozen=True)
class Drawn:
    """What a picture shows."""

    shape: str
    colour: str
    ground: str


ALL = [Drawn(*values) for values in product(SHAPES, COLOURS, GROUNDS)]


def draw(shown: Drawn, rng: np.random.Generator) -> Image.Image:
    """The picture; place, size and turn are the draw's."""
    image = Image.new("RGB", (SIDE, SIDE), GROUNDS[shown.ground])
    pen, colour = ImageDraw.Draw(image), COLOURS[shown.colour]
    radius = float(rng.uniform(0.26, 0.36)) * SIDE
    x, y = (SIDE / 2 + rng.uniform(-0.1, 0.1, 2) * SIDE).tolist()
    turn = float(rng.uniform(-0.2, 0.2))
    box = (x - radius, y - radius, x + radius, y + radius)

    def around(count: int, *radii: float) -> list[tuple[float, float]]:
        angles = [turn - math.pi / 2 + 2 * math.pi * n / count for n in range(count)]
        return [(x + r * math.cos(a), y + r * math.sin(a)) for a, r in zip(angles, radii * count, strict=False)]

    if shown.shape == "circle":
        pen.ellipse(box, fill=colour)
    elif shown.shape == "ring":
        pen.ellipse(box, outline=colour, width=round(radius * 0.35))
    elif shown.shape == "cross":
        for angle in (turn, turn + math.pi / 2):
            dx, dy = radius * math.cos(angle), radius * math.sin(angle)
            pen.line((x - dx, y - dy, x + dx, y + dy), fill=colour, width=round(radius * 0.5))
    else:
        corners = {"triangle": (3, radius), "square": (4, radius), "star": (10, radius, 0.45 * radius)}
        pen.polygon(around(*corners[shown.shape]), fill=colour)
    return image


def change(shown: Drawn, rng: np.random.Generator) -> tuple[Drawn, str]:
    """A changed scene, and the words that ask for the change."""

    def other(values, mine: str) -> str:
        return str(rng.choice([value for value in values if value != mine]))

    what = int(rng.integers(4))
    if what == 0:
        wanted = replace(shown, colour=other(COLOURS, shown.colour))
        words = wanted.colour
    elif what == 1:
        wanted = replace(shown, shape=other(SHAPES, shown.shape))
        words = f"a {wanted.shape}"
    elif what == 2:
        wanted = replace(shown, ground=other(GROUNDS, shown.ground))
        words = f"on a {wanted.ground} ground"
    else:
        wanted = replace(shown, shape=other(SHAPES, shown.shape), colour=other(COLOURS, shown.colour))
        words = f"a {wanted.colour} {wanted.shape}"
    return wanted, str(rng.choice(ASKS)).format(words)


def write(folder: Path, train: int = 500, held_out: int = 100, seed: int = 0) -> tuple[Path, Path]:
    """The two files with their pictures; every picture of a file shows another scene, so that no answer is missed.

    Of the scenes, one in eight is asked for in held_out.jsonl alone.
    """
    rng = np.random.default_rng(seed)
    unseen = {ALL[int(place)] for place in rng.choice(len(ALL), len(ALL) // 8, replace=False)}
    asked: set[tuple[Drawn, Drawn]] = set()
    files = []
    for name, count in (("train", train), ("held_out", held_out)):
        for number, shown in enumerate(ALL):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(shown, rng).save(path)
        rows = []
        while len(rows) < count:
            reference = ALL[int(rng.integers(len(ALL)))]
            wanted, words = change(reference, rng)
            if (reference, wanted) in asked or (name == "train" and wanted in unseen):
                continue
            asked.add((reference, wanted))
            image, target = (f"{name}/{ALL.index(shown)}.png" for shown in (reference, wanted))
            rows.append({"image": image, "text": words, "target": target})
        files.append(folder / f"{name}.jsonl")
        write_jsonl(files[-1], rows)
    return files[0], files[1]


if __name__ == "__main__":
    print(*write(Path(sys.argv[1])), sep="\n")
