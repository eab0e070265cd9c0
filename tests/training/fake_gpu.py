"""A GPU for tests: the machine's own, or torch's fake tensors on "cuda:0" with true values behind them. Not a speed-up.

Where there is no GPU, FakeTensorMode keeps its own rules of which tensors may meet on which device, and every operation
is computed on the CPU beside it, so that code which reads values (`.item()`, `bool(mask.any())`) runs as it would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("cuda:0")
_STAND_IN = torch.device("meta")  # autograd asks for the device's own guard, which a build without CUDA lacks
_DEVICE_OF = torch.ops.prim.device.default
_VALUE_OF = torch.ops.aten._local_scalar_dense.default


class _FakeGPU(FakeTensorMode):
    inside = False  # an operation that is made of others is computed once, as a whole

    def dispatch(self, func, types, args=(), kwargs=None):
        if func is _DEVICE_OF:
            return _device_of(args[0])
        kwargs = tree_map(lambda part: GPU if part == _STAND_IN else part, kwargs or {})
        if self.inside:
            return super().dispatch(func, types, args, kwargs)
        found = _computed(func, args, kwargs)
        if func is _VALUE_OF:
            return found
        self.inside = True
        try:
            fake = super().dispatch(func, types, args, kwargs)
        finally:
            self.inside = False
        for one, true in zip(tree_leaves(fake), tree_leaves(found), strict=True):
            if isinstance(one, FakeTensor):
                one.true = true
        return fake


def _computed(func: Callable, args: tuple, kwargs: dict) -> object:
    """What the operation gives on the CPU, of the true values of its arguments."""

    def true(part: object) -> object:
        if isinstance(part, FakeTensor):
            return part.true
        return torch.device("cpu") if isinstance(part, torch.device) else part

    with _disable_current_modes():
        return func(*tree_map(true, args), **tree_map(true, kwargs))


def _device_of(fake: FakeTensor) -> torch.device:
    """What torch's core sees; `tensor.device` in Python stays the fake one."""
    return _STAND_IN if fake.fake_device == GPU or fake.fake_mode.in_kernel_invocation else fake.fake_device


def _dispatch(cls, func, types, args=(), kwargs=None, *, usual=FakeTensor.__torch_dispatch__):
    return _device_of(args[0]) if func is _DEVICE_OF else usual(func, types, args, kwargs)


def _apply(module: nn.Module, change: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """nn.Module._apply, which cannot put fake parameters in the place of true ones."""
    for part in module.modules() if recurse else [module]:
        for name, value in part._parameters.items():
            if value is not None:
                part._parameters[name] = nn.Parameter(change(value.detach()), value.requires_grad)
        part._buffers |= {name: value if value is None else change(value) for name, value in part._buffers.items()}
    return module


@contextmanager
def gpu() -> Iterator[torch.device]:
    """Inside, tensors and modules can be moved to the device that it gives; values must be read inside too."""
    if torch.cuda.is_available():
        yield GPU
        return
    with (
        patch.object(FakeTensor, "__torch_dispatch__", classmethod(_dispatch)),
        patch.object(FakeTensor, "numpy", lambda fake: fake.true.numpy()),
        patch.object(nn.Module, "_apply", _apply),
        _FakeGPU(allow_non_fake_inputs=True),
    ):
        yield GPU
