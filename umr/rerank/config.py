"""What a re-ranker is, as saved data: a network, its templates, the two answers. Not how it is run."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from umr.disk import atomic_write
from umr.encoders.config import COMPACT_CANDIDATE, COMPACT_QUERY, Attention, EncoderConfig, Resize
from umr.encoders.tokenizer import EMBED
from umr.errors import ConfigError
from umr.shipped import RERANKER_CONFIG

FORMAT = 1

#: Pairs of tokens that can stand for yes and no, of which the first that a tokenizer has is taken: as U-MARVEL's
#: re-ranker answers, as a small tokenizer of lower-case words may have them, and single bytes, which every one has.
ANSWERS = (("Yes", "No"), ("Ġyes", "Ġno"), ("y", "n"))


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is thought of a pair before it is read: a part of the logit of yes that its cosine gives.

    Attributes:
        encoder: the fingerprint of the encoder whose cosines these are.
        scale: logits per unit of cosine.
        zero: the cosine at which yes and no are equally likely.
    """

    encoder: str
    scale: float
    zero: float

    def logit(self, cosine: float) -> float:
        """Log odds of yes for a cosine."""
        return self.scale * (cosine - self.zero)


@dataclass(frozen=True, kw_only=True)
class RerankerConfig:
    """The identity of a re-ranker: two with equal configs (file hashes included) give equal scores.

    Attributes:
        network: the settings of its network and templates, those of an encoder that is read at its last token. The
            candidate's template, which comes behind the query's, ends with the token that is read. The query never
            looks at the candidate; with bidirectional attention each of the two looks at itself in both directions.
        yes: the token of the answer that a candidate fits.
        no: the token of the other answer.
        prior: what the cosine of the encoder that found a candidate adds; None: the pair alone is judged.
        penalty: above 1 it shrinks the logits of both answers where they are above 0 and stretches them below, as
            `generate` of transformers does to tokens that stand in the prompt (repetition_penalty); 1 for none.
        files: {name in the folder: sha256}, set by save.
    """

    network: EncoderConfig
    yes: str
    no: str
    prior: Prior | None = None
    penalty: float = 1.0
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.network.pooling != "last":
            raise ConfigError(f"the network's pooling is {self.network.pooling!r}; a re-ranker needs 'last'")
        for key in ("yes", "no"):
            if not isinstance(getattr(self, key), str) or not getattr(self, key):
                raise ConfigError(f"{key} is {getattr(self, key)!r}; a token is needed")
        if self.yes == self.no:
            raise ConfigError(f"yes and no are both {self.yes!r}; two tokens are needed")
        if type(self.penalty) not in (int, float) or not 0 < self.penalty < math.inf:
            raise ConfigError(f"penalty is {self.penalty!r}; a number above 0 is needed, 1 for none")
        object.__setattr__(self, "penalty", float(self.penalty))  # 1 and 1.0 are one penalty
        if not isinstance(self.files, dict):
            raise ConfigError(f"files must map texts to texts, got {self.files!r}")

    @classmethod
    def of_encoder(
        cls,
        encoder: EncoderConfig,
        tokenizer: Tokenizer,
        name: str,
        attention: Attention = "causal",
        resize: Resize = "square",
    ) -> RerankerConfig:
        """A re-ranker that starts from an encoder: its sizes, positions and sentences; no chat.

        Args:
            encoder: its settings.
            tokenizer: of the encoder.
            name: what people call the re-ranker.
            attention: "causal" as U-MARVEL's, or "bidirectional" within the query and within the candidate.
            resize: "square", or "dynamic" where the encoder has it: pictures at the sizes that it sees them in.

        Raises:
            ConfigError: pictures are to keep their shape, and the encoder sees squares.
        """
        if resize == "dynamic" and encoder.resize != "dynamic":
            raise ConfigError(
                f"resize is 'dynamic', but {encoder.name} sees pictures as squares of {encoder.image_size} px; leave "
                "resize at square, or start from an encoder that sees them at their own size"
            )
        network = replace(
            encoder,
            name=name,
            attention=attention,
            pooling="last",
            query_template=COMPACT_QUERY,
            candidate_template=COMPACT_CANDIDATE + EMBED,
            files={},
            resize=resize,
            text_format="plain",
            marker_rows="checkpoint",
            prompting="marked",
            default_instruction="",
            first_resize=encoder.first_resize if resize == "dynamic" else (),
            clip_resize=encoder.clip_resize if resize == "dynamic" else (),
            vision_marks=True,
            query_templates={},
            candidate_templates={},
        )
        yes, no = next(pair for pair in ANSWERS if all(tokenizer.token_to_id(word) is not None for word in pair))
        return cls(network=network, yes=yes, no=no)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.network.name

    def written(self) -> dict[str, Any]:
        """The fields that reranker.json holds, those of the network as encoder.json has them; no penalty of 1."""
        found = asdict(self) | {"network": self.network.written()}
        return {key: value for key, value in found.items() if key != "penalty" or value != 1}

    def canonical(self) -> str:
        """One line of JSON with sorted keys: equal configs give equal bytes."""
        return json.dumps(
            {"format": FORMAT, **self.written()}, sort_keys=True, ensure_ascii=True, separators=(",", ":")
        )

    def fingerprint(self) -> str:
        """sha256 (hex) of the canonical form; the weights enter through the hashes in `files`."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def with_files(self, files: dict[str, str]) -> RerankerConfig:
        """The same re-ranker with these file hashes."""
        return replace(self, files=dict(files))


def write_config(config: RerankerConfig, folder: Path) -> Path:
    """Write reranker.json into the folder, through a temporary name. Returns its path."""
    target = folder / RERANKER_CONFIG
    with atomic_write(target) as file:
        file.write(json.dumps({"format": FORMAT, **config.written()}, indent=2, ensure_ascii=False) + "\n")
    return target


def read_config(folder: Path) -> RerankerConfig:
    """Read reranker.json.

    Raises:
        ConfigError: it is absent, not JSON, or has unknown or illegal fields.
    """
    path = folder / RERANKER_CONFIG
    if not path.is_file():
        raise ConfigError(
            f"{folder} is not a re-ranker's folder: {RERANKER_CONFIG} is missing. Give one that "
            "python -m training.rerank wrote"
        )
    try:
        data: Any = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not readable JSON ({error}). Copy the folder again") from error
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise ConfigError(f"{path} is not of format {FORMAT}. Save the re-ranker again with this version of umr")
    network = data.get("network")
    known = {one.name for one in fields(EncoderConfig)}
    if {*data, "penalty", "prior"} != {one.name for one in fields(RerankerConfig)} or not isinstance(network, dict):
        raise ConfigError(f"{path} has the fields {sorted(data)}; network, yes, no, prior and files are needed")
    if "name" not in network or not set(network) <= known:
        raise ConfigError(f"{path}: its network has unknown fields, or no name: {sorted(set(network) - known)}")
    return RerankerConfig(**data | {"network": EncoderConfig(**network), "prior": _prior(data.get("prior"), path)})


def _prior(data: Any, path: Path) -> Prior | None:
    if data is None:
        return None
    try:
        prior = Prior(**data)
        if not isinstance(prior.encoder, str) or not math.isfinite(prior.scale) or not math.isfinite(prior.zero):
            raise ValueError(data)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: prior is {data!r}; null, or encoder, scale and zero are needed") from error
    return prior
