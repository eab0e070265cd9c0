"""Whether a model fits: what this machine has free of memory and disk, and the refusal in words. Measures no model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from umr.errors import ConfigError, DiskFullError
from umr.models.weights import BESIDE, BYTES, memory
from umr.types import FLOAT32

_MEMORY, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
#: Free bytes that a download leaves on the disk.
SPARE = 256_000_000


def gigabytes(size: int) -> str:
    """Bytes as a person reads them, in GB of 10^9."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def free_memory() -> int | None:
    """Bytes that a process may still take: of the machine, or of its container where that is less; None if unknown."""
    known = [size for size in (_of_machine(), _of_container()) if size is not None]
    return min(known, default=None)


def free_gpu() -> int | None:
    """Free bytes of the GPU that encoders compute on; None where there is none."""
    import torch

    return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else None


def bfloat16_gpu() -> str:
    """The name of the GPU that encoders compute on, where it computes in bfloat16 itself; "" without such a one."""
    import torch

    able = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return str(torch.cuda.get_device_name()) if able else ""


def usual_dtype(large: bool) -> str:
    """What an encoder is computed in where nobody says: bfloat16 on a GPU that computes in it, else float32.

    Args:
        large: it is taken for a large one, as those of the Hub are; a small one is computed in float32 everywhere.
    """
    return "bfloat16" if large and bfloat16_gpu() else FLOAT32


def free_disk(folder: Path) -> int:
    """Free bytes of the disk of a folder, which may not be there yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.is_dir())).free


def dtype_that_fits(what: str, parameters: int, dtype: str | None = None) -> str:
    """What weights of so many parameters can be computed in here.

    Args:
        what: they are, for the message.
        parameters: of all models that are open at a time.
        dtype: what was asked for; None: bfloat16 on a GPU that computes in it, else float32, or bfloat16 where float32
            does not fit.

    Raises:
        ConfigError: they do not fit; the message has the numbers.
    """
    where = {"memory": free_memory(), "memory of the GPU": free_gpu()}
    usual = usual_dtype(large=True)
    wanted = [dtype] if dtype else list(BYTES) if usual == FLOAT32 else [usual]
    for one in wanted:
        needed = memory(parameters, one) + BESIDE
        if all(free is None or needed <= free for free in where.values()):
            return one
    least = dtype or min(BYTES, key=lambda one: BYTES[one])
    needed = memory(parameters, least) + BESIDE
    kind, free = min(((kind, free) for kind, free in where.items() if free is not None), key=lambda pair: pair[1])
    half = gigabytes(memory(parameters, "bfloat16") + BESIDE)
    other = f" With --dtype bfloat16: {half}." if dtype == "float32" else ""
    raise ConfigError(
        f"{what} does not fit: {parameters / 1e6:,.0f} M parameters in {least} and what goes beside them need "
        f"{gigabytes(needed)} of {kind}, {gigabytes(free)} are free.{other} Close other programs, or take a smaller "
        "model: `python -m umr models`"
    )


def check_disk(what: str, needed: int, folder: Path, done: str = "downloaded") -> None:
    """Look whether so many more bytes fit under a folder, to which they are downloaded, or what `done` says.

    Raises:
        DiskFullError: they do not.
    """
    free = free_disk(folder)
    if needed + SPARE > free:
        raise DiskFullError(
            f"{what} does not fit: {gigabytes(needed)} are to be {done} to {folder}, where {gigabytes(free)} are "
            f"free, of which {gigabytes(SPARE)} stay free. Make room, or name another place with UMR_CACHE"
        )


def _of_machine() -> int | None:
    if _MEMORY.is_file():
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            return int(lines["MemAvailable"].split()[0]) * 1024
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):  # all of it: what is free is not told
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_container() -> int | None:
    """What a memory limit of control groups (version 2) leaves; files that are only cached can go."""
    try:
        limit = (_GROUP / "memory.max").read_text().strip()
        used = int((_GROUP / "memory.current").read_text())
        kept = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no limit is told
        return None
    return None if limit == "max" else max(0, int(limit) - used + int(kept.get("inactive_file", 0)))
