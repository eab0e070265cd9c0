"""A part of a clip on the page: its card says its moments, and its player is given the part."""

from __future__ import annotations

from umr.types import Candidate, Content, Hit, Result
from umr.ui import render
from umr.ui.query_clip import frames_said
from umr.ui.results import cards, details_html

PART = Candidate(candidate_id="film.mp4#t=40,50", title="film",
                 content=Content(video="/data/film.mp4", span=(40.0, 50.0)))  # fmt: skip
WHOLE = Candidate(candidate_id="film.mp4", title="film", content=Content(video="/data/film.mp4"))


def card(candidate: Candidate) -> str:
    return str(cards.card(Result(hit=Hit(candidate.candidate_id, 0.5, 1), candidate=candidate)))


def test_a_card_says_the_moments_and_starts_there():
    page = card(PART)
    assert ">0:40 to 0:50</span>" in page and 'src="/gradio_api/file=/data/film.mp4#t=40,50"' in page
    assert 'aria-label="Open film, 0:40 to 0:50"' in page
    assert "u-moments" not in card(WHOLE) and 'src="/gradio_api/file=/data/film.mp4"' in card(WHOLE)


def test_the_details_name_the_part_and_say_that_its_frames_are_read():
    page = str(details_html.facts(PART, 8))
    assert "<h2>film, 0:40 to 0:50</h2>" in page and "film.mp4#t=40,50" in page
    assert "8 frames of this part of the clip (0:40 to 0:50) are read" in page
    assert "<h2>film</h2>" in (page := str(details_html.facts(WHOLE, 8))) and "8 frames of the clip are read" in page
    assert frames_said(4, (0.0, 1.5)).startswith("4 frames of this part of the clip (0:00 to 0:01.5)")


def test_every_small_view_of_a_part_shows_the_part():
    assert "#t=40,50" in str(render.media(PART)) and "#t=" not in str(render.media(WHOLE))
    assert render.name_of(PART) == "film, 0:40 to 0:50" and render.name_of(WHOLE) == "film"
    assert render.media_url("/a b/c#d.mp4", (1.0, 2.5)) == "/gradio_api/file=/a%20b/c%23d.mp4#t=1,2.5"
