"""Can the described values be seen? A small classifier on fresh renders, pair by pair; fair is >= 97 % told apart.

Not a part of training: it judges the renderer. A pair below the line is either blurred, or the classifier is too small
or has seen too little: look at a contact sheet before believing it.

    python -m training.catalogue.fairness --n-per-value 600 --sheet sheet.png
    python -m training.catalogue.fairness --styles catalogue jittered camera
    python -m training.catalogue.fairness --world DIR --pictures 10000 --epochs 5
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from training.catalogue.layout import STYLES
from training.catalogue.render import render_image
from training.catalogue.scene import CATEGORIES, LEGAL, MIRRORED_SIDES, SIDES, Scene, random_scene
from training.catalogue.store import Job, render_many
from training.catalogue.world import Item, load_world
from training.precision import autocast
from umr.disk import replacing
from umr.errors import ConfigError, UMRError

FAIR = 0.97
#: What is judged; of a companion its side, category, colour and finish.
COMPANY = {"side": "side", "companion": "category", "its colour": "colour", "its finish": "finish"}
VALUES: dict[str, tuple] = {
    **LEGAL,
    "side": SIDES,
    "companion": LEGAL["category"],
    "its colour": LEGAL["colour"],
    "its finish": LEGAL["finish"],
}


@dataclass(frozen=True, slots=True)
class Row:
    """How often the classifier prefers the right one of two values, over held-out renders (both count alike)."""

    attribute: str
    first: str
    second: str
    accuracy: float
    renders: int

    @property
    def fair(self) -> bool:
        """Whether the pair is above the line."""
        return self.accuracy >= FAIR


class _Judge(nn.Module):
    """A small convolutional network with one linear head per attribute."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((3, 24, 2), (24, 48, 2), (48, 96, 2), (96, 96, 1), (96, 160, 2), (160, 160, 1)):
            layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: nn.Linear(2 * 160 + 160 * 9, len(values)) for name, values in VALUES.items()})

    def forward(self, pictures_B3SS: Tensor) -> dict[str, Tensor]:
        maps = self.body(pictures_B3SS)
        places = nn.functional.adaptive_avg_pool2d(maps, 3).flatten(1)
        features = torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), places], 1)
        return {name: head(features) for name, head in self.heads.items()}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a report renders and how long the judge learns."""

    n_per_value: int = 430  # renders per category
    size: int = 112  # pixels per side
    epochs: int = 8  # passes over the renders
    seed: int = 0  # of the scenes, the renders and the judge's weights
    styles: tuple[str, ...] = ("catalogue",)  # keys of layout.STYLES, taken in turn
    companions: float = 0.4  # share of the scenes that have one


def report(trial: Trial, workers: int = 2) -> list[Row]:
    """Trains the judge on renders, `n_per_value` of each category, and measures every pair of values, the worst first.

    A quarter as many renders again, of other scenes and seeds, are held out; where a trial has several styles, all of
    the last one. So the judge of a new light or camera has learned on the styles before it, as an encoder does.

    Raises:
        ConfigError: n_per_value < 8, no epoch, or an unknown style.
    """
    if trial.n_per_value < 8 or trial.epochs < 1:
        raise ConfigError(
            f"n_per_value must be at least 8 and epochs at least 1, got {trial.n_per_value} and {trial.epochs}"
        )
    if unknown := set(trial.styles) - set(STYLES):
        raise ConfigError(f"styles {sorted(unknown)} are unknown; legal: {', '.join(STYLES)}")
    train = trial.n_per_value * len(CATEGORIES)
    rng = np.random.default_rng([trial.seed, 31])
    scenes = [random_scene(rng, lambda _: True, trial.companions) for _ in range(train + train // 4)]
    known = trial.styles[:-1] or trial.styles
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job(scene, trial.seed * 10_000_000 + i, known[i % len(known)] if i < train else trial.styles[-1])
            for i, scene in enumerate(scenes)
        ]
        pictures = render_many(jobs, Path(folder) / "renders.npy", trial.size, workers)
        return judged(pictures, scenes, train, trial.epochs, trial.seed)


def report_world(folder: Path, pictures: int = 10_000, epochs: int = 5, seed: int = 0) -> list[Row]:
    """The same over the first `pictures` renders of a built world, so that nothing is rendered.

    The last fifth, of whole families, is held out: no scene of it is trained on.

    Raises:
        ConfigError: a world of fewer than 10 families among these pictures.
    """
    world, ends = load_world(folder), [0]
    items: list[Item] = []
    for family in world.families:
        if len(items) + len(family) > pictures:
            break
        items += family
        ends.append(len(items))
    if len(ends) <= 10:
        raise ConfigError(f"{len(ends) - 1} families among {pictures} pictures of {folder}; at least 10 are needed")
    rows = [item.row for item in items]
    return judged(
        np.asarray(world.pixels[rows]), [item.scene for item in items], ends[len(ends) * 4 // 5], epochs, seed
    )


def judged(pictures: np.ndarray, scenes: Sequence[Scene], train: int, epochs: int, seed: int) -> list[Row]:
    """Trains the judge on the first pictures, measures every pair of values on the others.

    Args:
        pictures: uint8 (N, S, S, 3).
        scenes: what they show.
        train: how many of them are trained on.
        epochs: passes over these.
        seed: draws the judge's weights and the order.

    Returns:
        The pairs, the worst first.
    """
    labels = {name: torch.tensor([_label(scene, name) for scene in scenes]) for name in VALUES}
    judge = _trained(pictures[:train], {name: label[:train] for name, label in labels.items()}, epochs, seed)
    with torch.inference_mode():
        parts = [judge(_batch(pictures[start : start + 256])) for start in range(train, len(scenes), 256)]
    rows = []
    for name, values in VALUES.items():
        seen = labels[name][:train]
        often = torch.bincount(seen[seen >= 0], minlength=len(values)).clamp(min=1)
        scores = torch.cat([part[name] for part in parts]) - often.log()  # as if every value came equally often
        label = labels[name][train:]
        for a, b in combinations(range(len(values)), 2):
            if (label == a).any() and (label == b).any():
                margin = scores[:, a] - scores[:, b]
                right = ((margin[label == a] > 0).float().mean() + (margin[label == b] < 0).float().mean()) / 2
                count = int(((label == a) | (label == b)).sum())
                rows.append(Row(name, str(values[a]), str(values[b]), float(right), count))
    return sorted(rows, key=lambda row: (row.accuracy, row.attribute, row.first, row.second))


def contact_sheet(
    scenes: Sequence[Scene], path: Path, columns: int = 8, size: int = 112, style: str = "catalogue"
) -> None:
    """Writes the scenes, scene i with seed i, as one PNG in rows of `columns`.

    Raises:
        ValueError: there are no scenes.
    """
    if not scenes:
        raise ValueError("a contact sheet needs at least one scene")
    path = Path(path)
    cell = size + 2
    sheet = np.zeros((-(-len(scenes) // columns) * cell, columns * cell, 3), np.uint8)
    for i, scene in enumerate(scenes):
        y, x = i // columns * cell, i % columns * cell
        sheet[y : y + size, x : x + size] = render_image(scene, i, size, style)
    with replacing(path) as draft:
        Image.fromarray(sheet).save(draft, "PNG")


def _label(scene: Scene, attribute: str) -> int:
    """The value's place among VALUES; -1 where the scene has none."""
    if attribute not in COMPANY:
        return VALUES[attribute].index(getattr(scene, attribute))
    return VALUES[attribute].index(getattr(scene.companion, COMPANY[attribute])) if scene.companion else -1


def _batch(pictures_BSS3: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(pictures_BSS3)).permute(0, 3, 1, 2).float() / 127.5 - 1  # channels last in memory


def _trained(pictures: np.ndarray, labels: dict[str, Tensor], epochs: int, seed: int) -> _Judge:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        judge = _Judge()
        judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # the stubs of torch lack this form
    generator = torch.Generator().manual_seed(seed)
    batches = -(-len(pictures) // 64)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        for rows in torch.randperm(len(pictures), generator=generator).split(64):
            rows = rows.sort().values
            mirrored = torch.rand(len(rows), generator=generator) < 0.5
            seen = _batch(pictures[rows.numpy()])
            seen = torch.where(mirrored[:, None, None, None], seen.flip(3), seen)
            with autocast(torch.device("cpu"), True):
                scores = judge(seen)
            losses = [
                _loss(scores[name].float(), _seen_as(name, label[rows], mirrored)) for name, label in labels.items()
            ]
            loss = torch.stack(losses).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return judge.eval()


def _seen_as(attribute: str, label: Tensor, mirrored: Tensor) -> Tensor:
    """The labels of pictures of which some are seen in a mirror: there left is right."""
    if attribute != "side":
        return label
    swapped = torch.tensor([SIDES.index(MIRRORED_SIDES[side]) for side in SIDES])
    return torch.where(mirrored & (label >= 0), swapped[label], label)


def _loss(scores: Tensor, label: Tensor) -> Tensor:
    """Cross entropy over the rows that have the attribute; 0 if none has."""
    total = nn.functional.cross_entropy(scores, label, ignore_index=-1, reduction="sum")
    return total / max(int((label >= 0).sum()), 1)


def main(arguments: list[str] | None = None) -> int:
    """Prints the pairs from the worst on, marks those below the line; returns 1 if there are any."""
    parser = argparse.ArgumentParser(description="Which described values can a small classifier tell apart on renders?")
    parser.add_argument("--n-per-value", type=int, default=430)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument(
        "--styles", nargs="+", default=["catalogue"], help="judged on the last, learned on those before it"
    )
    parser.add_argument("--companions", type=float, default=0.4, help="share of scenes with a companion (default 0.4)")
    parser.add_argument("--world", type=Path, help="use the pictures of this built world instead of new renders")
    parser.add_argument("--pictures", type=int, default=10_000, help="of the world (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of scenes, renders and the judge's weights (default 0)")
    parser.add_argument("--rows", type=int, default=60, help="pairs to print")
    parser.add_argument("--sheet", type=Path, help="also write 64 random scenes as a PNG")
    options = parser.parse_args(arguments)
    if options.sheet:
        rng = np.random.default_rng(0)
        contact_sheet([random_scene(rng) for _ in range(64)], options.sheet, 8, options.size, options.styles[-1])
    if options.world:
        rows = report_world(options.world, options.pictures, options.epochs, options.seed)
    else:
        rows = report(
            Trial(
                n_per_value=options.n_per_value,
                size=options.size,
                epochs=options.epochs,
                styles=tuple(options.styles),
                companions=options.companions,
                seed=options.seed,
            )
        )
    for row in rows[: options.rows]:
        mark = " " if row.fair else "!"
        pair = f"{row.attribute:10} {row.first} / {row.second}"
        print(f"{mark} {row.accuracy * 100:5.1f} %  {pair}  ({row.renders} renders)")
    for name in VALUES:
        pairs = [row for row in rows if row.attribute == name]
        if pairs:
            mean, below = 100 * float(np.mean([row.accuracy for row in pairs])), sum(not row.fair for row in pairs)
            worst = f"{pairs[0].first} / {pairs[0].second} {100 * pairs[0].accuracy:.1f} %"
            print(f"{name:10} {len(pairs):3} pairs, mean {mean:.1f} %, below {FAIR:.0%}: {below}, worst: {worst}")
    return 0 if all(row.fair for row in rows) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except UMRError as error:
        raise SystemExit(f"fairness: {error}") from None
