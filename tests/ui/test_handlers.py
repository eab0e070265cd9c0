"""The page without a browser: handlers and HTML on a tiny collection, and one served page asked through its client."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from PIL import Image

import app
from tests.conftest import MARKUP
from umr.collection import Collection
from umr.disk import atomic_write
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MediaError, UMRError
from umr.facts import FactTable
from umr.formats import write_jsonl
from umr.index.index import build_index
from umr.index.manifest import IndexManifest
from umr.search import DecodedQuery, Outcome
from umr.types import Candidate, Content, Hit, Query, Result
from umr.ui import api, handlers, render
from umr.ui.examples import EXAMPLES_FILE, Example, pick_examples, read_examples
from umr.ui.layout.page import build_page, serve
from umr.ui.search import actions as search
from umr.ui.searchers import Searchers, find_searchers, media_paths


@dataclass
class ScriptedIndex:
    """What an opened index says of itself."""

    manifest: IndexManifest


@dataclass
class ScriptedSearcher:
    """Answers with the collection's candidates in their order; remembers what it was asked."""

    collection: Collection
    index: ScriptedIndex
    asked: list[Query] = field(default_factory=list)
    notices: tuple[str, ...] = ()
    encoder: FakeEncoder = field(default_factory=lambda: FakeEncoder(dim=8))

    @property
    def facts(self) -> FactTable:
        return FactTable(self.collection)

    def search(self, asked: Query | DecodedQuery, k: int, arithmetic: object = None) -> Outcome:
        query = asked.query if isinstance(asked, DecodedQuery) else asked
        self.asked.append(query)
        found = [c for c in self.collection if query.target_modality in ("all", c.content.modality)][:k]
        hits = [Result(hit=Hit(c.candidate_id, 0.9 - rank / 10, rank), candidate=c) for rank, c in enumerate(found, 1)]
        ms = {"decode": 1.0, "encode": 41.2, "search": 0.3, "total": 42.5}
        return Outcome(results=hits, notices=self.notices, ms=ms)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "indexes" / "media" / "catalogue"
    (folder / "files").mkdir(parents=True)
    for number, colour in enumerate(("red", "blue", "green")):
        Image.new("RGB", (32, 24), colour).save(folder / "files" / f"{number}.png")
    return folder


@pytest.fixture
def searcher(media: Path) -> ScriptedSearcher:
    picture = [media / "files" / f"{number}.png" for number in range(3)]
    candidates = [
        Candidate(candidate_id="100:1", content=Content(image=picture[0]), title="Red card"),
        Candidate(candidate_id="100:2", content=Content(image=picture[1]), title=MARKUP),
        Candidate(candidate_id="100:3", content=Content(text=f"A passage. {MARKUP} " + "word " * 60), title="Words"),
        Candidate(candidate_id="100:4", content=Content(image=picture[2], text="Made in Porto."), title="Green entry"),
        Candidate(candidate_id="100:5", content=Content(video=media / "files" / "clip & more.mp4"), title="Moves"),
    ]
    manifest = IndexManifest(
        encoder=FakeEncoder(dim=8).fingerprint,
        encoder_name="unified",
        encoder_at="../encoder",
        collection="0" * 64,
        collection_name="catalogue",
        dim=8,
        count=5,
        collection_at="indexes/media/catalogue",
    )
    return ScriptedSearcher(Collection(candidates, "catalogue", "0" * 64, media), ScriptedIndex(manifest))


@pytest.fixture
def searchers(searcher: ScriptedSearcher, tmp_path: Path) -> Searchers:
    (tmp_path / "manifest.json").write_text(json.dumps(asdict(searcher.index.manifest)))
    return Searchers({"unified": tmp_path, "other": tmp_path}, "unified", opener=lambda folder: searcher)


def page_of(searchers, uploads=Path("/nowhere"), image=None, text="red", search_in="all", encoder="unified", k=10):
    return search.find(
        searchers, (), handlers.Question(uploads=uploads, image=image, text=text, search_in=search_in, k=k), encoder
    )[0]


def test_results_show_rank_score_kind_title_and_timing(searchers):
    page = page_of(searchers)
    assert [f'data-id="100:{n}"' in page for n in range(1, 6)] == [True] * 5
    for kind in ("Image", "Passage", "Entry", "Clip"):
        assert f">{kind}</span>" in page
    assert '<span class="u-rank">1</span>' in page and "0.800" in page and "Red card" in page
    assert '<p class="u-timing" title="float32"><button' in page
    steps = '<span title="decode 1.0 ms · encode 41 ms · search 0.3 ms">answered in 42 ms</span></p>'
    assert f'title="What unified is">unified</button> · {steps}' in page


def test_pictures_are_lazy_sized_and_described(searchers):
    page = page_of(searchers, search_in="images")
    assert 'alt="Red card" width="256" height="256" loading="lazy"' in page


def test_a_path_with_special_characters_makes_a_whole_address(searchers):
    assert "clip%20%26%20more.mp4" in page_of(searchers, search_in="clips")


def test_a_long_passage_can_be_unfolded_and_a_short_text_cannot(searchers):
    assert '<details class="u-text"' in page_of(searchers, search_in="passages")
    assert '<details class="u-text"' not in page_of(searchers, search_in="entries")


def test_only_candidates_with_a_picture_can_become_the_reference(searchers):
    assert "data-pick" in page_of(searchers, search_in="entries")
    assert "data-pick" not in page_of(searchers, search_in="clips")


def test_markup_in_titles_and_passages_is_shown_as_text(searchers):
    page = page_of(searchers)
    assert "<img src=x" not in page and "onerror=&quot;" in page
    assert "{" not in page and "`" not in page and "$" not in page


def test_markup_in_a_query_is_shown_as_text_when_it_is_refused(searchers):
    page = page_of(searchers, search_in=MARKUP)
    assert "<img" not in page and "&lt;img" in page and 'role="alert"' in page


def test_markup_in_notices_and_examples_is_shown_as_text(searchers, searcher):
    searcher.notices = (MARKUP,)
    assert "<img src=x" not in page_of(searchers, search_in="passages")
    assert "<img" not in render.examples([Example(text=MARKUP, search_in="clips")])


def test_the_query_carries_picture_words_and_target(searchers, searcher, media):
    page_of(searchers, media, image={"path": str(media / "files" / "1.png")}, text="  in glass ", search_in="entries")
    query = searcher.asked[-1]
    assert query.content.image.tobytes() == Image.open(media / "files" / "1.png").tobytes()
    assert query.content.text == "in glass"
    assert query.target_modality == "image,text"


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ({"text": "", "image": None}, "picture, a text"),
        ({"text": "   "}, "picture, a text"),
        ({"text": "a\0b"}, "NUL"),
        ({"text": "x" * 20_001}, "20,001"),
        ({"text": 7}, "int"),
        ({"search_in": "planets"}, "planets"),
        ({"search_in": ["images"]}, "images"),
        ({"encoder": "gpt"}, "gpt"),
        ({"encoder": None}, "None"),
        ({"k": 0}, "100"),
        ({"k": 101}, "100"),
        ({"k": 2.5}, "2.5"),
        ({"k": float("nan")}, "nan"),
        ({"k": float("inf")}, "inf"),
        ({"k": "9"}, "9"),
        ({"k": True}, "True"),
        ({"image": 3}, "picture"),
        ({"image": {"path": None}}, "picture"),
        ({"image": {"url": "data:image/png;base64,%%"}}, "base64"),
        ({"image": "/etc/hostname"}, "arrive"),
        ({"image": {"path": "/etc/hostname"}}, "arrive"),
        ({"image": {"path": "/nowhere/../etc/hostname"}}, "arrive"),
    ],
)
def test_a_bad_request_is_answered_in_words(searchers, searcher, request_, word):
    page = page_of(searchers, **request_)
    assert 'role="alert"' in page and word in page and "Traceback" not in page
    assert searcher.asked == []


def test_an_unforeseen_failure_shows_no_traceback(searchers, searcher, monkeypatch):
    def fail(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(searcher, "search", fail)
    page = page_of(searchers)
    assert 'role="alert"' in page and "secret detail" not in page


def test_an_index_that_does_not_open_is_explained_on_the_page(tmp_path):
    def refuse(folder):
        raise ConfigError("half-written index: build it again")

    page = page_of(Searchers({"unified": tmp_path}, "unified", opener=refuse))
    assert "Half-written index: build it again." in page


def test_a_data_uri_becomes_a_picture(media):
    encoded = base64.b64encode((media / "files" / "0.png").read_bytes()).decode()
    picture = handlers.read_picture({"path": None, "url": f"data:image/png;base64,{encoded}"}, media)
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_a_data_uri_of_no_picture_is_refused(media):
    with pytest.raises(MediaError):
        handlers.read_picture({"url": "data:image/png;base64,aGVsbG8="}, media)


def test_nothing_found_is_said_kindly(searchers, searcher):
    searcher.collection = Collection([next(iter(searcher.collection))], "one", "0" * 64)
    assert "Nothing found" in page_of(searchers, search_in="clips")


def test_a_chosen_picture_is_the_candidates_own_file(searchers, media):
    assert handlers.choose_picture(searchers, "unified", "100:4") == str(media / "files" / "2.png")


@pytest.mark.parametrize("chosen", ["100:3", "100:99", None, ["100:1"], "../../etc/passwd"])
def test_choosing_what_has_no_picture_is_refused(searchers, chosen):
    with pytest.raises(UMRError):
        handlers.choose_picture(searchers, "unified", chosen)


def test_browsing_shows_images_only_and_pages_go_round(searchers):
    first = handlers.browse(searchers, "unified", 0)
    assert first.count("data-pick") == 2 and "2 of 2" in first
    assert handlers.browse(searchers, "unified", 1) == first
    assert 'role="alert"' in handlers.browse(searchers, "gpt", 0)


@pytest.mark.parametrize(
    "name",
    ["n" * 300 + ".png", "n" * 300 + ".mp4", "n" * 300 + ".mp4.frames.webp", "x/" * 2_500 + "a.mp4", "\ud83d.mp4"],
)
def test_a_path_that_cannot_be_looked_for_is_refused_in_words(searchers, media, name):
    with pytest.raises(MediaError, match="did not arrive"):
        handlers.read_picture({"path": str(media / name)}, media)
    with pytest.raises(MediaError, match="neither a data URI nor"):
        api.given_picture(str(media / name), [media])
    question = handlers.Question(uploads=media, image={"path": str(media / name)}, text="x")
    assert "did not arrive" in search.find(searchers, (), question, "unified")[0]


def test_what_pictures_are_kept_to_is_short_or_refused(searchers):
    longest = "words=" + "x" * (handlers.MAX_SOUGHT - len("words="))
    assert 'role="alert"' not in handlers.browse(searchers, "unified", 0, longest)
    for sought in (longest + "x", "&".join(["a=b"] * 100_000), ["category=mug"], {"words": "mug"}):
        assert "cannot be read" in handlers.browse(searchers, "unified", 0, sought)
    assert handlers.browse(searchers, "unified", 0, None) == handlers.browse(searchers, "unified", 0)


def test_an_example_fills_the_query_bar(media):
    items = [Example(text="a red card", search_in="clips"), Example(text="", search_in="all", image=media / "x.png")]
    first, second = search.choose_example(items, "0"), search.choose_example(items, "1")
    assert (first.text, first.search_in, first.image, second.image) == ("a red card", "clips", None, media / "x.png")
    for wrong in ("2", "-1", "one", None, 0):
        with pytest.raises(ConfigError):
            search.choose_example(items, wrong)


def test_examples_whose_picture_is_missing_are_left_out(media, tmp_path):
    rows = [
        {"image": "files/0.png", "text": "a", "search_in": "images"},
        {"image": None, "text": "b", "search_in": "all"},
        {"image": "files/none.png", "text": "c", "search_in": "images"},
    ]
    file = tmp_path / "examples.json"
    file.write_text(json.dumps(rows))
    assert [item.text for item in read_examples(media, file)] == ["a", "b"]
    assert read_examples(tmp_path, file) == []
    file.write_text('[{"text": "a"}]')
    with pytest.raises(ConfigError, match="examples"):
        read_examples(media, file)


def test_the_shipped_examples_can_be_read(media):
    read_examples(media, EXAMPLES_FILE)


def test_picked_examples_are_short_and_found_first(media, searcher):
    queries = [
        {"qid": f"100:{n}", "query_txt": text, "query_img_path": None, "query_modality": "text", "task_id": 0}
        for n, text in enumerate(("too long " * 20, "found second", "found first", "also first"))
    ]
    write_jsonl(media / "query" / "test" / "mbeir_catalogue_t2i_ind_test.jsonl", queries)
    with atomic_write(media / "qrels" / "test" / "mbeir_catalogue_t2i_ind_test_qrels.txt") as qrels:
        qrels.writelines(f"100:{query} 0 100:{found} 1 0\n" for query, found in ((0, 1), (1, 2), (2, 1), (3, 1)))
    rows = pick_examples(searcher, media, [("t2i", "images")] * 2)
    assert [(row["image"], row["text"], row["search_in"]) for row in rows] == [
        (None, "found first", "images"),
        (None, "also first", "images"),
    ]
    assert rows[0]["made_by"] == searcher.encoder.fingerprint
    assert rows[0]["results"][0] == {"id": "100:1", "score": 0.8, "title": "Red card", "image": "files/0.png"}
    with pytest.raises(ConfigError, match="t2i"):
        pick_examples(searcher, media, [("t2i", "images")] * 3)


def test_a_file_keeps_its_name_at_the_start_of_a_message():
    assert "red-mug.png is broken." in render.error("red-mug.png is broken")
    assert "The text is long." in render.error("the text is long")


def test_searchers_open_once_and_offer_the_default_first(searcher, tmp_path):
    opened = []
    folders = {"a": tmp_path, "unified": tmp_path}
    searchers = Searchers(folders, "unified", opener=lambda folder: opened.append(folder) or searcher)
    assert searchers.names == ["unified", "a"]
    searchers.preload().join()
    assert searchers.get("unified") is searcher and len(opened) == 1


def test_no_index_at_all_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match="python -m umr index"):
        find_searchers(root=tmp_path)


def test_a_folder_that_is_no_index_says_so(tmp_path):
    with pytest.raises(ConfigError, match="not a finished index"):
        find_searchers(index=tmp_path)


def test_the_page_does_not_start_without_an_index_and_says_why(tmp_path, capsys):
    assert app.main(["--index", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("umr: ") and "not a finished index" in said and "Traceback" not in said


def test_an_encoder_without_an_index_is_told_that_it_searches_a_folder(capsys):
    assert app.main(["--encoder", "hub:me/x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("umr: no index of encoder 'hub:me/x'; there are: ")
    assert said.endswith("or the folder of your own that it is to search: --folder DIR --encoder hub:me/x\n")


def test_a_named_index_brings_its_own_encoder_and_media(tmp_path):
    files = tmp_path / "mine" / "pictures"
    files.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(files / "a.png")
    (tmp_path / "mine" / "notes").mkdir()
    collection = Collection.from_folder(files).save(tmp_path / "mine")
    build_index(FakeEncoder(dim=8), collection, tmp_path / "index")
    searchers = find_searchers(index=tmp_path / "index")
    assert searchers.names == [FakeEncoder(dim=8).name]
    assert media_paths(searchers)[1:] == [files / "a.png"]
    with pytest.raises(ConfigError, match="--encoder"):
        find_searchers(index=tmp_path / "index", encoder="other")


@pytest.fixture
def client(searchers, media):
    page = build_page(searchers, [])
    address = serve(page, [media.parent], "127.0.0.1", None)
    yield Client(address, verbose=False)
    page.close()


def test_the_endpoint_answers_with_the_command_lines_objects(client, media, searcher):
    rows = client.predict(
        image=handle_file(media / "files" / "0.png"),
        text="in glass",
        search_in="all",
        encoder="unified",
        k=4,
        api_name="/search",
    )
    assert [row["id"] for row in rows] == ["100:1", "100:2", "100:3", "100:4"]
    assert set(rows[0]) == {"rank", "score", "id", "modality", "media", "text", "match"}
    assert (rows[0]["rank"], rows[0]["modality"], rows[0]["text"]) == (1, "image", "Red card")
    assert rows[2]["media"] is None and MARKUP in rows[2]["text"]
    assert searcher.asked[-1].content.image.tobytes() == Image.open(media / "files" / "0.png").tobytes()


@pytest.mark.parametrize(
    ("name", "data"), [("search", [None, "red", "all", "unified", 1]), ("search_text", ["red", "all", "unified", 1])]
)
def test_the_endpoints_tell_the_client_and_the_log_that_a_text_was_cut(client, searcher, caplog, name, data):
    searcher.notices = ("the text was cut at 32 tokens",)
    functions = httpx.get(f"{client.src}config").json()["dependencies"]
    number = next(function["id"] for function in functions if function["api_name"] == name)
    request = {"data": data, "fn_index": number, "session_hash": "cut"}
    assert httpx.post(f"{client.src}gradio_api/queue/join", json=request).is_success
    said = []
    with httpx.stream(
        "GET", f"{client.src}gradio_api/queue/data", params={"session_hash": "cut"}, timeout=60
    ) as events:
        for message in (json.loads(line[5:]) for line in events.iter_lines() if line.startswith("data:")):
            said.append(message)
            if message["msg"] == "process_completed":
                break
    assert [(m["level"], m["log"]) for m in said if m["msg"] == "log"] == [("warning", searcher.notices[0])]
    assert said[-1]["output"]["data"][0][0]["id"] == "100:1"
    assert searcher.notices[0] in caplog.messages


def test_the_search_tab_says_what_the_models_know(client):
    shown = [
        part["props"].get("value")
        for part in httpx.get(f"{client.src}config").json()["components"]
        if part["props"].get("elem_id") == "scope"
    ]
    assert len(shown) == 1 and "learned from one rendered catalogue and know little else" in shown[0]


def test_the_endpoint_needs_only_a_text(client):
    assert client.predict(text="red", api_name="/search")[0]["id"] == "100:1"


def test_the_endpoint_refuses_in_words(client):
    with pytest.raises(Exception, match="picture, a text"):
        client.predict(text=" ", api_name="/search")


def test_the_endpoint_cannot_be_pointed_at_a_file_of_the_server(client, searcher, tmp_path):
    path = str(tmp_path / "private.png")
    Image.new("RGB", (8, 8), "red").save(path)
    for foreign in ({"path": path, "meta": {"_type": "gradio.FileData"}}, {"path": path}, path):
        address = f"{client.src}gradio_api/call/search"
        started = httpx.post(address, json={"data": [foreign, "", "images", "unified", 1]})
        answer = httpx.get(f"{address}/{started.json()['event_id']}").text
        assert "event: error" in answer
    assert searcher.asked == []


def test_five_endpoints_are_public_and_no_more(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(named) == ["/compare", "/list_collections", "/list_models", "/search", "/search_text"]
