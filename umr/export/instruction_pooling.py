"""Pooling outside the instruction, for sentence-transformers: copied into the folder that `umr export` writes.

Not imported by umr, which needs no sentence-transformers; it pools by umr.encoders.pooling.
"""

from __future__ import annotations

from typing import Any

from sentence_transformers.sentence_transformer.modules import Pooling


class InstructionMaskedPooling(Pooling):
    """Pools the tokens outside <instruction_start> ... <instruction_end>, both of which are left out too.

    start_id, end_id: the two tokens.
    """

    config_keys = [*Pooling.config_keys, "start_id", "end_id"]  # noqa: RUF012 - as its base class has it

    def __init__(self, embedding_dimension: int, start_id: int, end_id: int, **settings: Any) -> None:
        super().__init__(embedding_dimension, **settings)
        self.start_id, self.end_id = start_id, end_id

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add "sentence_embedding" (rows, dim) to the features, from "token_embeddings" (rows, tokens, dim)."""
        begins, ends = features["input_ids"] == self.start_id, features["input_ids"] == self.end_id
        inside = (begins.cumsum(1) > ends.cumsum(1)) | ends
        outside = {**features, "attention_mask": features["attention_mask"].masked_fill(inside, 0)}
        features["sentence_embedding"] = super().forward(outside, **kwargs)["sentence_embedding"]
        return features
