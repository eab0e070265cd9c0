"""What every kind of training data becomes: examples over candidates, each file read and checked once. Not batches."""

from __future__ import annotations

import errno
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from umr import media
from umr.disk import file_sha256
from umr.errors import ConfigError, DiskFullError, MediaError, UMRError, reason
from umr.ingest import CHECKED_FRAMES
from umr.types import KIND_OF, Content, Refused, Target

log = logging.getLogger("training")

SHOWN = 10  # reasons of refused rows that are printed and recorded
#: Sentences by key, whatever a data set calls them by; the first of a key is the one that is served with.
Instructions = Mapping[str, tuple[str, ...]]
Seen = tuple[str, str]  # "image" or "video", and the path


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One query with its answers.

    Attributes:
        query: what is asked.
        wanted: modality of the candidates that are searched.
        positives: ids of right answers, at least one.
        negatives: ids of candidates that are near and wrong.
        group: examples of one group come into one batch, where they are each other's hard negatives; "": it has none.
        instruction: key of its sentences in the source's table; "": the encoder's own sentence for the task.
    """

    query: Content
    wanted: Target
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    group: str = ""
    instruction: str = ""

    @property
    def task(self) -> str:
        """What is asked by what, as "image,text->image"."""
        return f"{self.query.modality}->{self.wanted}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The examples of one data set.

    Attributes:
        kind: how it was read, a key of the table of kinds.
        name: of its file or folder.
        examples: those that were taken.
        candidates: id -> content, of every id that an example names; of a whole pool, of every id that it has.
        hashes: path of a picture or clip -> sha256 of its bytes.
        instructions: its own sentences, the first of a key the one that is served with.
        refused: rows that were not taken, with place and reason.
        files: name of an annotation file -> its sha256.
    """

    kind: str
    name: str
    examples: Sequence[Example]
    candidates: Mapping[str, Content]
    hashes: Mapping[str, str]
    instructions: Instructions
    refused: Sequence[Refused]
    files: Mapping[str, str]

    def content_hash(self, content: Content) -> str:
        """sha256 of its picture's or clip's bytes, "" without one."""
        file = _file(content)
        return "" if file is None else self.hashes[file]

    def asked(self, example: Example) -> tuple[str, str, str]:
        """What an example asks, whatever its files are called: picture, words, and what is searched."""
        return self.content_hash(example.query), example.query.text or "", example.wanted

    @property
    def fingerprint(self) -> str:
        """sha256 over the annotation files, the media and what was taken: equal data give equal batches."""
        digest = sha256(f"{self.kind} {len(self.examples)} {len(self.refused)}".encode())
        if not self.files:  # nothing else tells the words of its rows
            digest.update(self._rows().encode())
        for found in (self.files, self.hashes):
            digest.update("".join(f" {value}" for _, value in sorted(found.items())).encode())
        return digest.hexdigest()

    def _rows(self) -> str:
        """Every example, by what is shown and said in it, and by no path."""

        def told(did: str) -> tuple[str, str | None]:
            return self.content_hash(self.candidates[did]), self.candidates[did].text

        rows = (
            (self.asked(one), [*map(told, one.positives)], [*map(told, one.negatives)], one.instruction)
            for one in self.examples
        )
        return "\n".join(map(repr, rows))

    def record(self) -> dict[str, Any]:
        """What a training record keeps of it: plain JSON, no path of this machine."""
        return {
            "kind": self.kind,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "files": dict(self.files),
            "examples": len(self.examples),
            "candidates": len(self.candidates),
            "media": len(self.hashes),
            "refused": len(self.refused),
            "refused_first": [f"{place}: {why}" for place, why in self.refused[:SHOWN]],
            "instructions": {key: list(ways) for key, ways in sorted(self.instructions.items())},
        }


@dataclass(kw_only=True)
class Raw:
    """What a reader found, before any picture is opened.

    Attributes:
        examples: each with its place in the file, as "mine.jsonl:7".
        candidates: id -> content.
        refused: rows that cannot be read at all.
        instructions: the data's own.
        files: the annotation files.
    """

    examples: list[tuple[str, Example]] = field(default_factory=list)
    candidates: dict[str, Content] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    instructions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    def take(self, place: str, make: Callable[[], Iterator[Example]]) -> None:
        """The examples of one row, or the reason why there are none: the rows after it go on."""
        try:
            self.examples += [(place, example) for example in make()]
        except DiskFullError:  # it is of every row that follows
            raise
        except (UMRError, OSError) as error:
            self.refused.append(Refused(place, reason(error).removeprefix(f"{place}: ")))


def existing(path: Path, what: str) -> Path:
    """The path of a file that is there.

    Raises:
        MediaError: it is not; `what` says whose it is.
    """
    if not is_file(path):
        raise MediaError(f"{what} is not a file that exists; check its path")
    return path


def is_file(path: Path) -> bool:
    """Whether a file is there; a name that is too long for one is none."""
    try:
        return path.is_file()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def finished(kind: str, path: Path, raw: Raw, whole_pool: bool = False) -> Source:
    """The source of what a reader found: every picture and clip is read once, to its end; rows with a bad one go.

    Rows that ask the same share their answers, so that none of these is ever a negative of the other.

    Args:
        kind: how it was read.
        path: of the data, for its name.
        raw: the reader's rows.
        whole_pool: keep the candidates that no example names, too, for negatives to be found among them; those whose
            picture or clip cannot be read are left out.

    Raises:
        ConfigError: no row is left; the first reasons are told.
    """
    used = {did for _, example in raw.examples for did in (*example.positives, *example.negatives)}
    named = {did: content for did, content in raw.candidates.items() if whole_pool or did in used}
    contents = [example.query for _, example in raw.examples] + list(named.values())
    hashes, broken = _examined({seen: content for content in contents if (seen := _seen(content)) is not None})
    taken: list[Example] = []
    refused = list(raw.refused)
    for place, example in raw.examples:
        why = _fault(example, named, broken)
        if why is None:
            taken.append(example)
        else:
            refused.append(Refused(place, why))
    _tell(kind, path, taken, refused)
    kept = {did for example in taken for did in (*example.positives, *example.negatives)}
    if whole_pool:
        kept |= {did for did, content in named.items() if _seen(content) not in broken}
    source = Source(
        kind=kind,
        name=path.name,
        examples=[],
        candidates={did: content for did, content in named.items() if did in kept},
        hashes=hashes,
        instructions=raw.instructions,
        refused=refused,
        files={file.name: file_sha256(file) for file in raw.files},
    )
    return replace(source, examples=_with_shared_answers(taken, source))


def _file(content: Content) -> str | None:
    """The path of what is seen in the content."""
    seen = content.media
    return None if seen is None else str(seen)


def _seen(content: Content) -> Seen | None:
    """What is read of the content: a file as a picture is not the same file as a clip."""
    file = _file(content)
    return None if file is None else ("image" if content.image is not None else "video", file)


def _examined(files: Mapping[Seen, Content]) -> tuple[dict[str, str], dict[Seen, str]]:
    """Path -> sha256 of each file that can be read, and the reason of each that cannot be, as what it is called."""
    hashes: dict[str, str] = {}
    broken: dict[Seen, str] = {}

    def examine(content: Content) -> str:
        if content.image is not None:
            media.open_image(content.image)
            return media.content_hash(content.image)  # type: ignore[arg-type]  # sources hold paths
        media.sample_frames(content.video, CHECKED_FRAMES)  # type: ignore[arg-type]
        return media.content_hash(content.video)  # type: ignore[arg-type]

    def outcome(content: Content) -> tuple[str, str]:
        try:
            return examine(content), ""
        except (UMRError, OSError) as error:
            return "", reason(error)

    with ThreadPoolExecutor() as pool:  # pictures are decoded outside Python's lock
        for done, (seen, (found, why)) in enumerate(zip(files, pool.map(outcome, files.values()), strict=True), 1):
            if why:
                broken[seen] = why
            else:
                hashes[seen[1]] = found
            if done % 10_000 == 0:
                log.info("%d of %d pictures and clips read", done, len(files))
    return hashes, broken


def _fault(example: Example, candidates: Mapping[str, Content], broken: Mapping[Seen, str]) -> str | None:
    """Why an example cannot be trained on; None where it can."""
    missing = [did for did in (*example.positives, *example.negatives) if did not in candidates]
    if missing:
        return f"the candidate {missing[0]!r} is not there"
    files = [_seen(content) for content in (example.query, *(candidates[did] for did in example.positives))]
    files += [_seen(candidates[did]) for did in example.negatives]
    wrong = next((broken[seen] for seen in files if seen is not None and seen in broken), None)
    if wrong is not None:
        return wrong
    if example.query.modality not in KIND_OF:
        return f"a query of {example.query.modality} has no instruction; legal: {', '.join(KIND_OF)}"
    kinds = {candidates[did].modality for did in example.positives}
    if example.wanted != "all" and kinds != {example.wanted}:
        return f"{example.wanted} is asked for, but the answer is {', '.join(sorted(kinds))}"
    return None


def _with_shared_answers(examples: Sequence[Example], source: Source) -> list[Example]:
    """The examples, those that ask the same with each other's answers; no answer is a negative of its own query."""
    answers: dict[tuple[str, str, str], dict[str, None]] = {}
    for example in examples:
        answers.setdefault(source.asked(example), {}).update(dict.fromkeys(example.positives))
    found = []
    for example in examples:
        known = answers[source.asked(example)]
        negatives = tuple(did for did in dict.fromkeys(example.negatives) if did not in known)
        positives = tuple(dict.fromkeys((*example.positives, *known)))
        found.append(replace(example, positives=positives, negatives=negatives))
    return found


def _tell(kind: str, path: Path, taken: Sequence[Example], refused: Sequence[Refused]) -> None:
    """Say how many rows were taken, of which tasks, and how many refused, with the first reasons.

    Raises:
        ConfigError: none was taken.
    """
    reasons = [f"{place}: {why}" for place, why in refused[:SHOWN]]
    if len(refused) > SHOWN:
        reasons.append(f"... and {len(refused) - SHOWN} more")
    if not taken:
        told = "; ".join(reasons) or "it holds no row"
        raise ConfigError(f"nothing of {kind}:{path} can be trained on. {told}")
    tasks = ", ".join(f"{count} of {task}" for task, count in Counter(one.task for one in taken).most_common())
    log.info("%s:%s: %d examples taken, %d rows refused; %s", kind, path.name, len(taken), len(refused), tasks)
    for line in reasons:
        log.warning("refused %s", line)
