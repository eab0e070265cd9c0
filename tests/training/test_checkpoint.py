"""Resuming gives the identical next losses; a kill leaves a loadable checkpoint; mismatches are refused."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training import checkpoint
from training.checkpoint import clear_left, has_checkpoint, load_checkpoint, save_checkpoint
from umr import disk
from umr.errors import ConfigError, DiskFullError, MismatchError

ROOT = Path(__file__).resolve().parents[2]


class Experiment:
    """A tiny training whose losses depend on weights, AdamW moments, dropout and two generators of batches."""

    def __init__(self, seed: int = 0, bit_generator: type[np.random.BitGenerator] = np.random.PCG64) -> None:
        torch.manual_seed(seed)
        body = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 1))
        self.modules = {"encoder": body, "head": nn.Linear(1, 1)}
        # Two groups and an order unlike that of the modules.
        self.optimizer = torch.optim.AdamW(
            [{"params": self.modules["head"].parameters(), "lr": 0.1}, {"params": body.parameters()}], lr=0.01
        )
        noise = torch.Generator().manual_seed(seed)
        self.generators = {"batches": np.random.Generator(bit_generator(seed)), "noise": noise}
        self.step = 0

    def train(self, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            batch = torch.from_numpy(self.generators["batches"].normal(size=(16, 4))).float()
            batch = batch + 0.1 * torch.randn(16, 4, generator=self.generators["noise"])
            loss = (self.modules["head"](self.modules["encoder"](batch)) - batch.sum(1, keepdim=True)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.step += 1
            losses.append(loss.item())
        return losses

    def save(self, folder: Path, **extra: object) -> Path:
        return save_checkpoint(folder, self.step, self.modules, self.optimizer, self.generators, extra)

    def load(self, folder: Path) -> dict[str, object]:
        self.step, extra = load_checkpoint(folder, self.modules, self.optimizer, self.generators)
        return extra


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.Philox, np.random.MT19937])
def test_resumed_losses_are_exactly_those_of_the_uninterrupted_run(tmp_path, bits):
    expected = Experiment(bit_generator=bits).train(6)
    first = Experiment(bit_generator=bits)
    losses = first.train(3)
    first.save(tmp_path, best=[0.25, "r@1"])
    resumed = Experiment(seed=99, bit_generator=bits)
    torch.rand(5)
    assert resumed.load(tmp_path) == {"best": [0.25, "r@1"]}
    assert resumed.step == 3
    assert losses + resumed.train(3) == expected


def test_saving_does_not_change_the_training(tmp_path):
    expected = Experiment().train(4)
    saved = Experiment()
    losses = saved.train(2)
    saved.save(tmp_path)
    assert losses + saved.train(2) == expected


def test_optimizer_state_comes_back_with_its_types(tmp_path):
    one, two = Experiment(), Experiment(seed=1)
    one.train(2)
    one.optimizer.param_groups[0]["lr"] = 0.0123
    one.save(tmp_path)
    two.load(tmp_path)
    saved, restored = one.optimizer.state_dict(), two.optimizer.state_dict()
    assert restored["param_groups"] == saved["param_groups"]
    assert isinstance(restored["param_groups"][0]["betas"], tuple)
    assert saved["state"].keys() == restored["state"].keys() and len(saved["state"]) == 6
    for index, named in saved["state"].items():
        for name, value in named.items():
            assert torch.equal(restored["state"][index][name], value)


def test_tied_weights_stay_tied(tmp_path):
    def tied() -> nn.ModuleDict:
        both = nn.ModuleDict({"embed": nn.Linear(3, 3, bias=False), "unembed": nn.Linear(3, 3, bias=False)})
        both["unembed"].weight = both["embed"].weight
        return both

    one, two = tied(), tied()
    save_checkpoint(tmp_path, 0, {"m": one}, torch.optim.SGD(one.parameters(), lr=1.0), {}, {})
    load_checkpoint(tmp_path, {"m": two}, torch.optim.SGD(two.parameters(), lr=1.0), {})
    assert torch.equal(two["embed"].weight, one["embed"].weight)
    assert two["embed"].weight is two["unembed"].weight


def test_the_last_two_are_kept_and_nothing_else(tmp_path):
    run = Experiment()
    for _ in range(4):
        run.train(1)
        run.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-00000003", "step-00000004"]
    assert (tmp_path / "latest").read_text() == "step-00000004\n"
    names = {path.name for path in (tmp_path / "step-00000004").iterdir()}
    assert names == {
        "module.encoder.safetensors",
        "module.head.safetensors",
        "optimizer.safetensors",
        "random.safetensors",
        "state.json",
    }


def test_what_a_dead_process_was_writing_is_cleared_and_the_checkpoints_stay(tmp_path):
    experiment = Experiment()
    experiment.save(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / ".latest.123.part").touch()
    (tmp_path / ".step-00000009.writing" / "deep").mkdir(parents=True)
    clear_left(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == names == ["latest", "step-00000000"]


def test_a_full_disk_is_told_in_words_and_leaves_the_checkpoint_in_force(tmp_path):
    experiment = Experiment()
    experiment.save(tmp_path)
    experiment.train(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(DiskFullError, match=r"step-00000001 cannot be written: .*run the same command again"):
            experiment.save(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    experiment.load(tmp_path)
    assert experiment.step == 0


def test_a_step_saved_again_never_touches_the_checkpoint_in_force(tmp_path):
    run = Experiment()
    run.train(1)
    first, second = run.save(tmp_path, turn=1), run.save(tmp_path, turn=2)
    assert first != second and first.exists()
    assert Experiment().load(tmp_path) == {"turn": 2}


@pytest.mark.parametrize("syscalls", range(1, 13))
def test_a_stop_at_any_disk_operation_leaves_a_loadable_checkpoint(tmp_path, monkeypatch, syscalls):
    """Stopped before the n-th sync, replace or removal of the second save; then saved once more."""
    run = Experiment()
    run.train(1)
    run.save(tmp_path, turn=1)
    run.train(1)

    class Killed(BaseException):
        pass

    left = [syscalls]

    def counted(function):
        def wrapper(*arguments, **named):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return function(*arguments, **named)

        return wrapper

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", counted(disk.sync))
        patch.setattr(os, "replace", counted(os.replace))
        patch.setattr(checkpoint, "_prune", counted(checkpoint._prune))
        with pytest.raises(Killed):
            run.save(tmp_path, turn=2)
    pointed = (tmp_path / "latest").read_text().strip()
    extra = Experiment().load(tmp_path)
    assert extra == {"turn": 1 if pointed == "step-00000001" else 2}
    again = run.save(tmp_path, turn=3)
    assert Experiment().load(tmp_path) == {"turn": 3}
    assert {path.name for path in tmp_path.iterdir()} == {"latest", pointed, again.name}


TRAIN_FOREVER = """
import sys
from pathlib import Path
from tests.training.test_checkpoint import Experiment
from training.checkpoint import clear_left, has_checkpoint
run, folder = Experiment(), Path(sys.argv[1])
if has_checkpoint(folder):
    run.load(folder)
while True:
    loss = run.train(1)[0]
    print(run.step, loss.hex(), flush=True)
    run.save(folder)
"""


def test_a_killed_process_resumes_to_the_same_losses(tmp_path):
    expected = {step: loss for step, loss in enumerate(Experiment().train(40), start=1)}
    reached = 0
    for lines in (4, 7):
        process = subprocess.Popen(
            [sys.executable, "-c", TRAIN_FOREVER, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        seen = [process.stdout.readline().split() for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL
        seen += [line.split() for line in rest.splitlines()]
        steps = [int(step) for step, _ in seen]
        assert steps[0] in (reached, reached + 1) and steps == list(range(steps[0], steps[0] + len(steps)))
        for step, loss in seen:
            # The process may run past the 40 known steps before the signal reaches it.
            assert float.fromhex(loss) == expected.get(int(step), float.fromhex(loss))
        reached = steps[-1]
    resumed = Experiment(seed=5)
    resumed.load(tmp_path)
    assert resumed.step in (reached - 1, reached)


def test_a_damaged_or_missing_file_is_refused(tmp_path):
    run = Experiment()
    where = run.save(tmp_path)
    weights = where / "module.head.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    before = [p.clone() for p in run.modules["encoder"].parameters()]
    with pytest.raises(MismatchError, match=r"module\.head.safetensors is missing or differs"):
        run.load(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(before, run.modules["encoder"].parameters(), strict=True))
    (where / "state.json").unlink()
    with pytest.raises(MismatchError, match="no complete checkpoint"):
        run.load(tmp_path)


def test_a_folder_without_a_checkpoint_is_said_to_have_none(tmp_path):
    assert not has_checkpoint(tmp_path)
    with pytest.raises(ConfigError, match="has no checkpoint"):
        Experiment().load(tmp_path)
    Experiment().save(tmp_path)
    assert has_checkpoint(tmp_path)


def test_other_modules_shapes_parameters_and_generators_are_refused(tmp_path):
    Experiment().save(tmp_path)

    other = Experiment()
    other.modules["mixer"] = nn.Linear(1, 1)
    with pytest.raises(MismatchError, match="holds the modules"):
        other.load(tmp_path)

    other = Experiment()
    other.modules["encoder"][0] = nn.Linear(5, 8)
    other.optimizer = torch.optim.AdamW(
        [*other.modules["head"].parameters(), *other.modules["encoder"].parameters()], lr=0.01
    )
    with pytest.raises(MismatchError, match=r"1 parameter groups|2 parameter groups"):
        other.load(tmp_path)
    other.optimizer = torch.optim.AdamW(
        [{"params": other.modules["head"].parameters()}, {"params": other.modules["encoder"].parameters()}], lr=0.01
    )
    with pytest.raises(MismatchError, match="does not fit module 'encoder'"):
        other.load(tmp_path)

    other = Experiment()
    other.optimizer = torch.optim.AdamW(
        [{"params": other.modules["encoder"].parameters()}, {"params": other.modules["head"].parameters()}]
    )
    with pytest.raises(MismatchError, match="optimized parameters"):
        other.load(tmp_path)

    with pytest.raises(MismatchError, match="holds the generators"):
        Experiment(bit_generator=np.random.Philox).load(tmp_path)


def test_what_would_be_lost_is_refused_before_anything_is_written(tmp_path):
    run = Experiment()
    with pytest.raises(ConfigError, match="in none of the modules"):
        save_checkpoint(tmp_path, 1, {"head": run.modules["head"]}, run.optimizer, run.generators, {})
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        run.save(tmp_path, path=Path("x"))
    with pytest.raises(ConfigError, match="counts from 0"):
        save_checkpoint(tmp_path, -1, run.modules, run.optimizer, run.generators, {})
    with pytest.raises(ConfigError, match="becomes a file name"):
        save_checkpoint(tmp_path, 1, {"../x": run.modules["head"]}, run.optimizer, run.generators, {})
    with pytest.raises(ConfigError, match="is a Random"):
        save_checkpoint(tmp_path, 1, run.modules, run.optimizer, {"batches": random.Random(0)}, {})
    assert list(tmp_path.iterdir()) == []
