"""A saved tiny encoder."""

from __future__ import annotations

from tests.encoders.conftest import encoder, make, stills, tokenizer

__all__ = ["encoder", "make", "stills", "tokenizer"]
