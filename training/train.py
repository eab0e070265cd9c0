"""Runs one recipe: build, loop, checkpoint, save. Not recipes (recipes.py), losses, or batches (world_source/).

python -m training.train unified --world DIR --out DIR [--init ENCODER] [--set steps=2000 learning_rate=5e-4]
python -m training.train finetune --data jsonl:mine.jsonl --init ENCODER --out DIR [--held-out jsonl:other.jsonl]
The result is an encoder folder that umr.encoders.load_encoder reads, with train_config.json beside the weights.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from training.average import check_alike, keep_of_start
from training.batch import Chunk, LengthSorted, TrainBatch
from training.checkpoint import clear_left, has_checkpoint, load_checkpoint, save_checkpoint
from training.chunks import Tokenise
from training.config import UNTOLD, DistillConfig, QueryConfig, RerankConfig, TrainConfig
from training.grow import deepen_vision
from training.legal import refuse_idle
from training.lora import add_adapters, is_adapter, merge_adapters
from training.mixture import Batches, Mixture, load_mixture, sentences_of
from training.objective import Objective
from training.optimizer import MuonAdamW
from training.parallel import Group, leave, log_level
from training.precision import autocast
from training.provenance import ended_at, stages, weights_fingerprint
from training.recall import recall
from training.recipes import LARGE, RECIPES
from training.sharded import ShardedGroup
from training.sharded_state import as_saved, clip_gradients, to_load
from training.sources.readers import load_source
from training.sources.source import Source
from training.sources.spec import FORM, parse, parse_all
from training.unmoved import keep_untrained
from training.world_source.source import (
    CODES,
    BatchBuilder,
    World,
    check_compositions,
    check_pixels,
    check_programmes,
    load_world,
    sentences,
    serving,
    world_record,
    world_told,
)
from umr.commit import git_commit
from umr.encoders import load_trainable
from umr.encoders.backbone import backbone_class
from umr.encoders.base import UnifiedEncoder
from umr.encoders.config import EncoderConfig
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.encoders.store import check_place
from umr.encoders.tokenizer import plain_tokenizer, train_tokenizer
from umr.errors import ConfigError, MismatchError, UMRError, exit_status
from umr.lock import claimed
from umr.shipped import cache_root, find_encoder

log = logging.getLogger("training")

Settings = TypeVar("Settings", TrainConfig, RerankConfig, DistillConfig)

AT_THE_END = ("name", "stop_after", "kept_start", "kept_of")  # settings that no step depends on
OF_A_START = ("vision_layers", "kept_start")  # settings that change an encoder to start from, or keep of it
#: Settings that say how steps are computed, told and kept: a run may go on with others.
HOW_COMPUTED = ("checkpointing", "sharded", "threads", "log_every", "checkpoint_every")
OWN_DATA = ("finetune", *LARGE)  # the recipes that train on a person's own data alone


def new_encoder(name: str, seed: int, image_size: int = 112, **sizes: int) -> UnifiedEncoder:
    """A small network of the usual backbone with random weights and a tokenizer trained on the catalogue's words.

    Args:
        name: of the encoder.
        seed: of the weights and of the sentences.
        image_size: px.
        sizes: of the network, where they are not build_small's.

    Returns:
        The encoder, on the CPU.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    backbone = backbone_class(EncoderConfig.backbone)
    special = backbone.special
    tokenizer = plain_tokenizer(train_tokenizer(sentences(rng), special), special)
    dim = sizes.get("hidden", EncoderConfig.dim)
    config = EncoderConfig(name=name, dim=dim, image_size=image_size, instructions=serving())
    return UnifiedEncoder(config, backbone.for_tokenizer(config, tokenizer, **sizes), tokenizer)


def schedule(config: TrainConfig | QueryConfig, step: int) -> float:
    """The share of a group's peak rate at a step: linear warm-up, then a cosine to final_learning_rate."""
    warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.steps)))
    return warm * (config.final_learning_rate + (1 - config.final_learning_rate) * cosine)


def build_optimizer(config: TrainConfig | QueryConfig, encoder: nn.Module, objective: nn.Module) -> MuonAdamW:
    """Muon for the backbone's matrices (where muon_rate asks for it), AdamW for the rest.

    Embeddings, norms and the temperature do not decay. A group's "peak" is its rate where the schedule is 1.
    """
    named = [(name, value) for name, value in encoder.named_parameters() if value.requires_grad]
    embedding = [value for name, value in named if "embed" in name or value.ndim <= 1]
    matrices = [value for name, value in named if "embed" not in name and value.ndim > 1]
    adapters = {id(value) for name, value in named if is_adapter(name)}  # their products matter, not each one alone
    muon = [value for value in matrices if value.ndim == 2 and id(value) not in adapters] if config.muon_rate else []
    known = {id(value) for value in muon}
    decays = [value for value in matrices if id(value) not in known] + [p for p in objective.parameters() if p.ndim > 1]
    plain = embedding + [p for p in objective.parameters() if p.ndim <= 1 and p.requires_grad]
    groups = [
        {"params": muon, "weight_decay": config.weight_decay, "muon": True, "peak": config.muon_rate},
        {"params": decays, "weight_decay": config.weight_decay, "peak": config.learning_rate},
        {"params": plain, "peak": config.learning_rate},
    ]
    return MuonAdamW([group for group in groups if group["params"]])


class Stage:
    """What `run` takes of a stage that goes on where it was killed; a kind of training adds its builder and its step.

    Attributes:
        config: its settings.
        modules: all that is trained, by the names that a checkpoint has for them.
        optimizer: of their parameters.
        builder: makes the batch of any step.
        data: the fingerprint of what is trained on.
        start: that of the weights before the first step.
        seconds: spent on the steps so far, by every run of this stage, one after the other.
        group: the processes that share each batch.
    """

    config: TrainConfig | QueryConfig
    modules: dict[str, nn.Module]
    optimizer: MuonAdamW
    builder: Any
    data: str
    start: str
    seconds: float
    group: Group

    def step(self, number: int, batch: Any) -> dict[str, float]:
        """Forward, backward and update with batch `number`; returns what is logged. Each subclass has its own."""
        raise NotImplementedError

    def update(self, number: int, loss: Tensor) -> dict[str, float]:
        """Move the weights by their gradients.

        Args:
            number: of the step.
            loss: whose gradients they are.

        Returns:
            The loss, the gradient's norm before clipping and the rate's share.

        Raises:
            UMRError: the loss is not finite.
        """
        if not torch.isfinite(loss):
            raise UMRError(
                f"the loss is {loss.item()} at step {number}: lower the learning rate, or resume an older checkpoint"
            )
        share = schedule(self.config, number)
        for group in self.optimizer.param_groups:
            group["lr"] = share * group["peak"]
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = clip_gradients(parameters, self.config.clip_norm)
        self.optimizer.step()
        return {"loss": float(loss), "gradient": float(norm), "rate": share}

    def save_checkpoint(self, folder: Path, step: int) -> None:
        """Process 0 writes all that the next step depends on, and which run it belongs to."""
        first = self.group.rank == 0
        modules, optimizer = as_saved(self.modules, self.optimizer, keep=first)
        if first:
            run_of = {"config": record_config(self.config), "world": self.data, "start": self.start}
            save_checkpoint(folder, step, modules, optimizer, {}, run_of | {"seconds": self.seconds})

    def load_checkpoint(self, folder: Path) -> int:
        """Restore the newest checkpoint.

        Returns:
            The number of finished steps.

        Raises:
            ConfigError: it is of a run with other settings.
            MismatchError: it is of a run on other data, or from other weights.
        """
        modules, optimizer = to_load(self.modules, self.optimizer)
        restored = load_checkpoint(folder, modules, optimizer, {}, lambda extra: self._check_run(folder, extra))
        self.seconds = restored.extra["seconds"]
        return restored.step

    def _check_run(self, folder: Path, saved: Mapping[str, Any]) -> None:
        """Raises where a checkpoint is of another run. An init folder may have moved: its weights say what it is."""
        # where a run ends and what is saved then, and how its steps are computed, is no part of what they are
        theirs = dict.fromkeys(("init", *AT_THE_END, *HOW_COMPUTED))
        now, then = ({**config, **theirs} for config in (record_config(self.config), saved["config"]))
        if now != then:
            changed = sorted(key for key in now | then if now.get(key) != then.get(key))
            raise ConfigError(
                f"{folder} was made with other settings ({', '.join(changed)}): use another --out, or the old ones"
            )
        for what, key, mine in (("training data", "world", self.data), ("weights to start from", "start", self.start)):
            its = saved.get(key, "unknown")  # checkpoints did not always say
            if its != mine:
                raise MismatchError(
                    f"{folder} belongs to the {what} {its[:12]}, but {mine[:12]} was given: go on with what the "
                    "checkpoint belongs to, or use another --out"
                )


class Trainer(Stage):
    """One run: encoder, objective, optimizer and batches. `step(n)` is the whole of a training step."""

    config: TrainConfig

    def __init__(
        self, config: TrainConfig, data: World | Mixture, encoder: UnifiedEncoder, group: Group | None = None
    ) -> None:
        self.config, self.encoder = config, encoder.train()
        self.data, self.start = data.fingerprint, weights_fingerprint(encoder)
        self.seconds = 0.0
        group = group or Group()
        self.group = ShardedGroup(group, encoder, config.bf16) if config.sharded else group
        self.device = encoder.device
        torch.manual_seed(config.seed)
        codes = CODES if isinstance(data, World) else data.codes
        self.objective = Objective(config, encoder.dim, codes).to(self.device)
        self.modules = {"encoder": self.encoder, "objective": self.objective}
        self.optimizer = build_optimizer(config, encoder, self.objective)
        self.builder: Batches = (
            BatchBuilder(Tokenise.of(encoder), data, config, self.group)
            if isinstance(data, World)
            else data.batches(encoder, config, self.group)
        )

    def encode(self, chunk: Chunk) -> dict[str, Tensor]:
        """Role -> (n, D) unit rows; the vision states of a picture are computed once and shared by all its rows."""
        with autocast(self.device, self.config.bf16):
            states = [self.encoder.see(media) for media in (chunk.stills, chunk.clips) if media is not None]
            seen = torch.cat([part.flatten(0, 1) for part in states]) if states else None
            if chunk.mixed:
                seen = self.encoder.see_all(chunk.mixed)
            outputs = {role: self._embed(rows, seen) for role, rows in chunk.roles.items()}
        if self.config.vision_weight and chunk.stills is not None:
            outputs["vision"] = nn.functional.normalize(states[0].float().mean(1), dim=1)
        if self.config.motion_weight and chunk.clips is not None:
            outputs["motion"] = nn.functional.normalize(states[-1].float().mean(1), dim=1)
        return outputs

    def _embed(self, rows: LengthSorted, seen: Tensor | None) -> Tensor:
        """(n, D) unit rows of a role, in the role's own order."""
        embeddings = torch.cat([self.encoder.embed(part, seen) for part in rows.parts])
        return embeddings[rows.order.argsort()]

    def step(self, number: int, batch: TrainBatch) -> dict[str, float]:
        """Forward, backward and update with batch `number`.

        Returns:
            The loss, its terms (nats), the gradient's norm before clipping, the rate's share and the temperature.

        Raises:
            UMRError: the loss is not finite.
        """
        self.optimizer.zero_grad(set_to_none=True)
        batch = batch.to(self.device)
        loss = self.group.backward(
            self.encode,
            batch.chunks,
            lambda outputs: self.objective(batch.in_row_order(outputs), batch),
            cached=self.config.chunk_families > 0,
            device=self.device,
        )
        self.group.reduce(self.encoder.parameters(), self.objective.parameters())
        moved = self.update(number, loss)
        self.objective.keep_temperature_in_range()
        return {
            **moved,
            "temperature": self.objective.temperature.item(),
            **self.objective.terms,
        }


def run(trainer: Stage, checkpoints: Path) -> float:
    """All steps, from the newest checkpoint where there is one; returns the seconds spent on them by every process.

    Raises:
        ConfigError: another run writes these checkpoints, or they are of other settings.
        MismatchError: they are of other data, or of other weights to start from.
    """
    with claimed(checkpoints) if trainer.group.rank == 0 else nullcontext():
        if trainer.group.rank == 0:
            clear_left(checkpoints)
        return _steps(trainer, checkpoints)


def _steps(trainer: Stage, checkpoints: Path) -> float:
    """The steps of `run`, by a process whose group has the checkpoints' folder for itself."""
    config, last = trainer.config, trainer.config.stop_after or trainer.config.steps
    first = trainer.load_checkpoint(checkpoints) if has_checkpoint(checkpoints) else 0
    if first:
        log.info("resumed after step %d", first)
    started, before = time.perf_counter(), trainer.seconds
    sums: dict[str, float] = {}
    count: dict[str, int] = {}
    with ThreadPoolExecutor(1) as pool:  # the next batch is written while this one is computed
        waiting = pool.submit(trainer.builder.build, first)
        for number in range(first, last):
            batch = waiting.result()
            if number + 1 < last:
                waiting = pool.submit(trainer.builder.build, number + 1)
            for term, value in trainer.step(number, batch).items():
                sums[term] = sums.get(term, 0.0) + value
                count[term] = count.get(term, 0) + 1
            done = number + 1
            spent = time.perf_counter() - started
            trainer.seconds = before + spent
            if trainer.group.rank == 0 and (done % config.log_every == 0 or done == last):
                per_step = spent / (done - first)
                terms = "  ".join(f"{term} {sums[term] / count[term]:.3g}" for term in sums)
                log.info(
                    "step %d/%d  %.2f s/step  %.0f min left  %s",
                    done,
                    last,
                    per_step,
                    per_step * (last - done) / 60,
                    terms,
                )
                sums, count = {}, {}
            if done % config.checkpoint_every == 0 or done == last:
                trainer.save_checkpoint(checkpoints, done)
    return trainer.seconds


def with_settings(config: Settings, settings: list[str]) -> Settings:
    """The config with `field=value` overrides; values are JSON, or plain words.

    Raises:
        ConfigError: a field is unknown, or a value is not of its type.
    """
    known = {f.name for f in fields(config)}
    changes = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or name not in known:
            raise ConfigError(f"--set {setting!r} is not field=value; fields: {', '.join(sorted(known))}")
        try:
            changes[name] = json.loads(value)
        except json.JSONDecodeError:
            changes[name] = value
        legal = _legal_type(getattr(config, name))
        if not isinstance(changes[name], legal) or isinstance(changes[name], bool) != (legal is bool):
            kind = getattr(legal, "__name__", str(legal))
            raise ConfigError(f"--set {setting!r}: {name} must be {kind}, such as {getattr(config, name)!r}")
    return replace(config, **changes)


def _legal_type(value: object) -> type | UnionType:
    """What may stand where `value` stands: whole numbers pass for floats, a name for None."""
    return {float: int | float, type(None): str}.get(type(value), type(value))


def train(
    config: TrainConfig,
    data: World | Mixture,
    out: Path,
    group: Group | None = None,
    held_out: Source | None = None,
) -> UnifiedEncoder:
    """One stage; resumes from the checkpoints beside `out`.

    Args:
        config: what to do.
        data: what to see.
        out: the encoder folder that is written, with its train_config.json.
        group: the processes that share each batch; None: this one alone.
        held_out: examples that are asked before and after, of data that are not trained on.

    Returns:
        The encoder, as it was saved; of a sharded run in other processes than the first, its slices.

    Raises:
        ConfigError: the config does not fit itself, the weights to start from, or the data; or `out` is something else.
        MismatchError: the checkpoints are of other data, or of other weights to start from.
    """
    _check_data(config, data, held_out, out)
    group = group or Group()
    init = config.init and find_encoder(config.init)
    commit, before = git_commit(), stages(init)  # of what runs now, before anything is written
    config = config if config.temperature else replace(config, temperature=ended_at(init))
    torch.set_num_threads(config.threads)
    encoder = _encoder_to_train(config, data, init)
    measured: dict[str, Any] = {} if held_out is None else {"before": _measured("before", encoder, held_out)}
    trainer = Trainer(config, data, encoder, group)
    total = sum(parameter.numel() for parameter in encoder.parameters())
    log.info("%s: %.2f M parameters, %s, %d steps", config.name, total / 1e6, _told(data), config.steps)
    seconds = run(trainer, out.with_name(out.name + ".checkpoints"))
    if isinstance(trainer.group, ShardedGroup):
        encoder = trainer.group.gathered()
    if config.sharded and group.rank:
        return encoder
    _finish(encoder, config, init)
    if group.rank:
        return encoder
    record = {
        "config": record_config(config),
        "seconds": round(seconds),
        "processes": group.size,
        "commit": commit,
        "stages": before,
        "temperature": trainer.objective.temperature.item(),
        "torch": torch.__version__,
        **_data_record(data),
    }
    if config.kept_of:
        record["kept_of"] = stages(find_encoder(config.kept_of))[-1]
    if held_out is not None:
        measured["after"] = _measured("after", encoder, held_out)
        record["held_out"] = {"data": held_out.record(), **measured}
    encoder.save(out, extra={"train_config.json": json.dumps(record, indent=1, sort_keys=True) + "\n"})
    log.info("saved %s after %.0f s", out, seconds)
    return encoder


def _finish(encoder: UnifiedEncoder, config: TrainConfig, init: str | None) -> None:
    """Makes of what was trained what is saved: no adapters, and its share of the start's weights."""
    merge_adapters(encoder)
    encoder.requires_grad_(True)
    if config.kept_start and (kept := _kept_of(config, init)):
        keep_of_start(encoder, load_trainable(kept, device=encoder.device), config.kept_start)
    encoder.eval()


def _kept_of(config: TrainConfig, init: str | None) -> str | None:
    """Whose weights are kept a share of: another encoder's, or those of the one to start from."""
    return find_encoder(config.kept_of) if config.kept_of else init


def _encoder_to_train(config: TrainConfig, data: World | Mixture, init: str | None) -> UnifiedEncoder:
    """The encoder of the folder `init`, or one of random weights, with the name and the sentences that it will have."""
    if init:
        encoder = load_trainable(init, device="cpu")
        if config.vision_layers:
            deepen_vision(encoder, config.vision_layers)
    elif lost := [name for name in OF_A_START if getattr(config, name)]:
        raise ConfigError(
            f"{lost[0]} is {getattr(config, lost[0])}, which is of an encoder to start from: give one by --init, or "
            f"say --set {lost[0]}=0"
        )
    else:
        encoder = new_encoder(config.name, config.seed, config.image_size, **config.network)
    for world in [data] if isinstance(data, World) else data.worlds:
        check_pixels(encoder, world)
    kept = serving() if isinstance(data, World) else data.serving(encoder.config.instructions)
    encoder.config = replace(encoder.config, name=config.name, instructions=kept)
    if config.kept_of:
        check_alike(encoder, load_trainable(find_encoder(config.kept_of), device="cpu"))
    if config.lora_rank:
        torch.manual_seed(config.seed)  # a run that goes on begins with the same adapters
        add_adapters(encoder, config.lora_rank, config.lora_alpha or 2 * config.lora_rank)
    keep_untrained(encoder, config.trained)
    if config.checkpointing:
        hold_no_activations(encoder)
    if config.sharded:
        return encoder  # which no GPU need hold as a whole
    return encoder.to("cuda" if torch.cuda.is_available() else "cpu")


def hold_no_activations(encoder: UnifiedEncoder) -> None:
    """Gradient checkpointing: an encoder's layers are computed again in the backward pass.

    Raises:
        ConfigError: its backbone cannot.
    """
    if not isinstance(encoder.backbone, QwenVLBackbone):
        raise ConfigError(
            f"the backbone {encoder.config.backbone} has no gradient checkpointing; leave checkpointing at false, and "
            "give chunk_families, which holds the activations of some families at a time"
        )
    encoder.backbone.compute_again()


def _check_data(config: TrainConfig, data: World | Mixture, held_out: Source | None, out: Path) -> None:
    """Raises ConfigError where something else lies where the encoder goes, or the settings do not suit the data.

    Held-out examples that are trained on too are told.
    """
    check_place(out)
    if config.sharded and held_out is not None:
        raise ConfigError(
            "--held-out is asked by one process, which need not hold a sharded encoder, while the others wait: leave "
            "it out, and measure the finished encoder (python -m umr evaluate)"
        )
    if isinstance(data, World) or data.worlds:
        check_programmes(config)
    if isinstance(data, Mixture):
        data.check(config)
        if held_out is not None and (known := data.trained_on(held_out)):
            log.warning("%d of %d held-out examples are trained on too", known, len(held_out.examples))


def _told(data: World | Mixture) -> str:
    """How much there is of the data, in words."""
    worlds = [data] if isinstance(data, World) else data.worlds
    sources = [] if isinstance(data, World) else data.sources
    return ", ".join(
        [*map(world_told, worlds), *(f"{len(source.examples)} examples of {source.name}" for source in sources)]
    )


def _data_record(data: World | Mixture) -> dict[str, Any]:
    """What the record says of the data."""
    if isinstance(data, World):
        return world_record(data)
    return {"data": data.record(), "data_fingerprint": data.fingerprint}


def _measured(when: str, encoder: UnifiedEncoder, held_out: Source) -> dict[str, float]:
    """The recall on held-out examples, which is logged too."""
    found = recall(encoder, held_out, sentences_of(held_out, encoder))
    log.info("%s: %s", when, "  ".join(f"{name} {value:g}" for name, value in found.items()))
    return found


def record_config(config: TrainConfig | QueryConfig) -> dict[str, Any]:
    """The config as a record holds it: plain JSON values, and of folders of other encoders their names alone.

    What is as training.config.UNTOLD says goes without saying.
    """
    found = config.to_json() | {"init": config.init and Path(config.init).name}
    if isinstance(config, TrainConfig):
        found["kept_of"] = config.kept_of and Path(config.kept_of).name
    told = {name: value for name, value in found.items() if name not in UNTOLD or value != UNTOLD[name]}
    return json.loads(json.dumps(told))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(log_level())
    with exit_status("training", ValueError, OSError) as ended:
        config = with_settings((RECIPES | LARGE)[options.recipe](), options.set)
        if options.init:
            config = replace(config, init=options.init)
        if options.recipe in OWN_DATA and options.out and not any(one.startswith("name=") for one in options.set):
            config = replace(config, name=options.out.name)
        _check_options(options, config)
        media = cache_root() / "media"
        data: World | Mixture = (
            load_mixture(parse_all(options.data), media)
            if options.data
            else load_world(options.world or cache_root() / "world")
        )
        held_out = load_source(parse(options.held_out), media) if options.held_out else None
        group = Group.of_environment()
        train(config, data, options.out or cache_root() / "encoders" / config.name, group, held_out)
        group.close()
    return ended.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=sorted(RECIPES | LARGE))
    parser.add_argument(
        "--world", type=Path, help="made by `python -m training.catalogue world` (default: in the cache)"
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar=FORM,
        help="train on this instead; give it again for more, each with its share of the steps (default 1)",
    )
    parser.add_argument("--held-out", metavar="KIND:PATH", help="measure recall on this before and after")
    parser.add_argument(
        "--out", type=Path, help="the encoder folder to write (default: the cache, under the recipe's name)"
    )
    parser.add_argument("--init", help="start from this encoder: a folder, a shipped name, or hub:owner/name@revision")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="FIELD=VALUE", help="change single settings of the recipe"
    )
    return parser


def _check_options(options: argparse.Namespace, config: TrainConfig) -> None:
    """Raises ConfigError where the options of a command do not go together, or one of them would do nothing."""
    if options.world and options.data:
        raise ConfigError("--world and --data are both given: a world beside other data is --data world:DIR@SHARE")
    if options.recipe in OWN_DATA and not options.data:
        raise ConfigError(
            f"{options.recipe} trains on your own data: --data KIND:PATH, such as --data jsonl:mine.jsonl"
        )
    if options.recipe in OWN_DATA and not config.init:
        raise ConfigError(f"{options.recipe} starts from an encoder: --init FOLDER, or --init with a shipped name")
    kinds = {spec.kind for spec in parse_all(options.data)} or {"world"}
    given = [one.partition("=")[0] for one in options.set]
    refuse_idle(given, config, worlds="world" in kinds, sources=kinds != {"world"})
    if "world" in kinds:
        check_programmes(config)
        check_compositions(config)


if __name__ == "__main__":
    leave(main())
