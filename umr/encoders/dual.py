"""An encoder of two towers: texts and pictures apart, compositions by a weighted sum. Not how a family reads its texts.

The vector of a composed content is the unit sum of its picture's and its text's (umr.fusion), that of a clip the unit
mean of its frames' (CLIP4Clip, Luo et al., 2021, "mean pooling"). Task sentences are not read: nothing taught it any.

B rows, T tokens, N pictures and frames, S side in px, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoImageProcessor

from umr import media
from umr.encoders.dual_config import DualConfig
from umr.encoders.duals import towers_class
from umr.encoders.encoding import EMPTY, LEFT_OUT, Encoding, shown_in
from umr.encoders.resize import check_shape
from umr.encoders.templates import Role
from umr.encoders.tokenizer import token_id
from umr.encoders.towers import PIXELS, Towers, open_tokenizer, plain_text
from umr.errors import ConfigError, MediaError, MismatchError
from umr.fusion import unit_means, weighted_sum
from umr.types import Content, Query

if TYPE_CHECKING:
    from umr.types import Encoder

#: The image processor's settings lie in one of these; transformers reads the first that is there.
PREPROCESSORS = ("processor_config.json", "preprocessor_config.json")


@dataclass(slots=True, eq=False)
class DualBatch:
    """Rows ready for the towers; a row has a text, pictures, or both.

    Attributes:
        rows: how many, B.
        texts: the texts of those that have one.
        text_rows: their rows.
        pixels: what Towers.sees names, the pixels float32; None where no row shows anything.
        pixel_rows: the row of each, (N,): several of a clip.
    """

    rows: int
    texts: list[str]
    text_rows: list[int]
    pixels: dict[str, Tensor] | None
    pixel_rows: list[int]

    def __len__(self) -> int:
        return self.rows


class Preprocessor:
    """The checkpoint's own resizing, cropping and normalising, with Pillow; its settings lie beside the weights."""

    def __init__(self, folder: str | Path, towers: Towers, side: int) -> None:
        """Read them.

        Args:
            folder: of the checkpoint or encoder.
            towers: the networks, of which one sees what is made.
            side: of the square that it sees, px.

        Raises:
            MismatchError: there are none, or they cannot be read.
        """
        try:
            self._process: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                str(folder), backend="pil", local_files_only=True
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise MismatchError(
                f"the settings of the image processor of {folder} cannot be read ({reason}); copy the folder again"
            ) from error
        self._names, self._shape = towers.sees, towers.shape(side)
        self._by_shorter_side = "shortest_edge" in dict(self._process.size or {})

    def __call__(self, images: Sequence[Image.Image | np.ndarray]) -> dict[str, Tensor]:
        """What Towers.sees names of N pictures, the pixels float32.

        Raises:
            MediaError: a picture is over 200 times as long as wide, and would be made as large.
            ConfigError: the settings make another size than the network sees.
        """
        for image in images if self._by_shorter_side else ():
            width, height = image.size if isinstance(image, Image.Image) else image.shape[1::-1]
            check_shape(height, width)
        made = self._process(images=list(images), return_tensors="pt")
        lost = [name for name in self._names if name not in made]
        if lost:
            raise ConfigError(
                f"the image processor gives no {lost[0]}, which the network needs; they belong to different checkpoints"
            )
        pixels: Tensor = made[PIXELS].float()
        if tuple(pixels.shape[-len(self._shape) :]) != self._shape:
            raise ConfigError(
                f"the image processor makes pictures of {tuple(pixels.shape[1:])}, the network sees "
                f"{self._shape}; they belong to different checkpoints"
            )
        return {name: made[name] for name in self._names} | {PIXELS: pixels}


class DualEncoder(Encoding):
    """Texts, pictures, clips, and weighted sums of their vectors, through the two networks of a dual encoder.

    towers: the two networks, whose weights are this module's.
    """

    config: DualConfig

    def __init__(self, config: DualConfig, towers: Towers, tokenizer: Tokenizer, preprocessor: Preprocessor) -> None:
        super().__init__()
        if towers.dim != config.dim:
            raise ConfigError(f"dim is {config.dim}, but the networks give {towers.dim} numbers; make them equal")
        self.config, self.towers, self.preprocessor = config, towers, preprocessor
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.tokenizer.encode_special_tokens = True
        self.tokenizer.enable_truncation(config.max_tokens)
        self.tokenizer.enable_padding(
            pad_id=token_id(self.tokenizer, config.pad_token),
            pad_token=config.pad_token,
            length=config.max_tokens if config.padding == "full" else None,
        )

    @classmethod
    def load(cls, folder: str | Path, config: DualConfig, dtype: torch.dtype) -> DualEncoder:
        """The encoder of a folder, in evaluation mode.

        Args:
            folder: its files were compared with their hashes.
            config: the folder's settings.
            dtype: what is computed in.

        Raises:
            ConfigError: the backbone is unknown, or the folder's parts do not belong together.
            MismatchError: a file is damaged.
        """
        towers = towers_class(config.backbone).load(folder, dtype)
        return cls(config, towers, open_tokenizer(folder), Preprocessor(folder, towers, config.image_size)).eval()

    def prepare(
        self,
        contents: Sequence[Content],
        instructions: Sequence[str | None],  # noqa: ARG002
        role: Role = "query",  # noqa: ARG002
    ) -> DualBatch:
        """A batch of contents, whichever their role; task sentences are left out.

        Raises:
            MediaError: a content cannot be read safely.
        """
        batch = DualBatch(rows=len(contents), texts=[], text_rows=[], pixels=None, pixel_rows=[])
        images: list[Image.Image | np.ndarray] = []
        for row, content in enumerate(contents):
            text, shown = self._text(content), shown_in(content, self.config)
            if not text and not shown:
                raise MediaError(EMPTY)
            if text:
                batch.texts.append(text)
                batch.text_rows.append(row)
            images += shown
            batch.pixel_rows += [row] * len(shown)
        if images:
            batch.pixels = self.preprocessor(images)
        return batch

    def _text(self, content: Content) -> str:
        """The words as the tokenizer gets them; "" for none."""
        if content.text is None or not (words := media.clean_text(content.text)):
            return ""
        read = plain_text(words, self.config.lower, self.config.strip_punctuation)
        alone = content.image is None and content.video is None
        return read or (words if alone else "")  # of "?!", which says nothing beside a picture

    @torch.inference_mode()
    def vectors(self, batch: DualBatch) -> np.ndarray:
        """Unit rows (B, D) float32 on the CPU."""
        words_ND = self._of_texts(batch.texts) if batch.texts else None
        seen_ND = self._of_pictures(batch) if batch.pixels is not None else None
        found = np.zeros((batch.rows, self.dim), np.float32)
        shown = sorted(set(batch.pixel_rows))
        if seen_ND is not None:
            found[shown] = seen_ND
        if words_ND is not None:
            both = [place for place, row in enumerate(batch.text_rows) if row in set(shown)]
            alone = [place for place, row in enumerate(batch.text_rows) if row not in set(shown)]
            found[[batch.text_rows[place] for place in alone]] = words_ND[alone]
            rows = [batch.text_rows[place] for place in both]
            found[rows] = weighted_sum(found[rows], words_ND[both], self.config.text_weight)
        return found

    def _of_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of texts."""
        encoded = self.tokenizer.encode_batch(list(texts))
        ids_BT = torch.tensor([one.ids for one in encoded], device=self.device)
        mask_BT = torch.tensor([one.attention_mask for one in encoded], device=self.device)
        return _unit(self.towers.texts(ids_BT, mask_BT)).numpy()

    def _of_pictures(self, batch: DualBatch) -> np.ndarray:
        """Unit vectors of the rows that show something, in their order: of a clip, the mean of its frames'."""
        if batch.pixels is None:
            raise ValueError("no row of this batch shows anything")
        dtype = next(self.towers.parameters()).dtype
        seen = {name: one.to(self.device) for name, one in batch.pixels.items()}
        frames_ND = _unit(self.towers.pictures(seen | {PIXELS: seen[PIXELS].to(dtype)}))
        return unit_means(frames_ND.numpy(), batch.pixel_rows)[1]

    def instruction(self, query: Query) -> str:  # noqa: ARG002
        """None is read."""
        return ""

    def uninstructed(self, query: Query) -> bool:  # noqa: ARG002
        """Never: it was trained without any."""
        return False

    def notices(self, query: Query) -> tuple[str, ...]:
        """What a person should know about how this query was read: a text that was cut, a task sentence left out."""
        return (*super().notices(query), *((LEFT_OUT,) if query.instruction else ()))

    def dropped_tokens(self, content: Content) -> int:
        """How many tokens of the text are not read, as they lie beyond config.max_tokens."""
        text = self._text(content)
        rest = self.tokenizer.encode(text).overflowing if text else []
        return sum(one.special_tokens_mask.count(0) for one in rest)


def _unit(vectors_ND: Tensor) -> Tensor:
    """Rows of length 1, float32 on the CPU."""
    return F.normalize(vectors_ND.float(), dim=-1).cpu()


if TYPE_CHECKING:
    _DECLARED: type[Encoder] = DualEncoder
