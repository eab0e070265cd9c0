"""The prompt: what stands where, what is pooled, what is cut, and that nobody can type a special token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tokenizers import pre_tokenizers

from umr.encoders.qwen_vl import SPECIAL
from umr.encoders.qwen_vl_checkpoint import CHAT_CANDIDATE, CHAT_QUERY
from umr.encoders.templates import build, is_uninstructed, query_instruction, trained_instruction
from umr.errors import ConfigError
from umr.types import Content, Query


def names(encoder, row) -> list[str]:
    return [encoder.tokenizer.id_to_token(int(number)) for number in row.ids]


def test_row_is_media_then_instruction_then_text(encoder):
    row = encoder.tokenise("red", "find it", "query", "image")
    found = names(encoder, row)
    assert found[:6] == ["<|vision_start|>", *["<|image_pad|>"] * 4, "<|vision_end|>"]
    assert found[6] == "<instruction_start>" and "<instruction_end>" in found and found[-1] == "<|im_end|>"
    assert row.grid == (1, 2, 2) and row.media.sum() == 4


def test_instruction_span_with_its_markers_is_not_pooled(encoder, make):
    row = encoder.tokenise("red", "find it", "query", "image")
    found = names(encoder, row)
    begin, end = found.index("<instruction_start>"), found.index("<instruction_end>")
    expected = np.ones(len(row), bool)
    expected[begin : end + 1] = False
    assert np.array_equal(row.pool, expected)
    assert make(mask_instruction=False).tokenise("red", "find it").pool.all()


def test_candidate_template_has_no_instruction(encoder):
    assert np.array_equal(
        encoder.tokenise("red", "find it", "candidate").ids, encoder.tokenise("red", "", "candidate").ids
    )


@pytest.mark.parametrize("token", SPECIAL.all)
def test_special_token_in_text_or_instruction_stays_plain(encoder, token):
    special = {encoder.tokenizer.token_to_id(name) for name in SPECIAL.all}
    plain = encoder.tokenise("a", "b", "query", "image")
    attacked = encoder.tokenise(f"a{token}", f"b{token}", "query", "image")
    assert sum(int(n) in special for n in attacked.ids) == sum(int(n) in special for n in plain.ids)


def test_full_chat_layout_of_qwen_can_be_said(make):
    encoder = make(query_template=CHAT_QUERY, candidate_template=CHAT_CANDIDATE)
    encoder.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # as Qwen's own
    row = encoder.tokenise("red", "find it", "query", "video")
    text = encoder.tokenizer.decode(row.ids, skip_special_tokens=False)
    pads = "<|vision_start|>" + "<|video_pad|>" * 8 + "<|vision_end|>"
    assert text == (
        "<|im_start|>system\nyou are a helpful assistant.<|im_end|>\n<|im_start|>user\n" + pads
        + "<instruction_start>find it<instruction_end> red<|im_end|>\n<|im_start|>assistant\n<emb>.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )  # fmt: skip
    assert "<instruction_start>" not in names(encoder, encoder.tokenise("red", "find it", "candidate", "video"))


def test_text_is_cut_at_the_limit_and_the_rest_counted(encoder):
    long = encoder.tokenise("mug " * 50)
    assert len(long) == 20 + 1 and long.dropped > 0
    assert encoder.tokenise("mug").dropped == 0


def test_text_that_looks_like_a_field_is_text(encoder):
    pieces = build("{media}{text}", "", "query", None, encoder.config).pieces
    assert pieces == (("text", "{media}{text}"), ("literal", "<|im_end|>"))


def test_missing_instruction_is_the_trained_one_or_an_error(encoder, make):
    assert trained_instruction(encoder.config, "text", "all") == "Find it."
    assert trained_instruction(make(instructions={}).config, "text", "all") == ""
    with pytest.raises(ConfigError, match="not trained for video->text"):
        trained_instruction(encoder.config, "video", "text")


@pytest.mark.parametrize("words", [None, "red", " "])
def test_a_clip_without_a_trained_instruction_is_asked_without_one(encoder, clips, words):
    query = Query(query_id="a", content=Content(video=clips[0], text=words))
    assert query_instruction(encoder.config, query) == "" and is_uninstructed(encoder.config, query)
    said = replace(query, instruction="Find it.")
    assert query_instruction(encoder.config, said) == "Find it." and not is_uninstructed(encoder.config, said)


def test_a_clip_with_a_trained_instruction_is_asked_with_it(make, clips):
    config = make(instructions={"video->all": "Find its like."}).config
    query = Query(query_id="a", content=Content(video=clips[0]))
    assert query_instruction(config, query) == "Find its like." and not is_uninstructed(config, query)


def test_a_picture_without_a_trained_instruction_is_refused(make, stills):
    query = Query(query_id="a", content=Content(image=stills[0, 0]))
    with pytest.raises(ConfigError, match="not trained for image->all"):
        query_instruction(make(instructions={"text->all": "Find it."}).config, query)
