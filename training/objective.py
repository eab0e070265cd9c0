"""The sum of a step's losses: contrast per task, MCA's two terms, auxiliary heads. Not the losses themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.batch import CodeBook, TrainBatch
from training.config import TrainConfig
from training.legal import TEMPERATURE_RANGE
from training.losses import composition_preference, composition_regularisation, info_nce, symmetric_info_nce
from training.mixers import build_mixer
from umr.errors import ConfigError

#: Weights of the heads that read attribute codes.
HEADS = ("attribute_weight", "vision_weight", "motion_weight")


class AttributeHeads(nn.Module):
    """Linear readers of A attributes from an embedding; used in training alone, never shipped."""

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        """sizes: how many values each attribute has."""
        super().__init__()
        self.scale = math.sqrt(dim)  # a unit row times this has components of order 1
        self.sizes = list(sizes)
        self.linear = nn.Linear(dim, sum(sizes))

    def forward(self, embeddings_ND: Tensor, codes_NA: Tensor) -> Tensor:
        """Mean cross-entropy over the A attributes, nats, of (N, D) unit rows and (N, A) int64 codes."""
        logits = self.linear(embeddings_ND * self.scale).split(self.sizes, dim=1)
        return torch.stack([F.cross_entropy(column, codes_NA[:, a]) for a, column in enumerate(logits)]).mean()


class Objective(nn.Module):
    """loss(outputs, batch) with the parameters that only training needs: temperature, mixer, attribute heads."""

    def __init__(self, config: TrainConfig, dim: int, codes: CodeBook | None = None) -> None:
        """Make the parameters that the config asks for.

        Args:
            config: the weights of the terms.
            dim: D, the length of a vector.
            codes: how the attribute codes of the batches are read; None: they have none.

        Raises:
            ConfigError: a head is asked for, and the batches have no codes.
        """
        super().__init__()
        asked = [name for name in HEADS if getattr(config, name)]
        if asked and codes is None:
            raise ConfigError(f"{', '.join(asked)} reads attribute codes, which these data have not: leave it at 0")
        codes = codes or CodeBook(sizes=(), action=0)
        self.config, self.codes = config, codes
        start = torch.tensor(math.log(config.temperature))
        self.log_temperature = nn.Parameter(start, requires_grad=config.learn_temperature)
        self.mixer = build_mixer(config.mixer, dim) if config.regularisation_weight else None
        self.heads = AttributeHeads(dim, codes.sizes) if config.attribute_weight else None
        self.vision_heads = AttributeHeads(dim, codes.sizes) if config.vision_weight else None
        self.motion_head = nn.Linear(dim, codes.sizes[codes.action]) if config.motion_weight else None
        self.terms: dict[str, float] = {}

    @property
    def temperature(self) -> Tensor:
        """What every score is divided by; held as a logarithm (U-MARVEL, arXiv 2507.14902: it is learned)."""
        return self.log_temperature.exp()

    @torch.no_grad()
    def keep_temperature_in_range(self) -> None:
        """After an update: a learned one is clamped itself, so that its gradient never vanishes; a fixed one stays."""
        if not self.log_temperature.requires_grad:
            return
        self.log_temperature.clamp_(math.log(TEMPERATURE_RANGE[0]), math.log(TEMPERATURE_RANGE[1]))

    def forward(self, outputs: dict[str, Tensor], batch: TrainBatch) -> Tensor:
        """The loss of a step; `terms` then holds every part, unweighted. MCA's terms do not move the temperature.

        Args:
            outputs: role -> (n, D) unit rows.
            batch: whose contrasts, compositions and codes say what the rows should be.

        Returns:
            Scalar, nats.
        """
        temperature = self.temperature
        terms: dict[str, Tensor] = {}
        for contrast in batch.contrasts:
            candidates = torch.cat([outputs[role] for role in contrast.candidates])
            loss_of = symmetric_info_nce if contrast.symmetric else info_nce
            terms[contrast.task] = loss_of(
                outputs[contrast.query], candidates, contrast.positive, temperature, contrast.ignore
            )
        loss = torch.zeros((), device=temperature.device)
        if batch.contrasts:
            loss = torch.stack(
                [term * contrast.weight for term, contrast in zip(terms.values(), batch.contrasts, strict=True)]
            ).sum() / sum(contrast.weight for contrast in batch.contrasts)
        if self.vision_heads is not None and "vision" in batch.codes:
            terms["vision"] = self.vision_heads(outputs["vision"], batch.codes["vision"])
            loss = loss + self.config.vision_weight * terms["vision"]
        if self.motion_head is not None and "motion" in batch.codes:
            logits = self.motion_head(outputs["motion"] * math.sqrt(outputs["motion"].shape[1]))
            terms["motion"] = F.cross_entropy(logits, batch.codes["motion"][:, self.codes.action])
            loss = loss + self.config.motion_weight * terms["motion"]
        roles = [role for role in batch.codes if role not in batch.open_roles and role not in ("vision", "motion")]
        if self.heads is not None and roles:
            terms["attributes"] = self.heads(
                torch.cat([outputs[role] for role in roles]), torch.cat([batch.codes[role] for role in roles])
            )
            loss = loss + self.config.attribute_weight * terms["attributes"]
        for composition in batch.compositions:
            composed, picture, text = (outputs[role] for role in composition.roles)
            if self.config.stop_gradient:
                picture, text = picture.detach(), text.detach()
            paired = outputs[composition.paired][composition.positive]
            if self.config.preference_weight:
                terms[f"preference {composition.task}"] = part = composition_preference(
                    composed, picture, text, paired, temperature.detach()
                )
                loss = loss + self.config.preference_weight * part / len(batch.compositions)
            if self.mixer is not None:
                prototype = self.mixer(text, picture)
                terms[f"regularisation {composition.task}"] = part = composition_regularisation(
                    composed, prototype, temperature.detach(), composition.same
                )
                loss = loss + self.config.regularisation_weight * part / len(batch.compositions)
        self.terms = {name: float(term.detach()) for name, term in terms.items()}
        return loss
