"""Distils an encoder and its re-ranker into one encoder, from a teacher's file (training/teacher.py). Not the teacher.

    python -m training.distill --init ENCODER --teacher FILE.jsonl --out DIR [--set pools=local steps=500]

The student's cosines with the listed candidates are brought to the teacher's scores by KL(teacher || student) in log
space, at one temperature (U-MARVEL, arXiv 2507.14902, last stage). Each query has a list for the local and one for the
global pool, and the loss is the mean of both; pools=local is the paper's own.

Q queries of a piece, U candidates of a list, M candidates of a piece, D embedding.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.config import DistillConfig
from training.draws import generator
from training.losses import distill_kl
from training.mixture import Mixture, Part, sentences_of
from training.parallel import Group, leave, log_level
from training.precision import autocast
from training.provenance import stages, weights_fingerprint
from training.query_rows import QueryRows, pieces, train_record
from training.sharded import ShardedGroup
from training.source_batches import Pixels
from training.sources.source import Example
from training.teacher import POOLS, Lists, read_lists
from training.train import Stage, build_optimizer, run, with_settings
from umr.commit import git_commit
from umr.encoders import load_trainable
from umr.encoders.base import UnifiedEncoder
from umr.encoders.batch import Batch
from umr.encoders.store import check_place
from umr.errors import ConfigError, exit_status
from umr.shipped import find_encoder

log = logging.getLogger("training")


@dataclass(frozen=True, eq=False)
class ListBatch:
    """Some queries with their lists.

    Attributes:
        queries: Q rows.
        candidates: M rows; one that several lists have is encoded once.
        pixels: every picture and clip that the rows show, uint8 (F, H, W, 3).
        columns_QU: which candidate is listed, int64; 0 fills up short lists.
        scores_QU: the teacher's, float32.
        present_PQU: for each pool, which of the listed candidates were found in it; bool.
    """

    queries: Batch
    candidates: Batch
    pixels: list[np.ndarray]
    columns_QU: Tensor
    scores_QU: Tensor
    present_PQU: Tensor


class ListBatches:
    """Makes the lists of any step: step n depends on (seed, n) and the teacher's file alone."""

    def __init__(
        self, lists: Lists, encoder: UnifiedEncoder, config: DistillConfig, group: Group | None = None
    ) -> None:
        """Take the pools that are asked for.

        Raises:
            ConfigError: the teacher searched none of them, or not all.
        """
        self.lists, self.encoder, self.config, self._group = lists, encoder, config, group or Group()
        self.pools, self.examples = POOLS[config.pools], list(lists.source.examples)
        there = {pool for listed in lists.of.values() for one in listed.values() for pool in one.pools}
        if not set(self.pools) <= there:
            raise ConfigError(
                f"the teacher's file has lists of the pools {', '.join(sorted(there))}; {', '.join(self.pools)} are "
                "asked for: say --set pools=local, or teach again with --pool both"
            )
        self.sentences, self.pixels = sentences_of(lists.source, encoder), Pixels(encoder)

    def build(self, step: int) -> list[ListBatch]:
        """The queries of a step in pieces of at most config.chunk_queries, on the CPU."""
        rng = generator(self.config.seed, step, f"lists {self.lists.source.fingerprint}")
        parts = pieces(self.examples, self.config, rng, self._group)
        return [self._piece(piece, rng, generator(self.config.seed, step, "moved")) for piece in parts]

    def _piece(self, examples: Sequence[Example], rng: np.random.Generator, moves: np.random.Generator) -> ListBatch:
        made = QueryRows(self.encoder, self.pixels, self.config, moves)
        queries, columns = [], dict[str, int]()
        for example in examples:
            ways = self.sentences[example.instruction or example.task]
            queries.append(made.row(example.query, ways[int(rng.integers(len(ways)))], "query"))
            for did in self.lists.of[example.group]:
                columns.setdefault(did, len(columns))
        known = self.lists.source.candidates
        candidates = [made.row(known[did], "", "candidate") for did in columns]
        rows = made.collated(queries), made.collated(candidates)
        return ListBatch(*rows, made.pixels, *self._targets(examples, columns))

    def _targets(self, examples: Sequence[Example], columns: dict[str, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Columns, scores and pools of the lists of some queries."""
        lists = [self.lists.of[example.group] for example in examples]
        shape = (len(lists), max(map(len, lists)))
        columns_QU, scores_QU = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape)
        present_PQU = torch.zeros((len(self.pools), *shape), dtype=torch.bool)
        for q, listed in enumerate(lists):
            for u, (did, one) in enumerate(listed.items()):
                columns_QU[q, u], scores_QU[q, u] = columns[did], one.score
                for p, pool in enumerate(self.pools):
                    present_PQU[p, q, u] = pool in one.pools
        return columns_QU, scores_QU, present_PQU


class DistillTrainer(Stage):
    """One run: the student, its optimizer and the teacher's lists."""

    config: DistillConfig

    def __init__(
        self, config: DistillConfig, lists: Lists, encoder: UnifiedEncoder, group: Group | None = None
    ) -> None:
        self.config, self.encoder = config, encoder.train()
        self.data, self.start = lists.source.fingerprint, weights_fingerprint(encoder)
        self.seconds, group = 0.0, group or Group()
        self.group = ShardedGroup(group, encoder, config.bf16) if config.sharded else group
        torch.manual_seed(config.seed)
        self.modules = {"encoder": encoder}
        self.optimizer = build_optimizer(config, encoder, nn.Identity())
        self.builder = ListBatches(lists, encoder, config, self.group)

    def loss(self, piece: ListBatch) -> Tensor:
        """KL(teacher || student), nats: the mean over queries and pools."""
        device = self.encoder.device
        with autocast(device, self.config.bf16):
            seen = self.encoder.see_all(piece.pixels) if piece.pixels else None
            query_QD, candidate_MD = (self.encoder.embed(rows, seen) for rows in (piece.queries, piece.candidates))
        columns_QU = piece.columns_QU.to(device)
        cosines_QU = torch.einsum("qd,qud->qu", query_QD.float(), candidate_MD.float()[columns_QU])
        teacher_QU = piece.scores_QU.to(device)
        parts = [
            distill_kl(cosines_QU, teacher_QU, self.config.temperature, present.to(device))
            for present in piece.present_PQU
        ]
        return torch.stack(parts).mean()

    def step(self, number: int, batch: Sequence[ListBatch]) -> dict[str, float]:
        """Forward, backward and update with the lists of step `number`; returns the loss (nats) and what update gives.

        Raises:
            UMRError: the loss is not finite.
        """
        self.optimizer.zero_grad(set_to_none=True)
        queries, total = sum(len(piece.scores_QU) for piece in batch), torch.zeros(())
        for piece, counts in self.group.own(batch):
            nothing = self.group.level(len({one.shape for one in piece.pixels}))
            loss = self.loss(piece) * (counts * len(piece.scores_QU) / queries) + nothing
            loss.backward()
            total += loss.detach().cpu()
        self.group.reduce(self.encoder.parameters(), ())
        return self.update(number, self.group.total(total))


def train(config: DistillConfig, lists: Lists, out: Path, group: Group | None = None) -> UnifiedEncoder:
    """One run; goes on from the checkpoints beside `out`. Returns the student, as it was saved in the folder `out`.

    Of a sharded run, other processes than the first return its slices.

    Args:
        config: what to do.
        lists: the teacher's.
        out: the folder that is written, with its train_config.json.
        group: the processes that share each step; None: this one alone.

    Raises:
        ConfigError: the settings do not suit the lists or the encoder to start from; or `out` is something else.
        MismatchError: the checkpoints are of other lists, or of other weights to start from.
    """
    check_place(out)
    init, group = find_encoder(config.init), group or Group()
    commit, before = git_commit(), stages(init)  # of what runs now, before anything is written
    torch.set_num_threads(config.threads)
    encoder, source = load_trainable(init, device="cpu"), lists.source
    kept = Mixture(parts=(Part(data=source, share=1.0),)).serving(encoder.config.instructions)
    encoder.config = replace(encoder.config, name=config.name, instructions=kept)
    if not config.sharded:  # which no GPU need hold as a whole
        encoder = encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    trainer = DistillTrainer(config, lists, encoder, group)
    log.info("%s: %d queries with their lists", config.name, len(source.examples))
    seconds = run(trainer, out.with_name(out.name + ".checkpoints"))
    if isinstance(trainer.group, ShardedGroup):
        encoder = trainer.group.gathered()
    encoder.eval()
    if group.rank:
        return encoder
    made = {"commit": commit, "stages": before, "torch": torch.__version__, "processes": group.size}
    made["data"] = [source.record() | {"share": 1.0}]
    encoder.save(out, extra={"train_config.json": train_record(config, source, seconds, made)})
    log.info("saved %s after %.0f s", out, seconds)
    return encoder


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(prog="python -m training.distill", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--init", required=True, help="the student at its start: a shipped name, or a folder")
    parser.add_argument(
        "--teacher", type=Path, required=True, metavar="FILE.jsonl", help="of python -m training.teacher"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the encoder folder to write")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="change single settings")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(log_level())
    with exit_status("training", OSError) as ended:
        config = with_settings(DistillConfig(name=options.out.name, init=options.init), options.set)
        lists, group = read_lists(options.teacher), Group.of_environment()
        train(config, lists, options.out, group)
        group.close()
    return ended.status


if __name__ == "__main__":
    leave(main())
