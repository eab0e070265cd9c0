"""The page's state in its address, without a browser: round trips of both tabs, and what cannot be given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote

import pytest

from tests.conftest import MARKUP
from umr.collection import Collection
from umr.eval.diagnosis import diagnosis_file
from umr.index.index import build_index
from umr.query_arithmetic import QueryArithmetic
from umr.shipped import REPORTS
from umr.ui import links, render
from umr.ui.benchmarks import actions as benchmarks
from umr.ui.compare import actions as compare
from umr.ui.compare import link as in_compare
from umr.ui.compare.link import CompareLink
from umr.ui.diagnose import actions as diagnose
from umr.ui.handlers import Question, make_query
from umr.ui.layout import link as page_link
from umr.ui.layout.tabs import TABS
from umr.ui.links import Choice, Filled, Given
from umr.ui.queries import compare_link as link_of_query
from umr.ui.search import actions as search
from umr.ui.search import link as in_search
from umr.ui.search.link import SearchLink
from umr.ui.searchers import Searchers, find_searchers


def found(searchers, uploads, image=None, text="red", search_in="images", balance=0, less_of="", cut=0) -> tuple:
    tuning = (balance, less_of, cut)
    return search.find(
        searchers, (), Question(uploads=uploads, image=image, text=text, search_in=search_in, k=5), "other", tuning
    )


def compared(
    searchers, uploads, image=None, text="red", search_in="images", models=("other", "unified"), blind=False, asked=""
) -> tuple:
    return compare.compare_page(
        searchers,
        Question(uploads=uploads, image=image, text=text, search_in=search_in, k=10),
        list(models),
        blind,
        asked,
    )


@dataclass(frozen=True)
class Read:
    """An address as the page reads it, and what the two tabs that ask something make of it."""

    tab: str = "search"
    search: SearchLink = field(default_factory=SearchLink)
    compare: CompareLink = field(default_factory=CompareLink)
    diagnose: tuple = ()
    benchmarks: tuple = ()
    notices: tuple[str, ...] = ()
    values: dict = field(default_factory=dict, compare=False)


def read(searchers: Searchers, address: str) -> Read:
    """What an address asks for; the page's own reader must say the same of what is asked, and the same notices."""
    opened = page_link.read(searchers, address)
    filled = dict(zip([row.name for row in TABS], opened.filled, strict=True))
    search_link = in_search.read(searchers, Given.of(address))
    compare_link = in_compare.read(searchers, Given.of(address))
    assert [filled[name].asks for name in ("search", "compare")] == [search_link.asks, compare_link.asks]
    return Read(
        tab=opened.tab,
        search=search_link,
        compare=compare_link,
        diagnose=chosen(filled["diagnose"], diagnose.choices(searchers)),
        benchmarks=chosen(filled["benchmarks"], benchmarks.choices(searchers)),
        notices=opened.notices,
        values={name: one.values for name, one in filled.items()},
    )


def chosen(filled: Filled, choices: Sequence[Choice]) -> tuple:
    """What is not chosen from the start."""
    return tuple(
        (choice.key, value) for choice, value in zip(choices, filled.values, strict=True) if value != choice.first
    )


def restarted(searchers: Searchers) -> Searchers:
    """The same page in a new process: nothing is open yet."""
    return Searchers(searchers.folders, searchers.default)


# The Search tab


def test_a_search_is_restored_with_everything_that_was_set(searchers, uploads, upload, searcher):
    *_, address = found(
        searchers,
        uploads,
        upload("images/02.png"),
        "in blue & more",
        "entries",
        balance=-0.3,
        less_of="a <b>glass</b>",
        cut=0.85,
    )
    opened = read(restarted(searchers), address)
    assert opened == Read(
        search=SearchLink(
            picture=Path(searcher.collection["100:2"].content.image),
            text="in blue & more",
            search_in="entries",
            model="other",
            k=5,
            arithmetic=QueryArithmetic(balance=-0.3, less_of="a <b>glass</b>", cut=0.85),
        )
    )
    assert opened.search.asks
    values = ("in blue & more", "entries", -0.3, "a <b>glass</b>", 0.85, "", False, "other", 5, ())
    assert opened.values["search"][1:] == values


def test_what_a_link_restores_finds_the_same_again(searchers, uploads, upload):
    page, _, _, trail, address = found(searchers, uploads, upload("images/02.png"), "in blue", balance=0.5)
    link = read(searchers, address).search
    tuned = search.Tuned(moved=link.arithmetic)
    again = search._find(searchers, (), make_query(link.picture, link.text, link.search_in), link.k, link.model, tuned)
    assert again[4] == address and again[3][-1].arithmetic == trail[-1].arithmetic
    assert again[0].count("data-id") == page.count("data-id") == 5


def test_a_drawer_at_rest_is_not_in_the_address(searchers, uploads):
    *_, address = found(searchers, uploads)
    assert set(parse_qs(address[1:])) == {"collection", "text", "in", "model", "k"}


def test_a_benchmark_picture_is_linked_by_its_name_and_bytes(searchers, uploads, upload, benchmark):
    *_, address = found(searchers, uploads, upload("queries/4.bmp"))
    assert read(searchers, address).search.picture == benchmark / "files" / "queries" / "4.bmp"


def test_a_visitors_own_picture_is_never_in_the_link_and_the_page_says_so(searchers, uploads, picture):
    own = {"path": str(picture("uploads/4.bmp", "gold"))}  # named as one of the benchmark's, with bytes of its own
    _, _, crumbs, trail, address = found(searchers, uploads, own)
    page, kept, second = compared(searchers, uploads, own)
    assert render.OWN_PICTURE in crumbs and render.OWN_PICTURE in page
    assert trail[-1].reference == "" and kept.own
    assert not read(searchers, second).notices  # until its tab is on show
    for told in (address, f"{second}&tab=compare"):
        assert not {"ref", "c-ref"} & set(parse_qs(told[1:])) and "uploads" not in told and "4.bmp" not in told
        opened = read(searchers, told)
        assert not opened.search.asks and not opened.compare.asks
        assert "is not in it" in " ".join(opened.notices)
    assert read(searchers, address).search.text == "red"


# The Compare tab


def test_a_comparison_is_restored_with_its_own_query(searchers, uploads, upload, searcher):
    *_, address = compared(searchers, uploads, upload("images/03.png"), "in teal", "all", blind=True)
    opened = read(restarted(searchers), f"{address}&tab=compare")
    assert opened == Read(
        tab="compare",
        compare=CompareLink(
            picture=Path(searcher.collection["100:3"].content.image),
            text="in teal",
            search_in="all",
            models=("other", "unified"),
            blind=True,
        ),
    )
    picture, *rest = opened.values["compare"]
    assert Path(picture).name == "03.png" and rest == ["in teal", "all", "", ["other", "unified"], True, "unified", []]


def test_a_benchmark_query_is_linked_by_its_id_and_compared_with_its_targets(searchers, uploads, upload, benchmark):
    *_, address = compared(searchers, uploads, upload("queries/3.bmp"), "edit 3", asked="it2i ind 100:3")
    assert parse_qs(address[1:])["q"] == ["100:3"] and "c-text" not in address
    link = read(searchers, f"{address}&tab=compare").compare
    assert link == CompareLink(
        picture=benchmark / "files/queries/3.bmp",
        text="edit 3",
        search_in="images",
        models=("other", "unified"),
        asked="it2i ind 100:3",
    )
    shown, kept, _ = compared(searchers, benchmark / "files", {"path": str(link.picture)}, link.text, asked=link.asked)
    assert kept.targets == ("100:3",) and "u-is-target" in shown


def test_a_link_of_the_other_tabs_opens_the_comparison_of_its_query(searchers):
    opened = read(searchers, link_of_query("100:3", "it2i", "ind"))
    assert (opened.tab, opened.compare.text, opened.compare.asked) == ("compare", "edit 3", "it2i ind 100:3")
    assert opened.compare.asks and not opened.search.asks and opened.notices == ()
    assert opened.values["compare"][4] == ["unified", "other"]


def test_both_tabs_live_in_one_address(searchers, uploads):
    first, second = found(searchers, uploads, text="red")[-1], compared(searchers, uploads, text="blue")[2]
    opened = read(searchers, f"{first}&{second[1:]}&tab=benchmarks")
    assert (opened.tab, opened.search.text, opened.compare.text) == ("benchmarks", "red", "blue")
    assert opened.search.asks and opened.compare.asks


def test_every_key_that_is_written_is_one_that_the_page_replaces(searchers, uploads, picture):
    own = {"path": str(picture("uploads/own.png", "gold"))}
    plain, everything = found(searchers, uploads), found(searchers, uploads, own, balance=0.5, less_of="x", cut=0.5)
    blind, known = (
        compared(searchers, uploads, own, blind=True),
        compared(searchers, uploads, text="This card is red.", search_in="passages", asked="t2t ind 100:50"),
    )
    assert known[1].asked
    first, second = (plain[-1], everything[-1]), (blind[2], known[2])
    for addresses, keys in ((first, in_search.KEYS), (second, in_compare.KEYS)):
        for address in addresses:
            assert set(parse_qs(address[1:])) <= {*keys, "collection"}


# The Diagnose and Benchmarks tabs


@pytest.fixture
def diagnosed(searchers) -> Searchers:
    """Two diagnoses to choose from: one that is always offered, and one whose file is there."""
    file = diagnosis_file(searchers.folders["other"].parent / REPORTS, "it2i", "phrasing")
    file.parent.mkdir(parents=True)
    file.touch()
    return searchers


def test_what_is_chosen_in_the_tabs_that_ask_nothing_is_restored(diagnosed):
    first = links.write_choices(diagnose.choices(diagnosed), "other", "it2i phrasing", "unified")
    second = links.write_choices(benchmarks.choices(diagnosed), "mrr", "other", "unified")
    opened = read(restarted(diagnosed), f"{first}&{second[1:]}&tab=diagnose")
    assert opened == Read(
        tab="diagnose",
        diagnose=(("d-model", "other"), ("d-split", "it2i phrasing"), ("d-against", "unified")),
        benchmarks=(("b-measure", "mrr"), ("b-a", "other"), ("b-b", "unified")),
    )
    assert [key for key, _ in opened.diagnose + opened.benchmarks] == [*diagnose.KEYS, *benchmarks.KEYS]


def test_what_is_chosen_from_the_start_is_not_in_the_address_and_takes_the_place_of_what_was(diagnosed):
    for tab in (diagnose.choices(diagnosed), benchmarks.choices(diagnosed)):
        firsts = [choice.first for choice in tab]
        assert links.write_choices(tab, *firsts) == "?"  # not "": the page drops the tab's earlier keys
        assert all(choice.first in choice.names for choice in tab)
    assert links.write_choices(benchmarks.choices(diagnosed), "ndcg@10", *firsts[1:]) == "?b-measure=ndcg%4010"


@pytest.mark.parametrize("value", [None, 7, [["mrr"]], {"id": 1}, MARKUP])
def test_what_is_no_choice_is_not_written(diagnosed, value):
    assert links.write_choices(benchmarks.choices(diagnosed), value, value, "unified") == "?b-b=unified"


# What cannot be given

WRONG = [
    ("?collection=other&ref=100:1", "other"),
    ("?ref=100:99", "100:99"),
    ("?ref=100:20", "100:20"),
    ("?ref=query:../../../etc/passwd.png", "passwd"),
    ("?ref=query:none.png", "none.png"),
    ("?in=planets", "planets"),
    ("?model=gpt", "gpt"),
    ("?k=0", "1 to 100"),
    ("?k=9999", "1 to 100"),
    ("?k=1.5", "1 to 100"),
    ("?k=²", "1 to 100"),
    ("?tab=admin", "admin"),
    ("?text=" + "x" * 9000, "too long"),
    (7, "read"),
    ("?text=a%00b", "NUL"),
    ("?balance=2", "-1 to 1"),
    ("?balance=nan", "nan"),
    ("?cut=-0.1", "0 to 1"),
    ("?cut=1e-1", "0 to 1"),
    ("?less=%00", "NUL"),
    ("?c-models=unified", "two to four"),
    ("?c-models=unified,gpt", "gpt"),
    ("?c-models=unified,unified", "two to four"),
    ("?c-in=planets", "planets"),
    ("?c-ref=100:99", "100:99"),
    ("?c-blind=yes", "yes"),
    ("?q=100:1", "benchmark query"),
    ("?q=100:999&task=it2i&split=ind", "100:999"),
    ("?q=1&task=../../x&split=ind", "benchmark query"),
    (f"?q=1&task={'x' * 4000}&split=ind", "benchmark query"),
    ("?q=1&task=a%00b&split=ind", "benchmark query"),
    ("?d-model=gpt", "gpt"),
    ("?d-split=it2i+none", "it2i none"),
    ("?b-measure=speed", "speed"),
    ("?b-a=gpt", "gpt"),
    ("?b-b=%00", "model"),
    (f"?in={quote(MARKUP)}", "<img"),
]


@pytest.mark.parametrize(("address", "word"), WRONG)
def test_a_value_that_cannot_be_given_falls_to_its_default_and_is_told(searchers, address, word):
    opened = read(searchers, address)
    assert word in " ".join(opened.notices)
    assert not opened.search.asks and not opened.compare.asks and opened.tab == "search"
    assert (opened.search.search_in, opened.search.model, opened.search.k) == ("images", None, None)
    assert opened.search.arithmetic == QueryArithmetic() and opened.compare.models == () and not opened.compare.blind
    assert opened.diagnose == opened.benchmarks == ()
    shown = render.notices(opened.notices)
    assert 'role="alert"' in shown and not any(mark in shown for mark in ("<img", "{{", "${")) and len(shown) < 1500


def test_one_wrong_value_takes_nothing_else_with_it(searchers):
    opened = read(searchers, "?text=a%20red%20card&model=other&k=9999&tab=admin&cut=0.5")
    assert (opened.search.text, opened.search.model, opened.search.k) == ("a red card", "other", None)
    assert opened.search.arithmetic.cut == 0.5 and opened.search.asks and len(opened.notices) == 2


def test_a_query_without_its_picture_is_filled_in_but_not_asked(searchers):
    opened = read(searchers, "?collection=catalogue&ref=100:99&text=in%20blue")
    assert opened.search.text == "in blue" and not opened.search.asks


def test_an_address_that_asks_for_nothing_says_nothing(searchers):
    assert read(searchers, "") == read(searchers, "?utm_source=x&__theme=dark") == Read()
    assert render.notices(()) == ""


def test_a_link_to_an_own_index_is_opened_by_the_page_that_wrote_it(encoder, picture, tmp_path, searcher):
    """searcher: for its stand-in of load_encoder."""
    picture("d/red.png", "red"), picture("d/blue.png", "blue")
    encoder.save(tmp_path / "encoder")
    build_index(encoder, Collection.from_folder(tmp_path / "d"), tmp_path / "index", encoder_at=tmp_path / "encoder")
    own = find_searchers(index=tmp_path / "index")
    address = search.find(own, (), Question(uploads=tmp_path, text="red", k=5), own.default)[-1]
    assert "collection=d&" in address and read(own, address).notices == ()
    assert own.get(own.default).collection.name == "d"
    assert "this page shows 'd'" in read(own, address.replace("=d&", "=other&")).notices[0]
