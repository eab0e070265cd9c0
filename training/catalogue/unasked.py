"""Reads back what a benchmark's queries ask for, and checks that further scenes answer none. Not their vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from training.catalogue.distractors import Answers
from training.catalogue.edits import Edit
from training.catalogue.scene import Scene
from training.catalogue.typed import TypedQuery
from training.catalogue.writer import Ask
from umr.errors import ConfigError, MismatchError
from umr.formats import read_queries
from umr.query_files import find_query_file


def check_unasked(root: Path, wanted: Sequence[tuple[str, str]], scenes: Sequence[Scene]) -> None:
    """Check that no scene answers a query, by the facts that the benchmark's files and the scenes' file record.

    Raises:
        ConfigError: a query's facts are not recorded.
        MismatchError: a scene is an answer.
    """
    for task, split in wanted:
        path = find_query_file(root, task, split).path
        answers = Answers(
            (_ask(row.source, f"{path.name}, {row.query.query_id}"), split) for row in read_queries(path, root)
        )
        for number, scene in enumerate(scenes):
            if scene in answers:
                raise MismatchError(
                    f"added picture {number} answers a query of {task} {split}, so it would count as wrong where it is "
                    "right. These vectors were made for another benchmark: make them again with "
                    "python -m training.catalogue distractors"
                )


def _ask(source: str, place: str) -> Ask:
    """What a query asks for, from the facts that writer.py puts beside it.

    Raises:
        ConfigError: they are not there.
    """
    try:
        facts = json.loads(source)
        if "form" in facts:
            query = TypedQuery.from_json(facts)
            shown = Scene(dict(query.main)["category"], "red")  # any scene: what the words say decides
            return Ask(None, None, shown, [], [], 0, typed=query)
        edit = Edit.from_json(facts["edit"]) if "edit" in facts else None
        scene = Scene.from_json(facts["scene" if edit is None else "reference"])
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{place} does not say which scene it asks for ({error!r}), so added pictures cannot be checked against "
            "it; only a benchmark of training.catalogue can be enlarged"
        ) from error
    return Ask(None, None, scene, [], [], 0, edit)
