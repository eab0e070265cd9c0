"""The command line: search, embed, index, evaluate, compare, info, bench. It reads arguments and prints; the work is elsewhere.

    python -m umr --help
Results go to stdout, everything else to stderr; what a person can mend is one line and exit status 2. Heavy modules are imported
by the commands that need them, so that --help is quick."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr.errors import ConfigError, UMRError

if TYPE_CHECKING:
    from umr.evaluation import Judged
    from umr.search import Searcher
    from umr.types import Encoder, Query

SEARCH_IN = ("images", "passages", "entries", "clips", "all")
DTYPES = ("float32", "bfloat16")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 with a message, or 130 after an interrupt."""
    options = parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except UMRError as error:
        return _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: nobody left to tell
        return 0
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    return 0


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    top = argparse.ArgumentParser(prog="python -m umr", description="A universal multimodal retriever.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    one = _command(commands, "search", search, "find images, passages, entries or clips with a picture, a text, or both")
    which = one.add_mutually_exclusive_group()
    which.add_argument("--encoder", metavar="NAME", help="encoder whose bundled index is searched (default: unified)")
    which.add_argument("--index", type=Path, metavar="DIR", help="an index folder; its manifest names the encoder")
    one.add_argument("--image", type=Path, metavar="FILE", help="the query's picture")
    one.add_argument("--text", help="the query's text")
    one.add_argument("--in", dest="search_in", choices=SEARCH_IN, default="all", help="what to find (default: all)")
    one.add_argument("--top", type=int, default=10, metavar="K", help="how many results, 1 to 1000 (default: 10)")
    _json(one)
    _dtype(one)

    one = _command(commands, "embed", embed, "one unit vector for each row of a jsonl")
    one.add_argument("rows", type=Path, metavar="ROWS.jsonl",
                     help='{"text"?, "image"?, "video"?, "instruction"?, "role": "query" | "candidate"} per line')  # fmt: skip
    one.add_argument("--encoder", required=True, metavar="NAME", help="a shipped name, a folder, or hub:owner/name@revision")
    one.add_argument("--out", type=Path, required=True, metavar="V.npy", help="float32 (rows, dim)")
    _dtype(one)

    one = _command(commands, "index", index, "index a folder, a jsonl or a dataset; started again, it goes on where it stopped")
    one.add_argument("source", metavar="FOLDER|ROWS.jsonl", help="also a collection folder, a saved dataset, or dataset:NAME")
    one.add_argument("--encoder", required=True, metavar="NAME", help="a shipped name, a folder, or hub:owner/name@revision")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="the index folder")
    for column in ("image", "text", "title", "id"):
        one.add_argument(f"--{column}-column", metavar="COLUMN", help=f"column of a dataset that holds the {column}")
    one.add_argument("--split", default="train", help="split of a dataset (default: train)")
    _dtype(one)

    one = _command(commands, "evaluate", evaluate, "measure an encoder on the bundled benchmark")
    one.add_argument("--encoder", default="unified", metavar="NAME", help="default: unified")
    one.add_argument("--runs", type=Path, metavar="DIR", help="write TREC run files and report.json into DIR/NAME")
    _tasks(one)
    _dtype(one)

    one = _command(commands, "compare", compare, "success@1 of two evaluated encoders, with the paired interval of the difference")
    one.add_argument("a", metavar="A", help="an encoder's name")
    one.add_argument("b", metavar="B", help="another's")
    one.add_argument("--runs", type=Path, required=True, metavar="DIR", help="what `evaluate --runs` wrote")
    _tasks(one)

    one = _command(commands, "info", info, "encoders, indexes, fingerprints, sizes; re-encodes each index's probe")
    one.add_argument("--quick", action="store_true", help="load no encoder: read the manifests only")
    _json(one)

    what = commands.add_parser("bench", help="measure speed").add_subparsers(required=True, metavar="WHAT")
    one = _command(what, "query", bench_query, "milliseconds per step of a query, p50 and p95, beside FAISS alone")
    one.add_argument("--encoder", default="unified", metavar="NAME", help="default: unified")
    one.add_argument("--task", default="it2i", help="whose queries are asked (default: it2i)")
    one.add_argument("--top", type=int, default=24, metavar="K", help="default: 24")
    one.add_argument("--repeat", type=int, default=100, metavar="N", help="queries timed (default: 100)")
    one.add_argument("--vectors", type=int, metavar="N", help="also compare with FAISS over N made-up vectors")
    _json(one)
    _dtype(one)
    return top


def search(options: argparse.Namespace) -> None:
    """`search`: a JSON array or a table."""
    query = read_query(options.text, options.image, options.search_in)
    from umr.search import DEFAULT_ENCODER, Searcher, index_folder, result_row

    if options.top < 1:
        raise ConfigError(f"--top is {options.top}; at least 1 result must be asked for")
    folder = options.index or index_folder(options.encoder or DEFAULT_ENCODER)
    outcome = Searcher.open(folder, options.dtype).search(query, options.top)
    for notice in outcome.notices:
        print(f"umr: {notice}", file=sys.stderr)
    rows = [result_row(result) for result in outcome.results]
    _print(rows, options.json, ("rank", "score", "id", "modality", "media", "text"))


def read_query(text: str | None, image: Path | None, search_in: str) -> Query:
    """The query of the command line's arguments, checked before anything is loaded. Raises ConfigError or MediaError."""
    from umr import media
    from umr.types import SEARCH_IN as targets
    from umr.types import Content, Query

    words = None if text is None else media.clean_text(text) or None
    if words is None and image is None:
        raise ConfigError("there is nothing to search for: give --image, --text, or both")
    if image is not None:
        media.open_image(image)
    return Query(query_id="cli", content=Content(text=words, image=image), target_modality=targets[search_in])


def embed(options: argparse.Namespace) -> None:
    """`embed`: vectors of the rows, in their order, written to a .npy."""
    from umr.embedding import embed_rows, read_embed_rows, write_npy

    rows = read_embed_rows(options.rows)
    vectors = embed_rows(_encoder(options.encoder, options.dtype)[0], rows)
    write_npy(options.out, vectors)
    print(f"{len(vectors)} vectors of {vectors.shape[1]} numbers in {options.out}", file=sys.stderr)


def index(options: argparse.Namespace) -> None:
    """`index`: reads, encodes, writes; says what it refused."""
    encoder, place = _encoder(options.encoder, options.dtype)
    from umr.index import build_index
    from umr.progress import Progress

    collection = _collection(options, Progress("reading"))
    for refused in collection.refused:
        print(f"refused {refused.source}: {refused.reason}", file=sys.stderr)
    manifest = build_index(encoder, collection, options.out, encoder_at=place, precision=options.dtype,
                           progress=Progress("indexing"))  # fmt: skip
    print(f"{manifest.count} indexed, {len(collection.refused)} refused, in {options.out}", file=sys.stderr)


def evaluate(options: argparse.Namespace) -> None:
    """`evaluate`: rows of the report, with --runs also the run files."""
    from umr.evaluation import COLUMNS, evaluate_all
    from umr.progress import Progress

    searcher, root = _bundled(options.encoder, options.dtype)
    runs = options.runs / searcher.encoder.name if options.runs else None
    rows = evaluate_all(searcher, root, options.task, options.split, runs, Progress("evaluating, tasks and splits:"))
    _print(rows, options.json, ("task", "split", "n", *COLUMNS, "picture_only_success@1", "text_only_success@1",
                                "vector_sum_success@1", "unimodal_wins", "ci95_success@1"))  # fmt: skip


def compare(options: argparse.Namespace) -> None:
    """`compare`: B minus A."""
    from umr.evaluation import compare_runs
    from umr.search import BUNDLED, default_root

    rows = compare_runs(default_root() / "media" / BUNDLED, options.runs / options.a, options.runs / options.b,
                        options.task, options.split)  # fmt: skip
    _print(rows, options.json, ("task", "split", "n", "a", "b", "difference", "ci95"))


def info(options: argparse.Namespace) -> None:
    """`info`: what is here and whether it holds together."""
    from umr.info import describe

    rows = describe(verify=not options.quick)
    _print(rows, options.json, ("encoder", "fingerprint", "parameters", "encoder_mib", "index", "count", "dim", "index_mib",
                                "collection", "probe"))  # fmt: skip
    broken = [f"{row['encoder']}: {row['probe']}" for row in rows if row["problem"]]
    if broken:
        raise ConfigError("; ".join(broken))


def bench_query(options: argparse.Namespace) -> None:
    """`bench query`: milliseconds."""
    from umr.bench import bench_query as timed
    from umr.bench import bench_vectors

    searcher, root = _bundled(options.encoder, options.dtype)
    rows = timed(searcher, _judged(root, options.task), options.top, options.repeat)
    if options.vectors is not None:
        rows += bench_vectors(options.vectors, searcher.encoder.dim, options.top, min(options.repeat, 50))
    _print(rows, options.json, ("step", "p50_ms", "p95_ms", "n"))


def _judged(root: Path, task: str) -> Judged:
    from umr.evaluation import load

    return load(root, task, "ind")


def _bundled(encoder: str, dtype: str) -> tuple[Searcher, Path]:
    """The searcher of a shipped encoder and the benchmark's folder."""
    from umr.search import BUNDLED, Searcher, default_root, index_folder

    return Searcher.open(index_folder(encoder), dtype), default_root() / "media" / BUNDLED


def _encoder(name: str, dtype: str) -> tuple[Encoder, str]:
    """An encoder by shipped name, folder or Hub name, and the place to find it again."""
    from umr.search import find_encoder

    place = find_encoder(name)
    from umr.encoders import load_encoder

    return load_encoder(place, dtype=dtype), place


def _collection(options: argparse.Namespace, progress: Any) -> Any:
    """The collection that `index` was given: a dataset, a jsonl, a collection folder, or a folder of files."""
    from umr.collection import CANDIDATES, POOLS, Collection

    source, path = options.source, Path(options.source)
    if source.startswith("dataset:") or (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        columns = {column: getattr(options, f"{column}_column") for column in ("image", "text", "title", "id")}
        return Collection.from_dataset(source.removeprefix("dataset:"), options.out / "files", split=options.split,
                                       progress=progress, **columns)  # fmt: skip
    if path.is_file() and path.suffix.lower() == ".jsonl":
        return Collection.from_jsonl(path, progress)
    if (path / CANDIDATES).is_file() or (path / POOLS).is_dir():
        return Collection.open(path)
    return Collection.from_folder(path, progress)


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    one.set_defaults(command=run)
    return one


def _json(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json", action="store_true", help="a JSON array on stdout instead of a table")


def _dtype(one: argparse.ArgumentParser) -> None:
    one.add_argument("--dtype", choices=DTYPES, default="float32", help="what the encoder computes in (default: float32)")


def _tasks(one: argparse.ArgumentParser) -> None:
    one.add_argument("--task", help="only this task, such as it2i")
    one.add_argument("--split", help="only this split, such as ind")
    _json(one)


def _print(rows: Sequence[Mapping[str, Any]], as_json: bool, columns: Sequence[str]) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    cells = [list(columns), *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return " to ".join(map(_cell, value))
    text = " ".join("".join(character if character.isprintable() else " " for character in str(value)).split())
    return text if len(text) <= 80 else text[:79] + "…"


def _fail(message: str, status: int = 2) -> int:
    print(f"umr: {message}", file=sys.stderr)
    return status
