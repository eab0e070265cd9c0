"""The licences of what the requirements install, as each package states them itself. Not advice about any of them.

make audit                  or: python -m umr.bench licences [--requirements requirements-cpu.txt]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from umr.errors import ConfigError, exit_status, printable
from umr.shipped import repository_root

_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_LONGEST = 60  # characters: some state the whole text of their licence
UNSAID = "not stated"


def asked(path: Path) -> list[str]:
    """The names of a requirements file.

    Raises:
        ConfigError: there is no such file.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is not a file; give a requirements file")
    return [found[1] for line in path.read_text("utf-8").splitlines() if (found := _NAME.match(line))]


def installed(names: Sequence[str]) -> Iterator[Distribution]:
    """The named packages and all that they need, each once, as far as they are installed."""
    seen: set[str] = set()
    left = list(names)
    while left:
        key = re.sub(r"[-_.]+", "-", left.pop(0)).lower()
        if key in seen:
            continue
        seen.add(key)
        try:
            one = distribution(key)
        except PackageNotFoundError:  # of another system, or an extra that was not asked for
            continue
        yield one
        left += [found[1] for need in one.requires or () if "extra ==" not in need and (found := _NAME.match(need))]


def _field(one: Distribution, name: str) -> str:
    return next((str(value).strip() for value in one.metadata.get_all(name) or ()), "")


def licence(one: Distribution) -> str:
    """What a package says of its licence: its expression, else its classifiers, else the first line of its field."""
    if expression := _field(one, "License-Expression"):
        return expression
    classified = [
        value.rpartition("::")[2].strip()
        for value in one.metadata.get_all("Classifier") or ()
        if value.startswith("License ::")
    ]
    told = _field(one, "License").splitlines()
    return "; ".join(classified) or (told[0].strip()[:_LONGEST] if told else UNSAID)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each package. Returns 2 with a message where there is no such file, else 0."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench licences", description="Licences of what is installed.")
    parser.add_argument("--requirements", type=Path, default=repository_root() / "requirements-cpu.txt")
    options = parser.parse_args(arguments)
    with exit_status("umr.bench licences") as ended:
        rows = sorted((one.metadata["Name"].lower(), one.version, licence(one))
                      for one in installed(asked(options.requirements)))  # fmt: skip
        for name, version, said in rows:
            print(printable(f"{name:<32}{version:<18}{said}"))
        print(f"{len(rows)} packages, {sum(said == UNSAID for _, _, said in rows)} of them without a stated licence")
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
