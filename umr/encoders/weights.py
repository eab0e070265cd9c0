"""A class of transformers with a folder's weights: all of them, or none. Not what they compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils import logging

from umr.errors import MismatchError

Model = TypeVar("Model", bound=PreTrainedModel)

#: What transformers raises on a damaged config.json or cut weights.
_BROKEN = (SafetensorError, StrictDataclassError, OSError, EOFError, ValueError, TypeError, KeyError, AttributeError,
           RuntimeError, ArithmeticError)  # fmt: skip


@contextmanager
def quiet() -> Iterator[None]:
    """A block in which transformers shows no progress and says nothing but errors."""
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def whole_model(
    kind: type[Model], folder: str | Path, dtype: torch.dtype, key_mapping: Mapping[str, str] | None = None
) -> Model:
    """Read config.json and the safetensors of a folder, in evaluation mode; computes in `dtype`.

    Args:
        kind: the class of transformers.
        folder: where they lie.
        dtype: of the weights in memory.
        key_mapping: {pattern: name} of weights that the class calls otherwise.

    Raises:
        MismatchError: a file is damaged, or a weight absent, called otherwise or of another shape: transformers itself
            would fill it at random.
    """
    try:
        with quiet():  # what is wrong is said below, and once
            # its annotation leaves out the pair that output_loading_info asks for
            loaded: tuple[Model, dict[str, Any]] = kind.from_pretrained(  # type: ignore[assignment]
                str(folder), dtype=dtype, local_files_only=True, output_loading_info=True,
                key_mapping=None if key_mapping is None else dict(key_mapping),
            )  # fmt: skip
    except _BROKEN as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise MismatchError(
            f"the weights or config.json of {folder} cannot be read ({reason}); copy the folder again"
        ) from error
    model, report = loaded
    lost = sorted(report["missing_keys"]) or sorted(str(key) for key in report["mismatched_keys"])
    other = min(map(str, report["unexpected_keys"]), default="")
    if other and set(lost) >= {name for name, _ in model.named_parameters()}:
        raise MismatchError(
            f"{folder} has no weight under the names of {kind.__name__}: they are called as {other}, so what is around "
            "the network was saved with it; save the network alone, with its own save_pretrained"
        )
    if lost:
        raise MismatchError(f"{folder} lacks the weight {lost[0]} ({len(lost)} in all); copy the folder again")
    return model
