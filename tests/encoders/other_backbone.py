"""A second backbone, of a family with tokens of its own: what the contract is for. One layer of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from umr.encoders.batch import Batch
from umr.encoders.checkpoint import Checkpoint
from umr.encoders.config import EncoderConfig
from umr.encoders.templates import MediaSpan
from umr.encoders.tokenizer import SpecialTokens
from umr.errors import ConfigError, MismatchError

NAME = "other"
CELL = 16  # px of a picture that become one token
MOST = 256  # tokens of a row


class OtherBackbone(nn.Module):
    special = SpecialTokens(family="Other", own=("[PAD]", "[SEE]", "[CELL]", "[END]"), pad="[PAD]", end="[END]")
    implementation = "a test's own"
    processor = ""

    def __init__(self, config: EncoderConfig, words: int, width: int) -> None:
        super().__init__()
        self.causal = config.attention == "causal"
        self.frames = config.max_frames
        side = config.image_size // CELL
        self.media = {
            "image": MediaSpan("[SEE]", "[CELL]", "[END]", (1, side, side)),
            "video": MediaSpan("[SEE]", "[CELL]", "[END]", (config.max_frames, side, side)),
        }
        self.cells = nn.Linear(3 * CELL * CELL, width)
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(MOST, width)
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    @property
    def hidden_size(self) -> int:
        return self.out.out_features

    @classmethod
    def tiny(cls) -> tuple[EncoderConfig, dict[str, int]]:
        settings = {"query_template": "{media}{instruction}{text}[END]", "candidate_template": "{media}{text}[END]"}
        return EncoderConfig(
            name="other", backbone=NAME, dim=24, image_size=32, max_frames=2, max_tokens=30, **settings
        ), {"width": 24}

    @classmethod
    def for_tokenizer(cls, config: EncoderConfig, tokenizer, **sizes: int) -> Self:
        if set(sizes) - {"width"}:
            raise ConfigError(f"unknown sizes {sorted(sizes)}; legal: width")
        return cls(config, tokenizer.get_vocab_size(), **sizes)

    @classmethod
    def load(cls, folder: str | Path, config: EncoderConfig, dtype: torch.dtype) -> Self:
        try:
            state = load_file(Path(folder) / "model.safetensors")
        except OSError as error:
            raise MismatchError(f"{folder} cannot be read ({error})") from error
        made = cls(config, *state["words.weight"].shape)
        made.load_state_dict(state)
        return made.to(dtype)

    @classmethod
    def served(cls, folder: str | Path, config: EncoderConfig, dtype: torch.dtype) -> Self:
        return cls.load(folder, config, dtype)

    def save(self, folder: str | Path) -> None:
        save_file(
            {name: value.contiguous() for name, value in self.state_dict().items()}, f"{folder}/model.safetensors"
        )

    @classmethod
    def adopted(cls, checkpoint: Checkpoint, tokenizer, config: EncoderConfig) -> EncoderConfig:
        raise ConfigError(f"{checkpoint.source} is of {cls.special.family}, of which there are no public checkpoints")

    @classmethod
    def processor_files(cls, config: EncoderConfig, folder: str | Path) -> dict[str, str]:
        return {}

    def see(self, pixels_NFSS3: Tensor) -> Tensor:
        items, frames, side, _, _ = pixels_NFSS3.shape
        x = pixels_NFSS3.view(items, frames, side // CELL, CELL, side // CELL, CELL, 3).transpose(3, 4)
        return self.cells(x.reshape(items, -1, 3 * CELL * CELL).to(self.cells.weight.dtype) / 255)

    def hidden_states(self, batch: Batch, seen_RH: Tensor | None) -> Tensor:
        mask_BT, x_BTH = batch.attention_mask_BT, self.words(batch.input_ids_BT)
        if seen_RH is not None:
            shown = seen_RH[batch.seen_rows].to(x_BTH.dtype)
            x_BTH = x_BTH.flatten(0, 1).index_copy(0, batch.seen_at, shown).view_as(x_BTH)
        x_BTH = x_BTH + self.places((mask_BT.long().cumsum(1) - 1).clamp(min=0))
        allowed = mask_BT[:, None, :].expand(-1, mask_BT.shape[1], -1)
        allowed = allowed.tril() if self.causal else allowed
        q, k, v = self.mixed(x_BTH).chunk(3, -1)
        weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).masked_fill(~allowed, -1e4).softmax(-1)
        return self.out(F.silu(x_BTH + weights @ v))
