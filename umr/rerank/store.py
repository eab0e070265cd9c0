"""Folders of re-rankers: written whole, read only when nothing in them changed, begun from an encoder. Not scoring."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from umr.disk import atomic_write
from umr.encoders.backbone import backbone_class
from umr.encoders.config import Attention, EncoderConfig, Resize
from umr.encoders.config import read_config as read_encoder_config
from umr.encoders.hub import fetch, is_hub
from umr.encoders.store import check_files, check_hashes, sealed_folder
from umr.encoders.store import check_place as check_encoder_place
from umr.encoders.tokenizer import load_tokenizer, save_tokenizer
from umr.errors import ConfigError
from umr.rerank.config import RerankerConfig, read_config, write_config
from umr.rerank.reranker import Reranker
from umr.shipped import LICENCE, RERANKER_CONFIG
from umr.types import DTYPES

CARD, RECORD = "README.md", "train_config.json"
ANSWERS = "answers.safetensors"  # what yes and no are scored by, where that is not their embeddings
ROWS = "rows"


def begin_reranker(
    encoder: str | Path, name: str, attention: Attention = "causal", resize: Resize = "square"
) -> Reranker:
    """A re-ranker with the weights, tokenizer and sentences of an encoder, on the CPU, in float32; not trained yet.

    Args:
        encoder: a folder, or `hub:owner/name@revision`.
        name: what people call the re-ranker.
        attention: see RerankerConfig.of_encoder.
        resize: see there.

    Raises:
        ConfigError: this is no encoder, its backbone cannot re-rank, or it sees squares where they are not wanted.
        MismatchError: one of its files is missing or changed.
    """
    folder = fetch(encoder) if is_hub(encoder) else Path(encoder)
    started = read_encoder_config(folder)
    check_files(started, folder)
    kind = backbone_class(started.backbone)
    tokenizer = load_tokenizer(folder, kind.special)
    config = RerankerConfig.of_encoder(started, tokenizer, name, attention, resize)
    return Reranker(config, kind.load(folder, config.network, torch.float32), tokenizer)


def open_reranker(folder: Path, dtype: str = "float32", device: str | torch.device | None = None) -> Reranker:
    """Read a folder (see umr.rerank.load_reranker)."""
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; legal: {', '.join(DTYPES)}")
    config = read_config(folder)
    check_hashes(config.files, folder, RERANKER_CONFIG, "re-ranker's")
    kind = backbone_class(config.network.backbone)
    backbone = kind.load(folder, config.network, {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype])
    rows_2H = load_file(folder / ANSWERS)[ROWS] if (folder / ANSWERS).is_file() else None
    reranker = Reranker(config, backbone, load_tokenizer(folder, kind.special), rows_2H).eval()
    return reranker.to(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")


def check_place(folder: str | Path) -> None:
    """Look, before any work is done, at what a re-ranker's folder to be written would replace.

    Raises:
        ConfigError: something else than a re-ranker is there.
    """
    check_encoder_place(folder, RERANKER_CONFIG, "a re-ranker's folder")


def save_reranker(reranker: Reranker, folder: str | Path, extra: Mapping[str, str] | None = None) -> RerankerConfig:
    """Write a folder that load_reranker reads; from then on this re-ranker has the folder's identity.

    Args:
        reranker: what is written.
        folder: where to; a re-ranker that is there is replaced.
        extra: {file name: text} kept and hashed beside the weights (how it was trained).

    Returns:
        The settings written, with the hashes of the files.

    Raises:
        ConfigError: the folder holds something else.
    """

    def write(draft: Path) -> None:
        reranker.network.backbone.save(draft)
        save_tokenizer(reranker.network.tokenizer, draft)
        if reranker.own_rows_2H is not None:
            save_file({ROWS: reranker.own_rows_2H.detach().cpu().contiguous()}, draft / ANSWERS)
        for name, text in (extra or {}).items():
            (draft / name).write_text(text, encoding="utf-8")

    def finish(draft: Path, files: dict[str, str]) -> RerankerConfig:
        sealed = reranker.config.with_files(files)
        with atomic_write(draft / CARD) as file:
            file.write(card(sealed, json.loads((extra or {}).get(RECORD, "null"))))
        write_config(sealed, draft)
        return sealed

    check_place(folder)
    reranker.config = sealed_folder(Path(folder), write, finish)
    return reranker.config


def card(config: RerankerConfig, trained: Mapping[str, object] | None) -> str:
    """The model card: what it is, what it was trained on, how it is used.

    Args:
        config: the settings, with the hashes of the files.
        trained: what training.rerank records; None for one that is not trained.
    """
    network = config.network
    told = ["By nobody: its answers mean nothing yet."]
    if network.revision and not trained:
        told = [f"By those who released `{network.revision}`, if they did."]
    if trained:
        settings, stages = trained["config"], trained["stages"]
        told = [f"`{RECORD}` has every setting, the mined data with their fingerprint and the stages before.", ""]
        told += [f"- settings: `{json.dumps(settings, sort_keys=True)}`"]
        told += [f"- starts from: {', '.join(row['name'] for row in stages)}"] if isinstance(stages, list) else []
        told += [f"- data: fingerprint `{trained['data_fingerprint']}`, {trained['seconds']} seconds"]
    front = ["---", "library_name: umr", "pipeline_tag: text-ranking", f"license: {LICENCE.lower()}",
             "tags:", "- umr", f"- {network.backbone}", "- reranker", "- multimodal-retrieval", "---"]  # fmt: skip
    if network.revision:
        front[3] = "license: other"
    return "\n".join([
        *front, "", f"# {config.name}", "",
        f"A pointwise re-ranker for `umr`: one {network.attention} forward pass over query and candidate, and the "
        f"share of `{config.yes}` against `{config.no}` at the last token. The query is computed once for all its "
        "candidates.",
        "", "## How it reads", "",
        f"- query: `{json.dumps(network.query_template)}`",
        f"- candidate: `{json.dumps(network.candidate_template)}`",
        f"- {_seen(network)}, clips of {network.clips}, texts of {network.max_tokens} "
        "tokens", "", f"Fingerprint: `{config.fingerprint()}` (settings and weights; this card is no part of it).",
        "", "## How it was trained", "", *told, "", "## Use", "",
        "```bash", "python -m umr rerank RUN --out RUN2 --reranker FOLDER", "```", "",
    ])  # fmt: skip


def _seen(network: EncoderConfig) -> str:
    """How large pictures are, for the card."""
    if network.resize == "square":
        return f"pictures of {network.image_size} px"
    return f"pictures at their own size, of {network.resize_min_pixels} to {network.resize_max_pixels} pixels"
