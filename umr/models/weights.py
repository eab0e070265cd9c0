"""What weights weigh: parameters from the heads of safetensors files, memory by what is computed in. Loads none."""

from __future__ import annotations

import json
import math
from pathlib import Path

from umr.encoders.checkpoint import MODULES, WEIGHTS, Checkpoint, check_fetched, first_module
from umr.errors import MismatchError

#: Bytes of a number.
BYTES = {"float32": 4, "bfloat16": 2}
#: What libraries, page and a batch need beside the weights: a page with this package's small encoder was measured at
#: 0.6 to 1.2 GB.
BESIDE = 1_200_000_000
_OF_MODULES = "[0-9]*_*/*.safetensors"  # of sentence-transformers
_HEAD = 8  # bytes that say how long the head of a safetensors file is
_LONGEST = 100_000_000  # bytes of a head: the format's own limit


def memory(parameters: int, dtype: str) -> int:
    """Bytes of the weights in memory."""
    return parameters * BYTES[dtype]


def parameters_in(folder: str | Path) -> int:
    """How many numbers the safetensors of a folder hold.

    Raises:
        MismatchError: there are none, or one is damaged.
    """
    files = sorted(path for place in ("*.safetensors", _OF_MODULES) for path in Path(folder).glob(place))
    if not files:
        raise MismatchError(f"{Path(folder) / WEIGHTS} is missing; copy the folder again (only safetensors are read)")
    return sum(map(parameters_of, files))


def weights_of(folder: Path) -> list[Path]:
    """The safetensors that an adoption takes of a public checkpoint; other forms of them lie beside it often.

    Raises:
        MismatchError: one is missing, or the settings that name them are damaged.
    """
    first = first_module(folder)
    names = Checkpoint(folder=first, source=folder, model={}).weight_files()
    own = [first / name for name in names if name.endswith(".safetensors")]
    beside = sorted(folder.glob(_OF_MODULES)) if (folder / MODULES).is_file() else []
    return list(dict.fromkeys([*own, *beside]))


def parameters_of(path: Path) -> int:
    """How many numbers a file of safetensors holds.

    Raises:
        MismatchError: it is damaged, or a pointer of Git LFS.
    """
    check_fetched(path)
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(_HEAD), "little")
            if size > _LONGEST:
                raise ValueError(f"a head of {size} bytes")
            head = json.loads(file.read(size))
        return sum(math.prod(one["shape"]) for name, one in head.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MismatchError(f"{path} is damaged ({error}); copy it again") from error
