"""The models that are known, a row each: those that lie here, and published ones. Opens none, and asks nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from umr import shipped
from umr.encoders.backbone import BACKBONES, backbone_class
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_config import AnyConfig, DualConfig, read_settings
from umr.encoders.duals import DUALS
from umr.encoders.sentence_config import SentenceConfig
from umr.models.published import ONE_PASS, PUBLISHED, Published
from umr.models.weights import BYTES, memory, parameters_in

BUNDLED, ON_HUB = "bundled", "published"
NEWEST = "newest"
NOT_STATED = "not stated"
#: What a row says of a published model whose backbone is there.
AS_PUBLISHED, PLAIN, BASE = "yes", "yes, but not asked as its makers do", "yes, not trained for retrieval"
RERANKER = "yes, as a re-ranker"


def listing(root: str | Path | None = None) -> list[dict[str, Any]]:
    """A row for each bundled encoder and each published one, JSON's types alone.

    Args:
        root: the folder of encoders; None: the repository's.

    Raises:
        ConfigError: a bundled encoder's settings cannot be read.
        MismatchError: its weights cannot.
    """
    root = shipped.default_root() if root is None else Path(root)
    folders = sorted(path.parent for path in root.glob(f"*/encoder/{shipped.CONFIG_NAME}"))
    return [*map(_bundled, folders), *map(_published, PUBLISHED)]


def opens(model: Published) -> str:
    """Whether this version of umr opens it, in words that begin with yes or no: from BACKBONES and the recipes."""
    if model.model_type in DUALS:
        return AS_PUBLISHED
    if model.model_type not in BACKBONES:
        return f"no: there is no backbone {model.model_type!r}"
    if model.reranks:
        return RERANKER if _reranker_recipe(model) else f"no: no re-ranker is asked as {model.asks!r}"
    if not model.retrieves:
        return BASE
    if recipe_of(model) != model.asks:
        return PLAIN
    return f"yes, merged into {model.adapter_of}" if model.adapter_of else AS_PUBLISHED


def recipe_of(model: Published) -> str:
    """The recipe that it is adopted by: its makers' where `umr adopt` has it, else the plain one."""
    from umr.encoders.adopt import RECIPES  # torch, which a list of models does without until here

    own = getattr(backbone_class(model.model_type), "recipes", {}) if model.model_type in BACKBONES else {}
    return model.asks if model.asks in RECIPES or model.asks in own else "plain"


def _reranker_recipe(model: Published) -> bool:
    """Whether its class has the recipe that its makers' code asks it by (umr.rerank.adopt)."""
    return model.asks in getattr(backbone_class(model.model_type), "rerankers", {})


def _bundled(folder: Path) -> dict[str, Any]:
    config = read_settings(folder)
    known = DUALS if isinstance(config, DualConfig) else BACKBONES
    opened = isinstance(config, SentenceConfig) or config.backbone in known
    parameters = parameters_in(folder)
    return {
        "name": config.name,
        "kind": BUNDLED,
        "revision": config.fingerprint(),
        "pinned": True,
        "licence": None if config.revision else shipped.LICENCE,
        **_sizes(parameters, config.dim),
        "embeds": ["text", "image", "video"],
        "composes": ONE_PASS if isinstance(config, EncoderConfig) else config.composition,
        "recipe": _asked(config),
        "source": "training/README.md" if not config.revision else config.revision,
        "opens": AS_PUBLISHED if opened else f"no: there is no backbone {config.backbone!r}",
    }


def _published(model: Published) -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": ON_HUB,
        "revision": model.revision or None,
        "pinned": bool(model.revision),
        "licence": model.licence or None,
        **_sizes(model.parameters, model.dim or None),
        "embeds": [] if model.reranks else list(model.embeds),
        "composes": model.composes,
        "recipe": model.asks,
        "source": model.source,
        "opens": opens(model),
    }


def _sizes(parameters: int, dim: int | None) -> dict[str, Any]:
    """Parameters, and what they take in memory by what is computed in: computed, not measured."""
    return {
        "parameters": parameters,
        "memory_gb": {dtype: round(memory(parameters, dtype) / 1e9, 3) for dtype in BYTES},
        "dim": dim,
    }


def _asked(config: AnyConfig) -> str:
    if isinstance(config, SentenceConfig):
        return "as sentence-transformers does"
    if isinstance(config, DualConfig):
        return "texts and pictures apart, no task sentences"
    return f"its own templates, {len(config.instructions)} task sentences"


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a table shows it."""
    sizes = [row["memory_gb"][dtype] for dtype in BYTES]
    return {
        "name": row["name"],
        "revision": row["revision"][:12] if row["pinned"] else NEWEST,
        "licence": row["licence"] or NOT_STATED,
        "parameters": f"{row['parameters'] / 1e6:,.0f} M",
        "GB fp32/bf16": " / ".join(f"{size:.2f}" if size < 1 else f"{size:.1f}" for size in sizes),
        "dim": row["dim"] or "-",
        "embeds": ", ".join(row["embeds"]) or "-",
        "composes": row["composes"],
        "opens": row["opens"],
        "recipe": f"{row['recipe']}: {row['source']}",
    }
