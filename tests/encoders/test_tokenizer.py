"""The trained tokenizer: every script has tokens, specials have ids, files round trip."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from umr.encoders.qwen_vl import SPECIAL
from umr.encoders.tokenizer import load_tokenizer, plain_tokenizer, save_tokenizer, token_id, train_tokenizer
from umr.errors import ConfigError


@pytest.mark.parametrize("text", ["a red mug", "赤いカップ", "кружка", "🙂", "a\u0301"])
def test_every_script_round_trips(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert ids and tokenizer.decode(ids) == " " + text.replace("a\u0301", "á")


def test_word_has_the_same_tokens_wherever_it_stands(tokenizer):
    assert tokenizer.encode("mug mug").ids == tokenizer.encode("mug").ids * 2


def test_case_does_not_matter(tokenizer):
    assert tokenizer.encode("A Red MUG").ids == tokenizer.encode("a red mug").ids


def test_special_tokens_have_the_first_ids_in_order(tokenizer):
    assert [tokenizer.token_to_id(token) for token in SPECIAL.all] == list(range(len(SPECIAL.all)))


def test_typed_special_tokens_are_plain_text(tokenizer):
    for token in SPECIAL.all:
        ids = tokenizer.encode(f"a {token} b").ids
        assert min(ids) >= len(SPECIAL.all) and tokenizer.decode(ids) == f" a {token} b"


def test_saved_tokenizer_is_read_by_this_library_and_by_transformers(tokenizer, tmp_path):
    path = save_tokenizer(tokenizer, tmp_path)
    text = "two teal mugs on marble"
    assert load_tokenizer(tmp_path, SPECIAL).encode(text).ids == tokenizer.encode(text).ids
    assert PreTrainedTokenizerFast(tokenizer_file=str(path))(text)["input_ids"] == tokenizer.encode(text).ids


def test_tokens_of_u_marvel_are_added_to_a_tokenizer_without_them(tokenizer):
    bare = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    with pytest.raises(ConfigError, match="Qwen2-VL"):
        plain_tokenizer(bare, SPECIAL)
    bare.add_special_tokens(list(SPECIAL.own))
    assert plain_tokenizer(bare, SPECIAL).token_to_id("<instruction_end>") == 11


def test_a_token_that_is_not_there_has_no_id(tokenizer):
    assert token_id(tokenizer, SPECIAL.end) == tokenizer.token_to_id("<|im_end|>")
    with pytest.raises(ConfigError, match=r"no token <\|nowhere\|>; take the one that belongs"):
        token_id(tokenizer, "<|nowhere|>")


def test_too_small_a_vocabulary_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="at least 267"):
        train_tokenizer(["a"], SPECIAL, 200)
    with pytest.raises(ConfigError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path, SPECIAL)
