"""A batch over two processes against the same batch in one: loss, and every gradient."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.processes import in_two, join
from training.losses import info_nce
from training.parallel import Group


class Model(nn.Module):
    """An encoder, one of whose layers only pictures use, and a learned temperature."""

    def __init__(self, learned: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.ModuleDict({"text": nn.Linear(8, 5), "picture": nn.Linear(8, 5), "unused": nn.Linear(8, 5)})
        self.temperature = nn.Parameter(torch.tensor(0.1), requires_grad=learned)
        self.double()

    def embed(self, chunk: dict[str, Tensor]) -> dict[str, Tensor]:
        return {role: nn.functional.normalize(self.encoder[role](rows), dim=1) for role, rows in chunk.items()}

    def loss(self, roles: dict[str, Tensor]) -> Tensor:
        own = torch.arange(len(roles["text"]))
        return info_nce(roles["text"], roles["picture"], own, self.temperature)

    def gradients(self) -> dict[str, Tensor | None]:
        return {name: value.grad for name, value in self.named_parameters()}


def chunks(count: int) -> list[dict[str, Tensor]]:
    """Chunks of unequal length; the last has candidates alone."""
    torch.manual_seed(1)
    sizes = [(3, 3), (2, 4), (4, 2), (0, 3)][:count]
    made = []
    for texts, pictures in sizes:
        rows = {"text": torch.randn(texts, 8).double(), "picture": torch.randn(pictures, 8).double()}
        made.append({role: there for role, there in rows.items() if len(there)})
    return made


def whole(count: int, learned: bool = True) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Loss and gradients of one process that embeds everything at once."""
    model = Model(learned)
    parts = [model.embed(chunk) for chunk in chunks(count)]
    roles = {role: torch.cat([part[role] for part in parts if role in part]) for role in ("text", "picture")}
    loss = model.loss(roles)
    loss.backward()
    return loss.detach(), model.gradients()


def work(rank: int, ports: tuple[int], folder: str, count: int, cached: bool, learned: bool = True) -> None:
    """One of two processes: its loss and gradients go to a file."""
    join(rank, *ports)
    group, model = Group.of_environment(), Model(learned)
    loss = group.backward(model.embed, chunks(count), model.loss, cached)
    group.reduce(model.encoder.parameters(), [model.temperature])
    torch.save((loss, model.gradients()), Path(folder) / f"{rank}.pt")
    group.close()


@pytest.mark.parametrize(
    ("count", "cached", "learned"),
    [(4, False, True), (4, True, True), (1, False, True), (1, False, False), (1, True, False)],
)
def test_two_processes_have_the_gradients_of_one(tmp_path, count, cached, learned):
    """Also where one of them has no chunk, and where the loss has nothing to learn."""
    in_two(work, str(tmp_path), count, cached, learned)
    loss, gradients = whole(count, learned)
    for rank in range(2):
        its_loss, its_gradients = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(its_loss, loss)
        assert its_gradients.keys() == gradients.keys()
        for name, gradient in gradients.items():
            if gradient is None:
                assert its_gradients[name] is None, name
            else:
                torch.testing.assert_close(its_gradients[name], gradient, rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.parametrize(
    ("size", "count", "most", "families"), [(1, 48, 0, 0), (1, 48, 8, 8), (2, 48, 0, 24), (2, 5, 0, 3), (2, 48, 8, 8)]
)
def test_every_process_gets_a_chunk(size, count, most, families):
    assert Group(0, size).chunk_families(count, most) == families


@pytest.mark.parametrize(("processes", "told"), [("1", "step at exit gone "), ("2", "step at exit ")])
def test_one_of_several_processes_leaves_before_the_interpreter_ends(processes, told):
    code = """
import atexit
from training.parallel import leave
class Kept:
    def __del__(self):
        print("gone", end=" ")
kept = Kept()
atexit.register(print, "at exit", end=" ")
print("step", end=" ")
leave(3)
"""
    environment = os.environ | {"WORLD_SIZE": processes}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, told, "")
