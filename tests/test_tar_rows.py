"""Shards of webdataset as people have them: samples without a file or with a broken one, names with dots, cut files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.test_segments import write_clip
from umr import ingest, media
from umr.errors import ConfigError
from umr.tar_rows import KEY, TarRows


def picture(number: int, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (9 + number, 7), (60 * number, 9, 200)).save(data, kind)
    return data.getvalue()


def tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as file:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    return path


def read(path: Path, **columns: str):
    return ingest.read_dataset(path, path.parent / "files", ingest.Columns(**columns) if columns else None)


def test_a_broken_file_costs_its_sample_alone_which_is_named(tmp_path):
    files = {"000.png": picture(0), "000.txt": b"a red mug", "001.png": b"no picture", "001.txt": b"broken"}
    files |= {"002.png": picture(2), "002.txt": b"\xff\xfe\xfa", "003.png": picture(1), "003.json": b"not json"}
    found, refused = read(tar(tmp_path / "shard.tar", files))
    assert [(one.candidate_id, one.content.text) for one in found] == [("000", "a red mug"), ("003", None)]
    assert [one.content_hash for one in found] == [media.content_hash(picture(n)) for n in (0, 1)]
    assert [one.source for one in refused] == ["001", "002"]
    assert "is not a picture that can be read" in refused[0].reason and "not UTF-8 text" in refused[1].reason


def test_samples_may_lack_a_file_and_have_others_of_one_kind(tmp_path):
    files = {"a.jpg": picture(1, "JPEG"), "a.txt": "für dich".encode(), "b.png": picture(2), "c.txt": b"words alone",
             "d.cls": b"7"}  # fmt: skip
    found, refused = read(tar(tmp_path / "shard.tar", files))
    assert {one.candidate_id: (one.content.modality, one.content.text) for one in found} == {
        "a": ("image,text", "für dich"), "b": ("image", None), "c": ("text", "words alone"),
    }  # fmt: skip
    assert [(one.source, one.reason) for one in refused] == [("d", "there is nothing in it: no text, picture or clip")]


def test_a_key_ends_at_the_first_dot_of_the_name_and_keeps_its_folders(tmp_path):
    files = {"v1.0/ä ü/007.JPG": picture(1, "JPEG"), "v1.0/ä ü/007.left.png": picture(2), "v1.0/._007.JPG": b"hidden",
             "v1.0/notes": b"no ending"}  # fmt: skip
    path = tar(tmp_path / "shard.tar", files)
    rows = TarRows.open(path)
    assert len(rows) == 1 and set(rows.column_names) == {"image", "jpg", "left.png", KEY}
    [one], refused = read(path)
    assert (one.candidate_id, refused) == ("v1.0/ä ü/007", [])
    assert one.content_hash == media.content_hash(picture(1, "JPEG"))
    [other], _ = read(path, image="left.png")
    assert other.content_hash == media.content_hash(picture(2))


def test_clips_and_pictures_lie_in_one_tar(tmp_path):
    clip = write_clip(tmp_path / "c.mp4", "h264", np.full((12, 48, 64, 3), 90, np.uint8)).read_bytes()
    files = {"0.mp4": clip, "0.txt": b"a dog", "0.jpg": picture(1, "JPEG"), "1.jpg": picture(1, "JPEG"), "1.txt": b"x"}
    found, refused = read(tar(tmp_path / "shard.tar", files))
    assert refused == [] and [one.content.modality for one in found] == ["video", "image,text"]
    assert [one.title for one in found] == ["a dog", ""]


@pytest.mark.parametrize("part", ["the half", "a head"])
def test_a_tar_that_breaks_off_or_is_damaged_is_refused_whole(tmp_path, part):
    data = bytearray(tar(tmp_path / "whole.tar", {f"{n}.png": picture(n) for n in range(3)}).read_bytes())
    if part == "the half":
        del data[1024 + 100 :]
    else:
        data[1024 : 1024 + 512] = b"x" * 512  # of the second file
    (tmp_path / "cut.tar").write_bytes(data)
    with pytest.raises(ConfigError, match=r"cut\.tar \(split train\) cannot be read as a dataset: .*(end|damaged)"):
        read(tmp_path / "cut.tar")


def test_a_stream_of_tars_is_read_by_its_endings(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "shards").mkdir()
    for shard in range(2):
        files = {f"{shard}{n}.{its}": picture(n) if its == "png" else b"w" for n in range(2) for its in ("png", "txt")}
        tar(tmp_path / f"shards/{shard}.tar", files)
    found, refused = ingest.read_dataset(str(tmp_path / "shards"), tmp_path / "files")
    assert refused == [] and [one.candidate_id for one in found] == ["00", "01", "10", "11"]
    assert {one.content.modality for one in found} == {"image,text"}
