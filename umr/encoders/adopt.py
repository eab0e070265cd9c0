"""A public Qwen2-VL checkpoint made an encoder folder: checked, opened once, copied, sealed. Not trained by it.

Vectors of such an encoder do not retrieve yet: that is what `python -m training.train ... --init` is for.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from umr.encoders.base import UnifiedEncoder
from umr.encoders.config import CHAT_CANDIDATE, CHAT_QUERY, CONFIG_NAME, EncoderConfig
from umr.encoders.hub import fetch, is_hub
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.encoders.store import seal
from umr.encoders.tokenizer import TOKENIZER_NAME, load_tokenizer, save_tokenizer
from umr.errors import ConfigError, MismatchError
from umr.types import Candidate, Content

CLASS = "qwen2_vl"
IMAGE_SIZE = 448  # 256 vision tokens, the square nearest to the 300 of U-MARVEL's evaluation collators
MAX_TOKENS = 480  # as U-MARVEL cuts texts
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_ATTENTION = (None, "eager", "sdpa")  # what computes the same numbers as umr.encoders.attention

_ASKED = {"text": "this text", "image": "this image", "image,text": "this image and text together"}
_WANTED = {"image": "an image", "text": "a passage", "image,text": "an image with its text", "video": "a clip",
           "all": "anything"}  # fmt: skip
#: Task sentences in the manner of M-BEIR's, for every query but a clip; a training replaces them with its own.
INSTRUCTIONS = {f"{query}->{target}": f"Find {wanted} that matches {asked}."
                for query, asked in _ASKED.items() for target, wanted in _WANTED.items()}  # fmt: skip


def adopt(
    source: str | Path, out: str | Path, name: str | None = None, image_size: int = IMAGE_SIZE, max_frames: int = 8
) -> EncoderConfig:
    """Write the encoder folder `out` from a transformers checkpoint, a folder or hub:owner/name@revision.

    Weights are copied file by file, in their own dtype and shards, after one opening that shows that they are whole.
    Raises ConfigError for what is no Qwen2-VL checkpoint that umr computes rightly, or an `out` that exists;
    MismatchError for damaged or missing weights.
    """
    target = Path(out)
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target} exists; choose another --out, or remove it")
    folder = fetch(str(source)) if is_hub(source) else Path(source)
    if (folder / CONFIG_NAME).is_file():
        raise ConfigError(f"{source} is an encoder folder already; use it as it is")
    model = _read(folder / "config.json", source)
    _check_model(model, source)
    tokenizer = _tokenizer(folder, source)
    _check_tokens(model, tokenizer, source)
    _check_pixels(folder, model, image_size, source)
    weights = _weight_files(folder, source)
    config = EncoderConfig(
        name=name or (str(source).rpartition("@")[0].rpartition("/")[2] if is_hub(source) else folder.resolve().name),
        revision=str(source) if is_hub(source) else folder.resolve().name,
        dim=_size(model, "hidden_size", source),
        max_tokens=MAX_TOKENS,
        image_size=image_size,
        max_frames=max_frames,
        query_template=CHAT_QUERY,
        candidate_template=CHAT_CANDIDATE,
        instructions=dict(INSTRUCTIONS),
    )
    _open_once(folder, config, tokenizer)

    def write(draft: Path) -> None:
        for file in ("config.json", *weights):
            shutil.copyfile(folder / file, draft / file)
        save_tokenizer(tokenizer, draft)

    return seal(config, target, write)


def _read(path: Path, source: str | Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"{source} has no {path.name}; give the folder of a transformers checkpoint of Qwen2-VL")
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise MismatchError(f"{path} is not readable JSON ({error}); copy the checkpoint again") from error
    if not isinstance(data, dict):
        raise MismatchError(f"{path} holds a {type(data).__name__}, not an object; copy the checkpoint again")
    return data


def _parts(model: dict[str, Any]) -> list[dict[str, Any]]:
    """The config and those inside it; old checkpoints keep the text's numbers at the top."""
    return [model, *(part for part in (model.get("text_config"), model.get("vision_config")) if isinstance(part, dict))]


def _size(model: dict[str, Any], key: str, source: str | Path) -> int:
    text = model.get("text_config") or model
    if not isinstance(text, dict) or type(text.get(key)) is not int:
        raise MismatchError(f"config.json of {source} names no {key}; copy the checkpoint again")
    return text[key]


def _check_model(model: dict[str, Any], source: str | Path) -> None:
    if model.get("model_type") != CLASS:
        raise ConfigError(f"{source} is of the class {model.get('model_type')!r}; supported: {CLASS} (Qwen2-VL)")
    if model.get("quantization_config"):
        raise ConfigError(f"{source} is quantised; take the checkpoint in bfloat16, float16 or float32")
    for part in _parts(model):
        for key in ("attn_implementation", "_attn_implementation"):
            if part.get(key) not in _ATTENTION:
                raise ConfigError(
                    f"config.json of {source} asks for the attention {part[key]!r}; legal: eager, sdpa, or none named. "
                    "Remove the line: umr attends in both directions by matrix products of its own"
                )
        if part.get("use_sliding_window"):
            raise ConfigError(f"{source} attends in a sliding window, which umr does not; take another checkpoint")


def _tokenizer(folder: Path, source: str | Path) -> Tokenizer:
    if not (folder / TOKENIZER_NAME).is_file():
        raise ConfigError(
            f"{source} has no {TOKENIZER_NAME}; AutoTokenizer.from_pretrained(...).save_pretrained(...) writes one"
        )
    return load_tokenizer(folder)


def _check_tokens(model: dict[str, Any], tokenizer: Tokenizer, source: str | Path) -> None:
    """The tokenizer is this checkpoint's, and U-MARVEL's three tokens have rows among its embeddings."""
    for key, token in (("image_token_id", "<|image_pad|>"), ("video_token_id", "<|video_pad|>")):
        if key in model and model[key] != tokenizer.token_to_id(token):
            raise ConfigError(
                f"{source}: {token} is {tokenizer.token_to_id(token)} in the tokenizer, {model[key]} in config.json; "
                "they belong to different checkpoints"
            )
    needed, rows = max(tokenizer.get_vocab().values()) + 1, _size(model, "vocab_size", source)
    if needed > rows:
        raise ConfigError(
            f"{source} has embeddings of {rows} tokens, {needed} are needed with <emb>, <instruction_start> and "
            "<instruction_end>; enlarge them with resize_token_embeddings"
        )


def _check_pixels(folder: Path, model: dict[str, Any], image_size: int, source: str | Path) -> None:
    """The checkpoint's preprocessor does what umr does to pixels, and allows pictures of this size."""
    whole = folder / "processor_config.json"
    found = _read(whole, source).get("image_processor") if whole.is_file() else None
    found = found or _read(folder / "preprocessor_config.json", source)
    vision = model.get("vision_config") or {}
    expected = {
        "image_mean": list(OPENAI_CLIP_MEAN),
        "image_std": list(OPENAI_CLIP_STD),
        "patch_size": vision.get("patch_size", vision.get("spatial_patch_size", 14)),
        "merge_size": vision.get("spatial_merge_size", 2),
        "temporal_patch_size": vision.get("temporal_patch_size", 2),
    }
    for key, value in expected.items():
        given = found.get(key, value)
        if np.shape(given) != np.shape(value) or not np.allclose(given, value, atol=1e-6):
            raise ConfigError(f"the preprocessor of {source} has {key} {found[key]}; umr computes with {value}")
    size = found.get("size") or {}
    low = found.get("min_pixels") or size.get("min_pixels") or size.get("shortest_edge") or 0
    high = found.get("max_pixels") or size.get("max_pixels") or size.get("longest_edge") or image_size**2
    if not low <= image_size**2 <= high:
        pixels = f"the image size {image_size} means {image_size**2} pixels"
        raise ConfigError(f"{pixels}; the preprocessor of {source} allows {low} to {high}")


def _weight_files(folder: Path, source: str | Path) -> list[str]:
    """Names of the safetensors, with their index first where there are shards."""
    if (folder / INDEX).is_file():
        shards = _read(folder / INDEX, source).get("weight_map")
        names = [INDEX, *sorted(set(shards.values()))] if isinstance(shards, dict) else [INDEX]
    else:
        names = [WEIGHTS]
    for name in names:
        if Path(name).name != name:
            raise MismatchError(f"{folder / INDEX} names {name}, which lies elsewhere; do not trust it")
        if not (folder / name).is_file():
            raise MismatchError(f"{folder / name} is missing; copy the checkpoint again (only safetensors are read)")
    return names


def _open_once(folder: Path, config: EncoderConfig, tokenizer: Tokenizer) -> None:
    """Load the weights and embed a picture with words. Raises MismatchError for weights that give no vector."""
    encoder = UnifiedEncoder(config, QwenVLBackbone.load(folder, config, torch.bfloat16), tokenizer).eval()
    grey = np.full((config.image_size, config.image_size, 3), 127, np.uint8)
    encoder.encode_candidates([Candidate(candidate_id="opened", content=Content(text="a red mug", image=grey))])
