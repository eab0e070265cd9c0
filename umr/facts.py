"""The facts that a collection states about what it holds: the JSON in a candidate's source. Not how they are shown."""

from __future__ import annotations

import json
from typing import Any

from umr.types import Candidate


def facts_of(candidate: Candidate) -> dict[str, Any]:
    """What the collection states about an item: the object `scene` of its source, or the source itself; {} for none."""
    try:
        source = json.loads(candidate.source)
    except (ValueError, RecursionError):
        return {}
    scene = source.get("scene", source) if isinstance(source, dict) else None
    return scene if isinstance(scene, dict) else {}
