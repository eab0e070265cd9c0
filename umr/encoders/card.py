"""The model card of an encoder folder: README.md with the Hub's front matter, from encoder.json and train_config.json.

    python -m umr.encoders.card FOLDER...

Not part of the encoder: no hash covers it, and nothing reads it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from umr.disk import atomic_write
from umr.encoders.backbone import Backbone, backbone_class
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_card import dual_card
from umr.encoders.dual_config import AnyConfig, DualConfig, read_settings
from umr.encoders.interop import MASKED_FILE, has_processor, masks_instruction, pools_elsewhere
from umr.encoders.pooled_over import PooledOver, measured_of, told
from umr.encoders.sentence_card import sentence_card
from umr.encoders.sentence_config import SentenceConfig
from umr.encoders.templates import FIELD
from umr.errors import ConfigError, exit_status
from umr.shipped import LICENCE

CARD_NAME, RECORD_NAME = "README.md", "train_config.json"

_POOLED = {
    "mean": "the mean of the last hidden states",
    "last": "the last token's hidden state",
    "eos": "the hidden state of the last `{end}`",
}
_POSITIONS = {"mrope": "{family}'s own (t, h, w)", "sequential": "one count for all tokens, as in U-MARVEL's release"}


def write_card(config: AnyConfig, folder: str | Path, pooled: PooledOver | None = None) -> Path:
    """Write the card of the encoder in `folder`, through a temporary name. Returns its path.

    Args:
        config: the settings, with the hashes of the files.
        folder: the encoder's.
        pooled: what pooling over the instruction costs it, where it was measured.

    Raises:
        ConfigError: train_config.json is there and cannot be read, or the backbone is unknown.
    """
    target, record = Path(folder) / CARD_NAME, Path(folder) / RECORD_NAME
    try:
        trained = json.loads(record.read_text("utf-8")) if record.is_file() else None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{record} is not readable JSON ({error}); copy the encoder folder again") from error
    with atomic_write(target) as file:
        if isinstance(config, DualConfig):
            file.write(dual_card(config))
        elif isinstance(config, SentenceConfig):
            file.write(sentence_card(config))
        else:
            file.write(card(config, trained, (Path(folder) / MASKED_FILE).is_file(), pooled))
    return target


def card(
    config: EncoderConfig, trained: Mapping[str, Any] | None, masked: bool = False, pooled: PooledOver | None = None
) -> str:
    """The card's text.

    Args:
        config: the settings, with the hashes of the files.
        trained: what training.train records; None for an encoder that it did not make.
        masked: the folder has a pooling module for sentence-transformers (umr.export.modules).
        pooled: what pooling over the instruction costs this encoder, where it was measured.
    """
    return "\n".join([*_front_matter(config), "", f"# {config.name}", "", _what(config, trained), "",
                      "## How it embeds", "", *_embeds(config), "",
                      "## How it was trained", "", *_trained(config, trained), "",
                      "## Use", "", *_use(config), "",
                      "## In other tools", "", *_elsewhere(config, masked, pooled), "",
                      "## Limits", "", *_limits(config, trained), ""])  # fmt: skip


def _front_matter(config: EncoderConfig) -> list[str]:
    repository = config.revision.removeprefix("hub:").partition("@")[0] if config.revision.startswith("hub:") else ""
    licence = ["license: other", "license_name: as-its-source"] if config.revision else [f"license: {LICENCE.lower()}"]
    return ["---", "library_name: umr", "pipeline_tag: feature-extraction",
            *licence, *([f"base_model: {repository}"] if repository else []),
            "tags:", "- umr", *(["- sentence-transformers"] if pools_elsewhere(config) else []),
            f"- {config.backbone}", "- multimodal-retrieval", "- composed-image-retrieval",
            "---"]  # fmt: skip


def _what(config: EncoderConfig, trained: Mapping[str, Any] | None) -> str:
    state = "" if trained else " **It is not trained for retrieval yet.**"
    origin = f" Its weights come from `{config.revision}`, whose licence holds for them." if config.revision else ""
    return (f"An encoder for retrieval with `umr`: text, pictures, clips and compositions of them become unit vectors "
            f"of {config.dim} numbers in one space.{origin}{state}")  # fmt: skip


def _seen(config: EncoderConfig) -> str:
    if config.resize == "square":
        return f"| image_size | {config.image_size} | px; pictures and frames are fitted into a square of this side |"
    limits = f"{config.resize_min_pixels} to {config.resize_max_pixels}"
    return f"| resize | `{config.resize}` | pictures and frames keep their shape and have {limits} pixels |"


def _switches(config: EncoderConfig) -> list[str]:
    """Rows of what a release's own code does otherwise, where it does."""
    told = {
        "text_format": "texts end and begin as M-BEIR's",
        "marker_rows": "the instruction's two marker tokens have the mean embedding",
        "prompting": f"the task is a plain part of the prompt; without one: `{config.default_instruction}`",
        "vision_depths": "of the vision tower's states, the last alone",
        "first_resize": "(cell, least, most pixels) of a resize before the one above",
        "vision_marks": "no token begins or ends a picture or clip",
        "frame_rate": "frames a second that are taken of a clip's file; frames in memory are taken as they are",
        "clip_resize": "(least, most, all) pixels of a frame and of all frames of a clip",
    }
    given = config.written()
    return [f"| {key} | `{given[key]}` | {what} |" for key, what in told.items() if key in given]


def _spaced(config: EncoderConfig) -> str:
    return f"at most, at least {config.min_frames} where it has them" if config.frame_rate else "evenly spaced"


def _templates(config: EncoderConfig) -> list[str]:
    """Those of what has its own."""
    tables = {"query": config.query_templates, "candidate": config.candidate_templates}
    return [f"- of a {role} that shows {shown.replace(',', ' and ')}: `{json.dumps(template)}`"
            for role, table in tables.items() for shown, template in table.items()]  # fmt: skip


def _embeds(config: EncoderConfig) -> list[str]:
    backbone: type[Backbone] = backbone_class(config.backbone)
    outside = " outside the instruction" if config.mask_instruction and config.pooling == "mean" else ""
    pooled = _POOLED[config.pooling].format(end=backbone.special.end)
    positions = _POSITIONS[config.positions].format(family=backbone.special.family)
    return [
        "| setting of `encoder.json` | value | |",
        "| --- | --- | --- |",
        f"| backbone | `{config.backbone}` | {backbone.implementation} |",
        f"| attention | `{config.attention}` | |",
        f"| pooling | `{config.pooling}` | {pooled}{outside} |",
        f"| normalise | `{str(config.normalise).lower()}` | a score is a cosine |",
        f"| positions | `{config.positions}` | {positions} |",
        f"| dim | {config.dim} | numbers in a vector |",
        _seen(config),
        *_switches(config),
        f"| max_pixels | {config.max_pixels} | larger pictures are refused |",
        f"| max_frames | {config.max_frames} | frames of a clip, {_spaced(config)} |",
        f"| max_tokens | {config.max_tokens} | longer texts are cut, and that is said |",
        f"| instructions | {len(config.instructions)} | task sentences by (query, target) |",
        "",
        f"- query_template: `{json.dumps(config.query_template)}`",
        f"- candidate_template: `{json.dumps(config.candidate_template)}`",
        *_templates(config),
        "",
        f"Fingerprint: `{config.fingerprint()}` (settings and weights; this card is no part of it).",
    ]


def _trained(config: EncoderConfig, trained: Mapping[str, Any] | None) -> list[str]:
    if not trained:
        recipe = "unified" if config.resize == "square" else "finetune --data KIND:PATH"
        return [f"By nobody here: `python -m training.train {recipe} --init DIR` would fine-tune {config.name}."]
    settings = trained.get("config", {})
    steps = ", ".join(f"{name} {share:g}" for name, share in sorted(settings.get("programmes", {}).items()))
    losses = [f"{key.removesuffix('_weight')} {settings[key]:g}" for key in sorted(settings)
              if key.endswith("_weight") and settings[key]]  # fmt: skip
    start = f"`{settings['init']}`" if settings.get("init") else "random weights"
    contrast = {
        "shares of the steps": steps,
        "losses beside the contrast": ", ".join(losses) or "none",
        "batch": f"{settings.get('families_per_batch')} ({settings.get('batch')})",
    }
    taught = {
        "loss": f"KL divergence from a teacher's scores, lists of pools: {settings.get('pools')}",
        "batch": f"{settings.get('queries_per_batch')} queries with their lists",
    }
    rows = {
        "settings": f"`{settings.get('name')}`, starting from {start}; `training/README.md` lists the stages",
        "steps": f"{settings.get('steps')}, seed {settings.get('seed')}",
        **_kept(settings),
        **(taught if "pools" in settings else contrast),
        **(_own_data(trained) if "data" in trained else _rendered(trained.get("world", {}))),
        "time": f"{trained.get('seconds')} seconds with torch {trained.get('torch')}",
    } | ({"commit": f"`{trained['commit']}`"} if trained.get("commit") else {})
    told = [f"| {key} | {value} |" for key, value in rows.items()]
    return ["| | |", "| --- | --- |", *told, "", f"`{RECORD_NAME}` has every setting."]


def _kept(settings: Mapping[str, Any]) -> dict[str, str]:
    """What of another encoder's weights was kept at the end."""
    share, of = settings.get("kept_start"), settings.get("kept_of") or settings.get("init")
    return {"weights": f"{1 - share:g} of what the steps made, {share:g} of `{of}`"} if share else {}


def _rendered(world: Mapping[str, Any]) -> dict[str, str]:
    """What a run in a rendered world saw."""
    return {
        "data": f"the rendered catalogue, split `{world.get('split')}`, seed {world.get('seed')}"
        + "".join(f", {name} {world[name]:g}" for name in ("crowded", "cluttered", "bystanders") if world.get(name)),
        "picture size": f"{world.get('size')} px",
        "rendered": f"{world.get('images')} pictures, {world.get('clips')} clips",
        "trained on": f"{world.get('families')} families of pictures, {world.get('clip_families')} of clips",
    }


def _own_data(trained: Mapping[str, Any]) -> dict[str, str]:
    """What a run on `--data` saw, and what it reached on held-out examples."""
    rows = {}
    for number, data in enumerate(trained["data"], 1):
        if isinstance(data.get("world"), dict):
            told = _rendered(data["world"])
            rows[f"data {number}"] = f"{told['data']}, share {data.get('share'):g}: {told['rendered']}"
            continue
        seen = f"{data['examples']} examples, {data['refused']} rows refused"
        rows[f"data {number}"] = f"`{data.get('name')}` ({data.get('kind')}), share {data.get('share'):g}: {seen}"
    held_out = trained.get("held_out")
    if held_out:
        before, after = held_out["before"], held_out["after"]
        found = [f"{name} {before[name]:g} -> {after[name]:g}" for name in after if name.startswith("recall")]
        rows["on held-out examples"] = f"{', '.join(found)} ({after['queries']} queries)"
    return rows


def _use(config: EncoderConfig) -> list[str]:
    shape = 'encoder.encode_queries([Query(query_id="1", content=Content(text="a red mug"))]).vectors.shape'
    return ["```python", "from umr import Content, Query, load_encoder", "", 'encoder = load_encoder("FOLDER")',
            f"print({shape})  # (1, {config.dim})", "```"]  # fmt: skip


def _elsewhere(config: EncoderConfig, masked: bool, pooled: PooledOver | None) -> list[str]:
    """What transformers and sentence-transformers compute of this folder, and what they must be given for it."""
    if not has_processor(config):
        return ["`AutoTokenizer` of transformers gives this encoder's tokens; its network is umr's own."]
    states = "tokens, pixels and last hidden states" if config.positions == "mrope" else "tokens, pixels and weights"
    auto = (f"`AutoTokenizer`, `AutoProcessor` and `AutoModel` of transformers (5.6 or newer) give this encoder's "
            f"{states}; `AutoProcessor` needs torchvision.")  # fmt: skip
    if not pools_elsewhere(config):
        return [f"{auto} sentence-transformers has no modules for its pooling (`{config.pooling}`) and positions "
                f"(`{config.positions}`)."]  # fmt: skip
    trust = ", trust_remote_code=True" if masked else ""
    key = next((key for key in config.instructions if key.startswith("image,text")), None)
    prompt = f', prompt_name="{key}"' if key else ""
    return [
        f"{auto} sentence-transformers (6 or newer) opens the folder as it stands:",
        "",
        "```python",
        "from sentence_transformers import SentenceTransformer",
        "",
        f'model = SentenceTransformer("FOLDER", model_kwargs={{"dtype": "float32"}}{trust})',
        'model.encode_document([{"text": "a red mug", "image": picture}, "a red mug"])',
        f'model.encode_query([{{"image": picture, "text": "the same in blue"}}]{prompt})',
        "```",
        "",
        "- Candidates have the vectors that umr gives them, and carry no prompt.",
        *_queries_elsewhere(config, masked, pooled),
        *([f"- Fit a picture into a square of {config.image_size} px first (`umr.media.letterbox`): a processor there "
           f"keeps the shape of what is not square. Of a clip give {config.max_frames} frames of that size."]
          if config.resize == "square" else [
               f"- Of a clip give {config.clips}, evenly spaced. A picture that is made larger or smaller "
               "may differ by one of 255 levels in some pixels, as torchvision rounds otherwise than Pillow."]),
        f"- Words are cut at {config.max_tokens} tokens by umr alone, and special tokens typed in a text are plain "
        "characters to umr alone.",
        *(["- Words beside plain text of the template are tokenised together with it there, and apart by umr."]
          if _has_plain_text(config) else []),
    ]  # fmt: skip


def _queries_elsewhere(config: EncoderConfig, masked: bool, pooled: PooledOver | None) -> list[str]:
    if not masks_instruction(config):
        return ["- So have queries, under the prompt of their task."]
    measured = [] if pooled is None else ["- Measured, pooled over the instruction beside umr's vectors:"]
    measured += [] if pooled is None else told(pooled)
    if masked:
        return [
            "- So have queries, under the prompt of their task: `instruction_pooling.py` leaves the instruction out. "
            "The encoder's own folder opens without this code, and pools over it.",
            *measured,
        ]
    return ["- Queries, under the prompt of their task, are pooled over their instruction too, which umr leaves out: "
            "their vectors are near umr's, not equal (the less near, the fewer words), and rank otherwise. `python -m "
            "umr export --to sentence-transformers` writes a folder in which they are equal.", *measured]  # fmt: skip


def _has_plain_text(config: EncoderConfig) -> bool:
    """Whether the templates have more than special tokens around their fields."""
    literals = [literal for template in config.templates for literal in FIELD.split(template)[::2]]
    return bool(re.sub(r"<[^<>]*>", "", "".join(literals)))


def _limits(config: EncoderConfig, trained: Mapping[str, Any] | None) -> list[str]:
    told = ["- An index that it built opens with these very weights and settings only."]
    if not trained:
        return ["- Its vectors are those of a language model: nothing has taught them to be near what answers a query.",
                *told]  # fmt: skip
    if "data" in trained:
        return ["- What it knows of other things than its training data is what it kept of the encoder that it started "
                "from: measure it on the collection that it is to search.", *told]  # fmt: skip
    catalogue = "- It was trained on the rendered home-goods catalogue alone"
    own = ", which is all that it knows: it is not meant for photographs, faces or documents."
    return [catalogue + ("." if config.revision else own), *told]


def main(folders: Sequence[str]) -> int:
    """Write the card of every encoder folder named. Returns the exit status."""
    with exit_status("umr") as ended:
        for folder in folders:
            config = read_settings(folder)
            print(write_card(config, folder, measured_of(folder, config.fingerprint())))
    return ended.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
