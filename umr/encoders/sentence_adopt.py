"""A model of sentence-transformers made an encoder folder: checked, opened, copied, sealed. Not how it computes.

What umr computes by itself is left to it: the rows of BACKBONES, and those of DUALS, of which that package refuses
pictures with a text, and fills up the texts of some otherwise than they were trained (cosine 0.16 to 0.65 with the
model's own).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from umr.disk import copied
from umr.encoders.backbone import BACKBONES
from umr.encoders.checkpoint import CONFIG, MODULES, Checkpoint, first_module, modules, read_json
from umr.encoders.duals import DUALS
from umr.encoders.hub import never_changed
from umr.encoders.sentence import BOTH, SentenceEncoder, check_kinds, open_model, package
from umr.encoders.sentence_config import SentenceConfig
from umr.encoders.store import seal
from umr.errors import ConfigError, MismatchError, UMRError, reason
from umr.fusion import EVEN
from umr.types import Candidate, Content, Query

MOST_TOKENS = 32_768  # where the model names no limit
OPENED = (40, 60)  # px of the picture that is embedded to see that the model computes
_DATA = (".safetensors", ".json", ".jinja", ".txt", ".model")
_OTHER_FORMS = ("onnx", "openvino")
_PICKLED = re.compile(r".*\.(bin|pt|pth|pkl)")


def own_part(folder: Path) -> Path:
    """The folder of the network that umr computes by itself; the given one where there is none, or nothing to choose.

    Args:
        folder: of a checkpoint, or of a model of sentence-transformers, whose first module can lie in a folder of it.

    Raises:
        MismatchError: modules.json is damaged.
    """
    if (folder / CONFIG).is_file() or not (folder / MODULES).is_file():
        return folder
    return folder if is_sentences(folder) else first_module(folder)


def is_sentences(folder: Path) -> bool:
    """Whether it is a model of sentence-transformers that umr does not compute by itself.

    Raises:
        MismatchError: its settings are damaged.
    """
    return (folder / MODULES).is_file() and _model_type(first_module(folder)) not in (*DUALS, *BACKBONES)


def adopt_sentences(
    folder: Path, source: str | Path, target: Path, name: str, revision: str, max_frames: int, text_weight: float | None
) -> SentenceConfig:
    """Write the encoder folder `target`; the model's files are copied as they are.

    Args:
        folder: of the model.
        source: how it was named.
        target: the folder to write, which does not exist.
        name: what the encoder is called.
        revision: where the weights come from.
        max_frames: frames taken from a clip.
        text_weight: of the text in a sum; None: the even one.

    Returns:
        The settings written.

    Raises:
        ConfigError: the package is missing, the model brings code of its own, or does not read texts and pictures.
        MismatchError: it is damaged, or has no safetensors.
    """
    package()
    _check_modules(folder, source)
    first = first_module(folder)
    Checkpoint(folder=first, source=source, model={}).weight_files()
    _check_pickles(folder)
    model = _whole_model(folder)
    check_kinds(model, source)
    joint = bool(model.supports(BOTH))
    if joint and text_weight is not None:
        raise ConfigError(f"{source} reads picture and text together, so its text has no weight; leave out the weight")
    config = SentenceConfig(
        name=name, backbone=_model_type(first), revision=revision, dim=model.get_embedding_dimension(), joint=joint,
        text_weight=EVEN if text_weight is None else text_weight, reads_instruction=bool(model.supports("message")),
        max_tokens=min(model.max_seq_length or MOST_TOKENS, MOST_TOKENS), max_frames=max_frames,
    )  # fmt: skip
    _compute_once(SentenceEncoder(config, model).eval(), source)

    def write(draft: Path) -> None:
        for path in _data(folder):
            place = draft / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            copied(path, place, shared=path.suffix == ".safetensors" and never_changed(path, source))

    return seal(config, target, write)


def _model_type(folder: Path) -> str:
    """The class of the network, as config.json of its folder names it; "" where none does."""
    found = read_json(folder / CONFIG).get("model_type") if (folder / CONFIG).is_file() else ""
    return found if isinstance(found, str) else ""


def _check_modules(folder: Path, source: str | Path) -> None:
    """Raise ConfigError for a model that needs code of its own: none is run."""
    foreign = sorted(one["type"] for one in modules(folder) if not one["type"].startswith("sentence_transformers."))
    settings = first_module(folder) / CONFIG
    if not foreign and settings.is_file() and read_json(settings).get("auto_map"):
        foreign = [f"the auto_map of {CONFIG}"]
    if foreign:
        raise ConfigError(
            f"{source} needs code that it brings ({foreign[0]}), and umr runs none that is downloaded; take a model of "
            "sentence-transformers' own modules"
        )


def _check_pickles(folder: Path) -> None:
    """Raise MismatchError for weights that lie in pickles alone, which are not read."""
    for path in folder.rglob("*"):
        other = any(part in _OTHER_FORMS for part in path.relative_to(folder).parts)
        if _PICKLED.fullmatch(path.name) and not other and not any(path.parent.glob("*.safetensors")):
            raise MismatchError(f"{path} has no safetensors beside it; only these are read. Save the model anew")


def _whole_model(folder: Path) -> Any:
    """The model, or MismatchError for weights that the package would fill at random: they differ when opened again."""
    state, sums = torch.get_rng_state(), list[dict[str, float]]()
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = open_model(folder, torch.float32)
        sums.append({name: float(value.double().sum()) for name, value in model.state_dict().items()})
    torch.set_rng_state(state)
    lost = sorted(name for name, value in sums[0].items() if value != sums[1][name] and value == value)
    if lost:
        raise MismatchError(f"{folder} lacks the weight {lost[0]} ({len(lost)} in all); copy the folder again")
    return model


def _compute_once(encoder: SentenceEncoder, source: str | Path) -> None:
    """Embed a text, a picture and both, or raise ConfigError for a model that cannot here."""
    grey = np.full((*OPENED, 3), 127, np.uint8)
    contents = [Content(text="a red mug"), Content(image=grey), Content(image=grey, text="a red mug")]
    try:
        found = encoder.encode_candidates(
            [Candidate(candidate_id=str(n), content=one) for n, one in enumerate(contents)]
        )
        asked = encoder.encode_queries([Query(query_id="0", content=contents[2], instruction="Find it.")])
    except UMRError:
        raise
    except Exception as error:  # of any class of any module
        raise ConfigError(f"{source} does not compute in sentence-transformers here ({reason(error)})") from error
    vectors = np.concatenate([found.vectors, asked.vectors])
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
        raise ConfigError(f"{source} gives vectors of length {np.linalg.norm(vectors, axis=1)[0]:g}, not unit vectors")


def _data(folder: Path) -> Iterator[Path]:
    """The files that sentence-transformers reads: data of one form, no code."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and path.suffix in _DATA and not any(one in _OTHER_FORMS or one[0] == "." for one in parts):
            yield path
