"""An encoder's identity: round trip, fingerprint, refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from umr.encoders.config import EncoderConfig, read_config, write_config
from umr.errors import ConfigError

CONFIG = EncoderConfig(name="a", instructions={"text->image": "Find the picture."})


def test_config_survives_writing_and_reading(tmp_path):
    write_config(CONFIG, tmp_path)
    assert read_config(tmp_path) == CONFIG
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.json"]


@pytest.mark.parametrize(
    "change",
    [{"pooling": "last"}, {"attention": "causal"}, {"positions": "sequential"}, {"mask_instruction": False},
     {"instructions": {}}, {"query_template": "{media}{text}"}, {"image_size": 140}, {"files": {"a": "0"}},
     {"resize": "dynamic"}, {"resize_max_pixels": 9999}, {"text_format": "mbeir"}, {"marker_rows": "mean"},
     {"prompting": "plain", "mask_instruction": False}, {"default_instruction": "Find it."}, {"vision_depths": "last"},
     {"first_resize": (28, 1, 9)}, {"query_templates": {"image": "{media}"}},
     {"candidate_templates": {"image,text": "{text}{media}"}}],
)  # fmt: skip
def test_fingerprint_changes_with_what_changes_vectors(change):
    assert replace(CONFIG, **change).fingerprint() != CONFIG.fingerprint()
    assert replace(CONFIG).fingerprint() == CONFIG.fingerprint()


def test_fingerprint_is_stable_across_versions_of_this_code():
    """Indexes name it: a change here orphans every built index, so it must be on purpose (and FORMAT raised)."""
    assert CONFIG.fingerprint() == EXPECTED


def test_settings_younger_than_the_format_stand_in_the_file_only_where_they_are_set(tmp_path):
    write_config(CONFIG, tmp_path)
    younger = {"resize", "resize_min_pixels", "resize_max_pixels", "text_format", "marker_rows", "prompting",
               "default_instruction", "vision_depths", "first_resize", "vision_marks", "query_templates",
               "candidate_templates"}  # fmt: skip
    assert not younger & set(json.loads((tmp_path / "encoder.json").read_text()))
    changed = replace(CONFIG, resize="dynamic", resize_max_pixels=9999, first_resize=(28, 1, 9))
    write_config(changed, tmp_path)
    written = younger & set(json.loads((tmp_path / "encoder.json").read_text()))
    assert written == {"resize", "resize_max_pixels", "first_resize"}
    assert read_config(tmp_path) == changed


EXPECTED = "e0333ca824be50404d91a087e837540d5633ba91b2ae993ed5f618c72dffb6d7"


@pytest.mark.parametrize(
    "change",
    [{"pooling": "max"}, {"attention": "both"}, {"positions": "none"}, {"dim": 0}, {"dim": "192"}, {"max_tokens": True},
     {"name": " "}, {"normalise": 1}, {"query_template": "{media}"}, {"instructions": {"a": 1}}, {"files": []},
     {"resize": "none"}, {"resize_min_pixels": 10**6}, {"text_format": "csv"}, {"marker_rows": "none"},
     {"prompting": "loud"}, {"default_instruction": None}, {"vision_depths": "first"}, {"first_resize": (28, 9)},
     {"first_resize": (28, 9, 1)}, {"first_resize": "28"}, {"vision_marks": 1}, {"vision_marks": False},
     {"query_templates": {"sound": "{media}"}}, {"query_templates": {"image": "{text}"}}, {"query_templates": []},
     {"candidate_templates": {"image,text": "{media}"}}],
)  # fmt: skip
def test_illegal_value_is_refused_by_name(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        replace(CONFIG, **change)


def test_a_prompt_without_marks_cannot_mask_its_instruction():
    with pytest.raises(ConfigError, match="set mask_instruction false"):
        replace(CONFIG, prompting="plain")
    assert replace(CONFIG, prompting="plain", pooling="last").mask_instruction


def test_marks_around_media_are_left_out_of_plain_prompts_alone():
    plain = replace(CONFIG, prompting="plain", mask_instruction=False)
    assert replace(plain, vision_marks=False).fingerprint() != plain.fingerprint()
    with pytest.raises(ConfigError, match="vision_marks is false, and prompting 'marked'; with 'plain'"):
        replace(CONFIG, vision_marks=False)


def test_unreadable_encoder_json_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not an encoder folder"):
        read_config(tmp_path)
    write_config(CONFIG, tmp_path)
    path = tmp_path / "encoder.json"
    whole = json.loads(path.read_text())
    for text, reason in (
        (path.read_text()[:40], "not readable JSON"),
        (json.dumps(whole | {"format": 99}), "format 1"),
        (json.dumps(whole | {"weights": 1}), "unknown fields"),
        (json.dumps({"format": 1}), "name is missing"),
        ("[]", "format 1"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=reason):
            read_config(tmp_path)
