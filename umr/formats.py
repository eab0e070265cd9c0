"""Readers and writers of the field's files: jsonl, TREC runs and qrels, M-BEIR queries and candidates.

Not which files a folder has (umr.query_files), not the collection (umr.collection) and not the measures; every error
names file and line.
"""

from __future__ import annotations

import gzip
import json
import lzma
import math
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from umr.disk import atomic_write
from umr.errors import ConfigError, MediaError
from umr.types import Candidate, Content, Hit, Modality, Qrels, Query, Run, Target

#: Where a folder keeps its candidates: one file, or M-BEIR's pools.
CANDIDATES = "candidates.jsonl"
POOLS = "cand_pool/local"

#: M-BEIR's task id -> (query modality, modality searched); 9 and 10 are ours, for clips.
TASKS: Mapping[int, tuple[Modality, Target]] = {
    0: ("text", "image"),
    1: ("text", "text"),
    2: ("text", "image,text"),
    3: ("image", "text"),
    4: ("image", "image"),
    5: ("image", "image,text"),
    6: ("image,text", "text"),
    7: ("image,text", "image"),
    8: ("image,text", "image,text"),
    9: ("text", "video"),
    10: ("image,text", "video"),
}

_MODALITIES: Mapping[str, Modality] = {
    "text": "text",
    "image": "image",
    "image,text": "image,text",
    "text,image": "image,text",
    "video": "video",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkQuery:
    """A query of a benchmark file with what the file says beside it.

    Attributes:
        query: what is asked.
        task: a key of TASKS, None where it is not said.
        positives: ids that are right.
        negatives: ids that the file calls wrong.
        source: where the query is from.
        exact: ids that answer it exactly, where the file grades its answers (it says so even if none does); else None.
        kept: ids with the edit made and the main facts kept, exact ones among them; None where nothing is graded.
    """

    query: Query
    task: int | None
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    source: str = ""
    exact: tuple[str, ...] | None = None
    kept: tuple[str, ...] | None = None


def read_lines(path: str | Path, strict: bool = True) -> Iterator[tuple[str, str]]:
    """(place as file:line, line) of each line that is not blank; a name in .gz or .xz is unpacked.

    Args:
        path: the file.
        strict: a file with anything that is no UTF-8 text is refused; else such a line is given, and parse_object
            refuses it alone.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = Path(path)
    try:
        opener: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
        with opener(path, "rt", encoding="utf-8-sig", errors="strict" if strict else "surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", line.rstrip("\n")
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); convert it first"
        ) from error


def parse_object(line: str, place: str) -> dict[str, Any]:
    """The JSON object of one line.

    Raises:
        ConfigError: it is none, or no UTF-8 text; the place is named.
    """
    try:
        line.encode("utf-8")
        row = json.loads(line)
    except UnicodeEncodeError as error:
        raise ConfigError(f"{place}: not UTF-8 text (from character {error.start + 1} on); convert it first") from error
    except ValueError as error:
        raise ConfigError(f"{place}: not JSON ({error}); each line must be one JSON object") from error
    except RecursionError as error:
        raise ConfigError(f"{place}: the JSON is nested too deeply to be a row") from error
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: a JSON object is needed, got {type(row).__name__}")
    return row


def read_jsonl(path: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, object) of each line.

    Raises:
        ConfigError: a line is no JSON object; its place is named.
    """
    for place, line in read_lines(path):
        yield place, parse_object(line, place)


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]], spaced: bool = False) -> None:
    """One JSON object per line, compact or with a space after each comma and colon, as M-BEIR's files are."""
    with atomic_write(path) as file:
        file.writelines(json_line(row, spaced) for row in rows)


def json_line(row: Mapping[str, Any], spaced: bool = False) -> str:
    """One object as a line of a jsonl, as write_jsonl writes it."""
    return json.dumps(row, ensure_ascii=False, separators=(", ", ": ") if spaced else (",", ":")) + "\n"


def read_qrels(path: str | Path) -> Qrels:
    """Judgements `qid 0 did relevance [task]`: M-BEIR has five fields, TREC four.

    Only relevance > 0 is kept, as UniIR does.

    Raises:
        ConfigError: a line is broken; its place is named.
    """
    qrels: Qrels = {}
    for place, line in read_lines(path):
        fields = line.split()
        if len(fields) not in (4, 5):
            raise ConfigError(f"{place}: {len(fields)} fields; `qid 0 did relevance [task]` is needed")
        try:
            relevance = int(fields[3])
        except ValueError as error:
            raise ConfigError(f"{place}: relevance is {fields[3]!r}; a whole number is needed") from error
        if relevance > 0:
            qrels.setdefault(fields[0], {})[fields[2]] = relevance
    return qrels


def read_run(path: str | Path) -> Run:
    """A TREC run `qid Q0 did rank score tag [task]`, hits in the order of their ranks; UniIR writes the seventh field.

    Raises:
        ConfigError: a line is broken, or a query lists a candidate twice.
    """
    run: Run = {}
    for place, line in read_lines(path):
        fields = line.split()
        if len(fields) not in (6, 7):
            raise ConfigError(f"{place}: {len(fields)} fields; `qid Q0 did rank score tag [task]` is needed")
        try:
            hit = Hit(fields[2], float(fields[4]), int(fields[3]))
        except ValueError as error:
            raise ConfigError(f"{place}: rank {fields[3]!r} or score {fields[4]!r} is not a number") from error
        run.setdefault(fields[0], []).append(hit)
    for query_id, hits in run.items():
        hits.sort(key=lambda hit: hit.rank)
        if len({hit.candidate_id for hit in hits}) != len(hits):
            raise ConfigError(f"{path}: query {query_id} lists a candidate twice")
    return run


def read_benchmark(folder: str | Path) -> dict[str, Any]:
    """What the builder of a rendered benchmark wrote of it in benchmark.json; {} for a collection of other makers.

    Raises:
        ConfigError: the file is not what a builder wrote.
    """
    path = Path(folder) / "benchmark.json"
    if not path.is_file():
        return {}
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not what the benchmark's builder wrote ({error}); build it again") from error
    if not isinstance(said, dict):
        raise ConfigError(f"{path} is not what the benchmark's builder wrote (no object); build it again")
    return said


def write_run(path: str | Path, run: Run, tag: str, depth: int | None = None, decimals: int = 6) -> None:
    """A TREC run.

    Args:
        path: the file, compressed where its name ends in .gz or .xz.
        run: hits by query.
        tag: the name of what made it.
        depth: hits kept of each query; None: all.
        decimals: of the scores.

    Raises:
        ConfigError: an id or the tag has spaces, which the format cannot hold.
    """
    tag = _word(tag)
    with atomic_write(path) as file:
        for query_id, hits in run.items():
            for hit in hits[:depth]:
                file.write(
                    f"{_word(query_id)} Q0 {_word(hit.candidate_id)} {hit.rank} {hit.score:.{decimals}f} {tag}\n"
                )


def write_qrels(path: str | Path, qrels: Qrels) -> None:
    """Judgements in TREC's four fields `qid 0 did relevance`, which trec_eval, ir_measures and ranx read.

    Raises:
        ConfigError: an id has spaces, which the format cannot hold.
    """
    with atomic_write(path) as file:
        for query_id, judged in qrels.items():
            for candidate_id, relevance in judged.items():
                file.write(f"{_word(query_id)} 0 {_word(candidate_id)} {relevance}\n")


def candidate_from_row(row: Mapping[str, Any], folder: Path, place: str) -> Candidate:
    """A Candidate of an M-BEIR pool row; img_path and video_path are relative to `folder`.

    Raises:
        ConfigError: a field is missing or of another type; the place is named.
        MediaError: a text or path holds a NUL.
    """
    modality, did = _modality(row.get("modality"), place), _did(row, place)
    content = _content(modality, row.get("txt"), row.get("img_path"), row.get("video_path"), folder, place)
    try:
        content = replace(content, span=span_of(row))
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
    return Candidate(
        candidate_id=did,
        content=content,
        title=_text(row, "title", place),
        source=_text(row, "src_content", place),
        licence=_text(row, "licence", place),
        content_hash=_text(row, "content_hash", place),
        duration_s=_seconds(row, "duration", place),
    )


def span_of(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """The part of a clip that a row's "start" and "end" tell, in seconds; None where it tells neither.

    Raises:
        ConfigError: one of them alone is there, or no number.
    """
    start, end = row.get("start"), row.get("end")
    if start is None and end is None:
        return None
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in (start, end)):
        raise ConfigError(f"start is {start!r} and end {end!r}; seconds of a clip are needed for both")
    return float(start or 0), float(end or 0)


def facts_of(source: str) -> dict[str, Any]:
    """The JSON object that a query's or a candidate's source is; {} for free text, as other makers have there."""
    if not source.startswith("{"):
        return {}
    try:
        found = json.loads(source)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_pool(path: str | Path) -> frozenset[str]:
    """The ids of an M-BEIR candidate pool, without the candidates."""
    return frozenset(_did(row, place) for place, row in read_jsonl(path))


def count_pool(path: str | Path) -> Counter[Modality]:
    """Modality -> how many candidates of it an M-BEIR candidate pool has, without the candidates.

    Raises:
        ConfigError: a row is broken; its place is named.
    """
    return Counter(_modality(row.get("modality"), place) for place, row in read_jsonl(path))


def read_queries(path: str | Path, folder: str | Path) -> list[BenchmarkQuery]:
    """M-BEIR query rows; picture paths are relative to `folder`. Lists hold ids or {"did": id} items: both are read.

    The target modality comes from task_id; without it, it is "all" and left to the caller.

    Raises:
        ConfigError: a row is broken; its place is named.
    """
    folder, queries, seen = Path(folder), [], set()
    for place, row in read_jsonl(path):
        found = query_from_row(row, folder, place)
        query_id = found.query.query_id
        if query_id in seen:
            raise ConfigError(f"{place}: qid is {query_id!r}; a text that no other row has is needed")
        seen.add(query_id)
        queries.append(found)
    return queries


def query_from_row(row: Mapping[str, Any], folder: Path, place: str) -> BenchmarkQuery:
    """The query of one M-BEIR row, as read_queries reads it.

    Raises:
        ConfigError: a field is missing or of another type; the place is named.
        MediaError: a text or path holds a NUL.
    """
    query_id, task = row.get("qid"), row.get("task_id")
    if not isinstance(query_id, str) or not query_id:
        raise ConfigError(f"{place}: qid is {query_id!r}; a text that no other row has is needed")
    if task is not None and (type(task) is not int or task not in TASKS):
        raise ConfigError(f"{place}: task_id is {task!r}; legal: {', '.join(map(str, TASKS))}")
    modality = _modality(row.get("query_modality"), place)
    content = _content(
        modality, row.get("query_txt"), row.get("query_img_path"), row.get("query_video_path"), folder, place
    )
    return BenchmarkQuery(
        query=Query(query_id=query_id, content=content, target_modality="all" if task is None else TASKS[task][1]),
        task=task,
        positives=_ids(row, "pos_cand_list", place),
        negatives=_ids(row, "neg_cand_list", place),
        source=_text(row, "query_src_content", place),
        exact=_ids(row, "exact", place) if "exact" in row else None,
        kept=_ids(row, "edit_made_facts_kept", place) if "edit_made_facts_kept" in row else None,
    )


def _did(row: Mapping[str, Any], place: str) -> str:
    did = row.get("did")
    if not isinstance(did, str) or not did:
        raise ConfigError(f"{place}: did is {did!r}; a text is needed")
    return did


def _word(value: str) -> str:
    if not value or any(character.isspace() for character in value):
        raise ConfigError(f"{value!r} cannot stand in a TREC file, whose fields are split at spaces; rename it")
    return value


def _modality(value: Any, place: str) -> Modality:
    if not isinstance(value, str) or value not in _MODALITIES:
        raise ConfigError(f"{place}: modality is {value!r}; legal: {', '.join(_MODALITIES)}")
    return _MODALITIES[value]


def _text(row: Mapping[str, Any], key: str, place: str) -> str:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{place}: {key} is {type(value).__name__}; a text or null is needed")
    return value or ""


def _seconds(row: Mapping[str, Any], key: str, place: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigError(f"{place}: {key} is {value!r}; seconds above 0, or null, are needed")
    return float(value)


def _ids(row: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = row.get(key)
    items = (
        [item.get("did") if isinstance(item, dict) else item for item in value] if isinstance(value, list) else value
    )
    if items is None:
        return ()
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ConfigError(f'{place}: {key} must be a list of ids or of {{"did": id}}')
    return tuple(items)


def _content(modality: Modality, text: Any, image: Any, video: Any, folder: Path, place: str) -> Content:
    """The parts that the modality names; others are ignored, as M-BEIR leaves them empty. A missing one is an error."""
    parts: dict[str, Any] = {
        "text": text if "text" in modality else None,
        "image": image if "image" in modality else None,
        "video": video if modality == "video" else None,
    }
    needed = modality.split(",")
    for key in needed:
        value = parts[key]
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{place}: modality is {modality}, but its {key} is {value!r}")
        if "\0" in value:
            raise MediaError(f"{place}: the {key} contains a NUL character; remove it")
    files = {key: Path(os.path.normpath(folder / parts[key])) for key in ("image", "video") if parts[key]}
    return Content(text=parts["text"], image=files.get("image"), video=files.get("video"))
