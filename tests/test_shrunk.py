"""Pictures decoded once for an index: the vectors of decoding them anew, bytes and hash of one read."""

import numpy as np
import pytest
from PIL import Image

from umr.collection import Collection
from umr.encoders import load_encoder
from umr.errors import MediaError
from umr.index.build import Form, build_claimed
from umr.index.index import Index, build_index
from umr.ingest import read_folder
from umr.lock import claimed
from umr.reading import Reading
from umr.shipped import find_encoder
from umr.shrunk import Shrunk
from umr.types import Candidate, Content


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(find_encoder("unified"), device="cpu")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    for name, size in (("a.jpg", (200, 150)), ("b.png", (90, 300)), ("c.webp", (112, 112)), ("d.png", (40, 30))):
        Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), np.uint8)).save(tmp_path / "mine" / name)
    (tmp_path / "mine" / "e.txt").write_text("a red mug", "utf-8")
    (tmp_path / "mine" / "bad.png").write_bytes(b"no picture")
    return tmp_path / "mine"


def index_of(encoder, folder, out, room):
    shrunk = Shrunk(encoder, room)
    collection = Collection.taken("mine", *read_folder(folder, reading=Reading(shrunk=shrunk)))
    with claimed(out) as claim:
        build_claimed(claim, encoder, collection, Form(shrunk=shrunk))
    return collection, Index.open(out, encoder).vectors(list(collection.ids))


@pytest.mark.parametrize("room, times", [(10**6, 1), (2 * 112 * 112 * 3, 2), (0, 2)])
def test_a_picture_is_decoded_once_and_its_vector_is_that_of_its_file(
    encoder, folder, tmp_path, file_reads, room, times
):
    collection, vectors = index_of(encoder, folder, tmp_path / "out", room)
    assert max(file_reads.of(path)[0] for path in folder.glob("[a-d].*")) == times
    assert min(file_reads.of(path)[0] for path in folder.glob("[a-d].*")) == (2 if room == 0 else 1)
    assert [one.source for one in collection.refused] == ["bad.png"] and len(collection) == 5
    build_index(encoder, Collection.taken("mine", *read_folder(folder)), tmp_path / "anew")  # in equal batches
    assert np.array_equal(vectors, Index.open(tmp_path / "anew", encoder).vectors(list(collection.ids)))
    plain = encoder.encode_candidates(list(collection)).vectors
    assert np.abs(vectors - plain).max() < 2**-11  # half a step of float16 below 1


def test_a_picture_that_changes_after_it_was_read_is_noticed(encoder, folder, tmp_path):
    shrunk = Shrunk(encoder)
    collection = Collection.taken("mine", *read_folder(folder, reading=Reading(shrunk=shrunk)))
    Image.new("RGB", (50, 50), "pink").save(folder / "b.png")
    with claimed(tmp_path / "out") as claim, pytest.raises(MediaError, match=r"candidate b\.png: b\.png changed since"):
        build_claimed(claim, encoder, collection, Form(shrunk=shrunk))
    with pytest.raises(MediaError, match=r"candidate b\.png: b\.png changed since"):
        build_index(encoder, collection, tmp_path / "again")


def test_hash_and_pixels_are_of_one_read(encoder, folder):
    """A file that is replaced between any two looks at it: what was decoded is what the hash is of."""
    shrunk = Shrunk(encoder, 0)
    one = next(one for one in read_folder(folder)[0] if one.candidate_id == "d.png")
    expected = np.asarray(shrunk.ready(one).content.image)
    assert expected.shape == (112, 112, 3) and np.array_equal(expected, encoder.pixels(one.content)[0])
    Image.new("RGB", (50, 50), "pink").save(folder / "d.png")
    with pytest.raises(MediaError, match="changed since the collection was read"):
        shrunk.ready(one)
    (folder / "d.png").unlink()
    with pytest.raises(MediaError, match=r"candidate d\.png: 'd\.png' is not a file that exists"):
        shrunk.ready(one)


def test_what_is_no_picture_file_or_has_no_such_encoder_stays_as_it_is(encoder):
    array = Candidate(candidate_id="1", content=Content(image=np.zeros((8, 8, 3), np.uint8)), content_hash="0")
    text = Candidate(candidate_id="2", content=Content(text="a red mug"))
    assert Shrunk(encoder).ready(array) is array and Shrunk(encoder).ready(text) is text
    assert Shrunk(object()).ready(array) is array
