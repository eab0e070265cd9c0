"""Hours and memory of a large recipe, from a network's shape and a rate of computing. An estimate: nothing is trained.

    python -m training.estimate finetune_7b --processes 8 --tflops 350        # what one process reaches, not its peak
    python -m training.estimate finetune_2b --measure --encoder unified       # at what this machine reaches in a step

Operations are counted by hand (one multiplication and addition are two): every pass over a linear layer is 2 x weights
x tokens, of attention 4 x width x tokens x length. A pass forward, one more with gradient caching, one more with
gradient checkpointing where gradients go (torch leaves out the last product of each layer there; it is counted).
Backward: as much as forward where weights are fixed, twice as much where they learn, and for attention. What a data
loader, waiting and the gathering of slices cost is not in it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.config import TrainConfig
from training.memory import one_step, step_inputs
from training.recipes import LARGE
from training.train import with_settings
from umr.bench.rows import printed
from umr.encoders import load_trainable
from umr.encoders.qwen_vl import QwenVLBackbone, build_small
from umr.errors import ConfigError
from umr.shipped import find_encoder

#: Sizes of the Qwen2-VL classes by their public names (config.json of Qwen/Qwen2-VL-2B-Instruct and -7B-Instruct).
SHAPES: dict[str, dict[str, int]] = {
    "2b": {"vocabulary": 151936, "hidden": 1536, "layers": 28, "heads": 12, "shared_heads": 2, "inner": 8960,
           "vision_width": 1280, "vision_layers": 32, "vision_heads": 16},
    "7b": {"vocabulary": 152064, "hidden": 3584, "layers": 28, "heads": 28, "shared_heads": 4, "inner": 18944,
           "vision_width": 1280, "vision_layers": 32, "vision_heads": 16},
}  # fmt: skip
PATCH, MERGED = 14, 4  # px of a patch's side; patches of a vision token
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Network:
    """What an estimate needs of a network.

    Attributes:
        weights: all parameters, of the language model's tables too.
        table: the largest group that is gathered at once beside a layer: embeddings and what merges patches.
        text: parameters of the language model's linear layers, through which every token goes.
        vision: parameters of the vision tower, through which every patch goes; of those behind merging, its share.
        hidden: width of the language model.
        layers: of it.
        inner: width of its feed-forward part.
        vision_width: of the tower.
        vision_layers: of it.
    """

    weights: int
    table: int
    text: int
    vision: int
    hidden: int
    layers: int
    inner: int
    vision_width: int
    vision_layers: int

    @classmethod
    def of_shape(cls, sizes: dict[str, int]) -> Network:
        """That of the real class, made without memory for its weights."""
        rest: dict[str, Any] = {name: size for name, size in sizes.items() if name != "vocabulary"}
        with torch.device("meta"):
            return cls.of(build_small(sizes["vocabulary"], **rest))

    @classmethod
    def of(cls, model: Any) -> Network:
        """That of a model of transformers' Qwen2-VL class."""
        text, seen = model.config.text_config, model.config.vision_config
        layers, blocks = _count(model.language_model.layers), _count(model.visual.blocks)
        before, behind = _count(model.visual.patch_embed), _count(model.visual.merger)
        weights = _count(model)
        return cls(
            weights=weights,
            table=weights - layers - blocks,
            text=layers,
            vision=blocks + before + behind // MERGED,
            hidden=text.hidden_size,
            layers=text.num_hidden_layers,
            inner=text.intermediate_size,
            vision_width=seen.embed_dim,
            vision_layers=seen.depth,
        )

    def adapters(self, rank: int, shared: float) -> int:
        """Parameters of adapters of this rank on every linear layer; `shared`: width of keys by that of queries."""
        hidden, inner = self.hidden, self.inner
        attention = 2 * (2 * hidden) + 2 * (hidden + shared * hidden)
        return round(self.layers * rank * (attention + 3 * (hidden + inner)))


@dataclass(frozen=True, kw_only=True)
class Data:
    """What an example holds on average: query and answer together.

    Attributes:
        pictures: how many.
        side: px of a picture's side.
        words: tokens of text, templates among them.
        rows: sequences: query and answer.
    """

    pictures: float = 1.5
    side: int = 336
    words: int = 80
    rows: int = 2

    @property
    def patches(self) -> int:
        """Of a picture."""
        return (self.side // PATCH) ** 2

    @property
    def tokens(self) -> float:
        """Of an example in the language model."""
        return self.pictures * self.patches / MERGED + self.words


def operations(config: TrainConfig, network: Network, data: Data, adapters: int = 0) -> float:
    """Floating point operations of an example in a step; `adapters`: parameters of theirs."""
    length, seen = data.tokens / data.rows, data.pictures * data.patches
    text, vision = 2 * network.text * data.tokens, 2 * network.vision * seen
    looked = 4 * network.layers * network.hidden * data.tokens * length
    looked_vision = 4 * network.vision_layers * network.vision_width * seen * data.patches
    forward = 1 + int(config.chunk_families > 0)
    learned = forward + int(config.checkpointing) + 2
    if not adapters:
        return (text + vision + looked + looked_vision) * learned
    return text * (learned - 1) + (2 * adapters * data.tokens + looked) * learned + (vision + looked_vision) * forward


def memory(config: TrainConfig, network: Network, data: Data, processes: int, adapters: int) -> dict[str, float]:
    """GiB of each process, part by part. Fragments, libraries and the data loader are not in it."""
    slices = processes if config.sharded else 1
    learning = adapters or network.weights
    chunk = config.chunk_families or -(-config.families_per_batch // processes)
    tokens = chunk * data.tokens
    layer = network.text / network.layers
    number = 2 if config.bf16 else 4
    held = tokens * network.hidden * (number if config.sharded else 4)  # what goes from layer to layer
    within = tokens * number * (8 * network.hidden + 4 * network.inner)
    batch = config.families_per_batch
    parts = {
        "weights": 4 * (network.weights + adapters) / slices,
        "gathered": number * (network.table + 2 * layer) if config.sharded else number * layer,
        "gradients": 4 * learning / slices,
        "optimizer": 8 * learning / slices,
        "activations": held * network.layers + within if config.checkpointing else within * network.layers,
        "batch": 4 * (3 * batch * data.rows * network.hidden + 3 * batch * batch),
    }
    return {name: value / GIB for name, value in parts.items()}


def estimate(
    config: TrainConfig, sizes: dict[str, int], data: Data, processes: int, tflops: float
) -> list[dict[str, Any]]:
    """One row: hours of the recipe, memory of each process.

    Args:
        config: the recipe.
        sizes: of the network, as SHAPES has them.
        data: what an example holds.
        processes: each with a device of its own.
        tflops: 10^12 operations a second that one of them reaches in training.

    Raises:
        ConfigError: a number is not above 0, or the recipe is sharded and there is one process.
    """
    if processes < 1 or tflops <= 0 or data.pictures < 0 or data.side < 1 or data.words < 1:
        raise ConfigError(
            f"processes {processes}, tflops {tflops}, {asdict(data)}: all must be above 0, pictures at least 0"
        )
    if config.sharded and processes == 1:
        raise ConfigError("the recipe is sharded, which takes --processes of 2 or more; or say --set sharded=false")
    network = Network.of_shape(sizes)
    adapters = network.adapters(config.lora_rank, sizes["shared_heads"] / sizes["heads"])
    example = operations(config, network, data, adapters)
    rate = processes * tflops * 1e12 / example
    parts = memory(config, network, data, processes, adapters)
    return [
        {
            "recipe": config.name,
            "parameters": network.weights,
            "adapters": adapters,
            "tokens_per_example": round(data.tokens),
            "tflop_per_example": round(example / 1e12, 2),
            "examples_per_s": float(f"{rate:.4g}"),
            "tokens_per_s": float(f"{rate * data.tokens:.4g}"),
            "steps": config.steps,
            "batch": config.families_per_batch,
            "hours": round(config.steps * config.families_per_batch / rate / 3600, 1),
            "gib_per_process": round(sum(parts.values()), 1),
            "of_them": {name: round(value, 1) for name, value in parts.items()},
        }
    ]


def measured_tflops(folder: Path, pairs: int = 32, repeat: int = 3) -> float:
    """10^12 operations a second that this machine reaches in a training step of a small encoder, counted as above.

    Args:
        folder: of the encoder.
        pairs: of random pictures and one caption.
        repeat: steps; the quickest counts.

    Raises:
        ConfigError: the encoder is of another class.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = load_trainable(folder, device="cpu").to(device).train()
    inputs = step_inputs(encoder, pairs)
    if not isinstance(encoder.backbone, QwenVLBackbone):
        raise ConfigError(f"{encoder.name} is {encoder.config.backbone}; measure an encoder of the Qwen2-VL class")
    network, seconds = Network.of(encoder.backbone.model), []
    for _ in range(repeat):
        start = time.perf_counter()
        one_step(encoder, inputs)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    words = sum(len(row) for row in (inputs.captions[0], inputs.shown[0]))
    side = encoder.config.image_size
    data = Data(pictures=1, side=side, words=words - (side // PATCH) ** 2 // MERGED)
    plain = TrainConfig(name="measured", checkpointing=False)
    return pairs * operations(plain, network, data) / min(seconds) / 1e12


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(prog="python -m training.estimate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", choices=LARGE)
    parser.add_argument("--shape", choices=SHAPES, help="of the network (default: that of the recipe's name)")
    parser.add_argument("--processes", type=int, default=8, metavar="N", help="each with a device (default 8)")
    rate = parser.add_mutually_exclusive_group(required=True)
    rate.add_argument("--tflops", type=float, help="10^12 operations a second that one process reaches in training")
    rate.add_argument("--measure", action="store_true", help="what this machine reaches in a step of --encoder")
    parser.add_argument("--encoder", default="unified", metavar="NAME", help="whose step is measured")
    for name, value in asdict(Data()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"of an example (default {value})")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="change settings of the recipe")
    options = parser.parse_args(arguments)

    def made() -> list[dict[str, Any]]:
        config = with_settings(LARGE[options.recipe](), options.set)
        tflops = measured_tflops(Path(find_encoder(options.encoder))) if options.measure else options.tflops
        data = Data(**{name: getattr(options, name) for name in asdict(Data())})
        shape = options.shape or options.recipe.rpartition("_")[2]
        (row,) = estimate(config, SHAPES[shape], data, options.processes, tflops)
        return [row | {"tflops_per_process": round(tflops, 3), "measured_here": options.measure}]

    return printed(made)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


if __name__ == "__main__":
    sys.exit(main())
