"""What --data says, and the nonsense that it refuses."""

from __future__ import annotations

import pytest

from training.sources.spec import DataSpec, parse, parse_all
from umr.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jsonl:mine.jsonl", DataSpec(kind="jsonl", path="mine.jsonl")),
        ("jsonl:mine.jsonl@0.3", DataSpec(kind="jsonl", path="mine.jsonl", share=0.3)),
        ("mbeir:C:\\data\\M-BEIR@2", DataSpec(kind="mbeir", path="C:\\data\\M-BEIR", share=2.0)),
        ("jsonl:a@home/b@2x.jsonl", DataSpec(kind="jsonl", path="a@home/b@2x.jsonl")),
        ("world:w@1e-1", DataSpec(kind="world", path="w", share=0.1)),
        (
            "datasets:me/set?image=photo,text=edit,split=val@4",
            DataSpec(
                kind="datasets", path="me/set", share=4.0, options={"image": "photo", "text": "edit", "split": "val"}
            ),
        ),
    ],
)
def test_kind_path_options_and_share_are_told_apart(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine.jsonl", "kinds: jsonl, mbeir, cirr, fashioniq, datasets, world"),
        ("csv:mine.csv", "kinds: jsonl"),
        ("jsonl:", "names no file"),
        ("jsonl: @1", "names no file"),
        ("jsonl:a@0", "the share is 0; a number above 0"),
        ("jsonl:a@-1", "the share is -1"),
        ("jsonl:a@nan", "the share is nan"),
        ("jsonl:a@inf", "the share is inf"),
        ("jsonl:a@1.2.3", "'1.2.3' is no number"),
        ("jsonl:a?split=val", "'split=val' is no option=value that jsonl has.*legal: none"),
        ("cirr:a?image=x", "legal: split"),
        ("datasets:a?image", "'image' is no option=value"),
        ("datasets:a?image=x,image=y", "given twice"),
    ],
)
def test_nonsense_is_refused_with_what_is_legal(text, said):
    with pytest.raises(ConfigError, match=said):
        parse(text)


def test_the_same_data_twice_is_refused_and_other_options_are_other_data():
    assert len(parse_all(["cirr:a", "cirr:a?split=val@2", "fashioniq:a"])) == 3
    with pytest.raises(ConfigError, match=r"'jsonl:a@2' is given twice"):
        parse_all(["jsonl:a", "jsonl:a@2"])


def test_the_home_folder_is_meant_by_its_sign(monkeypatch, tmp_path):
    """A shell does not write it out behind KIND: and so hands it over as it stands."""
    monkeypatch.setenv("HOME", str(tmp_path))
    one, other = parse_all(["world:~/world@0.5", "jsonl:~/mine.jsonl"])
    assert (one.path, one.share, other.path) == (f"{tmp_path}/world", 0.5, f"{tmp_path}/mine.jsonl")
    assert parse("jsonl:a~b.jsonl").path == "a~b.jsonl"
    with pytest.raises(ConfigError, match="is given twice"):
        parse_all(["world:~/world", f"world:{tmp_path}/world"])
