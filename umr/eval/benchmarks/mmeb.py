"""MMEB's retrieval part (Jiang et al. 2024, VLM2Vec, arXiv 2410.05160): SUBSET/test-*.parquet with lists of targets.

Each query has its own candidates, of which the first is right; P@1 is the share of queries whose best one it is, and
the mean over subsets counts each once. Rows are qry_text, qry_img_path, tgt_text, tgt_img_path (and qry_inst, tgt_inst
in the later release), pictures those of images.zip. The mark <|image_1|> is taken out of the texts. A row without
qry_inst has its task sentence in qry_text, and is asked with no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from umr.errors import ConfigError
from umr.eval.benchmarks.annotations import placed
from umr.eval.benchmarks.benchmark import Asked, Benchmark, Part, success_columns
from umr.eval.benchmarks.registry import split_of
from umr.types import KIND_OF, Candidate, Content, Qrels, Query

LAYOUT = (
    "MMEB-eval's folder holds SUBSET/test-00000-of-00001.parquet, such as CIRR/, and the content of images.zip, in "
    "eval_images/, images/, MMEB/ or the folder itself"
)
#: The retrieval tasks, eight in distribution and four out of it (table 1 of the paper).
SUBSETS = (
    "VisDial",
    "CIRR",
    "VisualNews_t2i",
    "VisualNews_i2t",
    "MSCOCO_t2i",
    "MSCOCO_i2t",
    "NIGHTS",
    "WebQA",
    "FashionIQ",
    "Wiki-SS-NQ",
    "OVEN",
    "EDIS",
)
ROOTS = ("eval_images", "images", "eval_images/MMEB", "MMEB", "image-tasks", ".")
MARK = "<|image_1|>"
_ROWS = 16  # of a file in memory at a time: each has a thousand targets


def read(asked: Asked) -> Benchmark:
    """The retrieval subsets that a folder has, or one.

    Raises:
        ConfigError: a file, column or picture is missing; the layout or the place is told.
    """
    split = split_of("mmeb", asked.split)
    there = [name for name in SUBSETS if any((asked.data / name).glob(f"{split}-*.parquet"))]
    if not there:
        raise ConfigError(
            f"{asked.data} has no {split}-*.parquet of any retrieval subset ({', '.join(SUBSETS)}). {LAYOUT}"
        )
    wanted = asked.parts(there)
    candidates: list[Candidate] = []
    parts = [_part(name, split, asked, candidates) for name in wanted]
    notices = tuple(f"{name} is not there and not measured" for name in SUBSETS if name not in there)
    return Benchmark(
        name="mmeb",
        split=split,
        candidates=candidates,
        parts=parts,
        means={"mean": wanted},
        notices=notices if asked.task is None else (),
    )


def _part(subset: str, split: str, asked: Asked, candidates: list[Candidate]) -> Part:
    queries: list[Query] = []
    qrels: Qrels = {}
    galleries: dict[str, tuple[str, ...]] = {}
    known: dict[tuple[str, str], str] = {}
    pictures = _Pictures(asked.data)
    for place, row in _rows(sorted((asked.data / subset).glob(f"{split}-*.parquet"))):
        with placed(place):
            query_id = f"{subset}:{len(queries)}"
            gallery = []
            for text, image in _targets(row):
                if (text, image) not in known:
                    known[text, image] = f"{subset}:c{len(known)}"
                    content = _content(text, image, pictures)
                    candidates.append(Candidate(candidate_id=known[text, image], content=content))
                gallery.append(known[text, image])
            asked_with = _text(row["qry_img_path"], "qry_img_path")
            content = _content(_bare(_text(row["qry_text"], "qry_text")), asked_with, pictures)
            right = _content(*_targets(row)[0], pictures).modality
            queries.append(
                Query(
                    query_id=query_id,
                    content=content,
                    instruction=asked.told(_bare(_text(row.get("qry_inst"), "qry_inst")) or None),
                    target_modality=KIND_OF[right].modality,
                )
            )
            qrels[query_id], galleries[query_id] = {gallery[0]: 1}, tuple(dict.fromkeys(gallery))
    return Part(
        row=subset,
        label=subset,
        queries=queries,
        qrels=qrels,
        measures=success_columns((1,), name="P"),
        depth=None,
        kept=asked.kept,
        galleries=galleries,
    )


class _Pictures:
    """The files of the pictures: images.zip is unpacked here or there."""

    def __init__(self, data: Path) -> None:
        self.roots = [data / root for root in ROOTS]

    def __getitem__(self, place: str) -> Path:
        for number, root in enumerate(self.roots):
            if (root / place).is_file():
                if number:
                    self.roots.insert(0, self.roots.pop(number))  # the others lie there too
                return root / place
        raise ConfigError(f"the picture {place} is in none of {', '.join(ROOTS)}. {LAYOUT}")


def _rows(files: list[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, row) of parquet files, a few in memory at a time."""
    import pyarrow  # heavy, and only for this benchmark
    from pyarrow import parquet

    needed = ("qry_text", "qry_img_path", "tgt_text", "tgt_img_path")
    for path in files:
        try:
            with parquet.ParquetFile(path) as file:
                lost = [column for column in needed if column not in file.schema_arrow.names]
                if lost:
                    raise ConfigError(f"{path} has no column {', '.join(lost)}. {LAYOUT}")
                number = 0
                for batch in file.iter_batches(batch_size=_ROWS):
                    for row in batch.to_pylist():
                        number += 1
                        yield f"{path.parent.name}/{path.name}: row {number}", row
        except (OSError, pyarrow.ArrowInvalid) as error:
            raise ConfigError(f"{path} cannot be read as parquet ({error}); download it again") from error


def _targets(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(text, picture's path) of each candidate; a column that is empty stands for none of it."""
    texts, images = (_listed(row, column) for column in ("tgt_text", "tgt_img_path"))
    count = max(len(texts), len(images))
    if not count or {len(texts), len(images)} - {0, count}:
        raise ConfigError(f"tgt_text has {len(texts)} and tgt_img_path {len(images)} entries; as many are needed")
    before = _bare(_text(row.get("tgt_inst"), "tgt_inst"))
    said = [" ".join(filter(None, (before, _bare(text)))) for text in texts or [""] * count]
    return list(zip(said, images or [""] * count, strict=True))


def _listed(row: Mapping[str, Any], column: str) -> list[str]:
    """The texts of a list, "" where one is null; none where there is no list."""
    found = row[column]
    if found is not None and not isinstance(found, list):
        raise ConfigError(f"{column} is {found!r}; a list with one text for each candidate is needed")
    return [_text(one, column) for one in found or []]


def _text(value: Any, column: str) -> str:
    """A text, "" for null."""
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{column} has {value!r}; a text is needed")
    return value or ""


def _bare(text: str) -> str:
    return text.replace(MARK, "").strip()


def _content(text: str, image: str, pictures: _Pictures) -> Content:
    return Content(text=text or None, image=pictures[image] if image else None)
