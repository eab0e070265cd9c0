"""Files of FAISS that end early, were never trained or are of another kind; what is mapped is looked over before."""

from __future__ import annotations

import struct
from pathlib import Path

import faiss
import numpy as np
import pytest

from umr.errors import MismatchError
from umr.index.faiss_file import _is_whole, read_faiss
from umr.memory import peak_mib

DIM, TRAINED_AT = 16, 32
#: Of the last two the lists are stored in another way, as most are empty, and the rows are fewer than the lists.
FACTORIES = {"SQfp16": 900, "IVF4,SQ8": 900, "IVF30,PQ8": 900, "IVF300,SQ8": 40, "IVF300,PQ4": 40}


@pytest.fixture(scope="module", params=FACTORIES)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = np.random.default_rng(0).standard_normal((900, DIM)).astype(np.float32)
    index = faiss.index_factory(DIM, request.param, faiss.METRIC_INNER_PRODUCT)
    if "PQ" in request.param:
        index.do_polysemous_training = False  # which takes most of the time
    index.train(rows)
    index.add(rows[: FACTORIES[request.param]])
    found = tmp_path_factory.mktemp("files") / "whole.faiss"
    faiss.write_index(index, str(found))
    return found


@pytest.mark.parametrize("mapped", [False, True])
def test_a_whole_file_is_opened_and_searched(path, mapped):
    assert _is_whole(path)
    query = np.ones((1, DIM), np.float32)
    scores, rows = read_faiss(path, mapped).search(query, 3)
    expected_scores, expected_rows = faiss.read_index(str(path)).search(query, 3)
    assert (scores == expected_scores).all() and (rows == expected_rows).all()


@pytest.mark.parametrize("mapped", [False, True])
def test_a_file_that_ends_early_is_refused_wherever_it_is_cut(path, tmp_path, mapped):
    """FAISS, asked to map one that ends within a number, reads on in memory that is not the file's."""
    whole, cut = path.read_bytes(), tmp_path / "cut.faiss"
    for size in (*range(min(1_000, len(whole))), *range(1_000, len(whole), 97), len(whole) - 1):
        cut.write_bytes(whole[:size])
        with pytest.raises(MismatchError, match=rf"ends early: .* here are {size:,}; copy the index again"):
            read_faiss(cut, mapped)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_count_that_is_too_large_takes_no_memory(path, tmp_path, mapped):
    """FAISS takes it before it looks whether there is so much: 2 GiB for a file of 13 KB."""
    whole, damaged, before = path.read_bytes(), tmp_path / "damaged.faiss", peak_mib()
    for at in range(TRAINED_AT, 600):
        damaged.write_bytes(whole[:at] + struct.pack("<Q", 2**31 - 1) + whole[at + 8 :])
        try:
            read_faiss(damaged, mapped)
        except MismatchError as error:
            assert "rebuild it" in str(error)
    assert peak_mib() - before < 500


@pytest.mark.parametrize("mapped", [False, True])
def test_one_that_was_never_trained_is_refused_when_it_is_opened(path, tmp_path, mapped):
    """FAISS raised a RuntimeError of its own at the first search, but for lists of bytes, which it refuses to read."""
    data = bytearray(path.read_bytes())
    assert data[TRAINED_AT] == 1
    data[TRAINED_AT] = 0
    (tmp_path / "untrained.faiss").write_bytes(data)
    with pytest.raises(MismatchError, match=r"(never trained|cannot be read by FAISS).*; rebuild it"):
        read_faiss(tmp_path / "untrained.faiss", mapped)


def test_a_kind_that_is_none_of_ours_is_read_and_not_mapped(tmp_path):
    index = faiss.index_factory(DIM, "HNSW8,Flat")
    index.add(np.eye(DIM, dtype=np.float32))
    faiss.write_index(index, str(tmp_path / "other.faiss"))
    assert not _is_whole(tmp_path / "other.faiss")
    assert read_faiss(tmp_path / "other.faiss", mapped=True).ntotal == DIM


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path):
    for mapped in (False, True):
        with pytest.raises(MismatchError, match="cannot be read"):
            read_faiss(tmp_path / "none.faiss", mapped)
