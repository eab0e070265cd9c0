"""The models' cards in a real browser: one press of a model's name, wherever it stands, and one to put it away."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTEFACTS, Served, arrive

#: Tab -> where it offers the choice of a model, or says whose numbers it shows.
PLACES = {
    "search": "#scope",
    "compare": "#c-names",
    "diagnose": "#diagnose",
    "benchmarks": "#benchmarks",
    "files": "#f-names",
}


@pytest.mark.parametrize(("tab", "place"), PLACES.items())
def test_a_models_name_opens_its_card_and_escape_closes_it(visitor: Page, served: Served, tab: str, place: str):
    arrive(visitor, served, tab)
    name = visitor.locator(f"{place} .u-model:visible").first
    name.click()
    card = visitor.locator("#u-models .u-model-card:visible")
    expect(card).to_have_count(1)
    expect(card.locator("h2")).to_have_text(name.inner_text())
    for said in ("parameters", "steps", "How it was trained", "What it may be compared with", "apache-2.0"):
        expect(card).to_contain_text(said)
    assert visitor.evaluate("document.querySelector('#u-models').scrollWidth <= window.innerWidth")
    visitor.screenshot(path=ARTEFACTS / f"card-{tab}-{visitor.viewport_size['width']}.png")
    visitor.keyboard.press("Escape")
    expect(visitor.locator("#u-models")).to_be_hidden()


@pytest.mark.parametrize(("tab", "place"), [("search", "#scope"), ("compare", "#c-names"), ("files", "#f-names")])
def test_every_model_that_can_be_chosen_has_its_name_beside_the_choice(
    visitor: Page, served: Served, tab: str, place: str
):
    arrive(visitor, served, "compare")
    names = [name.strip() for name in visitor.locator("#c-models label").all_inner_texts()]
    arrive(visitor, served, tab)
    buttons = visitor.locator(f"{place} .u-model:visible")
    expect(buttons).to_have_text(names)
    if visitor.viewport_size["width"] < 640:
        sizes = buttons.evaluate_all("all => all.map((one) => one.getBoundingClientRect().toJSON())")
        assert all(min(size["width"], size["height"]) >= 44 for size in sizes), sizes
    for width in (visitor.viewport_size["width"], 320):
        visitor.set_viewport_size({"width": width, "height": 812})
        assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_names_of_the_tally_open_their_cards(visitor: Page, served: Served):
    arrive(visitor, served, "compare")
    visitor.locator("#c-blind input").check()
    visitor.locator("#c-random").click()
    visitor.locator("[data-vote=tie]").click()
    name = visitor.locator("#compare .u-tally tbody .u-model").first
    lines = """(one) => { const words = document.createRange(); words.selectNodeContents(one);
        return words.getClientRects().length; }"""
    assert name.evaluate(lines) == 1, "a name of one word is broken"
    visitor.set_viewport_size({"width": 320, "height": 812})
    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    name.click()
    expect(visitor.locator("#u-models .u-model-card:visible h2")).to_have_text(name.inner_text())


def test_back_closes_a_card_and_the_page_stays(visitor: Page, served: Served):
    arrive(visitor, served, "benchmarks")
    visitor.locator("#benchmarks .u-model:visible").first.click()
    dialog = visitor.locator("#u-models")
    for leave in (visitor.go_back, lambda: visitor.keyboard.press("Escape")):
        expect(dialog).to_be_visible()
        leave()
        expect(dialog).to_be_hidden()
        expect(visitor.locator("#tab-benchmarks-button")).to_have_attribute("aria-selected", "true")
        assert "tab=benchmarks" in visitor.url and not visitor.evaluate("history.state?.dialog")
        visitor.locator("#benchmarks .u-model:visible").first.click()


def test_unequal_training_is_said_where_models_stand_side_by_side(visitor: Page, served: Served):
    arrive(visitor, served, "compare")
    expect(visitor.locator("#c-about .u-equal > summary")).to_be_visible()
    arrive(visitor, served, "benchmarks")
    expect(visitor.locator("#benchmarks .u-equal > summary")).to_be_visible()
    expect(visitor.locator("#bench-pair .u-equal > summary")).to_be_visible()


def test_the_page_says_where_code_papers_and_endpoints_are(visitor: Page, served: Served):
    arrive(visitor, served)
    about = visitor.locator("#about")
    name = about.locator(".u-model").last
    name.click()
    expect(visitor.locator("#u-models .u-model-card:visible h2")).to_have_text(name.inner_text())
    visitor.keyboard.press("Escape")
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    about.locator("[data-copy-address]").click()
    expect(about.get_by_role("status")).to_have_text("Copied.")
    assert visitor.evaluate("navigator.clipboard.readText()") == f"{served.address}/gradio_api/mcp/"
    assert "mcp" not in visitor.url
    for said in ("2507.14902", "2510.15543", "/search_text", "/gradio_api/mcp/"):
        expect(about).to_contain_text(said)
    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
