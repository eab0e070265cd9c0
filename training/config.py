"""What a training run is: one frozen dataclass, saved beside its result. Recipes (recipes.py) return it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from training.legal import check_ranges, check_shares, check_temperature
from training.mixers import MIXERS
from umr.encoders.config import Attention, Resize
from umr.errors import ConfigError

MCASide = Literal["query", "candidate", "both"]
Trained = Literal["all", "language", "vision"]
PartsAsked = Literal["alone", "composed"]
#: Settings that records leave out where they are so: older records, and names made of settings, do not tell them.
UNTOLD: dict[str, Any] = {"kept_of": None, "sharded": False, "trained": "all", "parts_asked": "alone"}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of one stage.

    Attributes:
        programmes: share of the steps that each kind of step gets, by its name in
            world_source/programmes.py; every loss inside a step holds one task only.
        batch: "families": whole families, siblings are each other's negatives; "random": one pair from each of
            `families_per_batch` families, as U-MARVEL and MCA train.
        text_shortcut: share of composed queries whose text describes the whole target.
        picture_shortcut: share of them whose picture carries a cue of the edit (training/catalogue/shortcut.py).
        typed: share of the queries that describe a scene which are short, as people type them.
        noise: share of the words of queries with a typing error.
        fillers: share of the queries with words around them that say nothing, half of them invented.
        rare: how much likelier families, pairs and short queries are that differ in, or speak of, a count or a second
            object, against all others: few scenes have them.
        graded: share of the composed queries for pictures whose exact answer is not in the batch: right is what has the
            edit made and keeps category, colour and ground.
        wrong_kinds: share of the scenes of a step that are candidates in a kind that is not asked for, too.
        mca_side: whose compositions MCA's two terms hold against their parts: of queries, of candidates (entries, whose
            picture says one half and whose words the other), or of both.
        parts_asked: under which task sentence a composed query's picture and text are encoded as its parts: "alone",
            that of a query which is the part alone, or "composed", the very sentence of the composed query.
        trained: the weights that move: "all", the "language" model alone (the vision tower and what joins it to the
            language model stay, as U-MARVEL's), or the "vision" tower alone.

    Raises:
        ConfigError: a value is outside its legal ones.
    """

    name: str
    init: str | None = None  # an encoder folder to start from; None: random weights
    image_size: int = 112  # px; of random weights, as `network`: an encoder to start from has its own
    network: dict[str, int] = field(default_factory=dict)  # sizes that differ from build_small's
    vision_layers: int = 0  # of an encoder to start from: its vision tower is deepened to so many; 0: as it is
    kept_start: float = 0.0  # share of that encoder's weights in what is saved (training/average.py); 0: none of it
    kept_of: str | None = None  # another one's in its place, of the same network, such as a second run's
    seed: int = 0
    steps: int = 1000
    stop_after: int = 0  # ends the run after so many of them, at the rate that it has then; 0: after all
    programmes: dict[str, float] = field(default_factory=lambda: {"pictures": 1.0})
    batch: Literal["families", "random"] = "families"
    families_per_batch: int = 48
    chunk_families: int = 0  # gradient caching: families per chunk; 0: the whole batch at once
    text_shortcut: float = 0.0
    picture_shortcut: float = 0.0
    typed: float = 0.0
    noise: float = 0.0
    fillers: float = 0.0
    subword_dropout: float = 0.0  # share of the pieces of a query's words that are cut in two
    rare: float = 1.0
    size_exponent: float = 1.0  # a task of files is drawn by its examples to this power; 0: all tasks equally often
    wrong_kinds: float = 0.0
    graded: float = 0.0
    shift: int = 6  # pictures are moved by up to so many pixels ...
    light: float = 0.12  # ... and lightened or darkened by up to this share: new nuisance at no rendering cost
    tint: float = 0.0  # the same for each colour channel on its own, and for the middle tones
    mirror: float = 0.5  # share of the families seen in a mirror ...
    backwards: float = 0.5  # ... and of the clip families played backwards, their words changed with them
    trained: Trained = "all"
    lora_rank: int = 0  # low-rank adapters on the language model's linear layers, all else fixed; 0: all is trained
    lora_alpha: int = 0  # adapters are scaled by alpha / rank; 0: twice the rank
    learning_rate: float = 1e-3
    muon_rate: float = 1e-2  # peak rate of Muon for the backbone's matrices; 0: AdamW for them too
    final_learning_rate: float = 0.03  # as a share of the peak, at the end of the cosine
    warmup_steps: int = 100
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    temperature: float = 0.05  # at the start; 0: where the training of the encoder to start from ended
    learn_temperature: bool = True
    attribute_weight: float = 0.0  # auxiliary heads that read the scene's attributes from the embedding
    vision_weight: float = 0.0  # the same heads on the mean vision state of every still
    motion_weight: float = 0.0  # a head that reads the action from the mean vision state of every clip
    preference_weight: float = 0.0  # MCA's modality composition preference
    regularisation_weight: float = 0.0  # MCA's modality composition regularisation
    mca_side: MCASide = "query"
    parts_asked: PartsAsked = "alone"
    mixer: str = "gated"
    stop_gradient: bool = False  # MCA's two terms move the composed embedding alone, not its parts
    checkpointing: bool = False  # activations of layers are computed again in the backward pass, not held
    sharded: bool = False  # weights, gradients and optimizer states in slices on all processes (training/sharded.py)
    bf16: bool = True  # where the device computes in it itself (training/precision.py)
    threads: int = 2
    log_every: int = 20
    checkpoint_every: int = 200

    def __post_init__(self) -> None:
        _check_run(self)
        check_shares(self.programmes)
        check_temperature(self.temperature, self.learn_temperature)
        if self.batch not in ("families", "random"):
            raise ConfigError(f"batch {self.batch!r} is unknown; legal: families, random")
        _check_legal(self, mca_side=MCASide, parts_asked=PartsAsked, trained=Trained)
        if self.mixer not in MIXERS:
            raise ConfigError(f"mixer {self.mixer!r} is unknown; legal: {', '.join(MIXERS)}")
        self._check_numbers()
        if self.rare < 1:
            raise ConfigError(f"rare is a weight of at least 1, not {self.rare}")
        if self.kept_start and (self.vision_layers or self.sharded or self.lora_rank):
            raise ConfigError(
                f"kept_start is {self.kept_start}: the start's weights are kept of a network as it was, in one piece; "
                "leave vision_layers and lora_rank at 0 and sharded at false, or average afterwards "
                "(python -m training.average)"
            )
        if self.lora_rank and self.trained != "all":
            raise ConfigError(
                f"trained is {self.trained!r}, and lora_rank {self.lora_rank} trains adapters alone: leave one out"
            )
        if not all(type(size) is int and size > 0 for size in self.network.values()):
            raise ConfigError(f"network {self.network} needs whole numbers above 0")
        if self.init and self.network:
            raise ConfigError(f"network {self.network} is for random weights; init {self.init} has its own: give one")

    def _check_numbers(self) -> None:
        """Raise ConfigError for a number outside its legal ones."""
        for name in (
            "text_shortcut",
            "picture_shortcut",
            "mirror",
            "backwards",
            "typed",
            "noise",
            "fillers",
            "subword_dropout",
            "wrong_kinds",
            "graded",
            "kept_start",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")
        if not 0 <= self.size_exponent <= 1:
            raise ConfigError(
                f"size_exponent is {self.size_exponent}; from 0 (all tasks equally often) to 1 (all examples) is legal"
            )
        _check_least(self, 1, "families_per_batch")
        _check_least(self, 0, "vision_layers", "lora_rank", "lora_alpha")

    @property
    def composes(self) -> bool:
        """Whether a step also encodes the picture alone and the text alone of composed rows."""
        return self.preference_weight > 0 or self.regularisation_weight > 0

    @property
    def composes_queries(self) -> bool:
        """Whether it does so for composed queries."""
        return self.composes and self.mca_side != "candidate"

    @property
    def composes_candidates(self) -> bool:
        """Whether it does so for entries."""
        return self.composes and self.mca_side != "query"

    def to_json(self) -> dict[str, Any]:
        """The settings by their names."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class QueryConfig:
    """What the stages have in common that go query by query, each with a list of candidates.

    Attributes:
        init: the encoder whose weights it starts from.
        chunk_queries: queries whose activations are held at a time, with equal gradients; 0: all of a step.

    Raises:
        ConfigError: a value is outside its legal ones.
    """

    name: str
    init: str
    seed: int = 0
    steps: int = 1000
    stop_after: int = 0  # ends the run after so many of them; 0: after all
    queries_per_batch: int = 32
    chunk_queries: int = 0
    shift: int = 6  # pictures are moved and lightened as in TrainConfig
    light: float = 0.12
    learning_rate: float = 3e-4
    muon_rate: float = 3e-3
    final_learning_rate: float = 0.03
    warmup_steps: int = 50
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    sharded: bool = False  # weights, gradients and optimizer states in slices on all processes (training/sharded.py)
    bf16: bool = True  # where the device computes in it itself (training/precision.py)
    threads: int = 2
    log_every: int = 20
    checkpoint_every: int = 200

    def __post_init__(self) -> None:
        _check_run(self)
        _check_least(self, 1, "queries_per_batch")
        _check_least(self, 0, "chunk_queries")

    def to_json(self) -> dict[str, Any]:
        """The settings by their names."""
        return asdict(self)


def _check_run(config: TrainConfig | QueryConfig) -> None:
    """Raise ConfigError for a value that no run can have, or slices of matrices that their optimizer needs whole."""
    check_ranges(config)
    _check_least(config, 1, "steps", "threads", "log_every", "checkpoint_every")
    if not 0 <= config.stop_after <= config.steps:
        raise ConfigError(f"stop_after is {config.stop_after}; legal: 0 to steps, which is {config.steps}")
    if config.sharded and config.muon_rate:
        raise ConfigError(
            f"sharded is true and muon_rate {config.muon_rate}: Muon needs each matrix whole. Say --set muon_rate=0: "
            "AdamW then moves all weights, as is usual for large backbones"
        )


def _check_least(config: TrainConfig | QueryConfig, least: int, *names: str) -> None:
    for name in names:
        if getattr(config, name) < least:
            raise ConfigError(f"{name} must be at least {least}, not {getattr(config, name)}")


def _check_legal(config: TrainConfig | QueryConfig, **legal: Any) -> None:
    """Raise ConfigError for a value that is none of its Literal."""
    for name, one in legal.items():
        if getattr(config, name) not in get_args(one):
            raise ConfigError(f"{name} {getattr(config, name)!r} is unknown; legal: {', '.join(get_args(one))}")


@dataclass(frozen=True, kw_only=True)
class RerankConfig(QueryConfig):
    """Settings of the training of a re-ranker (training/rerank.py).

    Attributes:
        negatives: wrong candidates shown for each positive; U-MARVEL shows one.
        random_share: of them, drawn from all candidates of the kind asked for; the others are mined ones. With mined
            ones alone a small network stays at chance (training/LOG.md).
        attention: "causal" as U-MARVEL's, or "bidirectional" within the query and within the candidate.
        resize: "square", or "dynamic": pictures at their own size, as an adopted encoder to start from sees them.
        listwise_weight: of a second loss, the cross-entropy of the answer against the wrong candidates of its query
            (Gao et al., arXiv 2101.08751, equation 5), beside that of each pair alone.
        frozen_vision: the vision tower stays as it is, so that each picture is seen once in the whole run; pictures
            are then never moved or lightened.
        vision_blocks: of a frozen tower, so many of the last blocks are trained after all, and what joins the tower to
            the language model; each picture is then seen in every step that shows it, and may be moved.
        prior: the logit of yes starts as what the cosine of the encoder tells (umr.rerank.config.Prior), and what is
            trained is the rest: before its first step the re-ranker ranks as the encoder does.
    """

    negatives: int = 1
    random_share: float = 0.0
    attention: Attention = "causal"
    resize: Resize = "square"
    listwise_weight: float = 0.0
    frozen_vision: bool = False
    vision_blocks: int = 0
    prior: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_least(self, 1, "negatives")
        if not 0 <= self.random_share <= 1:
            raise ConfigError(f"random_share is {self.random_share}; a share from 0 to 1 is needed")
        _check_legal(self, attention=Attention, resize=Resize)
        if self.vision_blocks < 0 or (self.vision_blocks and not self.frozen_vision):
            raise ConfigError(
                f"vision_blocks is {self.vision_blocks}: so many of the last blocks of a frozen tower are trained, at "
                "least 0. Say --set frozen_vision=true too; without it the whole tower is trained"
            )
        if self.frozen_vision and not self.vision_blocks and (self.shift or self.light):
            raise ConfigError(
                f"frozen_vision sees each picture once, but shift is {self.shift} and light {self.light}: say "
                "--set frozen_vision=true shift=0 light=0"
            )


@dataclass(frozen=True, kw_only=True)
class DistillConfig(QueryConfig):
    """Settings of the distillation of a teacher's lists (training/distill.py).

    Attributes:
        pools: "both", a list of the local and one of the global pool, or "local", as U-MARVEL.
        temperature: divides the scores of teacher and student.
    """

    pools: str = "both"
    temperature: float = 0.05
    queries_per_batch: int = 8
    chunk_queries: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pools not in ("both", "local"):
            raise ConfigError(f"pools is {self.pools!r}; legal: both, local")
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}; it divides, so it must be above 0, and finite")


@dataclass(frozen=True, kw_only=True)
class SecondHalf:
    """What follows the composed stage of U-MARVEL, on files alone: no facts of scenes say what answers what.

    Attributes:
        negatives: the stage that learns from hard negatives; the others start from what it makes.
        reranker: the teacher.
        student: the last stage.
        mined: whether negatives are mined; else only other pairs of a batch are negatives.
        threshold: cosine above which a mined one is presumed to be an answer; None: nothing is.
        keep: mined negatives of a query, at most.
        distilled: pools of the teacher's lists ("local" or "both"), "" without a teacher.
        taught: queries that the teacher makes lists of.
        weight: of the re-ranker in the teacher's score.
    """

    negatives: TrainConfig
    reranker: RerankConfig
    student: DistillConfig
    mined: bool = False
    threshold: float | None = None
    keep: int = 5
    distilled: str = ""
    taught: int = 600
    weight: float = 0.5

    @property
    def made(self) -> str:
        """The name of the encoder that comes of it."""
        return self.student.name if self.distilled else self.negatives.name
