"""The grammar of the command line: commands, options, their help. Not what the commands do (umr.cli)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

from umr.cli.index_parser import add_index
from umr.cli.options import ENCODER, own_folder, serving
from umr.cli.options import command as _command
from umr.cli.options import dtype as _dtype
from umr.cli.options import dtype_of_index as _dtype_of_index
from umr.eval.benchmarks.registry import BENCHMARKS, EACH
from umr.eval.pools import CHOICES, LOCAL, POOLS
from umr.types import SEARCH_IN

MACHINES = ("cpu", "zero", "gpu")  # of umr.deploy.hardware, which --help must not wait for


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    top = argparse.ArgumentParser(prog="python -m umr", description="A universal multimodal retriever.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for add in (_search, _embed, add_index, _evaluate, _rerank, _compare, _report, _diagnose, _drift, _info):
        add(commands)
    for add in (_models, _demo, _adopt, _export, _push):
        add(commands)
    what = commands.add_parser("bench", help="measure speed").add_subparsers(required=True, metavar="WHAT")
    for add in (_bench_query, _bench_rerank, _bench_load, _bench_page):
        add(what)
    _deploy_space(
        commands.add_parser("deploy", help="put the page on a server").add_subparsers(required=True, metavar="WHERE")
    )
    return top


def _search(commands: Commands) -> None:
    one = _command(
        commands, "search", "search", "find images, passages, entries or clips with a picture, a text, or both"
    )
    which = one.add_mutually_exclusive_group()
    which.add_argument("--encoder", metavar="NAME", help="encoder whose bundled index is searched (default: unified)")
    which.add_argument("--index", type=Path, metavar="DIR", help="an index folder; its manifest names the encoder")
    shown = one.add_mutually_exclusive_group()
    shown.add_argument("--image", type=Path, metavar="FILE", help="the query's picture")
    shown.add_argument(
        "--clip", type=Path, metavar="FILE", help="a clip in place of a picture; its frames are read evenly spaced"
    )
    said = one.add_mutually_exclusive_group()
    said.add_argument("words", nargs="*", default=[], metavar="TEXT", help="the query's text")
    said.add_argument("--text", help="the same")
    one.add_argument("--in", dest="search_in", choices=[*SEARCH_IN], default="all", help="what to find (default: all)")
    _k(one, 10, "how many results, 1 to 1000 (default: 10)")
    one.add_argument(
        "--nprobe", type=int, metavar="N", help="of an index with a --factory: lists to look into (default: its own)"
    )
    _with_reranker(one)
    _json(one)
    _dtype_of_index(one)


def _embed(commands: Commands) -> None:
    one = _command(commands, "embed", "embed", "one unit vector for each row of a jsonl")
    one.add_argument(
        "rows",
        type=Path,
        metavar="ROWS.jsonl",
        help='{"text"?, "image"?, "video"?, "instruction"?, "role": "query" | "candidate"} per line',
    )
    one.add_argument("--encoder", required=True, metavar="SPEC", help=ENCODER)
    one.add_argument("--out", type=Path, required=True, metavar="V.npy", help="float32 (rows, dim)")
    _dtype(one)


def _evaluate(commands: Commands) -> None:
    one = _command(commands, "evaluate", "evaluate", "measure an encoder on the bundled benchmark, or on another")
    one.epilog = (
        "Measures are fractions from 0 to 1. ci95_success@1 is the 95 % bootstrap interval of success@1, [low, high], "
        "over groups: queries of one family of scenes, or that share a picture or a relevant candidate; unimodal_wins "
        "the share of queries whose picture or text alone is nearer to the target than both together; "
        "vector_sum_weight the weight of the text in the sum, chosen on validation queries (0.5 where none was "
        "chosen); composed_over_sum is success@1 minus that of the sum, with its paired interval and p value. Where "
        "queries say their form (typed), JSON rows have success@1 of each as forms. Where answers are graded (free), "
        "success@k, recall@10 and mrr are over the exact_share of queries with an exact answer, ndcg@10 over all with "
        "gains 2^grade - 1, and edit_made_facts_kept is the share of the others, where such a picture exists, whose "
        "first result has the edit made and the main facts kept. t2all, i2all and it2all ask the ind queries of t2i, "
        "i2i and it2i for any kind: right is all that shows the wanted scene."
    )
    which = one.add_mutually_exclusive_group()
    which.add_argument(
        "--encoder",
        default="unified",
        metavar="SPEC",
        help=f"a bundled one (default: unified); with --benchmark {ENCODER}",
    )
    which.add_argument("--index", type=Path, metavar="DIR", help="an index of a collection that has queries of its own")
    _benchmark(one)
    one.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="write TREC run files, judgements in TREC's four fields and report.json into DIR/NAME",
    )
    one.add_argument(
        "--store",
        action="store_true",
        help="write indexes/NAME/reports: report.json, compressed runs and diagnoses, which the page shows; with "
        "--rerank indexes/NAME/reports/reranked",
    )
    _in_place_of_rows(one)
    one.add_argument(
        "--pool",
        choices=CHOICES,
        help="what is searched: local, the candidates of the task's kind; global, all candidates of all kinds, where "
        "a hit of the wrong kind is wrong; both (default): every split local, and ind, typed and free global too. With "
        "--benchmark mbeir local (default) or global",
    )
    _with_reranker(
        one,
        "hits kept of composed queries, at least 10; with --rerank, re-ranked (default: 10, or as chosen); with "
        "--benchmark one more k of R@k, and with --rerank the hits that are re-ranked (default: its own alone",
    )
    _tasks(one)
    _dtype_of_index(one, "; with --benchmark, an encoder of the Hub on a GPU that has bfloat16 in that")


def _in_place_of_rows(one: argparse.ArgumentParser) -> None:
    """What `evaluate` may write in place of a report."""
    one.add_argument(
        "--tune-vector-sum",
        type=Path,
        metavar="FILE",
        help="with --index of validation queries: choose the vector sum's weight for each task, write FILE and stop; "
        "evaluate reads it as reports/vector_sum.json beside the index's folder",
    )
    one.add_argument(
        "--pooling",
        type=Path,
        metavar="FILE",
        help="ask the ind queries of it2i and t2i (or --task) pooled over their instruction too, as "
        "sentence-transformers pools them in an encoder's folder as it stands: cosine with umr's vectors, success@1 of "
        "both; write FILE and stop; a card tells what lies as reports/pooling.json beside the encoder's folder",
    )


def _benchmark(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--benchmark",
        choices=[*BENCHMARKS],
        metavar="NAME",
        help=f"a published one, in its makers' own layout: {', '.join(BENCHMARKS)}; its columns are named as its "
        "makers name them (R@k is success@k), --task is one of its parts, --split one of its own",
    )
    one.add_argument("--data", type=Path, metavar="DIR", help="with --benchmark: its folder")
    one.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="with --benchmark: keep its index here, to be gone on with or asked again (default: it is thrown away)",
    )
    one.add_argument(
        "--instruction",
        metavar="SENTENCE",
        help="with --benchmark: the task sentence of every query (default: the data's own, else the encoder's; "
        '"": none at all; encoder: the encoder\'s own, whatever the data has)',
    )
    one.add_argument(
        "--sentence",
        type=sentence_number,
        metavar="N",
        help=f"with --benchmark mbeir: which sentence of its table is asked (default: 1); {EACH}: each in turn, and "
        "the mean of their measures, which is what its makers' random draw gives on the average",
    )


def sentence_number(text: str) -> int | str:
    """Which of a table's sentences, or each."""
    return text if text == EACH else int(text)


def _rerank(commands: Commands) -> None:
    one = _command(
        commands, "rerank", "rerank", "put the first hits of a TREC run in the order of a re-ranker, and write it"
    )
    one.epilog = (
        "Scores of the run must be cosines, as `evaluate --runs DIR --depth 50` writes them. The new score is "
        "(1 - weight) * cosine + weight * P(yes); the weight is the one that --tune stored beside the re-ranker, 0.5 "
        "where none was chosen; so is the number of hits. Printed is also other_first, the number of queries with "
        "another first hit."
    )
    one.add_argument("run", type=Path, metavar="RUN", help="TASK.SPLIT.composed.run, or any with --task and --split")
    one.add_argument("--out", type=Path, metavar="RUN2", help="the run to write")
    one.add_argument("--tune", action="store_true", help="with --index of validation queries: choose the weight")
    one.add_argument(
        "--reranker",
        dest="rerank",
        default="",
        metavar="NAME",
        help="a shipped one, a folder, or hub:OWNER/NAME[@REVISION] (default: reranker)",
    )
    one.add_argument("--index", type=Path, metavar="DIR", help="an index of the run's collection (default: bundled)")
    _depth_and_weight(one, "hits of each query that are re-ranked (default: the number chosen with the weight, or 50")
    _tasks(one)
    _dtype(one)


def _with_reranker(
    one: argparse.ArgumentParser, depth: str = "hits that are re-ranked (default: as chosen, or 50"
) -> None:
    one.add_argument(
        "--rerank",
        nargs="?",
        const="",
        metavar="NAME",
        help="put the first hits in the order of a re-ranker: a shipped name, a folder, or hub:OWNER/NAME[@REVISION] "
        "(default: the shipped one)",
    )
    _depth_and_weight(one, depth)


def _depth_and_weight(one: argparse.ArgumentParser, depth: str) -> None:
    one.add_argument("--depth", type=int, metavar="K", help=f"{depth})")
    one.add_argument(
        "--weight", type=float, metavar="W", help="of P(yes) in the new score, in place of the one that was chosen"
    )


def _compare(commands: Commands) -> None:
    one = _command(
        commands,
        "compare",
        "compare",
        "success@1 of two evaluated encoders, with the paired interval of the difference",
    )
    one.epilog = (
        "ci95: paired 95 % bootstrap interval over groups of queries (evaluate --help); p: two-sided sign-flip "
        "permutation over groups; p_holm: the same after Holm's correction over the rows printed."
    )
    _two(one)
    one.add_argument(
        "--runs", type=Path, metavar="DIR", help="what `evaluate --runs` wrote (default: what --store wrote)"
    )
    one.add_argument(
        "--data", type=Path, metavar="DIR", help="the collection with its queries that was asked (default: bundled)"
    )
    one.add_argument("--pool", choices=POOLS, default=LOCAL, help="the pool that was searched (default: local)")
    _tasks(one)


def _two(one: argparse.ArgumentParser) -> None:
    one.add_argument("a", metavar="A", help="an encoder's name")
    one.add_argument("b", metavar="B", help="another's")


def _report(commands: Commands) -> None:
    one = _command(
        commands,
        "report",
        "report",
        "write one HTML file on two evaluated encoders: cards, tables, plots, example queries",
    )
    one.epilog = (
        "Reads indexes/NAME/reports, which `evaluate --store` wrote; no weights are loaded. The file holds all of "
        "itself: pictures are data URIs, and nothing is fetched when it is opened."
    )
    _two(one)
    one.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="the file; it is replaced")
    one.add_argument("--examples", type=int, default=3, metavar="N", help="queries under each heading (default: 3)")
    one.add_argument("--seed", type=int, default=0, metavar="S", help="of the queries drawn at random (default: 0)")


def _diagnose(commands: Commands) -> None:
    one = _command(
        commands,
        "diagnose",
        "diagnose",
        "how often one part of a query answers alone: similarities, masked scores and the shortcut index",
    )
    one.add_argument("--encoder", default="unified", metavar="NAME", help="default: unified")
    one.add_argument("--task", default="it2i", help="a task whose queries have picture and text (default: it2i)")
    one.add_argument("--split", default="ind", help="default: ind")
    one.add_argument("--out", type=Path, metavar="DIR", help="also write DIR/diagnosis.TASK.SPLIT.json.xz")
    _json(one)
    _dtype_of_index(one)


def _drift(commands: Commands) -> None:
    one = _command(
        commands,
        "drift",
        "drift",
        "calibrate how unlike the training something is: writes indexes/NAME/reports/drift.json, "
        "prints what it detects",
    )
    one.add_argument("--encoder", default="unified", metavar="NAME", help="default: unified")
    _json(one)


def _info(commands: Commands) -> None:
    one = _command(
        commands, "info", "info", "encoders, indexes, fingerprints, sizes; re-encodes each index's probe and some rows"
    )
    one.add_argument("--quick", action="store_true", help="load no encoder: read the manifests only")
    _json(one)


def _models(commands: Commands) -> None:
    one = _command(commands, "models", "models", "the models that are known: bundled ones, and published ones")
    one.epilog = (
        "Memory is computed: parameters times the bytes of a number, without what a batch takes. Revision: the commit "
        "that the table is of (a bundled encoder's fingerprint), or newest where none is written down. Licence ?: not "
        "known here, see the model's page. Opens: whether this version has the backbone and the makers' recipe."
    )
    _json(one)


def _demo(commands: Commands) -> None:
    one = _command(
        commands, "demo", "demo", "one command: a model, a folder of your own, the page; the next start is offline"
    )
    one.epilog = (
        "A model of the Hub is downloaded once, at a commit that is written down and kept; an interrupted download "
        "goes on where it stopped. The index is built once, and brought up to date when files of the folder changed. "
        "All of it lies in ~/.cache/umr, or where UMR_CACHE says. --encoder may be given twice: Compare shows both."
    )
    one.add_argument(
        "--encoder",
        action="append",
        metavar="SPEC",
        help=f"{ENCODER}; may be repeated (default: unified)",
    )
    own_folder(one)
    serving(one)


def _adopt(commands: Commands) -> None:
    one = _command(
        commands,
        "adopt",
        "adopt",
        "make an encoder folder of a public checkpoint: Qwen2-VL, Qwen2.5-VL, Qwen3-VL, CLIP, SigLIP, or a "
        "model of sentence-transformers; not trained here",
    )
    one.add_argument(
        "source", metavar="SOURCE", help="a transformers checkpoint: a folder, or hub:OWNER/NAME[@REVISION]"
    )
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="the encoder folder; it must not exist")
    one.add_argument("--name", help="what the encoder is called (default: the checkpoint's name)")
    one.add_argument(
        "--image-size",
        type=int,
        metavar="PX",
        help="fit pictures into a square of this side, a multiple of 28 (of Qwen3-VL 32); the catalogue's world "
        "has 112 (default: they keep their shape)",
    )
    one.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="see a picture or frame with so many pixels at most (default: as the checkpoint's preprocessor)",
    )
    one.add_argument(
        "--recipe",
        metavar="NAME",
        default="plain",
        help="how the checkpoint's own code asks it: umarvel (positions, texts, pixels and marker rows as U-MARVEL's "
        "evaluation has them; umarvel-alone: attention too, as it computes a row by itself), qwen3-vl-embedding, gme, "
        "lamra, vlm2vec-v2; lamra-rank, umarvel-rank and qwen3-vl-reranker write a re-ranker (default: plain)",
    )
    one.add_argument(
        "--base",
        metavar="SOURCE",
        help="of a LoRA adapter: the checkpoint that it was trained on, which it is merged into",
    )
    one.add_argument(
        "--max-frames",
        type=int,
        metavar="N",
        help="frames taken from a clip; by a recipe that says how many a second, at most (default: 8, or the recipe's)",
    )
    one.add_argument(
        "--text-weight",
        type=float,
        metavar="W",
        help="of a dual encoder (CLIP, SigLIP), which adds picture and text of a query: the share of the text, from 0 "
        "to 1, kept in its settings (default: 0.5)",
    )


def _export(commands: Commands) -> None:
    one = _command(
        commands, "export", "export", "write an encoder as a folder of another tool, with the same vectors there"
    )
    one.epilog = (
        "sentence-transformers opens every encoder folder as it stands, and pools queries over their instruction too. "
        "The folder that is written here has a pooling module that leaves it out, as umr does: open it with "
        "trust_remote_code=True. The card in the folder says what must be prepared beforehand, and where it was "
        "measured (`evaluate --pooling`, or --index) what pooling over the instruction costs."
    )
    one.add_argument("encoder", metavar="ENCODER", help=ENCODER)
    one.add_argument("--to", choices=("sentence-transformers",), required=True, help="whose folder")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder; it must not exist")
    one.add_argument(
        "--index",
        type=Path,
        metavar="DIR",
        help="an index by this encoder, such as indexes/NAME/catalogue: ask its collection's queries pooled over their "
        "instruction too, and say on the card what that costs (default: what `evaluate --pooling` stored)",
    )


def _push(commands: Commands) -> None:
    one = _command(
        commands,
        "push",
        "push",
        "upload an encoder as a model repository of the Hugging Face Hub: files, card, licence",
    )
    one.add_argument("encoder", metavar="ENCODER", help="a bundled name, or a folder, also of a public checkpoint")
    one.add_argument("repository", metavar="OWNER/NAME", help="the repository; it is made where it is not there")
    one.add_argument("--dry-run", action="store_true", help="list the files and their sizes, and upload nothing")
    one.add_argument("--private", action="store_true", help="a repository that is made is for its owner alone")
    one.add_argument(
        "--reports",
        type=Path,
        metavar="DIR",
        help="results for the card, a folder that `evaluate --runs` or --store wrote (default: a shipped encoder's)",
    )
    _json(one)


def _bench_query(commands: Commands) -> None:
    one = _command(
        commands, "query", "bench query", "milliseconds per step of a query, p50 and p95, beside FAISS alone"
    )
    one.add_argument("--encoder", default="unified", metavar="NAME", help="default: unified")
    one.add_argument("--task", default="it2i", help="whose queries are asked (default: it2i)")
    _k(one, 24, "default: 24")
    one.add_argument("--repeat", type=int, default=100, metavar="N", help="queries timed (default: 100)")
    one.add_argument("--vectors", type=int, metavar="N", help="also compare with FAISS over N made-up vectors")
    _json(one)
    _dtype_of_index(one)


def _bench_rerank(commands: Commands) -> None:
    one = _command(
        commands, "rerank", "bench rerank", "candidates per second of the re-ranker beside a generated yes or no"
    )
    one.add_argument(
        "--reranker", default="", metavar="NAME", help="a folder or shipped one, or an encoder, whose weights are timed"
    )
    one.add_argument("--task", default="it2i", help="whose queries are asked (default: it2i)")
    one.add_argument("--depth", type=int, default=50, metavar="K", help="candidates of a query (default: 50)")
    one.add_argument("--repeat", type=int, default=5, metavar="N", help="queries timed (default: 5)")
    _json(one)


def _bench_load(commands: Commands) -> None:
    one = _command(
        commands, "load", "bench load", "many simultaneous visitors of the page: errors, mix-ups, memory, latency"
    )
    one.add_argument("--users", type=int, default=32, metavar="N", help="default: 32")
    one.add_argument("--seconds", type=float, default=120, metavar="S", help="default: 120")
    one.add_argument("--url", help="a page that runs already on this machine (default: app.py is started)")
    one.add_argument(
        "--beside",
        action="append",
        metavar="ARGUMENTS",
        help='load another page in turns, app.py with these arguments, such as --beside "--batch 1"; may be repeated',
    )
    one.add_argument(
        "--plain", action="store_true", help="visitors ask by HTTP alone, which leaves more of the machine to the page"
    )
    for kind, who in (
        ("idle", "connections that ask nothing"),
        ("slow", "visitors whose upload takes 10 s"),
        ("leaving", "visitors who close the page in the middle of an upload or a search"),
        ("own", 'visitors who index and search files of their own ("Your files")'),
    ):
        one.add_argument(
            f"--{kind}", type=int, default=0, metavar="N", help=f"beside them {who}; implies --plain (default: 0)"
        )
    one.add_argument("--task", default="it2i", help="whose queries are asked (default: it2i)")
    _json(one)


def _bench_page(commands: Commands) -> None:
    one = _command(
        commands, "page", "bench page", "what a visitor waits, in a real browser: opening, search, comparison"
    )
    one.add_argument("--repeat", type=int, default=30, metavar="N", help="searches and comparisons timed (default: 30)")
    one.add_argument("--url", help="a page that runs already on this machine (default: app.py is started)")
    one.add_argument("--task", default="it2i", help="whose queries of picture and text are asked (default: it2i)")
    _json(one)


def _deploy_space(commands: Commands) -> None:
    one = _command(
        commands,
        "space",
        "deploy space",
        "build a Hugging Face Space of the page and send it; it goes on where it stopped",
    )
    one.epilog = (
        "A plain git push of this repository is refused by the Hub, which takes pictures, clips and weights by LFS or "
        "Xet alone. The token is that of `hf auth login`, or HF_TOKEN. cpu and zero get faiss-cpu, gpu gets faiss-gpu. "
        "zero is asked for when the Space is made, as it costs nothing by the hour; gpu is only suggested: choose it, "
        "and pay it, in the Space's settings."
    )
    one.add_argument("name", metavar="OWNER/NAME", help="the Space")
    one.add_argument("--hardware", choices=MACHINES, default="cpu", help="what it is to run on (default: cpu)")
    one.add_argument(
        "--encoder", nargs="+", default=[], metavar="NAME", help="bundled encoders with their indexes (default: all)"
    )
    one.add_argument("--index", nargs="+", default=[], type=Path, metavar="DIR", help="index folders of your own")
    one.add_argument(
        "--reranker",
        metavar="NAME",
        help="a re-ranker that the page offers: a shipped one, a folder, or one of the Hub",
    )
    one.add_argument("--private", action="store_true", help="a new Space is for you alone")
    one.add_argument(
        "--out", type=Path, metavar="DIR", help="where the folder is built (default: in ~/.cache/umr/spaces)"
    )
    one.add_argument("--dry-run", action="store_true", help="send nothing: list every file with its size")
    _json(one)


def _k(one: argparse.ArgumentParser, default: int, text: str) -> None:
    one.add_argument("-k", "--top", dest="k", type=int, default=default, metavar="K", help=text)


def _json(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json", action="store_true", help="a JSON array on stdout instead of a table")


def _tasks(one: argparse.ArgumentParser) -> None:
    one.add_argument("--task", help="only this task, such as it2i")
    one.add_argument("--split", help="only this split, such as ind; of M-BEIR's own files the dataset, such as cirr")
    _json(one)
