"""The samples of webdataset's tars as `datasets` streams them: a file that cannot be decoded harms no other sample.

Not the samples of a tar that lies here (umr.tar_rows). Imports `datasets`, which is heavy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import IO, Any

from datasets import DatasetBuilder
from datasets.packaged_modules.webdataset.webdataset import WebDataset

from umr.errors import reason
from umr.tar_rows import UNDECODED

#: What is decoded: words, numbers and JSON. All else stays the file's bytes.
_DECODED = ("txt", "text", "transcript", "cls", "cls2", "index", "inx", "id", "json", "jsn")


@dataclass(frozen=True, slots=True)
class _Undecoded:
    """Stands for a file until its sample is whole."""

    why: str


def spare_others(builder: DatasetBuilder) -> None:
    """Has a builder's samples say in the column UNDECODED which of their files could not be decoded, and why.

    The column holds a JSON object, file name's ending -> words; such a file's own column is None. `datasets` has no
    setting for it: it ends the reading. Nothing is done to a builder of other files than tars.
    """
    if isinstance(builder, WebDataset):
        builder._get_pipeline_from_tar = _samples


def _samples(tar_path: str, files: Iterable[tuple[str, IO[bytes]]]) -> Iterator[dict[str, Any]]:
    for sample in WebDataset._get_pipeline_from_tar.__func__(_LENIENT, tar_path, files):
        name = sample["__key__"]
        bad = {ending: one.why for ending, one in sample.items() if isinstance(one, _Undecoded)}
        told = {ending: f"{name}.{ending} cannot be decoded: {why}" for ending, why in bad.items()}
        yield sample | dict.fromkeys(bad) | {UNDECODED: json.dumps(told)}


def _lenient(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decoded(data: bytes) -> Any:
        try:
            return decode(data)
        except (ValueError, RecursionError) as error:
            return _Undecoded(reason(error))

    return decoded


#: What webdataset's own grouping of files to samples asks of its class.
_LENIENT = SimpleNamespace(DECODERS={ending: _lenient(WebDataset.DECODERS[ending]) for ending in _DECODED})
