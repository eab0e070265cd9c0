"""GME, LamRA-Ret and VLM2Vec-V2 through umr give the vectors of their own code, and an adapter those of peft."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pyarrow import Table, parquet
from safetensors.torch import load_file, save_file

from tests.encoders.published import publish, rename_weights
from tests.encoders.published_last import LastReference, publish_adapter, publish_gme, publish_lamra
from tests.encoders.test_published import ASKED, CLIP, CONTENTS, LARGE, SMALL, TALL, WIDE
from umr.cli.commands import main
from umr.encoders import load_encoder
from umr.encoders.adopt import INSTRUCTIONS, adopt, adopt_adapter
from umr.encoders.base import UnifiedEncoder
from umr.encoders.config import read_config
from umr.encoders.templates import Prompter
from umr.errors import ConfigError, MismatchError
from umr.types import Candidate, Content, Query

PICTURES = [one for one in CONTENTS if one.video is None]
#: VLM2Vec-V2's own code makes a square of a picture with a side under a cell.
FROM_A_CELL = [one for one in CONTENTS if one.image is not SMALL]


def least_cosine(
    encoder: UnifiedEncoder, contents: list[Content], wanted: list[np.ndarray], asked: str | None
) -> float:
    """Over the contents, in one batch and alone; asked: the task sentence of queries, None for candidates."""

    def encoded(some: list[Content]) -> np.ndarray:
        if asked is None:
            items = [Candidate(candidate_id=str(at), content=one) for at, one in enumerate(some)]
            return encoder.encode_candidates(items).vectors
        queries = [Query(query_id=str(at), content=one, instruction=asked) for at, one in enumerate(some)]
        return encoder.encode_queries(queries).vectors

    alone = np.concatenate([encoded([one]) for one in contents])
    batch = encoder.prepare(contents, [asked or ""] * len(contents), "candidate" if asked is None else "query", "left")
    return min(
        float((found * np.stack(wanted)).sum(1).min()) for found in (alone, encoded(contents), encoder.vectors(batch))
    )


def adopted(source: Path, out: Path, recipe: str) -> UnifiedEncoder:
    adopt(source, out, max_frames=4, recipe=recipe)
    return load_encoder(out, device="cpu")


@pytest.fixture(scope="module")
def gme(tmp_path_factory) -> tuple[Path, UnifiedEncoder]:
    root = tmp_path_factory.mktemp("gme")
    return publish_gme(root / "tiny"), adopted(root / "tiny", root / "encoder", "gme")


@pytest.fixture(scope="module")
def lamra(tmp_path_factory) -> tuple[Path, UnifiedEncoder]:
    return lamra_of("qwen2_vl", tmp_path_factory.mktemp("lamra"))


def lamra_of(family: str, root: Path) -> tuple[Path, UnifiedEncoder]:
    return publish_lamra(root / "tiny", family), adopted(root / "tiny", root / "encoder", "lamra")


@pytest.fixture(scope="module")
def vlm2vec(tmp_path_factory) -> tuple[LastReference, UnifiedEncoder]:
    """Of an adapter with magnitudes, which its own code computes unmerged."""
    root = tmp_path_factory.mktemp("vlm2vec")
    model = publish_adapter(root / "adapter", publish(root / "base"))
    adopt_adapter(root / "adapter", root / "base", root / "encoder", recipe="vlm2vec-v2", max_frames=4)
    return LastReference(root / "base", model.get_base_model()), load_encoder(root / "encoder", device="cpu")


def test_gmes_vectors_are_those_of_its_own_code(gme):
    source, encoder = gme
    reference = LastReference(source)
    plain = [reference.gme(one) for one in PICTURES]
    assert least_cosine(encoder, PICTURES, plain, None) >= 0.9999
    asked = [reference.gme(one, ASKED) for one in PICTURES]
    assert least_cosine(encoder, PICTURES, asked, ASKED) >= 0.9999
    assert max(float(a @ b) for a, b in zip(plain, asked, strict=True)) < 0.9999  # the task is seen


def test_gme_sees_its_own_pixels_whatever_the_preprocessor_says(gme):
    encoder = gme[1]
    config = encoder.config
    assert (config.resize_min_pixels, config.resize_max_pixels) == (256 * 784, 1280 * 784)
    assert all(encoder.pixels(Content(image=one)).size // 3 >= 256 * 784 for one in (SMALL, WIDE, LARGE))
    assert config.instructions["text->image"] == "Find an image that matches the given text."
    assert {**config.instructions, "text->image": ""} == {**INSTRUCTIONS, "text->image": ""}


def test_fewer_pixels_than_a_recipes_own_are_refused_or_seen(tmp_path, gme):
    config = adopt(gme[0], tmp_path / "encoder", max_pixels=400 * 784, recipe="gme")
    assert (config.resize_min_pixels, config.resize_max_pixels) == (256 * 784, 400 * 784)
    with pytest.raises(ConfigError, match="resize_min_pixels is 200704; at most resize_max_pixels, 784"):
        adopt(gme[0], tmp_path / "other", max_pixels=784, recipe="gme")


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])
def test_lamras_vectors_are_those_of_its_own_code(lamra, family, tmp_path):
    source, encoder = lamra if family == "qwen2_vl" else lamra_of(family, tmp_path)
    reference = LastReference(source, family=family)
    assert encoder.config.positions == ("mrope" if reference.own_positions else "sequential")
    assert least_cosine(encoder, CONTENTS, [reference.lamra(one) for one in CONTENTS], None) >= 0.9999
    asked = [one for one in CONTENTS if one.video is None or one.text]
    assert least_cosine(encoder, asked, [reference.lamra(one, ASKED) for one in asked], ASKED) >= 0.9999
    clip = Content(video=CLIP)  # asked without a task sentence
    found = encoder.encode_queries([Query(query_id="q", content=clip)]).vectors[0]
    assert float(found @ reference.lamra(clip)) >= 0.9999


def test_a_picture_with_a_task_sentence_is_one_with_words_to_lamra(lamra):
    tokenizer, prompter = lamra[1].tokenizer, lamra[1].prompter
    said = tokenizer.decode(prompter.tokenise("", "Find it.", "query", "image").ids, skip_special_tokens=False)
    assert "Find it.\nSummarize above image and sentence in one word: <|im_end|>" in said
    alone = tokenizer.decode(prompter.tokenise("", "", "candidate", "image").ids, skip_special_tokens=False)
    assert "<|vision_end|>\nSummarize above image in one word: <|im_end|>" in alone


def test_vlm2vecs_vectors_are_those_of_its_own_code(vlm2vec):
    reference, encoder = vlm2vec
    wanted = [reference.vlm2vec(one, query=False) for one in FROM_A_CELL]
    assert least_cosine(encoder, FROM_A_CELL, wanted, None) >= 0.9999
    wanted = [reference.vlm2vec(one, ASKED) for one in FROM_A_CELL]
    assert least_cosine(encoder, FROM_A_CELL, wanted, ASKED) >= 0.9999
    assert len({tuple(np.round(one, 2)) for one in wanted}) == len(wanted)


def test_vlm2vec_writes_a_picture_without_the_tokens_around_it(vlm2vec):
    encoder = vlm2vec[1]
    grid = encoder.grid(encoder.pixels(Content(image=TALL)))
    row = encoder.tokenise("in red", ASKED, "query", "image", grid)
    shown = encoder.tokenizer.decode(row.ids, skip_special_tokens=False)
    assert shown == "<|image_pad|>" * int(np.prod(grid)) + f"\n{ASKED} in red\n" and row.media.sum() == np.prod(grid)


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({}, None),
        ({"qry_inst": "<|image_1|>\nPick one."}, "Pick one."),
        ({"qry_inst": "Pick one.", "--instruction": ""}, None),
        ({"--instruction": "Show it."}, "Show it."),
        ({"qry_inst": "Pick one.", "--instruction": "encoder"}, "encoder"),
    ],
)
@pytest.mark.parametrize("recipe", ["gme", "vlm2vec"])
def test_a_query_of_mmeb_has_the_sentence_of_its_row_and_no_other(recipe, more, asked, request, tmp_path, monkeypatch):
    source, encoder = request.getfixturevalue(recipe)
    data, read = tmp_path / "data", []
    folder = getattr(source, "folder", source).parent / "encoder"
    picture, own = data / "images/CIRR/1.jpg", "Find a day-to-day image with this change: more red"
    for place in (picture.parent, data / "CIRR"):
        place.mkdir(parents=True)
    Image.fromarray(WIDE).save(picture)
    targets = {"tgt_text": ["red", "teal"], "tgt_img_path": ["", ""]}
    rows = [{"qry_text": f"<|image_1|>\n{own}", "qry_img_path": "CIRR/1.jpg"}, {"qry_text": own, "qry_img_path": ""}]
    said = [row | targets | {key: one for key, one in more.items() if key[0] != "-"} for row in rows]
    parquet.write_table(Table.from_pylist(said), data / "CIRR/test-00000-of-00001.parquet")
    tokenise = Prompter.tokenise

    def spied(self, text, instruction="", role="query", *rest):
        row = tokenise(self, text, instruction, role, *rest)
        if role == "query" and own in (text or ""):
            read.append(self._tokenizer.decode(row.ids[~row.media], skip_special_tokens=False))
        return row

    monkeypatch.setattr(Prompter, "tokenise", spied)
    words = ["evaluate", "--benchmark", "mmeb", "--data", str(data), "--encoder", str(folder)]
    assert main([*words, *(word for key, one in more.items() if key[0] == "-" for word in (key, one))]) == 0
    config, marks = encoder.config, ("<|vision_start|><|vision_end|>", "") if recipe == "gme" else ("\n", "")
    trained = [config.instructions[f"{kind}->text"] for kind in ("image,text", "text")]
    told = trained if asked == "encoder" else [asked or ""] * 2
    if recipe == "gme":
        wanted = [
            f"<|im_start|>system\n{one}<|im_end|>\n<|im_start|>user\n{mark}{own}<|im_end|>\n<|im_start|>assistant\n"
            "<|endoftext|>"
            for mark, one in zip(marks, told, strict=True)
        ]
    else:
        wanted = [f"{mark}{one}{' ' if one else ''}{own}\n" for mark, one in zip(marks, told, strict=True)]
    assert set(read) == set(wanted) and len(read) >= 2


def test_no_sentence_at_all_is_apart_from_none_that_was_said(gme, vlm2vec):
    for encoder, default in ((gme[1], "You are a helpful assistant."), (vlm2vec[1], "Represent the given video.")):
        clip = Query(query_id="q", content=Content(video=CLIP))
        texts = [
            encoder.tokenizer.decode(encoder.tokenise("red", said, "query").ids, skip_special_tokens=False)
            for said in ("", None)
        ]
        assert [default in text for text in texts] == [True, False] and "red" in texts[1]
        assert encoder.uninstructed(clip) and not encoder.uninstructed(replace(clip, instruction=None))
    said = vlm2vec[1].prompter.tokenise(None, None, "query", "video", (1, 2, 2))
    assert said.media.all()


@pytest.mark.parametrize(
    ("older", "more"), [(True, {}), (False, {"use_rslora": True}), (False, {"rank_pattern": {"q_proj": 2}})]
)
def test_an_adapter_gives_the_vectors_of_peft_in_both_layouts_of_names(tmp_path, older, more):
    base = publish(tmp_path / "base")
    model = publish_adapter(tmp_path / "adapter", base, dora=False, older=older, **more)
    rename_weights(base, new=older)
    adopt_adapter(tmp_path / "adapter", base, tmp_path / "encoder", recipe="lamra", max_frames=4)
    encoder, reference = load_encoder(tmp_path / "encoder", device="cpu"), LastReference(base, model.get_base_model())
    assert least_cosine(encoder, CONTENTS[:3], [reference.lamra(one) for one in CONTENTS[:3]], None) >= 0.9999
    assert encoder.name == "adapter" and not [*tmp_path.glob(".merged*")]


def test_the_command_merges_an_adapter_and_refuses_a_base_of_what_has_none(tmp_path, capsys):
    base = publish(tmp_path / "base")
    publish_adapter(tmp_path / "adapter", base)
    words = ["adopt", str(tmp_path / "adapter"), "--base", str(base), "--out", str(tmp_path / "out")]
    assert main([*words, "--recipe", "lamra-rank"]) == 2 and "--base is of adapters" in capsys.readouterr().err
    assert main([*words, "--recipe", "vlm2vec-v2", "--name", "mine", "--max-frames", "4"]) == 0
    assert capsys.readouterr().err.startswith(f"umr: mine in {tmp_path / 'out'}: vectors of 48 numbers")
    config = read_config(tmp_path / "out")
    assert (config.name, config.revision, config.max_frames, config.vision_marks) == ("mine", "adapter", 4, False)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "- of a candidate that shows image and text: `" in card and "| vision_marks | `False` |" in card
    assert not (tmp_path / "out" / "chat_template.jinja").exists()  # there is none that says it


def test_what_is_no_adapter_or_of_another_kind_or_base_is_refused_by_name(tmp_path):
    base = publish(tmp_path / "base")
    adapter, out = tmp_path / "adapter", tmp_path / "encoder"
    with pytest.raises(ConfigError, match=r"base is no adapter, for it has no adapter_config.json; leave out the base"):
        adopt_adapter(base, base, out)
    publish_adapter(adapter, base, dora=False)
    with pytest.raises(ConfigError, match=r"umr adopt .*adapter --base BASE --out DIR"):
        adopt(adapter, out)
    settings, weights = adapter / "adapter_config.json", adapter / "adapter_model.safetensors"
    told, kept = json.loads(settings.read_text()), load_file(weights)
    for wrong, words in (
        ({"peft_type": "IA3"}, "has the peft_type 'IA3'; 'LORA' alone is merged here"),
        ({"bias": "all"}, "has the bias 'all'"),
        ({"lora_alpha": None}, "has the lora_alpha None; a number is needed"),
    ):
        settings.write_text(json.dumps(told | wrong))
        with pytest.raises((ConfigError, MismatchError), match=words):
            adopt_adapter(adapter, base, out)
    settings.write_text(json.dumps(told))
    name = next(name for name in kept if "lora_A" in name)
    for wrong, words in (
        ({f"base_model.model.other.lora_{part}.weight": torch.ones(4, 4) for part in "AB"},
         "has no weight other.weight, which the adapter adapter changes; give its own base"),
        ({"base_model.model.x.lora_embedding_A": torch.ones(2)},
         "lora_embedding_A, which is not merged here; legal: lora_A"),
        ({name: torch.ones(4, 5)}, r"\(4, 5\), which has the shape .*; give its own base"),
        ({name: None}, "alone; copy the adapter again"),
    ):  # fmt: skip
        save_file({key: one for key, one in (kept | wrong).items() if one is not None}, weights)
        with pytest.raises((ConfigError, MismatchError), match=words):
            adopt_adapter(adapter, base, out)
    weights.write_bytes(b"no weights")
    with pytest.raises(MismatchError, match=r"adapter_model\.safetensors cannot be read"):
        adopt_adapter(adapter, base, out)
    weights.unlink()
    with pytest.raises(ConfigError, match=r"has no adapter_model\.safetensors"):
        adopt_adapter(adapter, base, out)
    assert not out.exists() and not [*tmp_path.glob(".merged*")]
