"""An encoder as `mteb` asks for one: `mteb.evaluate(MtebEncoder.open(FOLDER), tasks)`. Not a benchmark of umr's.

mteb is optional: nothing else of umr needs it, and only what it asks of a model's description imports it. What a query
asks for is read of the task's category, "it2i", so that the encoder's own task sentence for it is used. Of a corpus
only a portion is held at a time, beside the vectors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from umr.errors import ConfigError
from umr.types import KIND_BY_LETTERS, Candidate, Content, Query, Target

if TYPE_CHECKING:
    from umr.types import Encoder

OWNER = "umr"  # mteb names a model OWNER/NAME
_ASKED = "query"
#: Rows of a portion: the encoder's own batch of pictures, which are held decoded; more of texts, sorted by length.
PICTURES, TEXTS = 64, 4096
log = logging.getLogger(__name__)

_Row = tuple[Content, str]  # with its own task sentence


class MtebEncoder:
    """mteb's EncoderProtocol over any encoder of umr: texts, pictures, and both.

    encoder: what computes.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    @classmethod
    def open(cls, where: str, dtype: str = "float32") -> MtebEncoder:
        """The encoder of a bundled name, a folder or hub:OWNER/NAME[@REVISION] (see umr.models.ready.found)."""
        from umr.encoders import load_encoder
        from umr.models.ready import found

        return cls(load_encoder(found(where, dtype, log.info)[0], dtype))

    @property
    def mteb_model_meta(self) -> Any:
        """How its results are named.

        Raises:
            ConfigError: mteb is not installed.
        """
        try:
            from mteb.models.model_meta import ModelMeta
        except ImportError as error:
            raise ConfigError(f"mteb is not installed ({error}); pip install mteb") from error
        told = {
            "name": f"{OWNER}/{self.encoder.name}",
            "revision": self.encoder.fingerprint,
            "embed_dim": self.encoder.dim,
            "max_tokens": self.encoder.max_tokens,
            "modalities": ["text", "image"],
        }
        return ModelMeta.create_empty(overwrites=told)

    def encode(
        self,
        inputs: Iterable[Mapping[str, Sequence[Any]]],
        *,
        task_metadata: Any,
        hf_split: str,  # noqa: ARG002
        hf_subset: str,  # noqa: ARG002
        prompt_type: Any = None,
        **options: Any,  # noqa: ARG002
    ) -> np.ndarray:
        """Unit rows (N, D) of all batches, in their order.

        Args:
            inputs: batches {"text": (B,), "image": (B,), "query"?, "instruction"?}, of which either may be left out.
            task_metadata: of the task, whose category says what is searched.
            hf_split: as mteb gives it; not read.
            hf_subset: as mteb gives it; not read.
            prompt_type: "query", or what else is encoded: candidates.
            options: as mteb gives them; not read, as umr batches by length.

        Raises:
            ConfigError: a row has neither text nor picture, or the encoder knows no task sentence for it.
            MediaError: a content cannot be read.
        """
        asked = prompt_type is not None and str(getattr(prompt_type, "value", prompt_type)) == _ASKED
        target = searched(task_metadata.category) if asked else None
        found, done = [np.zeros((0, self.encoder.dim), np.float32)], 0
        for rows in _portions(inputs):
            found.append(self._vectors(rows, done, target))
            done += len(rows)
        return np.concatenate(found)

    def _vectors(self, rows: Sequence[_Row], first: int, target: Target | None) -> np.ndarray:
        """Unit rows of queries that search `target`, or of candidates; the first one is row `first` of all."""
        numbered = enumerate(rows, first)
        if target is None:
            return self.encoder.encode_candidates(
                Candidate(candidate_id=str(at), content=content) for at, (content, _) in numbered
            ).vectors
        return self.encoder.encode_queries(
            Query(query_id=str(at), content=content, instruction=words, target_modality=target)
            for at, (content, words) in numbered
        ).vectors

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines (N, M) of unit rows, as a tensor."""
        import torch

        return torch.as_tensor(embeddings1) @ torch.as_tensor(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines (N,) of equally many unit rows, as a tensor."""
        import torch

        return (torch.as_tensor(embeddings1) * torch.as_tensor(embeddings2)).sum(-1)


def searched(category: str | None) -> Target:
    """What a task of this category searches: "image" of "it2i"; "all" where it does not say."""
    kind = KIND_BY_LETTERS.get((category or "").partition("2")[2])
    return "all" if kind is None else kind.modality


def _portions(batches: Iterable[Mapping[str, Sequence[Any]]]) -> Iterator[list[_Row]]:
    """The rows of all batches in portions of whole batches; each is emptied before the next one is read."""
    rows: list[_Row] = []
    for batch in batches:
        rows += _rows(batch)
        del batch  # or its pictures stay while the next ones are decoded
        if len(rows) >= (PICTURES if any(content.image is not None for content, _ in rows) else TEXTS):
            yield rows
            rows.clear()
    if rows:
        yield rows


def _rows(batch: Mapping[str, Sequence[Any]]) -> Iterator[_Row]:
    """The contents of a batch with their own task sentences; a query's words are taken without mteb's prompt."""
    words = batch.get("query", batch.get("text"))
    shown, asked = batch.get("image"), batch.get("instruction")
    if words is None and shown is None:
        raise ConfigError(f"a batch has the columns {', '.join(sorted(batch))}; umr reads text and image")
    for at in range(len(words if words is not None else shown or ())):
        text, image = None if words is None else words[at] or None, None if shown is None else shown[at]
        yield Content(text=text, image=image), "" if asked is None else str(asked[at] or "")
