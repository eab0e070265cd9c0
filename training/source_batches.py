"""Steps over the examples of a source: which rows, which pictures, which candidates are true answers. Not its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from training.batch import Contrast, TrainBatch
from training.chunks import EncodedRows, Medium, Tokenise, chunked
from training.config import TrainConfig
from training.draws import generator, jittered
from training.parallel import Group
from training.sources.source import Example, Source
from training.truth import (
    IDENTITY,
    KIND_BITS,
    CandidateKeys,
    QueryKeys,
    key_of,
    key_of_hash,
    kind_bits,
)
from umr.encoders.base import UnifiedEncoder
from umr.encoders.templates import media_kind
from umr.kept import Kept
from umr.types import Content

GROUP = 8  # examples of one group in a batch, at most
NEGATIVES = 5  # of one example in a batch, at most
PIXEL_ROOM = 512 * 2**20  # bytes of prepared pictures that are kept
CANDIDATES = "candidate"  # the role of everything that is searched

Identity = tuple[int, int, int]  # id, content key and text key; 0 where there is none


class Pixels:
    """What the encoder sees of pictures and clips, prepared as it serves them; the last used ones are kept."""

    def __init__(self, encoder: UnifiedEncoder, room: int = PIXEL_ROOM) -> None:
        self._encoder = encoder
        self._kept: Kept[np.ndarray] = Kept(room)

    def __call__(self, content: Content) -> np.ndarray | None:
        """(F, H, W, 3) uint8, None without a picture or clip.

        Raises:
            MediaError: the file cannot be read any more.
        """
        kind = media_kind(content)
        if kind is None:
            return None
        key = str(content.image if kind == "image" else content.video)
        frames = self._kept.get(key)
        if frames is None:
            frames = self._encoder.pixels(content)
            if frames is not None:
                self._kept.put(key, frames)
        return frames


class StepPixels:
    """The pictures and clips of one step, each prepared and moved a little once.

    Attributes:
        frames: uint8 (F, H, W, 3) of each, by number.
        numbers: of each, by path.
    """

    def __init__(self, pixels: Pixels, moved: Callable[[np.ndarray], np.ndarray]) -> None:
        self.frames: list[np.ndarray] = []
        self.numbers: dict[str, int] = {}
        self._pixels, self._moved = pixels, moved

    def number(self, content: Content) -> int | None:
        """The number of its picture or clip, None without one.

        Raises:
            MediaError: the file cannot be read any more.
        """
        frames = self._pixels(content)
        if frames is None:
            return None
        key = str(content.media)
        if key not in self.numbers:
            self.numbers[key] = len(self.frames)
            self.frames.append(self._moved(frames))
        return self.numbers[key]


class SourceBatches:
    """Makes the batch of any step from one source: batch n depends on (seed, n) and the data alone.

    A batch holds one task with one set of sentences; of its groups, `families_per_batch` are drawn. Candidates are the
    answers and negatives of all its examples, and of a composed query its own picture too: a change was asked for.
    """

    def __init__(
        self,
        source: Source,
        encoder: UnifiedEncoder,
        sentences: Mapping[str, Sequence[str]],
        config: TrainConfig,
        group: Group | None = None,
    ) -> None:
        self.source, self.sentences, self.config, self.group = source, sentences, config, group or Group()
        self.tokenise, self.pixels = Tokenise.of(encoder), Pixels(encoder)
        self.identities = Identities(source)
        tasks: dict[tuple[str, str], dict[str, list[Example]]] = {}
        for number, example in enumerate(source.examples):
            key = example.group or str(number)
            tasks.setdefault((example.task, example.instruction), {}).setdefault(key, []).append(example)
        self.tasks = [list(groups.values()) for groups in tasks.values()]
        sizes = np.array([sum(map(len, groups)) for groups in self.tasks], float) ** config.size_exponent
        self.shares = sizes / sizes.sum()

    def build(self, step: int) -> TrainBatch:
        """The batch of a step, on the CPU.

        Raises:
            MediaError: a file that was there at the start cannot be read any more.
        """
        rng, cuts = (generator(self.config.seed, step, self.identities.salt + stream) for stream in ("", "subwords"))
        groups = self.tasks[int(rng.choice(len(self.tasks), p=self.shares))]
        count = min(self.config.families_per_batch, len(groups))
        size = self.group.chunk_families(count, self.config.chunk_families)
        draft = _Draft(self, rng, cuts)
        for place, number in enumerate(rng.choice(len(groups), count, replace=False)):
            if size and place % size == 0:
                draft.chunk += 1
            group = groups[int(number)]
            for chosen in rng.choice(len(group), min(GROUP, len(group)), replace=False):
                draft.ask(group[int(chosen)])
        return draft.finish()


class Identities:
    """The keys that the candidates of a source are known by."""

    def __init__(self, source: Source) -> None:
        self.source, self.salt = source, source.fingerprint
        self._known: dict[str, Identity] = {}

    def __call__(self, did: str) -> Identity:
        """Id, content and text key of a candidate of the source."""
        if did not in self._known:
            self._known[did] = (key_of(f"{self.salt} {did}"), *self.shown(self.source.candidates[did])[1:])
        return self._known[did]

    def shown(self, content: Content) -> Identity:
        """The same of what has no id: a query's own picture."""
        return 0, key_of_hash(self.source.content_hash(content)), key_of(content.text)

    def of_queries(self, examples: Sequence[Example]) -> QueryKeys:
        """What would answer each of the examples; of a picture that is asked for again also itself."""
        answers = [
            [self(did) for did in example.positives]
            + ([self.shown(example.query)] if example.query.modality == example.wanted == "image" else [])
            for example in examples
        ]
        known = torch.zeros((len(answers), max(map(len, answers)), IDENTITY), dtype=torch.int64)
        for row, found in enumerate(answers):
            known[row, : len(found)] = torch.tensor(found)
        return QueryKeys(
            kinds=torch.tensor([kind_bits(example.wanted) for example in examples]),
            positives=known,
            allowed=torch.zeros((len(answers), 0, 0), dtype=torch.int64),
            facts=torch.zeros(len(answers), dtype=torch.int64),
        )


def candidate_keys(contents: Sequence[Content], identities: Sequence[Identity]) -> CandidateKeys:
    """What each candidate is, from its content and its keys."""
    return CandidateKeys(
        kind=torch.tensor([KIND_BITS[content.modality] for content in contents]),
        identity=torch.tensor(identities),
        values=torch.zeros((len(contents), 0), dtype=torch.int64),
        facts=torch.zeros(len(contents), dtype=torch.int64),
    )


def own_picture(example: Example) -> Content | None:
    """The picture of a composed query that asks for pictures: as a candidate it is wrong, for a change was asked."""
    composed = example.query.modality == "image,text" and example.wanted == "image"
    return Content(image=example.query.image) if composed else None


class _Draft:
    """Collects the rows of one step."""

    def __init__(self, batches: SourceBatches, rng: np.random.Generator, cuts: np.random.Generator) -> None:
        self.batches, self.rng, self.cuts = batches, rng, cuts
        self.chunk = 0
        config = batches.config
        self.seen = StepPixels(
            batches.pixels, lambda frames: jittered(frames, rng, config.shift, config.light, config.tint)
        )
        self.media: list[Medium] = []
        self.queries, self.candidates = EncodedRows(), EncodedRows()
        self.columns: dict[Identity, int] = {}
        self.identities: list[Identity] = []
        self.contents: list[Content] = []
        self.examples: list[Example] = []
        self.positive: list[int] = []

    def ask(self, example: Example) -> None:
        """An example: its query, one of its answers, some of its negatives."""
        batches, rng = self.batches, self.rng
        content = example.query
        ways = batches.sentences[example.instruction or example.task]
        instruction = ways[int(rng.integers(len(ways)))]
        medium = self._seen(content)
        kind, seconds = media_kind(content), batches.tokenise.seconds(content)
        tokens = batches.tokenise.row(content.text, instruction, "query", kind, self._grid(medium), seconds)
        if batches.config.subword_dropout and content.text:
            tokens = batches.tokenise.subwords(tokens, batches.config.subword_dropout, self.cuts)
        self.queries.append(tokens, medium, self._chunk_of(medium))
        answer = example.positives[int(rng.integers(len(example.positives)))]
        self.positive.append(self._column(batches.identities(answer), batches.source.candidates[answer]))
        listed = example.negatives
        for place in rng.choice(len(listed), min(NEGATIVES, len(listed)), replace=False):
            did = listed[int(place)]
            self._column(batches.identities(did), batches.source.candidates[did])
        own = own_picture(example)
        if own is not None:
            self._column(batches.identities.shown(own), own)
        self.examples.append(example)

    def _column(self, identity: Identity, content: Content) -> int:
        """The column of a candidate, which is encoded once."""
        if identity not in self.columns:
            medium = self._seen(content)
            kind, grid = media_kind(content), self._grid(medium)
            seconds = self.batches.tokenise.seconds(content)
            tokens = self.batches.tokenise.row(content.text, "", "candidate", kind, grid, seconds)
            self.columns[identity] = self.candidates.append(tokens, medium, self._chunk_of(medium))
            self.identities.append(identity)
            self.contents.append(content)
        return self.columns[identity]

    def _seen(self, content: Content) -> int | None:
        """The number of its picture or clip, which is encoded in the chunk that shows it first."""
        number = self.seen.number(content)
        if number == len(self.media):
            self.media.append(Medium(self.chunk, self.seen.frames[number]))
        return number

    def _grid(self, medium: int | None) -> tuple[int, int, int] | None:
        return None if medium is None else self.batches.tokenise.grid(self.media[medium].frames)

    def _chunk_of(self, medium: int | None) -> int:
        return self.chunk if medium is None else self.media[medium].chunk

    def finish(self) -> TrainBatch:
        """The batch: one contrast, in both directions where a query is of one modality."""
        task = self.examples[0].task
        roles = {task: self.queries, CANDIDATES: self.candidates}
        chunks, places = chunked(self.batches.tokenise, self.media, roles)
        positive = torch.tensor(self.positive)
        queries = self.batches.identities.of_queries(self.examples)
        found = candidate_keys(self.contents, self.identities)
        contrast = Contrast(
            task=task,
            query=task,
            candidates=(CANDIDATES,),
            positive=positive,
            queries=queries,
            found=found,
            symmetric="," not in self.examples[0].query.modality,
        )
        return TrainBatch(
            programme=task,
            chunks=chunks,
            contrasts=[contrast],
            compositions=[],
            codes={},
            open_roles=frozenset(),
            places=places,
        )
