"""A public checkpoint made an encoder folder: checked, opened once, copied, sealed. Not trained by it.

What a checkpoint must be is asked of the backbone of its class. Vectors of such an encoder do not retrieve yet: that is
what `python -m training.train ... --init` is for.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig

from umr.disk import copied, write_text
from umr.encoders.adapter import merge
from umr.encoders.backbone import BACKBONES, Backbone, backbone_class, families
from umr.encoders.base import UnifiedEncoder
from umr.encoders.checkpoint import ADAPTER, AGAIN, CONFIG, Checkpoint, is_adapter
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_adopt import adopt_dual, is_dual
from umr.encoders.dual_config import AnyConfig, DualConfig
from umr.encoders.duals import dual_families
from umr.encoders.hub import fetch, is_hub, never_changed
from umr.encoders.recipes import UMARVEL
from umr.encoders.sentence_adopt import adopt_sentences, is_sentences, own_part
from umr.encoders.sentence_config import SentenceConfig
from umr.encoders.store import seal
from umr.encoders.tokenizer import load_tokenizer, save_tokenizer
from umr.errors import ConfigError, MismatchError, reason
from umr.fusion import EVEN
from umr.media import MAX_PIXELS
from umr.shipped import CONFIG_NAME
from umr.types import Candidate, Content
from umr.whole import check_absent

FRAMES = 8  # of a clip, where nobody says how many
IMAGE_SIZE = 448  # the square nearest to the 300 vision tokens of U-MARVEL's evaluation collators: 256 of 28 px
OPENED = 56  # px of the picture that is embedded to see that the weights are whole
MAX_TOKENS = 480  # as U-MARVEL cuts texts

_ASKED = {"text": "this text", "image": "this image", "image,text": "this image and text together"}
_WANTED = {"image": "an image", "text": "a passage", "image,text": "an image with its text", "video": "a clip",
           "all": "anything"}  # fmt: skip
#: Task sentences in the manner of M-BEIR's, for every query but a clip; a training replaces them with its own.
INSTRUCTIONS = {f"{query}->{target}": f"Find {wanted} that matches {asked}."
                for query, asked in _ASKED.items() for target, wanted in _WANTED.items()}  # fmt: skip


#: How released checkpoints are asked whose own code does more than their class: settings by name of the recipe.
RECIPES: dict[str, Mapping[str, Any]] = {
    "plain": {"resize_min_pixels": 1, "resize_max_pixels": MAX_PIXELS},
    "umarvel": UMARVEL,
}


def adopt(
    source: str | Path,
    out: str | Path,
    name: str | None = None,
    image_size: int | None = None,
    max_frames: int | None = None,
    max_pixels: int | None = None,
    recipe: str = "plain",
) -> AnyConfig:
    """Write the encoder folder `out` from a transformers checkpoint, or a model of sentence-transformers.

    Weights are copied file by file, in their own dtype and shards, after one opening that shows that they are whole;
    config.json is told how the encoder attends.

    Args:
        source: a folder or hub:owner/name@revision.
        out: the folder to write, which must not exist.
        name: what the encoder is called; None: as the checkpoint.
        image_size: side of a square that pictures and frames are fitted into, px; None: they keep their shape, within
            the pixels that the checkpoint's preprocessor allows.
        max_frames: frames taken from a clip, by rate at most; None: as the recipe says, else FRAMES.
        max_pixels: a picture or frame that keeps its shape has so many at most; None: as the preprocessor says.
        recipe: a key of RECIPES, or of the backbone's own: "umarvel" for the checkpoints that U-MARVEL released.

    Returns:
        The settings written.

    Raises:
        ConfigError: there is no checkpoint of a supported class, umr would not compute it rightly, or `out` exists.
        MismatchError: weights are damaged or missing.
    """
    folder = _folder(source, out)
    asked = image_size is not None or max_pixels is not None or recipe != "plain"
    frames = FRAMES if max_frames is None else max_frames
    if is_sentences(folder):
        if asked:
            raise ConfigError(
                f"{source} is a model of sentence-transformers: leave out image_size, max_pixels and the recipe"
            )
        return _sentences(folder, source, out, name, frames, None)
    checkpoint = _checkpoint(folder, source)
    if is_dual(checkpoint):
        if asked:
            raise ConfigError(f"{source} is a dual encoder: leave out image_size, max_pixels and the recipe")
        return adopt_dual(checkpoint, Path(out), *_named(checkpoint, name), frames, EVEN)
    sizes = {"image_size": image_size, "max_pixels": max_pixels, "max_frames": max_frames}
    return _adopt_one(checkpoint, out, name, recipe, sizes)


def adopt_adapter(
    source: str | Path,
    base: str | Path,
    out: str | Path,
    name: str | None = None,
    recipe: str = "plain",
    **sizes: int | None,
) -> EncoderConfig:
    """Write the encoder folder `out` from a LoRA adapter, merged into the checkpoint that it was trained on.

    Args:
        source: the adapter's folder, or hub:owner/name@revision.
        base: the checkpoint's folder, or hub:owner/name@revision.
        out: the folder to write, which must not exist.
        name: what the encoder is called; None: as the adapter.
        recipe: as of `adopt`.
        sizes: image_size, max_pixels, max_frames: as of `adopt`.

    Returns:
        The settings written.

    Raises:
        ConfigError: this is no adapter that is merged here, `base` no checkpoint of one network, or `out` exists.
        MismatchError: weights are damaged or missing, or the adapter is of another checkpoint.
    """
    folder = _folder(source, out)
    if not is_adapter(folder):
        raise ConfigError(f"{source} is no adapter, for it has no {ADAPTER}; leave out the base {base}")
    whole = Checkpoint.open(fetch(base) if is_hub(base) else Path(base), base, families())
    beside = next(path for path in Path(out).absolute().parents if path.is_dir())  # on the disk of `out`
    with tempfile.TemporaryDirectory(prefix=".merged-", dir=beside) as draft:
        made = Path(draft) / folder.resolve().name
        made.mkdir()
        merge(folder, whole, made)
        checkpoint = Checkpoint(folder=made, source=source, model=whole.model, draft=True)
        return _adopt_one(checkpoint, out, name, recipe, sizes)


def _adopt_one(
    checkpoint: Checkpoint, out: str | Path, name: str | None, recipe: str, sizes: Mapping[str, int | None]
) -> EncoderConfig:
    """See adopt, of a checkpoint of one network.

    Args:
        checkpoint: whole.
        out: see adopt.
        name: see adopt.
        recipe: see adopt.
        sizes: image_size, max_pixels and max_frames.
    """
    kind = _backbone_of(checkpoint)
    tokenizer = _tokenizer(checkpoint, kind)
    max_pixels = sizes.get("max_pixels")
    wanted = _asked(kind, recipe, sizes.get("image_size"), max_pixels)
    wanted = with_frames(replace(wanted, **identity(checkpoint, name)), sizes.get("max_frames"))
    config = _limited(kind.adopted(checkpoint, tokenizer, wanted), kind, recipe, max_pixels)
    write = copying(checkpoint, config, tokenizer)
    _open_once(kind, checkpoint, config, tokenizer)
    return seal(config, Path(out), write)


def adopt_summed(
    source: str | Path, out: str | Path, name: str | None = None, max_frames: int = 8, text_weight: float = EVEN
) -> DualConfig | SentenceConfig:
    """Write the encoder folder `out` from a dual encoder's checkpoint, which composes by a weighted sum.

    So does a model of sentence-transformers that does not read picture and text together.

    Args:
        source: a folder or hub:owner/name@revision.
        out: the folder to write, which must not exist.
        name: what the encoder is called; None: as the checkpoint.
        max_frames: frames taken from a clip.
        text_weight: of the text beside a picture or clip, from 0 (the picture alone) to 1 (the text alone).

    Returns:
        The settings written.

    Raises:
        ConfigError: there is no checkpoint of a dual encoder that umr computes rightly, or `out` exists.
        MismatchError: weights are damaged or missing.
    """
    folder = _folder(source, out)
    if is_sentences(folder):
        return _sentences(folder, source, out, name, max_frames, text_weight)
    checkpoint = _checkpoint(folder, source)
    if not is_dual(checkpoint):
        raise ConfigError(
            f"{source} is of the class {checkpoint.model.get('model_type')!r}, which is no dual encoder, so its "
            f"text has no weight; dual encoders are {dual_families()}"
        )
    return adopt_dual(checkpoint, Path(out), *_named(checkpoint, name), max_frames, text_weight)


def opened(source: str | Path, out: str | Path) -> tuple[Checkpoint, type[Backbone], Tokenizer]:
    """A public checkpoint with its backbone and tokenizer; nothing is written.

    Args:
        source: a folder or hub:owner/name@revision.
        out: where it is to be written.

    Raises:
        ConfigError: `out` exists, or there is no checkpoint of a supported class.
        MismatchError: it is damaged.
    """
    checkpoint = _checkpoint(_folder(source, out), source)
    kind = _backbone_of(checkpoint)
    return checkpoint, kind, _tokenizer(checkpoint, kind)


def _folder(source: str | Path, out: str | Path) -> Path:
    """Where the source lies, if there is room for the folder that is made of it."""
    check_absent(out)
    folder = fetch(source) if is_hub(source) else Path(source)
    if (folder / CONFIG_NAME).is_file():
        raise ConfigError(f"{source} is an encoder folder already; use it as it is")
    return folder


def _checkpoint(folder: Path, source: str | Path) -> Checkpoint:
    """What of the source's folder umr computes by itself."""
    return Checkpoint.open(own_part(folder), source, f"{families()}, {dual_families()}")


def _sentences(
    folder: Path, source: str | Path, out: str | Path, name: str | None, max_frames: int, text_weight: float | None
) -> SentenceConfig:
    """See adopt_sentences."""
    return adopt_sentences(folder, source, Path(out), *_names(source, folder, name), max_frames, text_weight)


def with_frames(config: EncoderConfig, most: int | None) -> EncoderConfig:
    """`config` with so many frames of a clip at most; None: as it is."""
    if most is None:
        return config
    least = min(config.min_frames, most) if config.frame_rate else config.min_frames
    return replace(config, max_frames=most, min_frames=least)


def identity(checkpoint: Checkpoint, name: str | None) -> dict[str, Any]:
    """Settings that say what it is: name, backbone, revision."""
    own, revision = _named(checkpoint, name)
    return {"name": own, "backbone": checkpoint.model["model_type"], "revision": revision}


def _named(checkpoint: Checkpoint, name: str | None) -> tuple[str, str]:
    """Its name and revision."""
    return _names(checkpoint.source, checkpoint.folder, name)


def _names(source: str | Path, folder: Path, name: str | None) -> tuple[str, str]:
    """What an encoder of this source is called, and where its weights come from."""
    own = folder.resolve().name
    if not is_hub(source):
        return name or own, own
    return name or source.rpartition("@")[0].rpartition("/")[2], source


def copying(checkpoint: Checkpoint, config: EncoderConfig, tokenizer: Tokenizer) -> Callable[[Path], None]:
    """What puts the checkpoint's weights, its config.json and the tokenizer into a folder.

    Raises:
        MismatchError: a file of weights is missing.
    """
    weights = checkpoint.weight_files()

    def write(draft: Path) -> None:
        for file in weights:
            path = checkpoint.folder / file
            copied(path, draft / file, shared=checkpoint.draft or never_changed(path, checkpoint.source))
        model = _attending(checkpoint.folder, checkpoint.model, config)
        write_text(draft / "config.json", json.dumps(model, indent=2) + "\n")
        save_tokenizer(tokenizer, draft)

    return write


def _asked(kind: type[Backbone], recipe: str, image_size: int | None, max_pixels: int | None) -> EncoderConfig:
    """The recipe's settings with what was asked of the size of pictures."""
    own: Mapping[str, Mapping[str, Any]] = getattr(kind, "recipes", {})
    if recipe not in RECIPES and recipe not in own:
        raise ConfigError(f"recipe is {recipe!r}; legal: {', '.join(dict.fromkeys([*RECIPES, *own]))}")
    if image_size is not None and max_pixels is not None:
        raise ConfigError("an image size makes pictures squares of that side; leave out max_pixels, or the image size")
    usual = {"resize": "dynamic", "image_size": IMAGE_SIZE, "max_tokens": MAX_TOKENS, "instructions": INSTRUCTIONS}
    settings: dict[str, Any] = {**usual, **RECIPES.get(recipe, {}), **own.get(recipe, {})}
    one = settings.pop("instruction", None)  # for every task
    given = INSTRUCTIONS | settings["instructions"]
    settings["instructions"] = given if one is None else dict.fromkeys(INSTRUCTIONS, one)
    if max_pixels is not None:
        settings["resize_max_pixels"] = max_pixels
        if clip := settings.get("clip_resize"):
            settings["clip_resize"] = (min(clip[0], max_pixels), min(clip[1], max_pixels), clip[2])
    if settings.pop("limits", None):  # in place of the preprocessor's: see _limited
        settings |= {"resize_min_pixels": 1, "resize_max_pixels": MAX_PIXELS}
    if image_size is not None:
        settings = {key: value for key, value in settings.items() if "resize" not in key} | {"image_size": image_size}
    return EncoderConfig(name="asked", **settings)


def _limited(config: EncoderConfig, kind: type[Backbone], recipe: str, max_pixels: int | None) -> EncoderConfig:
    """`config` with the recipe's own limits of a picture's pixels, where its code gives the preprocessor some."""
    own = getattr(kind, "recipes", {}).get(recipe, {}).get("limits")
    if own is None or config.resize == "square":
        return config
    least, most = own
    return replace(config, resize_min_pixels=least, resize_max_pixels=min(most, max_pixels or most))


def _backbone_of(checkpoint: Checkpoint) -> type[Backbone]:
    """The backbone that is named as the checkpoint's class."""
    found = checkpoint.model.get("model_type")
    if not isinstance(found, str) or found not in BACKBONES:
        legal = ", ".join(f"{name} ({backbone_class(name).special.family})" for name in sorted(BACKBONES))
        told = f"is of the class {found!r}" if found else "names no class (model_type) in its config.json"
        raise ConfigError(f"{checkpoint.source} {told}; supported: {legal}, {dual_families()}")
    return backbone_class(found)


def _tokenizer(checkpoint: Checkpoint, kind: type[Backbone]) -> Tokenizer:
    checkpoint.check_tokenizer()
    return load_tokenizer(checkpoint.folder, kind.special)


def _attending(folder: Path, model: Mapping[str, Any], config: EncoderConfig) -> dict[str, Any]:
    """config.json with the encoder's attention, which transformers' own classes read of its text_config."""
    if not isinstance(model.get("text_config"), dict):  # old files have the text's numbers at the top
        model = json.loads(AutoConfig.from_pretrained(str(folder), local_files_only=True).to_json_string())
    return {**model, "text_config": {**model["text_config"], "is_causal": config.attention == "causal"}}


def _open_once(kind: type[Backbone], checkpoint: Checkpoint, config: EncoderConfig, tokenizer: Tokenizer) -> None:
    """Load the weights and embed a picture with words, or raise MismatchError where that gives no vector."""
    encoder = UnifiedEncoder(config, kind.load(checkpoint.folder, config, torch.bfloat16), tokenizer).eval()
    grey = np.full((OPENED, OPENED, 3), 127, np.uint8)
    try:
        encoder.encode_candidates([Candidate(candidate_id="opened", content=Content(text="a red mug", image=grey))])
    except torch.OutOfMemoryError:
        raise
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise MismatchError(
            f"{CONFIG} of {checkpoint.source} describes a network that gives no vector ({reason(error)}); {AGAIN}"
        ) from error
