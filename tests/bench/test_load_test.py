"""The load bench: that it sees an error, another's answer and growing memory, and stays on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest

from tests.ui.test_metrics import values
from umr.bench import load_test
from umr.bench.load_test import Asked, Tally, alone, failures, report, same, together
from umr.errors import ConfigError, MismatchError
from umr.ui.metrics import OBSERVED

MINE, OTHER = (("a", 0.9), ("b", 0.8)), (("c", 0.7), ("d", 0.6))


def judged(*texts: str) -> SimpleNamespace:
    queries = [SimpleNamespace(content=SimpleNamespace(text=text, image=None)) for text in texts]
    return SimpleNamespace(task="t2i", queries=queries)


def test_every_user_gets_a_query_with_an_answer_of_its_own():
    answers = {"one": MINE, "same again": MINE, "none": (), "two": OTHER}
    asked = alone(lambda text, image: answers[text], judged(*answers), 2)
    assert [item.text for item in asked] == ["one", "two"]
    with pytest.raises(MismatchError, match="only 2"):
        alone(lambda text, image: answers[text], judged(*answers), 3)


def test_right_answers_are_counted_with_their_time():
    tally = together([lambda text, image: MINE] * 3, [Asked("a", None, MINE)] * 3, 0.2, os.getpid())
    assert len(tally.ms) > 3 and not tally.errors and not tally.wrong
    assert tally.memory_mib and all(memory > 1 for _, memory in tally.memory_mib)


def test_the_answer_of_another_user_is_seen():
    tally = together([lambda text, image: OTHER], [Asked("mine", None, MINE)], 0.05, None)
    assert tally.wrong and set(tally.wrong) == {"mine"}


def test_an_error_is_counted_and_the_user_goes_on():
    calls = []

    def ask(text: str, image: str | None):
        calls.append(threading.get_ident())
        if len(calls) == 1:
            raise ValueError("the queue is full")
        return MINE

    tally = together([ask], [Asked("a", None, MINE)], 0.05, None)
    assert tally.errors == ["ValueError: the queue is full"] and tally.ms


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        ((("a", 0.90001), ("b", 0.79999)), True),  # another batch
        ((("a", 0.9), ("x", 0.8)), True),  # a tie at the edge
        ((("a", 0.9),), False),
        ((("a", 0.9), ("b", 0.7)), False),
        ((("x", 0.9), ("y", 0.8)), False),
    ],
)
def test_answers_are_compared_by_scores_and_ids(other, equal):
    assert same(MINE, other) is equal


def test_the_report_says_growth_of_the_second_half_and_percentiles():
    memory = [(float(n), 100.0 + min(n, 50)) for n in range(100)]
    row = report(Tally(ms=list(range(1, 101)), memory_mib=memory, elapsed_s=20.0, cpu_s=5.0), 4)
    assert (row["per_second"], row["cpu_ms"], row["seconds"]) == (5.0, 50.0, 20.0)
    assert (row["p50_ms"], row["p95_ms"], row["searches"], row["errors"]) == (50.5, 95.0, 100, 0)
    assert row["memory_start_mib"] == 104.5 and row["memory_end_mib"] == 150.0
    assert row["growth_second_half_mib"] == 0.0


def test_a_report_without_any_answer_says_so():
    row = report(Tally(errors=["x"]), 1)
    assert row["p50_ms"] is None and row["memory_end_mib"] is None and row["first_errors"] == ["x"]
    assert row["per_second"] is None and row["cpu_ms"] is None


def test_rounds_of_the_same_users_add_up():
    tally = Tally()
    tally.add(Tally(ms=[1.0], memory_mib=[(0.5, 100.0)], elapsed_s=2.0, cpu_s=0.1))
    tally.add(Tally(ms=[3.0], errors=["x"], wrong=["y"], memory_mib=[(0.5, 110.0)], elapsed_s=2.0, cpu_s=0.3))
    assert (tally.ms, tally.errors, tally.wrong) == ([1.0, 3.0], ["x"], ["y"])
    assert tally.memory_mib == [(0.5, 100.0), (2.5, 110.0)]
    assert (report(tally, 1)["per_second"], report(tally, 1)["cpu_ms"]) == (0.5, 200.0)


def test_the_time_of_processors_is_that_of_the_process():
    before, until = load_test.processor_s(os.getpid()), time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert 0.15 < load_test.processor_s(os.getpid()) - before < 5


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (Tally(ms=[1.0], memory_mib=[(n, 100.0) for n in range(100)]), []),
        # it grew only while it warmed up
        (Tally(ms=[1.0], memory_mib=[(n, 100.0 + min(n, 50)) for n in range(100)]), []),
        (Tally(ms=[1.0], memory_mib=[(n, 100.0 + n) for n in range(100)]), ["memory grew by 40.0 MiB"]),
        (Tally(ms=[1.0], errors=["full"]), ["1 errors and 0 results of others; the first: ['full']"]),
        (Tally(ms=[1.0], wrong=["red"]), ["0 errors and 1 results of others"]),
        (Tally(), ["nobody got an answer"]),
    ],
)
def test_an_error_a_mix_up_a_leak_and_silence_speak_against_the_page(tally, words):
    found = failures(report(tally, 4))
    assert len(found) == len(words) and all(said.startswith(word) for said, word in zip(found, words, strict=True))


@pytest.mark.parametrize(
    "url", ["http://example.org", "http://10.0.0.1:7860", "localhost:7860", "http://127.0.0.1.example.org"]
)
def test_only_this_machine_is_loaded(url):
    with pytest.raises(ConfigError, match="not on this machine"):
        load_test.bench_load(judged("a"), 1, 1.0, url)


@pytest.mark.parametrize(("users", "seconds"), [(0, 10), (1000, 10), (4, 0), (4, float("nan"))])
def test_settings_outside_their_limits_are_refused(users, seconds):
    with pytest.raises(ConfigError, match="give 1 to 256 users"):
        load_test.bench_load(judged("a"), users, seconds)


def test_memory_is_of_the_process_and_its_children():
    holds = "held = b'x' * 100_000_000; print('ready', flush=True); input()"
    before = load_test.resident_mib(os.getpid())
    command = [sys.executable, "-c", holds]
    begin = partial(subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with ThreadPoolExecutor(1) as thread, thread.submit(begin).result() as child:  # not by the first thread
        assert child.stdout.readline() == "ready\n"
        told = values(OBSERVED.text())["umr_workers_resident_memory_bytes"]
        together, alone = load_test.resident_mib(os.getpid()), load_test.resident_mib(child.pid)
        child.communicate("\n")
    assert before > 10 and alone > 95 and together > before + 90 and told > 95 * 2**20
