"""Who may ask the page's server: how much, through which proxies, by which names, and from within which pages.

What an operator sets, and not how a request is held to it (umr.ui.layout.gate, umr.ui.layout.turns).
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

from umr.errors import ConfigError
from umr.ui.limits import Limits, read_limits

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Setting = TypeVar("Setting")

#: Option of the command line -> the variable of the environment that holds where it is not given.
VARIABLES = MappingProxyType(
    {"limits": "UMR_LIMITS", "proxies": "UMR_PROXIES", "hosts": "UMR_HOSTS", "frames": "UMR_FRAMES"}
)
LOOPBACK = "localhost"
#: Who comes through a proxy from its own machine, or is not named by it: one visitor, and not this machine itself.
BEHIND = "behind a proxy"
NAME, PORT = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", r"(?::[0-9]{1,5})?"
HOST = re.compile(rf"(?:{NAME}|\[[0-9a-f:.]+\]){PORT}")
ORIGIN = re.compile(rf"https?://{NAME}{PORT}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an operator allows.

    Attributes:
        limits: what one visitor may ask; None: as much as the server bears.
        proxies: peers that say in X-Forwarded-For for whom they ask.
        hosts: names that the server is asked by, beside loopback's and that it listens as, without ports; none: any,
            or only these two where it listens on loopback.
        frames: origins of the pages that may show this one in a frame, beside itself and the Hub.
    """

    limits: Limits | None = None
    proxies: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()

    def visitor(self, peer: str, forwarded: str) -> str:
        """The address of who asks.

        Args:
            peer: whose connection it is.
            forwarded: X-Forwarded-For, at whose end each proxy writes who asked it. It is believed of `proxies` alone,
                and what stands before the last address that is none of theirs is a stranger's word.
        """
        if not self._is_proxy(_address(peer)):
            return peer
        for part in reversed(forwarded.split(",")):
            address = _address(part)
            if not self._is_proxy(address):
                return _behind(peer if address is None else str(address))
        return _behind(peer)

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.proxies)


def is_loopback(host: str) -> bool:
    """Whether a host's name or number stands for this machine alone."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == LOOPBACK or name.endswith(f".{LOOPBACK}")


def host_of(netloc: str) -> str:
    """The name in a Host header, in small letters and without port and brackets; "" where it holds none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:  # brackets that do not close
        return ""


def read_access(options: argparse.Namespace, variables: Mapping[str, str] = os.environ) -> Access:
    """What the command line says, and the environment where that says nothing.

    Args:
        options: with an attribute for each of VARIABLES, None where it is not given.
        variables: of the environment.

    Raises:
        ConfigError: a setting cannot be read.
    """

    def said(option: str) -> str:
        given: str | None = getattr(options, option)
        return variables.get(VARIABLES[option], "") if given is None else given

    return Access(
        limits=read_limits(said("limits")),
        proxies=_each("proxies", said("proxies"), _network, "an address or a network, as 10.0.0.5 or 172.16.0.0/12"),
        hosts=_each("hosts", said("hosts"), _host, "the name of a host, as example.org or [2001:db8::1]"),
        frames=_each(
            "frames", said("frames"), _origin, "the origin of a page: scheme and host, as https://example.org"
        ),
    )


def _each(option: str, text: str, read: Callable[[str], Setting], legal: str) -> tuple[Setting, ...]:
    """What a list parted by commas holds.

    Args:
        option: of the command line.
        text: its value, or that of its variable; empty parts are passed over.
        read: what one part stands for; a ValueError where it stands for nothing.
        legal: what a part must be, in words.

    Raises:
        ConfigError: a part stands for nothing.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(read(part))
        except ValueError as error:
            raise ConfigError(
                f"{part!r} of --{option} ({VARIABLES[option]}) is not {legal}; several are parted by commas"
            ) from error
    return tuple(found)


def _behind(address: str) -> str:
    """Who a proxy asks for: its own machine is not this one, which no limits hold for."""
    return BEHIND if is_loopback(address) else address


def _network(part: str) -> Network:
    return ipaddress.ip_network(part)


def _host(part: str) -> str:
    if not HOST.fullmatch(part.lower()):
        raise ValueError(part)
    return host_of(part)


def _origin(part: str) -> str:
    if not ORIGIN.fullmatch(part.lower()):
        raise ValueError(part)
    return part.lower()


def _address(text: str) -> Address | None:
    """An address as proxies and servers write it, with a port or not; None for what is none."""
    text = text.strip()
    try:
        address = ipaddress.ip_address(text if text.count(":") > 1 and "[" not in text else host_of(text))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
