"""Names and places of what the repository ships: what is found, and what is said where nothing is."""

import re
from pathlib import Path

import pytest

from umr import shipped
from umr.errors import ConfigError
from umr.shipped import available, default_root, encoder_of_index, find_encoder, index_folder, shown_path


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A root with one finished encoder, `one`, and its finished index."""
    for file in ("one/encoder/encoder.json", "one/catalogue/manifest.json"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("{}")
    monkeypatch.setattr(shipped, "default_root", lambda: tmp_path)
    return tmp_path


def test_the_default_root_is_the_indexes_folder_of_the_repository():
    assert default_root() == Path(shipped.__file__).resolve().parents[1] / "indexes"


def test_a_space_keeps_what_it_makes_in_its_storage_where_it_has_one(tmp_path, monkeypatch):
    monkeypatch.delenv("UMR_CACHE", raising=False)
    monkeypatch.setattr(shipped, "STORAGE", tmp_path / "data")
    at_home = Path.home() / ".cache" / "umr"
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("SPACE_ID", "")
    assert shipped.cache_root() == at_home and shipped.space_storage() is None
    monkeypatch.setenv("SPACE_ID", "owner/name")
    assert shipped.cache_root() == tmp_path / "data" / "umr"
    with monkeypatch.context() as readable_alone:
        readable_alone.setattr(shipped.os, "access", lambda *_: False)
        assert shipped.cache_root() == at_home
    monkeypatch.setenv("UMR_CACHE", str(tmp_path / "mine"))
    assert shipped.cache_root() == tmp_path / "mine"
    monkeypatch.delenv("UMR_CACHE")
    (tmp_path / "data").rmdir()
    assert shipped.cache_root() == at_home


def test_available_lists_finished_indexes_only(root):
    (root / "half" / "catalogue").mkdir(parents=True)
    assert available(root) == available() == ["one"]
    assert index_folder("one") == root / "one" / "catalogue"
    with pytest.raises(ConfigError, match="no index of an encoder 'half'; there are: one"):
        index_folder("half")


def test_an_unknown_encoder_is_answered_with_the_shipped_ones(root):
    with pytest.raises(ConfigError, match="shipped are: one"):
        find_encoder("nobody")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("google/siglip2-base-patch16-224", "hub:google/siglip2-base-patch16-224"),
        ("https://example.org/Qwen/Qwen3-VL-Embedding-2B", "hub:Qwen/Qwen3-VL-Embedding-2B"),
        ("https://example.org/Qwen/Qwen3-VL-Embedding-2B/", "hub:Qwen/Qwen3-VL-Embedding-2B"),
        ("https://example.org/me/mine/tree/v1.0", "hub:me/mine@v1.0"),
        ("https://example.org/me/mine/blob/main/config.json", "hub:me/mine@main"),
        ("nobody", ""),
        ("../me/mine", ""),
        ("/me/mine", ""),
        ("a/b/c", ""),
    ],
)
def test_a_repository_that_is_typed_without_hub_is_answered_with_its_name(root, typed, meant):
    with pytest.raises(ConfigError) as error:
        find_encoder(typed)
    assert str(error.value).endswith(f"; of the Hub it is {meant}" if meant else "@REVISION] will do too")


def test_an_encoder_is_found_by_name_by_folder_and_on_the_hub(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = str(root / "one" / "encoder")
    assert find_encoder("one") == find_encoder(place) == find_encoder("one/encoder") == place
    assert find_encoder("hub:owner/name@1") == "hub:owner/name@1"


def test_an_index_names_its_encoder_by_place_then_by_name(root):
    index, moved = root / "one" / "catalogue", root / "far" / "index"
    assert encoder_of_index(index, "../encoder", "one") == str(index / "../encoder")
    assert encoder_of_index(moved, "../encoder", "one") == str(root / "one" / "encoder")
    assert encoder_of_index(moved, "hub:owner/name@1", "one") == "hub:owner/name@1"
    with pytest.raises(ConfigError, match="copy two there, or rebuild the index"):
        encoder_of_index(moved, "../encoder", "two")


def test_paths_are_shown_from_the_repository_where_they_lie_in_it(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "repository_root", lambda: tmp_path)
    assert shown_path(tmp_path / "a" / ".." / "b.png") == "b.png"
    assert Path(shown_path(tmp_path.parent / "b.png")).is_absolute()


def test_no_shipped_index_names_a_place_of_the_machine_that_built_it():
    told = [path for path in default_root().glob("*/*/*.json") if path.name in ("manifest.json", "sources.json")]
    assert len(told) >= 3
    for path in told:
        places = re.findall(r'"(?:at|\w+_at)": "([^"]*)"', path.read_text("utf-8"))
        assert places and not [place for place in places if Path(place).is_absolute()], path
