"""A published checkpoint through umr gives the vectors of its own code: odd sizes, alone and in a batch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from tests.encoders.published import MOST, Reference, flatten_config, publish, rename_weights
from umr.encoders import load_encoder
from umr.encoders.adopt import adopt
from umr.encoders.base import UnifiedEncoder
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START
from umr.errors import ConfigError, MediaError
from umr.types import Candidate, Content, Query

ASKED = "Find an image caption describing the following everyday image."
DRAW = np.random.default_rng(3)


def smooth(height: int, width: int) -> np.ndarray:
    """A picture of soft blotches: noise would be flattened by every resize."""
    coarse = DRAW.integers(0, 255, (height // 12 + 2, width // 12 + 2, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((12, 12, 1), np.uint8))[:height, :width]


WIDE, TALL, SMALL, LARGE = smooth(67, 131), smooth(190, 45), smooth(20, 33), smooth(300, 420)
CLIP = np.stack([smooth(81, 59) for _ in range(4)])
CONTENTS = [
    Content(text="a teal mug on marble"),
    Content(image=WIDE),
    Content(text="in red", image=TALL),
    Content(image=SMALL),
    Content(image=LARGE, text="Two of them?"),
    Content(video=CLIP),
    Content(text='"on the table"', video=CLIP),
]


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("published") / "tiny")


@pytest.fixture(scope="module")
def windowed(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("windowed") / "tiny", "qwen2_5_vl")


@pytest.fixture(scope="module")
def umarvel(published, tmp_path_factory) -> UnifiedEncoder:
    out = tmp_path_factory.mktemp("umarvel") / "encoder"
    adopt(published, out, max_frames=4, recipe="umarvel")
    return load_encoder(out, device="cpu")


@pytest.fixture(scope="module")
def plain(published, tmp_path_factory) -> UnifiedEncoder:
    out = tmp_path_factory.mktemp("plain") / "encoder"
    adopt(published, out, max_frames=4)
    return load_encoder(out, device="cpu")


def media(content: Content) -> dict[str, np.ndarray]:
    return {key: one for key, one in (("image", content.image), ("video", content.video)) if one is not None}


def formatted(text: str) -> str:
    """UniIR's format_string."""
    text = text.replace("\r", "").strip().strip('"')
    text = text[:1].upper() + text[1:]
    return f"{text}." if text and text[-1] not in ".?!" else text


def least_cosine(encoder: UnifiedEncoder, expected: list[np.ndarray], queries: bool) -> float:
    """Over the contents, in one batch and alone."""

    def encoded(contents: list[Content]) -> np.ndarray:
        if queries:
            return encoder.encode_queries(
                [Query(query_id=str(at), content=one, instruction=ASKED) for at, one in enumerate(contents)]
            ).vectors
        return encoder.encode_candidates(
            [Candidate(candidate_id=str(at), content=one) for at, one in enumerate(contents)]
        ).vectors

    batch = encoder.prepare(CONTENTS, [ASKED if queries else ""] * len(CONTENTS), "query" if queries else "candidate")
    together, alone = encoder.vectors(batch), np.concatenate([encoded([one]) for one in CONTENTS])
    wanted = np.stack(expected)
    return min(float((found * wanted).sum(1).min()) for found in (together, alone, encoded(CONTENTS)))


def test_umarvels_queries_are_as_its_own_code_has_them(published, umarvel):
    reference = Reference(published)
    head = f"{INSTRUCTION_START}{ASKED}{INSTRUCTION_END}"
    expected = [reference.vector(formatted(f"{head} {one.text or ''}"), **media(one)) for one in CONTENTS]
    assert least_cosine(umarvel, expected, queries=True) >= 0.9999
    assert (expected[0] @ expected[1], expected[1] @ expected[3]) < (0.999, 0.999)


def test_umarvels_candidates_are_as_its_own_code_has_them(published, umarvel):
    reference = Reference(published)
    expected = [reference.vector(formatted(one.text or ""), **media(one)) for one in CONTENTS]
    assert least_cosine(umarvel, expected, queries=False) >= 0.9999


def test_umarvels_rows_by_themselves_are_causal_as_its_demo_computes_them(published, umarvel, tmp_path):
    adopt(published, tmp_path / "encoder", max_frames=4, recipe="umarvel-alone")
    encoder, reference = load_encoder(tmp_path / "encoder", device="cpu"), Reference(published)
    reference.causal = True
    head = f"{INSTRUCTION_START}{ASKED}{INSTRUCTION_END}"
    expected = [reference.vector(formatted(f"{head} {one.text or ''}"), **media(one)) for one in CONTENTS]
    assert least_cosine(encoder, expected, queries=True) >= 0.9999
    asked = Query(query_id="q", content=CONTENTS[2], instruction=ASKED)
    assert float((encoder.encode_queries([asked]).vectors * umarvel.encode_queries([asked]).vectors).sum()) < 0.999


def test_candidates_of_a_public_class_are_as_the_class_itself_has_them(published, plain):
    reference = Reference(published, umarvel=False)
    expected = [reference.vector(one.text or "", **media(one)) for one in CONTENTS]
    assert least_cosine(plain, expected, queries=False) >= 0.9999
    assert (plain.config.resize_min_pixels, plain.config.resize_max_pixels) == (56 * 56, MOST)


def test_qwen2_5_vl_gives_the_vectors_of_its_class(windowed, tmp_path):
    """Windows of the vision tower, and clips that count 2 positions a pair of frames."""
    adopt(windowed, tmp_path / "encoder", max_frames=4)
    encoder = load_encoder(tmp_path / "encoder", device="cpu")
    reference = Reference(windowed, "qwen2_5_vl", umarvel=False)
    expected = [reference.vector(one.text or "", **media(one)) for one in CONTENTS]
    assert least_cosine(encoder, expected, queries=False) >= 0.9999


def test_qwen2_5_vl_is_asked_as_umarvel_asks_it(windowed, tmp_path):
    adopt(windowed, tmp_path / "encoder", max_frames=4, recipe="umarvel")
    encoder, reference = load_encoder(tmp_path / "encoder", device="cpu"), Reference(windowed, "qwen2_5_vl")
    head = f"{INSTRUCTION_START}{ASKED}{INSTRUCTION_END}"
    expected = [reference.vector(formatted(f"{head} {one.text or ''}"), **media(one)) for one in CONTENTS]
    assert least_cosine(encoder, expected, queries=True) >= 0.9999


@pytest.mark.parametrize(
    "change", [{"positions": "mrope"}, {"text_format": "plain"}, {"marker_rows": "checkpoint"}, {"resize": "square"}]
)
def test_each_switch_of_the_recipe_matters(published, umarvel, change):
    config = replace(umarvel.config, image_size=112, **change)
    other = UnifiedEncoder(config, type(umarvel.backbone).load(published, config), umarvel.tokenizer).eval()
    asked = [Query(query_id="q", content=CONTENTS[2], instruction=ASKED)]
    assert float((other.encode_queries(asked).vectors * umarvel.encode_queries(asked).vectors).sum()) < 0.9999


@pytest.mark.parametrize("new", [True, False])
def test_both_layouts_of_names_give_the_same_vectors(plain, tmp_path, new):
    rename_weights(publish(tmp_path / "tiny"), new)
    adopt(tmp_path / "tiny", tmp_path / "encoder", max_frames=4)
    items = [Candidate(candidate_id="1", content=CONTENTS[2])]
    found = load_encoder(tmp_path / "encoder", device="cpu").encode_candidates(items).vectors
    assert np.array_equal(found, plain.encode_candidates(items).vectors)


@pytest.mark.parametrize(("names", "flat"), [("older", False), ("newer", True), ("older", True)])
@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])
def test_older_names_and_the_flat_settings_of_2024_give_the_vectors_of_the_class(
    family, names, flat, published, windowed, tmp_path
):
    source = published if family == "qwen2_vl" else windowed
    reference = Reference(source, family, umarvel=False)
    expected = [reference.vector(one.text or "", **media(one)) for one in CONTENTS]
    shutil.copytree(source, tmp_path / "tiny")
    rename_weights(tmp_path / "tiny", new=names == "newer")
    if flat:
        flatten_config(tmp_path / "tiny")
    assert ("text_config" in json.loads((tmp_path / "tiny" / "config.json").read_text())) != flat
    weights = load_file(tmp_path / "tiny" / "model.safetensors")
    assert any(name.startswith("visual.") for name in weights) == (names == "older")
    adopt(tmp_path / "tiny", tmp_path / "encoder", max_frames=4)
    assert least_cosine(load_encoder(tmp_path / "encoder", device="cpu"), expected, queries=False) >= 0.9999


def test_a_saved_umarvel_encoder_keeps_its_vectors_and_its_marker_rows(umarvel, tmp_path):
    umarvel_config = umarvel.config
    items = [Query(query_id="q", content=CONTENTS[2], instruction=ASKED)]
    before = umarvel.encode_queries(items).vectors
    umarvel.save(tmp_path / "saved")
    again = load_encoder(tmp_path / "saved", device="cpu")
    umarvel.config = umarvel_config
    assert again.config.marker_rows == "checkpoint" and again.config.text_format == "mbeir"
    assert float((again.encode_queries(items).vectors * before).sum()) > 0.999  # saved in bfloat16


def test_more_pixels_than_were_asked_for_are_not_seen(published, tmp_path):
    config = adopt(published, tmp_path / "encoder", max_frames=4, max_pixels=8 * 28 * 28)
    item = load_encoder(tmp_path / "encoder", device="cpu").pixels(CONTENTS[4])
    assert config.resize_max_pixels == 8 * 28 * 28 and item.shape == (1, 56, 84, 3)
    with pytest.raises(ConfigError, match="allows 3136 to"):
        adopt(published, tmp_path / "other", max_pixels=28 * 28)
    with pytest.raises(ConfigError, match="leave out max_pixels"):
        adopt(published, tmp_path / "other", max_pixels=8 * 28 * 28, image_size=112)
    with pytest.raises(ConfigError, match="recipe is 'nobodys'; legal: plain, umarvel"):
        adopt(published, tmp_path / "other", recipe="nobodys")


def test_an_adapter_is_refused_with_the_way_out(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "Qwen/Qwen2-VL-2B"}))
    with pytest.raises(ConfigError, match="adapter to Qwen/Qwen2-VL-2B, not a whole checkpoint; merge it first"):
        adopt(folder, tmp_path / "encoder")


def test_a_strip_that_no_side_fits_is_refused_by_name(plain):
    strip = Candidate(candidate_id="strip", content=Content(image=np.zeros((2, 500, 3), np.uint8)))
    with pytest.raises(MediaError, match=r"candidate strip: .*over 200 times as long as wide"):
        plain.encode_candidates([strip])
    with pytest.raises(MediaError, match="multiples of 28"):
        plain.see(np.zeros((1, 1, 30, 56, 3), np.uint8))
