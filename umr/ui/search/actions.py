"""What the Search tab does: find, refine, go back, take a suggestion, open a link.

Plain functions, no Gradio, no HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from umr.errors import ConfigError, MediaError, UMRError
from umr.media import content_hash
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.search import DecodedQuery, Outcome, Searcher, decode
from umr.types import SEARCH_IN, Query, Target
from umr.ui import edge, handlers, links, render
from umr.ui.examples import Example
from umr.ui.handlers import Question
from umr.ui.kinds import searched
from umr.ui.models.actions import frames_read
from umr.ui.query_clip import clip_of, shown_file
from umr.ui.reranking import read_switch
from umr.ui.results import cards, narrow
from umr.ui.results.asking import GONE, SHOWN, asked_of
from umr.ui.results.history import Answered, Trail, Turn, back_to, follow, read_place, refine
from umr.ui.results.narrow import EVERYTHING, Narrowing
from umr.ui.search import html as search_html
from umr.ui.search import link as search_link
from umr.ui.search import suggest
from umr.ui.search.totals import total_of
from umr.ui.searchers import Searchers

MAX_VISITED = 40  # searches with a picture of the visitor's own that Back finds again
SAVED = "saved answer"  # what is said in the place of a precision where no model was asked
MAX_WORDS_ADDED = 200  # characters that a card's words add to the text
#: What a search shows: results as HTML and what they answer (None: there are none), the trail as HTML and as it is, the
#: page's address ("" leaves it as it is).
Shown = tuple[str, Answered | None, str, Trail, str]
NOTHING: Shown = ("", None, "", (), "")  # before the first search


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """How a search differs from the plain one."""

    moved: QueryArithmetic = UNMOVED
    narrowed: Narrowing = EVERYTHING
    reranked: bool = False

    @classmethod
    def read(cls, balance: Any, less_of: Any, cut: Any, left_out: Any = "", rerank: Any = False) -> Tuned:
        """Of what the drawer says. Raises ConfigError."""
        narrowed = narrow.read(left_out)
        moved = QueryArithmetic(balance=balance, less_of=less_of or "", cut=cut, less_like=narrowed.unwanted)
        return cls(moved=moved, narrowed=narrowed, reranked=read_switch(rerank))


def find(
    searchers: Searchers, trail: Trail, question: Question, encoder: Any, tuning: Sequence[Any] = (0, "", 0)
) -> Shown:
    """A search with everything that the bar and the drawer say; what goes wrong is said in the place of the results.

    Args:
        searchers: what the page offers.
        trail: the turns so far.
        question: what was asked, unread.
        encoder: its name.
        tuning: what the drawer says: balance, less of, cut; what is left out of the results; whether the first are
            re-ranked.
    """

    def found() -> Shown:
        return _find(searchers, trail, *question.read(), encoder, Tuned.read(*tuning))

    return edge.answered("a search", found, lambda message: (message, None, search_html.trail(trail), trail, ""))


def _find(
    searchers: Searchers,
    trail: Trail,
    query: Query,
    k: int,
    encoder: Any,
    tuned: Tuned,
) -> Shown:
    searcher = searchers.get(encoder)
    asked = decode(replace(query, exclude=tuned.narrowed.excluded(searcher)))
    outcome = searchers.search(encoder, asked, k, tuned.moved, tuned.reranked)
    turn = _turn(searcher, shown_file(query.content), asked, tuned)
    longer = follow(trail, turn)
    address = search_link.write(turn, links.collection_of(searchers, encoder), encoder, k, longer[:-1])
    return _shown(outcome, longer, _asked_of(searchers, turn, encoder, searcher.index.manifest.precision), address)


def open_example(
    searchers: Searchers, examples: Sequence[Example], number: Any, encoder: Any, k: Any
) -> tuple[Any, ...]:
    """Query and drawer settings of an example (as `return_to`: an example is asked with none), and what it shows.

    That is its stored results where this very model made as many, else a search.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    example = choose_example(examples, number)
    if example.results and len(example.results) == k and example.made_by == _fingerprint(searchers, encoder):
        shown = _stored(searchers, example, encoder)
    else:
        query = handlers.make_query(example.image, example.text, example.search_in)
        shown = _find(searchers, (), query, handlers.read_count(k), encoder, Tuned())
    return *_asked(Turn(picture=example.image, text=example.text, search_in=example.search_in)), *shown


def choose_example(examples: Sequence[Example], number: Any) -> Example:
    """The example with this number.

    Raises:
        ConfigError: what is asked cannot be given, in words.
    """
    place = read_place(number, len(examples))
    if place is None:
        raise ConfigError("there is no such example; reload the page")
    return examples[place]


def use_result(searchers: Searchers, trail: Trail, encoder: Any, candidate_id: Any) -> tuple[str, str, str, Trail]:
    """A result as the next reference: its picture, no words yet, the longer trail as HTML and as it is."""
    path = Path(handlers.choose_picture(searchers, encoder, candidate_id))
    last = trail[-1] if trail else Turn()
    turn = Turn(
        picture=path,
        key=content_hash(path),
        reference=candidate_id,
        search_in=last.search_in,
        arithmetic=last.arithmetic,
        narrowed=last.narrowed,
        reranked=last.reranked,
    )
    longer = refine(trail, turn)
    return str(path), "", search_html.trail(longer), longer


def return_to(trail: Trail, number: Any) -> tuple[Any, ...]:
    """What an earlier turn asked, and the trail up to it. Raises UMRError.

    Returns:
        Picture, text, searched kind, drawer settings (balance, less of, cut), what is left out, whether the first
        results are re-ranked, trail.
    """
    shorter = back_to(trail, number)
    turn = shorter[-1]
    if turn.is_gone:
        raise MediaError("the picture of this turn is gone from the server; upload it again")
    return *_asked(turn), shorter


def remember(visited: Any, address: Any, trail: Trail) -> dict[str, Trail]:
    """What this visitor asked before, by address, with what was just asked.

    Only what has a visitor's own picture is kept: all else an address gives again.
    """
    kept = dict(visited or {})
    readable = isinstance(address, str) and 0 < len(address) <= links.MAX_ADDRESS
    if readable and any(turn.key and not turn.reference for turn in trail):
        kept.pop(_place(address), None)
        kept[_place(address)] = trail
    return dict(list(kept.items())[-MAX_VISITED:])


def travel(searchers: Searchers, visited: Any, address: Any) -> tuple[Any, ...]:
    """What a step of the browser's history shows again.

    Returns:
        Picture, text, searched kind, drawer settings, model, number of results, trail, whether that is to be asked: or
        why it cannot be, in words.
    """
    given = links.Given.of(address)
    filled, trail = fill(searchers, given), (visited or {}).get(_place(str(address)))
    if trail is None or trail[-1].is_gone:
        said = GONE if given.values.get("picture", links.KEPT) != links.KEPT else " ".join(given.notices)
        return *filled.values, filled.asks or said or False
    *query, _ = return_to(trail, str(len(trail) - 1))
    return *query, *filled.values[len(query) : -1], trail, True


def not_asked(reason: Any) -> Shown:
    """What is shown of a step of the history that is not asked again: why, if there is a reason."""
    if not isinstance(reason, str):
        return NOTHING
    return (render.message("This search cannot be shown again", reason, "alert"), *NOTHING[1:])


def _place(address: str) -> str:
    """An address as a key: what it asks, in whatever order it says so; the model and how many are of no account."""
    own = search_link.KEYS
    asked = [(key, value) for key, value in parse_qsl(address.lstrip("?")) if key in own and key not in ("model", "k")]
    return urlencode(sorted(asked))


def add_words(searchers: Searchers, encoder: Any, candidate_id: Any, text: Any) -> str:
    """The text of the query bar with a result's own words at its end.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    candidate = handlers.candidate_of(searchers, encoder, candidate_id)
    words = (candidate.title or candidate.content.text or "")[:MAX_WORDS_ADDED].strip()
    if not words:
        raise ConfigError(f"{candidate_id} has no words to add")
    before = handlers.read_text(text)
    return f"{before}, {words}" if before else words


def take_suggestion(suggestion: Any, text: Any = "") -> str:
    """The text of the query bar with a suggestion at its end; what was typed stays.

    Raises:
        ConfigError: what is none.
    """
    if not isinstance(suggestion, str) or not 0 < len(suggestion) <= MAX_WORDS_ADDED:
        raise ConfigError("that is no suggestion of this page")
    asked, before = handlers.read_text(suggestion) or "", handlers.read_text(text) or ""
    if not before or asked in before:
        return before or asked
    return f"{before}, {asked}"


def suggestions(searchers: Searchers, uploads: Path, image: Any, search_in: Any, encoder: Any) -> str:
    """Edits worth trying on the bar's picture, as HTML.

    For a visitor's own picture they are those of its nearest neighbour which the next ones have not, and there are none
    for one that is unlike the training: its nearest neighbour shares no more than a colour with it.
    """
    try:
        picture = handlers.read_picture(image, uploads)
        if picture is None or clip_of(picture):
            return search_html.no_suggestions(frames=frames_read(searchers, str(encoder)) if picture else None)
        searcher, target = searchers.get(encoder), SEARCH_IN.get(search_in, "image")
        check = searchers.check(encoder)  # here, as soon as there is a picture: the search finds the verdict made
        if check is not None and check.unlike(picture):
            return search_html.no_suggestions(unlike=True)
        own = links.catalogue_item(searcher, content_hash(picture)) if isinstance(picture, Path) else None
        near = [own] if own else suggest.nearest_items(searcher, picture)
        wanted: Target = "image" if target == "all" else target
        texts = suggest.suggest(searcher, near[0], wanted, alike=near[1:]) if near else []
        return search_html.suggestions(texts, near[0] if near and not own else None)
    except UMRError:  # the search itself says what is wrong with this picture
        return search_html.no_suggestions()


def fill(searchers: Searchers, given: links.Given) -> links.Filled:
    """What an address puts into the bar: query and drawer settings (as `return_to`), model, count, turns."""
    link = search_link.read(searchers, given)
    query = _asked(link)
    return links.Filled((*query, link.model or searchers.default, link.k or SHOWN, link.trail), link.asks)


def _asked(turn: Turn | search_link.SearchLink) -> tuple[Any, ...]:
    moved, picture = turn.arithmetic, str(turn.picture) if turn.picture else None
    return picture, turn.text, turn.search_in, moved.balance, moved.less_of, moved.cut, turn.narrowed, turn.reranked


def _turn(searcher: Searcher, picture: Path | None, asked: DecodedQuery, tuned: Tuned) -> Turn:
    """What was asked, as the trail keeps it: with the file of its picture, never the decoded one."""
    return Turn(
        picture=picture,
        key=asked.content_hash,
        reference=""
        if picture is None or clip_of(picture)
        else links.reference_of(searcher, picture, asked.content_hash),
        text=asked.query.content.text or "",
        search_in=searched(asked.query.target_modality),
        arithmetic=tuned.moved,
        narrowed=str(tuned.narrowed),
        reranked=tuned.reranked,
    )


def _stored(searchers: Searchers, example: Example, encoder: str) -> Shown:
    turn = Turn(text=example.text, search_in=example.search_in)
    if example.image is not None:
        turn = Turn(
            picture=example.image,
            key=content_hash(example.image),
            text=example.text,
            reference=f"query:{example.image.name}",
            search_in=example.search_in,
        )
    query, verdicts = handlers.make_query(example.image, example.text, example.search_in), searchers.verdicts(encoder)
    results = list(example.results) if verdicts is None else verdicts.judged(query, example.results)
    outcome = Outcome(results=results, notices=(), ms={})
    address = search_link.write(turn, links.collection_of(searchers, encoder), encoder, len(example.results))
    return _shown(outcome, (turn,), _asked_of(searchers, turn, encoder, SAVED), address)


def _shown(outcome: Outcome, trail: Trail, asked: cards.Asked, address: str) -> Shown:
    page = cards.results(outcome, asked)
    return page, Answered(trail[-1], asked.encoder), search_html.trail(trail), trail, address


def _asked_of(searchers: Searchers, turn: Turn, encoder: str, precision: str) -> cards.Asked:
    searcher = searchers.opened(encoder)
    if searcher is not None:
        return asked_of(searcher, turn, encoder, precision)
    return cards.Asked(  # a stored answer, which no model is opened for
        search_in=turn.search_in,
        encoder=encoder,
        precision=precision,
        total=total_of(searchers, encoder, turn.search_in),
        most=handlers.MAX_RESULTS,
        narrowed=narrow.read(turn.narrowed),
        reranked=turn.reranked,
    )


def _fingerprint(searchers: Searchers, encoder: Any) -> str:
    if not isinstance(encoder, str) or encoder not in searchers.folders:
        return ""
    return searchers.manifest(encoder).encoder
