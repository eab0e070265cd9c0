"""KIND -> reader: the sources that `--data` names. Not the rendered world, which is no file of triplets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from training.sources import cirr, fashioniq, hub, jsonl, mbeir
from training.sources.source import Raw, Source, finished
from training.sources.spec import DataSpec
from umr.errors import ConfigError

Reader = Callable[[DataSpec, Path], Raw]


def _split(spec: DataSpec) -> str:
    return spec.options.get("split", "train")


#: Reader of each kind, of the data set and of a folder for pictures that lie inside it.
READERS: dict[str, Reader] = {
    "jsonl": lambda spec, _: jsonl.read(Path(spec.path)),
    "mbeir": lambda spec, _: mbeir.read(Path(spec.path)),
    "cirr": lambda spec, _: cirr.read(Path(spec.path), _split(spec)),
    "fashioniq": lambda spec, _: fashioniq.read(Path(spec.path), _split(spec)),
    "datasets": lambda spec, folder: hub.read(spec.path, folder, spec.options),
}


def load_source(spec: DataSpec, media_folder: Path, whole_pool: bool = False) -> Source:
    """Read a data set, every picture of it once.

    Args:
        spec: what and where.
        media_folder: for pictures that are no files yet.
        whole_pool: also the candidates that no example names (see finished).

    Raises:
        ConfigError: it is not there, not of its kind, or holds no row that can be trained on.
    """
    path = Path(spec.path)
    if spec.kind not in READERS:
        raise ConfigError(f"{spec.kind} is no kind of triplets; legal: {', '.join(READERS)}")
    if spec.kind != "datasets" and not path.exists():
        raise ConfigError(f"{spec.path} does not exist; --data {spec.kind}:PATH needs a file or folder that is there")
    return finished(spec.kind, path, READERS[spec.kind](spec, media_folder), whole_pool)
