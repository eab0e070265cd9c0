"""A released re-ranker made a re-ranker's folder: checked, copied, sealed. Not trained by it, and no encoder.

What is asked of it, and by which prompt, is a recipe of the backbone of its class.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer

from umr.disk import atomic_write
from umr.encoders.adopt import IMAGE_SIZE, INSTRUCTIONS, copying, identity, opened, with_frames
from umr.encoders.backbone import BACKBONES, Backbone, backbone_class
from umr.encoders.checkpoint import INDEX, WEIGHTS, Checkpoint
from umr.encoders.config import EncoderConfig
from umr.encoders.store import sealed_folder
from umr.encoders.tokenizer import token_id
from umr.errors import ConfigError, MismatchError
from umr.rerank.config import RerankerConfig, write_config
from umr.rerank.store import ANSWERS, CARD, ROWS, card

HEAD, GENERATION = "lm_head.weight", "generation_config.json"


def known_recipes() -> set[str]:
    """Names of the recipes of released re-rankers."""
    return {name for backbone in BACKBONES for name in _recipes(backbone_class(backbone))}


def adopt_reranker(
    source: str | Path,
    out: str | Path,
    recipe: str,
    name: str | None = None,
    max_frames: int | None = None,
    max_pixels: int | None = None,
) -> RerankerConfig:
    """Write the re-ranker's folder `out` from a released checkpoint, whose weights are copied file by file.

    Args:
        source: a folder or hub:owner/name@revision.
        out: the folder to write, which must not exist.
        recipe: one of known_recipes.
        name: what the re-ranker is called; None: as the checkpoint.
        max_frames: frames taken from a clip, by rate at most; None: as the recipe says, else 8.
        max_pixels: a picture or frame has so many at most; None: as the recipe says.

    Returns:
        The settings written.

    Raises:
        ConfigError: there is no checkpoint of a class that has this recipe, or `out` exists.
        MismatchError: weights are damaged or missing.
    """
    checkpoint, kind, tokenizer = opened(source, out)
    settings: dict[str, Any] = dict(_recipes(kind).get(recipe, {}))
    if not settings:
        legal = ", ".join(sorted(_recipes(kind))) or "none"
        raise ConfigError(f"{source} is of {kind.special.family}; recipes of its re-rankers: {legal}, not {recipe!r}")
    answers = {key: settings.pop(key) for key in ("yes", "no")}
    penalty = repetition_penalty(checkpoint) if settings.pop("generated", False) else 1.0
    if not settings.get("default_instruction"):
        settings["instructions"] = dict(INSTRUCTIONS)
    if max_pixels is not None:
        settings["resize_max_pixels"] = max_pixels
    settings |= identity(checkpoint, name) | {"image_size": IMAGE_SIZE}
    network = kind.adopted(checkpoint, tokenizer, with_frames(EncoderConfig(**settings), max_frames))
    config = RerankerConfig(network=network, penalty=penalty, **answers)
    for word in (config.yes, config.no):
        token_id(tokenizer, word)
    copy = copying(checkpoint, network, tokenizer)
    rows_2H = answer_rows(checkpoint, config, tokenizer)
    kind.load(checkpoint.folder, network, torch.bfloat16)  # which shows that the weights are whole

    def write(draft: Path) -> None:
        copy(draft)
        if rows_2H is not None:
            save_file({ROWS: rows_2H}, draft / ANSWERS)

    def finish(draft: Path, files: dict[str, str]) -> RerankerConfig:
        sealed = config.with_files(files)
        with atomic_write(draft / CARD) as file:
            file.write(card(sealed, None))
        write_config(sealed, draft)
        return sealed

    return sealed_folder(Path(out), write, finish)


def repetition_penalty(checkpoint: Checkpoint) -> float:
    """What `generate` does to the logits of both answers, which stand in the prompt; 1 where nothing is asked for.

    Raises:
        ConfigError: it is no number above 0.
        MismatchError: the file that says so is damaged.
    """
    found = checkpoint.read(GENERATION).get("repetition_penalty") if checkpoint.has(GENERATION) else None
    if found is not None and (type(found) not in (int, float) or not 0 < found < math.inf):
        raise ConfigError(
            f"{GENERATION} of {checkpoint.source} has the repetition_penalty {found!r}; a number above 0 is legal"
        )
    return 1.0 if found is None else float(found)


def answer_rows(checkpoint: Checkpoint, config: RerankerConfig, tokenizer: Tokenizer) -> torch.Tensor | None:
    """The rows (2, H) of the language model's head for yes and no; None where its embeddings serve as head.

    Raises:
        ConfigError: the tokenizer lacks an answer.
        MismatchError: there is no head where there must be one.
    """
    ids = [token_id(tokenizer, word) for word in (config.yes, config.no)]
    shards = checkpoint.fields(INDEX).names("weight_map") if checkpoint.has(INDEX) else {}
    path = checkpoint.folder / shards.get(HEAD, WEIGHTS)
    try:
        if path.is_file():
            with safe_open(path, "pt") as file:
                if HEAD in file.keys():  # noqa: SIM118, as it is no dictionary
                    rows = file.get_slice(HEAD)
                    return torch.stack([rows[one] for one in ids])
    except SafetensorError as error:
        raise MismatchError(f"{path} cannot be read ({error}); copy the checkpoint again") from error
    if not checkpoint.model.get("tie_word_embeddings"):
        raise MismatchError(
            f"{checkpoint.source} lacks the weight {HEAD}, and does not say that its embeddings serve as head; take "
            "the checkpoint of the generating class"
        )
    return None


def _recipes(kind: type[Backbone]) -> dict[str, dict[str, Any]]:
    return getattr(kind, "rerankers", {})
