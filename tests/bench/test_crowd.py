"""Visitors beside those who search: a page that serves them well, and how one that does not would be seen."""

from __future__ import annotations

import random
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tests.ui.test_stop import Server, started
from umr.bench import crowd
from umr.bench.crowd import Company, Met, bench_crowd, failures, left_in, visits
from umr.bench.guest import Guest, Refusal, functions_of, source_of
from umr.bench.load_test import Asked
from umr.cli.commands import main
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError
from umr.index.index import build_index
from umr.ui.edge import OUR_FAULT
from umr.ui.render import error

MINE, OTHER = (("a", 0.9), ("b", 0.8)), (("c", 0.7), ("d", 0.6))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("crowd") / "pictures"
    folder.mkdir()
    for colour in ("red", "blue", "green", "white"):
        Image.new("RGB", (8, 8), colour).save(folder / f"{colour}.png")
    return folder


@pytest.fixture(scope="module")
def server(pictures: Path, tmp_path_factory):
    encoder = FakeEncoder(dim=8, name="unified")
    encoder.save(pictures.parent / "encoder")
    collection = Collection.from_folder(pictures).save(pictures.parent / "collection")
    build_index(encoder, collection, pictures.parent / "index", encoder_at=pictures.parent / "encoder")
    with started(pictures.parent / "index", tmp_path_factory.mktemp("uploads")) as running:
        yield running


@pytest.fixture
def judged(pictures: Path) -> SimpleNamespace:
    contents = [SimpleNamespace(text=path.stem, image=path) for path in sorted(pictures.iterdir())]
    return SimpleNamespace(task="it2i", queries=[SimpleNamespace(content=content) for content in contents])


def test_a_page_serves_a_crowd_without_an_error_a_mix_up_or_a_file_left(server: Server, judged, monkeypatch):
    monkeypatch.setattr(crowd, "SLOW_S", 0.5)
    company = Company(idle=4, slow=1, leaving=2, own=2)
    row = bench_crowd(judged, 2, 4.0, company, server.address, server.base)
    assert failures(row) == [] and row["files_left"] == 0 and row["refused"] == 0, row
    assert row["idle"] >= 4 and min(row[kind] for kind in ("slow", "leaving", "own", "searches")) > 0


def test_what_a_page_that_runs_already_keeps_is_not_seen(server: Server, judged):
    row = bench_crowd(judged, 1, 0.3, Company(idle=1), server.address)
    assert row["files_left"] is None and row["idle"] == 1 and "slow" not in row and failures(row) == []


def test_what_is_left_of_those_who_are_gone_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(crowd, "GONE_S", 0.0)
    (tmp_path / "before").touch()
    before = {str(tmp_path / "before")}
    assert left_in(tmp_path, before) == 0
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload" / "private.png").touch()
    assert left_in(tmp_path, before) == 1
    well = {"errors": 0, "of_others": 0, "searches": 1, "growth_second_half_mib": None, "memory_middle_mib": None}
    assert failures(well | {"files_left": 0, "own": 3}) == []
    assert failures(well | {"files_left": 1, "own": 0}) == [
        "no visit of --own came to its end", "1 files are left of visitors who are gone"]  # fmt: skip


class Page:
    """Of one visit, to a page that is played here."""

    def __init__(self, guest: object, picture: Path) -> None:
        self.guest, self.picture = guest, picture
        self.until = time.monotonic() + 0.05

    def visit(self, kind: str, number: int, turn: int) -> crowd.Visit:
        self.until = 0.0
        asked = Asked("red", str(self.picture), MINE)
        functions = {"own_add": 1, "own_search": 2, "own_remove": 3}
        return crowd.Visit(guest=self.guest, functions=functions, asked=asked, mark="umr-own-7-0", rng=random.Random(0))


class Played:
    """A guest whose page shows what is given."""

    def __init__(self, added: str = "", found: str = "", answer: object = MINE, upload: object = "kept.png") -> None:
        self.shown = {1: [added, None, None, {"visible": not added}], 2: [found], 3: []}
        self.answered, self.uploaded = answer, upload

    def here(self):
        return nullcontext()

    def upload(self, *_: object) -> str:
        if isinstance(self.uploaded, Exception):
            raise self.uploaded
        return self.uploaded

    def begin(self, *_: object) -> str:
        return "event"

    def answer(self, _: str):
        return self.answered

    def press(self, function: int, *_: object):
        return self.shown[function]


def came(kind: str, guest: object, pictures: Path) -> Met:
    met = Met()
    visits(Page(guest, pictures / "red.png"), kind, 7, met)
    return met


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("own", {"found": "<i>umr-own-7-0-1</i>"}, Met(done=["own"])),
        ("own", {"found": "umr-own-7-0-1 umr-own-8-0-1"}, Met(done=["own"], wrong=["umr-own-7-0"])),
        ("own", {"found": "umr-own-7-1-1"}, Met(done=["own"], wrong=["umr-own-7-0"])),
        ("own", {"found": "<p>Nothing found</p>"}, Met(errors=["own: ValueError: Nothing found"])),
        ("own", {"added": str(error("Too many visitors. Later."))}, Met(refused=["Too many visitors. Later."])),
        ("own", {"upload": Refusal("status 413: full")}, Met(refused=["status 413: full"])),
        ("own", {"upload": ValueError("status 500: x")}, Met(errors=["own: ValueError: status 500: x"])),
        ("slow", {}, Met(done=["slow"])),
        ("slow", {"answer": OTHER}, Met(done=["slow"], wrong=["red"])),
    ],
)
def test_a_mix_up_a_refusal_and_an_error_are_told_apart(kind, given, expected, pictures, monkeypatch):
    monkeypatch.setattr(crowd, "PAUSE_S", 0.0)
    assert came(kind, Played(**given), pictures) == expected


@pytest.mark.parametrize("step", ["added", "found"])
def test_a_fault_of_the_page_is_no_refusal(step, pictures, monkeypatch):
    monkeypatch.setattr(crowd, "PAUSE_S", 0.0)
    met = came("own", Played(**{step: str(error(OUR_FAULT))}), pictures)
    assert met.refused == [] and "Something went wrong on our side" in met.errors[0]


def test_a_guest_meets_words_and_errors_as_they_are(server: Server, pictures, monkeypatch):
    host = server.address.removeprefix("http://")
    guest = Guest(host=host, session="one", source=source_of(host, 3))
    functions = functions_of(host)
    with pytest.raises(ValueError, match="status 404"):
        guest.press(max(functions.values()) + 1)
    with guest.here(), pytest.raises(ValueError, match="neither a data URI nor a result's media"):
        guest.answer(guest.begin("nowhere.png", "red"))
    assert guest.upload("red.png", (pictures / "red.png").read_bytes(), share=0.5) == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--own", "-1"], "--own is -1: give 0 to 1024"), (["--idle", "2000"], "--idle is 2000: give 0 to 1024"),
     (["--slow", "1", "--beside", "--batch 1"], "leave --idle, --slow, --leaving and --own out"),
     (["--slow", "1", "--users", "0"], "give 1 to 256 users")],
)  # fmt: skip
def test_a_company_outside_its_limits_is_refused(words, said, capsys):
    assert main(["bench", "load", *words]) == 2 and said in capsys.readouterr().err


def test_more_connections_than_may_be_open_are_refused_before_the_page_starts(judged, monkeypatch):
    monkeypatch.setattr(crowd.resource, "getrlimit", lambda _: (256, 512))
    with pytest.raises(ConfigError, match="open files are needed, and 512 may be open"):
        bench_crowd(judged, 1, 1.0, Company(idle=1000))


def test_pictures_are_needed_by_those_who_send_them(server: Server, judged):
    for query in judged.queries:
        query.content.image = None
    with pytest.raises(ConfigError, match="choose a --task whose queries have them"):
        bench_crowd(judged, 1, 1.0, Company(slow=1), server.address)
