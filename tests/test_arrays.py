"""An array file is written whole, and read without trusting a byte of it."""

from __future__ import annotations

import io

import numpy as np
import pytest

from umr import disk
from umr.arrays import npy_target, read_npy, write_npy
from umr.errors import ConfigError, DiskFullError, MismatchError


def mutants(data: bytes, count: int, seed: int):
    """The bytes with some changed, cut out or put in; half of them are the header."""
    rng = np.random.default_rng(seed)
    words = [b"(", b"[", b"'", b"{", b"\\", b"\n", b"9" * 12, b"-1", b"True", b"|O", b"\x00", b"#", b"\t", b"\xc3"]
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(0, len(changed)))
            kind = int(rng.integers(0, 4))
            if kind == 0:
                changed[place] = int(rng.integers(0, 256))
            elif kind == 1:
                changed[place:place] = words[int(rng.integers(0, len(words)))]
            elif kind == 2:
                del changed[place : place + int(rng.integers(1, 9))]
            else:
                word = words[int(rng.integers(0, len(words)))]
                changed[place : place + len(word)] = word
        yield bytes(changed)


def saved(version: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4), version)
    return out.getvalue()


@pytest.mark.filterwarnings("ignore")  # numpy wonders at headers of Python 2
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_any_damage_to_an_array_is_a_sentence(tmp_path, version):
    path, read, refused = tmp_path / "a.npy", 0, 0
    for data in mutants(saved(version), 400, seed=version[0]):
        path.write_bytes(data)
        try:
            assert isinstance(read_npy(path), np.ndarray)
            read += 1
        except MismatchError as error:
            assert str(path) in str(error)
            refused += 1
    assert read + refused == 400 and refused > 200 and read > 10


def test_a_header_that_python_cannot_split_into_words_is_a_sentence(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 4), "
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(MismatchError, match="cannot be read as an array"):
        read_npy(tmp_path / "a.npy")


def test_an_array_is_written_in_the_bytes_of_numpy(tmp_path):
    array = np.arange(100_000, dtype=np.float32).reshape(-1, 10)
    write_npy(tmp_path / "ours.npy", array)
    np.save(tmp_path / "theirs.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_a_full_disk_is_said_with_the_place_and_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "full").symlink_to("/dev/full")  # where nothing fits; the link alone is removed afterwards
    monkeypatch.setattr(disk, "draft_of", lambda target: tmp_path / "full")
    with pytest.raises(DiskFullError, match=r"vectors\.npy cannot be written: the disk is full .*same command again"):
        write_npy(tmp_path / "vectors.npy", np.zeros((500, 500)))
    assert not (tmp_path / "vectors.npy").exists()


def test_a_folder_or_a_device_is_no_place_for_an_array(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    with pytest.raises(ConfigError, match="is a folder; name the file to write, such as"):
        npy_target(tmp_path)
    with pytest.raises(ConfigError, match="null is a device, which a file must not replace"):
        npy_target(tmp_path / "null")
