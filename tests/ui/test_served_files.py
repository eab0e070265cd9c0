"""Which files of the machine a served page gives out, asked over HTTP, for an index over files that lie anywhere."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import MediaError
from umr.index import renew
from umr.index.index import build_index
from umr.index.rewrite import held
from umr.index.sources import Source
from umr.ui.api import given_picture
from umr.ui.layout.page import build_page, serve
from umr.ui.layout.serve import give_out_renewed
from umr.ui.render import media_url
from umr.ui.searchers import MANY, Searchers, find_searchers, media_paths


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a picture that is indexed, and things that are not."""
    home = tmp_path / "home"
    (home / "letters").mkdir(parents=True)
    for name in ("x y.png", "neighbour.png", "letters/scan.png"):
        Image.new("RGB", (8, 8), "red").save(home / name)
    (home / "notes.txt").write_text("private")
    (tmp_path / "rows.jsonl").write_text(json.dumps({"image": str(home / "x y.png")}) + "\n")
    return home


@pytest.fixture
def searchers(home: Path, tmp_path: Path) -> Searchers:
    collection = Collection.from_jsonl(tmp_path / "rows.jsonl").save(tmp_path / "mine")
    build_index(FakeEncoder(dim=8), collection, tmp_path / "index")
    return find_searchers(index=tmp_path / "index")


@pytest.fixture
def address(searchers: Searchers) -> Iterator[str]:
    page = build_page(searchers, [])
    yield serve(page, media_paths(searchers), "127.0.0.1", None)
    page.close()


def test_an_indexed_file_is_given_out_and_its_neighbours_are_not(address, home):
    def status(path: str | Path) -> int:
        return httpx.get(address.rstrip("/") + media_url(path)).status_code

    assert status(home / "x y.png") == 200
    for other in ("neighbour.png", "notes.txt", "letters/scan.png", "letters", "x y.png/../notes.txt", ""):
        assert status(home / other) in (403, 404), other
    assert status(f"{home}/./letters/../notes.txt") in (403, 404)


def test_of_a_renewed_index_the_new_files_are_given_out_and_the_removed_ones_no_longer(home, tmp_path, monkeypatch):
    monkeypatch.setattr("umr.encoders.load_encoder", lambda *_, **__: FakeEncoder(dim=8))
    FakeEncoder(dim=8).save(tmp_path / "encoder")
    collection = Collection.from_jsonl(tmp_path / "rows.jsonl").save(tmp_path / "mine")
    build_index(FakeEncoder(dim=8), collection, tmp_path / "index", encoder_at=tmp_path / "encoder")
    searchers = find_searchers(index=tmp_path / "index")
    old, page = searchers.get("fake"), build_page(searchers, [])
    give_out_renewed(searchers, page)
    address = serve(page, media_paths(searchers), "127.0.0.1", None)
    try:
        with held(tmp_path / "index") as index:
            new = Source.of(str(home / "neighbour.png"))
            renew.add(index, [new], lambda: FakeEncoder(dim=8))
        with held(tmp_path / "index") as index:
            renew.remove(index, ["row-1"])
        end = time.monotonic() + 60
        while searchers.get("fake") is old and time.monotonic() < end:
            time.sleep(0.01)
        asked = {name: httpx.get(address.rstrip("/") + media_url(home / name)) for name in ("neighbour.png", "x y.png")}
        assert [answer.status_code for answer in asked.values()] == [200, 403]
    finally:
        page.close()


def test_a_client_can_search_with_the_indexed_file_and_with_no_neighbour(searchers, home):
    places = media_paths(searchers)
    assert given_picture(str(home / "x y.png"), places) == ({"path": str(home / "x y.png")}, home / "x y.png")
    with pytest.raises(MediaError, match="neither a data URI"):
        given_picture(str(home / "neighbour.png"), places)


def test_a_large_folder_of_indexed_files_alone_is_one_place_and_one_other_file_makes_it_many(tmp_path):
    folder = tmp_path / "pictures" / "all"
    for number in range(MANY):
        file = folder / f"{number % 2}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(file)
    (tmp_path / "pictures" / "private.txt").write_text("private")
    build_index(FakeEncoder(dim=8), Collection.from_folder(folder).save(tmp_path / "mine"), tmp_path / "index")
    searchers = find_searchers(index=tmp_path / "index")
    assert media_paths(searchers)[1:] == [folder]
    (folder / "0" / "private.txt").write_text("private")
    assert len(media_paths(searchers)[1:]) == MANY and all(path.suffix == ".png" for path in media_paths(searchers)[1:])
