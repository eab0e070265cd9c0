"""Writes a training world as M-BEIR files, pictures and clips as files: for trainers that read that layout.

Not the bundled benchmark. The strength of each shortcut is a share of the it2i queries: texts that describe the whole
target, tags that foretell the edit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from training.catalogue import edit_text, edits, shortcut, text
from training.catalogue.scene import Scene
from training.catalogue.store import write_clip
from training.catalogue.world import Item, World
from training.catalogue.writer import DATASET_ID, Ask, Media, Plan, Row, write_rows
from umr.errors import ConfigError

#: A near-duplicate is cut by up to this share at each edge and lightened or darkened by up to the next one.
CUT, LIGHTER = 0.06, 0.08


def write_mbeir(
    world: World,
    folder: Path,
    seed: int,
    text_shortcut: float = 0.0,
    picture_shortcut: float = 0.0,
    duplicates: float = 0.0,
    near_duplicates: float = 0.0,
) -> dict[str, int]:
    """Writes pools, queries and qrels of the world's split.

    Args:
        world: whose pictures and clips become files.
        folder: where they are written.
        seed: of the words and of what is drawn by the shares.
        text_shortcut: share of it2i queries whose text describes the whole target.
        picture_shortcut: share of it2i queries whose picture carries a tag that foretells the edit.
        duplicates: share of the pictures that stand in the pool once more, with the same bytes. Nothing says so: such a
            candidate has no facts, no title, and is in no query's list.
        near_duplicates: the same of pictures cut and lightened a little.

    Returns:
        Counts of candidates per kind, of queries, query pictures and media bytes.

    Raises:
        ConfigError: a share outside 0 to 1.
    """
    shares = {
        "text_shortcut": text_shortcut,
        "picture_shortcut": picture_shortcut,
        "duplicates": duplicates,
        "near_duplicates": near_duplicates,
    }
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} is {share}; it is a share of the queries or of the pictures, from 0 to 1")
    writer = _Writer(world, Path(folder), np.random.default_rng([seed, 11]))
    writer.collect()
    writer.ask(text_shortcut, picture_shortcut)
    writer.duplicate(duplicates, near_duplicates)
    return write_rows(writer.plan, Path(folder), "train" if world.manifest["split"] == "train" else "val")


class _Writer:
    def __init__(self, world: World, folder: Path, rng: np.random.Generator) -> None:
        self.world, self.folder, self.rng = world, folder, rng
        self.plan = Plan(int(world.manifest["seed"]), split=world.manifest["split"])
        self.family = 0  # whose queries are being asked
        self.dids: dict[str, dict[Scene, list[str]]] = {
            modality: defaultdict(list) for modality in ("image", "text", "video")
        }
        self.paths: dict[int, str] = {}
        for kind in ("images", "clips", "queries"):
            (folder / "files" / kind).mkdir(parents=True, exist_ok=True)

    def collect(self) -> None:
        """Every render is a candidate; every scene has a passage."""
        for items in self.world.families:
            for item in items:
                self.paths[item.row] = path = self._picture(item, "images", f"{item.row:06}")
                self._row("image", item.scene, media=path)
                if not self.dids["text"][item.scene]:
                    self._row("text", item.scene, text.passage(item.scene, self.rng))
        pixels = self.world.clip_pixels
        if pixels is None:
            return
        for items in self.world.clip_families:
            for item in items:
                path = f"files/clips/{item.row:06}.mp4"
                frames = pixels[item.row]
                write_clip(self.folder / path, frames, fps=4)
                self.plan.media[path] = Media("clips", item.scene, item.seed, frames.shape[1])
                self._row("video", item.scene, media=path)

    def ask(self, text_shortcut: float, picture_shortcut: float) -> None:
        """Descriptions of every scene, and every pair of a family that an edit joins."""
        rng = self.rng
        for number, items in enumerate(self.world.families):
            self.family = number
            for scene, item in {item.scene: item for item in items}.items():
                self._ask("t2i", "image", scene, text.caption(scene, rng, True), None)
                self._ask("t2t", "text", scene, text.paraphrase(scene, rng), None)
                self._ask("i2t", "text", scene, None, self.paths[item.row])
            for one in items:
                for other in items:
                    self._compose(one, other.scene, "it2i", "image", text_shortcut, picture_shortcut)
                    self._compose(one, other.scene, "it2t", "text", 0.0, 0.0)
        for number, (stills, clips) in enumerate(zip(self.world.families, self.world.clip_families, strict=False)):
            self.family = number
            for clip in clips:
                self._ask("t2v", "video", clip.scene, text.caption(clip.scene, rng, True), None)
                for still in stills[:2]:
                    self._compose(still, clip.scene, "it2v", "video", 0.0, 0.0)

    def duplicate(self, exact: float, near: float) -> None:
        """Puts copies of pictures into the pool after everything that is known of it was written down."""
        rng = np.random.default_rng([self.plan.seed, 13])
        items = [item for items in self.world.families for item in items]
        for share, alter in ((exact, False), (near, True)):
            for row in np.flatnonzero(rng.random(len(items)) < share):
                item = items[row]
                pixels = np.asarray(self.world.pixels[item.row])
                path = f"files/images/{len(self.plan.rows):06}-c.webp"
                job = self.plan.media[path] = Media("images", item.scene, item.seed, pixels.shape[0], item.style)
                job.save(self.folder / path, _altered(pixels, rng) if alter else pixels)
                self.plan.rows.append(
                    Row(f"{DATASET_ID}:{len(self.plan.rows)}", "image", item.scene, "", media=path, unsaid=True)
                )

    def _compose(
        self, item: Item, target: Scene, task: str, modality: str, text_shortcut: float, picture_shortcut: float
    ) -> None:
        edit = edits.between(item.scene, target, self.rng)
        if edit is None:
            return
        say = edit_text.question if task == "it2t" and self.rng.random() < 0.5 else edit_text.phrase
        line, picture = say(edit, item.scene, self.rng), self.paths[item.row]
        if self.rng.random() < text_shortcut:
            line = shortcut.with_rest(line, target, self.rng)
        if self.rng.random() < picture_shortcut:
            cue = shortcut.cue_of(edit)
            picture = self._picture(item, "queries", f"{item.row:06}-{cue:02}", cue)
        self._ask(task, modality, item.scene, line, picture, edit)

    def _ask(
        self,
        task: str,
        modality: str,
        scene: Scene,
        line: str | None,
        picture: str | None,
        edit: edits.Edit | None = None,
    ) -> None:
        found = [
            did
            for target in (edits.targets(scene, edit) if edit else [scene])
            for did in self.dids[modality].get(target, ())
        ]
        self.plan.queries.setdefault((task, "ind"), []).append(Ask(line, picture, scene, found, [], self.family, edit))

    def _picture(self, item: Item, kind: str, name: str, cue: int | None = None) -> str:
        path = f"files/{kind}/{name}.webp"
        if path not in self.plan.media:
            pixels = self.world.pixels[item.row]
            job = self.plan.media[path] = Media(kind, item.scene, item.seed, pixels.shape[0], cue=cue)
            job.save(self.folder / path, np.asarray(pixels))
        return path

    def _row(self, modality: str, scene: Scene, words: str | None = None, media: str | None = None) -> None:
        row = Row(
            f"{DATASET_ID}:{len(self.plan.rows)}",
            modality,
            scene,
            text.title(replace(scene, action=None)),
            words,
            media,
        )
        self.plan.rows.append(row)
        self.dids[modality][scene].append(row.did)


def _altered(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture (S, S, 3) cut at its edges, brought back to its size, and a little lighter or darker."""
    side = pixels.shape[0]
    low, high = rng.integers(0, max(1, round(CUT * side)) + 1, (2, 2))
    cut = Image.fromarray(pixels[low[0] : side - high[0], low[1] : side - high[1]]).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    return np.clip(np.asarray(cut, np.float32) * rng.uniform(1 - LIGHTER, 1 + LIGHTER), 0, 255).astype(np.uint8)
