"""`python -m training.bench pairs|mca|batch`: how fast training is, and how large a batch may be, as rows of JSON.

    python -m training.bench pairs [--encoder unified] [--programme pictures]     # >= 1.5 times a plain loop?
    python -m training.bench mca [--encoder contrastive]                          # <= 1.6 times plain contrast?
    python -m training.bench batch [--pairs 4096] [--chunk 64]                    # in less than 6 GiB?

What gradient checkpointing saves is `python -m training.memory`, the re-ranker's speed `python -m umr bench rerank`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from training.bench.batch import batch
from training.bench.steps import Asked, mca, pairs
from training.world_source.source import load_world
from umr.bench.rows import printed
from umr.shipped import cache_root, find_encoder

#: What is named -> the encoder whose weights it starts from.
WHAT = {"pairs": "unified", "mca": "contrastive", "batch": "unified"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(prog="python -m training.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=WHAT)
    parser.add_argument(
        "--encoder", metavar="NAME", help="a shipped name or a folder (default: unified; of mca contrastive)"
    )
    parser.add_argument("--world", type=Path, metavar="DIR", help="whose batches are drawn (default: in the cache)")
    parser.add_argument("--programme", default="pictures", help="of pairs, the kind of step (default pictures)")
    parser.add_argument("--families", type=int, default=0, metavar="N", help="of a step (default: as the recipe says)")
    parser.add_argument("--steps", type=int, default=5, metavar="N", help="timed of each way, in turns (default 5)")
    parser.add_argument("--pairs", type=int, default=4096, metavar="N", help="of batch (default 4096)")
    parser.add_argument("--chunk", type=int, default=64, metavar="N", help="of batch: pairs at a time (default 64)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of torch (default 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)

    def measured() -> list[dict[str, object]]:
        asked = Asked(
            encoder=Path(find_encoder(options.encoder or WHAT[options.what])),
            world=load_world(options.world or cache_root() / "world"),
            steps=options.steps,
            families=options.families,
        )
        if options.what == "batch":
            return batch(asked, options.pairs, options.chunk)
        return pairs(asked, options.programme) if options.what == "pairs" else mca(asked)

    return printed(measured)


if __name__ == "__main__":
    sys.exit(main())
