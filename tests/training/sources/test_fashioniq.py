"""A small FashionIQ folder in the data set's own layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.sources.readers import load_source
from training.sources.spec import parse
from umr.errors import ConfigError


@pytest.fixture
def folder(tmp_path, picture) -> Path:
    for number, name in enumerate(("B001.png", "B002.jpg", "B003.png")):
        picture(f"images/{name}", number)
    dress = [
        {"target": "B002", "candidate": "B001", "captions": ["is solid black.", " is longer"]},
        {"target": "B009", "candidate": "B001", "captions": ["is red"]},
        {"target": "B004", "candidate": "B001", "captions": ["is red"]},
        {"target": "B002", "candidate": "B001", "captions": "is red"},
        {"target": "B002", "candidate": "B001", "captions": [""]},
        {"candidate": "B001", "captions": ["is red"]},
    ]
    shirt = [{"target": "B003", "candidate": "B002", "captions": ["has stripes", "has a star"]}]
    files = {
        "captions/cap.dress.train.json": dress,
        "captions/cap.shirt.train.json": shirt,
        "image_splits/split.dress.train.json": ["B001", "B002", "B004"],
        "image_splits/split.shirt.train.json": ["B002", "B003"],
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def load(folder: Path, options: str = ""):
    return load_source(parse(f"fashioniq:{folder}{options}"), folder)


def test_both_captions_of_a_pair_hold_and_every_category_is_read(folder):
    source = load(folder)
    dress, shirt = source.examples
    assert dress.query.text == "is solid black and is longer" and shirt.query.text == "has stripes and has a star"
    assert dress.query.image == folder / "images/B001.png"
    assert source.candidates["B002"].image == folder / "images/B002.jpg" and dress.positives == ("B002",)
    assert len(source.files) == 4


def test_bad_entries_are_refused_by_number(folder):
    told = dict(load(folder).refused)
    assert told["cap.dress.train.json: entry 2"] == "the picture 'B009' is not in image_splits"
    assert told["cap.dress.train.json: entry 3"] == "images/ has no picture 'B004'"
    assert told["cap.dress.train.json: entry 4"] == "captions is 'is red'; a list of texts is needed"
    assert told["cap.dress.train.json: entry 5"] == "captions is ''; a text is needed"
    assert told["cap.dress.train.json: entry 6"] == "target is None; a text is needed"


def test_a_caption_without_words_is_left_out_beside_one_that_has_some(folder):
    """As in the makers' own training files: five of toptee are empty, one of dress is a full stop."""
    pairs = [["", "has bigger image"], ["Darker and not as shiny", "."], [".", " "]]
    rows = [{"target": "B003", "candidate": "B002", "captions": captions} for captions in pairs]
    (folder / "captions/cap.shirt.train.json").write_text(json.dumps(rows))
    source = load(folder)
    assert [one.query.text for one in source.examples[1:]] == ["has bigger image", "Darker and not as shiny"]
    assert dict(source.refused)["cap.shirt.train.json: entry 3"] == "captions is '.'; a text is needed"


def test_what_is_missing_is_named(folder):
    with pytest.raises(ConfigError, match=r"captions/cap\.\*\.val\.json is missing"):
        load(folder, "?split=val")
    (folder / "image_splits/split.shirt.train.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"split\.shirt\.train\.json holds a dict; a list is needed"):
        load(folder)
