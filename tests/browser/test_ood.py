"""The warning of Your files in a real browser: there for files far from the training, absent for the catalogue's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Served, arrive
from umr.eval import ood_samples
from umr.shipped import BUNDLED, default_root
from umr.ui.searchers import find_searchers

COUNT = 12


def test_every_model_on_offer_is_calibrated():
    """Without a calibration the tab claims nothing, and the other tests here would see no warning for that reason."""
    folders = find_searchers().folders.values()
    assert all((folder.parent / "reports" / "drift.json").is_file() for folder in folders)


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    arrive(visitor, served, "files")
    return visitor


def told(page: Page, files: Sequence[Path]) -> Locator:
    """What the tab says of the files' distance, after they were indexed."""
    page.set_input_files("#f-drop input[type=file]", files)
    expect(page.locator("#f-drop")).to_contain_text(files[-1].stem)
    page.locator("#f-go").click()
    expect(page.locator("#f-status")).to_contain_text("Ready to search")
    return page.locator("#f-status [data-drift]")


def test_files_unlike_the_training_are_met_with_a_warning_and_its_false_alarm_rate(page: Page, tmp_path: Path):
    drawn = [content.image for contents in ood_samples.contents("image", 3).values() for content in contents][:COUNT]
    files = [tmp_path / f"far-{number:02}.png" for number in range(len(drawn))]
    for file, pixels in zip(files, drawn, strict=True):
        Image.fromarray(pixels).save(file)
    warning = told(page, files)
    expect(warning).to_have_attribute("data-drift", "far")
    expect(warning).to_contain_text("far from what the model was trained on")
    expect(warning).to_contain_text("expect weak results")
    assert "false for" in warning.inner_text() and "%" in warning.inner_text()


def test_the_catalogues_own_pictures_raise_no_alarm(page: Page):
    pictures = sorted((default_root() / "media" / BUNDLED / "files" / "images").iterdir())
    calm = told(page, pictures[:: len(pictures) // COUNT][:COUNT])
    expect(calm).to_have_attribute("data-drift", "near")
    assert "far from" not in page.locator("#f-status").inner_text()
