"""GeneCIS (Vaze et al. 2023, arXiv 2306.07969): four tasks of a condition, each query over its own small gallery.

genecis/<task>.json names pictures of Visual Genome, of which the object's box is cut out, grown and padded to a square
(the two attribute tasks; VAW, which they are drawn from, writes a picture's number as a text), and of COCO's validation
split of 2017 (the two object tasks). R@1, R@2 and R@3 among the target and the gallery (section 5), and their plain
mean over the tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from umr import media
from umr.disk import replacing
from umr.errors import ConfigError
from umr.eval.benchmarks.annotations import entries, needed, number, numbered, placed, words
from umr.eval.benchmarks.benchmark import Asked, Benchmark, Part, success_columns
from umr.eval.benchmarks.registry import split_of
from umr.types import Candidate, Content, Qrels, Query

LAYOUT = (
    "GeneCIS's folder holds genecis/{focus,change}_{attribute,object}.json, Visual Genome's pictures as "
    "VG_100K_all/ID.jpg and COCO's as val2017/000000000001.jpg"
)
TASKS = ("focus_attribute", "change_attribute", "focus_object", "change_object")
VISUAL_GENOME, COCO = ("VG_100K_all", "VG_100K", "VG_100K_2"), ("val2017", "coco/val2017", "coco2017/val2017")
DEPTHS = (1, 2, 3)
GROWN = 0.7  # of a box's width and height, as in the makers' code


def read(asked: Asked) -> Benchmark:
    """The queries of the four tasks, or of one, each with its gallery.

    Crops are written to the work folder as PNG files, once.

    Raises:
        ConfigError: a file, picture or field is missing; the layout or the place is told.
        MediaError: a picture cannot be read.
        DiskFullError: a crop could not be written.
    """
    split = split_of("genecis", asked.split)
    wanted = asked.parts(TASKS)
    candidates: dict[str, Candidate] = {}
    parts = [_part(task, asked, candidates) for task in wanted]
    return Benchmark(
        name="genecis",
        split=split,
        candidates=list(candidates.values()),
        parts=parts,
        means={"mean": wanted},
    )


def _part(task: str, asked: Asked, candidates: dict[str, Candidate]) -> Part:
    folder = asked.data / "genecis" if (asked.data / "genecis").is_dir() else asked.data
    queries: list[Query] = []
    qrels: Qrels = {}
    galleries: dict[str, tuple[str, ...]] = {}
    for place, entry in entries(needed(folder / f"{task}.json", LAYOUT)):
        with placed(place):
            query_id = f"{task}:{len(queries)}"
            text = words(entry, "condition")
            named = [_shown(one, asked) for one in (entry.get("reference"), entry.get("target"), *_gallery(entry))]
            for candidate_id, path in named[1:]:
                made = Candidate(candidate_id=candidate_id, content=Content(image=path))
                candidates.setdefault(candidate_id, made)
            queries.append(
                Query(
                    query_id=query_id,
                    content=Content(text=text, image=named[0][1]),
                    instruction=asked.told(),
                    target_modality="image",
                )
            )
            qrels[query_id] = {named[1][0]: 1}
            galleries[query_id] = tuple(candidate_id for candidate_id, _ in named[1:])
    return Part(
        row=task,
        label=task,
        queries=queries,
        qrels=qrels,
        measures=success_columns(DEPTHS, asked.depth),
        depth=None,
        galleries=galleries,
    )


def _gallery(entry: Mapping[str, Any]) -> list[Any]:
    gallery = entry.get("gallery")
    if not isinstance(gallery, list) or not gallery:
        raise ConfigError(f"gallery is {gallery!r}; a list of pictures is needed")
    return gallery


def _shown(named: Any, asked: Asked) -> tuple[str, Path]:
    """(id, file) of what an entry shows: a whole picture of COCO, or a crop of Visual Genome."""
    if isinstance(named, dict) and "val_image_id" in named:
        one = number(named, "val_image_id")
        return f"coco:{one}", _first(asked.data, COCO, f"{one:012d}.jpg")
    image, box = numbered(named, "image_id"), named.get("instance_bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(type(side) in (int, float) for side in box):
        raise ConfigError(f"instance_bbox is {box!r}; [left, top, width, height] is needed")
    name = f"{image}_{'_'.join(f'{side:g}' for side in box)}"
    path = asked.work / "crops" / f"{name}.png"
    if not path.is_file():
        source = _first(asked.data, VISUAL_GENOME, f"{image}.jpg")
        made = cut(media.open_image(source), (box[0], box[1], box[2], box[3]))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            made.save(draft, format="PNG")
    return f"vg:{name}", path


def _first(data: Path, folders: tuple[str, ...], name: str) -> Path:
    found = next((data / folder / name for folder in folders if (data / folder / name).is_file()), None)
    if found is None:
        raise ConfigError(f"{name} is in none of {', '.join(folders)} of {data}. {LAYOUT}")
    return found


def cut(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The box of an object with more around it, padded with black to a square, as the makers' code cuts it.

    Args:
        image: the whole picture.
        box: left, top, width, height in pixels. Left and top go out by GROWN of the box's width and height, down to 0;
            the piece is 1 + GROWN times as wide and high as the box from there, up to the picture's edge.

    Returns:
        A square picture.
    """
    left, top, width, height = box
    left, top = max(0.0, left - GROWN * width), max(0.0, top - GROWN * height)
    right, bottom = min(image.width, left + (1 + GROWN) * width), min(image.height, top + (1 + GROWN) * height)
    corners = [round(edge) for edge in (left, top, right, bottom)]
    piece = image.crop((corners[0], corners[1], corners[2], corners[3]))
    side = max(piece.size)
    square = Image.new(piece.mode, (side, side))
    square.paste(piece, ((side - piece.width) // 2, (side - piece.height) // 2))
    return square
