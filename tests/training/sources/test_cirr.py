"""A small CIRR folder in the data set's own layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.sources.readers import load_source
from training.sources.spec import parse
from umr.errors import ConfigError

NAMES = ["train-1-0-img0", "train-1-0-img1", "train-2-0-img0", "train-2-0-img1", "train-3-0-img0", "train-3-0-img1"]


def entry(start: int, target: int, caption="make it blue", soft=(), **more):
    names = {NAMES[target]: 1.0} | {NAMES[place]: score for place, score in soft}
    members = {"id": 7, "members": NAMES, "reference_rank": 3, "target_rank": 4}
    row = {"pairid": 1, "reference": NAMES[start], "target_hard": NAMES[target], "target_soft": names}
    return row | {"caption": caption, "img_set": members} | more


@pytest.fixture
def folder(tmp_path, picture) -> Path:
    places = {}
    for number, name in enumerate(NAMES):
        picture(f"img_raw/train/34/{name}.png", number)
        places[name] = f"./train/34/{name}.png"
    rows = [
        entry(0, 1),
        entry(1, 2, soft=[(3, 0.5), (4, -1.0)]),
        entry(0, 1, caption=" "),
        entry(0, 1, reference="train-9-9-img9"),
        "no entry",
        entry(0, 1, img_set=[1]),
    ]
    for name, content in (("captions/cap.rc2.train.json", rows), ("image_splits/split.rc2.train.json", places)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def load(folder: Path, options: str = ""):
    return load_source(parse(f"cirr:{folder}{options}"), folder)


def test_a_pair_is_told_from_the_others_of_its_set(folder):
    first, second = load(folder).examples
    assert (first.task, first.query.text, first.group) == ("image,text->image", "make it blue", "7")
    assert first.positives == (NAMES[1],) and set(first.negatives) == set(NAMES[2:])
    assert set(second.negatives) == {NAMES[0], NAMES[4], NAMES[5]}  # what fits as well is no negative


def test_bad_entries_are_refused_by_number(folder):
    told = dict(load(folder).refused)
    assert told["cap.rc2.train.json: entry 3"] == "caption is ' '; a text is needed"
    assert told["cap.rc2.train.json: entry 4"] == "the picture 'train-9-9-img9' is not in image_splits"
    assert told["cap.rc2.train.json: entry 5"] == "a JSON object is needed, got str"
    assert told["cap.rc2.train.json: entry 6"].startswith("target_soft and img_set must be objects")


def test_pictures_may_lie_beside_the_annotations_as_nlvr2_unpacks_them(folder):
    (folder / "img_raw/train").rename(folder / "train")
    assert len(load(folder).examples) == 2


def test_what_is_missing_is_named(folder):
    with pytest.raises(ConfigError, match=r"captions/cap\.\*\.val\.json is missing"):
        load(folder, "?split=val")
    (folder / "captions/cap.rc1.train.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"stands for cap\.rc1\.train\.json, cap\.rc2\.train\.json: keep one"):
        load(folder)
    (folder / "captions/cap.rc1.train.json").unlink()
    (folder / "img_raw").rename(folder / "elsewhere")
    with pytest.raises(ConfigError, match="put its train/ and dev/ into img_raw"):
        load(folder)
