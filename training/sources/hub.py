"""Triplets of a `datasets` dataset: saved by `save_to_disk`, or a name on the Hugging Face Hub. Not M-BEIR's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from training.sources.jsonl import Triplets
from training.sources.source import Example, Raw
from umr.errors import ConfigError
from umr.ingest import stored_picture
from umr.packed import is_whole, open_dataset

#: Field of a triplet -> the column that holds it, unless an option names another.
COLUMNS = ("image", "text", "target", "negatives", "instruction")


def read(source: str, media_folder: Path, options: Mapping[str, str]) -> Raw:
    """The rows of a dataset.

    Args:
        source: its folder or name.
        media_folder: pictures inside the dataset are written there under their hash.
        options: split, and the column of each field; fields of no such column are absent.

    Raises:
        ConfigError: it cannot be read as a dataset, or has no such columns or split.
        DiskFullError: a picture could not be written.
    """
    data = open_dataset(source, options.get("split", "train"))
    asked = options.get("split")
    if asked is not None and is_whole(source) and str(getattr(data, "split", None)) != asked:
        raise ConfigError(f"{source} has no splits, so none can be {asked!r}: leave split out")
    chosen = {field: options.get(field, field) for field in COLUMNS}
    columns = {field: column for field, column in chosen.items() if column in data.column_names or field in options}
    missing = [column for column in columns.values() if column not in data.column_names]
    if missing or "target" not in columns or not {"image", "text"} & set(columns):
        wanted = ", ".join(missing) or "a target, and an image or a text"
        raise ConfigError(
            f"{source} has the columns {', '.join(data.column_names)}; {wanted} is needed: name the right ones, as "
            "datasets:PATH?image=photo,text=edit,target=result"
        )
    data = data.select_columns(sorted(set(columns.values())))
    raw = Raw()
    folder = Path(source).absolute() if Path(source).is_dir() else Path.cwd()
    triplets = Triplets(raw, folder)
    for number, row in enumerate(data):
        values = {field: row[column] for field, column in columns.items()}
        raw.take(f"row {number}", partial(_examples, values, triplets, media_folder))
    return raw


def _examples(values: Mapping[str, Any], triplets: Triplets, media_folder: Path) -> Iterator[Example]:
    row = {field: value for field, value in values.items() if value is not None}
    if "image" in row:
        row["image"] = stored_picture(row["image"], media_folder)
    for field in ("target", "negatives"):
        if field in row:
            row[field] = _candidates(row[field], media_folder)
    yield triplets.example(row)


def _candidates(value: Any, media_folder: Path) -> Any:
    """The value with every picture inside the dataset as a file."""
    if isinstance(value, list):
        return [_candidates(one, media_folder) for one in value]
    if isinstance(value, Mapping) and "bytes" in value:
        return {"image": stored_picture(dict(value), media_folder)}
    return value
