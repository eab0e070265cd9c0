"""Trains, saves and loads the byte-level tokenizer of a small encoder, with Qwen2-VL's real special tokens. Not the prompt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from umr.disk import replacing
from umr.errors import ConfigError, MismatchError

TOKENIZER_NAME = "tokenizer.json"

#: Qwen2-VL's own, then U-MARVEL's three in its order (emb, start, end).
SPECIAL_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>", "<emb>", "<instruction_start>", "<instruction_end>",
)  # fmt: skip
PAD_TOKEN = "<|endoftext|>"


def train_tokenizer(texts: Iterable[str], vocab_size: int = 1600) -> PreTrainedTokenizerFast:
    """Byte-level BPE over lower-cased NFC text: every string has tokens, whatever its script.

    A text gets a leading space, so that a word has the same tokens at its beginning as further on.

    Raises ConfigError if vocab_size has no room for the 256 bytes and the special tokens.
    """
    least = 256 + len(SPECIAL_TOKENS)
    if vocab_size < least:
        raise ConfigError(f"vocab_size is {vocab_size}; at least {least} are needed (all bytes and the special tokens)")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(SPECIAL_TOKENS), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD_TOKEN, eos_token="<|im_end|>", clean_up_tokenization_spaces=False
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast | Tokenizer, folder: str | Path) -> Path:
    """Write tokenizer.json into the folder, through a temporary name. Returns its path."""
    target = Path(folder) / TOKENIZER_NAME
    with replacing(target) as draft:
        plain_tokenizer(tokenizer).save(str(draft))
    return target


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """Read tokenizer.json. Raises ConfigError if it is absent or lacks a special token, MismatchError if it is damaged."""
    path = Path(folder) / TOKENIZER_NAME
    if not path.is_file():
        raise ConfigError(f"{folder} has no {TOKENIZER_NAME}; copy the encoder folder again")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise MismatchError(
            f"{path} is no tokenizer that can be read ({error}); copy the encoder folder again"
        ) from error
    return plain_tokenizer(tokenizer)


def plain_tokenizer(tokenizer: PreTrainedTokenizerFast | Tokenizer) -> Tokenizer:
    """A private copy that reads special tokens inside a text as plain characters, so that nobody can type one.

    U-MARVEL's three tokens are added when a checkpoint lacks them. Raises ConfigError if one of Qwen's is missing.
    """
    source = tokenizer.backend_tokenizer if isinstance(tokenizer, PreTrainedTokenizerFast) else tokenizer
    copy = Tokenizer.from_str(source.to_str())
    missing = [token for token in SPECIAL_TOKENS[:8] if copy.token_to_id(token) is None]
    if missing:
        raise ConfigError(f"the tokenizer has no {', '.join(missing)}; it is not one of the Qwen2-VL family")
    copy.add_special_tokens([token for token in SPECIAL_TOKENS[8:] if copy.token_to_id(token) is None])
    copy.encode_special_tokens = True
    copy.no_padding()
    copy.no_truncation()
    return copy
