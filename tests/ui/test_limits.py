"""What one visitor may ask: rates by a clock of their own, words that say the limit and when to try again."""

from __future__ import annotations

import pytest

from umr.errors import ConfigError
from umr.ui import limits
from umr.ui.limits import Accounts, Limits, TooMuch, read_limits, told, visitor_of


class Clock:
    """Seconds that the test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(accounts: Accounts, visitor: str = "a", kind: str = "search", most: int = 10_000) -> int:
    """How many requests are let through, one after the other."""
    for count in range(most):
        try:
            accounts.take(visitor, kind)
        except TooMuch:
            return count
    return most


def test_a_minutes_worth_may_be_asked_at_once_and_comes_back_evenly(clock):
    accounts = Accounts(Limits(searches=6), clock)
    assert taken(accounts) == 6
    clock.now += 9.9
    assert taken(accounts) == 0
    clock.now += 0.2
    assert taken(accounts) == 1
    clock.now += 60
    assert taken(accounts) == 6
    clock.now += 3600
    assert taken(accounts) == 6  # what was not asked is not saved up


def test_a_refusal_says_the_limit_and_when_to_try_again_and_that_is_true(clock):
    accounts = Accounts(Limits(searches=6, indexings=2), clock)
    taken(accounts)
    clock.now += 2.5
    with pytest.raises(TooMuch, match=r"at most 6 searches of one visitor in a minute.*again in 8 seconds\.") as error:
        accounts.take("a", "search")
    assert error.value.wait_s == 8
    clock.now += 8
    accounts.take("a", "search")
    taken(accounts, kind="index")
    with pytest.raises(TooMuch, match=r"2 indexings of files of one visitor in an hour.*again in 30 minutes\."):
        accounts.take("a", "index")


def test_a_refusal_costs_nothing(clock):
    accounts = Accounts(Limits(searches=60), clock)
    taken(accounts)
    clock.now += 0.5
    assert [taken(accounts) for _ in range(100)] == [0] * 100
    clock.now += 0.51
    assert taken(accounts) == 1


def test_visitors_and_kinds_have_accounts_of_their_own(clock):
    accounts = Accounts(Limits(searches=3, calls=2, uploads=1), clock)
    assert [taken(accounts, "a", kind) for kind in ("search", "call", "upload")] == [3, 2, 1]
    assert taken(accounts, "b") == 3 and taken(accounts, "a") == 0


def test_only_so_many_wait_at_a_time(clock):
    accounts = Accounts(Limits(searches_at_once=2, uploads_at_once=1), clock)
    accounts.take("a", "search", running=1)
    with pytest.raises(
        TooMuch, match=r"at most 2 searches of one visitor at a time.*until one of yours is done"
    ) as error:
        accounts.take("a", "search", running=2)
    assert error.value.wait_s == 1
    with pytest.raises(TooMuch, match="at most 1 uploads"):
        accounts.take("a", "upload", running=1)
    accounts.take("a", "index", running=99)  # they queue up, one at a time for all


def test_strangers_without_number_take_no_memory_without_end(clock, monkeypatch):
    monkeypatch.setattr(limits, "REMEMBERED", 10)
    accounts = Accounts(Limits(searches=1), clock)
    for number in range(100):
        accounts.take(str(number), "search")
    assert len(accounts._left) == 10
    assert taken(accounts, "99") == 0


@pytest.mark.parametrize(
    ("address", "visitor"),
    [
        ("127.0.0.1", None),
        ("127.8.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_a_visitor_is_an_address_or_a_network_of_one_household(address, visitor):
    assert visitor_of(address) == visitor


def test_limits_are_set_by_name():
    assert read_limits(None) == read_limits("") == Limits()
    assert read_limits(" searches = 7 ,upload_mb=9,") == Limits(searches=7, upload_mb=9)
    assert read_limits("off") is read_limits(" OFF ") is None


@pytest.mark.parametrize(
    "text", ["searches", "searches=", "search=3", "searches=-1", "searches=1.5", "searches=٣", "on"]
)
def test_what_is_no_limit_is_refused_with_the_names(text):
    with pytest.raises(ConfigError, match="searches_at_once, calls"):
        read_limits(text)


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="searches is 0"):
        read_limits("searches=0")


def test_a_visitor_can_read_the_limits_beforehand():
    said = told(Limits(searches=7, calls=8, uploads=9, upload_mb=10))
    assert all(f"{number} " in said for number in (7, 8, 9, 10)) and "429" in said and "Retry-After" in said
