"""A search carried to another tab: its own picture, words and kind, and nothing that a page must not show again."""

from __future__ import annotations

from pathlib import Path

import pytest

from umr.errors import UMRError
from umr.ui.handlers import Question
from umr.ui.parts.carry import carried


def test_picture_words_and_kind_are_carried_and_no_benchmark_query(uploads, upload):
    given = upload("images/03.png")
    question = Question(uploads=uploads, image=given, text=" in blue ", search_in="clips")
    assert carried(question) == [given["path"], "in blue", "clips", ""]
    assert carried(Question(uploads=uploads, text="red")) == [None, "red", "images", ""]


@pytest.mark.parametrize(
    "change",
    [
        {"image": {"path": str(Path(__file__))}},
        {"image": str(Path(__file__))},
        {"text": {"__type__": "update"}},
        {"search_in": {"__type__": "update"}},
        {"search_in": "cars"},
    ],
)
def test_nothing_else_is_carried(uploads, change):
    with pytest.raises(UMRError):
        carried(Question(uploads=uploads, **{"text": "red"} | change))
