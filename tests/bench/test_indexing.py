"""The bench of indexing: both ways give the same vectors, and it refuses what it cannot measure."""

import numpy as np
import pytest
from PIL import Image

from umr.bench.indexing import bench_indexing, write_pictures
from umr.encoders import load_encoder
from umr.errors import ConfigError
from umr.shipped import find_encoder


def test_both_ways_index_the_same_pictures(tmp_path):
    (tmp_path / "pictures").mkdir()
    write_pictures(tmp_path / "pictures", 3, 256)
    assert {Image.open(path).size for path in (tmp_path / "pictures").iterdir()} == {(256, 256)}
    encoder = load_encoder(find_encoder("unified"), device="cpu")
    ours, loop = bench_indexing(encoder, tmp_path / "pictures", tmp_path / "out", 1)
    assert ours["times"] == {"s": 1.0, "cpu_s": 1.0} and ours["pictures"] == loop["pictures"] == 3
    assert np.isfinite([loop["times"]["s"], loop["per_second"], loop["cpu_s"]]).all()


def test_more_pictures_than_there_are_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"1 to [0-9]+ of the bundled ones"):
        write_pictures(tmp_path, 10**6, 64)
