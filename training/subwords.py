"""Subword dropout: a word is now and then read in smaller pieces than the tokenizer would take. Not typing errors.

Provilkov, Emelianenko and Voita 2020, "BPE-dropout" (arXiv 1910.13267): a network that has met a word in several
splits reads misspelt ones better, whose pieces are no longer strange to it. There a merge is left out while a word is
split; here a finished piece is cut in two, so that the tokenizer stays as it is and any generator can draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tokenizers import Tokenizer

from umr.encoders.templates import TokenRow

Cut = tuple[int, int]  # the ids of a piece's two halves


class SubwordDropout:
    """Cuts pieces of one tokenizer in two.

    Attributes:
        cuts: id -> the ways to cut it into two pieces that the tokenizer has; special tokens have none.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        special = tokenizer.get_added_tokens_decoder()
        ids = {token: number for token, number in tokenizer.get_vocab().items() if number not in special}
        self.cuts: dict[int, Sequence[Cut]] = {
            number: found
            for token, number in ids.items()
            if (found := [(ids[token[:at]], ids[token[at:]]) for at in range(1, len(token)) if token[:at] in ids
                          and token[at:] in ids])
        }  # fmt: skip

    def __call__(self, row: TokenRow, rate: float, rng: np.random.Generator) -> TokenRow:
        """The row with some of its pieces cut.

        Args:
            row: of which media and what is not pooled, the instruction, stay whole.
            rate: the share of pieces that are cut, once or more often: each half is asked again.
            rng: draws which, and where.

        Returns:
            A row of at least as many tokens; the same one where nothing was cut.
        """
        places: list[int] = []
        ids: list[int] = []
        for place, (number, free) in enumerate(zip(row.ids.tolist(), row.pool & ~row.media, strict=True)):
            pieces = self._cut(number, rate, rng) if free else [number]
            ids += pieces
            places += [place] * len(pieces)
        if len(ids) == len(row):
            return row
        return replace(row, ids=np.array(ids, np.int64), pool=row.pool[places], media=row.media[places])

    def _cut(self, number: int, rate: float, rng: np.random.Generator) -> list[int]:
        ways = self.cuts.get(number)
        if ways is None or rng.random() >= rate:
            return [number]
        left, right = ways[int(rng.integers(len(ways)))]
        return [*self._cut(left, rate, rng), *self._cut(right, rate, rng)]
