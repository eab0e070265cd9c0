"""The commands of `python -m umr`: they read arguments and print; the work is elsewhere, the grammar in umr.cli.parser.

Results go to stdout, everything else to stderr; what a person can mend is one line and exit status 2. Heavy modules
are imported by the commands that need them, so that --help is quick.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr.cli.index_parser import WORDS, as_one_word
from umr.cli.parser import parser
from umr.cli.progress import say
from umr.errors import ConfigError, MismatchError, UMRError, in_words, printable

if TYPE_CHECKING:
    from umr.encoders.dual_config import AnyConfig
    from umr.eval.evaluate import Judged, Ranking
    from umr.rerank.order import Reordering
    from umr.search import DecodedQuery, Searcher
    from umr.types import Encoder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words of the command line; None: those of this process.

    Returns:
        The exit status: 0, 2 with a message, or 130 after an interrupt.
    """
    options = parser().parse_args(as_one_word(sys.argv[1:] if arguments is None else arguments))
    commands = {
        "search": search,
        "embed": embed,
        **dict.fromkeys(("index", *(f"index {word}" for word in WORDS)), index),
        "evaluate": evaluate,
        "rerank": rerank,
        "compare": compare,
        "report": report,
        "diagnose": diagnose,
        "drift": drift,
        "info": info,
        "models": models,
        "demo": demo,
        "adopt": adopt,
        "export": export,
        "push": push,
        "bench query": bench_query,
        "bench rerank": bench_rerank,
        "bench load": bench_load,
        "bench page": bench_page,
        "deploy space": deploy_space,
    }
    try:
        commands[options.command](options)
        sys.stdout.flush()
    except UMRError as error:
        return _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: nobody left to tell
        return 0
    except OSError as error:
        return _fail(in_words(error))
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    return 0


def search(options: argparse.Namespace) -> None:
    """`search`: a JSON array or a table."""
    text = " ".join(options.words) if options.text is None else options.text
    query = read_query(text, options.image, options.search_in, options.clip)
    from umr.search import of_unlike_picture, result_row
    from umr.shipped import DEFAULT_ENCODER, index_folder

    if options.k < 1:
        raise ConfigError(f"--top is {options.k}; at least 1 result must be asked for")
    folder = options.index or index_folder(options.encoder or DEFAULT_ENCODER)
    order = _reordering(options)
    searcher = _searcher(folder, options.dtype)
    if options.nprobe is not None:
        searcher.index.nprobe = options.nprobe
    outcome = searcher.search(query, options.k) if order is None else order.search(searcher, query, options.k)
    outcome = of_unlike_picture(outcome, _of_picture(folder, searcher, query))
    _say(outcome.notices)
    rows = [result_row(result) for result in outcome.results]
    moments = ("moments",) if any("moments" in row for row in rows) else ()
    _print(rows, options.json, ("rank", "score", "match", "id", "modality", "media", *moments, "text"))


def _reordering(options: argparse.Namespace) -> Reordering | None:
    """The re-ranker of --rerank; None without it, where nothing may be said of one."""
    if options.rerank is None:
        if options.weight is not None or (options.depth is not None and options.command == "search"):
            raise ConfigError("--weight and --depth are of the re-ranker: give --rerank too")
        return None
    from umr.cli.rerank import reordering

    return reordering(options)


def rerank(options: argparse.Namespace) -> None:
    """`rerank`: what was done, in one row."""
    from umr.cli.rerank import rerank as reranked

    rows = reranked(options)
    _print(rows, options.json, tuple(rows[0]))


def _of_picture(folder: Path, searcher: Searcher, query: DecodedQuery) -> tuple[str, ...]:
    """What is said of the query's picture: that it is unlike the encoder's training."""
    from umr.eval.familiar import PictureCheck

    check = None if query.query.content.image is None else PictureCheck.open(folder, searcher)
    return () if check is None else check.notices(query)


def read_query(text: str | None, image: Path | None, search_in: str, clip: Path | None = None) -> DecodedQuery:
    """The query of the command line's arguments, read before anything is loaded.

    Raises:
        ConfigError: there is nothing to search for.
        MediaError: the picture or the text cannot be read, or there is no such clip.
    """
    from umr.search import decode
    from umr.types import SEARCH_IN, Content, Query

    if image is None and clip is None and not (text or "").strip():
        raise ConfigError("there is nothing to search for: give --image or --clip, a text, or both")
    if image is not None and image.is_dir():
        raise ConfigError(f"{image} is a folder; give the file of a picture")
    if clip is not None and clip.is_dir():
        raise ConfigError(f"{clip} is a folder; give the file of a clip")
    content = Content(text=text, image=image, video=clip)
    query = Query(query_id="cli", content=content, target_modality=SEARCH_IN[search_in])
    return decode(query, picture_name=None if image is None else str(image))


def embed(options: argparse.Namespace) -> None:
    """`embed`: vectors of the rows, in their order, written to a .npy."""
    from umr.arrays import npy_target, write_npy
    from umr.cli.embed import embed_notices, embed_rows, read_embed_rows

    out, rows = npy_target(options.out), read_embed_rows(options.rows)
    encoder = _encoder(options.encoder, options.dtype)[0]
    vectors = embed_rows(encoder, rows)
    write_npy(out, vectors)
    _say(embed_notices(encoder, rows))
    print(f"{len(vectors)} vectors of {vectors.shape[1]} numbers in {out}", file=sys.stderr)


def index(options: argparse.Namespace) -> None:
    """`index` and its sub-commands, which umr.cli.index does."""
    from umr.cli.index import DONE

    DONE[options.command](options)


def evaluate(options: argparse.Namespace) -> None:
    """`evaluate`: rows of the report, with --runs also the run files; with --tune-vector-sum the weights instead."""
    from umr.cli.benchmark import check_bundled
    from umr.cli.progress import Progress
    from umr.eval.evaluate import evaluate_all
    from umr.eval.pools import BOTH, matching
    from umr.eval.reports import RERANKED, reports_folder
    from umr.eval.scores import COLUMNS, KEPT, OVER_SUM, SINGLE
    from umr.eval.store import store

    if options.benchmark is not None or options.data is not None:
        _evaluate_benchmark(options)
        return
    check_bundled(options)
    if options.runs and options.store:
        raise ConfigError("--runs and --store write the same runs to two places; give one of them")
    if options.index and options.store:
        raise ConfigError("--store is for the bundled benchmark, which the page shows; give --runs with --index")
    if options.tune_vector_sum is not None or options.pooling is not None:
        (_pooling if options.pooling is not None else _tune_vector_sum)(options)
        return
    ranking, reranked = _ranking(options)
    searcher, root = (
        _opened(options.index, options.dtype) if options.index else _bundled(options.encoder, options.dtype)
    )
    runs = options.runs / f"{searcher.encoder.name}{reranked}" if options.runs else None
    jobs, progress = (
        matching(root, options.task, options.split, options.pool or BOTH),
        Progress("evaluating, tasks and splits:"),
    )
    if options.store:
        folder = reports_folder(options.encoder)
        rows = store(searcher, root, folder / RERANKED if reranked else folder, jobs, progress, ranking)
    else:
        rows = evaluate_all(searcher, root, jobs, runs, progress, ranking)
    columns = ("task", "split", "pool", "n", "groups", *COLUMNS, *SINGLE, "vector_sum_weight", "unimodal_wins")
    graded = (KEPT, "exact_share") if any(KEPT in row for row in rows) else ()
    columns = (*columns, "ci95_success@1", *OVER_SUM, *graded, *(("rerank",) if reranked else ()))
    _print(rows, options.json, columns)
    _say_means(rows)
    _say(
        f"{row['task']} {row['split']} {row['pool']}: {row['unreachable']} judgements name candidates of another data "
        "set, which are not among those searched; they are left out"
        for row in rows
        if "unreachable" in row
    )


def _evaluate_benchmark(options: argparse.Namespace) -> None:
    """`evaluate --benchmark`: rows of a published benchmark; with --runs also runs, judgements and submissions."""
    from umr.cli.benchmark import check, evaluated
    from umr.cli.index import dtype_of

    check(options)
    order = _reordering(options)
    asked = argparse.Namespace(**(vars(options) | {"dtype": dtype_of(options.dtype, options.encoder)}))
    encoder, place = _encoder(asked.encoder, asked.dtype)
    rows, columns, notices = evaluated(asked, encoder, place, order)
    _print(rows, options.json, columns)
    _say(notices)


def _ranking(options: argparse.Namespace) -> tuple[Ranking, str]:
    """How `evaluate` ranks the composed queries, and what that adds to the name of a folder of runs."""
    from umr.eval.evaluate import Ranking
    from umr.eval.measures import DEPTH

    if options.store and options.rerank is None and options.depth is not None:
        raise ConfigError("--store keeps what the page shows, ten hits of a query; give --runs with --depth")
    order = _reordering(options)
    if order is None:
        return Ranking(depth=DEPTH if options.depth is None else options.depth), ""
    depth = max(DEPTH, order.depth)
    return Ranking(depth=depth, reorder=order, reordered_by=order.told()), f"+{order.reranker.name}"


def _say_means(rows: Sequence[Mapping[str, Any]]) -> None:
    """The mean over the tasks in distribution, in each pool; nothing where there is no more than one task."""
    from umr.eval.scores import pool_means

    means = {pool: found for pool, found in pool_means(rows).items() if found[1] > 1}
    said = (f"{pool} pool {100 * mean:.1f} ({tasks} tasks)" for pool, (mean, tasks) in means.items())
    if means:
        print(f"mean success@1 of the tasks in distribution, %: {', '.join(said)}", file=sys.stderr)


def _tune_vector_sum(options: argparse.Namespace) -> None:
    """`evaluate --tune-vector-sum`: writes the weights; prints what they are worth on the validation queries."""
    from umr.cli.progress import Progress
    from umr.eval.tuning import rows, tune
    from umr.eval.vector_sum import write_weights

    if not options.index or options.runs or options.store or options.task or options.split or options.pool:
        raise ConfigError(
            "--tune-vector-sum needs --index with an index of validation queries, and takes no --runs, --store, "
            "--task, --split or --pool: one weight is chosen for each task, on its ind queries"
        )
    searcher, root = _opened(options.index, options.dtype)
    weights = tune(searcher, root, Progress("choosing weights, tasks:"))
    print(f"written: {write_weights(weights, options.tune_vector_sum)}", file=sys.stderr)
    found = rows(weights)
    _print(found, options.json, tuple(found[0]))


def _pooling(options: argparse.Namespace) -> None:
    """`evaluate --pooling`: writes what pooling over the instruction costs, and prints it."""
    from umr.cli.progress import Progress
    from umr.disk import check_target
    from umr.encoders.pooled_over import write_pooled
    from umr.eval.pooling import TASKS, measure, rows

    given = [f"--{name}" for name in ("runs", "split", "pool", "rerank") if getattr(options, name) is not None]
    given += [f"--{name}" for name in ("store", "tune-vector-sum") if getattr(options, name.replace("-", "_"))]
    if given:
        raise ConfigError(f"--pooling asks the ind queries in their local pool, and takes no {', '.join(given)}")
    check_target(options.pooling)
    searcher, root = (
        _opened(options.index, options.dtype) if options.index else _bundled(options.encoder, options.dtype)
    )
    measured = measure(searcher, root, (options.task,) if options.task else TASKS, Progress("asking, tasks:"))
    print(f"written: {write_pooled(measured, options.pooling)}", file=sys.stderr)
    found = rows(measured)
    _print(found, options.json, tuple(found[0]))


def compare(options: argparse.Namespace) -> None:
    """`compare`: B minus A."""
    from umr.collection import Collection
    from umr.eval.evaluate import compare_runs
    from umr.eval.reports import read_report, reports_folder
    from umr.shipped import BUNDLED, default_root

    a, b = (options.runs / name if options.runs else reports_folder(name) for name in (options.a, options.b))
    asked = options.data or default_root() / "media" / BUNDLED
    collection = Collection.open(asked).fingerprint
    for folder in (a, b):
        if read_report(folder)["collection"] != collection:
            raise MismatchError(f"{folder} holds runs over another collection than {asked}: name theirs with --data")
    rows = compare_runs(asked, a, b, options.task, options.split, options.pool)
    _print(rows, options.json, ("task", "split", "pool", "n", "groups", "a", "b", "difference", "ci95", "p", "p_holm"))


def report(options: argparse.Namespace) -> None:
    """`report`: one HTML file."""
    from umr.disk import atomic_write
    from umr.shipped import index_folder
    from umr.ui.report.build import Asked
    from umr.ui.report.build import report as built

    if options.out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out is {options.out}; the report is an HTML file, so name it FILE.html")
    a, b = ((name, index_folder(name)) for name in (options.a, options.b))
    page = built(Asked(a=a, b=b, count=options.examples, seed=options.seed))
    with atomic_write(options.out) as file:
        file.write(page)
    print(f"written: {options.out} ({len(page.encode()) / 1e6:.1f} MB)", file=sys.stderr)


def diagnose(options: argparse.Namespace) -> None:
    """`diagnose`: the summary; with --out also the value of every query."""
    from umr.eval import diagnosis

    searcher, root = _bundled(options.encoder, options.dtype)
    made = diagnosis.diagnose(searcher, root, options.task, options.split)
    if options.out is not None:
        print(f"written: {diagnosis.write_diagnosis(options.out, made)}", file=sys.stderr)
    row = {"task": made.task, "split": made.split, **made.summary}
    _print([row], options.json, tuple(row))


def drift(options: argparse.Namespace) -> None:
    """`drift`: writes the calibration; prints the share of false alarms and of detections."""
    from umr.eval import ood as measured
    from umr.shipped import index_folder

    searcher, root = _bundled(options.encoder, None)
    made = measured.calibrate(searcher, root, command=f"python -m umr drift --encoder {options.encoder}")
    print(f"written: {measured.write_calibration(made, index_folder(options.encoder))}", file=sys.stderr)
    _print(measured.rows(made), options.json, ("kind", "shown", "n", "over"))


def info(options: argparse.Namespace) -> None:
    """`info`: what is here and whether it holds together."""
    from umr.cli.info import ONE_NETWORK, RERANKER, describe

    rows = describe(verify=not options.quick)
    columns: tuple[str, ...] = (
        "encoder",
        "fingerprint",
        "parameters",
        "encoder_mib",
        "index",
        "count",
        "dim",
        "index_mib",
        "collection",
    )
    columns = (*(("kind",) if any(row["kind"] == RERANKER for row in rows) else ()), *columns)
    summed = any(row["composition"] not in (None, ONE_NETWORK) for row in rows)
    _print(rows, options.json, (*columns, *(("composition",) if summed else ()), "probe"))
    broken = [f"{row['encoder']}: {row['probe']}" for row in rows if row["problem"]]
    if broken:
        raise ConfigError("; ".join(broken))


def models(options: argparse.Namespace) -> None:
    """`models`: a row each; the table is short where JSON is whole."""
    from umr.models.listing import listing, shown

    rows = listing()
    _print(rows if options.json else [*map(shown, rows)], options.json, tuple(shown(rows[0])))


def demo(options: argparse.Namespace) -> None:
    """`demo`: the page over a folder, with models that are downloaded and indexes that are built first."""
    from umr.cli.demo import searchers
    from umr.ui.layout.heap import share_heaps
    from umr.ui.layout.serve import start

    share_heaps()
    start(options, lambda: searchers(options))


def adopt(options: argparse.Namespace) -> None:
    """`adopt`: writes the encoder's folder, or a re-ranker's; says that it is not trained, or how it composes."""
    from umr.encoders.adopt import FRAMES, adopt_adapter, adopt_summed
    from umr.encoders.adopt import adopt as adopted
    from umr.encoders.config import EncoderConfig
    from umr.encoders.dual_config import DualConfig
    from umr.encoders.duals import pictures_seen
    from umr.models.ready import at_commit
    from umr.rerank.adopt import adopt_reranker, known_recipes
    from umr.whole import check_absent

    check_absent(options.out)
    if options.base is not None and (options.recipe in known_recipes() or options.text_weight is not None):
        raise ConfigError("--base is of adapters to encoders: leave out it, --text-weight or a re-ranker's recipe")
    source = at_commit(options.source, say)
    if options.recipe in known_recipes():
        sizes = {"max_frames": options.max_frames, "max_pixels": options.max_pixels}
        made = adopt_reranker(source, options.out, options.recipe, options.name, **sizes)
        _say([f"{made.name} in {options.out}: a re-ranker, used by --rerank {options.out}"])
        return
    sizes = {"image_size": options.image_size, "max_frames": options.max_frames, "max_pixels": options.max_pixels}
    config: AnyConfig
    if options.base is not None:
        base = at_commit(options.base, say)
        config = adopt_adapter(source, base, options.out, options.name, options.recipe, **sizes)
    elif options.text_weight is None:
        config = adopted(source, options.out, options.name, recipe=options.recipe, **sizes)
    elif (options.image_size, options.max_pixels, options.recipe) != (None, None, "plain"):
        raise ConfigError("--text-weight is of dual encoders, which take no --image-size, --max-pixels and --recipe")
    else:
        frames = FRAMES if options.max_frames is None else options.max_frames
        config = adopt_summed(source, options.out, options.name, frames, options.text_weight)
    said = [f"{config.name} in {options.out}: vectors of {config.dim} numbers, "]
    if not isinstance(config, EncoderConfig):
        own = "pictures as its own processor makes them"
        said[0] += pictures_seen(config) if isinstance(config, DualConfig) else own
        said.append(f"composition: {config.composition}")
    elif config.resize == "square":
        said[0] += f"pictures of {config.image_size} px"
    else:
        said[0] += f"pictures of up to {config.resize_max_pixels} pixels in their own shape"
    if isinstance(config, EncoderConfig) and options.recipe == "plain":
        square = config.resize == "square"
        recipe = "unified" if square else "finetune --data KIND:PATH"
        command = f"`python -m training.train {recipe} --init {options.out}` fine-tunes it"
        worlds = "" if square else " on data of yours; for a rendered world adopt it with --image-size of that world"
        said.append(f"not trained for retrieval yet: {command}{worlds}")
    _say(said)


def export(options: argparse.Namespace) -> None:
    """`export`: writes the folder; says how it is opened."""
    from umr.encoders.interop import MASKED_FILE
    from umr.export.modules import export as exported
    from umr.models.ready import found
    from umr.whole import check_absent

    check_absent(options.out)
    measured = None
    if options.index is not None:
        from umr.eval.pooling import measure

        measured = measure(*_opened(options.index, None))
    config = exported(found(options.encoder, None, say)[0], options.out, measured)
    trust = ", trust_remote_code=True" if (options.out / MASKED_FILE).is_file() else ""
    opened = f'SentenceTransformer("{options.out}"{trust})'
    _say([f"{config.name} in {options.out}: vectors of {config.dim} numbers, opened with `{opened}`"])


def push(options: argparse.Namespace) -> None:
    """`push`: the files with their sizes; without --dry-run they are uploaded first."""
    from umr.encoders.hub import repository
    from umr.export.push import contents, size
    from umr.export.push import push as pushed
    from umr.models.ready import found
    from umr.shipped import HUB

    name = repository(options.repository)
    if options.encoder.startswith(HUB):
        raise ConfigError(f"{options.encoder} lies on the Hub already; give a shipped name or an encoder folder")
    files = contents(found(options.encoder, None, say)[0], options.reports)
    if not options.dry_run:
        _say([f"uploaded: {pushed(files, name, options.private)}"])
    _print([{"file": path, "bytes": size(file)} for path, file in files.items()], options.json, ("file", "bytes"))
    total = sum(map(size, files.values())) / 1e6
    _say([f"{len(files)} files, {total:.1f} MB{', nothing was uploaded' if options.dry_run else ''}"])


def bench_query(options: argparse.Namespace) -> None:
    """`bench query`: milliseconds."""
    from umr.bench.latency import bench_query as timed
    from umr.bench.latency import bench_vectors
    from umr.eval.familiar import PictureCheck
    from umr.shipped import index_folder

    searcher, root = _bundled(options.encoder, options.dtype)
    check = PictureCheck.open(index_folder(options.encoder), searcher)
    rows = timed(searcher, _judged(root, options.task), options.k, options.repeat, check)
    if options.vectors is not None:
        rows += bench_vectors(options.vectors, searcher.encoder.dim, options.k, min(options.repeat, 50))
    _print(rows, options.json, ("step", "p50_ms", "p95_ms", "n"))


def bench_rerank(options: argparse.Namespace) -> None:
    """`bench rerank`: candidates per second of both ways, and their ratio."""
    from umr.bench.rerank import bench_rerank as timed
    from umr.cli.rerank import brought
    from umr.shipped import BUNDLED, HUB, default_root

    judged = _judged(default_root() / "media" / BUNDLED, options.task)
    where = str(brought(options.reranker)) if options.reranker.startswith(HUB) else options.reranker
    rows = timed(judged, where, options.depth, options.repeat)
    _print(rows, options.json, tuple(rows[0]))


def bench_load(options: argparse.Namespace) -> None:
    """`bench load`: one row, or one for each page; an error, a mix-up or a leak is a failure."""
    from umr.bench.crowd import Company, bench_crowd, failures
    from umr.bench.load_test import bench_beside
    from umr.bench.load_test import bench_load as loaded
    from umr.shipped import BUNDLED, default_root

    company = Company(idle=options.idle, slow=options.slow, leaving=options.leaving, own=options.own)
    if options.beside and options.url:
        raise ConfigError("--beside starts the pages that it compares: leave --url out")
    if options.beside and any(company.asked.values()):
        raise ConfigError("--beside compares searches alone: leave --idle, --slow, --leaving and --own out")
    judged = _judged(default_root() / "media" / BUNDLED, options.task)
    if options.beside:
        rows = bench_beside(judged, options.users, options.seconds, options.beside, options.plain)
    elif any(company.asked.values()):
        rows = [bench_crowd(judged, options.users, options.seconds, company, options.url)]
    else:
        rows = [loaded(judged, options.users, options.seconds, options.url, options.plain)]
    _print(rows, options.json, tuple(rows[0]))
    if said := [failure for row in rows for failure in failures(row)]:
        raise ConfigError("; ".join(said))


def bench_page(options: argparse.Namespace) -> None:
    """`bench page`: milliseconds beside what is wanted."""
    from umr.bench.page import COLUMNS
    from umr.bench.page import bench_page as timed
    from umr.shipped import BUNDLED, default_root

    rows = timed(_judged(default_root() / "media" / BUNDLED, options.task), options.repeat, options.url)
    _print(rows, options.json, COLUMNS)


def deploy_space(options: argparse.Namespace) -> None:
    """`deploy space`: every file with its bytes, then the Space's address, which is not there after a dry run."""
    from umr.cli.rerank import brought
    from umr.deploy.files import check_folder
    from umr.deploy.hardware import hardware
    from umr.deploy.space import plan_space
    from umr.deploy.upload import spaces_folder, upload

    again = None if options.reranker is None else brought(options.reranker, opened=False)
    space = plan_space(options.name, hardware(options.hardware), options.encoder, options.index, again)
    folder = options.out or spaces_folder(space.name)
    check_folder(folder)
    rows = [{"bytes": file.size, "path": file.path} for file in space.files]
    if options.dry_run or options.json:
        _print(rows, options.json, ("bytes", "path"))
    total = f"{len(rows):,} files, {space.size / 2**20:.1f} MiB, for {space.hardware.flavour}"
    if options.dry_run:
        _say([f"{space.name}: {total}; nothing was sent"])
        return
    _say([f"{space.name}: {total}; built in {folder}"])
    address = upload(space, folder, private=True if options.private else None)
    _say([f"{space.name} is at {address}"])


def _judged(root: Path, task: str) -> Judged:
    from umr.eval.evaluate import load

    return load(root, task, "ind")


def _searcher(index: Path, dtype: str | None) -> Searcher:
    """The searcher of an index folder, in its own precision for None; another one that is asked for is said."""
    from umr.search import Searcher

    searcher = Searcher.open(index, dtype)
    built = searcher.index.manifest.precision
    if dtype not in (None, built):
        _say(
            [
                f"{index} was built in {built}, and --dtype {dtype} encodes its queries otherwise: scores differ a "
                f"little; leave --dtype out to have them in {built}"
            ]
        )
    return searcher


def _bundled(encoder: str, dtype: str | None) -> tuple[Searcher, Path]:
    """The searcher of a shipped encoder and the benchmark's folder."""
    from umr.shipped import BUNDLED, default_root, index_folder

    return _searcher(index_folder(encoder), dtype), default_root() / "media" / BUNDLED


def _opened(index: Path, dtype: str | None) -> tuple[Searcher, Path]:
    """The searcher of an index folder and the folder of its collection, which may hold queries."""
    searcher = _searcher(index, dtype)
    return searcher, index / searcher.index.manifest.collection_at


def _encoder(name: str, dtype: str) -> tuple[Encoder, str]:
    from umr.cli.index import found_encoder

    return found_encoder(name, dtype)


def _print(rows: Sequence[Mapping[str, Any]], as_json: bool, columns: Sequence[str]) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    cells = [list(columns), *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _say(notices: Iterable[str]) -> None:
    for notice in notices:
        say(notice)


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
    print(f"umr: {printable(message)}", file=sys.stderr)
    return status
