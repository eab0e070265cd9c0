"""A public checkpoint as an encoder: adopted, opened, embedded, indexed, searched; and everything that is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from tests.encoders.public import qwen_tokenizer, write_checkpoint
from umr.cli.commands import main
from umr.encoders import load_encoder, load_trainable
from umr.encoders.adopt import INSTRUCTIONS, adopt
from umr.encoders.checkpoint import INDEX
from umr.encoders.qwen_vl_checkpoint import CHAT_CANDIDATE, CHAT_QUERY
from umr.errors import ConfigError, MismatchError, UMRError
from umr.index.index import build_index
from umr.search import Searcher
from umr.types import Candidate, Content, Query

PIXELS = "preprocessor_config.json"
HUB = "hub:Qwen/tiny-VL@0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "tiny-VL"
    return folder, write_checkpoint(folder)


@pytest.fixture
def checkpoint(written, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(written[0], tmp_path / "tiny-VL"))


@pytest.fixture(scope="module")
def adopted(written, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("adopted") / "encoder"
    adopt(written[0], out, image_size=56, max_frames=4)
    return out


def test_a_hub_checkpoint_becomes_an_encoder_with_its_very_weights(written, tmp_path, monkeypatch):
    folder, model = written
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(folder))
    config = adopt(HUB, tmp_path / "encoder", image_size=56)
    encoder = load_encoder(tmp_path / "encoder", device="cpu")
    assert encoder.config == config and (encoder.name, config.revision) == ("tiny-VL", HUB)
    assert (config.dim, config.pooling, config.attention, config.positions) == (48, "mean", "bidirectional", "mrope")
    assert (config.query_template, config.candidate_template) == (CHAT_QUERY, CHAT_CANDIDATE)
    assert config.instructions == INSTRUCTIONS and len(INSTRUCTIONS) == 15
    for name, value in model.model.state_dict().items():
        assert torch.equal(encoder.backbone.model.state_dict()[name], value.float()), name


def test_weights_keep_their_files_bytes_and_dtype(written, adopted):
    shards = sorted(path.name for path in written[0].glob("*.safetensors*"))
    assert len(shards) > 2 and sorted(path.name for path in adopted.glob("*.safetensors*")) == shards
    for name in shards:
        assert (adopted / name).read_bytes() == (written[0] / name).read_bytes()
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (written[0], adopted))
    assert after == before | {"text_config": before["text_config"] | {"is_causal": False}}
    assert {value.dtype for value in load_file(adopted / shards[0]).values()} == {torch.bfloat16}
    listed = json.loads((adopted / "encoder.json").read_text())["files"]
    assert sorted(listed) == sorted([*shards, "config.json", "tokenizer.json"])


def test_one_file_of_weights_and_a_flat_config_are_adopted_alike(written, adopted, tmp_path):
    """Released checkpoints keep the text's numbers at the top of config.json, and rope_scaling for rope_parameters."""
    whole = tmp_path / "whole"
    write_checkpoint(whole, "1GB")
    model = json.loads((whole / "config.json").read_text())
    text = model.pop("text_config")
    rope = text.pop("rope_parameters")
    del text["layer_types"], text["model_type"]
    scaling = {"type": "mrope", "mrope_section": rope["mrope_section"]}
    flat = text | {"rope_theta": rope["rope_theta"], "rope_scaling": scaling}
    model["vision_config"] |= {"model_type": "qwen2_vl"}
    (whole / "config.json").write_text(json.dumps(flat | model))
    adopt(whole, tmp_path / "encoder", image_size=56, max_frames=4)
    first, second = (load_encoder(folder, device="cpu") for folder in (adopted, tmp_path / "encoder"))
    assert (tmp_path / "encoder" / "model.safetensors").is_file()
    for folder in (adopted, tmp_path / "encoder"):  # what transformers' own attention reads
        assert AutoModel.from_pretrained(folder).config.text_config.is_causal is False
    items = [Candidate(candidate_id="1", content=Content(text="a red mug"))]
    assert np.array_equal(first.encode_candidates(items).vectors, second.encode_candidates(items).vectors)


def test_it_embeds_every_kind_of_content_as_the_class_itself_would(adopted, stills, clips):
    encoder = load_trainable(adopted, device="cpu")
    still, clip = stills[0, 0], clips[0]
    parts = [{"text": "a teal mug"}, {"image": still}, {"text": "red", "image": still}, {"video": clip},
             {"text": "red", "video": clip}]  # fmt: skip
    queries = [Query(query_id=str(at), content=Content(**part)) for at, part in enumerate(parts)]
    fast = encoder.encode_queries(queries).vectors
    assert fast.shape == (5, 48) and len(np.unique(fast.round(4), axis=0)) == 5
    encoder.backbone.fast = False
    assert np.allclose(encoder.encode_queries(queries).vectors, fast, atol=1e-4)


def test_its_index_opens_and_finds_a_picture_by_its_pixels(adopted, collection, tmp_path):
    build_index(load_encoder(adopted, device="cpu"), collection, tmp_path / "index", encoder_at=adopted)
    searcher = Searcher.open(tmp_path / "index")
    pixels = np.asarray(Image.open(collection["100:3"].content.image))
    asked = Query(query_id="q", content=Content(image=pixels, text="the same"), target_modality="image")
    outcome = searcher.search(asked, 3)
    assert len(outcome.results) == 3 and searcher.index.manifest.encoder == searcher.encoder.fingerprint
    alone = searcher.encoder.encode_candidates([Candidate(candidate_id="q", content=Content(image=pixels))])
    assert searcher.index.search(alone, 1)["q"][0].candidate_id == "100:3"


def test_the_command_writes_the_folder_and_says_that_it_is_untrained(written, tmp_path, capsys):
    out = tmp_path / "mine"
    assert main(["adopt", str(written[0]), "--out", str(out), "--image-size", "112", "--name", "mine"]) == 0
    said = capsys.readouterr()
    assert said.out == "" and "not trained for retrieval yet" in said.err
    assert f"`python -m training.train unified --init {out}`" in said.err
    assert load_encoder(out, device="cpu").name == "mine"
    assert "not trained for retrieval yet" in (out / "README.md").read_text()


def test_one_that_keeps_the_shape_of_pictures_is_told_what_it_can_be_trained_on(written, tmp_path, capsys):
    out = tmp_path / "shapes"
    assert main(["adopt", str(written[0]), "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert f"`python -m training.train finetune --data KIND:PATH --init {out}` fine-tunes it on data of yours" in said
    assert "for a rendered world adopt it with --image-size" in said
    assert "training.train finetune --data KIND:PATH --init DIR" in (out / "README.md").read_text()


def test_a_checkpoint_that_is_no_encoder_is_led_to_the_command(checkpoint):
    with pytest.raises(ConfigError, match="python -m umr adopt SOURCE --out DIR"):
        load_encoder(checkpoint)


def setting(**values) -> Callable[[Path], None]:
    """Changes config.json."""
    return lambda folder: change(folder / "config.json", **values)


def change(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def drop_a_weight(folder: Path) -> None:
    shard = min(folder.glob("*.safetensors"))
    state = load_file(shard)
    state.pop(min(state))
    save_file(state, shard, metadata={"format": "pt"})


def cut_a_shard(folder: Path) -> None:
    shard = min(folder.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-10])


def wrap(folder: Path) -> None:
    """As a trainer leaves weights that saves what is around the network too."""
    (folder / INDEX).unlink()
    state = {}
    for shard in folder.glob("*.safetensors"):
        state |= {f"module.{name}": value for name, value in load_file(shard).items()}
        shard.unlink()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def pointer(name: str) -> Callable[[Path], object]:
    """As a clone without Git LFS has large files."""
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1234\n"
    return lambda folder: min(folder.glob(name)).write_text(text)


def pickle_weights(folder: Path) -> None:
    for path in (*folder.glob("*.safetensors"), folder / INDEX):
        path.unlink()
    (folder / "pytorch_model-00001-of-00002.bin").write_bytes(b"a pickle")


REFUSED = {
    "another class": (setting(model_type="gpt2"), "class 'gpt2'; supported: .*qwen2_vl"),
    "no class": (
        setting(model_type=None),
        "tiny-VL names no class \\(model_type\\) in its config.json; supported: .*qwen2",
    ),
    "quantised": (setting(quantization_config={"bits": 4}), "quantised"),
    "foreign attention": (setting(attn_implementation="flash_attention_2"), "'flash_attention_2'; legal: eager, sdpa"),
    "sliding window": (setting(use_sliding_window=True), "sliding window"),
    "foreign tokens": (setting(image_token_id=99), "belong to different checkpoints"),
    "few embeddings": (setting(text_config={"hidden_size": 48, "vocab_size": 300}), "enlarge them with resize"),
    "no hidden size": (setting(text_config={"vocab_size": 340}), "names no hidden_size"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "broken config": (lambda folder: (folder / "config.json").write_text("{"), "not readable JSON"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
    "no special tokens": (lambda folder: qwen_tokenizer(5).save_pretrained(folder), r"has no <\|vision_pad\|>, <\|im"),
    "no preprocessor": (lambda folder: (folder / PIXELS).unlink(), f"has no {PIXELS}"),
    "other colours": (lambda folder: change(folder / PIXELS, image_mean=[0.5] * 3), "image_mean"),
    "other patches": (lambda folder: change(folder / PIXELS, patch_size=16), "patch_size 16"),
    "missing shard": (lambda folder: min(folder.glob("*.safetensors")).unlink(), "is missing; copy"),
    "cut shard": (cut_a_shard, "cannot be read"),
    "missing weight": (drop_a_weight, "lacks the weight"),
    "wrapped": (wrap, "no weight under the names of Qwen2VL.*: they are called as module.*save the network alone"),
    "a weights' pointer": (
        pointer("*.safetensors"),
        r"\.safetensors is a pointer of Git LFS, .*`git lfs pull` in its f",
    ),
    "a tokenizer's pointer": (pointer("tokenizer.json"), "tokenizer.json is a pointer of Git LFS, not the file itself"),
    "pickles": (pickle_weights, "pytorch_model-00001-of-00002.bin is a pickle: load it with transformers and save"),
    "shard elsewhere": (lambda folder: change(folder / INDEX, weight_map={"a": "../b"}), "elsewhere"),
    "no weights": (lambda folder: (folder / INDEX).unlink(), "model.safetensors is missing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_umr_cannot_compute_rightly_is_refused_and_leaves_nothing(checkpoint, tmp_path, name):
    damage, message = REFUSED[name]
    damage(checkpoint)
    with pytest.raises(UMRError, match=message):
        adopt(checkpoint, tmp_path / "encoder", image_size=56)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-VL"]


@pytest.mark.parametrize(
    ("size", "message"), [(28, "allows 3136 to"), (1400, "allows 3136 to 1003520"), (60, "multiple of 28")]
)
def test_a_size_that_the_checkpoint_does_not_see_is_refused(checkpoint, tmp_path, size, message):
    with pytest.raises(ConfigError, match=message):
        adopt(checkpoint, tmp_path / "encoder", image_size=size)


def test_an_out_that_exists_is_never_touched(checkpoint, adopted, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "folder", tmp_path / "file", adopted):
        with pytest.raises(ConfigError, match="exists; choose another --out"):
            adopt(checkpoint, out, image_size=56)
    assert (tmp_path / "file").read_text() == "mine" and not any((tmp_path / "folder").iterdir())


def test_an_encoder_folder_needs_no_adoption_and_a_hub_name_a_revision(adopted, tmp_path):
    with pytest.raises(ConfigError, match="an encoder folder already"):
        adopt(adopted, tmp_path / "again")
    with pytest.raises(ConfigError, match="hub:owner/name@revision"):
        adopt("hub:Qwen/tiny-VL", tmp_path / "again")


def test_an_interrupted_adoption_leaves_nothing(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("umr.encoders.store.write_config", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        adopt(checkpoint, tmp_path / "encoder", image_size=56)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-VL"]


def test_weights_that_give_no_vector_are_refused(checkpoint, tmp_path):
    shard = min(checkpoint.glob("*.safetensors"))
    save_file({key: value * float("nan") for key, value in load_file(shard).items()}, shard, metadata={"format": "pt"})
    with pytest.raises(MismatchError, match="nan"):
        adopt(checkpoint, tmp_path / "encoder", image_size=56)
