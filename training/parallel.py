"""One batch over several processes: each encodes some chunks, all see every embedding. Not a launcher: torchrun is.

`torchrun --nproc-per-node 2 -m training.train RECIPE ...` runs a recipe so. Every process draws the same batch, encodes
the chunks that are its own and hands their embeddings round, so that each query still meets all negatives of the batch
(Radford et al. 2021, arXiv 2103.00020, section 2.5, shards its similarities the same way); gradients are then summed.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn, TypeVar

import torch
from torch import Tensor, distributed, nn

from training.grad_cache import Roles, cached_backward, joined

Chunk = TypeVar("Chunk")
Part = TypeVar("Part")
Made = TypeVar("Made")


def log_level() -> int:
    """Of a process that torchrun started, or of one alone: the first tells what goes on, others what is wrong."""
    return logging.WARNING if os.environ.get("RANK", "0") != "0" else logging.INFO


def leave(status: int) -> NoReturn:
    """End this process; where it is one of several, without the interpreter's own end.

    A thread of gloo that gives the tensors of the last calls back wants the interpreter for it. When that is at its end
    torch (2.13) ends the thread in the midst of it, and the process dies by a signal though its work is done.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        sys.exit(status)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class Group:
    """The processes of a run, this one among them.

    Attributes:
        rank: of this process; 0 writes files.
        size: how many there are; 1: everything runs as without a group.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @classmethod
    def of_environment(cls) -> Group:
        """The group that torchrun started this process in; a group of one without it."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        if not distributed.is_initialized():
            distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        return cls(distributed.get_rank(), distributed.get_world_size())

    def close(self) -> None:
        """Wait for the others and end the group."""
        if self.size > 1:
            distributed.barrier()
            distributed.destroy_process_group()

    def chunk_families(self, count: int, most: int) -> int:
        """Families (or queries) per chunk, so that the processes get about as many of a step.

        One may get none, where there are fewer of them than processes, or 4 processes share 5.

        Args:
            count: families of the step.
            most: what gradient caching allows; 0: any number.

        Returns:
            The number; 0: all in one chunk.
        """
        if self.size == 1:
            return most
        share = -(-count // self.size)
        return min(most, share) if most else share

    def own(self, parts: Sequence[Part]) -> Sequence[tuple[Part, float]]:
        """Of the parts of a step whose losses add up, those that this process computes, each with what it counts: 1."""
        return [(part, 1.0) for part in parts[self.rank :: self.size]]

    def level(self, sees: int) -> Tensor:
        """What a part's loss needs added so that its gradients reach all processes: 0.

        Args:
            sees: how often the vision tower will be called for the part.
        """
        del sees
        return torch.zeros(())

    def total(self, values: Tensor) -> Tensor:
        """Numbers on the CPU, added up over all processes."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def in_turn(self, make: Callable[[], Made]) -> Made:
        """What `make` gives: in process 0 first, so that the others find what it kept on the disk."""
        if self.size > 1 and self.rank:
            distributed.barrier()
        made = make()
        if self.size > 1 and not self.rank:
            distributed.barrier()
        return made

    def backward(
        self,
        forward: Callable[[Chunk], Roles],
        chunks: Sequence[Chunk],
        loss: Callable[[Roles], Tensor],
        cached: bool = False,
        device: torch.device | None = None,
    ) -> Tensor:
        """Add to every parameter this process's share of the gradients of loss(forward over all chunks).

        Args:
            forward: chunk -> {role: (n, D)}.
            chunks: of the whole batch, the same in every process.
            loss: {role: (sum of n, D)} -> scalar.
            cached: hold the activations of one chunk at a time; a process alone always does.
            device: where the loss is computed by a process that has no chunk; None: the CPU.

        Returns:
            The loss value, detached, the same in every process.

        Raises:
            ValueError: as grad_cache.cached_backward.
        """
        if self.size == 1:
            return cached_backward(forward, chunks, loss)[0]
        own = [number for number in range(len(chunks)) if number % self.size == self.rank]
        counts: list[dict[str, int]] = []

        def counted(chunk: Chunk) -> Roles:
            rows = forward(chunk)
            counts.append({role: len(part) for role, part in rows.items()})
            return rows

        def over_all(mine: Roles) -> Tensor:
            return loss(self._joined(mine, counts[: len(own)], len(chunks), device))

        mine = [chunks[number] for number in own]
        if cached and mine:
            return cached_backward(counted, mine, over_all)[0]
        value = over_all(joined([counted(chunk) for chunk in mine]))
        if value.requires_grad:  # without a chunk, and with nothing to learn in the loss, there is no gradient here
            value.backward()
        return value.detach()

    def _joined(
        self, mine: Roles, counts: list[dict[str, int]], chunks: int, device: torch.device | None = None
    ) -> Roles:
        """The embeddings of all chunks in their order; those of other processes are constants here."""
        own: tuple[list[dict[str, int]], Roles] = ([], {})
        here = [own] * self.size
        distributed.all_gather_object(here, (counts, {role: rows.detach().cpu() for role, rows in mine.items()}))
        parts: dict[str, list[Tensor]] = {}
        begins: list[dict[str, int]] = [{} for _ in range(self.size)]
        for number in range(chunks):
            rank = number % self.size
            its_counts, rows = here[rank]
            for role, count in its_counts[number // self.size].items():
                start = begins[rank].get(role, 0)
                begins[rank][role] = start + count
                source = mine[role] if rank == self.rank else rows[role]
                parts.setdefault(role, []).append(source[start : start + count])
        device = next((rows.device for rows in mine.values()), device or torch.device("cpu"))
        return {role: torch.cat([rows.to(device) for rows in there]) for role, there in parts.items()}

    def reduce(self, summed: Iterable[nn.Parameter], shared: Iterable[nn.Parameter]) -> None:
        """Make every process's gradients those of the whole batch.

        Args:
            summed: parameters of which each process has its own chunks' share.
            shared: parameters of the loss, of which each has the whole; their mean keeps the processes alike.
        """
        if self.size == 1:
            return
        both = [(list(summed), 1.0), (list(shared), 1 / self.size)]
        parameters = [(parameter, scale) for group, scale in both for parameter in group if parameter.requires_grad]
        if not parameters:
            return
        there = torch.tensor([parameter.grad is not None for parameter, _ in parameters], dtype=torch.float32)
        flat = torch.cat(
            [
                there,
                *(
                    torch.zeros(parameter.numel()) if parameter.grad is None else parameter.grad.flatten().float().cpu()
                    for parameter, _ in parameters
                ),
            ]
        )
        distributed.all_reduce(flat)
        begin = len(parameters)
        for place, (parameter, scale) in enumerate(parameters):
            rows = flat[begin : begin + parameter.numel()]
            begin += parameter.numel()
            if flat[place]:
                parameter.grad = (rows * scale).view_as(parameter).to(parameter.device, parameter.dtype)
