"""Triplets of a saved `datasets` dataset: pictures inside it, columns by name."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from training.sources.readers import load_source
from training.sources.spec import parse
from umr.errors import ConfigError


@pytest.fixture
def saved(tmp_path, picture) -> Path:
    """Two good rows and one whose target is no picture."""
    files = [str(picture(f"{number}.png", number)) for number in range(4)]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    rows = {
        "photo": [{"bytes": Path(files[0]).read_bytes(), "path": None}] * 3,
        "edit": ["make it blue", "make it red", "make it green"],
        "result": [files[1], files[2], str(tmp_path / "broken.png")],
        "wrong": [[files[3]], [], []],
    }
    image = datasets.Image()
    features = {"photo": image, "edit": datasets.Value("string"), "result": image, "wrong": datasets.Sequence(image)}
    datasets.Dataset.from_dict(rows, features=datasets.Features(features)).save_to_disk(tmp_path / "set")
    return tmp_path / "set"


def test_columns_are_chosen_and_pictures_inside_become_files_once(saved, tmp_path):
    columns = "?image=photo,text=edit,target=result,negatives=wrong"
    source = load_source(parse(f"datasets:{saved}{columns}"), tmp_path / "media")
    first, second = source.examples
    assert (first.task, first.query.text) == ("image,text->image", "make it blue")
    assert first.query.image == second.query.image
    assert Path(first.query.image).read_bytes() == (tmp_path / "0.png").read_bytes()
    answer, wrong = (source.candidates[did].image for did in (*first.positives, *first.negatives))
    assert Path(answer).read_bytes() == (tmp_path / "1.png").read_bytes()
    assert Path(wrong).read_bytes() == (tmp_path / "3.png").read_bytes() and second.negatives == ()
    assert len(list((tmp_path / "media").iterdir())) >= 1
    ((place, why),) = source.refused
    assert place == "row 2" and "is not a picture that can be read" in why


def test_other_words_are_other_data(tmp_path):
    """There is no annotation file to tell them apart: a run on one must not go on with the other."""
    found = []
    for name, words in (("one", "a"), ("same", "a"), ("other", "b")):
        datasets.Dataset.from_dict({"text": [words], "target": ["c"]}).save_to_disk(tmp_path / name)
        found.append(load_source(parse(f"datasets:{tmp_path / name}"), tmp_path / "media").fingerprint)
    assert found[0] == found[1] != found[2]


def test_columns_that_are_not_there_are_named(saved, tmp_path):
    with pytest.raises(ConfigError, match=r"has the columns edit, photo.*|a target, and an image or a text is needed"):
        load_source(parse(f"datasets:{saved}"), tmp_path)
    with pytest.raises(ConfigError, match="picture is needed: name the right ones"):
        load_source(parse(f"datasets:{saved}?image=picture,target=result"), tmp_path)


def test_a_split_of_a_dataset_that_has_none_is_refused(tmp_path):
    rows = datasets.Dataset.from_dict({"text": ["a"], "target": ["c"]})
    rows.save_to_disk(tmp_path / "one")
    rows.to_parquet(tmp_path / "one.parquet")
    datasets.DatasetDict({"train": rows, "other": rows}).save_to_disk(tmp_path / "split")
    for name in ("one", "one.parquet"):
        assert len(load_source(parse(f"datasets:{tmp_path / name}"), tmp_path).examples) == 1
        with pytest.raises(ConfigError, match="has no splits, so none can be 'other'"):
            load_source(parse(f"datasets:{tmp_path / name}?split=other"), tmp_path)
    assert len(load_source(parse(f"datasets:{tmp_path / 'split'}?split=other"), tmp_path).examples) == 1
    with pytest.raises(ConfigError, match="cannot be read as a dataset"):
        load_source(parse(f"datasets:{tmp_path / 'split'}?split=gone"), tmp_path)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read as a dataset"):
        load_source(parse(f"datasets:{tmp_path}"), tmp_path)
