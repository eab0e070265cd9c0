"""The bench of batches: every way gives the same vectors, whatever its rows, and refuses what it cannot measure."""

import numpy as np
import pytest

from umr.bench.batches import by_rows, uneven
from umr.bench.peers import own_way
from umr.encoders import load_encoder
from umr.errors import ConfigError
from umr.shipped import find_encoder
from umr.types import Content


def test_batches_of_any_rows_give_the_vectors_of_the_encoders_own():
    encoder = load_encoder(find_encoder("unified"), device="cpu")
    contents = [Content(text="a red mug " * (at % 7 + 1)) for at in range(9)]
    contents.insert(4, Content(image=np.full((40, 30, 3), 90, np.uint8)))
    own = own_way(encoder)(contents)
    for rows in (1, 2, 64):
        assert np.allclose(by_rows(encoder, rows)(contents), own, atol=1e-5)
    with pytest.raises(ConfigError, match="0 rows: give at least 1"):
        by_rows(encoder, 0)


def test_uneven_rows_are_the_shortest_and_the_longest():
    texts = [Content(text="x" * length) for length in (5, 900, 1, 3, 40)]
    assert [len(one.text or "") for one in uneven(texts, 3)] == [1, 3, 900]
    with pytest.raises(ConfigError, match="6 of 5 texts were asked for; 2 to 5 can be had"):
        uneven(texts, 6)
