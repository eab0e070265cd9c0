"""What once caught a visitor, in a real browser: the camera, narrow windows, pale handles, a cancel, a photograph."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Served, arrive, open_drawer, settle, visit
from umr.eval import ood_samples
from umr.eval.familiar import UNLIKE
from umr.shipped import BUNDLED, default_root

#: Stands for the device: a camera that shows an empty picture, or the browser's refusal of one.
CAMERA = """(() => { const canvas = document.createElement('canvas'); canvas.getContext('2d').fillRect(0, 0, 300, 150);
  navigator.mediaDevices.getUserMedia = async () => { GIVEN };
  navigator.mediaDevices.enumerateDevices =
    async () => [{ deviceId: '1', kind: 'videoinput', label: 'camera' }]; })()"""


@pytest.fixture
def page(visitor: Page) -> Page:
    return visitor


@pytest.fixture
def window(browser: Browser) -> Iterator[Page]:
    """A page whose width the test sets."""
    with visit(browser, "desktop", dark=False) as opened:
        yield opened


def turn_on_camera(page: Page, bar: str) -> None:
    page.locator(f"#{bar}-image [aria-label='Capture from camera']").click()
    page.locator(f"#{bar}-image [title='grant webcam access'] button").click()


@pytest.mark.parametrize(("tab", "bar"), [("search", "q"), ("compare", "c")])
def test_the_camera_can_be_left_again(page: Page, served: Served, tab: str, bar: str):
    page.add_init_script(CAMERA.replace("GIVEN", "return canvas.captureStream();"))
    arrive(page, served, tab)
    turn_on_camera(page, bar)
    expect(page.locator(f"#{bar}-image [aria-label='capture photo'], #{bar}-image .button-wrap").first).to_be_visible()
    leave = page.locator(f"#{bar}-image [aria-label='Upload file']")
    expect(leave).to_be_visible()
    leave.click()
    expect(page.locator(f"#{bar}-image button.upload-container")).to_be_visible()
    expect(page.locator(f"#{bar}-image video")).to_have_count(0)
    expect(page.locator(".u-camera")).to_have_count(0)


def test_a_camera_that_cannot_be_used_is_told_in_words_and_the_bar_takes_files_again(page: Page, served: Served):
    page.add_init_script(CAMERA.replace("GIVEN", "throw new DOMException('', window.refusal);"))
    arrive(page, served)
    for refusal, words in (
        ("NotFoundError", "No camera was found"),
        ("NotAllowedError", "may not use the camera"),
        ("NotReadableError", "cannot be used now"),
    ):
        page.evaluate("(name) => { window.refusal = name; }", refusal)
        turn_on_camera(page, "q")
        expect(page.locator(".u-camera")).to_have_count(1)
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.get_by_role("alert")).to_contain_text("upload a picture")
        expect(page.locator("#q-image button.upload-container")).to_be_visible()
    page.locator("#q-image [aria-label='Capture from camera']").click()
    expect(page.locator(".u-camera")).to_have_count(0)


def test_a_file_dropped_beside_a_box_does_not_take_the_pages_place(page: Page, served: Served):
    arrive(page, served)
    prevented = page.evaluate("""() => ['dragover', 'drop'].map((name) => {
      const carried = new DataTransfer(); carried.items.add(new File(['x'], 'a.png', { type: 'image/png' }));
      const event = new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: carried });
      document.querySelector('#intro').dispatchEvent(event); return event.defaultPrevented; })""")
    assert prevented == [True, True]


#: Elements of a kind that reach out of their box, or out of what it shows of them, as text.
CUT = """([inner, outer]) => [...document.querySelectorAll(inner)].filter((part) => part.offsetParent)
  .filter((part) => {
  const a = part.getBoundingClientRect(), b = part.closest(outer).getBoundingClientRect();
  return a.left < b.left - 0.5 || a.right > b.right + 0.5 ||
    part.scrollWidth > part.clientWidth + 1 && part.clientWidth;
}).map((part) => part.textContent)"""


@pytest.mark.parametrize(("tab", "bar"), [("search", "q"), ("compare", "c")])
def test_every_kind_is_whole_in_a_window_of_any_width(window: Page, served: Served, tab: str, bar: str):
    arrive(window, served, tab)
    expect(window.locator(f"#{bar}-kind label")).to_have_count(5)
    for width in (320, 375, 640, 641, 700, 768, 980, 981, 1000):
        window.set_viewport_size({"width": width, "height": 900})
        settle(window)
        assert window.evaluate(CUT, [f"#{bar}-kind label", f"#{bar}-kind .wrap"]) == [], width
        assert window.evaluate(CUT, [f"#{bar}-kind .wrap", f"#{bar}-bar"]) == [], width
        assert window.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width


def test_scores_are_whole_on_the_smallest_phone(window: Page, served: Served):
    window.set_viewport_size({"width": 320, "height": 700})
    window.goto(f"{served.address}/?text=a+red+mug&in=all&k=24")
    expect(window.locator("#results .u-card")).to_have_count(24)
    assert window.evaluate(CUT, ["#results .u-score", ".u-body"]) == []
    assert window.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def luminance(colour: np.ndarray) -> float:
    part = colour[:3] / 255
    return float(np.where(part <= 0.03928, part / 12.92, ((part + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_sliders_handle_stands_out(browser: Browser, served: Served, dark: bool):
    """Contrast of 3 to 1 at least, of the handle in the middle with what is around the slider (WCAG 1.4.11)."""
    with visit(browser, "desktop", dark) as page:
        arrive(page, served)
        open_drawer(page)
        slider = page.locator("#q-balance input[type=range]")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        clip = {"x": box["x"] - 2, "y": box["y"] - 8, "width": box["width"] + 4, "height": box["height"] + 16}
        shot = np.array(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"), np.float64)
        lights = sorted(map(luminance, (shot[shot.shape[0] // 2, shot.shape[1] // 2], shot[1, shot.shape[1] // 2])))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 3


def test_a_cancel_is_told_as_what_happened(page: Page, served: Served, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as packed:
        for number in range(450):
            picture = io.BytesIO()
            Image.new("RGB", (96, 96), (number % 256, number // 2, 90)).save(picture, "PNG")
            packed.writestr(f"{number}.png", picture.getvalue())
    arrive(page, served, "files")
    page.set_input_files("#f-drop input[type=file]", tmp_path / "many.zip")
    expect(page.locator("#f-drop")).to_contain_text("many")
    page.locator("#f-go").click()
    page.locator("#f-cancel").click()
    status = page.locator("#f-status")
    expect(status).to_contain_text("Nothing of these files was kept")
    expect(status).not_to_contain_text("did not work")
    expect(status.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#f-go")).to_be_visible()


def show(page: Page, picture: Path, text: str) -> None:
    page.set_input_files("#q-image input[type=file]", picture)
    expect(page.locator("#q-image img")).to_be_visible()
    page.locator("#q-text textarea").fill(text)
    page.locator("#q-go").click()
    expect(page.locator("#results .u-card")).to_have_count(24)


def test_a_picture_unlike_the_training_is_told_beside_the_results_and_gets_no_suggestions(
    page: Page, served: Served, tmp_path: Path
):
    Image.fromarray(ood_samples.contents("image", 1)["landscapes"][0].image).save(tmp_path / "landscape.png")
    arrive(page, served)
    show(page, tmp_path / "landscape.png", "at night")
    of_picture = page.locator("#results .u-notice", has_text=UNLIKE)  # the words are unlike the catalogue's too
    expect(of_picture).to_contain_text("% are called so by mistake")
    expect(page.locator("#suggestions")).to_contain_text("No suggestions for this picture")
    expect(page.locator(".u-chip")).to_have_count(0)


def test_a_catalogue_picture_is_not_told_of(page: Page, served: Served):
    arrive(page, served)
    show(page, min((default_root() / "media" / BUNDLED / "files" / "images").iterdir()), "in blue")
    expect(page.locator("#results .u-notice")).to_have_count(0)
    expect(page.locator(".u-chip").first).to_be_visible()
