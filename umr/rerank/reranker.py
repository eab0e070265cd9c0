"""Scores pairs of query and candidate as the share of "yes" in two answers, the query being computed once.

Pointwise, as U-MARVEL's re-ranker (arXiv 2507.14902, its section on re-ranking), which generates text to read one
token of it; here one forward pass ends in two rows of the embeddings, and nothing is generated. The sequence is
[query media, instruction, text] [candidate media, text] [answer token]. The query's keys and values do not depend on
what follows, so they serve all its candidates; within query and candidate the attention is causal or bidirectional.

Q queries, P tokens of a query, B candidates, T tokens of one, V vision tokens of an item, H hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from umr.encoders.backbone import Backbone
from umr.encoders.base import Padding, UnifiedEncoder
from umr.encoders.batch import Batch
from umr.encoders.pooling import last_token
from umr.encoders.prefix import Prefix
from umr.encoders.templates import Role, media_kind
from umr.encoders.tokenizer import token_id
from umr.errors import ConfigError, MediaError
from umr.rerank.config import RerankerConfig
from umr.rerank.seen import SeenMedia
from umr.types import Candidate, Content, Query

YES, NO = 0, 1  # columns of the answers


@runtime_checkable
class Continued(Protocol):
    """What a re-ranker needs of its backbone beside what an encoder does (umr.encoders.backbone.Backbone)."""

    def begin(self, batch: Batch, seen_RH: Tensor | None) -> Prefix:
        """Keys and values of Q begun rows."""
        ...

    def go_on(self, prefix: Prefix, batch: Batch, seen_RH: Tensor | None) -> Tensor:
        """Last hidden states (B, T, H) of rows behind them, those of one begun row together."""
        ...

    def token_rows(self, ids_N: Tensor) -> Tensor:
        """Embeddings (N, H) of tokens."""
        ...


class Rows(NamedTuple):
    """Rows ready to be computed, and the vision states that they show, one row per vision token; None without."""

    batch: Batch
    seen_RH: Tensor | None


class Reranker(nn.Module):
    """(query, candidate) -> P(yes), the share of "yes" among the two answers."""

    _answers: Tensor  # (2,) ids of yes and no
    own_rows_2H: Tensor | None  # what they are scored by, of a model whose head is not its table of embeddings

    def __init__(
        self, config: RerankerConfig, backbone: Backbone, tokenizer: Tokenizer, own_rows_2H: Tensor | None = None
    ) -> None:
        """Take them as they are.

        Args:
            config: the settings.
            backbone: which can go on behind a prefix.
            tokenizer: which has both answers.
            own_rows_2H: what yes and no are scored by; None: their embeddings.

        Raises:
            ConfigError: the backbone cannot go on behind a prefix, or the tokenizer lacks an answer.
        """
        super().__init__()
        if not isinstance(backbone, Continued):
            raise ConfigError(f"the backbone {config.network.backbone} has no begin and go_on, so it cannot re-rank")
        self.config = config
        self.network = UnifiedEncoder(config.network, backbone, tokenizer)
        self._continued: tuple[Continued] = (backbone,)  # in a tuple, so that torch counts its weights once
        ids = [token_id(self.network.tokenizer, word) for word in (config.yes, config.no)]
        self.register_buffer("_answers", torch.tensor(ids), persistent=False)
        self.register_buffer("own_rows_2H", own_rows_2H, persistent=False)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.config.name

    @property
    def fingerprint(self) -> str:
        """The config's sha256 once saved or loaded; "unsaved:..." while the weights have no hashes of their own."""
        return self.config.fingerprint() if self.config.files else f"unsaved:{self.config.fingerprint()}"

    @property
    def answer_ids(self) -> tuple[int, int]:
        """The tokens of yes and no."""
        yes, no = self._answers.tolist()
        return yes, no

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.network.device

    def train(self, mode: bool = True) -> Reranker:
        """Training changes the weights, so a re-ranker in training mode gives up the identity of its files."""
        if mode and self.config.files:
            self.config = self.config.with_files({})
        super().train(mode)
        return self

    # From here on: what training uses.

    def begin(self, rows: Rows) -> Prefix:
        """What the candidates of Q queries go on behind."""
        return self._continued[0].begin(rows.batch.to(self.device), rows.seen_RH)

    def answers(self, prefix: Prefix, rows: Rows) -> Tensor:
        """Logits of yes and no, (B, 2) float32, with gradients.

        Args:
            prefix: of Q queries.
            rows: of B = Q * g candidates, the g of each query one after the other.
        """
        backbone, batch = self._continued[0], rows.batch.to(self.device)
        state_BH = last_token(backbone.go_on(prefix, batch, rows.seen_RH), batch.attention_mask_BT)
        rows_2H = self.own_rows_2H
        if rows_2H is None:
            rows_2H = backbone.token_rows(self.get_buffer("_answers"))
        return state_BH @ rows_2H.float().T

    # From here on: what serving uses.

    def rows(self, contents: Mapping[str, Content], role: Role, seen: SeenMedia, instruction: str | None = "") -> Rows:
        """Contents as rows of one role, queries padded at the left and candidates at the right.

        Args:
            contents: by what errors call them.
            role: whose template.
            seen: gives the vision states.
            instruction: the task sentence of all of them; "" where there is none, None where there is to be none.

        Raises:
            MediaError: a content cannot be read; the message names it.
        """
        padding: Padding = "left" if role == "query" else "right"
        items = seen(list(contents.values()), list(contents))
        tokens = []
        for (name, content), item in zip(contents.items(), items, strict=True):
            grid = None if item is None else item.grid
            try:
                seconds = self.network.seconds(content)
                tokens.append(
                    self.network.tokenise(content.text, instruction, role, media_kind(content), grid, seconds)
                )
            except MediaError as error:
                raise MediaError(f"{name}: {error}") from error
        shown = [one.states for one in items if one is not None]
        places = iter(range(len(shown)))
        index = [None if one is None else next(places) for one in items]
        batch = self.network.collate(tokens, index, padding, [len(one) for one in shown])
        return Rows(batch, torch.cat(shown) if shown else None)

    @torch.inference_mode()
    def scores(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        batch_size: int = 64,
        seen: SeenMedia | None = None,
        cosines: Sequence[float] | None = None,
    ) -> np.ndarray:
        """P(yes) of each candidate, (B,) float32; neither their order nor the batches matter.

        Args:
            query: asked with its own instruction, else with the trained one.
            candidates: of any modalities, each with an id of its own.
            batch_size: candidates computed at once; of clips an eighth.
            seen: keeps the vision states of several queries' candidates; None: they are computed anew.
            cosines: (B,) of query and candidate, by the encoder of the config's prior; read where there is a prior.

        Raises:
            MediaError: a content cannot be read; the message names it.
            ConfigError: batch_size is below 1, there is no instruction for the query where there are such, or there
                is a prior and no cosine for each candidate.
        """
        known_B = self._known(candidates, cosines)
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; at least 1 is needed")
        found = np.zeros(len(candidates), np.float32)
        if not candidates:
            return found
        seen = seen or SeenMedia(self.network)
        was_training = self.training
        if was_training:  # it goes through every module: time that a few candidates would feel
            nn.Module.train(self, False)
        try:
            asked = {f"query {query.query_id}": query.content}
            prefix = self.begin(self.rows(asked, "query", seen, self.network.instruction(query)))
            for places in self.network.batches([candidate.content for candidate in candidates], batch_size):
                block = {f"candidate {candidates[n].candidate_id}": candidates[n].content for n in places}
                logits_B2 = self.answers(prefix, self.rows(block, "candidate", seen))
                logits_B2 = penalised(logits_B2, self.config.penalty)
                logits_B2[:, YES] += known_B[places].to(logits_B2)
                found[places] = logits_B2.softmax(1)[:, YES].cpu().numpy()
        finally:
            if was_training:
                nn.Module.train(self, True)
        return found

    def _known(self, candidates: Sequence[Candidate], cosines: Sequence[float] | None) -> Tensor:
        """What the prior says of each candidate, (B,) float32 logits of yes; zeros without a prior."""
        prior = self.config.prior
        if prior is None:
            return torch.zeros(len(candidates))
        if cosines is None or len(cosines) != len(candidates):
            raise ConfigError(
                f"{self.name} judges a pair by its cosine too, and {len(cosines or ())} of {len(candidates)} were "
                f"given: those of the encoder {prior.encoder[:12]} are needed"
            )
        return torch.tensor([prior.logit(cosine) for cosine in cosines])


def penalised(logits_B2: Tensor, penalty: float) -> Tensor:
    """Logits of answers that stand in the prompt, as `generate` of transformers has them (see RerankerConfig.penalty).

    Args:
        logits_B2: of yes and no.
        penalty: 1 for none.
    """
    return torch.where(logits_B2 < 0, logits_B2 * penalty, logits_B2 / penalty)
