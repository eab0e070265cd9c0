"""A dataset by name is read as it comes and means what a downloaded one means; an interrupted reading goes on."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from tests.conftest import _load_fake
from umr import ingest, media
from umr.cli.commands import main
from umr.cli.progress import Progress
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MediaError, StoppedError
from umr.packed import stored
from umr.reading import Reading
from umr.streamed import Kept, Stream, forget, open_stream

SHARD = 50  # rows
OF = {"train": 2 * SHARD, "test": 5}
EVERY = 16  # rows between two places that a reading can go on from


def words(first: int, count: int) -> list[str]:
    return [f"thing {at}" for at in range(first, first + count)]


def train(first: int = 0, last: int = OF["train"]) -> list[str]:
    return words(first, last - first)


def picture(number: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (9, 7), (number % 256, number // 256, 200)).save(data, "PNG")
    return data.getvalue()


def shard(path: Path, first: int, count: int) -> Path:
    shown = [{"bytes": picture(at), "path": f"{at}.png"} for at in range(first, first + count)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    held = pa.table({"image": pa.array(shown, kind), "text": words(first, count), "unread": list(range(count))})
    features = datasets.Features(
        {"image": datasets.Image(), "text": datasets.Value("string"), "unread": datasets.Value("int64")}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(held.cast(features.arrow_schema), path, row_group_size=20)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("umr.ingest.EVERY", EVERY)
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path, cache) -> Path:
    """A dataset's files, as a repository of the Hub has them: two splits, the first of two files."""
    for number in range(2):
        shard(tmp_path / f"photos/data/train-0000{number}-of-00002.parquet", SHARD * number, SHARD)
    shard(tmp_path / "photos/data/test-00000-of-00001.parquet", 1000, OF["test"])
    return tmp_path / "photos"


def stating(folder: Path, sizes: dict[str, int]) -> None:
    """Let the dataset's card say how many rows its splits have, as most of the Hub do."""
    rows = "".join(f"  - name: {name}\n    num_bytes: 1\n    num_examples: {count}\n" for name, count in sizes.items())
    (folder / "README.md").write_text(f"---\ndataset_info:\n  splits:\n{rows}---\n")


def texts(found: ingest.Taken) -> list[str | None]:
    assert found[1] == []
    return [one.content.text for one in found[0]]


def test_rows_and_pictures_are_those_of_the_files_and_no_copy_of_them_is_made(folder, cache, tmp_path):
    candidates, refused = ingest.read_dataset(str(folder), tmp_path / "files")
    assert refused == [] and [one.candidate_id for one in candidates] == [f"row-{at}" for at in range(OF["train"])]
    assert texts((candidates, refused)) == train()
    assert all(one.content_hash == media.content_hash(picture(at)) for at, one in enumerate(candidates))
    assert not [*cache.rglob("*.arrow"), *cache.rglob("*.parquet")]


def test_pictures_are_written_as_the_rows_come_and_not_after_them(folder, tmp_path):
    there = []

    def count(done: int, total: int) -> None:
        assert total == 0  # nothing says it
        there.append(len(list((tmp_path / "files").glob("*.png"))))
        if done == 20:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        ingest.read_dataset(str(folder), tmp_path / "files", progress=count)
    assert 20 <= there[-1] < OF["train"]


@pytest.mark.parametrize(
    ("split", "texts", "count"),
    [("train", train(), 0), ("test", words(1000, OF["test"]), 0), ("all", train() + words(1000, OF["test"]), 0),
     ("train[:30]", train(0, 30), 30), ("train[60:]", train(60), 0), ("train[45:55]", train(45, 55), 10),
     ("test[:2]+train[:3]", words(1000, 2) + train(0, 3), 5), ("train[300:]", [], 0)],
)  # fmt: skip
def test_a_split_means_what_it_means_when_all_is_downloaded(folder, split, texts, count):
    for stated in (False, True):
        if stated:
            stating(folder, OF)
        found = open_stream(str(folder), split)
        assert [row["text"] for row in found.rows()] == texts
        assert found.count == (len(texts) if stated else count)


@pytest.mark.parametrize(
    ("split", "texts"), [("train[:10%]", train(0, 10)), ("train[-3:]", train(97)), ("train[:-90]", train(0, 10))]
)
def test_a_share_or_a_count_from_the_end_needs_the_number_of_rows(folder, split, texts):
    assert open_stream(str(folder), split) is None
    stating(folder, OF)
    found = open_stream(str(folder), split)
    assert [row["text"] for row in found.rows()] == texts and found.count == len(texts)


def test_a_share_of_unknown_size_is_read_of_the_whole(folder, tmp_path):
    assert texts(ingest.read_dataset(str(folder), tmp_path / "files", split="train[:10%]")) == train(0, 10)


@pytest.mark.parametrize(
    ("split", "words"), [("dev", 'Unknown split "dev"'), ("train[", "Unrecognized instruction"), ("", "Unrecognized")]
)
def test_a_split_that_is_none_is_refused(folder, split, words):
    with pytest.raises(ConfigError, match=rf"cannot be read as a dataset: {words}"):
        open_stream(str(folder), split)


def test_a_name_that_is_none_is_refused(cache, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read as a dataset"):
        ingest.read_dataset(str(tmp_path / "absent"), tmp_path / "files")


def asked(monkeypatch) -> list[int]:
    """From which row streams are read."""
    found: list[int] = []
    rows = Stream.rows

    def noted(self: Stream, start: int = 0, state: dict | None = None):
        found.append(start)
        return rows(self, start, state)

    monkeypatch.setattr(Stream, "rows", noted)
    return found


def interrupted(folder: Path, to: Path, at: int) -> None:
    def stop(done: int, total: int) -> None:
        if done == at:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        ingest.read_dataset(str(folder), to / "files", progress=stop, reading=Reading(keep=to))


@pytest.mark.parametrize("at", [10, EVERY, 75])
def test_an_interrupted_reading_goes_on_where_it_was(folder, tmp_path, monkeypatch, at):
    starts = asked(monkeypatch)
    interrupted(folder, tmp_path, at)
    reading = Reading(keep=tmp_path)
    found = ingest.read_dataset(str(folder), tmp_path / "files", reading=reading)
    assert texts(found) == train() and reading.total == OF["train"]
    assert starts == [0, at // EVERY * EVERY]
    plain = Reading()
    assert found == ingest.read_dataset(str(folder), tmp_path / "files", reading=plain)
    assert (reading.places, reading.listing) == (plain.places, plain.listing)


def test_what_was_read_whole_is_not_asked_for_again_until_it_is_forgotten(folder, tmp_path, monkeypatch):
    starts = asked(monkeypatch)
    for _ in range(2):
        assert texts(ingest.read_dataset(str(folder), tmp_path / "files", reading=Reading(keep=tmp_path))) == train()
    assert starts == [0]
    forget(tmp_path)
    assert not list(tmp_path.glob("*.jsonl"))
    ingest.read_dataset(str(folder), tmp_path / "files", reading=Reading(keep=tmp_path))
    assert starts == [0, 0]


@pytest.mark.parametrize("change", ["file", "columns", "split", "part", "picture", "line", "other"])
def test_nothing_is_kept_of_what_is_another_reading(folder, tmp_path, monkeypatch, change):
    interrupted(folder, tmp_path, 75)
    (path,) = tmp_path.glob("reading-*.jsonl")
    columns, split, reading = ingest.Columns(), "train", Reading(keep=tmp_path)
    if change == "file":
        shard(folder / "data/train-00001-of-00002.parquet", 5000, SHARD)
    elif change == "columns":
        columns = ingest.Columns(image="image")
    elif change == "split":
        split = "train[:60]"
    elif change == "part":
        reading = Reading(keep=tmp_path, part=(1, 2))
    elif change == "picture":
        (tmp_path / "files" / f"{media.content_hash(picture(3))}.png").unlink()
    else:
        lines = path.read_bytes().split(b"\n")
        lines[4] = lines[4][:9] if change == "line" else b"[1]"
        path.write_bytes(b"\n".join(lines))
    starts = asked(monkeypatch)
    found = ingest.read_dataset(str(folder), tmp_path / "files", columns, split, reading=reading)
    assert starts == [0] and found == ingest.read_dataset(
        str(folder), tmp_path / "files", columns, split, reading=Reading(part=reading.part)
    )


def test_a_line_that_a_dying_process_cut_off_is_read_again(folder, tmp_path, monkeypatch):
    interrupted(folder, tmp_path, 75)
    (path,) = tmp_path.glob("reading-*.jsonl")
    path.write_bytes(path.read_bytes()[:-5])
    starts = asked(monkeypatch)
    assert texts(ingest.read_dataset(str(folder), tmp_path / "files", reading=Reading(keep=tmp_path))) == train()
    assert starts == [3 * EVERY]


def test_rows_that_were_refused_or_are_of_another_part_stay_so(tmp_path, cache):
    rows = [{"text": f"thing {at}" if at % 3 else " ", "key": f"k{at}"} for at in range(2 * EVERY)]
    (tmp_path / "words").mkdir()
    (tmp_path / "words/train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = ingest.Columns(text="text", id="key")
    found = []
    for _ in range(2):
        reading = Reading(keep=tmp_path, part=(1, 2))
        found.append(ingest.read_dataset(str(tmp_path / "words"), tmp_path / "files", columns, reading=reading))
    other = ingest.read_dataset(str(tmp_path / "words"), tmp_path / "f", columns, reading=Reading(part=(2, 2)))
    assert found[0] == found[1] and len(found[0][0]) + len(other[0]) == sum(at % 3 != 0 for at in range(len(rows)))
    assert {one.reason for one in found[0][1]} == {"there is nothing in it: no text, picture or clip"}


def test_a_stream_that_breaks_off_says_so_and_goes_on(folder, tmp_path, monkeypatch):
    rows, broken = datasets.IterableDataset.__iter__, []

    def breaking(self):
        for number, row in enumerate(rows(self)):
            if number == SHARD and not broken:
                broken.append(number)
                raise ConnectionError("no route")
            yield row

    monkeypatch.setattr(datasets.IterableDataset, "__iter__", breaking)
    with pytest.raises(StoppedError, match=r"gave 50 rows and then no more \(no route\).* run the same command again"):
        ingest.read_dataset(str(folder), tmp_path / "files", reading=Reading(keep=tmp_path))
    starts = asked(monkeypatch)
    assert texts(ingest.read_dataset(str(folder), tmp_path / "files", reading=Reading(keep=tmp_path))) == train()
    assert starts == [3 * EVERY]


def tar_of(folder: Path, ending: str, bad: dict[int, bytes], count: int = 40) -> Path:
    """A dataset of one tar, of samples of a picture and one other file."""
    folder.mkdir()
    with tarfile.open(folder / "train.tar", "w") as tar:
        for number in range(count):
            for name, data in (
                (f"{number}.png", picture(number)),
                (f"{number}.{ending}", bad.get(number, str(number).encode())),  # a JSON's too
            ):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return folder


@pytest.mark.parametrize("number", [0, 20])  # the first rows are those that `datasets` learns the columns from
def test_a_sample_of_a_tar_whose_words_cannot_be_decoded_costs_itself_alone(tmp_path, cache, number):
    source = tar_of(tmp_path / "tars", "txt", {number: b"\xff\xfe words"})
    for _ in range(2):  # the second time as it was kept
        reading = Reading(keep=tmp_path)
        found, (refused,) = ingest.read_dataset(str(source), tmp_path / "files", reading=reading)
        assert [one.candidate_id for one in found] == [str(at) for at in range(40) if at != number]
        assert [one.content.text for one in found] == [str(at) for at in range(40) if at != number]
        assert refused.source == f"row {number}"
        assert refused.reason.startswith(f"{number}.txt cannot be decoded: 'utf-8' codec can't decode byte 0xff")
    assert [one.candidate_id for one in ingest.read_dataset(source / "train.tar", tmp_path / "files")[0]] == [
        one.candidate_id for one in found
    ]


def test_a_stream_of_a_tar_with_a_bad_file_goes_on_where_it_was_interrupted(tmp_path, cache):
    source = tar_of(tmp_path / "tars", "txt", {3: b"\xff", 20: b"\xff", 33: b"\xff"})
    with pytest.raises(InterruptedError):
        ingest.read_dataset(str(source), tmp_path / "files", progress=_stop_at(25), reading=Reading(keep=tmp_path))
    found, refused = ingest.read_dataset(str(source), tmp_path / "files", reading=Reading(keep=tmp_path))
    assert len(found) == 37 and [one.source for one in refused] == ["row 3", "row 20", "row 33"]


def _stop_at(row: int) -> ingest.Progress:
    def stop(done: int, total: int) -> None:
        if done == row:
            raise InterruptedError

    return stop


@pytest.mark.parametrize("ending", ["json", "npy", "pth"])
def test_a_file_of_a_sample_that_is_not_asked_for_costs_nothing(tmp_path, cache, ending):
    source = tar_of(tmp_path / "tars", ending, {number: b"{broken" for number in (2, 20)})
    found, refused = ingest.read_dataset(str(source), tmp_path / "files")
    assert len(found) == 40 and refused == []
    assert open_stream(str(source), "train").columns == ("png", ending, "__key__", "__url__")


@pytest.mark.parametrize("error", [ValueError("a bad row"), KeyError("width"), TypeError("a list, not a text")])
def test_a_row_that_cannot_be_read_is_not_taken_for_a_broken_connection(folder, monkeypatch, error):
    def breaking(self):
        yield {"text": "thing 0"}
        raise error

    stream = open_stream(str(folder), "train")
    monkeypatch.setattr(datasets.IterableDataset, "__iter__", breaking)
    with pytest.raises(
        StoppedError, match=r"^row 1 of .* cannot be read \(.+\), and a stream gets no further: download"
    ):
        list(stream.rows())


@pytest.mark.parametrize("error", [tarfile.ReadError("unexpected end of data"), EOFError("the file ended early")])
def test_a_tar_that_breaks_off_as_it_comes_says_so(folder, monkeypatch, error):
    def breaking(self):
        yield {"text": "thing 0"}
        raise error

    stream = open_stream(str(folder), "train")
    monkeypatch.setattr(datasets.IterableDataset, "__iter__", breaking)
    assert stream is not None
    with pytest.raises(StoppedError, match=rf"gave 1 rows and then no more \({error}\): check the connection"):
        list(stream.rows())


def test_pictures_in_an_archive_of_the_dataset_are_fetched(tmp_path, cache):
    (tmp_path / "zipped").mkdir()
    with zipfile.ZipFile(tmp_path / "zipped/train.zip", "w") as file:
        for at in range(3):
            file.writestr(f"{at}.png", picture(at))
    candidates, refused = ingest.read_dataset(str(tmp_path / "zipped"), tmp_path / "files")
    assert refused == [] and len(candidates) == 3
    assert sorted(one.content_hash for one in candidates) == sorted(media.content_hash(picture(at)) for at in range(3))
    assert all(one.content.image.parent == tmp_path / "files" for one in candidates)


def test_a_file_elsewhere_is_refused_where_it_is_gone_and_stops_the_reading_where_it_cannot_be_had(
    tmp_path, monkeypatch
):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.png", picture(1))
    value = {"bytes": None, "path": f"zip://b.png::{tmp_path / 'a.zip'}"}
    with pytest.raises(MediaError, match="is not there"):
        stored(value, tmp_path / "files", "picture", lambda _, kind: kind)
    value["path"] = value["path"].replace("b.png", "a.png")
    monkeypatch.setattr(media, "MAX_BYTES", 10)
    with pytest.raises(MediaError, match="files that large are indexed from a folder"):
        stored(value, tmp_path / "files", "picture", lambda _, kind: kind)

    def unreachable(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr("datasets.utils.file_utils.xopen", unreachable)
    with pytest.raises(StoppedError, match=r"a\.png::.* could not be fetched \(no route\)"):
        stored(value, tmp_path / "files", "picture", lambda _, kind: kind)


def test_the_command_goes_on_with_a_dataset_and_leaves_nothing_beside_its_index(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("umr.encoders.load_encoder", _load_fake)
    monkeypatch.chdir(folder.parent)
    FakeEncoder(dim=16, name="enc").save(tmp_path / "enc")
    index = tmp_path / "index"
    words = ["index", "dataset:photos", "--encoder", str(tmp_path / "enc"), "--out", str(index)]
    words += ["--split", "train[:90]"]
    with monkeypatch.context() as patched:
        patched.setattr("umr.index.build.encode_probe", lambda _: (_ for _ in ()).throw(ConfigError("stop")))
        assert main(words) == 2
    assert list(index.glob("reading-*.jsonl"))
    starts = asked(monkeypatch)
    assert main(words) == 0 and starts == []
    assert not list(index.glob("reading-*"))
    assert "90 indexed, 0 refused" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path / "enc")
    shard(folder / "data/train-00000-of-00002.parquet", 500, SHARD)
    assert main(["index", "update", str(index)]) == 0
    said = capsys.readouterr().err
    assert "0 added, 50 changed, 0 removed, 50 encoded" in said and not list(index.glob("reading-*"))
    assert len(list((index / "files").iterdir())) == 90


def test_an_interrupted_addition_keeps_the_pictures_that_it_wrote(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("umr.encoders.load_encoder", _load_fake)
    FakeEncoder(dim=16, name="enc").save(tmp_path / "enc")
    index = tmp_path / "index"
    first = ["index", f"dataset:{folder}", "--encoder", str(tmp_path / "enc"), "--out", str(index), "--split", "test"]
    assert main(first) == 0
    interrupted(folder, index, 75)
    starts = asked(monkeypatch)
    assert main(["index", "add", str(index), f"dataset:{folder}", "--prefix", "more/"]) == 0
    assert starts == [4 * EVERY] and "100 added" in capsys.readouterr().err
    assert not list(index.glob("reading-*")) and len(list((index / "files").iterdir())) == 105


def test_progress_without_a_total_says_how_many_and_how_fast(capsys):
    progress = Progress("reading")
    for done in range(1, 4):
        progress(done, 0)
    progress(4, 4)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "reading 1" and last.startswith("reading 4 of 4 · ")


def test_kept_rows_without_a_file_are_not_kept():
    kept = Kept(None, "of")
    kept.add({"id": "a"})
    kept.mark(None)
    assert list(kept.lines()) == [] and not kept.whole
