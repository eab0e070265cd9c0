"""Parts of long clips as candidates: from folder, rows and tar, through index, update, add, remove, join and search."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import app
from tests.clips.test_decoder import write_clip
from tests.conftest import _load_fake
from umr import ingest, media
from umr.cli.commands import main
from umr.collection import Collection, to_row
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MediaError
from umr.formats import candidate_from_row
from umr.index.index import Index
from umr.index.manifest import IndexManifest
from umr.index.sources import Source
from umr.reading import Reading
from umr.search import result_row
from umr.types import Candidate, Content, Hit, Result
from umr.ui.searchers import Searchers

RATE = 12  # of write_clip
PARTS = ["film.mp4#t=0,2", "film.mp4#t=2,4", "film.mp4#t=4,6"]


def film(path: Path, seconds: float = 6, grey: int = 20) -> Path:
    """A clip whose every second has another grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [np.full((48, 64, 3), grey + 30 * (at // RATE), np.uint8) for at in range(int(seconds * RATE))]
    return write_clip(path, frames=np.stack(frames))


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A folder with a film of six seconds, one of a second, and words; an encoder that the command loads."""
    monkeypatch.setattr("umr.encoders.load_encoder", _load_fake)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    FakeEncoder(dim=16, name="enc").save(tmp_path / "enc")
    film(tmp_path / "mine" / "film.mp4")
    film(tmp_path / "mine" / "short.mp4", 1, grey=90)
    (tmp_path / "mine" / "words.txt").write_text("Some words.")
    return tmp_path / "mine"


def index(source: Path, out: Path, *more: str) -> int:
    words = ["index", str(source), "--encoder", str(source.parent / "enc"), "--out", str(out)]
    return main([*words, "--segment-seconds", "2", *more])


def candidates(out: Path) -> dict[str, Candidate]:
    manifest = IndexManifest.read(out)
    return {one.candidate_id: one for one in Collection.open(out / manifest.collection_at)}


def rows(out: Path) -> dict[str, np.ndarray]:
    found = Index.read(out, IndexManifest.read(out), 16)
    return {i: found.vectors([i])[0] for i in found.ids}


def test_a_long_clip_of_a_folder_is_several_candidates_and_a_short_one_stays_whole(mine, tmp_path):
    found, refused = ingest.read_folder(mine, reading=Reading(segment_s=2.0))
    assert refused == [] and [one.candidate_id for one in found] == [*PARTS, "short.mp4", "words.txt"]
    assert [one.content.span for one in found] == [(0, 2), (2, 4), (4, 6), None, None]
    assert {one.title for one in found[:3]} == {"film"}
    assert {one.content_hash for one in found[:3]} == {media.content_hash(mine / "film.mp4")}


def test_a_part_survives_its_row(mine, tmp_path):
    found, _ = ingest.read_folder(mine, reading=Reading(segment_s=2.0))
    saved = Collection.taken("mine", found).save(tmp_path / "saved")
    assert tuple(saved) == tuple(found)
    row = to_row(found[0])
    assert (row["start"], row["end"]) == (0.0, 2.0) and not {"start", "end"} & set(to_row(found[3]))
    for broken in ({"end": None}, {"start": "0"}, {"start": 3.0}, {"start": True}):
        with pytest.raises(ConfigError, match=r"place: .*(needed for both|no part of a clip)"):
            candidate_from_row(row | broken, tmp_path, "place")


def test_the_length_of_a_whole_clip_survives_its_row_and_older_rows_have_none(mine, tmp_path, monkeypatch):
    found, _ = ingest.read_folder(mine)
    lengths = {one.candidate_id: one.duration_s for one in found}
    assert lengths == {
        name: media.clip_seconds(mine / name) if name.endswith(".mp4") else None for name in lengths
    } and set(lengths) == {"film.mp4", "short.mp4", "words.txt"}
    saved = Collection.taken("mine", found).save(tmp_path / "saved")
    assert tuple(saved) == tuple(found)
    row = to_row(found[0], tmp_path)
    assert row["duration"] == lengths["film.mp4"]
    older = candidate_from_row({key: value for key, value in row.items() if key != "duration"}, tmp_path, "place")
    assert older.duration_s is None
    assert "end" not in result_row(Result(hit=Hit("film.mp4", 0.5, 1), candidate=older))
    for broken in (0, -1.0, True, "6", float("inf"), float("nan")):
        with pytest.raises(ConfigError, match=r"place: duration is .*; seconds above 0, or null, are needed"):
            candidate_from_row(row | {"duration": broken}, tmp_path, "place")


def test_what_is_known_of_a_clip_stays_and_one_without_times_has_no_length(mine, monkeypatch):
    found, _ = ingest.read_folder(mine)
    known = {one.candidate_id: replace(one, duration_s=None) for one in found}
    assert ingest.read_folder(mine, reading=Reading(known=known))[0][0].duration_s is None  # as an older index has it

    def timeless(source: Path) -> float:
        raise MediaError("it does not say when its frames are shown")

    monkeypatch.setattr(media, "clip_seconds", timeless)
    again, refused = ingest.read_folder(mine)
    assert refused == [] and [one.duration_s for one in again] == [None] * len(found)


def test_each_part_has_the_vector_of_its_own_frames(mine, tmp_path):
    assert index(mine, tmp_path / "out") == 0
    encoder, found = FakeEncoder(dim=16, name="enc"), rows(tmp_path / "out")
    for one in PARTS:
        start, end = map(float, one.partition("#t=")[2].split(","))
        frames = media.sample_frames(mine / "film.mp4", encoder.config.max_frames, (start, end))
        alone = encoder.encode_candidates([Candidate(candidate_id="x", content=Content(video=frames))]).vectors[0]
        assert np.abs(found[one] - alone).max() < 1e-3
    assert abs(float(found[PARTS[0]] @ found[PARTS[1]])) < 0.9


def test_a_search_tells_the_moments_of_a_part_and_from_where_to_where_a_whole_clip_is(mine, tmp_path, capsys):
    assert index(mine, tmp_path / "out") == 0
    ask = ["search", "--index", str(tmp_path / "out"), "--text", "any", "--in"]
    capsys.readouterr()
    assert main([*ask, "clips", "--json"]) == 0
    found = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(found) == {*PARTS, "short.mp4"}
    part = found[PARTS[1]]
    assert (part["start"], part["end"], part["moments"]) == (2.0, 4.0, "0:02 to 0:04")
    whole = found["short.mp4"]
    assert part["media"].endswith("film.mp4") and "moments" not in whole
    assert (whole["start"], whole["end"]) == (0.0, media.clip_seconds(mine / "short.mp4"))
    assert main([*ask, "clips"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "moments" in lines[0] and sum("0:02 to 0:04" in line for line in lines) == 1
    assert main([*ask, "passages"]) == 0 and "moments" not in capsys.readouterr().out


def test_a_query_by_the_clip_itself_finds_none_of_its_parts(mine, tmp_path, capsys):
    assert index(mine, tmp_path / "out") == 0
    capsys.readouterr()
    clip = str(mine / "film.mp4")
    assert main(["search", "--index", str(tmp_path / "out"), "--clip", clip, "--in", "clips", "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["short.mp4"]


def test_an_update_encodes_what_changed_and_cuts_as_before(mine, tmp_path, capsys):
    out = tmp_path / "out"
    assert index(mine, out) == 0
    before = rows(out)
    capsys.readouterr()
    assert main(["index", "update", str(out)]) == 0
    assert "0 added, 0 changed, 0 removed, 0 encoded" in capsys.readouterr().err
    (mine / "film.mp4").rename(mine / "moved.mp4")
    film(mine / "other.mp4", 4, grey=50)
    assert main(["index", "update", str(out)]) == 0
    assert "5 added, 0 changed, 3 removed, 2 encoded" in capsys.readouterr().err
    after = rows(out)
    assert all(np.array_equal(before[one], after[one.replace("film", "moved")]) for one in PARTS)
    film(mine / "moved.mp4", 6, grey=60)
    assert main(["index", "update", str(out)]) == 0
    assert "0 added, 3 changed, 0 removed, 3 encoded" in capsys.readouterr().err
    film(mine / "moved.mp4", 4, grey=60)
    assert main(["index", "update", str(out)]) == 0
    assert "1 removed, 2 encoded" in capsys.readouterr().err


def test_an_updated_index_is_that_of_a_build_from_nothing(mine, tmp_path):
    assert index(mine, tmp_path / "out") == 0
    film(mine / "film.mp4", 8, grey=40)
    assert main(["index", "update", str(tmp_path / "out")]) == 0
    assert index(mine, tmp_path / "fresh") == 0
    assert list(candidates(tmp_path / "out").values()) == list(candidates(tmp_path / "fresh").values())
    now, fresh = rows(tmp_path / "out"), rows(tmp_path / "fresh")
    assert list(now) == list(fresh) and all(np.array_equal(now[one], fresh[one]) for one in now)


def test_an_unchanged_part_is_not_decoded_again(mine, monkeypatch):
    known, _ = ingest.read_folder(mine, reading=Reading(segment_s=2.0))
    monkeypatch.setattr(media, "sample_frames", lambda *_: pytest.fail("it was decoded"))
    again, _ = ingest.read_folder(mine, reading=Reading(segment_s=2.0, known={one.candidate_id: one for one in known}))
    assert again == known


def test_a_removed_part_stays_out_and_a_removed_film_takes_its_parts_with_it(mine, tmp_path, capsys):
    out = tmp_path / "out"
    assert index(mine, out) == 0
    assert main(["index", "remove", str(out), PARTS[2]]) == 0 and main(["index", "update", str(out)]) == 0
    assert list(candidates(out)) == [*PARTS[:2], "short.mp4", "words.txt"]
    assert main(["index", "remove", str(out), str(mine / "film.mp4")]) == 0
    assert list(candidates(out)) == ["short.mp4", "words.txt"]
    assert main(["index", "add", str(out), str(mine / "film.mp4")]) == 0
    assert list(candidates(out)) == [*PARTS, "short.mp4", "words.txt"]  # cut as its folder was


def test_clips_cannot_be_cut_in_two_ways(mine, tmp_path, capsys):
    out = tmp_path / "out"
    assert index(mine, out) == 0
    assert main(["index", "add", str(out), str(mine / "film.mp4"), "--segment-seconds", "3"]) == 2
    assert "was indexed with --segment-seconds 2, so 3 would cut its clips twice" in capsys.readouterr().err
    assert main(["index", "add", str(out), str(mine), "--segment-seconds", "2"]) == 0
    manifest = IndexManifest.read(out)
    collection = out / manifest.collection_at
    assert main(["index", str(collection), "--encoder", str(mine.parent / "enc"), "--out", str(tmp_path / "b"),
                 "--segment-seconds", "2"]) == 2  # fmt: skip
    assert "is a collection, which says by itself" in capsys.readouterr().err
    assert main(["index", "add", str(out), str(mine), "--segment-seconds", "0.01"]) == 2
    assert "at least 0.5 s are needed" in capsys.readouterr().err


def test_shards_are_joined_with_all_parts_of_a_clip_in_their_order(mine, tmp_path):
    film(mine / "a.mp4", 4, grey=10)
    film(mine / "z.mp4", 4, grey=15)
    for number in (1, 2):
        assert index(mine, tmp_path / f"part{number}", "--shard", f"{number}/2") == 0
    shards = [str(tmp_path / f"part{number}") for number in (1, 2)]
    assert main(["index", "join", *shards, "--out", str(tmp_path / "joined")]) == 0
    assert index(mine, tmp_path / "whole") == 0
    assert list(candidates(tmp_path / "joined").items()) == list(candidates(tmp_path / "whole").items())
    assert main(["index", "update", str(tmp_path / "joined")]) == 0
    assert list(candidates(tmp_path / "joined")) == list(candidates(tmp_path / "whole"))


def test_rows_say_which_part_of_a_clip_they_are(mine):
    lines = [{"id": "a", "video": "film.mp4", "start": 1, "end": 2.5, "title": "A second"}, {"video": "film.mp4"},
             {"video": "film.mp4", "start": 9, "end": 10}, {"video": "film.mp4", "start": 1},
             {"text": "x", "start": 0, "end": 1}]  # fmt: skip
    (mine / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found, refused = ingest.read_rows(mine / "rows.jsonl")
    assert [(one.candidate_id, one.content.span) for one in found] == [("a", (1.0, 2.5)), ("row-2", None)]
    assert [one.source for one in refused] == ["rows.jsonl:3", "rows.jsonl:4", "rows.jsonl:5"]
    assert "shows no frame from 0:09 to 0:10" in refused[0].reason and "needed for both" in refused[1].reason
    cut, _ = ingest.read_rows(mine / "rows.jsonl", reading=Reading(segment_s=2.0))
    assert [one.candidate_id for one in cut] == ["a", "row-2#t=0,2", "row-2#t=2,4", "row-2#t=4,6"]


def tar(path: Path, clips: dict[str, bytes], **more: bytes) -> Path:
    """A shard of webdataset: of each clip its file, and files of other endings under its name."""
    with tarfile.open(path, "w") as file:
        for name, data in clips.items():
            stem, _, ending = name.partition(".")
            for its, content in {ending: data, **more}.items():
                entry = tarfile.TarInfo(f"{stem}.{its}")
                entry.size = len(content)
                file.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_clips_in_a_webdataset_tar_are_candidates_and_their_words_titles(mine, tmp_path, ending):
    codec = "h264" if ending == "mp4" else "libvpx-vp9"
    written = [write_clip(tmp_path / f"{at}.{ending}", codec, np.full((12, 48, 64, 3), 40 * at, np.uint8))
               for at in range(3)]  # fmt: skip
    clips = {path.name: path.read_bytes() for path in written}
    source = Source.of(str(tar(tmp_path / "shard.tar", clips, txt=b"A dog runs.", jpg=b"a first frame, not read")))
    found, refused = source.read(tmp_path / "files")
    assert refused == [] and [one.candidate_id for one in found] == ["0", "1", "2"]
    assert [one.content_hash for one in found] == [media.content_hash(data) for data in clips.values()]
    assert {one.content.modality for one in found} == {"video"} and {one.title for one in found} == {"A dog runs."}
    assert {Path(one.content.video).suffix for one in found} == {f".{ending}"}


def test_a_tar_of_clips_is_indexed_in_parts_joined_and_updated(mine, tmp_path, capsys):
    clips = {f"{at}.mp4": film(tmp_path / f"{at}.mp4", 4, grey=20 + at).read_bytes() for at in range(4)}
    source = tar(tmp_path / "shard.tar", clips)
    for number in (1, 2):
        assert index(source, tmp_path / f"part{number}", "--shard", f"{number}/2") == 0
    shards = [str(tmp_path / f"part{number}") for number in (1, 2)]
    assert main(["index", "join", *shards, "--out", str(tmp_path / "joined")]) == 0
    found = candidates(tmp_path / "joined")
    assert list(found) == [f"{at}#t={span}" for at in range(4) for span in ("0,2", "2,4")]
    assert all(Path(one.content.video).parent == tmp_path / "joined" / "files" for one in found.values())
    capsys.readouterr()
    assert main(["index", "update", str(tmp_path / "joined")]) == 0
    assert "0 added, 0 changed, 0 removed, 0 encoded" in capsys.readouterr().err
    assert main(["index", "remove", str(tmp_path / "joined"), "0*", "1*"]) == 0
    assert len(list((tmp_path / "joined" / "files").iterdir())) == 2  # clips that nothing shows are gone, others stay
    assert set(candidates(tmp_path / "joined")) == set(list(found)[4:])


def test_a_clip_that_is_broken_is_refused_by_name(mine):
    data = (mine / "film.mp4").read_bytes()
    (mine / "film.mp4").write_bytes(data[:300])
    found, refused = ingest.read_folder(mine, reading=Reading(segment_s=2.0))
    assert [one.source for one in refused] == ["film.mp4"] and len(found) == 2
    with pytest.raises(MediaError, match="frames in memory have no moments"):
        media.sample_frames(np.zeros((3, 4, 4, 3), np.uint8), 2, (0.0, 1.0))


def test_the_parts_of_a_damaged_clip_that_can_be_read_are_taken(mine, tmp_path, capsys):
    data = (mine / "film.mp4").read_bytes()
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    kept = begin + (end - begin) * 7 // 10
    (mine / "film.mp4").write_bytes(data[:kept] + bytes(end - kept) + data[end:])
    found, refused = ingest.read_folder(mine, reading=Reading(segment_s=2.0))
    assert [one.candidate_id for one in found] == [PARTS[0], "short.mp4", "words.txt"]
    assert [one.source for one in refused] == PARTS[1:]
    assert index(mine, tmp_path / "out") == 0
    assert set(candidates(tmp_path / "out")) == {PARTS[0], "short.mp4", "words.txt"}
    said = capsys.readouterr()
    assert all(part in said.out + said.err for part in PARTS[1:])
    (mine / "film.mp4").write_bytes(data)
    assert main(["index", "update", str(tmp_path / "out")]) == 0
    assert set(candidates(tmp_path / "out")) == {*PARTS, "short.mp4", "words.txt"}


def test_a_folder_of_the_page_is_cut_and_another_length_is_another_index(mine, tmp_path, monkeypatch, capsys):
    made: list[Searchers] = []
    monkeypatch.setattr("umr.ui.layout.serve.run", lambda searchers, *_: made.append(searchers))
    monkeypatch.setattr("umr.models.weights.parameters_in", lambda _: 1)
    monkeypatch.setenv("UMR_CACHE", str(tmp_path / "cache"))
    start = ["--folder", str(mine), "--encoder", str(tmp_path / "enc")]
    assert main(["demo", *start, "--segment-seconds", "2"]) == 0
    assert app.main([*start, "--segment-seconds", "2"]) == 0
    assert f"the index of {mine} by enc is there" in capsys.readouterr().err
    assert main(["demo", *start]) == 0 and main(["demo", *start, "--segment-seconds", "3"]) == 0
    found = [{one.candidate_id for one in searchers.get("enc").collection} for searchers in made]
    beside = {"short.mp4", "words.txt"}
    assert found[0] == found[1] == {*PARTS, *beside} and found[2] == {"film.mp4", *beside}
    assert found[3] == {"film.mp4#t=0,3", "film.mp4#t=3,6", *beside}


@pytest.mark.parametrize("words", [["--folder", "{}", "--segment-seconds", "0.1"], ["--segment-seconds", "2"]])
def test_a_length_that_cuts_nothing_is_refused_before_the_page_opens(words, mine, capsys):
    assert app.main([one.format(mine) for one in words]) == 2
    assert "0.1 s cannot be cut" in (said := capsys.readouterr().err) or "--segment-seconds cuts the clips" in said
