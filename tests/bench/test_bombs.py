"""The bench of huge pictures: that its file is one, that it sees the peak and a lost request, and its exit status."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter

import pytest
from PIL import Image

from umr.bench import bombs
from umr.bench.bombs import ANSWERED, LOST, REFUSED, Peak, bomb, main, watched
from umr.errors import MismatchError


def test_the_bomb_is_a_small_file_of_many_pixels_of_sixteen_bits():
    data = bomb(2000)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode, image.size) == ("PNG", "I;16", (2000, 2000))
    assert image.getextrema() == (bombs.GREY, bombs.GREY) and 400 * len(data) < 2 * 2000 * 2000


def test_all_requests_run_at_once_and_the_memory_is_looked_at_meanwhile():
    together, seen = threading.Barrier(3), threading.Event()
    looks: list[float] = []

    def memory() -> float:
        looks.append(100.0 if not looks else 900.0 if not seen.is_set() else 250.0)
        if len(looks) > 1:
            seen.set()
        return looks[-1]

    def send(outcome: str) -> str:
        together.wait(timeout=30)  # passes only where all three are there
        assert seen.wait(timeout=30)
        return outcome

    found = watched([lambda: send(ANSWERED), lambda: send(ANSWERED), lambda: send(REFUSED)], memory, settle_s=0)
    assert (found.base, found.peak, found.afterwards) == (100.0, 900.0, 250.0)
    assert found.outcomes == {ANSWERED: 2, REFUSED: 1, LOST: 0}


def test_a_request_without_an_answer_is_lost(monkeypatch):
    monkeypatch.setattr(bombs, "PATIENCE_S", 0.05)
    never = threading.Event()
    found = watched([lambda: ANSWERED, lambda: str(never.wait(30))], lambda: 1.0, settle_s=0)
    never.set()
    assert found.outcomes == {ANSWERED: 1, LOST: 1}


@pytest.mark.parametrize(
    ("peak", "outcomes", "status"),
    [(1500.0, {ANSWERED: 6, REFUSED: 1}, 0), (1537.0, {ANSWERED: 7}, 1), (900.0, {ANSWERED: 6, LOST: 1}, 1)],
)
def test_the_command_prints_the_memory_and_fails_above_the_limit_or_for_a_lost_request(
    monkeypatch, capsys, peak, outcomes, status
):
    found = Peak(base=400.04, peak=peak, afterwards=600.0, outcomes=Counter(outcomes), seconds=2.0)
    monkeypatch.setattr(bombs, "bench_bombs", lambda *given: found if given == (4, 3) else None)
    assert main([]) == status
    row = json.loads(capsys.readouterr().out)
    assert (row["base_mib"], row["peak_mib"], row["limit_mib"]) == (400.0, peak, 1536) and row["requests"] == outcomes


def test_a_page_that_does_not_start_is_told_in_words(monkeypatch, capsys):
    def refused(*_):
        raise MismatchError("app.py ended with status 1")

    monkeypatch.setattr(bombs, "bench_bombs", refused)
    assert main([]) == 2 and "umr.bench.bombs: app.py ended with status 1" in capsys.readouterr().err
