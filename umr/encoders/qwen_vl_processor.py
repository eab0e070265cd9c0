"""The files by which transformers' Auto classes prepare Qwen2-VL's inputs as umr does. Not umr's own preparing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from umr.encoders.config import EncoderConfig
from umr.encoders.qwen_vl_pixels import CLIP_COLOURS, Colours
from umr.encoders.templates import FIELD
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START

PROCESSOR = "Qwen2VLProcessor"

#: Pixels by which a size may miss a square: smart_resize divides and rounds, and at the exact limits it takes a side
#: of a patch too few or too many (192 px become 84 in place of 112).
SLACK = 16

#: What of the messages is the media, the task sentence (the system message) and the words; umr strips words too.
_READ = """\
{%- set seen = namespace(media='', instruction='', text='') -%}
{%- for message in messages -%}
{%- set content = message['content'] -%}
{%- set parts = [{'type': 'text', 'text': content}] if content is string else content -%}
{%- for part in parts -%}
{%- if message['role'] == 'system' -%}
{%- set seen.instruction = seen.instruction + part['text'] -%}
{%- elif part['type'] == 'image' or 'image' in part -%}
{%- set seen.media = seen.media + IMAGE -%}
{%- elif part['type'] == 'video' or 'video' in part -%}
{%- set seen.media = seen.media + VIDEO -%}
{%- elif 'text' in part -%}
{%- set seen.text = seen.text + part['text'] -%}
{%- endif -%}
{%- endfor -%}
{%- endfor -%}
"""


def processor_files(
    config: EncoderConfig,
    model: Mapping[str, Any],
    spans: Mapping[str, str],
    processor: str = PROCESSOR,
    colours: Colours = CLIP_COLOURS,
) -> dict[str, str]:
    """Processor settings and chat template.

    Args:
        config: the encoder's settings.
        model: config.json of the weights.
        spans: {"image" | "video": its tokens, with one pad that the processor repeats}.
        processor: class of transformers that reads them.
        colours: what the vision tower takes for zero and one.

    Returns:
        {file name: text}.
    """
    vision = model.get("vision_config") or {}
    square, dynamic = config.image_size**2, config.resize == "dynamic"
    pixels = {
        "do_resize": True,
        "size": {
            "shortest_edge": config.resize_min_pixels if dynamic else square - SLACK,
            "longest_edge": config.resize_max_pixels if dynamic else square + SLACK,
        },
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(colours.mean),
        "image_std": list(colours.std),
        "do_convert_rgb": True,
        "patch_size": vision.get("patch_size", vision.get("spatial_patch_size", 14)),
        "temporal_patch_size": vision.get("temporal_patch_size", 2),
        "merge_size": vision.get("spatial_merge_size", 2),
    }
    image = {"image_processor_type": "Qwen2VLImageProcessor", **pixels}
    video = {"video_processor_type": "Qwen2VLVideoProcessor", **pixels, "do_sample_frames": False}
    kind = {"processor_class": processor}
    files = {
        "preprocessor_config.json": _json(image | kind),
        "video_preprocessor_config.json": _json(video | kind),
        "processor_config.json": _json(kind),
    }
    # M-BEIR's way with a text is no template's, nor are several templates, or none of the marks that a processor finds
    if config.text_format == "mbeir" or not config.usual_prompts:
        return files
    return files | {"chat_template.jinja": chat_template(config, spans)}


def chat_template(config: EncoderConfig, spans: Mapping[str, str]) -> str:
    """Both templates as one of transformers: the query's where there is a system message, else the candidate's.

    Media, task sentence and words stand where the encoder's templates have them, whatever their order in the messages.

    Args:
        config: the encoder's settings.
        spans: {"image" | "video": its tokens}.
    """
    read = _READ.replace("IMAGE", repr(spans["image"])).replace("VIDEO", repr(spans["video"]))
    query, candidate = _rendered(config.query_template, config), _rendered(config.candidate_template, config)
    return f"{read}{{%- if seen.instruction | trim -%}}\n{query}{{%- else -%}}\n{candidate}{{%- endif -%}}\n"


def _rendered(template: str, config: EncoderConfig) -> str:
    """A template of umr as output of Jinja, one piece on a line."""
    fields = {
        "media": "seen.media",
        "instruction": f"{INSTRUCTION_START!r} + (seen.instruction | trim) + {INSTRUCTION_END!r}",
        "text": "seen.text | trim",
    }
    if config.prompting != "marked":
        fields["instruction"] = f"(seen.instruction | trim) or {config.default_instruction!r}"
    pieces = [fields[part] if place % 2 else repr(part) for place, part in enumerate(FIELD.split(template)) if part]
    return "".join(f"{{{{- {piece} -}}}}\n" for piece in pieces)


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"
