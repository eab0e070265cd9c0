"""The nouns of the library: content, queries, candidates, embeddings, runs. No behaviour but checks of their form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from umr.errors import ConfigError, MismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from PIL.Image import Image

Modality = Literal["text", "image", "image,text", "video"]
Target = Literal["text", "image", "image,text", "video", "all"]

#: What an encoder may compute in; the first where nothing else is said.
DTYPES = (FLOAT32, BFLOAT16) = ("float32", "bfloat16")


class Kind(NamedTuple):
    """What a person calls the candidates of one modality.

    Attributes:
        letters: in the name of a task: it2i asks for images with picture and text.
        one: of results.
        many: of results; a search in them is asked for by this too.
        files: one and many of what a visitor drops.
    """

    modality: Modality
    letters: str
    one: str
    many: str
    files: tuple[str, str]

    @property
    def title(self) -> str:
        """On a badge."""
        return self.one.capitalize()


#: The kinds of candidates, in the order in which they are offered.
KINDS = (
    Kind("image", "i", "image", "images", ("picture", "pictures")),
    Kind("text", "t", "passage", "passages", ("passage", "passages")),
    Kind("image,text", "it", "entry", "entries", ("entry", "entries")),
    Kind("video", "v", "clip", "clips", ("clip", "clips")),
)
KIND_OF: Mapping[str, Kind] = {kind.modality: kind for kind in KINDS}
KIND_BY_LETTERS: Mapping[str, Kind] = {kind.letters: kind for kind in KINDS}
#: What a person searches -> modality of the candidates ("all" mixes every kind in one ranking).
SEARCH_IN: Mapping[str, Target] = {kind.many: kind.modality for kind in KINDS} | {"all": "all"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One thing to embed: text, a picture, a clip, or text with either.

    Attributes:
        text: words.
        image: a path, a PIL picture or a uint8 array (H, W, 3).
        video: a path or uint8 frames (F, H, W, 3).
        span: the part of the clip that is meant, in seconds from its first frame (umr.moments); None: all of it.

    Raises:
        ConfigError: there is no part at all, picture and clip together, or a span that a clip's file cannot have.
    """

    text: str | None = None
    image: str | Path | Image | np.ndarray | None = None
    video: str | Path | np.ndarray | None = None
    span: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.text is None and self.image is None and self.video is None:
            raise ConfigError("content is empty: give a text, a picture or a clip")
        if self.image is not None and self.video is not None:
            raise ConfigError("content has both a picture and a clip: give one of them")
        if self.span is not None and (self.video is None or not 0 <= self.span[0] < self.span[1] < math.inf):
            raise ConfigError(f"{self.span} is no part of a clip: give one, and seconds of which the second is later")

    @property
    def media(self) -> str | Path | Image | np.ndarray | None:
        """What is shown, picture or clip; None for words alone."""
        return self.image if self.image is not None else self.video

    @property
    def modality(self) -> Modality | Literal["video,text"]:
        """M-BEIR's word for the parts that are present."""
        if self.video is not None:
            return "video" if self.text is None else "video,text"
        if self.image is not None:
            return "image" if self.text is None else "image,text"
        return "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search request.

    Attributes:
        query_id: names it in runs and judgements.
        content: what it shows.
        instruction: the task sentence; "" means: the encoder's trained one for (content.modality, target_modality), and
            None: none at all, neither that nor the one that stands in its prompt where nothing is said.
        target_modality: what it searches.
        exclude: candidate ids that are never shown (the reference picture's own entry).
    """

    query_id: str
    content: Content
    instruction: str | None = ""
    target_modality: Target = "all"
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something that can be found.

    Attributes:
        candidate_id: names it in runs and judgements.
        content: what it shows.
        title: what a person calls it.
        source: where it is from.
        licence: of the picture, clip or text.
        content_hash: sha256 of the picture's or clip's bytes ("" for text alone).
        duration_s: how long a whole clip is shown; None where it is not known, of a part, and of anything else.
    """

    candidate_id: str
    content: Content
    title: str = ""
    source: str = ""
    licence: str = ""
    content_hash: str = ""
    duration_s: float | None = None


class Refused(NamedTuple):
    """Something that was offered to a collection and not taken, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """Unit rows and who made them.

    Attributes:
        ids: of the rows (N).
        vectors: (N, D) float32.
        encoder: the encoder's fingerprint.

    Raises:
        MismatchError: the vectors are of another form, number or length.
    """

    ids: tuple[str, ...]
    vectors: np.ndarray
    encoder: str

    def __post_init__(self) -> None:
        import numpy as np  # here, so that the command line reads the names of the kinds without it

        if self.vectors.ndim != 2 or self.vectors.dtype != np.float32:
            raise MismatchError(f"vectors are {self.vectors.dtype} {self.vectors.shape}; float32 (N, D) is needed")
        if len(self.ids) != len(self.vectors):
            raise MismatchError(f"{len(self.ids)} ids for {len(self.vectors)} vectors")
        norms = np.linalg.norm(self.vectors, axis=1)
        if len(norms) and not np.allclose(norms, 1.0, atol=1e-3):
            worst = int(np.abs(norms - 1.0).argmax())
            raise MismatchError(f"row {worst} ({self.ids[worst]}) has length {norms[worst]:.4f}, not 1")

    def __len__(self) -> int:
        return len(self.ids)


class Hit(NamedTuple):
    """One place of a ranking; rank counts from 1, a higher score is better."""

    candidate_id: str
    score: float
    rank: int


MatchWord = Literal["strong", "fair", "weak"]


class Match(NamedTuple):
    """What a score is worth, as it was measured on held-out queries.

    Attributes:
        word: the verdict.
        right: share of held-out first results so called that were right; None where too few were to say, or where it is
            not a matter of the score.
        unlike: the query, or the kind of what was found, is unlike the training, so that no score counts.
    """

    word: MatchWord
    right: float | None = None
    unlike: bool = False


Run = dict[str, list[Hit]]
Qrels = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A hit together with what it found.

    Attributes:
        hit: its place.
        candidate: what was found.
        match: what its score is worth; None where nothing was calibrated for such a search.
    """

    hit: Hit
    candidate: Candidate
    match: Match | None = None


class Encoder(Protocol):
    """Anything that turns queries and candidates into comparable unit vectors."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def fingerprint(self) -> str:
        """Equal for encoders that give equal vectors."""

    @property
    def dim(self) -> int:
        """D, the length of a vector."""

    @property
    def max_tokens(self) -> int:
        """So many tokens of a text are read."""

    def encode_queries(self, queries: Iterable[Query]) -> Embeddings:
        """Vectors (N, D) of the queries, in their order. Content that cannot be read is a MediaError."""

    def encode_candidates(self, candidates: Iterable[Candidate]) -> Embeddings:
        """Vectors (N, D) of the candidates, in their order. Content that cannot be read is a MediaError."""

    def uninstructed(self, query: Query) -> bool:
        """Whether the query is asked without a task sentence, for want of a trained one."""

    def dropped_tokens(self, content: Content) -> int:
        """How many tokens of the text are not read."""

    def notices(self, query: Query) -> tuple[str, ...]:
        """What a person should know about how this query was read."""
