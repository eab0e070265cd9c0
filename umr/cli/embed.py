"""Rows of mixed queries and candidates to vectors, for scripts (`umr embed`). Not the encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from umr import media
from umr.errors import ConfigError, UMRError
from umr.formats import read_jsonl
from umr.ingest import resolve
from umr.types import Candidate, Content, Encoder, Query

_FIELDS = ("text", "image", "video", "instruction", "role")


def read_embed_rows(path: str | Path) -> list[Query | Candidate]:
    """Rows {"text"?, "image"?, "video"?, "instruction"?, "role": "query" | "candidate"}.

    Args:
        path: a jsonl; paths in it are relative to it.

    Raises:
        ConfigError: a row, named by file and line, is none; every one must be embeddable, as a vector's place is its
            line.
        MediaError: its picture or clip is not there.
    """
    path, rows = Path(path), []
    for place, row in read_jsonl(path):
        try:
            rows.append(_row(row, place, path.absolute().parent))
        except UMRError as error:
            raise type(error)(f"{place}: {error}") from error
    if not rows:
        raise ConfigError(f"{path} has no row to embed")
    return rows


def embed_rows(encoder: Encoder, rows: list[Query | Candidate]) -> np.ndarray:
    """Unit vectors (N, D) float32 in the order of the rows.

    A query without instruction gets the trained one for "all", and none where it shows a clip and none was trained.
    """
    vectors = np.zeros((len(rows), encoder.dim), np.float32)
    queries = {place: row for place, row in enumerate(rows) if isinstance(row, Query)}
    candidates = {place: row for place, row in enumerate(rows) if isinstance(row, Candidate)}
    if queries:
        vectors[list(queries)] = encoder.encode_queries(list(queries.values())).vectors
    if candidates:
        vectors[list(candidates)] = encoder.encode_candidates(list(candidates.values())).vectors
    return vectors


def cut_notice(encoder: Encoder, contents: Iterable[Content]) -> list[str]:
    """One line where texts are longer than the encoder reads: how many of them, and the limit."""
    dropped = [encoder.dropped_tokens(content) for content in contents if content.text is not None]
    cut = sum(count > 0 for count in dropped)
    said = f"{cut} of {len(dropped)} texts were cut: {encoder.name} reads the first {encoder.max_tokens} tokens"
    return [said] if cut else []


def embed_notices(encoder: Encoder, rows: list[Query | Candidate]) -> list[str]:
    """What a person should know about how the rows were read: texts cut, clips asked without an instruction."""
    bare = sum(isinstance(row, Query) and encoder.uninstructed(row) for row in rows)
    asked = f"{bare} queries with a clip were asked without an instruction, as {encoder.name} was trained with none"
    return cut_notice(encoder, (row.content for row in rows)) + ([f"{asked} for them"] if bare else [])


def _row(row: Mapping[str, Any], row_id: str, folder: Path) -> Query | Candidate:
    unknown = sorted(set(row) - set(_FIELDS))
    if unknown:
        raise ConfigError(f"unknown fields {', '.join(unknown)}; known: {', '.join(_FIELDS)}")
    for key in _FIELDS:
        if row.get(key) is not None and not isinstance(row[key], str):
            raise ConfigError(f"{key} is {type(row[key]).__name__}; a text is needed")
    if row.get("role") not in ("query", "candidate"):
        raise ConfigError(f'role is {row.get("role")!r}; "query" or "candidate" is needed')
    text = media.clean_text(row["text"]) or None if row.get("text") else None
    given = {key: row[key] for key in ("image", "video") if row.get(key)}
    files = {key: media.existing(resolve(path, folder), name=path) for key, path in given.items()}
    content = Content(text=text, image=files.get("image"), video=files.get("video"))
    if row["role"] == "query":
        return Query(query_id=row_id, content=content, instruction=media.clean_text(row.get("instruction") or ""))
    if row.get("instruction"):
        raise ConfigError("a candidate carries no instruction; leave it out, or make the row a query")
    return Candidate(candidate_id=row_id, content=content)
