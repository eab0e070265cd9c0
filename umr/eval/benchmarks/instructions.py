"""M-BEIR's table of task sentences, instructions/query_instructions.tsv (UniIR, arXiv 2311.17136)."""

from __future__ import annotations

from pathlib import Path

from umr import media
from umr.errors import ConfigError
from umr.formats import read_lines
from umr.types import KIND_OF

INSTRUCTIONS = Path("instructions") / "query_instructions.tsv"
ALL = "all"  # the bundled catalogue's own: candidates of every kind
_COLUMNS = 5  # of the table: both modalities, the data set's name and number, at least one sentence


def read_instructions(path: Path) -> dict[str, tuple[str, ...]]:
    """The sentences of M-BEIR's table, keyed as "<data set's number> <query modality>-><candidate modality>".

    Raises:
        ConfigError: a line has too few columns, or a modality that there is not; its place is named.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, (place, line) in enumerate(read_lines(path)):
        columns = [column.strip() for column in line.split("\t")]
        if number == 0:  # the names of the columns
            continue
        if len(columns) < _COLUMNS or not any(columns[_COLUMNS - 1 :]):
            raise ConfigError(
                f"{place}: {len(columns)} columns; query modality, candidate modality, name and number of the data "
                "set, and at least one sentence are needed, with tabs between"
            )
        asked = _ordered(columns[0], place)
        wanted = columns[1] if columns[1] == ALL else _ordered(columns[1], place)
        ways = tuple(media.clean_text(way) for way in columns[_COLUMNS - 1 :] if way)
        found[f"{columns[3]} {asked}->{wanted}"] = ways
    return found


def _ordered(modality: str, place: str) -> str:
    """The modality as KIND_OF spells it: M-BEIR's own card writes "text,image" at times."""
    spelled = ",".join(sorted(modality.split(",")))
    if spelled not in KIND_OF:
        raise ConfigError(f"{place}: the modality {modality!r} is unknown; legal: {', '.join(KIND_OF)}")
    return spelled
