"""The model card of an encoder that sentence-transformers computes, from its encoder.json. Not that of others."""

from __future__ import annotations

from umr.encoders.dual_card import front_matter, used
from umr.encoders.sentence_config import SentenceConfig


def sentence_card(config: SentenceConfig) -> str:
    """The card's text: README.md with the Hub's front matter."""
    return "\n".join([*front_matter(config), "", f"# {config.name}", "", _what(config), "",
                      "## How it embeds", "", *_embeds(config), "",
                      "## Use", "", *used(config), "",
                      "## In other tools", "",
                      "It holds the model's own files: `SentenceTransformer(FOLDER)` opens it as it stands.", "",
                      "## Limits", "", *_limits(), ""])  # fmt: skip


def _what(config: SentenceConfig) -> str:
    return (f"A model of sentence-transformers for retrieval with `umr`: texts, pictures and both give unit vectors of "
            f"{config.dim} numbers in one space. Composition of both: {config.composition}. Its weights come from "
            f"`{config.revision}`, whose licence holds for them.")  # fmt: skip


def _embeds(config: SentenceConfig) -> list[str]:
    told = "the system's turn of its chat" if config.reads_instruction else "left out: it reads none"
    return [
        "| setting of `encoder.json` | value | |",
        "| --- | --- | --- |",
        f"| backbone | `{config.backbone}` | its network's class; computed by sentence-transformers 5.4 or newer |",
        f"| joint, text_weight | `{str(config.joint).lower()}`, {config.text_weight:g} | {config.composition} |",
        f"| reads_instruction | `{str(config.reads_instruction).lower()}` | a task sentence is {told} |",
        f"| dim | {config.dim} | numbers in a vector; a score is a cosine |",
        f"| max_tokens | {config.max_tokens} | longer texts are cut, and that is said |",
        f"| max_pixels | {config.max_pixels} | larger pictures are refused |",
        f"| max_frames | {config.max_frames} | frames of a clip, evenly spaced; its vector is the mean of theirs, "
        "whatever their order |",
        "",
        f"Fingerprint: `{config.fingerprint()}` (settings and weights; this card is no part of it).",
    ]  # fmt: skip


def _limits() -> list[str]:
    return [
        "- An index that it built opens with these very weights and settings only.",
        "- Another release of sentence-transformers or of transformers can prepare pictures otherwise; the probe of an "
        "index tells.",
        "- A text that spells a special token of its tokenizer is read as that token.",
    ]
