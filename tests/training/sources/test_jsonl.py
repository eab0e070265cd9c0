"""Triplets of one's own: what a row may say, and what of a bad row is told while the others go on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from training.catalogue.store import write_clip
from training.sources.readers import load_source
from training.sources.source import SHOWN
from training.sources.spec import parse
from umr.errors import ConfigError


def load(path: Path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return load_source(parse(f"jsonl:{path}"), path.parent)


def test_a_triplet_asks_by_picture_and_words_for_a_picture(tmp_path, picture):
    reference, target, other = picture("a/1.png", 1), picture("a/2.png", 2), picture("3.png", 3)
    row = {"image": "a/1.png", "text": " make it green ", "target": "a/2.png", "negatives": ["3.png", "a/1.png"]}
    source = load(tmp_path / "mine.jsonl", row)
    (example,) = source.examples
    assert (example.query.image, example.query.text) == (reference, "make it green")
    assert (example.task, example.wanted, example.group) == ("image,text->image", "image", str(reference))
    assert [source.candidates[did].image for did in (*example.positives, *example.negatives)] == [
        target,
        other,
        reference,
    ]
    assert source.refused == [] and set(source.files) == {"mine.jsonl"} and len(source.hashes) == 3


def test_words_ask_for_pictures_and_pictures_for_words_and_entries(tmp_path, picture):
    picture("1.png", 1)
    source = load(
        tmp_path / "mine.jsonl",
        {"text": "a green triangle", "target": "1.png"},
        {"image": "1.png", "target": "A green triangle on white."},
        {"text": "which has three corners?", "target": {"image": "1.png", "text": "a triangle"}},
        {"text": "which word?", "target": "triangle", "negatives": ["circle", "square"]},
    )
    assert [example.task for example in source.examples] == [
        "text->image",
        "image->text",
        "text->image,text",
        "text->text",
    ]
    assert len(source.examples[3].negatives) == 2


def test_a_list_of_targets_are_all_right_and_of_several_kinds_asks_for_any(tmp_path, picture):
    first, second = picture("1.png", 1), picture("2.png", 2)
    source = load(
        tmp_path / "mine.jsonl",
        {"text": "two of them", "target": ["1.png", "2.png"], "negatives": ["2.png", "words"]},
        {"text": "anything", "target": ["1.png", {"text": "a triangle"}]},
    )
    pictures, anything = source.examples
    assert [source.candidates[did].image for did in pictures.positives] == [first, second]
    assert [source.candidates[did].text for did in pictures.negatives] == ["words"], "an answer is no negative"
    assert (pictures.task, anything.task, len(anything.positives)) == ("text->image", "text->all", 2)


BAD = {
    "not json": "not JSON",
    "[1]": "a JSON object is needed",
    '{"image": "1.png", "text": "x"}': "target is missing",
    '{"target": "1.png"}': "the query is empty",
    '{"image": "gone.png", "text": "x", "target": "1.png"}': "the query's image 'gone.png' is not a file that exists",
    '{"text": "x", "target": "gone.jpg"}': "target's image 'gone.jpg' is not a file that exists",
    '{"image": "broken.png", "text": "x", "target": "1.png"}': "broken.png is not a picture that can be read",
    '{"text": "x", "target": "broken.png"}': "broken.png is not a picture",
    '{"text": "x", "target": "1.png", "negatives": ["broken.png"]}': "broken.png is not a picture",
    '{"text": "x", "target": "1.png", "negatives": "1.png"}': "negatives is str; a list",
    '{"text": 5, "target": "1.png"}': "text is int; a text is needed",
    '{"text": "x", "target": 5}': "target is int; a path, a text or an object",
    '{"text": "x", "target": []}': "target is missing",
    '{"text": "x", "target": ["1.png", 5]}': "target 2 is int; a path, a text or an object",
    '{"text": "x", "target": ["1.png", "gone.png"]}': "target 2's image 'gone.png' is not a file that exists",
    '{"text": "x", "target": {"picture": "1.png"}}': "target has unknown fields picture",
    '{"caption": "x", "target": "1.png"}': "unknown fields caption; known: image",
    '{"text": "a\\u0000b", "target": "1.png"}': "NUL",
}


def test_a_bad_row_is_refused_by_its_line_and_reason_and_the_others_go_on(tmp_path, picture):
    picture("1.png", 1)
    (tmp_path / "broken.png").write_text("no picture")
    good = {"text": "a triangle", "target": "1.png"}
    source = load(tmp_path / "mine.jsonl", good, *BAD, good | {"text": "another"})
    assert [example.query.text for example in source.examples] == ["a triangle", "another"]
    told = dict(source.refused)
    for line, (row, said) in enumerate(BAD.items(), 2):
        assert said in told[f"mine.jsonl:{line}"], row
    assert len(told) == len(BAD) and set(source.candidates) == {str(tmp_path / "1.png")}
    record = source.record()
    assert record["refused"] == len(BAD) and len(record["refused_first"]) == SHOWN < len(BAD)
    assert record["refused_first"][0].startswith("mine.jsonl:2: not JSON")


def test_a_line_that_is_no_utf8_text_is_refused_alone(tmp_path, picture):
    picture("1.png", 1)
    rows = [
        json.dumps({"text": text, "target": "1.png"}, ensure_ascii=False) for text in ("one", "zw\u00f6lf", "\u5341")
    ]
    (tmp_path / "mine.jsonl").write_bytes(
        b"\n".join(rows[n].encode(code) for n, code in enumerate(("ascii", "latin-1", "utf-8")))
    )
    source = load_source(parse(f"jsonl:{tmp_path / 'mine.jsonl'}"), tmp_path)
    assert [example.query.text for example in source.examples] == ["one", "\u5341"]
    ((place, why),) = source.refused
    assert place == "mine.jsonl:2" and why.startswith("not UTF-8 text (from character 13 on)")


def test_a_bare_target_that_is_a_file_without_a_known_ending_is_not_taken_for_words(tmp_path, picture):
    picture("1.png", 1)
    (tmp_path / "scan").write_bytes((tmp_path / "1.png").read_bytes())
    said, spaced, named, words, long = load(
        tmp_path / "mine.jsonl",
        {"text": "good", "target": "1.png"},
        {"text": "spaced", "target": " 1.png "},
        {"text": "named", "target": {"image": "scan"}},
        {"text": "words", "target": {"text": "scan"}},
        {"text": "long", "target": "word " * 100},
        {"text": "bare", "target": "scan"},
        {"text": "x", "target": "a" * 300 + ".png"},
    ).examples
    assert {said.task, spaced.task, named.task} == {"text->image"} and {words.task, long.task} == {"text->text"}
    assert said.positives == spaced.positives
    with pytest.raises(ConfigError, match=r"target 'scan' is a file here without an ending.*aaa.png' is not a file"):
        load(tmp_path / "mine.jsonl", {"text": "b", "target": "scan"}, {"text": "x", "target": "a" * 300 + ".png"})


def test_a_row_that_calls_a_picture_a_clip_or_words_takes_it_from_no_other_row(tmp_path, picture):
    """Whatever comes last: the file is read as what each row calls it, and words are words."""
    path = str(picture("1.png", 1))
    write_clip(tmp_path / "1.mp4", np.zeros((2, 32, 32, 3), np.uint8), fps=2)
    good = [{"text": "a triangle", "target": "1.png"}, {"text": "it moves", "target": "1.mp4"}]
    others = [
        {"text": "b", "target": {"video": "1.png"}},
        {"text": "c", "target": {"image": "1.mp4"}},
        {"image": "1.mp4", "target": "some words"},
        {"text": "its name", "target": {"text": path}},
    ]
    source = load(tmp_path / "mine.jsonl", *good, *others)
    assert [example.task for example in source.examples[:2]] == ["text->image", "text->video"]
    assert source.examples[-1].task == "text->text"
    assert {"mine.jsonl:4", "mine.jsonl:5"} <= {place for place, _ in source.refused}


def test_the_tasks_that_were_taken_are_told(tmp_path, picture, caplog):
    """So that a column of paths that was read as words is seen."""
    picture("1.png", 1)
    with caplog.at_level("INFO", logger="training"):
        load(
            tmp_path / "mine.jsonl",
            *[{"text": f"{n}", "target": "1.png"} for n in range(2)],
            {"text": "x", "target": "y"},
        )
    assert "3 examples taken, 0 rows refused; 2 of text->image, 1 of text->text" in caplog.text


def test_a_file_of_bad_rows_alone_is_an_error_with_the_first_reasons(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing of jsonl:.*mine.jsonl:1: target is missing.*\.\.\. and 3 more"):
        load(tmp_path / "mine.jsonl", *[{"text": "x"}] * (SHOWN + 3))
    with pytest.raises(ConfigError, match="it holds no row"):
        load(tmp_path / "mine.jsonl")


def test_rows_that_ask_the_same_share_their_answers_and_none_is_a_negative(tmp_path, picture):
    for number in (1, 2, 3):
        picture(f"{number}.png", number)
    picture("copy.png", 1)  # the same bytes under another name ask the same
    source = load(
        tmp_path / "mine.jsonl",
        {"image": "1.png", "text": "brighter", "target": "2.png", "negatives": ["3.png"]},
        {"image": "copy.png", "text": "brighter", "target": "3.png"},
        {"image": "1.png", "text": "darker", "target": "3.png"},
    )
    first, second, third = source.examples
    assert first.positives == tuple(reversed(second.positives)) and len(first.positives) == 2
    assert first.negatives == () and len(third.positives) == 1


def test_sentences_and_groups_of_the_data_are_taken(tmp_path, picture):
    picture("1.png", 1)
    row = {"text": "x", "target": "1.png", "instruction": "Find the shape.", "group": "mine"}
    source = load(tmp_path / "mine.jsonl", row)
    assert source.instructions == {"Find the shape.": ("Find the shape.",)}
    assert (source.examples[0].instruction, source.examples[0].group) == ("Find the shape.", "mine")


def test_the_fingerprint_follows_rows_and_pictures_but_no_place(tmp_path, picture):
    row = {"text": "x", "target": "1.png"}
    (tmp_path / "moved").mkdir()
    picture("1.png", 1), picture("moved/1.png", 1)
    one = load(tmp_path / "mine.jsonl", row).fingerprint
    assert load(tmp_path / "moved" / "mine.jsonl", row).fingerprint == one
    picture("1.png", 2)
    other = load(tmp_path / "mine.jsonl", row).fingerprint
    assert len({one, other, load(tmp_path / "mine.jsonl", row | {"text": "y"}).fingerprint}) == 3


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.jsonl does not exist"):
        load_source(parse(f"jsonl:{tmp_path / 'gone.jsonl'}"), tmp_path)
    with pytest.raises(ConfigError, match="world is no kind of triplets"):
        load_source(parse(f"world:{tmp_path}"), tmp_path)
