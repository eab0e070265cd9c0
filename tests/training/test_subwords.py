"""Subword dropout: the same words in smaller pieces, and nothing but the words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.chunks import Tokenise
from training.config import TrainConfig
from training.subwords import SubwordDropout
from training.world_source.programmes import BatchBuilder

TEXT = "show the glossy purple teapot on marble"


@pytest.fixture(scope="module")
def encoder(small_encoder):
    return small_encoder()


def text_of(encoder, ids) -> str:
    return encoder.tokenizer.decode(list(ids))


@pytest.mark.parametrize("kind", [None, "image"])
def test_the_words_stay_and_their_pieces_are_more(encoder, kind):
    row = encoder.prompter.tokenise(TEXT, "find it", "query", kind)
    cut = SubwordDropout(encoder.tokenizer)(row, 0.5, np.random.default_rng(0))
    assert len(cut) > len(row) and text_of(encoder, cut.ids) == text_of(encoder, row.ids)
    assert cut.media.sum() == row.media.sum() and (~cut.pool).sum() == (~row.pool).sum() and cut.grid == row.grid
    assert len(cut.ids) == len(cut.pool) == len(cut.media)
    assert np.array_equal(cut.ids[~cut.pool | cut.media], row.ids[~row.pool | row.media])


def test_every_piece_is_cut_down_to_what_cannot_be_and_none_at_rate_zero(encoder):
    dropout, row = SubwordDropout(encoder.tokenizer), encoder.prompter.tokenise(TEXT)
    assert dropout(row, 0.0, np.random.default_rng(0)) is row
    smallest = dropout(row, 1.0, np.random.default_rng(0))
    assert not any(number in dropout.cuts for number in smallest.ids.tolist())
    assert text_of(encoder, smallest.ids) == text_of(encoder, row.ids)


def test_special_tokens_are_never_cut(encoder):
    cuts = SubwordDropout(encoder.tokenizer).cuts
    assert cuts and not set(cuts) & set(encoder.tokenizer.get_added_tokens_decoder())


def test_dropout_cuts_queries_alone_and_changes_no_other_draw(tiny_world, encoder):
    config = TrainConfig(name="x", families_per_batch=6, programmes={"pictures": 1.0})
    tokenise = Tokenise.of(encoder)
    plain, cut = (
        BatchBuilder(tokenise, tiny_world, replace(config, subword_dropout=rate)).build(2) for rate in (0.0, 0.4)
    )

    def words(batch, role):
        rows = batch.chunks[0].roles[role]
        ids = [
            row[mask].tolist()
            for part in rows.parts
            for row, mask in zip(part.input_ids_BT, part.attention_mask_BT, strict=True)
        ]
        return [ids[place] for place in rows.order.argsort().tolist()]

    assert words(plain, "picture") == words(cut, "picture")
    for role in ("t2i", "it2i"):
        assert [text_of(encoder, row) for row in words(plain, role)] == [
            text_of(encoder, row) for row in words(cut, role)
        ]
        assert sum(map(len, words(cut, role))) > sum(map(len, words(plain, role)))
