"""The training loop that a script has around transformers' class: what ours is timed against. Nothing trains with it.

Every row is a prompt of its own with its own picture, padded to the longest row of its role; the class attends by
scaled dot product attention. Same rows, same weights, same loss, same autocast as ours. No clips: behind a clip the
class of transformers 5.24 counts on from the sides of its grid, Qwen2-VL's own code and ours from its last position.

B rows, T tokens, H hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.batch import Chunk, LengthSorted, TrainBatch
from training.config import TrainConfig
from training.objective import Objective
from training.precision import autocast
from umr.encoders.base import UnifiedEncoder
from umr.encoders.pooling import mean_tokens
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.encoders.qwen_vl_pixels import patches
from umr.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The rows of a role as transformers takes them, in the role's own order.

    Attributes:
        inputs: of the class's forward pass, padded at the right.
        pool_BT: the tokens whose states are averaged.
    """

    inputs: dict[str, Tensor]
    pool_BT: Tensor


class PlainLoop:
    """A step with the weights of an encoder: forward, the objective, backward, clipping, torch's AdamW.

    Raises:
        ConfigError: the encoder is of another class, or pools otherwise than by the mean.
    """

    def __init__(self, config: TrainConfig, encoder: UnifiedEncoder) -> None:
        if not isinstance(encoder.backbone, QwenVLBackbone) or encoder.config.pooling != "mean":
            raise ConfigError(
                f"the plain loop is of Qwen2-VL with mean pooling; {encoder.name} is {encoder.config.backbone} with "
                f"{encoder.config.pooling}"
            )
        self.config, self.encoder, self.backbone = config, encoder.train(), encoder.backbone
        self.objective = Objective(config, encoder.dim).to(encoder.device)
        parameters = [*encoder.parameters(), *self.objective.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.parameters = parameters

    def collated(self, batch: TrainBatch) -> dict[str, Prompts]:
        """What a data loader hands over: prompts of every role; its time is not counted.

        Raises:
            ConfigError: the batch is in chunks, or has clips.
        """
        if len(batch.chunks) != 1:
            raise ConfigError(f"the plain loop takes a batch at once, not in {len(batch.chunks)} chunks")
        (chunk,) = batch.chunks
        if chunk.clips is not None:
            raise ConfigError(
                f"the plain loop takes no clips, which steps of {batch.programme!r} have; time another kind"
            )
        return {role: self._prompts(rows, chunk) for role, rows in chunk.roles.items()}

    def step(self, prompts: dict[str, Prompts], batch: TrainBatch) -> float:
        """One step; returns the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        device = self.encoder.device
        with autocast(device, self.config.bf16):
            outputs = {role: self._embedded(rows) for role, rows in prompts.items()}
        loss = self.objective(outputs, batch.to(device))
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        self.optimizer.step()
        return float(loss.detach())

    def _embedded(self, rows: Prompts) -> Tensor:
        device = self.encoder.device
        given = {name: value.to(device) for name, value in rows.inputs.items()}
        hidden_BTH = self.backbone.model(**given, use_cache=False).last_hidden_state
        return nn.functional.normalize(mean_tokens(hidden_BTH, rows.pool_BT.to(device)), dim=-1)

    def _prompts(self, rows: LengthSorted, chunk: Chunk) -> Prompts:
        tokens: list[Tensor] = []
        pools: list[Tensor] = []
        items: list[int | None] = []
        count = self.backbone.media["image"].count
        for part in rows.parts:
            width = part.input_ids_BT.shape[1]
            shown = dict(zip((part.seen_at // width).tolist(), part.seen_rows.tolist(), strict=True))  # its last token
            for place, real in enumerate(part.attention_mask_BT):
                tokens.append(part.input_ids_BT[place][real])
                pools.append(part.pool_mask_BT[place][real])
                seen = shown.get(place)
                items.append(None if seen is None else seen // count)
        order = rows.order.argsort().tolist()
        ids_BT = nn.utils.rnn.pad_sequence([tokens[place] for place in order], batch_first=True)
        real_BT = nn.utils.rnn.pad_sequence([torch.ones_like(tokens[place]) for place in order], batch_first=True)
        pool_BT = nn.utils.rnn.pad_sequence([pools[place] for place in order], batch_first=True)
        kinds_BT = torch.zeros_like(ids_BT)
        kinds_BT[(ids_BT == self.backbone.model.config.image_token_id) & (real_BT == 1)] = 1  # 1: pictures
        inputs = {"input_ids": ids_BT, "attention_mask": real_BT, "mm_token_type_ids": kinds_BT}
        return Prompts(inputs=inputs | self._media([items[place] for place in order], chunk.stills), pool_BT=pool_BT)

    def _media(self, items: list[int | None], stills: np.ndarray | None) -> dict[str, Tensor]:
        """Pixels as often as they are shown: the rows of a role all have pictures, or none has."""
        places = [place for place in items if place is not None]
        if not places or stills is None:
            return {}
        backbone = self.backbone
        pixels = torch.from_numpy(stills[places])
        rows = patches(pixels, backbone.patch, backbone.merge, backbone.temporal, backbone.colours).flatten(0, 1)
        side = backbone.size // backbone.patch
        return {"pixel_values": rows, "image_grid_thw": torch.tensor([[1, side, side]] * len(places))}
