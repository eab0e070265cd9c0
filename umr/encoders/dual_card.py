"""The model card of a dual encoder, from its encoder.json. Not that of one network (umr.encoders.card)."""

from __future__ import annotations

from umr.encoders.dual_config import DualConfig
from umr.encoders.duals import KEEP_SHAPE, towers_class
from umr.encoders.sentence_config import SentenceConfig


def dual_card(config: DualConfig) -> str:
    """The card's text: README.md with the Hub's front matter."""
    return "\n".join([*front_matter(config), "", f"# {config.name}", "", _what(config), "",
                      "## How it embeds", "", *_embeds(config), "",
                      "## Use", "", *used(config), "",
                      "## In other tools", "", _elsewhere(config), "",
                      "## Limits", "", *_limits(), ""])  # fmt: skip


def front_matter(config: DualConfig | SentenceConfig) -> list[str]:
    """The card's first lines, which the Hub reads."""
    repository = config.revision.removeprefix("hub:").partition("@")[0] if config.revision.startswith("hub:") else ""
    return ["---", "library_name: umr", "pipeline_tag: feature-extraction", "license: other",
            "license_name: as-its-source", *([f"base_model: {repository}"] if repository else []),
            "tags:", "- umr", f"- {config.backbone or config.kind}", "- multimodal-retrieval", "---"]  # fmt: skip


def _what(config: DualConfig) -> str:
    return (f"A dual encoder for retrieval with `umr`: a network for texts and one for pictures give unit vectors of "
            f"{config.dim} numbers in one space. Composition of both: {config.composition}. Its weights come from "
            f"`{config.revision}`, whose licence holds for them.")  # fmt: skip


def _embeds(config: DualConfig) -> list[str]:
    towers = towers_class(config.backbone)
    words = ["in lower case"] * config.lower + ["without punctuation"] * config.strip_punctuation
    full = f"to {config.max_tokens} tokens" if config.padding == "full" else "to the longest of a batch"
    share = 1 - config.text_weight
    return [
        "| setting of `encoder.json` | value | |",
        "| --- | --- | --- |",
        f"| backbone | `{config.backbone}` | {towers.implementation} |",
        f"| text_weight | {config.text_weight:g} | a composition is {share:g} of the picture's or clip's vector and "
        f"{config.text_weight:g} of the text's, made a unit vector: no composition was trained |",
        f"| dim | {config.dim} | numbers in a vector; a score is a cosine |",
        f"| image_size | {config.image_size} | {_seen(config)}, made by the preprocessor beside the weights |",
        f"| max_pixels | {config.max_pixels} | larger pictures are refused |",
        f"| max_frames | {config.max_frames} | frames of a clip, evenly spaced; its vector is the mean of theirs, "
        "whatever their order |",
        f"| max_tokens | {config.max_tokens} | longer texts are cut, and that is said |",
        f"| padding | `{config.padding}` | rows of tokens are filled up {full} |",
        *([f"| lower, strip_punctuation | `{str(config.lower).lower()}`, `{str(config.strip_punctuation).lower()}` | "
           f"texts are read {' and '.join(words)} |"] if words else []),
        "",
        "Task sentences (instructions) are not read: it was trained without any.",
        "",
        f"Fingerprint: `{config.fingerprint()}` (settings and weights; this card is no part of it).",
    ]  # fmt: skip


def _seen(config: DualConfig) -> str:
    square = "px of the square that the network sees"
    return f"{square} as many pixels as of, in the picture's own shape" if config.backbone in KEEP_SHAPE else square


def used(config: DualConfig | SentenceConfig) -> list[str]:
    """How a vector is had, in Python."""
    shape = 'encoder.encode_queries([Query(query_id="1", content=Content(text="a red mug"))]).vectors.shape'
    return ["```python", "from umr import Content, Query, load_encoder", "", 'encoder = load_encoder("FOLDER")',
            f"print({shape})  # (1, {config.dim})", "```"]  # fmt: skip


def _elsewhere(config: DualConfig) -> str:
    return (
        f"The folder holds the checkpoint's own weights, settings, tokenizer and preprocessor: "
        f"{towers_class(config.backbone).implementation} opens it as it stands, without the sum, which is umr's."
    )


def _limits() -> list[str]:
    return [
        "- An index that it built opens with these very weights and settings only; another weight of the text makes "
        "another encoder.",
        "- Picture and text of a composed query are encoded apart: `the same, but red` moves towards what is red, and "
        "changes nothing in the picture.",
    ]
