"""Collections: fixed order, what is taken and what is refused with its reason, the fingerprint."""

import json
import os
import signal
import socket
from pathlib import Path

import av
import datasets
import numpy as np
import pytest
from PIL import Image

from umr import disk, ingest
from umr.collection import Collection
from umr.errors import ConfigError, DiskFullError, MismatchError
from umr.types import Candidate, Content, Refused


def clip(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=12)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for step in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 30 * step, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def files(tmp_path, picture) -> Path:
    folder = tmp_path / "mine"
    picture("mine/b.jpg")
    picture("mine/deep/a.png", "blue")
    (folder / "words.md").write_text("Some prose.")
    clip(folder / "deep" / "moves.mp4")
    return folder


def test_pool_files_are_read_in_the_order_of_their_names(collection):
    assert len(collection) == 24
    assert collection.ids[:5] == ("100:30", "100:31", "100:32", "100:33", "100:0")
    assert [candidate.candidate_id for candidate in collection] == list(collection.ids)


def test_paths_are_absolute_and_lead_to_files(collection):
    image = collection["100:3"].content.image
    assert image.is_absolute() and image.is_file()
    assert collection["100:40"].content.video.is_file()


def test_pools_follow_the_modality(collection):
    assert {target: len(collection.pool(target)) for target in ("image", "text", "image,text", "video")} == {
        "image": 12,
        "text": 6,
        "image,text": 4,
        "video": 2,
    }
    assert collection.pool("all") is None
    assert collection.pool("image") is collection.pool("image")


def test_candidates_are_found_by_the_hash_of_their_bytes(collection):
    assert collection.with_hash(collection["100:2"].content_hash) == {"100:2", "100:32"}
    assert collection.with_hash("") == frozenset()


def test_an_unknown_id_is_a_key_error(collection):
    with pytest.raises(KeyError):
        collection["100:999"]
    assert "100:999" not in collection


def test_fingerprint_changes_with_any_row(benchmark, collection):
    assert Collection.open(benchmark).fingerprint == collection.fingerprint
    path = benchmark / "cand_pool/local/mbeir_catalogue_image_cand_pool.jsonl"
    path.write_text(path.read_text().replace("files/images/00.png", "files/images/01.png"))
    assert Collection.open(benchmark).fingerprint != collection.fingerprint


def test_one_id_twice_is_refused():
    twice = [Candidate(candidate_id="a", content=Content(text="x"))] * 2
    with pytest.raises(MismatchError, match="'a' stands twice"):
        Collection(twice, "mine", "f")


def test_a_folder_that_is_no_collection_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not a collection"):
        Collection.open(tmp_path)


def test_a_folder_gives_pictures_texts_and_clips_sorted_by_path(files):
    found = Collection.from_folder(files)
    assert found.ids == ("b.jpg", "words.md", "deep/a.png", "deep/moves.mp4")
    assert [candidate.content.modality for candidate in found] == ["image", "text", "image", "video"]
    assert (found["words.md"].content.text, found["words.md"].title) == ("Some prose.", "words")
    assert found.refused == ()


def test_files_that_cannot_be_read_are_refused_one_by_one_with_reasons(files):
    (files / "broken.png").write_bytes((files / "b.jpg").read_bytes()[:40])
    (files / "empty.txt").write_text("  \n")
    (files / "latin.txt").write_bytes(b"caf\xe9")
    (files / "nul.txt").write_text("a\0b")
    (files / "long.txt").write_text("a" * 20_001)
    (files / "broken.mp4").write_bytes(b"not a clip")
    (files / "archive.zip").write_bytes(b"PK")
    (files / "li\nne.txt").write_text("words")
    (files / "out.txt").symlink_to(files.parent / "secret.txt")
    (files.parent / "secret.txt").write_text("secret")
    (files / ".hidden.txt").write_text("hidden")
    found = Collection.from_folder(files)
    reasons = dict(found.refused)
    assert len(found) == 4 and len(reasons) == 9
    for name, reason in {
        "broken.png": "cannot be read",
        "empty.txt": "nothing in it",
        "latin.txt": "not UTF-8",
        "nul.txt": "NUL",
        "long.txt": "20,001 characters",
        "broken.mp4": "cannot be read",
        "archive.zip": ".zip is no picture",
        "li\nne.txt": "cannot be printed",
        "out.txt": "leads out of the folder",
    }.items():
        assert reason in reasons[name], (name, reasons[name])


@pytest.fixture
def hurried():
    """Nothing may wait for another process: to open a pipe does."""

    def give_up(*_) -> None:
        raise TimeoutError("something waits")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_what_is_no_file_is_refused_and_never_opened(tmp_path, picture, monkeypatch, hurried):
    folder = picture("mine/a.png").parent
    for name in ("pipe.txt", "pipe.png", "pipe.mp4", "pipe"):
        os.mkfifo(folder / name)
    (folder / "link.txt").symlink_to("pipe.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "zero.txt").symlink_to("/dev/zero")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.png")
    collection = Collection.from_folder(folder)
    assert collection.ids == ("a.png",)
    told = {item.source: item.reason for item in collection.refused}
    assert {told.pop(name) for name in ("pipe.txt", "pipe.png", "pipe.mp4", "pipe", "link.txt")} == {
        "a pipe, not a file; it is not opened"
    }
    assert told.pop("socket.png") == "a socket, not a file; it is not opened"
    assert told.pop("zero.txt") == "a link that leads out of the folder"
    assert set(told) == {"loop.txt", "loop.png"} and all("symbolic links" in why for why in told.values())


def test_a_pipe_in_a_row_or_as_a_pool_is_refused_and_never_opened(benchmark, tmp_path, hurried):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "rows.jsonl").write_text('{"image": "a.png"}\n{"text": "fine"}\n{"video": "a.png"}\n')
    assert [item.source for item in Collection.from_jsonl(tmp_path / "rows.jsonl").refused] == [
        "rows.jsonl:1",
        "rows.jsonl:3",
    ]
    before = Collection.open(benchmark).fingerprint
    os.mkfifo(benchmark / "cand_pool" / "local" / "mbeir_pipe_cand_pool.jsonl")
    assert Collection.open(benchmark).fingerprint == before


def test_a_folder_without_anything_says_what_was_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(ConfigError, match=r"no candidate at all; a\.zip: \.zip is no picture"):
        Collection.from_folder(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not a folder"):
        Collection.from_folder(tmp_path / "absent")


def test_saved_collection_opens_again_with_the_same_candidates(files, tmp_path):
    found = Collection.from_folder(files)
    saved = found.save(tmp_path / "index" / "collection")
    again = Collection.open(tmp_path / "index" / "collection")
    assert list(saved) == list(again) == list(found)
    assert saved.fingerprint == again.fingerprint


def test_paths_under_the_index_folder_move_with_it(tmp_path, picture):
    picture("index/files/a.png")
    Collection.from_folder(tmp_path / "index" / "files").save(tmp_path / "index" / "collection")
    (tmp_path / "index").rename(tmp_path / "moved")
    assert Collection.open(tmp_path / "moved" / "collection")["a.png"].content.image.is_file()


def test_rows_of_a_jsonl_are_read_and_the_bad_ones_refused(tmp_path, picture):
    picture("a.png")
    rows = [
        '{"text": "words", "id": "w"}',
        '{"image": "a.png", "title": "A"}',
        '{"image": "a.png", "text": "both", "id": 7}',
        '{"id": "w", "text": "again"}',
        "{broken",
        '{"image": "absent.png"}',
        '{"title": "only"}',
        '{"text": 5}',
        '{"colour": "red", "text": "a"}',
        '{"image": "a\\u0000b.png"}',
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    found = Collection.from_jsonl(tmp_path / "rows.jsonl")
    assert found.ids == ("w", "row-2", "7")
    assert found["7"].content.modality == "image,text"
    assert [refused.source for refused in found.refused] == [f"rows.jsonl:{line}" for line in range(4, 11)]
    assert isinstance(found.refused[0], Refused) and "earlier row" in found.refused[0].reason


@pytest.fixture
def dataset(tmp_path, picture) -> Path:
    colours = ("red", "green", "blue")
    rows = {
        "image": [str(picture(f"src/{colour}.png", colour)) for colour in colours],
        "text": ["one", None, " "],
        "key": list(colours),
    }
    data = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    data.save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


def test_a_dataset_on_disk_is_read_with_the_bytes_of_its_pictures(dataset, tmp_path):
    found = Collection.from_dataset(dataset, tmp_path / "kept", id="key", image="image", text="text")
    assert found.ids == ("red", "green", "blue")
    assert [candidate.content.modality for candidate in found] == ["image,text", "image", "image"]
    assert found["red"].content.image.read_bytes() == (tmp_path / "src" / "red.png").read_bytes()
    assert Image.open(found["blue"].content.image).getpixel((0, 0)) == (0, 0, 255)


def test_a_disk_that_fills_up_stops_a_dataset_instead_of_refusing_its_rows(dataset, tmp_path, monkeypatch):
    (tmp_path / "full").symlink_to("/dev/full")
    monkeypatch.setattr(disk, "draft_of", lambda target: tmp_path / "full")
    with pytest.raises(DiskFullError, match="the disk is full"):
        Collection.from_dataset(dataset, tmp_path / "files", image="image", text="text")


def test_columns_named_image_and_text_are_taken_unasked(dataset, tmp_path):
    assert len(Collection.from_dataset(dataset, tmp_path / "kept")) == 3


def test_an_unknown_column_is_refused_with_the_known_ones(dataset, tmp_path):
    with pytest.raises(ConfigError, match="columns image, text, key; picture"):
        Collection.from_dataset(dataset, tmp_path / "kept", image="picture")


def test_a_dataset_by_name_is_streamed(tmp_path, monkeypatch):
    asked = []

    class Builder:
        info = datasets.DatasetInfo()
        config = datasets.BuilderConfig()

        def __init__(self, name: str) -> None:
            asked.append(name)

        def as_streaming_dataset(self) -> dict[str, datasets.IterableDataset]:
            rows = datasets.Dataset.from_dict({"text": ["a", "b", "a\0"]})
            return {"test": rows.to_iterable_dataset()}

    monkeypatch.setattr(datasets, "load_dataset_builder", Builder)
    found = Collection.from_dataset("owner/name", tmp_path, split="test")
    assert asked == ["owner/name"]
    assert [candidate.content.text for candidate in found] == ["a", "b"]
    assert [refused.source for refused in found.refused] == ["row 2"]
    with pytest.raises(ConfigError, match=r"owner/name \(split train\) cannot be read as a dataset"):
        Collection.from_dataset("owner/name", tmp_path)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read as a dataset"):
        Collection.from_dataset(tmp_path, tmp_path)


def test_a_row_on_disk_is_plain_m_beir(benchmark, collection, tmp_path):
    collection.save(tmp_path / "saved")
    row = json.loads((tmp_path / "saved" / "candidates.jsonl").read_text().splitlines()[4])
    assert {"did", "txt", "img_path", "modality", "src_content"} <= set(row)


def test_a_picture_of_a_dataset_without_bytes_and_path_is_refused_with_its_row(tmp_path):
    rows = {"image": [{"bytes": None, "path": None}], "text": ["a"]}
    features = datasets.Features({"image": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
                                  "text": datasets.Value("string")})  # fmt: skip
    datasets.Dataset.from_dict(rows, features).save_to_disk(tmp_path / "kept")
    candidates, refused = ingest.read_dataset(tmp_path / "kept", tmp_path / "files")
    assert candidates == [] and refused == [("row 0", "its picture has neither bytes nor a path")]


def test_a_collection_has_the_licence_that_all_of_it_has(tmp_path):
    texts = [Candidate(candidate_id=f"{n}", content=Content(text=f"{n}"), licence="CC0-1.0") for n in range(2)]
    assert Collection(texts, "a", "f").licence == "CC0-1.0"
    mixed = [*texts, Candidate(candidate_id="2", content=Content(text="2"))]
    assert Collection(mixed, "a", "f").licence == ""
    bare = [Candidate(candidate_id="0", content=Content(text="0"))]
    assert Collection(bare, "a", "f", tmp_path).licence == ""
    (tmp_path / "benchmark.json").write_text('{"licence": "Apache-2.0"}')
    assert Collection(bare, "a", "f", tmp_path).licence == "Apache-2.0"
    (tmp_path / "benchmark.json").write_text("{")
    with pytest.raises(ConfigError, match=r"benchmark\.json is not what"):
        _ = Collection(bare, "a", "f", tmp_path).licence
