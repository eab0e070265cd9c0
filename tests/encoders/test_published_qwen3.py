"""A published Qwen3-VL checkpoint through umr gives the vectors of its own code: odd sizes, alone and in a batch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from transformers import AutoTokenizer, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from tests.encoders.published import strong
from tests.encoders.published_qwen3 import LEAST, MOST, Qwen3Reference, publish3
from tests.encoders.test_published import ASKED, CLIP, CONTENTS, LARGE, formatted, least_cosine, media, smooth
from umr.encoders import load_encoder
from umr.encoders.adopt import adopt
from umr.encoders.base import UnifiedEncoder
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START
from umr.errors import ConfigError
from umr.rerank.store import begin_reranker
from umr.types import Candidate, Content, Query

EMBEDDER = "qwen3-vl-embedding"
DEFAULT = "Represent the user's input."


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return publish3(tmp_path_factory.mktemp("published3") / "tiny")


@pytest.fixture(scope="module")
def reference(published) -> Qwen3Reference:
    return Qwen3Reference(published)


@pytest.fixture(scope="module")
def folders(published, tmp_path_factory) -> dict[str, Path]:
    """The encoder folder of each recipe."""
    out = tmp_path_factory.mktemp("adopted3")
    for recipe in ("plain", "umarvel", EMBEDDER):
        adopt(published, out / recipe, max_frames=4, recipe=recipe)
    return {path.name: path for path in out.iterdir()}


@pytest.fixture(scope="module")
def opened(folders):
    """The encoder of a recipe."""
    known = {recipe: load_encoder(folder, device="cpu") for recipe, folder in folders.items()}
    return known.__getitem__


def test_the_class_itself_gives_the_candidates_of_the_plain_recipe(opened, reference):
    expected = [reference.plain(text=one.text, **media(one)) for one in CONTENTS]
    assert least_cosine(opened("plain"), expected, queries=False) >= 0.9999
    config = opened("plain").config
    assert (config.resize_min_pixels, config.resize_max_pixels, config.backbone) == (LEAST, MOST, "qwen3_vl")
    assert max(first @ second for first, second in pairwise(expected)) < 0.999


def test_heads_wider_than_their_share_and_a_head_of_its_own_open_too(published, tmp_path):
    """As of 4B, whose 32 heads of 128 make more than its 2560, and of 8B, whose language model's head is not tied."""
    shutil.copytree(published, tmp_path / "tiny")
    told = json.loads((published / "config.json").read_text())
    told["text_config"] |= {"head_dim": 2 * told["text_config"]["head_dim"], "tie_word_embeddings": False}
    rope = told["text_config"]["rope_parameters"]
    rope["mrope_section"] = [2 * count for count in rope["mrope_section"]]
    config = Qwen3VLConfig(**told | {"tie_word_embeddings": False})
    strong(Qwen3VLForConditionalGeneration(config)).save_pretrained(tmp_path / "tiny")
    assert "lm_head.weight" in load_file(tmp_path / "tiny" / "model.safetensors")
    adopt(tmp_path / "tiny", tmp_path / "encoder", max_frames=4)
    reference = Qwen3Reference(tmp_path / "tiny")
    expected = [reference.plain(text=one.text, **media(one)) for one in CONTENTS]
    assert least_cosine(load_encoder(tmp_path / "encoder", device="cpu"), expected, queries=False) >= 0.9999


def test_the_embedders_candidates_are_as_its_own_code_has_them(opened, reference):
    expected = [reference.embedder(DEFAULT, text=one.text, **media(one)) for one in CONTENTS]
    assert least_cosine(opened(EMBEDDER), expected, queries=False) >= 0.9999
    assert max(first @ second for first, second in pairwise(expected)) < 0.999


def test_the_embedders_queries_are_as_its_own_code_has_them(opened, reference):
    expected = [reference.embedder(ASKED, text=one.text, **media(one)) for one in CONTENTS]
    assert least_cosine(opened(EMBEDDER), expected, queries=True) >= 0.9999


def test_a_task_becomes_a_sentence_and_the_trained_one_is_that_of_its_readme(opened, reference):
    encoder, text = opened(EMBEDDER), '"on the table"'
    asked = Query(query_id="q", content=Content(text=text), instruction="Find it", target_modality="image")
    for query, said in ((asked, "Find it."), (replace(asked, instruction=""), "Retrieve images or text relevant to the "
                                              "user's query.")):  # fmt: skip
        assert float(encoder.encode_queries([query]).vectors[0] @ reference.embedder(said, text=text)) >= 0.9999
    clip = Query(query_id="c", content=Content(video=CLIP))  # no task was trained for it
    assert float(encoder.encode_queries([clip]).vectors[0] @ reference.embedder(DEFAULT, video=CLIP)) >= 0.9999


def test_umarvels_queries_and_candidates_are_as_its_own_code_has_them(opened, published):
    reference, head = Qwen3Reference(published), f"{INSTRUCTION_START}{ASKED}{INSTRUCTION_END}"
    asked = [reference.umarvel(text=formatted(f"{head} {one.text or ''}"), **media(one)) for one in CONTENTS]
    assert least_cosine(opened("umarvel"), asked, queries=True) >= 0.9999
    found = [reference.umarvel(text=formatted(one.text or ""), **media(one)) for one in CONTENTS]
    assert least_cosine(opened("umarvel"), found, queries=False) >= 0.9999


@pytest.mark.parametrize(
    ("recipe", "change"),
    [
        ("umarvel", {"vision_depths": "all"}),
        ("umarvel", {"first_resize": ()}),
        ("plain", {"vision_depths": "last"}),
        (EMBEDDER, {"positions": "sequential"}),
        (EMBEDDER, {"attention": "bidirectional"}),
    ],
)
def test_each_switch_of_a_recipe_matters(published, opened, recipe, change):
    encoder = opened(recipe)
    config = replace(encoder.config, **change)
    other = UnifiedEncoder(config, type(encoder.backbone).load(published, config), encoder.tokenizer).eval()
    # text before and behind the picture: a causal row's last token sees all, and feels where it stands
    asked = [Query(query_id="q", content=Content(image=smooth(150, 210), text="in red"), instruction=ASKED)]
    assert float((other.encode_queries(asked).vectors * encoder.encode_queries(asked).vectors).sum()) < 0.9999


def test_a_clip_is_written_slice_by_slice_behind_its_time(opened):
    encoder = opened(EMBEDDER)
    row = encoder.tokenise(None, kind="video", grid=(2, 1, 3))
    text = encoder.tokenizer.decode(row.ids.tolist(), skip_special_tokens=False)
    shown = "<|vision_start|><|video_pad|><|video_pad|><|video_pad|><|vision_end|>"
    assert f"user\n<0.2 seconds>{shown}<1.2 seconds>{shown}<|im_end|>" in text and row.media.sum() == 6


def test_words_of_a_plain_prompt_are_cut_at_the_limit_and_special_tokens_in_them_stay_words(opened):
    encoder = opened(EMBEDDER)
    short = UnifiedEncoder(replace(encoder.config, max_tokens=2), encoder.backbone, encoder.tokenizer)
    words = encoder.tokenizer.encode("a teal mug on marble", add_special_tokens=False)
    row = short.tokenise("a teal mug on marble")
    assert row.dropped == len(words.ids) - 2 and row.ids.tolist() == encoder.tokenise("a teal").ids.tolist()
    typed = encoder.tokenise("<|im_end|>").ids.tolist()
    assert typed.count(encoder.tokenizer.token_to_id("<|im_end|>")) == 2  # those of the template


def test_what_the_tokenizer_appends_to_every_text_is_pooled(tmp_path):
    folder = publish3(tmp_path / "tiny", ends="<|endoftext|>")
    config = adopt(folder, tmp_path / "encoder", max_frames=4, recipe=EMBEDDER)
    assert config.query_template.endswith("<|im_start|>assistant\n<|endoftext|>")
    reference, one = Qwen3Reference(folder), CONTENTS[2]
    found = load_encoder(tmp_path / "encoder", device="cpu").encode_candidates(
        [Candidate(candidate_id="1", content=one)]
    )
    assert float(found.vectors[0] @ reference.embedder(DEFAULT, text=one.text, **media(one))) >= 0.9999


def test_names_as_saved_from_the_model_without_its_head_give_the_same_vectors(opened, reference, tmp_path):
    folder = publish3(tmp_path / "tiny")
    assert any(name.startswith("model.language_model.") for name in load_file(folder / "model.safetensors"))
    reference.model.model.save_pretrained(folder)
    assert any(name.startswith("language_model.") for name in load_file(folder / "model.safetensors"))
    adopt(folder, tmp_path / "encoder", max_frames=4, recipe=EMBEDDER)
    items = [Candidate(candidate_id="1", content=CONTENTS[2])]
    found = load_encoder(tmp_path / "encoder", device="cpu").encode_candidates(items).vectors
    assert np.allclose(found, opened(EMBEDDER).encode_candidates(items).vectors, atol=1e-6)


def test_pixels_are_those_of_the_recipe_or_of_who_asks(published, opened, tmp_path):
    assert opened(EMBEDDER).pixels(Content(image=LARGE)).shape == (
        1,
        288,
        416,
        3,
    )  # beyond what the preprocessor allows
    assert opened("plain").pixels(Content(image=LARGE)).shape == (1, 160, 224, 3)
    config = adopt(published, tmp_path / "small", recipe=EMBEDDER, max_pixels=8 * 32 * 32)
    assert config.resize_max_pixels == 8 * 32 * 32 and config.max_tokens == 8192
    squares = adopt(published, tmp_path / "square", recipe="umarvel", image_size=64)
    assert (squares.resize, squares.first_resize) == ("square", ())
    with pytest.raises(ConfigError, match="multiple of 32"):
        adopt(published, tmp_path / "other", image_size=56, recipe=EMBEDDER)
    with pytest.raises(ConfigError, match="legal: plain, umarvel, qwen3-vl-embedding"):
        adopt(published, tmp_path / "other", recipe="lamra")


def test_a_saved_encoder_keeps_what_the_recipe_said(opened, tmp_path):
    encoder = opened("umarvel")
    before, items = encoder.config, [Candidate(candidate_id="1", content=CONTENTS[2])]
    vectors = encoder.encode_candidates(items).vectors
    encoder.save(tmp_path / "saved")
    encoder.config = before
    again = load_encoder(tmp_path / "saved", device="cpu")
    assert again.config.first_resize == (28, 3136, 235200) and again.config.vision_depths == "last"
    assert float((again.encode_candidates(items).vectors * vectors).sum()) > 0.999  # saved in bfloat16


@pytest.mark.parametrize("kind", [None, "image", "video"])
@pytest.mark.parametrize("instruction", ["", ASKED])
def test_its_chat_template_and_processor_settings_give_its_rows(opened, folders, kind, instruction):
    encoder, theirs = opened(EMBEDDER), AutoTokenizer.from_pretrained(folders[EMBEDDER])
    system = [{"role": "system", "content": [{"type": "text", "text": instruction}]}] if instruction else []
    parts = [*([{"type": kind}] if kind else []), {"type": "text", "text": "a teal mug"}]
    text = theirs.apply_chat_template([*system, {"role": "user", "content": parts}], tokenize=False)
    grid = {None: None, "image": (1, 2, 3), "video": (2, 1, 2)}[kind]
    text = text.replace("<|image_pad|>", "<|image_pad|>" * 6)
    seen = "<|vision_start|><|video_pad|><|video_pad|><|vision_end|>"
    text = text.replace("<|video_pad|>", f"<0.2 seconds>{seen}<1.2 seconds>{seen}")
    ours = encoder.tokenise("a teal mug", instruction, "query" if instruction else "candidate", kind, grid)
    assert theirs(text)["input_ids"] == ours.ids.tolist()
    image, video = (json.loads((folders[EMBEDDER] / f"{name}.json").read_text())
                    for name in ("preprocessor_config", "video_preprocessor_config"))  # fmt: skip
    assert (image["patch_size"], image["image_mean"], image["size"]["longest_edge"]) == (16, [0.5] * 3, 1843200)
    assert (video["video_processor_type"], video["size"]["longest_edge"]) == ("Qwen3VLVideoProcessor", 4 * 768 * 1024)
    assert (video["do_sample_frames"], video["fps"], video["min_frames"], video["max_frames"]) == (True, 1.0, 4, 4)


def test_the_card_says_what_the_release_does_otherwise(folders):
    card = {name: (folder / "README.md").read_text() for name, folder in folders.items()}
    assert (
        "| vision_depths | `last` |" in card["umarvel"] and "| first_resize | `(28, 3136, 235200)` |" in card["umarvel"]
    )
    assert "| prompting | `sentence` |" in card[EMBEDDER] and DEFAULT in card[EMBEDDER]
    assert "vision_depths" not in card["plain"]


def test_a_reranker_begins_with_it(folders):
    begun = begin_reranker(folders[EMBEDDER], "mine")
    assert (begun.config.network.prompting, begun.config.network.resize) == ("marked", "square")
    asked = Query(query_id="q", content=Content(text="a teal mug"), instruction=ASKED)
    scores = begun.scores(asked, [Candidate(candidate_id=text, content=Content(text=text)) for text in ("red", "mug")])
    assert np.isfinite(scores).all() and scores[0] != scores[1]
