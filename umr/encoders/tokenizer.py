"""Trains, saves and loads the tokenizer of an encoder, with its backbone's real special tokens. Not the prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from umr.disk import replacing
from umr.errors import ConfigError, MismatchError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

TOKENIZER_NAME = "tokenizer.json"

#: U-MARVEL's three, in its order; instruction spans are written with the last two.
EMBED, INSTRUCTION_START, INSTRUCTION_END = "<emb>", "<instruction_start>", "<instruction_end>"
MARKERS = (EMBED, INSTRUCTION_START, INSTRUCTION_END)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """The special tokens of a family of checkpoints.

    Attributes:
        family: what people call it.
        own: its tokens, in the order of their ids.
        pad: the one of `own` that fills up a batch.
        end: the one of `own` that ends a turn; pooling "eos" takes the state of the last.
    """

    family: str
    own: tuple[str, ...]
    pad: str
    end: str

    @property
    def all(self) -> tuple[str, ...]:
        """The family's own, then U-MARVEL's."""
        return (*self.own, *MARKERS)


def train_tokenizer(texts: Iterable[str], special: SpecialTokens, vocab_size: int = 1600) -> PreTrainedTokenizerFast:
    """Byte-level BPE over lower-cased NFC text: every string has tokens, whatever its script.

    A text gets a leading space, so that a word has the same tokens at its beginning as further on.

    Args:
        texts: what is learned from.
        special: tokens that get the first ids.
        vocab_size: tokens in all.

    Returns:
        The tokenizer as transformers saves it.

    Raises:
        ConfigError: vocab_size has no room for the 256 bytes and the special tokens.
    """
    from transformers import PreTrainedTokenizerFast  # heavy, and only a new tokenizer needs it

    least = 256 + len(special.all)
    if vocab_size < least:
        raise ConfigError(f"vocab_size is {vocab_size}; at least {least} are needed (all bytes and the special tokens)")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(special.all), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=special.pad, eos_token=special.end, clean_up_tokenization_spaces=False
    )


def save_tokenizer(tokenizer: Tokenizer, folder: str | Path) -> Path:
    """Write tokenizer.json into the folder, through a temporary name. Returns its path."""
    target = Path(folder) / TOKENIZER_NAME
    with replacing(target) as draft:
        tokenizer.save(str(draft))
    return target


def load_tokenizer(folder: str | Path, special: SpecialTokens) -> Tokenizer:
    """Read tokenizer.json, as plain_tokenizer gives it.

    Raises:
        ConfigError: it is absent, or lacks a special token of the family.
        MismatchError: it is damaged.
    """
    path = Path(folder) / TOKENIZER_NAME
    if not path.is_file():
        raise ConfigError(f"{folder} has no {TOKENIZER_NAME}; copy the encoder folder again")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise MismatchError(
            f"{path} is no tokenizer that can be read ({error}); copy the encoder folder again"
        ) from error
    return plain_tokenizer(tokenizer, special)


def plain_tokenizer(tokenizer: PreTrainedTokenizerFast | Tokenizer, special: SpecialTokens) -> Tokenizer:
    """A private copy that reads special tokens inside a text as plain characters, so that nobody can type one.

    U-MARVEL's three tokens are added when a checkpoint lacks them.

    Raises:
        ConfigError: one of the family's own is missing.
    """
    source: Tokenizer = tokenizer if isinstance(tokenizer, Tokenizer) else tokenizer.backend_tokenizer
    copy = Tokenizer.from_str(source.to_str())
    missing = [token for token in special.own if copy.token_to_id(token) is None]
    if missing:
        raise ConfigError(f"the tokenizer has no {', '.join(missing)}; it is not one of the {special.family} family")
    copy.add_special_tokens([token for token in MARKERS if copy.token_to_id(token) is None])
    copy.encode_special_tokens = True
    copy.no_padding()
    copy.no_truncation()
    return copy


def average_markers(rows_NH: Tensor, tokenizer: Tokenizer) -> None:
    """Make the embeddings of the instruction's two markers the mean of those before them, in place.

    So does U-MARVEL's loader, which adds its tokens one at a time: the table is cut to those known and grows by a row
    of about the mean.

    Args:
        rows_NH: the table of embeddings.
        tokenizer: with the two markers.
    """
    start, end = (token_id(tokenizer, token) for token in (INSTRUCTION_START, INSTRUCTION_END))
    mean_H = rows_NH[: min(start, end)].detach().double().mean(0).to(rows_NH.dtype)
    rows_NH.data[start], rows_NH.data[end] = mean_H, mean_H


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token.

    Raises:
        ConfigError: the tokenizer does not have it.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ConfigError(f"the tokenizer has no token {token}; take the one that belongs to the encoder's backbone")
    return found
