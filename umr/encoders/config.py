"""What an encoder is, as saved data: how it pools, attends, prompts, sees. Not how it is run (device, dtype, batch)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from umr.disk import atomic_write
from umr.errors import ConfigError
from umr.shipped import CONFIG_NAME

FORMAT = 1
#: Kinds of an encoder.json that is none of these settings (umr.encoders.dual_config, umr.encoders.sentence_config).
DUAL, SENTENCES = "dual", "sentence-transformers"

Pooling = Literal["mean", "last", "eos"]
Attention = Literal["bidirectional", "causal"]
Positions = Literal["sequential", "mrope"]
Resize = Literal["square", "dynamic"]
TextFormat = Literal["plain", "mbeir"]
MarkerRows = Literal["checkpoint", "mean"]
Prompting = Literal["marked", "plain", "sentence"]
VisionDepths = Literal["all", "last"]

_CHOICES = {"pooling": Pooling, "attention": Attention, "positions": Positions, "resize": Resize,
            "text_format": TextFormat, "marker_rows": MarkerRows, "prompting": Prompting,
            "vision_depths": VisionDepths}  # fmt: skip
_WHOLE = ("dim", "max_tokens", "image_size", "max_pixels", "max_frames", "min_frames", "resize_min_pixels",
          "resize_max_pixels")  # fmt: skip
#: Left out of encoder.json and of the fingerprint where they are as usual: older files keep their identity.
_YOUNGER = ("resize", "resize_min_pixels", "resize_max_pixels", "text_format", "marker_rows", "prompting",
            "default_instruction", "vision_depths", "first_resize", "vision_marks", "query_templates",
            "candidate_templates", "frame_rate", "min_frames", "clip_resize")  # fmt: skip

#: Of the encoders that this library trains; as every default below, part of format 1: a file may leave it out.
COMPACT_QUERY = "{media}{instruction}{text}<|im_end|>"
COMPACT_CANDIDATE = "{media}{text}<|im_end|>"

#: What can have a template of its own -> the fields that it must have.
SHOWN = {"text": ("{text}",), "image": ("{media}",), "image,text": ("{media}", "{text}"), "video": ("{media}",),
         "video,text": ("{media}", "{text}")}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """The identity of an encoder: two encoders with equal configs (file hashes included) give equal vectors.

    Attributes:
        name: what people call it.
        backbone: a key of umr.encoders.backbone.BACKBONES.
        revision: where the weights come from; "" for weights made here.
        pooling: "mean" over all tokens but padding and the instruction span (with mask_instruction), "last" real token,
            or "eos", the last token that ends a turn.
        attention: whether a token sees those after it; U-MARVEL's release is bidirectional.
        dim: length of a vector.
        normalise: vectors have length 1.
        mask_instruction: the instruction is not pooled.
        positions: "mrope", the backbone's own in (t, h, w), or "sequential", the same count on all axes, as in
            U-MARVEL's release.
        max_tokens: a text is cut after so many tokens.
        image_size: pictures and frames are letterboxed to this square, px.
        max_pixels: larger pictures are refused.
        max_frames: frames taken from a clip.
        query_template: what a query is written as, with the fields {media}, {instruction} and {text}.
        candidate_template: the same of a candidate.
        instructions: {"image,text->image": the trained task sentence}.
        files: {name in the folder: sha256}, set by save.
        resize: "square" (see image_size), or "dynamic": pictures and frames keep their shape (umr.encoders.resize).
        resize_min_pixels: with "dynamic", a picture or frame is seen with so many pixels at least.
        resize_max_pixels: and at most.
        text_format: "plain", or "mbeir": texts end and begin as M-BEIR's (umr.encoders.templates.mbeir_text).
        marker_rows: embeddings of the instruction's two marker tokens: the checkpoint's, or the "mean" of those before
            them, as U-MARVEL's loader makes them anew.
        prompting: "marked", the instruction between the two marker tokens and every field tokenised by itself, or
            "plain", as it is, and the whole prompt tokenised as one text; "sentence" is that with a full stop behind an
            instruction that ends in no mark.
        default_instruction: unless "marked", stands where there is none.
        vision_depths: of a network that hands on the states of several layers of its vision tower: "all" of them, or
            the "last" alone, as U-MARVEL's release.
        first_resize: (cell, min, max): with "dynamic", pictures and frames are first made of multiples of `cell` px
            within these pixels, as a release whose own code does so before its preprocessor; () for none.
        vision_marks: the tokens that begin and end a picture or clip stand around it; False: its vision tokens alone,
            as VLM2Vec-V2 writes them.
        query_templates: {"image": a template} in place of query_template for queries that show so much: a key of SHOWN.
        candidate_templates: the same of candidates.
        frame_rate: frames a second that are taken of a clip's file, max_frames at most (umr.encoders.clip_frames); 0:
            max_frames of every clip, evenly spaced.
        min_frames: with a frame rate, so many at least, where the clip has them.
        clip_resize: (least, most, all) pixels of a frame and of all of a clip, with "dynamic"; (): as of a picture.
    """

    name: str
    backbone: str = "qwen2_vl"
    revision: str = ""
    pooling: Pooling = "mean"
    attention: Attention = "bidirectional"
    dim: int = 192
    normalise: bool = True
    mask_instruction: bool = True
    positions: Positions = "mrope"
    max_tokens: int = 160
    image_size: int = 112
    max_pixels: int = 64_000_000
    max_frames: int = 8
    query_template: str = COMPACT_QUERY
    candidate_template: str = COMPACT_CANDIDATE
    instructions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    resize: Resize = "square"
    resize_min_pixels: int = 4 * 28 * 28
    resize_max_pixels: int = 300 * 28 * 28
    text_format: TextFormat = "plain"
    marker_rows: MarkerRows = "checkpoint"
    prompting: Prompting = "marked"
    default_instruction: str = ""
    vision_depths: VisionDepths = "all"
    first_resize: tuple[int, ...] = ()
    vision_marks: bool = True
    query_templates: dict[str, str] = field(default_factory=dict)
    candidate_templates: dict[str, str] = field(default_factory=dict)
    frame_rate: float = 0.0
    min_frames: int = 4
    clip_resize: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for key in ("first_resize", "clip_resize"):
            if isinstance(getattr(self, key), list):  # as JSON has it
                object.__setattr__(self, key, tuple(getattr(self, key)))
        self._check_choices()
        self._check_first_resize()
        self._check_clips()
        self._check_texts()

    def _check_choices(self) -> None:
        """Raise ConfigError for a setting that is none of its choices, numbers or truth values."""
        check_choices(self, {key: get_args(legal) for key, legal in _CHOICES.items()})
        check_whole(self, _WHOLE)
        if self.resize_min_pixels > self.resize_max_pixels:
            raise ConfigError(
                f"resize_min_pixels is {self.resize_min_pixels}; at most resize_max_pixels, {self.resize_max_pixels}, "
                "is legal"
            )
        check_truths(self, ("normalise", "mask_instruction", "vision_marks"))

    def _check_first_resize(self) -> None:
        """Raise ConfigError for a first resize that is none."""
        first = self.first_resize
        whole = isinstance(first, tuple) and all(type(one) is int and one > 0 for one in first)
        if not whole or len(first) not in (0, 3) or (first and first[1] > first[2]):
            raise ConfigError(f"first_resize is {first!r}; a cell, least and most pixels, or nothing, are needed")

    def _check_clips(self) -> None:
        """Raise ConfigError for frames of clips that cannot be taken so."""
        rate, sizes = self.frame_rate, self.clip_resize
        if type(rate) not in (int, float) or not 0 <= rate < math.inf:
            raise ConfigError(f"frame_rate is {rate!r}; a number of frames a second, or 0 for none, is needed")
        object.__setattr__(self, "frame_rate", float(rate))  # 1 and 1.0 are one rate
        if rate and not 1 < self.min_frames <= self.max_frames:
            raise ConfigError(f"min_frames is {self.min_frames}; 2 to max_frames, {self.max_frames}, are legal")
        whole = isinstance(sizes, tuple) and all(type(one) is int and one > 0 for one in sizes)
        if not whole or len(sizes) not in (0, 3) or list(sizes) != sorted(sizes):
            raise ConfigError(f"clip_resize is {sizes!r}; least, most and all pixels, or nothing, are needed")

    @property
    def clips(self) -> str:
        """How many frames of a clip are seen, in words."""
        all_of_them = f"{self.max_frames} frames"
        return f"up to {all_of_them}, {self.frame_rate:g} a second" if self.frame_rate else all_of_them

    def _check_texts(self) -> None:
        """Raise ConfigError for names, templates and tables of texts that are none."""
        check_texts(self, filled=("name", "backbone"), any_text=("revision", "default_instruction"))
        if self.prompting != "marked" and self.pooling == "mean" and self.mask_instruction:
            raise ConfigError(
                f"a {self.prompting} prompt has no marks by which its instruction is masked; set mask_instruction false"
            )
        for key in ("query_template", "candidate_template"):
            template = getattr(self, key)
            if not isinstance(template, str) or "{text}" not in template or "{media}" not in template:
                raise ConfigError(f"{key} is {template!r}; it needs the fields {{media}} and {{text}}")
        check_tables(self, ("instructions", "files", "query_templates", "candidate_templates"))
        self._check_shown()

    def _check_shown(self) -> None:
        """Raise ConfigError for templates that are of nothing, or lack a field, and for marks that are needed."""
        for key in ("query_templates", "candidate_templates"):
            for shown, template in getattr(self, key).items():
                if shown not in SHOWN:
                    raise ConfigError(f"{key} has one for {shown!r}; legal: {', '.join(map(repr, SHOWN))}")
                lost = [one for one in SHOWN[shown] if one not in template]
                if lost:
                    raise ConfigError(f"the template for {shown!r} of {key} is {template!r}; it needs {lost[0]}")
        if not self.vision_marks and self.prompting == "marked":
            raise ConfigError("vision_marks is false, and prompting 'marked'; with 'plain' or 'sentence' it is legal")

    @property
    def templates(self) -> list[str]:
        """All of its templates, the query's and the candidate's first."""
        others = (*self.query_templates.values(), *self.candidate_templates.values())
        return [self.query_template, self.candidate_template, *others]

    @property
    def usual_prompts(self) -> bool:
        """Whether each role has one template, and marks stand around a picture or clip."""
        return self.vision_marks and not self.query_templates and not self.candidate_templates

    def written(self) -> dict[str, Any]:
        """The fields that encoder.json holds: those younger than format 1 only where they are not the default."""
        usual = {one.name: {} if one.default is MISSING else one.default for one in fields(self)}
        return {key: value for key, value in asdict(self).items() if key not in _YOUNGER or value != usual[key]}

    def canonical(self) -> str:
        """One line of JSON with sorted keys: equal configs give equal bytes."""
        return json.dumps(
            {"format": FORMAT, **self.written()}, sort_keys=True, ensure_ascii=True, separators=(",", ":")
        )

    def fingerprint(self) -> str:
        """sha256 (hex) of the canonical form; the weights enter through the hashes in `files`."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def with_files(self, files: dict[str, str]) -> EncoderConfig:
        """The same encoder with these file hashes."""
        return replace(self, files=dict(files))


def check_choices(settings: object, legal: Mapping[str, Sequence[str]]) -> None:
    """Raise ConfigError for a setting that is none of its choices."""
    for key, choices in legal.items():
        if getattr(settings, key) not in choices:
            raise ConfigError(f"{key} is {getattr(settings, key)!r}; legal: {', '.join(choices)}")


def check_whole(settings: object, keys: Sequence[str]) -> None:
    """Raise ConfigError for a setting that is no whole number above 0."""
    for key in keys:
        value = getattr(settings, key)
        if type(value) is not int or value < 1:
            raise ConfigError(f"{key} is {value!r}; a whole number above 0 is needed")


def check_truths(settings: object, keys: Sequence[str]) -> None:
    """Raise ConfigError for a setting that is neither true nor false."""
    for key in keys:
        if type(getattr(settings, key)) is not bool:
            raise ConfigError(f"{key} is {getattr(settings, key)!r}; true or false is needed")


def check_texts(settings: object, filled: Sequence[str], any_text: Sequence[str]) -> None:
    """Raise ConfigError for a setting that is no text, or an empty one where it must not be."""
    for key in filled:
        value = getattr(settings, key)
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{key} is {value!r}; a non-empty text is needed")
    for key in any_text:
        if not isinstance(getattr(settings, key), str):
            raise ConfigError(f"{key} is {getattr(settings, key)!r}; a text is needed")


def check_tables(settings: object, keys: Sequence[str]) -> None:
    """Raise ConfigError for a setting that is no table of texts."""
    for key in keys:
        value = getattr(settings, key)
        if not isinstance(value, dict) or not all(isinstance(x, str) for pair in value.items() for x in pair):
            raise ConfigError(f"{key} must map texts to texts, got {value!r}")


def check_weight(weight: object) -> None:
    """Refuse what is no weight of a text.

    Raises:
        ConfigError: it is no number from 0 to 1.
    """
    if type(weight) not in (int, float) or not 0 <= weight <= 1:  # type: ignore[operator]
        raise ConfigError(
            f"the weight of the text is {weight!r}; a number from 0 (the picture alone) to 1 (the text alone) is needed"
        )


class Settings(Protocol):
    """What encoder.json is written from."""

    def written(self) -> dict[str, Any]:
        """The fields that it holds."""


def write_config(config: Settings, folder: str | Path) -> Path:
    """Write encoder.json into the folder, through a temporary name. Returns its path."""
    target = Path(folder) / CONFIG_NAME
    with atomic_write(target) as file:
        file.write(json.dumps({"format": FORMAT, **config.written()}, indent=2, ensure_ascii=False) + "\n")
    return target


def read_config(folder: str | Path) -> EncoderConfig:
    """Read the encoder.json of an encoder with one network.

    Raises:
        ConfigError: it is absent, not JSON, of a dual encoder, or has unknown or illegal fields.
    """
    path, data = Path(folder) / CONFIG_NAME, read_fields(folder)
    if data.get("kind") == DUAL:
        raise ConfigError(
            f"{folder} is a dual encoder, of a network for texts and one for pictures: it indexes, searches, is "
            "evaluated and pushed, but is not trained or made a re-ranker. Give an encoder with one network"
        )
    if data.get("kind") == SENTENCES:
        raise ConfigError(
            f"{folder} is a model that sentence-transformers computes: it indexes, searches, is evaluated and pushed, "
            "but is not trained or made a re-ranker here. Give an encoder that umr computes"
        )
    unknown = sorted(set(data) - {f.name for f in fields(EncoderConfig)})
    if unknown or "name" not in data:
        raise ConfigError(f"{path}: unknown fields {unknown}" if unknown else f"{path}: the field name is missing")
    return EncoderConfig(**data)


def read_fields(folder: str | Path) -> dict[str, Any]:
    """What encoder.json holds, of whichever kind of encoder, without its format.

    Raises:
        ConfigError: it is absent, not JSON, or of another format.
    """
    path = Path(folder) / CONFIG_NAME
    if not path.is_file():
        raise ConfigError(
            f"{folder} is not an encoder folder: {CONFIG_NAME} is missing. Give a folder written by save(), or make "
            "one of a public checkpoint: python -m umr adopt SOURCE --out DIR"
        )
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not readable JSON ({error}). Copy the encoder folder again") from error
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise ConfigError(f"{path} is not of format {FORMAT}. Save the encoder again with this version of umr")
    return data
