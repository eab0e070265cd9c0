"""Rows of mixed queries and candidates to vectors, for scripts (`umr embed`). Not the encoder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from umr import media
from umr.errors import ConfigError, UMRError
from umr.formats import read_jsonl
from umr.ingest import resolve
from umr.types import Candidate, Content, Encoder, Query

_FIELDS = ("text", "image", "video", "instruction", "role")


def read_embed_rows(path: str | Path) -> list[Query | Candidate]:
    """Rows {"text"?, "image"?, "video"?, "instruction"?, "role": "query" | "candidate"}; paths are relative to the
    file.

    Raises ConfigError or MediaError naming file and line; every row must be embeddable, as a vector's place is its
    line."""
    path, rows = Path(path), []
    for place, row in read_jsonl(path):
        try:
            rows.append(_row(row, str(len(rows)), path.absolute().parent))
        except UMRError as error:
            raise type(error)(f"{place}: {error}") from error
    if not rows:
        raise ConfigError(f"{path} has no row to embed")
    return rows


def embed_rows(encoder: Encoder, rows: list[Query | Candidate]) -> np.ndarray:
    """Unit vectors (N, D) float32 in the order of the rows. A query without instruction gets the trained one for
    "all"."""
    vectors = np.zeros((len(rows), encoder.dim), np.float32)
    for kind, encode in ((Query, encoder.encode_queries), (Candidate, encoder.encode_candidates)):
        places = [place for place, row in enumerate(rows) if isinstance(row, kind)]
        if places:
            vectors[places] = encode([rows[place] for place in places]).vectors
    return vectors


def write_npy(path: str | Path, vectors: np.ndarray) -> None:
    """Write a .npy that replaces `path` only once it is whole."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            np.save(file, vectors)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _row(row: dict, row_id: str, folder: Path) -> Query | Candidate:
    unknown = sorted(set(row) - set(_FIELDS))
    if unknown:
        raise ConfigError(f"unknown fields {', '.join(unknown)}; known: {', '.join(_FIELDS)}")
    for key in _FIELDS:
        if row.get(key) is not None and not isinstance(row[key], str):
            raise ConfigError(f"{key} is {type(row[key]).__name__}; a text is needed")
    if row.get("role") not in ("query", "candidate"):
        raise ConfigError(f'role is {row.get("role")!r}; "query" or "candidate" is needed')
    text = media.clean_text(row["text"]) or None if row.get("text") else None
    files = {key: resolve(row[key], folder) if row.get(key) else None for key in ("image", "video")}
    content = Content(text=text, **files)
    if row["role"] == "query":
        return Query(query_id=row_id, content=content, instruction=media.clean_text(row.get("instruction") or ""))
    if row.get("instruction"):
        raise ConfigError("a candidate carries no instruction; leave it out, or make the row a query")
    return Candidate(candidate_id=row_id, content=content)
