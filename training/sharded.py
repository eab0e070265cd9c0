"""One network whose weights, gradients and optimizer states lie in slices on all processes. Not a launcher, no loss.

    torchrun --nproc-per-node 8 -m training.train finetune_7b --init ENCODER --data mbeir:M-BEIR --out DIR
    torchrun --nproc-per-node 8 -m training.rerank --init ENCODER ... --set sharded=true muon_rate=0

FSDP2 (torch's fully_shard; Zhao et al., arXiv 2304.11277): a layer is whole in a process only while it is computed. It
goes by modules' calls, so the classes' own forward passes run (transformers' scaled dot product attention) in place of
the fast ones, and every process must make the same calls in the same order: one with fewer chunks, pictures or roles
makes empty ones, which move nothing. A re-ranker's layer keeps keys and values of the queries for their candidates: it
hands them out beside its states, so that it is whole again when their gradients come back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

from training.batch import Chunk
from training.grad_cache import Roles, cached_backward, joined
from training.parallel import Group, Part
from training.sharded_state import whole_state
from umr.encoders.base import UnifiedEncoder
from umr.encoders.batch import Batch
from umr.encoders.prefix import Prefix
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.errors import ConfigError
from umr.rerank.reranker import Reranker

Network = TypeVar("Network", UnifiedEncoder, Reranker)


class Calls(NamedTuple):
    """How often a chunk calls the vision tower and the language model."""

    sees: int
    embeds: int

    @classmethod
    def of(cls, chunk: Chunk) -> Calls:
        """Those of Trainer.encode: one for stills, one for clips, or one a size; and one for each part of a role."""
        sees = sum(media is not None for media in (chunk.stills, chunk.clips))
        sees += len({media.shape for media in chunk.mixed})
        return cls(sees, sum(len(rows.parts) for rows in chunk.roles.values()))


class ShardedGroup(Group, Generic[Network]):
    """The processes of a run among which one encoder or re-ranker is cut in slices; it cuts it.

    Attributes:
        network: what is cut.
        encoder: the same, or what is the encoder in a re-ranker.
        blank: the network as it was, without weights, to be filled for saving.
    """

    def __init__(self, group: Group, network: Network, bf16: bool = False) -> None:
        """Cut the network, in place; each process then holds its slice, on its own GPU where there is one.

        Args:
            group: the processes.
            network: on the CPU, the same in every process.
            bf16: layers are gathered and computed in bfloat16; slices, sums of gradients and the optimizer's states
                stay float32. Half of the traffic, and no bfloat16 copy of the whole network as autocast would keep.

        Raises:
            ConfigError: this process is alone, the network is not of the Qwen2-VL class, or this torch cannot.
        """
        super().__init__(group.rank, group.size)
        if group.size == 1:
            raise ConfigError(
                "sharded cuts the weights among several processes: start them by torchrun --nproc-per-node N -m "
                "training.train (or rerank, distill) ..., or leave sharded at false"
            )
        encoder: UnifiedEncoder = network.network if isinstance(network, Reranker) else network
        if not isinstance(encoder.backbone, QwenVLBackbone):
            raise ConfigError(
                f"the backbone {encoder.config.backbone} has no layers that can be cut; leave sharded at false"
            )
        if not hasattr(FSDPModule, "set_force_sum_reduction_for_comms"):
            raise ConfigError(f"sharded needs torch 2.9 or newer, this is {torch.__version__}; leave sharded at false")
        self.network: Network = network
        self.encoder: UnifiedEncoder = encoder
        self.blank: Network = _without_weights(network, encoder)
        _shard(encoder.backbone, group.size, bf16)
        if isinstance(network, Reranker):
            _continued(encoder.backbone)
        for module in network.modules():
            for name, buffer in module.named_buffers(recurse=False):  # those outside of the backbone stayed behind
                module.register_buffer(name, buffer.to(encoder.device), name not in module._non_persistent_buffers_set)

    def own(self, parts: Sequence[Part]) -> Sequence[tuple[Part, float]]:
        """As Group.own, as many in every process: one that has no part left computes the first, which counts 0."""
        mine = [(part, 1.0) for part in parts[self.rank :: self.size]]
        surplus = math.ceil(len(parts) / self.size) - len(mine)
        return mine + [(parts[0], 0.0)] * surplus

    def level(self, sees: int) -> Tensor:
        """As Group.level; processes that call the vision tower less often than another make empty calls of it."""
        most = torch.tensor(sees)
        distributed.all_reduce(most, distributed.ReduceOp.MAX)
        empty: list[Tensor] = self._seen_nothing(int(most) - sees)
        none = torch.zeros((), device=self.encoder.device)
        return 0 * torch.stack([none, *(part.float().sum() for part in empty)]).sum()

    def backward(
        self,
        forward: Callable[[Any], Roles],
        chunks: Sequence[Any],
        loss: Callable[[Roles], Tensor],
        cached: bool = False,
        device: torch.device | None = None,
    ) -> Tensor:
        """As Group.backward; the gradients of the encoder are those of the whole batch afterwards, in slices."""
        del device  # no process is without rows here
        size, rounds = self.size, math.ceil(len(chunks) / self.size)
        own = [chunks[number] for number in range(self.rank, len(chunks), size)]
        counts: list[dict[str, int]] = []
        turns = [chunks[turn * size : (turn + 1) * size] for turn in range(rounds)]

        def aligned(turn: int) -> Roles:
            shared = turns[turn]
            calls = [Calls.of(chunk) for chunk in shared]
            most = Calls(max(one.sees for one in calls), max(one.embeds for one in calls))
            mine = shared[self.rank] if self.rank < len(shared) else shared[0]
            rows = self._filled(forward, mine, most)
            counts.append({role: len(part) for role, part in rows.items()})
            return rows if self.rank < len(shared) else {role: part[:0] for role, part in rows.items()}

        def over_all(mine: Roles) -> Tensor:
            value = loss(self._joined(mine, counts[: len(own)], len(chunks)))
            return value + 0 * torch.stack([rows.sum() for rows in mine.values()]).sum()  # all calls have a backward

        if cached:
            return cached_backward(aligned, range(rounds), over_all)[0]
        value = over_all(joined([aligned(turn) for turn in range(rounds)]))
        value.backward()
        return value.detach()

    def _filled(self, forward: Callable[[Any], Roles], chunk: Chunk, most: Calls) -> Roles:
        """The rows of a chunk, with as many calls as the process of this turn that has the most."""
        mine, encoder = Calls.of(chunk), self.encoder
        empty = self._seen_nothing(most.sees - mine.sees)
        rows = forward(chunk)
        nothing = encoder.collate([encoder.tokenise("a", role="candidate")])
        empty += [encoder.embed(nothing.to(encoder.device), None) for _ in range(most.embeds - mine.embeds)]
        first, *_ = rows
        for part in empty:
            rows[first] = rows[first] + 0 * part.sum()
        return rows

    def _seen_nothing(self, calls: int) -> list[Tensor]:
        """The vision states of so many black pictures, each by a call of its own."""
        encoder = self.encoder
        side = encoder.cell or encoder.config.image_size  # the smallest that it sees
        return [encoder.see(torch.zeros(1, 1, side, side, 3, dtype=torch.uint8)) for _ in range(calls)]

    def reduce(self, summed: Iterable[nn.Parameter], shared: Iterable[nn.Parameter]) -> None:
        """As Group.reduce; the gradients of `summed` were added up while they were computed."""
        del summed
        super().reduce((), shared)

    def gathered(self) -> Network:
        """The whole network on the CPU of process 0; in the others the slices. All processes must ask for it."""
        state = whole_state(self.network, self.rank == 0)
        if self.rank:
            return self.network
        self.blank.load_state_dict(state, assign=True)
        return self.blank


def _shard(backbone: QwenVLBackbone, size: int, bf16: bool) -> None:
    """Cut a backbone's weights among `size` processes: every layer apart, the rest together."""
    numbers = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    policy = numbers if bf16 else MixedPrecisionPolicy()
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    mesh = init_device_mesh(kind, (size,))
    backbone.fast = False
    layers: list[nn.Module] = [*backbone.model.visual.blocks, *backbone.model.language_model.layers]
    for module in (*layers, backbone):
        fully_shard(module, mesh=mesh, reshard_after_forward=True, mp_policy=policy)
    for module in backbone.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)  # each process has its chunks' share of a sum
            module.set_force_sum_reduction_for_comms(enable=True)
    _whole_while_called(backbone)


class _Given:
    """What hidden_states and begin take, as one thing in which FSDP finds no tensor; a dataclass it would look into.

    It would hand gradients on at once where there are vision states and later where there are none, and processes would
    no longer do the same in the same order.
    """

    def __init__(self, batch: Batch, seen_RH: Tensor | None) -> None:
        self.batch, self.seen_RH = batch, seen_RH


def _whole_while_called(backbone: QwenVLBackbone) -> None:
    """Let the two methods that an encoder calls gather what they need, as a module's own call does."""
    states = backbone.hidden_states
    backbone.hidden_states = lambda given: states(given.batch, given.seen_RH)  # type: ignore
    for method in ("see", "hidden_states"):
        register_fsdp_forward_method(backbone, method)
    sharded: Any = backbone.hidden_states
    backbone.hidden_states = lambda batch, seen_RH: sharded(_Given(batch, seen_RH))  # type: ignore


def _continued(backbone: QwenVLBackbone) -> None:
    """The same for what a re-ranker calls: begin and go_on, which become one call, and token_rows."""
    backbone.has_fast = False  # type: ignore # so that both call the class's own layers
    _handing_out(backbone.model.language_model.layers)
    begin, go_on = backbone.begin, backbone.go_on

    def behind(begun: _Given, given: _Given) -> Tensor:
        prefix: Prefix = begin(begun.batch, begun.seen_RH)
        return go_on(prefix, given.batch, given.seen_RH).float()  # as the rows of the answers, which it meets

    backbone.go_on = behind  # type: ignore
    for method in ("go_on", "token_rows"):
        register_fsdp_forward_method(backbone, method)
    sharded: Any = backbone.go_on
    backbone.begin = _Given  # type: ignore
    backbone.go_on = lambda begun, batch, seen_RH: sharded(begun, _Given(batch, seen_RH))  # type: ignore


def _handing_out(layers: Iterable[nn.Module]) -> None:
    """Let layers tell FSDP of the keys and values that they leave in a cache; their callers get what they got before.

    FSDP gathers a layer for its backward pass when the gradient of what it gave comes. The last layer's states of a
    query go nowhere, its keys and values do.
    """

    def with_kept(forward: Callable[..., Tensor], number: int) -> Callable[..., tuple[Tensor, ...]]:
        def called(*given: Any, **named: Any) -> tuple[Tensor, ...]:
            states = forward(*given, **named)
            cache: Any = named.get("cache", named.get("past_key_values"))
            return (states,) if cache is None else (states, cache.layers[number].keys, cache.layers[number].values)

        return called

    for number, layer in enumerate(layers):
        layer.forward = with_kept(layer.forward, number)
        layer.register_forward_hook(lambda _layer, _given, found: found[0])


def _without_weights(network: Network, encoder: UnifiedEncoder) -> Network:
    """A copy whose parameters have shapes alone."""
    known: dict[int, Any] = {
        id(one): nn.Parameter(torch.empty_like(one, device="meta"), one.requires_grad) for one in network.parameters()
    }
    return deepcopy(network, known | {id(encoder.tokenizer): encoder.tokenizer})
