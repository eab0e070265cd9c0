"""An encoder that sentence-transformers (5.4 or newer) computes: texts, pictures, both. Not how a folder becomes one.

That package is optional: it is imported when such an encoder is opened. What it does otherwise than umr elsewhere: it
takes a text that spells one of a tokenizer's special tokens for that token. Texts are handed over as such, so that none
is read as the path or address of a picture, which it would open.

P parts (a text, a picture or frame, or both), B rows, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from umr import media
from umr.encoders.encoding import EMPTY, LEFT_OUT, Encoding, shown_in
from umr.encoders.sentence_config import SentenceConfig
from umr.encoders.templates import Role
from umr.encoders.weights import quiet
from umr.errors import ConfigError, MediaError, MismatchError, reason
from umr.fusion import unit_means, weighted_sum
from umr.types import Content, Query

if TYPE_CHECKING:
    from umr.types import Encoder

LEAST = (5, 4)  # of sentence-transformers: the first with pictures and texts together
TEXT, IMAGE = "text", "image"
BOTH = (IMAGE, TEXT)  # as the package calls it
#: What it and its libraries raise for folders that they cannot open.
_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError)


def package() -> Any:
    """The package.

    Raises:
        ConfigError: it is not installed, cannot be imported, or is too old.
    """
    way = "pip install 'umr[sentence-transformers]'"
    try:
        import sentence_transformers
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that is not of this torch
        raise ConfigError(
            f"this is a model of sentence-transformers, which cannot be imported ({reason(error)}): {way}; a "
            "torchvision that is installed must be the one of the torch that is"
        ) from error
    found = str(sentence_transformers.__version__)
    if tuple(int(part) for part in found.split(".")[:2] if part.isdigit()) < LEAST:
        least = ".".join(map(str, LEAST))
        raise ConfigError(f"sentence-transformers {found} reads no pictures beside texts; {least} is needed: {way}")
    return sentence_transformers


def open_model(folder: str | Path, dtype: torch.dtype) -> Any:
    """The SentenceTransformer of a folder, on the CPU, in evaluation mode; no code of the folder runs.

    Raises:
        ConfigError: the package is missing or too old.
        MismatchError: it does not open the folder.
    """
    kind = package().SentenceTransformer
    try:
        with quiet():
            model = kind(str(folder), device="cpu", local_files_only=True, trust_remote_code=False)
    except _BROKEN as error:
        raise MismatchError(
            f"sentence-transformers does not open {folder} ({reason(error)}): what it names may be missing here, or a "
            "file damaged; copy the folder again"
        ) from error
    return model.to(dtype).eval()


@dataclass(slots=True, eq=False)
class SentenceBatch:
    """Rows ready for the model.

    Attributes:
        rows: how many, B.
        role: whose prompt.
        parts: (row, what is encoded, task sentence), P of them: of a clip one for each frame, and where picture and
            text are added one for each of these.
    """

    rows: int
    role: Role
    parts: list[tuple[int, dict[str, Any], str | None]] = field(default_factory=list)

    def __len__(self) -> int:
        return self.rows


class SentenceEncoder(Encoding):
    """Texts, pictures, clips, and compositions of them, through a SentenceTransformer.

    model: it, whose weights are this module's.
    """

    config: SentenceConfig

    def __init__(self, config: SentenceConfig, model: Any) -> None:
        super().__init__()
        self.config, self.model = config, model

    @classmethod
    def load(cls, folder: str | Path, config: SentenceConfig, dtype: torch.dtype) -> SentenceEncoder:
        """The encoder of a folder, in evaluation mode.

        Args:
            folder: its files were compared with their hashes.
            config: the folder's settings.
            dtype: what is computed in.

        Raises:
            ConfigError: the package is missing or too old.
            MismatchError: it does not open the folder.
        """
        return cls(config, open_model(folder, dtype)).eval()

    def prepare(
        self, contents: Sequence[Content], instructions: Sequence[str | None], role: Role = "query"
    ) -> SentenceBatch:
        """A batch of contents.

        Raises:
            MediaError: a content cannot be read safely.
        """
        batch = SentenceBatch(rows=len(contents), role=role)
        for row, (content, instruction) in enumerate(zip(contents, instructions, strict=True)):
            words = _words(content)
            shown: list[dict[str, Any]] = [{IMAGE: _picture(one)} for one in shown_in(content, self.config)]
            if not words and not shown:
                raise MediaError(EMPTY)
            if not shown or not words:
                parts = shown or [{TEXT: words}]
            else:
                parts = [one | {TEXT: words} for one in shown] if self.config.joint else [*shown, {TEXT: words}]
            batch.parts += [(row, part, instruction) for part in parts]
        return batch

    @torch.inference_mode()
    def vectors(self, batch: SentenceBatch) -> np.ndarray:
        """Unit rows (B, D) float32 on the CPU."""
        found_PD = np.zeros((len(batch.parts), self.dim), np.float32)
        alike: dict[tuple[tuple[str, ...], str | None], list[int]] = {}
        for at, (_, part, instruction) in enumerate(batch.parts):
            alike.setdefault((tuple(part), instruction), []).append(at)
        for (_, instruction), places in alike.items():
            found_PD[places] = self._encoded([batch.parts[at][1] for at in places], instruction, batch.role)
        kinds = [2 * row + (IMAGE not in part) for row, part, _ in batch.parts]  # pictures of a row, then its text
        known, means_KD = unit_means(found_PD, kinds)
        found = np.zeros((batch.rows, self.dim), np.float32)
        found[known // 2] = means_KD
        both = [at for at in range(1, len(known)) if known[at] // 2 == known[at - 1] // 2]
        rows = known[both] // 2
        found[rows] = weighted_sum(means_KD[[at - 1 for at in both]], means_KD[both], self.config.text_weight)
        return found

    def _encoded(self, parts: list[dict[str, Any]], instruction: str | None, role: Role) -> np.ndarray:
        """Unit vectors of parts of one kind; where nothing is said ("") the model's own prompt of the role stands."""
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        asked = {} if instruction == "" else {"prompt": instruction or ""}
        found = encode(parts, batch_size=len(parts), show_progress_bar=False, normalize_embeddings=True, **asked)
        return np.asarray(found, np.float32)

    def instruction(self, query: Query) -> str | None:
        """The query's own task sentence, where the model reads such."""
        return query.instruction if self.config.reads_instruction else ""

    def uninstructed(self, query: Query) -> bool:  # noqa: ARG002
        """Never: the model has a prompt of its own for queries, or none."""
        return False

    def notices(self, query: Query) -> tuple[str, ...]:
        """What a person should know about how this query was read: a text that was cut, a task sentence left out."""
        left_out = bool(query.instruction) and not self.config.reads_instruction
        return (*super().notices(query), *((LEFT_OUT,) if left_out else ()))

    def dropped_tokens(self, content: Content) -> int:
        """How many tokens of the text lie beyond config.max_tokens, without those of the model's own prompt."""
        words = _words(content)
        if not words:
            return 0
        return max(0, len(self.model.tokenizer(words)["input_ids"]) - self.config.max_tokens)

    def is_large(self, kind: str) -> bool:
        """Clips and pictures: their size here is the model's own affair."""
        return bool(kind)


def check_kinds(model: Any, source: str | Path) -> None:
    """Refuse a model that does not read texts and pictures.

    Raises:
        ConfigError: it does not.
    """
    lacks = [kind for kind in (TEXT, IMAGE) if not model.supports(kind)]
    if lacks:
        reads = ", ".join(str(one) for one in model.modalities)
        raise ConfigError(
            f"{source} reads {reads} in sentence-transformers, not {lacks[0]}; both text and image are needed"
        )


def _words(content: Content) -> str:
    return "" if content.text is None else media.clean_text(content.text)


def _picture(image: Image.Image | np.ndarray) -> Image.Image:
    return Image.fromarray(image) if isinstance(image, np.ndarray) else image


if TYPE_CHECKING:
    _DECLARED: type[Encoder] = SentenceEncoder
