"""The grammar of `index`: a build, and its sub-commands. Not what they do (umr.cli.index).

`index FOLDER` builds, and FOLDER is any word; `index add`, `remove`, `update`, `join` and `verify` are told by the
first word. A folder that is really called so is reached as ./add.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from umr.cli.options import ENCODER, command, segments
from umr.types import DTYPES

if TYPE_CHECKING:
    from umr.cli.options import Commands

AUTO = "auto"  # in the place of a precision: one is chosen (umr.index.parity)
#: The first words after `index` that are no source.
WORDS = ("add", "remove", "update", "join", "verify")
_SOURCE = "also a collection folder, a saved dataset, a .parquet or webdataset .tar, or dataset:NAME"


def as_one_word(arguments: Sequence[str]) -> list[str]:
    """The words of the command line, with `index add` as the one word that the grammar knows."""
    words = list(arguments)
    return [f"index {words[1]}", *words[2:]] if words[:1] == ["index"] and words[1:2] and words[1] in WORDS else words


def add_index(commands: Commands) -> None:
    """The command `index` and its sub-commands."""
    one = command(
        commands, "index", "index", "index a folder, a jsonl or a dataset; started again, it goes on where it stopped"
    )
    one.epilog = (
        "An index that is there is brought up to date by `index add DIR`, `index remove DIR` and `index update DIR`; "
        "parts built with --shard become one by `index join`; `index verify DIR` compares every file "
        "with its hash. A folder of one of these names is given as ./add."
    )
    one.add_argument("source", metavar="FOLDER|ROWS.jsonl", help=_SOURCE)
    one.add_argument("--encoder", required=True, metavar="SPEC", help=ENCODER)
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="the index folder")
    one.add_argument(
        "--shard",
        metavar="i/n",
        help="encode the i-th of n parts alone, chosen by a hash of the ids: for n processes or machines, each with an "
        "--out of its own, that `index join` puts together",
    )
    _engine(one)
    _columns(one)
    segments(one)
    one.add_argument(
        "--dtype",
        choices=(*DTYPES, AUTO),
        help="what is computed in (default: float32; an encoder of the Hub on a GPU that has bfloat16 in that, without "
        "--shard, whose parts must be alike); auto: bfloat16 where it is quicker here and 64 of the candidates have "
        "all but the same vectors in it",
    )
    for add in (_add, _remove, _update, _join, _verify):
        add(commands)


def _add(commands: Commands) -> None:
    one = command(commands, "index add", "index add", "take further files, folders or rows into an index")
    one.epilog = (
        "Only what is new or changed is encoded. Files under a folder that was indexed get their ids there; what was "
        "removed before is taken again."
    )
    _index_folder(one)
    one.add_argument("what", nargs="+", metavar="FILE|FOLDER|ROWS.jsonl", help=_SOURCE)
    one.add_argument("--prefix", default="", metavar="WORD", help="stands before the ids, where two sources share one")
    _columns(one)
    segments(one)


def _remove(commands: Commands) -> None:
    one = command(
        commands, "index remove", "index remove", "take candidates out of an index, vectors and rows, at once"
    )
    one.epilog = (
        "Nothing is encoded, and the files themselves stay. `index update` leaves out what was removed, until "
        "`index add` takes it again. All or nothing: where one word means no candidate, none is removed."
    )
    _index_folder(one)
    one.add_argument(
        "what", nargs="+", metavar="ID|PATH|GLOB", help='an id, a file, a folder, or a pattern such as "cats/*.png"'
    )


def _update(commands: Commands) -> None:
    one = command(
        commands,
        "index update",
        "index update",
        "look at what was indexed again: encode what changed, drop what is gone",
    )
    one.epilog = (
        "What has the same bytes, or words, keeps its vector bit for bit, under whatever name; nothing is taken from "
        "dates. An interrupted update leaves the index as it was, and goes on when it is started again."
    )
    _index_folder(one)
    one.add_argument(
        "--source", metavar="FOLDER|ROWS.jsonl", help="where it lies now, if it moved or the index does not say"
    )
    _columns(one)


def _join(commands: Commands) -> None:
    one = command(commands, "index join", "index join", "put the parts that --shard wrote together to one index")
    one.epilog = (
        "Nothing is encoded. All parts of one source by one encoder are needed; a missing or double one is named."
    )
    one.add_argument("shards", nargs="+", type=Path, metavar="SHARD", help="the parts' folders, in any order")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="the index folder")
    _engine(one)


def _verify(commands: Commands) -> None:
    one = command(
        commands,
        "index verify",
        "index verify",
        "compare every file of an index, and of its collection, with what was built",
    )
    one.epilog = (
        "A large index is not hashed each time it is opened; a searcher does it in the background. The vectors "
        "themselves are compared with the encoder's by `info --verify` and whenever a page opens the index. "
        "Of an index with --engine qdrant every row is fetched and compared with what was sent."
    )
    _index_folder(one)


def _engine(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--engine",
        choices=("faiss", "qdrant"),
        default="faiss",
        help="what holds the vectors: faiss, a file of the index (default), or qdrant, a collection on the server that "
        "UMR_QDRANT_URL names (http://HOST:6333, its key in UMR_QDRANT_API_KEY; file:DIR or edge:DIR without a server)",
    )
    one.add_argument(
        "--factory",
        default="SQfp16",
        metavar="STRING",
        help="how it is searched: SQfp16, every row exactly (default, to about a million); or by lists over compressed "
        "rows that lead to the exact ones: IVF4096,SQ8, or IVF4096,PQ32 in less memory; IVF,SQ8 chooses their number. "
        "With --engine qdrant: SQfp16, or the server's graph, HNSW or HNSW,SQ8",
    )
    one.add_argument(
        "--nprobe",
        type=int,
        default=0,
        metavar="N",
        help="lists that a query looks into (default: one of 16); `search --nprobe` looks into more or fewer",
    )


def _index_folder(one: argparse.ArgumentParser) -> None:
    one.add_argument("index", type=Path, metavar="DIR", help="the index folder; its manifest names the encoder")


def _columns(one: argparse.ArgumentParser) -> None:
    for column in ("image", "video", "text", "title", "id"):
        one.add_argument(f"--{column}-column", metavar="COLUMN", help=f"column of a dataset that holds the {column}")
    one.add_argument("--split", default="train", help="split of a dataset (default: train)")
