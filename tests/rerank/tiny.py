"""A tiny re-ranker of random weights, seconds to build."""

from __future__ import annotations

from dataclasses import replace

import torch
from tokenizers import Tokenizer

from tests.encoders.conftest import SETTINGS, SIZES, TEXTS
from umr.encoders.qwen_vl import SPECIAL, QwenVLBackbone
from umr.encoders.tokenizer import plain_tokenizer, train_tokenizer
from umr.rerank.config import RerankerConfig
from umr.rerank.reranker import Reranker


def tiny_tokenizer() -> Tokenizer:
    return plain_tokenizer(train_tokenizer(TEXTS, SPECIAL, 320), SPECIAL)


def tiny_reranker(tokenizer: Tokenizer, **fields) -> Reranker:
    """fields: change the settings of its network."""
    attention = fields.pop("attention", "causal")
    config = RerankerConfig.of_encoder(replace(SETTINGS, **fields), tokenizer, "tiny", attention)
    torch.manual_seed(0)
    backbone = QwenVLBackbone.for_tokenizer(config.network, tokenizer, **SIZES)
    with torch.no_grad():  # biases that are not 0, so that a test sees them
        for name, value in backbone.named_parameters():
            if name.endswith("bias"):
                value.normal_(std=0.1)
    return Reranker(config, backbone, tokenizer).eval()
