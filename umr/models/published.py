"""Encoders, their bases and re-rankers that others published: facts as a table. Whether umr opens one is computed.

A fact that could not be found is left out: no licence is guessed, and a commit is written down only where it was read.
Sources: `parameters` are those of the class in transformers with the sizes of its config.json, "counted"; or mteb's
ModelMeta (github.com/embeddings-benchmark/mteb). Commits and dims of GME, Qwen3-VL-Embedding, VLM2Vec, CLIP and SigLIP
are mteb's too. LamRA-Ret: its page on the Hub. Licences are those that the pages on the Hub state.

U-MARVEL's re-ranker is no row: its README names no weights of one. What its scripts train, `umr adopt --recipe
umarvel-rank` opens.
"""

from __future__ import annotations

from dataclasses import dataclass

ONE_PASS = "one forward pass"
PAIRS = "scores pairs of query and candidate"
UNTRAINED = "one forward pass, not trained for it"
SUM = "sum of two vectors"
TEXT, IMAGE, VIDEO = "text", "image", "video"
_ALL = (TEXT, IMAGE, VIDEO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model repository of the Hugging Face Hub.

    Attributes:
        name: OWNER/NAME.
        model_type: its class in config.json, which is the name of the backbone that would open it.
        parameters: of the whole checkpoint.
        dim: numbers in a vector; 0 for a re-ranker, which gives none.
        embeds: what it embeds by itself.
        composes: how a picture and a text become one vector.
        asks: the recipe by which its own code asks it: a name that `umr adopt --recipe` may know, "plain" for its class
            and chat template alone.
        source: paper and code of that recipe.
        licence: of the weights, as their page states it; "" where it was not found.
        revision: the commit that this table is of; "" where none is known: the newest is taken.
        adapter_of: it is a LoRA adapter of this repository, merged into it here; "" for a whole checkpoint.
        retrieves: it was trained to.
    """

    name: str
    model_type: str
    parameters: int
    source: str
    dim: int = 0
    embeds: tuple[str, ...] = _ALL
    composes: str = ONE_PASS
    asks: str = "plain"
    licence: str = ""
    revision: str = ""
    adapter_of: str = ""
    retrieves: bool = True

    @property
    def reranks(self) -> bool:
        """It is a re-ranker, which --rerank takes."""
        return self.composes == PAIRS


_UMARVEL = "github.com/chaxjli/U-MARVEL"
_EMBEDDING = "arXiv 2601.04720, github.com/QwenLM/Qwen3-VL-Embedding"
_LAMRA = "arXiv 2412.01720, github.com/Code-kunkun/LamRA"
_GME = "arXiv 2412.16855, gme_inference.py and custom_st.py of its repository"
_QWEN2, _QWEN25 = "arXiv 2409.12191, its chat template", "arXiv 2502.13923, its chat template"
_QWEN3 = "arXiv 2511.21631, its chat template"
_CLIP = "arXiv 2103.00020, its class in transformers"
_SIGLIP, _SIGLIP2 = "arXiv 2303.15343, its class in transformers", "arXiv 2502.14786, its class in transformers"

PUBLISHED = (
    Published(
        name="TencentBAC/U-MARVEL-Qwen2VL-7B-Instruct",
        model_type="qwen2_vl",
        parameters=8_291_375_616,  # counted: those of its base
        dim=3584,
        asks="umarvel",
        source=_UMARVEL,
    ),
    Published(
        name="TencentBAC/U-MARVEL-Qwen3VL-4B-Instruct",
        model_type="qwen3_vl",
        parameters=4_437_815_808,  # counted: those of its base
        dim=2560,
        asks="umarvel",
        source=_UMARVEL,
    ),
    Published(
        name="Qwen/Qwen3-VL-Embedding-2B",
        model_type="qwen3_vl",
        parameters=2_127_532_032,  # counted, as mteb
        dim=2048,
        asks="qwen3-vl-embedding",
        source=_EMBEDDING,
        licence="apache-2.0",
        revision="2a50926d213628c727f38025982a76f655673f54",
    ),
    Published(
        name="Qwen/Qwen3-VL-Embedding-8B",
        model_type="qwen3_vl",
        parameters=8_144_793_840,  # mteb; 8,144,793,840 counted too, without the head of the language model
        dim=4096,
        asks="qwen3-vl-embedding",
        source=_EMBEDDING,
        licence="apache-2.0",
        revision="418d03899aeb9d954e776dfa762006616519a914",
    ),
    Published(
        name="VLM2Vec/VLM2Vec-V2.0",
        model_type="qwen2_vl",
        parameters=2_208_985_600,  # with its base
        dim=1536,
        asks="vlm2vec-v2",
        source="arXiv 2507.04590, github.com/TIGER-AI-Lab/VLM2Vec",
        licence="apache-2.0",
        revision="e39ff079b8275ef876d3656da8c0bddbff3c4dde",
        adapter_of="Qwen/Qwen2-VL-2B-Instruct",
    ),
    Published(
        name="Alibaba-NLP/gme-Qwen2-VL-2B-Instruct",
        model_type="qwen2_vl",
        parameters=2_208_985_600,
        dim=1536,
        embeds=(TEXT, IMAGE),
        asks="gme",
        source=_GME,
        licence="apache-2.0",
        revision="ce765ae71b8cdb208203cd8fb64a170b1b84293a",
    ),
    Published(
        name="Alibaba-NLP/gme-Qwen2-VL-7B-Instruct",
        model_type="qwen2_vl",
        parameters=7_746_378_240,  # mteb: without the head of the language model
        dim=3584,
        embeds=(TEXT, IMAGE),
        asks="gme",
        source=_GME,
        licence="apache-2.0",
        revision="477027a6480f8630363be77751f169cc3434b673",
    ),
    Published(
        name="code-kunkun/LamRA-Ret",
        model_type="qwen2_vl",
        parameters=8_291_375_616,  # counted: those of its base; 16.6 GB of files
        dim=3584,
        asks="lamra",
        source=_LAMRA,
        licence="apache-2.0",
        revision="f86e40fba363563866ba8feec831773ec6af84f9",
    ),
    Published(
        name="code-kunkun/LamRA-Ret-Qwen2.5VL-7b",
        model_type="qwen2_5_vl",
        parameters=8_292_166_656,  # counted: those of its base
        dim=3584,
        asks="lamra",
        source=f"{_LAMRA}, branch qwen2.5vl",
    ),
    Published(
        name="Qwen/Qwen2-VL-2B-Instruct",
        model_type="qwen2_vl",
        parameters=2_208_985_600,
        dim=1536,
        composes=UNTRAINED,
        source=_QWEN2,
        licence="apache-2.0",
        revision="895c3a49bc3fa70a340399125c650a463535e71c",
        retrieves=False,
    ),
    Published(
        name="Qwen/Qwen2-VL-7B-Instruct",
        model_type="qwen2_vl",
        parameters=8_291_375_616,
        dim=3584,
        composes=UNTRAINED,
        source=_QWEN2,
        licence="apache-2.0",
        revision="eed13092ef92e448dd6875b2a00151bd3f7db0ac",
        retrieves=False,
    ),
    Published(
        name="Qwen/Qwen2.5-VL-3B-Instruct",
        model_type="qwen2_5_vl",
        parameters=3_754_622_976,
        dim=2048,
        composes=UNTRAINED,
        source=_QWEN25,
        licence="qwen-research",
        revision="66285546d2b821cf421d4f5eb2576359d3770cd3",
        retrieves=False,
    ),
    Published(
        name="Qwen/Qwen2.5-VL-7B-Instruct",
        model_type="qwen2_5_vl",
        parameters=8_292_166_656,
        dim=3584,
        composes=UNTRAINED,
        source=_QWEN25,
        licence="apache-2.0",
        revision="cc594898137f460bfe9f0759e9844b3ce807cfb5",
        retrieves=False,
    ),
    Published(
        name="Qwen/Qwen3-VL-2B-Instruct",
        model_type="qwen3_vl",
        parameters=2_127_532_032,  # counted
        dim=2048,
        composes=UNTRAINED,
        source=_QWEN3,
        licence="apache-2.0",
        revision="89644892e4d85e24eaac8bacfd4f463576704203",
        retrieves=False,
    ),
    Published(
        name="Qwen/Qwen3-VL-4B-Instruct",
        model_type="qwen3_vl",
        parameters=4_437_815_808,  # counted
        dim=2560,
        composes=UNTRAINED,
        source=_QWEN3,
        licence="apache-2.0",
        revision="ebb281ec70b05090aa6165b016eac8ec08e71b17",
        retrieves=False,
    ),
    Published(
        name="Qwen/Qwen3-VL-8B-Instruct",
        model_type="qwen3_vl",
        parameters=8_767_123_696,  # counted, with the head of the language model
        dim=4096,
        composes=UNTRAINED,
        source=_QWEN3,
        licence="apache-2.0",
        revision="0c351dd01ed87e9c1b53cbc748cba10e6187ff3b",
        retrieves=False,
    ),
    Published(
        name="openai/clip-vit-base-patch32",
        model_type="clip",
        parameters=151_277_313,
        dim=512,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_CLIP,
        revision="b33cedfd0df4e43b8238760678fcc89e1a0d38b3",  # a proposed conversion: main has no model.safetensors
    ),
    Published(  # no commit with safetensors is known here: one is asked for by its revision
        name="openai/clip-vit-base-patch16",
        model_type="clip",
        parameters=149_620_737,  # counted, as mteb
        dim=512,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_CLIP,
    ),
    Published(
        name="openai/clip-vit-large-patch14",
        model_type="clip",
        parameters=427_616_513,
        dim=768,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_CLIP,
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    ),
    Published(  # no commit with safetensors is known here: one is asked for by its revision
        name="openai/clip-vit-large-patch14-336",
        model_type="clip",
        parameters=427_944_193,  # counted
        dim=768,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_CLIP,
    ),
    Published(
        name="google/siglip-base-patch16-224",
        model_type="siglip",
        parameters=203_155_970,
        dim=768,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_SIGLIP,
        licence="apache-2.0",
        revision="7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed",
    ),
    Published(
        name="google/siglip-so400m-patch14-384",
        model_type="siglip",
        parameters=877_960_498,  # counted, as mteb
        dim=1152,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_SIGLIP,
        licence="apache-2.0",
        revision="9fdffc58afc957d1a03a25b10dba0329ab15c2a3",
    ),
    Published(
        name="google/siglip2-base-patch16-224",
        model_type="siglip",
        parameters=375_187_970,
        dim=768,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_SIGLIP2,
        licence="apache-2.0",
        revision="75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2",
    ),
    Published(
        name="google/siglip2-so400m-patch14-384",
        model_type="siglip",
        parameters=1_136_008_498,  # counted, as mteb
        dim=1152,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_SIGLIP2,
        licence="apache-2.0",
        revision="e8e487298228002f3d8a82e0cd5c8ea9c567f57f",
    ),
    Published(
        name="google/siglip2-base-patch16-naflex",
        model_type="siglip2",
        parameters=375_234_050,  # counted
        dim=768,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_SIGLIP2,
    ),
    Published(
        name="google/siglip2-so400m-patch16-naflex",
        model_type="siglip2",
        parameters=1_135_670_962,  # counted
        dim=1152,
        embeds=(TEXT, IMAGE),
        composes=SUM,
        source=_SIGLIP2,
    ),
    Published(
        name="code-kunkun/LamRA-Rank",
        model_type="qwen2_vl",
        parameters=8_291_375_616,  # counted: those of its base
        composes=PAIRS,
        asks="lamra-rank",
        source=_LAMRA,
    ),
    Published(
        name="code-kunkun/LamRA-Rank-Qwen2.5VL-7b",
        model_type="qwen2_5_vl",
        parameters=8_292_166_656,  # counted: those of its base
        composes=PAIRS,
        asks="lamra-rank",
        source=f"{_LAMRA}, branch qwen2.5vl",
    ),
    Published(
        name="Qwen/Qwen3-VL-Reranker-2B",
        model_type="qwen3_vl",
        parameters=2_127_532_032,  # counted: those of its base
        composes=PAIRS,
        asks="qwen3-vl-reranker",
        source=_EMBEDDING,
        licence="apache-2.0",
    ),
    Published(
        name="Qwen/Qwen3-VL-Reranker-8B",
        model_type="qwen3_vl",
        parameters=8_767_123_696,  # counted: those of its base, with the head of the language model
        composes=PAIRS,
        asks="qwen3-vl-reranker",
        source=_EMBEDDING,
        licence="apache-2.0",
    ),
)


def published(name: str) -> Published | None:
    """The row of a repository, OWNER/NAME; None where it is not in the table."""
    return next((one for one in PUBLISHED if one.name == name), None)
