"""The page in the frame that a Space is shown in: the address of the Hub's page follows what is on show."""

from __future__ import annotations

from urllib.parse import parse_qs

from playwright.sync_api import Page, expect

from tests.browser.conftest import Served

#: The Hub's page, as far as it matters here: it keeps what the frame tells it.
HUB = """<!doctype html><iframe src="ADDRESS" style="width:100%;height:90vh"></iframe><script>window.told = [];
addEventListener('message', (event) => { if (event.data?.queryString !== undefined) told.push(event.data.queryString);
});</script>"""


def test_the_address_of_the_hubs_page_follows_search_and_tab(visitor: Page, served: Served):
    visitor.context.grant_permissions(["local-network-access"])  # a page of the Hub frames one of this machine
    framed = HUB.replace("ADDRESS", f"{served.address}/?text=a+red+mug")
    visitor.route("https://huggingface.co/**", lambda route: route.fulfill(body=framed, content_type="text/html"))
    visitor.goto("https://huggingface.co/spaces/somebody/umr")
    page = visitor.frame_locator("iframe")
    expect(page.locator("#results .u-card").first).to_be_visible()
    page.locator("#q-text textarea").fill("a blue vase")
    page.locator("#q-go").click()
    visitor.wait_for_function("told.some((one) => one.includes('blue'))")
    page.locator("#tab-benchmarks-button").click()
    visitor.wait_for_function("told.at(-1).includes('tab=benchmarks')")
    last = parse_qs(visitor.evaluate("told.at(-1)"))
    assert (last["text"], last["tab"]) == (["a blue vase"], ["benchmarks"])
    assert visitor.evaluate("new URL(document.querySelector('iframe').src).search") == "?text=a+red+mug"
