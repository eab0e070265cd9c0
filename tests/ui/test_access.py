"""What an operator allows: how it is said, what is refused in words, and whose word about a visitor is believed."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from ipaddress import ip_network
from pathlib import Path

import pytest

from umr.cli.options import serving
from umr.errors import ConfigError
from umr.ui.access import BEHIND, VARIABLES, Access, host_of, read_access
from umr.ui.limits import Limits

COMPOSE = Path(__file__).resolve().parents[2] / "compose.yaml"


def options(*given: str) -> Namespace:
    parser = ArgumentParser()
    serving(parser)
    return parser.parse_args(given)


def test_nothing_said_is_sane_limits_and_nobody_believed():
    assert read_access(options(), {}) == read_access(options(), dict.fromkeys(VARIABLES.values(), "")) == Access(
        limits=Limits()
    )  # fmt: skip


def test_settings_are_read_from_the_environment_and_the_command_line_goes_before_it():
    said = {
        "UMR_LIMITS": "off",
        "UMR_PROXIES": " 172.16.0.0/12 ,10.0.0.5,,fd00::/8",
        "UMR_HOSTS": "Example.org:8443,[2001:DB8::1], umr_1",
        "UMR_FRAMES": "https://Example.org,http://localhost:3000",
    }
    read = Access(
        proxies=(ip_network("172.16.0.0/12"), ip_network("10.0.0.5"), ip_network("fd00::/8")),
        hosts=("example.org", "2001:db8::1", "umr_1"),
        frames=("https://example.org", "http://localhost:3000"),
    )
    assert read_access(options(), said) == read
    given = ("--limits", "searches=7", "--proxies", "", "--hosts", "a.example", "--frames", "https://b.example")
    assert read_access(options(*given), said) == Access(
        limits=Limits(searches=7), hosts=("a.example",), frames=("https://b.example",)
    )


@pytest.mark.parametrize(
    ("option", "part", "legal"),
    [
        ("proxies", "10.0.0.300", "172.16.0.0/12"),
        ("proxies", "172.16.5.0/12", "172.16.0.0/12"),  # an address within it, and not the network
        ("proxies", "proxy.example", "172.16.0.0/12"),
        ("proxies", "*", "172.16.0.0/12"),
        ("hosts", "https://example.org", "example.org"),
        ("hosts", "example.org/umr", "example.org"),
        ("hosts", "*.example.org", "example.org"),
        ("hosts", "[::1", "example.org"),
        ("hosts", "a b", "example.org"),
        ("frames", "example.org", "https://example.org"),
        ("frames", "https://example.org/", "https://example.org"),
        ("frames", "https://example.org/page", "https://example.org"),
        ("frames", "https://example.org; script-src *", "https://example.org"),
        ("frames", "https://example.org https://evil.example", "https://example.org"),
        ("frames", "https://example.org\nX: y", "https://example.org"),
        ("frames", "https://me@example.org", "https://example.org"),
        ("frames", "https://*", "https://example.org"),
        ("frames", "https:", "https://example.org"),
        ("frames", "javascript://example.org", "https://example.org"),
        ("frames", "'unsafe-inline'", "https://example.org"),
        ("frames", "*", "https://example.org"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_value_its_setting_and_what_is_legal(option, part, legal):
    for given, variables in ((("--" + option, f"{part},"), {}), ((), {VARIABLES[option]: part})):
        with pytest.raises(ConfigError) as error:
            read_access(options(*given), variables)
        for words in (repr(part), f"--{option}", VARIABLES[option], legal):
            assert words in str(error.value)


@pytest.mark.parametrize(
    ("peer", "forwarded", "visitor"),
    [
        ("10.0.0.1", "6.6.6.6", "6.6.6.6"),
        ("10.0.0.1", "1.1.1.1, 6.6.6.6", "6.6.6.6"),  # the first is the visitor's own word
        ("10.0.0.1", "1.1.1.1, 6.6.6.6, 10.0.0.2, 10.0.0.3", "6.6.6.6"),
        ("10.0.0.1", "1.1.1.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1,", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.7", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6:5000", "6.6.6.6"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "::ffff:6.6.6.6, ::ffff:10.0.0.9", "6.6.6.6"),
        ("::ffff:10.0.0.1", "6.6.6.6", "6.6.6.6"),
        ("10.0.0.1", "127.0.0.1", BEHIND),  # of the proxy's machine, not of this one
        ("10.0.0.1", "::1", BEHIND),
        ("9.9.9.9", "6.6.6.6", "9.9.9.9"),
        ("127.0.0.1", "6.6.6.6", "127.0.0.1"),
        ("", "6.6.6.6", ""),
    ],
)
def test_a_visitor_is_the_last_address_that_is_no_proxys_and_only_proxies_are_asked(peer, forwarded, visitor):
    assert Access(proxies=(ip_network("10.0.0.0/8"),)).visitor(peer, forwarded) == visitor
    assert Access().visitor(peer, forwarded) == peer


def test_the_name_in_a_host_header_is_read_without_port_and_brackets():
    assert [host_of(one) for one in ("A.example:80", "[::1]:7860", "a.example.", "[", "")] == [
        "a.example", "::1", "a.example.", "", ""
    ]  # fmt: skip


def test_the_compose_file_answers_to_this_machines_names_alone_unless_it_is_told_otherwise():
    said = dict(re.findall(r"^ +(UMR_\w+): \$\{\1-([^}]*)\}$", COMPOSE.read_text("utf-8"), re.MULTILINE))
    assert set(said) == {"UMR_PROXIES", "UMR_HOSTS", "UMR_FRAMES"}
    assert read_access(options(), said) == Access(limits=Limits(), hosts=("localhost", "127.0.0.1"))
