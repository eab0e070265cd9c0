"""Data sets that are one file, and a folder of pictures with captions: as candidates, and indexed by the command."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from tests.conftest import _load_fake
from umr import ingest, media
from umr.cli.commands import main
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError
from umr.index.sources import Source
from umr.types import Candidate

WORDS = ["a red mug", "two cats", "a boat"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def picture(number: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (9 + number, 7), (60 * number, 9, 200)).save(data, "PNG")
    return data.getvalue()


def table(path: Path) -> Path:
    shown = [{"bytes": picture(at), "path": f"{at}.png"} for at in range(3)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    parquet.write_table(pa.table({"image": pa.array(shown, kind), "text": WORDS, "key": ["x", "y", "z"]}), path)
    return path


def tar(path: Path) -> Path:
    """A shard of webdataset: the files of a sample have one name."""
    with tarfile.open(path, "w") as file:
        for at, text in enumerate(WORDS):
            for ending, data in (("png", picture(at)), ("txt", text.encode())):
                entry = tarfile.TarInfo(f"sample{at}.{ending}")
                entry.size = len(data)
                file.addfile(entry, io.BytesIO(data))
    return path


def check(candidates: list[Candidate], refused: list, ids: list[str]) -> None:
    assert refused == [] and [one.candidate_id for one in candidates] == ids
    assert [one.content.text for one in candidates] == WORDS
    assert [one.content_hash for one in candidates] == [media.content_hash(picture(at)) for at in range(3)]


def test_a_parquet_file_is_read_by_its_columns(tmp_path):
    source = Source.of(str(table(tmp_path / "shard.parquet")), {"image": "image", "text": "text", "id": "key"})
    assert (source.kind, source.name) == ("dataset", "shard")
    check(*source.read(tmp_path / "files"), ["x", "y", "z"])


def test_a_tables_pictures_may_be_bytes_alone_and_what_is_no_picture_costs_its_row(tmp_path):
    path = tmp_path / "bytes.parquet"
    parquet.write_table(pa.table({"image": [picture(0), None, b"no picture"], "text": ["a", "b", "c"]}), path)
    found, refused = ingest.read_dataset(path, tmp_path / "files")
    assert [(one.content.modality, one.content_hash) for one in found] == [
        ("image,text", media.content_hash(picture(0))), ("text", ""),
    ]  # fmt: skip
    assert [one.source for one in refused] == ["row 2"]
    parquet.write_table(pa.table({"image": [[1, 2]], "text": ["a"]}), path)
    found, refused = ingest.read_dataset(path, tmp_path / "files")
    assert found == [] and "its picture is list; a path, the file's bytes" in refused[0].reason


def test_a_table_of_pictures_without_captions_is_read(tmp_path):
    path = tmp_path / "only pictures ü.parquet"
    parquet.write_table(pa.table({"image": [{"bytes": picture(at), "path": f"ä {at}.png"} for at in range(3)]}), path)
    found, refused = ingest.read_dataset(path, tmp_path / "files")
    assert refused == [] and [one.content.modality for one in found] == ["image"] * 3


def test_a_sample_of_a_webdataset_is_a_candidate_by_its_key(tmp_path):
    source = Source.of(str(tar(tmp_path / "shard.tar")))
    assert (source.kind, source.name, source.columns) == ("dataset", "shard", {})
    check(*source.read(tmp_path / "files"), ["sample0", "sample1", "sample2"])


def test_pictures_with_captions_are_rows_of_their_metadata(tmp_path):
    for at in range(3):
        (tmp_path / f"{at}.png").write_bytes(picture(at))
    rows = [{"file_name": f"{at}.png", "text": text} for at, text in enumerate(WORDS)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    check(*ingest.read_rows(tmp_path / "metadata.jsonl"), ["row-1", "row-2", "row-3"])


def test_a_row_that_is_no_utf_8_text_costs_itself_alone(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "one"}\n{"text": "caf\xe9"}\n{"text": "three"}\n')
    found, refused = ingest.read_rows(path)
    assert [(one.candidate_id, one.content.text) for one in found] == [("row-1", "one"), ("row-3", "three")]
    assert [one.source for one in refused] == ["rows.jsonl:2"] and "not UTF-8 text" in refused[0].reason


def test_a_folder_says_how_the_data_sets_in_it_are_read(tmp_path):
    for at in range(3):
        (tmp_path / f"{at}.png").write_bytes(picture(at))
    table(tmp_path / "a.parquet"), tar(tmp_path / "b.tar")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "x"}')
    (tmp_path / "metadata.csv").write_text("file_name,text\n" + "".join(f"{at}.png,{WORDS[at]}\n" for at in range(3)))
    found, refused = ingest.read_folder(tmp_path)
    assert [one.content.modality for one in found] == ["image"] * 3
    by_name = "a source by itself, which is read where the file is named in place of its folder"
    assert {one.source: one.reason for one in refused} == {
        "a.parquet": by_name, "b.tar": by_name, "metadata.jsonl": by_name,
        "metadata.csv": "words of the pictures beside it, which are read where the folder is named as dataset:FOLDER",
    }  # fmt: skip
    for name in ("a.parquet", "b.tar", "metadata.jsonl"):
        (tmp_path / name).unlink()
    found, refused = ingest.read_dataset(str(tmp_path), tmp_path / "files")
    assert refused == [] and [one.content.text for one in found] == WORDS


def test_files_that_are_no_such_data_set_are_refused(tmp_path):
    for name in ("broken.parquet", "broken.tar"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(ConfigError, match=rf"{name} \(split train\) cannot be read as a dataset"):
            ingest.read_dataset(tmp_path / name, tmp_path / "files")
    with pytest.raises(ConfigError, match="has the columns image, text, key; caption is asked for"):
        ingest.read_dataset(table(tmp_path / "a.parquet"), tmp_path / "files", ingest.Columns(text="caption"))


def test_the_command_indexes_a_tar_and_adds_a_second(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("umr.encoders.load_encoder", _load_fake)
    FakeEncoder(dim=16, name="enc").save(tmp_path / "enc")
    index = tmp_path / "index"
    words = ["index", str(tar(tmp_path / "a.tar")), "--encoder", str(tmp_path / "enc"), "--out", str(index)]
    assert main(words) == 0
    assert main(["index", "add", str(index), str(table(tmp_path / "b.parquet"))]) == 0
    said = capsys.readouterr().err
    assert "3 added" in said
    assert main(["index", "update", str(index)]) == 0
    assert "0 added, 0 changed, 0 removed" in capsys.readouterr().err
