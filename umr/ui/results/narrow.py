"""What a visitor leaves out of the results: all but some facts, and results that were said to be wrong. Not HTML."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from umr.errors import ConfigError
from umr.search import Searcher
from umr.ui.render import FACETS

NOT = "not"
MOST_UNWANTED = 20
MAX_LENGTH = 2_000  # characters of all of it as text


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is left out.

    Attributes:
        facts: (name, value) that a result must have, each name one of FACETS.
        unwanted: ids of results that are not wanted, nor what is like them.
    """

    facts: tuple[tuple[str, str], ...] = ()
    unwanted: tuple[str, ...] = ()

    def __str__(self) -> str:
        return urlencode([*self.facts, *((NOT, one) for one in self.unwanted)])

    def changed(self, change: Any) -> Narrowing:
        """With one thing changed.

        Args:
            change: "colour=red"; "colour=" for any colour; "not=ID" for one more unwanted result; "not=" for none.

        Raises:
            ConfigError: it cannot be read.
        """
        name, found, value = change.partition("=") if isinstance(change, str) else ("", "", "")
        if not found or name not in (*FACETS, NOT):
            raise ConfigError("that cannot be left out of results; reload the page")
        if name == NOT:
            return read(str(replace(self, unwanted=(*self.unwanted, value) if value else ())))
        kept = tuple(fact for fact in self.facts if fact[0] != name)
        return read(str(replace(self, facts=(*kept, (name, value)) if value else kept)))

    def excluded(self, searcher: Searcher) -> tuple[str, ...]:
        """Ids that a search must not find."""
        left = frozenset(self.unwanted)
        if self.facts:
            having = searcher.facts.having(dict(self.facts))
            left |= {one.candidate_id for one in searcher.collection if one.candidate_id not in having}
        return tuple(sorted(left))


EVERYTHING = Narrowing()


def read(told: Any) -> Narrowing:
    """What a field or an address says, such as "colour=red&not=100:5".

    Raises:
        ConfigError: it says anything else.
    """
    if not isinstance(told or "", str) or len(told or "") > MAX_LENGTH:
        raise ConfigError("what is to be left out of the results cannot be read; reload the page")
    pairs = parse_qsl(told or "")
    if unknown := [name for name, _ in pairs if name not in (*FACETS, NOT)]:
        raise ConfigError(f"results cannot be kept to {unknown[0]!r}; they can to: {', '.join(FACETS)}")
    facts = {name: value for name, value in pairs if name != NOT}
    unwanted = tuple(dict.fromkeys(value for name, value in pairs if name == NOT))
    return Narrowing(tuple((name, facts[name]) for name in FACETS if name in facts), unwanted[-MOST_UNWANTED:])
