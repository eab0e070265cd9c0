"""A clip as the query in a real browser: dropped, shown by its frames, searched with, there again after a reload."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, arrive
from tests.browser.test_query_picture import CARRY, FRAME
from umr.shipped import BUNDLED, default_root

CLIP = min((default_root() / "media" / BUNDLED / "files" / "clips").glob("*.mp4"))


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    arrive(visitor, served)
    return visitor


def test_a_dropped_clip_is_searched_with_and_survives_a_reload(page: Page):
    expect(page.locator("#q-image input[type=file]").first).to_have_attribute("accept", "image/*,video/*")
    page.evaluate(CARRY, ["drop", "#examples", list(CLIP.read_bytes()), "mine.mp4", "video/mp4"])
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 640)
    expect(page.locator("#suggestions")).to_contain_text("8 frames of the clip are read, evenly spaced")
    page.locator("#q-go").click()
    expect(page.locator("#results .u-card").first).to_be_visible()
    expect(page.locator("#results")).to_contain_text("no clip in a query")
    assert "picture=own" in page.url and "mine" not in page.url
    said = page.locator("#trail .u-copy-link .u-muted")
    expect(said).to_contain_text("Your own picture stays here")
    assert said.bounding_box()["height"] < 50  # two lines at the most, also on a phone
    page.locator(FRAME).click()
    expect(page.locator("#u-crop")).to_have_count(0)
    page.reload()
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 640)
    expect(page.locator("#results")).to_contain_text("no clip in a query")


def test_the_details_of_a_clip_say_which_moments_are_read(visitor: Page, served: Served):
    arrive(visitor, served, query="&text=a+red+mug&in=clips")
    visitor.locator("#results [data-details]").first.click()
    expect(visitor.locator("#details .u-frames")).to_have_text(
        re.compile(r"8 frames are read, at about 0\.0(, \d+\.\d){7} s")
    )


def test_a_part_of_a_clip_is_played_from_its_start_and_its_moments_are_told(visitor: Page, served: Served):
    arrive(visitor, served, query="&text=a+red+mug&in=clips")
    card = visitor.locator("#results .u-card-video").first
    card.locator("video").evaluate("(video) => { video.src += '#t=0.3,0.6'; video.load(); }")
    card.hover()
    visitor.wait_for_function(  # a third of a second may have been played by now
        "() => ((v) => v.paused && v.currentTime > .5)(document.querySelector('#results .u-card-video video'))"
    )
    ended, length = card.locator("video").evaluate("(video) => [video.currentTime, video.duration]")
    assert 0.55 <= ended < length - 0.3  # a browser stops a little late
    again = card.locator("video").evaluate("(video) => { umr.playClip(video); return video.currentTime; }")
    assert abs(again - 0.3) < 0.05
    card.locator("[data-details]").first.click()
    shown = visitor.locator("#details .u-details-media video")
    shown.evaluate("(video) => { video.src += '#t=40,50'; umr.clip.timed(document.querySelector('#details')); }")
    expect(visitor.locator("#details .u-frames")).to_have_text(
        re.compile(r"8 frames are read, at about 40\.0, 41\.4, ")
    )
    shown.evaluate(
        "(v) => { v.src = v.src.replace('40,50', '600,607'); umr.clip.timed(document.querySelector('#details')); }"
    )
    expect(visitor.locator("#details .u-frames")).to_have_text(re.compile(r"at about 10:00\.0, 10:01\.0, .*10:07\.0\."))


def test_a_broken_clip_is_refused_at_once(page: Page, tmp_path: Path):
    (tmp_path / "broken.mp4").write_bytes(CLIP.read_bytes()[:40])
    page.set_input_files("#q-image input[type=file]", tmp_path / "broken.mp4")
    expect(page.locator("#q-refused [role=alert]")).to_contain_text("broken.mp4")
    expect(page.locator(FRAME)).to_have_count(0)
