"""Properties of what reads strangers' texts: it is read as it was meant, or refused in words; never anything else."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest

from tests.ui.test_gate import ask
from umr import formats
from umr.errors import UMRError
from umr.ingest import read_rows
from umr.query_arithmetic import QueryArithmetic
from umr.search import Searcher
from umr.types import SEARCH_IN
from umr.ui.compare import link as in_compare
from umr.ui.compare.votes import VoteBox
from umr.ui.layout.gate import Gate
from umr.ui.links import Given
from umr.ui.render import FACETS
from umr.ui.results import narrow
from umr.ui.results.history import Turn
from umr.ui.results.narrow import Narrowing
from umr.ui.search import link as in_search
from umr.ui.searchers import Searchers
from umr.ui.visitors import Visitors

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis (requirements-dev.txt)")
st, given = pytest.importorskip("hypothesis.strategies"), hypothesis.given
#: The same few examples each time, whatever the machine does meanwhile; fixtures here are not changed by an example.
bounded = hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
ANYTHING = st.text(st.characters(), max_size=30)  # half characters too, which JSON can say and UTF-8 cannot
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).map(str.strip)
IDS = st.text(string.ascii_letters + string.digits + ":-_. é", min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANYTHING,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANYTHING, inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("qid", "query_txt", "query_img_path", "query_modality", "query_src_content", "pos_cand_list", "task_id",
          "did", "txt", "img_path", "modality", "title", "id", "text", "image", "video", "start", "end")  # fmt: skip
LIKELY = st.sampled_from(["text", "image", "image,text", "a", ["a"], [{"did": "b"}], 0, 7, "files/images/00.png"])
ROWS = st.lists(st.dictionaries(st.sampled_from(FIELDS), LIKELY | JSON, max_size=9), max_size=3)


@pytest.fixture
def page(searcher: Searcher, benchmark: Path) -> Searchers:
    folder = benchmark.parents[1] / "unified" / "catalogue"
    return Searchers({"unified": folder, "other": folder}, "unified", opener=lambda _: searcher)


@given(rows=ROWS)
@bounded
def test_rows_of_any_json_are_read_or_refused_by_their_place(tmp_path, rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for read in (lambda: formats.read_queries(path, tmp_path), lambda: formats.read_pool(path)):
        try:
            read()
        except UMRError as error:
            assert "rows.jsonl:" in str(error)
    taken, refused = read_rows(path)
    assert len(taken) + len(refused) == len(rows)


@given(st.lists(st.tuples(IDS, WORDS.filter(bool)), max_size=4, unique_by=lambda row: row[0]))
@bounded
def test_queries_are_read_as_they_were_written(tmp_path, queries):
    path = tmp_path / "queries.jsonl"
    rows = [{"qid": key, "query_txt": text, "query_modality": "text", "pos_cand_list": []} for key, text in queries]
    formats.write_jsonl(path, rows)
    found = [(one.query.query_id, one.query.content.text) for one in formats.read_queries(path, tmp_path)]
    assert found == queries


@given(lines=st.lists(st.binary(max_size=40) | JSON.map(json.dumps).map(str.encode), max_size=4))
@bounded
def test_a_vote_is_counted_whatever_else_stands_in_the_file(tmp_path, lines):
    path = tmp_path / "votes.jsonl"
    path.write_bytes(b"\n".join(lines))
    box = VoteBox(path)
    box.add("", "x", "y", "a")
    assert box.tally()["x"]["better"] == 1


@given(address=ANYTHING | st.dictionaries(st.sampled_from((*in_search.KEYS, *in_compare.KEYS)), ANYTHING | IDS).map(
    lambda state: "&".join(f"{key}={value}" for key, value in state.items())))  # fmt: skip
@bounded
def test_an_address_is_read_with_notices_that_can_be_sent(page, address):
    told = Given.of(address)
    asked, compared = in_search.read(page, told), in_compare.read(page, told)
    json.dumps([*told.notices, asked.text, compared.text], ensure_ascii=False).encode("utf-8")


@given(
    text=WORDS,
    search_in=st.sampled_from(list(SEARCH_IN)),
    arithmetic=st.builds(
        QueryArithmetic,
        balance=st.integers(-100, 100).map(lambda share: share / 100),
        less_of=WORDS,
        cut=st.integers(0, 100).map(lambda share: share / 100),
    ),
    k=st.integers(1, 100),
)
@bounded
def test_what_a_search_writes_into_its_address_is_read_from_it(page, text, search_in, arithmetic, k):
    turn = Turn(text=text, search_in=search_in, arithmetic=arithmetic)
    told = Given.of(in_search.write(turn, page.manifest("other").collection_name, "other", k))
    found = in_search.read(page, told)
    assert told.notices == []
    assert (found.text, found.search_in, found.arithmetic, found.model, found.k) == (
        text, search_in, arithmetic, "other", k)  # fmt: skip


@given(
    facts=st.dictionaries(st.sampled_from(list(FACETS)), WORDS.filter(bool), max_size=3),
    unwanted=st.lists(WORDS.filter(bool), max_size=5, unique=True),
    noise=ANYTHING,
)
@bounded
def test_what_is_left_out_is_read_as_it_was_written(facts, unwanted, noise):
    left_out = Narrowing(tuple((name, facts[name]) for name in FACETS if name in facts), tuple(unwanted))
    assert narrow.read(str(left_out)) == left_out
    try:
        narrow.read(noise)
    except UMRError as error:
        assert str(error)


@given(body=st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode))
@bounded
def test_a_body_reaches_the_page_as_it_came_or_is_refused_in_words(tmp_path, body):
    reached: list[bytes] = []

    async def behind(scope, receive, send):
        reached.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    answer = ask(
        Gate(behind, Visitors(tmp_path), "127.0.0.1"), content=body, headers={"Content-Type": "application/json"}
    )
    assert reached == ([body] if answer.status_code == 200 else [])
    assert answer.status_code in (200, 400, 413) and (answer.status_code == 200 or answer.json()["detail"])
