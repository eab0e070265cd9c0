"""Trains a pointwise re-ranker on mined negatives: batches, step, record. Not the network (umr.rerank), not the mining.

    python -m training.rerank --init ENCODER --data jsonl:mined.jsonl --out DIR [--set steps=2000 negatives=2]

U-MARVEL (arXiv 2507.14902, its section on re-ranking) shows each query with one answer and one mined negative. The loss
is the cross-entropy over the two rows of the answers, yes and no; a second one may compare the candidates of a query.

Q queries of a step, g candidates of each: an answer, then the negatives.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.config import RerankConfig
from training.draws import generator
from training.mixture import Mixture, Part, sentences_of
from training.parallel import Group, leave, log_level
from training.precision import autocast
from training.prior import Cosines
from training.provenance import stages, weights_fingerprint
from training.query_rows import QueryRows, Row, pieces, train_record
from training.sharded import ShardedGroup
from training.source_batches import Identities, Pixels, candidate_keys
from training.sources.readers import load_source
from training.sources.source import Example, Source
from training.sources.spec import FORM, parse
from training.train import Stage, build_optimizer, run, with_settings
from training.truth import false_negative_mask
from umr.commit import git_commit
from umr.encoders import load_trainable
from umr.encoders.batch import Batch
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.errors import ConfigError, exit_status
from umr.kept import Kept
from umr.rerank.reranker import NO, YES, Reranker, Rows
from umr.rerank.store import RECORD, begin_reranker, check_place, save_reranker
from umr.shipped import cache_root, find_encoder

log = logging.getLogger("training")

STATES = 2**30  # bytes of vision states that are kept where the tower is frozen


@dataclass(frozen=True, eq=False)
class PairBatch:
    """Some queries of a step with their candidates.

    Attributes:
        queries: Q rows, padded at the left.
        candidates: Q * g rows, those of a query one after the other.
        pixels: every picture and clip that the rows show, uint8 (F, H, W, 3).
        paths: where each of them lies.
        labels: (Q * g,) int64, YES or NO.
        known: (Q * g,) float32, what is added to the logits of yes.
    """

    queries: Batch
    candidates: Batch
    pixels: list[np.ndarray]
    paths: list[str]
    labels: Tensor
    known: Tensor


class PairBatches:
    """Makes the pairs of any step from one source: step n depends on (seed, n) and the data alone."""

    def __init__(
        self,
        source: Source,
        reranker: Reranker,
        config: RerankConfig,
        cosines: Cosines | None = None,
        group: Group | None = None,
    ) -> None:
        """Leave out every negative that is an answer under another name, and the queries that have no other.

        Args:
            source: mined examples.
            reranker: whose rows are made.
            config: of the run.
            cosines: of the pairs, where the re-ranker has a prior.
            group: the processes that share each step.

        Raises:
            ConfigError: no query has a negative.
        """
        self._cosines, self._group = cosines, group or Group()
        self.source, self.config, self.network = source, config, reranker.network
        self.sentences = sentences_of(source, reranker.network)
        self.pixels = Pixels(reranker.network)
        self.identities = identities = Identities(source)
        found = [replace(example, negatives=wrong_of(example, source, identities)) for example in source.examples]
        self.examples = [example for example in found if example.negatives]
        contents = source.candidates.items()
        self.pools = {
            kind: [did for did, content in contents if kind in ("all", content.modality)]
            for kind in {example.wanted for example in self.examples}
        }
        if not self.examples:
            raise ConfigError(
                f"no example of {source.name} has a negative: mine them with python -m training.mine, and give the "
                "file that it writes"
            )
        if len(self.examples) < len(found):
            log.warning(
                "%d of %d examples have no negative and are left out", len(found) - len(self.examples), len(found)
            )

    def build(self, step: int) -> list[PairBatch]:
        """The pairs of a step in pieces of at most config.chunk_queries queries, on the CPU.

        Raises:
            MediaError: a file that was there at the start cannot be read any more.
        """
        rng = generator(self.config.seed, step, f"pairs {self.source.fingerprint}")
        parts = pieces(self.examples, self.config, rng, self._group)
        return [self._pairs(piece, rng, generator(self.config.seed, step, "moved")) for piece in parts]

    def _pairs(self, examples: Sequence[Example], rng: np.random.Generator, moves: np.random.Generator) -> PairBatch:
        made = QueryRows(self.network, self.pixels, self.config, moves)
        queries: list[Row] = []
        candidates: list[Row] = []
        labels: list[int] = []
        known: list[float] = []

        def candidate(did: str, label: int) -> None:
            candidates.append(made.row(self.source.candidates[did], "", "candidate"))
            labels.append(label)
            known.append(0.0 if self._cosines is None else self._cosines.known(example, did))

        for example in examples:
            ways = self.sentences[example.instruction or example.task]
            queries.append(made.row(example.query, ways[int(rng.integers(len(ways)))], "query"))
            candidate(example.positives[int(rng.integers(len(example.positives)))], YES)
            for did in self._wrong(example, rng):
                candidate(did, NO)
        rows = made.collated(queries, "left"), made.collated(candidates)
        return PairBatch(*rows, made.pixels, made.paths, torch.tensor(labels), torch.tensor(known))

    def _wrong(self, example: Example, rng: np.random.Generator) -> Iterator[str]:
        """config.negatives candidates that do not answer: mined ones, random_share of them random ones."""
        short = len(example.negatives) < self.config.negatives
        for place in rng.choice(len(example.negatives), self.config.negatives, replace=short):
            mined = example.negatives[int(place)]
            if rng.random() >= self.config.random_share:
                yield mined
                continue
            pool = self.pools[example.wanted]
            drawn = (pool[int(rng.integers(len(pool)))],)
            yield from wrong_of(replace(example, negatives=drawn), self.source, self.identities) or (mined,)


def wrong_of(example: Example, source: Source, identities: Identities) -> tuple[str, ...]:
    """The negatives of an example that are no answers under another name (training.truth)."""
    if not example.negatives:
        return ()
    keys = candidate_keys(
        [source.candidates[did] for did in example.negatives], list(map(identities, example.negatives))
    )
    right = false_negative_mask(identities.of_queries([example]), keys)[0].tolist()
    return tuple(did for did, answer in zip(example.negatives, right, strict=True) if not answer)


def qwen_of(reranker: Reranker, setting: str) -> QwenVLBackbone:
    """The backbone of a re-ranker, whose parts a setting needs.

    Raises:
        ConfigError: it is not of the Qwen2-VL class.
    """
    backbone = reranker.network.backbone
    if not isinstance(backbone, QwenVLBackbone):
        raise ConfigError(f"the parts of {reranker.config.network.backbone} are not known; leave out {setting}")
    return backbone


def freeze_vision(backbone: QwenVLBackbone, trained: int) -> None:
    """Keep the vision tower as it is, but for its last `trained` blocks and what joins it to the language model.

    Raises:
        ConfigError: it has fewer blocks.
    """
    tower = backbone.model.visual
    first = len(tower.blocks) - trained
    if first < 0:
        raise ConfigError(f"vision_blocks is {trained}, but the vision tower has {len(tower.blocks)} blocks")
    tower.requires_grad_(False)
    if trained:
        tower.blocks[first:].requires_grad_(True)
        tower.merger.requires_grad_(True)


def undecided(reranker: Reranker) -> None:
    """Embed the answer no as yes is, so that the prior alone tells them apart before the first step."""
    yes, no = reranker.answer_ids
    with torch.no_grad():
        table = qwen_of(reranker, "prior").model.language_model.embed_tokens.weight
        table[no] = table[yes]


class RerankTrainer(Stage):
    """One run: re-ranker, optimizer and pairs."""

    config: RerankConfig

    def __init__(
        self,
        config: RerankConfig,
        source: Source,
        reranker: Reranker,
        cosines: Cosines | None = None,
        group: Group | None = None,
    ) -> None:
        self.config, self.reranker = config, reranker.train()
        self.data, self.start = source.fingerprint, weights_fingerprint(reranker)
        self.seconds, group = 0.0, group or Group()
        torch.manual_seed(config.seed)
        self.modules = {"reranker": reranker}
        self._kept: Kept[Tensor] = Kept(STATES)
        if config.frozen_vision:
            freeze_vision(qwen_of(reranker, "frozen_vision"), config.vision_blocks)
        self.group = ShardedGroup(group, reranker, config.bf16) if config.sharded else group
        self.optimizer = build_optimizer(config, reranker, nn.Identity())
        self.builder = PairBatches(source, reranker, config, cosines, self.group)

    def logits(self, pairs: PairBatch) -> Tensor:
        """Yes and no of every pair, (Q * g, 2) float32; a picture's vision states are computed once."""
        device = self.reranker.device
        with autocast(device, self.config.bf16):
            seen = self._seen(pairs) if pairs.pixels else None
            prefix = self.reranker.begin(Rows(pairs.queries, seen))
            logits_P2 = self.reranker.answers(prefix, Rows(pairs.candidates, seen)).float()
        return torch.stack([logits_P2[:, YES] + pairs.known.to(device), logits_P2[:, NO]], dim=1)

    @property
    def _keeps(self) -> bool:
        """Whether vision states never change."""
        return self.config.frozen_vision and not self.config.vision_blocks

    def _sees(self, pairs: PairBatch) -> int:
        """How often _seen will call the vision tower."""
        if self._keeps:
            return sum(self._kept.get(path) is None for path in pairs.paths)
        return len({one.shape for one in pairs.pixels})

    def _seen(self, pairs: PairBatch) -> Tensor:
        """Vision states (R, H) of the pictures and clips of some pairs, one row per vision token."""
        network = self.reranker.network
        if not self._keeps:
            return network.see_all(pairs.pixels)
        states = {path: self._kept.get(path) for path in pairs.paths}
        for path, pixels in zip(pairs.paths, pairs.pixels, strict=True):
            if states[path] is None:
                with torch.no_grad():
                    states[path] = kept = network.see_all([pixels]).float()
                self._kept.put(path, kept)
        return torch.cat([state for state in states.values() if state is not None])

    def loss(self, logits_P2: Tensor, labels_P: Tensor) -> Tensor:
        """Summed over P pairs, nats: yes or no of each alone, and the answer against the others of its query."""
        each = F.cross_entropy(logits_P2, labels_P, reduction="sum")
        if not self.config.listwise_weight:
            return each
        yes_Qg = (logits_P2[:, YES] - logits_P2[:, NO]).view(-1, 1 + self.config.negatives)
        right_Q = torch.zeros(len(yes_Qg), dtype=torch.int64, device=yes_Qg.device)  # the answer stands first
        return each + self.config.listwise_weight * F.cross_entropy(yes_Qg, right_Q, reduction="sum")

    def step(self, number: int, batch: Sequence[PairBatch]) -> dict[str, float]:
        """Forward, backward and update with the pairs of step `number`.

        Returns:
            The loss (nats), the share of pairs answered rightly, the gradient's norm and the rate's share.

        Raises:
            UMRError: the loss is not finite.
        """
        self.optimizer.zero_grad(set_to_none=True)
        pairs, found_2 = sum(len(part.labels) for part in batch), torch.zeros(2)
        for part, counts in self.group.own(batch):
            nothing = self.group.level(self._sees(part))
            logits, labels = self.logits(part), part.labels.to(self.reranker.device)
            loss = counts * self.loss(logits, labels) / pairs + nothing
            loss.backward()
            found_2 += torch.stack([loss.detach(), counts * (logits.argmax(1) == labels).sum()]).cpu()
        self.group.reduce(self.reranker.parameters(), ())
        total, right = self.group.total(found_2)
        return {**self.update(number, total), "right": float(right) / pairs}


def train(config: RerankConfig, source: Source, out: Path, group: Group | None = None) -> Reranker:
    """One run; goes on from the checkpoints beside `out`.

    Args:
        config: what to do.
        source: mined examples.
        out: the folder that is written, with its train_config.json.
        group: the processes that share each step; None: this one alone.

    Returns:
        The re-ranker, as it was saved; of a sharded run in other processes than the first, its slices.

    Raises:
        ConfigError: the settings do not suit the data or the encoder to start from; or `out` is something else.
        MismatchError: the checkpoints are of other data, or of other weights to start from.
    """
    check_place(out)
    init, group = find_encoder(config.init), group or Group()
    commit, before = git_commit(), stages(init)  # of what runs now, before anything is written
    torch.set_num_threads(config.threads)
    reranker = begin_reranker(init, config.name, config.attention, config.resize)
    kept = Mixture(parts=(Part(data=source, share=1.0),)).serving(reranker.network.config.instructions)
    config_with = replace(reranker.config, network=replace(reranker.network.config, instructions=kept))
    cosines = None
    if config.prior:
        kept_in = out.with_name(out.name + ".cosines.safetensors")
        cosines = group.in_turn(lambda: Cosines.of(load_trainable(init), source, kept_in))
        config_with = replace(config_with, prior=cosines.prior)
        undecided(reranker)
    reranker = Reranker(config_with, reranker.network.backbone, reranker.network.tokenizer)
    if not config.sharded:  # which no GPU need hold as a whole
        reranker = reranker.to("cuda" if torch.cuda.is_available() else "cpu")
    trainer = RerankTrainer(config, source, reranker, cosines, group)
    log.info("%s: %d of %d examples", config.name, len(trainer.builder.examples), len(source.examples))
    seconds = run(trainer, out.with_name(out.name + ".checkpoints"))
    if isinstance(trainer.group, ShardedGroup):
        reranker = trainer.group.gathered()
    reranker.eval()
    if group.rank:
        return reranker
    made = {"commit": commit, "stages": before, "torch": torch.__version__, "processes": group.size}
    save_reranker(reranker, out, {RECORD: train_record(config, source, seconds, made)})
    log.info("saved %s after %.0f s", out, seconds)
    return reranker


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(prog="python -m training.rerank", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--init", required=True, help="the encoder to start from: a shipped name, or a folder")
    parser.add_argument("--data", required=True, metavar=FORM, help="what python -m training.mine wrote, as jsonl:FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the re-ranker's folder")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="change single settings")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(log_level())
    with exit_status("training", OSError) as ended:
        config = with_settings(RerankConfig(name=options.out.name, init=options.init), options.set)
        source, group = load_source(parse(options.data), cache_root() / "media"), Group.of_environment()
        train(config, source, options.out, group)
        group.close()
    return ended.status


if __name__ == "__main__":
    leave(main())
