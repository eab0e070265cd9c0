"""Two processes of a test, as torchrun starts them: they meet at stores that the test holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import multiprocessing
from torch.distributed import TCPStore

from training.parallel import leave

HOST = "127.0.0.1"


def in_two(work: Callable[..., None], *arguments: Any, groups: int = 1) -> None:
    """work(rank, ports, *arguments) in two processes, with a port for each group that they are, one after the other.

    The ports are the system's choice and taken from here on: one that is only looked for is somebody else's a moment
    later.
    """
    stores = [TCPStore(HOST, 0, is_master=True, wait_for_workers=False) for _ in range(groups)]
    multiprocessing.spawn(_worked, (work, tuple(store.port for store in stores), *arguments), nprocs=2)


def _worked(rank: int, work: Callable[..., None], *arguments: Any) -> None:
    work(rank, *arguments)
    leave(0)


def join(rank: int, port: int) -> None:
    """This process is one of two, by the variables that torchrun sets."""
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": HOST,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is there already
    }
    torch.set_num_threads(1)
