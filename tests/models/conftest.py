"""The tiny real encoder of the encoders' tests, for models by name too."""

from tests.encoders.conftest import encoder, make, tokenizer

__all__ = ["encoder", "make", "tokenizer"]
