"""Triplets of one's own: {"image"?, "text"?, "target", "negatives"?, ...} per line. Pictures lie relative to the file.

`target` is the right answer, or a list of answers of which each is right. `instruction` is one sentence, or the list of
its phrasings, of which the first is served with.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from training.sources.source import Example, Raw, existing, is_file
from umr import media
from umr.errors import ConfigError
from umr.formats import parse_object, read_lines
from umr.ingest import CLIPS, IMAGES, resolve
from umr.types import Content, Target

_ROW = ("image", "video", "text", "target", "negatives", "instruction", "group")
_CONTENT = ("image", "video", "text")
LONGEST_PATH = 4096  # characters; a longer value is words


def read(path: Path) -> Raw:
    """The rows of a jsonl (in .gz too).

    Raises:
        ConfigError: the file cannot be read at all.
    """
    raw = Raw(files=[path])
    triplets = Triplets(raw, path.absolute().parent)
    for place, line in read_lines(path, strict=False):
        where = f"{path.name}:{place.rpartition(':')[2]}"
        raw.take(where, partial(_examples, line, where, triplets))
    return raw


def _examples(line: str, place: str, triplets: Triplets) -> Iterator[Example]:
    yield triplets.example(parse_object(line, place))


class Triplets:
    """Rows of one data set; their candidates go into `raw` under what the rows call them."""

    def __init__(self, raw: Raw, folder: Path) -> None:
        self.raw, self.folder = raw, folder

    def example(self, row: dict[str, Any]) -> Example:
        """The example of a row.

        Raises:
            ConfigError: a field is unknown, missing, empty or of another type.
            MediaError: a file is not there, or a text cannot be read safely.
        """
        unknown = sorted(set(row) - set(_ROW))
        if unknown:
            raise ConfigError(f"unknown fields {', '.join(unknown)}; known: {', '.join(_ROW)}")
        targets = row.get("target")
        if targets in (None, "", {}, []):
            raise ConfigError("target is missing: name the picture, clip or text that is the right answer")
        query = self.content({key: row.get(key) for key in _CONTENT}, "the query")
        many = isinstance(targets, list)
        found = dict(
            self.answer(value, f"target {number}" if many else "target")
            for number, value in enumerate(targets if many else [targets], 1)
        )
        positives = tuple(found)
        listed = row.get("negatives") or []
        if not isinstance(listed, list):
            raise ConfigError(f"negatives is {type(listed).__name__}; a list is needed")
        found |= dict(self.answer(value, f"negative {number}") for number, value in enumerate(listed, 1))
        kinds = [found[did].modality for did in positives]
        first = kinds[0]
        if first == "video,text" or "video,text" in kinds:
            raise ConfigError("a target is a clip or has words, not both: leave the words out")
        wanted: Target = "all" if len(set(kinds)) > 1 else first
        group, ways = self.words(row, "group"), self.sentences(row.get("instruction"))
        instruction = "\n".join(ways)
        self.raw.candidates |= found  # after every check: a refused row leaves nothing behind
        if ways:
            self.raw.instructions[instruction] = ways
        return Example(
            query=query,
            wanted=wanted,
            positives=positives,
            negatives=tuple(did for did in found if did not in positives),
            group=group or str(query.image or query.video or ""),
            instruction=instruction,
        )

    def answer(self, value: Any, what: str) -> tuple[str, Content]:
        """The candidate that a value names: a path of a picture or clip, other words, or an object with its parts."""
        if isinstance(value, dict):
            unknown = sorted(set(value) - set(_CONTENT))
            if unknown:
                raise ConfigError(f"{what} has unknown fields {', '.join(unknown)}; known: {', '.join(_CONTENT)}")
            parts = value
        elif isinstance(value, str):
            parts = {self.part_of(value.strip(), what): value}
        else:
            raise ConfigError(f"{what} is {type(value).__name__}; a path, a text or an object with its parts is needed")
        content = self.content(parts, what)
        named = (content.image, content.video and f"video {content.video}", content.text and f"text {content.text}")
        return "|".join(str(part) for part in named if part is not None), content

    def part_of(self, value: str, what: str) -> str:
        """Whether a bare text names a picture or a clip, by its ending, or is words."""
        if "\n" in value or len(value) > LONGEST_PATH:
            return "text"
        suffix = Path(value).suffix.lower()
        if suffix in IMAGES or suffix in CLIPS:
            return "image" if suffix in IMAGES else "video"
        if value and is_file(resolve(value, self.folder)):
            raise ConfigError(
                f"{what} {value!r} is a file here without an ending of a picture or clip: give an object that says "
                'what is meant, {"image": ...}, {"video": ...} or {"text": ...}'
            )
        return "text"

    def content(self, parts: dict[str, Any], what: str) -> Content:
        """Checked parts; files must be there."""
        found: dict[str, str] = {key: self.words(parts, key) for key in _CONTENT}
        if not any(found.values()):
            raise ConfigError(f"{what} is empty: give an image, a text, or both")
        files = {key: resolve(found[key], self.folder) for key in ("image", "video") if found[key]}
        for key, file in files.items():
            existing(file, f"{what}'s {key} {found[key]!r}")
        return Content(text=found["text"] or None, image=files.get("image"), video=files.get("video"))

    def sentences(self, value: Any) -> tuple[str, ...]:
        """The cleaned sentences of an instruction: one text, or a list of its phrasings; () for none."""
        if isinstance(value, list) and not all(isinstance(way, str) for way in value):
            raise ConfigError("instruction is a list with something else than texts in it")
        listed = value if isinstance(value, list) else [value]
        return tuple(filter(None, (self.words({"instruction": way}, "instruction") for way in listed)))

    @staticmethod
    def words(row: dict[str, Any], key: str) -> str:
        """The cleaned text of a field, "" where there is none."""
        value = row.get(key)
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{key} is {type(value).__name__}; a text is needed")
        return media.clean_text(value or "")
