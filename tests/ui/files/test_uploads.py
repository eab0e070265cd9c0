"""A visitor's own files: what is taken, what is refused and why, and that nothing of it stays after a failure."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.test_segments import film
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, printable
from umr.types import Content, Query
from umr.ui.files import uploads
from umr.ui.files.uploads import Cancelled, index_files, read_passages, take

HEIC = Path(__file__).parents[2] / "data" / "phone.heic"


def silent(stage: str, done: int, total: int) -> None:
    """No report."""


@pytest.fixture
def given(tmp_path: Path, picture) -> list[tuple[str, Path]]:
    """Two pictures of one name, a text, passages, a zip with a picture and a script, and something else."""
    (tmp_path / "in").mkdir()
    note, rows, other = tmp_path / "in" / "1", tmp_path / "in" / "2", tmp_path / "in" / "3"
    note.write_text("A note about a lamp.")
    rows.write_text(json.dumps({"text": "A cup.", "title": "Cup"}) + "\n" + json.dumps({"image": "x"}) + "\n")
    other.write_bytes(b"MZ")
    with zipfile.ZipFile(tmp_path / "in" / "4", "w") as opened:
        opened.write(picture("g.png", "green"), "deep/green.png")
        opened.writestr("run.sh", "echo")
    return [
        ("card.png", picture("a.png", "red")),
        ("card.png", picture("b.png", "blue")),
        ("note.txt", note),
        ("cups.jsonl", rows),
        ("setup.exe", other),
        ("more.zip", tmp_path / "in" / "4"),
    ]


def test_good_files_are_indexed_and_the_others_refused_with_reasons(given, tmp_path):
    own = index_files(given, tmp_path / "own", FakeEncoder(dim=16), silent)
    assert set(own.searcher.collection.ids) == {
        "card.png",
        "card (2).png",
        "note.txt",
        "more/deep/green.png",
        "cups.jsonl:1",
    }
    refused = {item.source: item.reason for item in own.refused}
    assert set(refused) == {"setup.exe", "more.zip: run.sh", "cups.jsonl:2"}
    assert ".exe" in refused["setup.exe"] and "text" in refused["cups.jsonl:2"]


def test_a_heic_is_taken_as_a_jpeg_and_named_by_rows(tmp_path):
    heic, broken, rows = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    heic.write_bytes(HEIC.read_bytes())
    broken.write_bytes(HEIC.read_bytes()[:200])
    rows.write_text(json.dumps({"text": "Two halves.", "image": "phone.heic"}) + "\n")
    sources = [("phone.heic", heic), ("cut.HEIC", broken), ("rows.jsonl", rows)]
    own = index_files(sources, tmp_path / "own", FakeEncoder(dim=16), silent)
    assert set(own.searcher.collection.ids) == {"phone.heic.jpg", "rows.jsonl:1"}
    assert [item.source for item in own.refused] == ["cut.HEIC"]


def test_a_picture_finds_its_like_and_never_itself(given, tmp_path, picture):
    own = index_files(given, tmp_path / "own", FakeEncoder(dim=16), silent)
    same_pixels = picture("q.bmp", "red")
    query = Query(query_id="q", content=Content(image=same_pixels), target_modality="image")
    assert own.searcher.search(query, 3).results[0].hit.candidate_id == "card.png"
    query = Query(query_id="q", content=Content(image=given[0][1]), target_modality="image")
    assert "card.png" not in [r.hit.candidate_id for r in own.searcher.search(query, 3).results]


def test_where_nothing_can_be_taken_nothing_is_left(given, tmp_path):
    with pytest.raises(ConfigError, match="no candidate at all"):
        index_files([given[4]], tmp_path / "own", FakeEncoder(), silent)
    assert not (tmp_path / "own").exists()


def test_a_cancelled_work_leaves_nothing(given, tmp_path):
    def report(stage: str, done: int, total: int) -> None:
        if stage == "Indexing":
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        index_files(given, tmp_path / "own", FakeEncoder(), report)
    assert not (tmp_path / "own").exists()


@pytest.fixture
def clips(tmp_path) -> list[tuple[str, Path]]:
    """A clip of five seconds and one of one."""
    (tmp_path / "in").mkdir()
    return [(f"{s}.mp4", film(tmp_path / "in" / f"{s}.mp4", s)) for s in (5, 1)]


def test_clips_are_cut_where_that_is_asked_for_and_stay_whole_else(clips, tmp_path):
    whole = index_files(clips, tmp_path / "whole", FakeEncoder(dim=16), silent).searcher.collection
    assert set(whole.ids) == {"5.mp4", "1.mp4"}
    cut = index_files(clips, tmp_path / "cut", FakeEncoder(dim=16), silent, 2.0).searcher.collection
    assert set(cut.ids) == {"5.mp4#t=0,2", "5.mp4#t=2,4", "5.mp4#t=4,5", "1.mp4"}


def test_more_parts_than_a_visitor_may_have_are_refused_and_nothing_is_left(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_PARTS", 3)
    with pytest.raises(
        ConfigError, match=r"parts of 2 seconds, these files would be over 3\. Give fewer or shorter clips"
    ):
        index_files(clips, tmp_path / "own", FakeEncoder(dim=16), silent, 2.0)
    assert not (tmp_path / "own").exists()
    assert len(index_files(clips, tmp_path / "own", FakeEncoder(dim=16), silent).searcher.collection) == 2


def test_a_name_with_folders_cannot_leave_the_folder(tmp_path, picture):
    file = picture("a.png")
    for name in ("../../evil.png", "..\\evil.png", "/evil.png"):
        take([(name, file)], tmp_path / "deep" / "own", silent)
    assert {path.parent for path in tmp_path.rglob("evil*.png")} == {tmp_path / "deep" / "own" / "files"}


NO_NAMES = (
    "half\ud83d.png",
    "zero\0.png",
    "\x1b[2J.png",
    "a\nb.png",
    "\u202egnp.exe",
    "half\ud83d.zip",
    "x" * 300 + ".png",
)


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_a_name_that_no_file_can_have_costs_its_file_alone_and_is_told_printably(tmp_path, picture, name):
    words, folder = tmp_path / "words", tmp_path / "out"
    words.write_text("Some words.")
    refused = take([(name, picture("a.png")), ("words.txt", words)], folder, silent)
    assert [one.source for one in refused] == [printable(name)[:200]] and refused[0].source.isprintable()
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["words.txt"]


def test_a_row_that_names_a_picture_too_long_to_be_looked_for_is_refused_and_the_next_is_read(tmp_path):
    path = tmp_path / "rows"
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in ({"text": "x", "image": "n" * 3000 + ".png"}, {"text": "y"}))
    )
    candidates, refused = read_passages(path, "rows.jsonl", 10, tmp_path)
    assert [one.content.text for one in candidates] == ["y"]
    assert [one.source for one in refused] == ["rows.jsonl:1"] and "there is no picture" in refused[0].reason


def test_a_heic_is_never_shown_in_the_place_of_another_file_that_was_given(tmp_path, picture):
    heic, other, folder = tmp_path / "1", picture("a.jpg"), tmp_path / "out"
    heic.write_bytes(HEIC.read_bytes())
    long = "n" * 250 + ".heic"  # whose JPEG would have a name that is too long
    refused = take([("a.heic", heic), ("a.heic.jpg", other), (long, heic), ("b.heic", heic)], folder, silent)
    assert {one.source: one.reason for one in refused} == {
        "a.heic": "a file 'a.heic.jpg' was given too; rename one of them",
        long: "File name too long",
    }
    assert (folder / "files" / "a.heic.jpg").read_bytes() == other.read_bytes()
    assert sorted(path.name for path in (folder / "files").iterdir()) == ["a.heic.jpg", "b.heic.jpg"]


def test_files_over_the_caps_are_refused_and_smaller_ones_still_taken(tmp_path, picture, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_ONE", 1000)
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    big = tmp_path / "big"
    big.write_bytes(bytes(2000))
    given = [("big.png", big), *((f"{n}.png", picture(f"{n}.png")) for n in range(3))]
    refused = take(given, tmp_path / "own", silent)
    assert [item.source for item in refused] == ["big.png", "2.png"]
    assert sorted(path.name for path in (tmp_path / "own" / "files").iterdir()) == ["0.png", "1.png"]


def test_a_zip_that_is_too_large_or_none_at_all_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(bytes(100))
    assert "not a zip" in take([("a.zip", tmp_path / "a")], tmp_path / "own", silent)[0].reason
    monkeypatch.setattr(uploads, "MAX_ARCHIVE", 50)
    assert "split it" in take([("a.zip", tmp_path / "a")], tmp_path / "own2", silent)[0].reason


@pytest.mark.parametrize(
    "row",
    [
        '{"text": 3}',
        '{"text": " "}',
        '{"text": "a", "video": "/etc/hosts"}',
        "[1]",
        "{",
        '{"text": "a", "id": ["x"]}',
        '{"text": "a", "id": "b\\u0000"}',
    ],
)
def test_a_row_that_is_no_passage_is_refused_and_the_next_is_read(tmp_path, row):
    path = tmp_path / "rows.jsonl"
    path.write_text(row + '\n{"text": "good"}\n')
    candidates, refused = read_passages(path, "rows.jsonl", 10)
    assert [c.content.text for c in candidates] == ["good"] and [item.source for item in refused] == ["rows.jsonl:1"]


def test_rows_beyond_the_limit_are_left_out_with_one_reason(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good"}\n' * 9)
    candidates, refused = read_passages(path, "rows.jsonl", 4)
    assert len(candidates) == 4 and len(refused) == 1 and "passages is reached" in refused[0].reason


def test_a_jsonl_that_is_not_text_is_refused_by_its_own_name(tmp_path):
    path = tmp_path / "secret-place.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    refused = read_passages(path, "rows.jsonl", 4)[1]
    assert refused[0].source == "rows.jsonl:1" and "not UTF-8 text" in refused[0].reason
    assert "secret-place" not in refused[0].reason


def test_a_jsonl_that_cannot_be_read_is_refused_by_its_own_name(tmp_path):
    refused = read_passages(tmp_path / "secret-place.jsonl", "rows.jsonl", 4)[1]
    assert [one.source for one in refused] == ["rows.jsonl"] and "cannot be read" in refused[0].reason
    assert "secret-place" not in refused[0].reason


def test_a_line_that_is_not_text_costs_itself_alone(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "one"}\n{"text": "caf\xe9"}\n{"text": "three"}\n')
    candidates, refused = read_passages(path, "rows.jsonl", 4)
    assert [one.content.text for one in candidates] == ["one", "three"]
    assert [one.source for one in refused] == ["rows.jsonl:2"] and "not UTF-8 text" in refused[0].reason
