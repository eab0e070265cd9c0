"""The Compare tab in a real browser: columns, the same item everywhere, the vote, the downloads, a phone's switch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Served, arrive, visit
from umr.eval import evaluate
from umr.shipped import BUNDLED, default_root
from umr.ui.compare.votes import FILE
from umr.ui.queries import task_name


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    arrive(visitor, served, "compare")
    return visitor


def random_query(page: Page, task: str = "") -> None:
    if task:
        page.locator("#c-task input").click()
        page.get_by_role("option", name=task, exact=True).click()
    page.locator("#c-random").click()
    expect(page.locator("#compare .u-cell").first).to_be_attached()


def test_a_random_benchmark_query_is_compared_with_its_targets_known(page: Page):
    random_query(page)
    models = page.locator("#c-models input").count()
    expect(page.locator("#compare .u-column")).to_have_count(models)
    expect(page.locator("#compare .u-asked")).to_contain_text("Benchmark query")
    expect(page.locator("#compare .u-column:visible .u-recall").first).to_contain_text(
        re.compile("Found at rank|Not in the first 100")
    )
    expect(page.locator("#compare .u-answers .u-answer").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_columns_are_aligned_by_rank_or_chosen_by_the_switch(page: Page):
    random_query(page)
    columns = page.locator("#compare .u-column")
    if page.viewport_size["width"] > 640:
        tops = columns.evaluate_all("""all => all.map((column) => [...column.querySelectorAll('.u-cell')].map(
            (cell) => cell.getBoundingClientRect().top))""")
        assert all(other == pytest.approx(tops[0], abs=0.5) for other in tops[1:])
        return
    expect(columns.nth(0)).to_be_visible()
    expect(columns.nth(1)).to_be_hidden()
    page.locator("#compare [data-show='1']").click()
    expect(columns.nth(1)).to_be_visible()
    expect(columns.nth(0)).to_be_hidden()


def test_the_same_item_is_outlined_in_every_column_and_arrows_move(page: Page):
    random_query(page, task_name("it2i"))
    first = page.locator("#compare .u-cell:visible").first
    page.mouse.move(0, 0)
    first.focus()
    same = page.locator(f"#compare .u-cell[data-id='{first.get_attribute('data-id')}']")
    expect(page.locator("#compare .u-same")).to_have_count(same.count())
    page.keyboard.press("ArrowDown")
    cells = page.locator("#compare .u-column:visible").first.locator(".u-cell")
    expect(cells.nth(1)).to_be_focused()
    opened_with_keys_and_closed_by_back(page, cells)


def opened_with_keys_and_closed_by_back(page: Page, cells: Locator) -> None:
    """From the second cell of a column, which has the focus: its details, the next one's, and back."""
    sheet, before = page.locator("#c-details"), page.url
    page.keyboard.press("Enter")
    expect(sheet.locator("[data-close]")).to_be_focused()
    expect(sheet.locator(".u-place")).to_have_text("2 of 10")
    assert sheet.locator(".u-details-media img").evaluate("image => image.getBoundingClientRect().width") > 300
    expect(sheet).to_contain_text("Rank 2 of")
    expect(page.locator("#c-details-reasons .u-bars").first.locator("li")).to_have_count(3)
    expect(page.locator("#c-details-ranks tbody tr")).to_have_count(page.locator("#c-models input").count())
    page.keyboard.press("ArrowRight")
    expect(sheet.locator(".u-place")).to_have_text("3 of 10")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(cells.nth(2)).to_be_focused()
    cells.first.locator("img").click()
    expect(sheet.locator("[data-step='-1']")).to_be_disabled()
    page.go_back()
    expect(sheet).to_be_hidden()
    assert page.url == before


def test_a_blind_vote_reveals_the_names_and_is_counted(page: Page, served: Served):
    votes = served.cache / FILE
    page.locator("#c-blind input").check()
    random_query(page)
    names = page.locator("#c-models label").all_inner_texts()
    expect(page.locator("#compare h3")).to_have_text(["A", "B"])
    assert not [name for name in names if name.strip() in page.locator("#compare").inner_html()]
    expect(page.locator("#compare .u-asked")).to_contain_text("shown after your vote")
    expect(page.locator("#compare :is(.u-is-target, .u-right, .u-recall, .u-score)")).to_have_count(0)
    page.locator("#compare .u-cell:visible").first.press("Enter")
    sheet = page.locator("#c-details")
    expect(sheet).to_contain_text("Rank 1 of A")
    expect(sheet).to_contain_text("come after your vote")
    expect(sheet.locator(".u-waiting")).to_have_count(1)  # nothing more comes
    assert not [name for name in names if name.strip() in sheet.inner_html()]
    page.keyboard.press("Escape")
    before = len(votes.read_text("utf-8").splitlines()) if votes.is_file() else 0
    page.locator("[data-vote=tie]").click()
    expect(page.locator("#compare .u-voted")).to_contain_text("equally good")
    expect(page.locator("#compare .u-tally tbody tr").first).to_be_visible()
    expect(page.locator("#compare .u-recall")).to_have_count(2)
    rows = [json.loads(line) for line in votes.read_text("utf-8").splitlines()]
    assert (
        len(rows) == before + 1 and rows[-1]["vote"] == "tie" and set(rows[-1]) == {"query", "a", "b", "vote", "time"}
    )


def test_of_two_comparisons_asked_at_once_the_later_one_stays_and_takes_the_vote(page: Page, served: Served):
    votes = served.cache / FILE
    random_query(page)
    before = len(votes.read_text("utf-8").splitlines()) if votes.is_file() else 0
    first = page.locator("#c-text textarea").input_value()
    page.locator("#c-blind input").check()  # compares what is shown, without names
    page.locator("#c-random").click()
    expect(page.locator("#c-text textarea")).not_to_have_value(first)
    expect(page.locator("#compare [data-battle]")).to_be_visible()
    asked = page.locator("#c-text textarea").input_value()
    expect(page.locator("#compare .u-compared")).to_contain_text(asked)
    page.wait_for_timeout(1500)  # in which the earlier one's answer would come
    expect(page.locator("#compare .u-compared")).to_contain_text(asked)
    page.locator("[data-vote=bad]").click()
    expect(page.locator("#compare .u-voted")).to_contain_text("both")
    assert len(votes.read_text("utf-8").splitlines()) == before + 1


def test_after_a_vote_enter_begins_the_next_battle_and_the_votes_are_saved(page: Page, served: Served, tmp_path: Path):
    page.locator("#c-blind input").check()
    random_query(page)
    expect(page.locator("#compare .u-compared")).to_contain_text("Exactly two")
    first = page.locator("#c-text textarea").input_value()
    page.locator("[data-vote=a]").click()
    expect(page.locator("#compare .u-tally tbody")).to_contain_text(re.compile(r"\d+ % \(\d+ to \d+\)"))
    expect(page.locator("#compare .u-tally")).to_contain_text("would be lost")
    with page.expect_download() as waiting:
        page.locator("[data-export=votes]").click()
    waiting.value.save_as(tmp_path / "votes.jsonl")
    assert (tmp_path / "votes.jsonl").read_text("utf-8") == (served.cache / FILE).read_text("utf-8")
    page.locator("#compare [data-next]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#compare [data-vote=a]")).to_be_visible()
    expect(page.locator("#compare h3")).to_have_text(["A", "B"])
    expect(page.locator("#compare :is(.u-answers, .u-recall, .u-timing, .u-score, .u-is-target)")).to_have_count(0)
    expect(page.locator("#c-text textarea")).not_to_have_value(first)


def test_parts_of_a_model_stand_beside_it(page: Page):
    for model in page.locator("#c-models label").all()[1:]:
        model.click()
    for part in page.locator("#c-parts label").all():
        part.click()
    random_query(page)
    expect(page.locator("#compare .u-column h3")).to_have_text(
        [re.compile("^[a-z]+$"), re.compile("picture only"), re.compile("text only"), re.compile("vector sum")]
    )
    expect(page).to_have_url(re.compile(r"c-models=\w+%2C\w+%2Bpicture"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_where_the_models_disagree_some_are_right_first_and_some_are_not(page: Page):
    page.locator("#c-differ").click()
    expect(page.locator("#compare .u-places li").first).to_be_attached()
    places = page.locator("#compare .u-places span").all_inner_texts()
    assert 0 < sum(place == "found at rank 1" for place in places) < len(places), places


def test_queries_of_every_task_of_the_benchmark_are_drawn_with_their_right_answer_at_the_head(page: Page):
    page.locator("#c-task input").click()
    options = page.get_by_role("listbox").get_by_role("option")
    offered = [one.strip() for one in options.all_inner_texts()]
    options.last.click()
    pairs = evaluate.all_tasks_and_splits(default_root() / "media" / BUNDLED)
    assert sorted(offered[1:]) == sorted({task_name(task) for task, _ in pairs}) and len(offered) > 8
    asked = [one for one in offered[1:] if not one.startswith("picture + text")]
    for name, button in [*((one, "#c-random") for one in asked), *((one, "#c-differ") for one in asked[::3])]:
        page.locator("#c-task input").click()
        page.get_by_role("option", name=name, exact=True).click()
        page.locator(button).click()
        expect(page.locator("#compare .u-asked")).to_contain_text(name)
        expect(page.locator("#compare .u-answers .u-answer").first).to_be_visible()
        expect(page.locator("#compare .u-recall").first).to_be_attached()
    places = page.locator("#compare .u-places span").all_inner_texts()
    assert 0 < sum(place == "found at rank 1" for place in places) < len(places), places
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_comparison_is_downloaded_as_a_picture_and_as_json(page: Page, tmp_path: Path):
    random_query(page)
    for kind in ("png", "json"):
        with page.expect_download() as waiting:
            page.locator(f"[data-export={kind}]").click()
        assert waiting.value.suggested_filename == f"comparison.{kind}"
        waiting.value.save_as(tmp_path / f"comparison.{kind}")
    assert Image.open(tmp_path / "comparison.png").width > 1000
    told = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert len(told["models"]) == page.locator("#compare .u-column").count() and told["benchmark"]


def test_a_report_is_saved_of_the_best_two_or_of_those_that_are_compared(page: Page):
    pair = page.locator("#c-report select")
    expect(pair).to_have_value("contrastive|unified")
    assert page.evaluate("scrollY") == 0  # nothing was asked that could come into view
    page.locator("#c-models label").filter(has_text="contrastive").click()
    compare(page, "a red mug")
    expect(pair).to_have_value("mca|unified")
    if page.viewport_size["width"] < 640:
        expect(pair).to_be_in_viewport()
    pair.select_option("mca|contrastive")
    compare(page, "a blue vase")
    expect(pair).to_have_value("mca|contrastive")  # chosen since those models were compared
    save = page.locator("#c-report [data-report]")
    with page.expect_download() as waiting:
        save.click()
        expect(save).to_have_attribute("aria-busy", "true")
    assert waiting.value.suggested_filename == "report-mca-contrastive.html"
    expect(save).not_to_have_attribute("aria-busy", "true")


def test_a_link_opens_the_comparison_of_a_benchmark_query(page: Page, served: Served):
    query = evaluate.load(default_root() / "media" / BUNDLED, "it2i", "ind").queries[4]
    link = {"tab": "compare", "q": query.query_id, "task": "it2i", "split": "ind"}
    page.goto(f"{served.address}/?{urlencode(link)}")
    expect(page.locator("#compare .u-asked")).to_contain_text(query.query_id)
    expect(page.locator("#c-text textarea")).to_have_value(query.content.text)


def test_the_tabs_link_reopens_its_own_query_models_and_comparison(page: Page, browser: Browser):
    random_query(page)
    first = page.locator("#c-models label").first
    dropped = page.locator("#c-models input").count() > 2
    if dropped:
        first.click()
        expect(page.locator("#compare .u-column")).to_have_count(page.locator("#c-models input").count() - 1)
    page.locator("#c-text textarea").fill("the same in blue & red")  # no longer the benchmark's own words
    page.locator("#c-go").click()
    expect(page).to_have_url(re.compile("c-text=the"))
    expect(page.locator("#compare .u-asked")).to_have_count(0)
    shown = page.locator("#compare .u-cell").evaluate_all("cells => cells.map((cell) => cell.dataset.id)")
    with visit(browser, "desktop", dark=False) as again:
        again.goto(page.url)
        expect(again.locator("#compare .u-cell").first).to_be_attached()
        assert again.locator("#compare .u-cell").evaluate_all("cells => cells.map((cell) => cell.dataset.id)") == shown
        expect(again.locator("#tab-compare-button")).to_have_attribute("aria-selected", "true")
        expect(again.locator("#c-text textarea")).to_have_value("the same in blue & red")
        expect(again.locator("#c-image img")).to_be_visible()
        expect(again.locator("#c-models input").first).to_be_checked(checked=not dropped)
        expect(again).to_have_url(page.url)


def test_the_answer_of_a_comparison_comes_into_view(page: Page):
    page.locator("#c-text textarea").fill("a red mug")
    page.locator("#c-go").click()
    expect(page.locator("#compare .u-cell").first).to_be_attached()
    page.wait_for_function(
        "(() => { const top = document.querySelector('#compare').getBoundingClientRect().top;"
        "return top >= 0 && top <= innerHeight * .75; })()"
    )


def compare(page: Page, text: str) -> list[str]:
    """Compares on words; the ids of all cells."""
    page.locator("#c-text textarea").fill(text)
    page.locator("#c-go").click()
    expect(page.locator("#compare .u-compared h2")).to_contain_text(text)
    expect(page).to_have_url(re.compile(f"c-text={text.replace(' ', '.')}"))
    return cells(page)


def cells(page: Page) -> list[str]:
    return page.locator("#compare .u-cell").evaluate_all("cells => cells.map((cell) => cell.dataset.id)")


def test_two_comparisons_are_two_steps_of_the_browser(page: Page):
    found = {text: compare(page, text) for text in ("a red mug", "a blue vase")}
    page.locator("#c-models label").last.click()  # another choice of models is none
    expect(page.locator("#compare .u-column")).to_have_count(page.locator("#c-models input").count() - 1)
    for step, text in ((page.go_back, "a red mug"), (page.go_forward, "a blue vase"), (page.go_back, "a red mug")):
        step()
        expect(page.locator("#compare .u-compared h2")).to_contain_text(text)
        expect(page.locator("#c-text textarea")).to_have_value(text)
        shown = cells(page)
        assert shown and shown == found[text][: len(shown)]
        assert len(shown) == len(found[text]) - 10 * (text == "a blue vase")
    page.go_back()
    expect(page.locator("#compare .u-cell")).to_have_count(0)
    expect(page.locator("#c-text textarea")).to_have_value("")
    page.go_forward()
    expect(page.locator("#compare .u-compared h2")).to_contain_text("a red mug")
    assert page.get_by_role("alert").count() == 0


def test_an_empty_comparison_is_explained_in_words(page: Page):
    page.locator("#c-go").click()
    expect(page.locator("#compare [role=alert]")).to_contain_text("Give a picture, a text, or both")


def test_a_search_is_carried_over_with_its_own_picture(visitor: Page, served: Served, browser: Browser, tmp_path: Path):
    arrive(visitor, served)
    Image.effect_noise((90, 60), 80).convert("RGB").save(tmp_path / "own.png")
    expect(visitor.locator("#q-compare")).to_be_hidden()
    visitor.set_input_files("#q-image input[type=file]", tmp_path / "own.png")
    expect(visitor.locator("#q-image img").first).to_be_visible()
    visitor.locator("#q-text textarea").fill("in blue")
    visitor.locator("#q-go").click()
    expect(visitor.locator("#results .u-card").first).to_be_visible()
    visitor.locator("#q-compare").click()
    expect(visitor.locator("#tab-compare-button")).to_have_attribute("aria-selected", "true")
    expect(visitor.locator("#compare .u-cell").first).to_be_attached()
    expect(visitor.locator("#c-text textarea")).to_have_value("in blue")
    expect(visitor.locator("#c-image img").first).to_be_visible()
    expect(visitor).to_have_url(re.compile("c-text=in"))
    an_own_picture_of_a_comparison_stays_its_owners(visitor, browser)


def an_own_picture_of_a_comparison_stays_its_owners(page: Page, browser: Browser) -> None:
    """From a comparison on the words "in blue": Back and Forward, a reload, and another visitor with the address."""
    own, found = page.locator("#c-image .image-frame img"), cells(page)
    assert compare(page, "in red") != found
    page.wait_for_function("history.state?.compared")
    page.go_back()
    expect(page.locator("#c-text textarea")).to_have_value("in blue")
    expect(page.locator("#compare .u-compared h2")).to_contain_text("in blue")
    expect(own).to_have_js_property("naturalWidth", 90)
    assert cells(page) == found
    page.reload()
    expect(page.locator("#compare .u-compared h2")).to_contain_text("in blue")
    expect(own).to_have_js_property("naturalWidth", 90)
    assert cells(page) == found and page.get_by_role("alert").count() == 0
    assert "own.png" not in page.url and "kept" not in page.url
    with visit(browser, "desktop", dark=False) as other:
        other.goto(page.url)
        expect(other.get_by_role("alert").first).to_contain_text("owner's own")
        expect(other.locator("#c-image .image-frame img")).to_have_count(0)
        expect(other.locator("#compare .u-cell")).to_have_count(0)
    page.locator("#tab-search-button").click()  # its own picture is there too
    expect(page.locator("#q-image .image-frame img")).to_have_js_property("naturalWidth", 90)
    expect(page.locator("#results .u-card").first).to_be_visible()
