"""What a browser and other sites take from the page: its icon, its card, its endpoints as they are called."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, arrive


def test_icon_and_card_are_the_pages_own_pictures(visitor: Page, served: Served):
    arrive(visitor, served)
    assert visitor.locator("head meta[property='og:image']").get_attribute("content") == f"{served.address}/card.png"
    sizes = visitor.evaluate("""async () => { const seen = [];
      for (const place of [document.querySelector('link[rel=icon]').href, '/card.png']) {
        const image = Object.assign(new Image(), { src: place });
        await image.decode();
        seen.push([image.naturalWidth, image.naturalHeight]);
      } return seen; }""")
    assert sizes[0][0] == sizes[0][1] > 0 and sizes[1] == [1200, 630]


def test_the_link_of_the_endpoints_shows_how_they_are_called(visitor: Page, served: Served):
    arrive(visitor, served)
    link = visitor.locator("#about a", has_text="how they are called")
    link.scroll_into_view_if_needed()
    link.click()
    for name in ("/search", "/search_text", "/compare", "/list_models", "/list_collections"):
        expect(visitor.get_by_text(name, exact=True).first).to_be_visible()
