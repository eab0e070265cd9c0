"""Modules that serve in place of transformers' class: its vectors to the bit, its files, and nothing heavy."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.encoders.conftest import CHANGE
from umr.disk import file_sha256
from umr.encoders import load_encoder, load_trainable
from umr.encoders.config import EncoderConfig
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.encoders.qwen_vl_lean import LeanModel, lean_model
from umr.encoders.qwen_vl_positions import patch_places
from umr.errors import ConfigError, MismatchError
from umr.shipped import find_encoder, index_folder
from umr.types import Candidate, Content, Query

#: What takes seconds to import, or tens of MiB, and that no answer of a bundled encoder needs.
HEAVY = ("transformers", "torch._dynamo", "torch.onnx", "torch.distributed.tensor", "sympy", "scipy", "sklearn",
         "pandas", "pyarrow", "datasets", "torchvision", "gradio", "matplotlib")  # fmt: skip


@pytest.fixture
def saved(encoder, tmp_path):
    encoder.save(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vectors_are_those_of_the_class_to_the_bit(saved, stills, clips, dtype):
    lean, whole = (load(saved, dtype, "cpu") for load in (load_encoder, load_trainable))
    assert isinstance(lean.backbone.model, LeanModel) and type(whole.backbone.model).__name__ == "Qwen2VLModel"
    parts = [{"text": "a teal mug"}, {"text": "mug"}, {"image": stills[0, 0]}, {"text": "red", "image": stills[1, 0]},
             {"video": clips[0]}, {"text": "red", "video": clips[1]}]  # fmt: skip
    items = [Candidate(candidate_id=str(at), content=Content(**part)) for at, part in enumerate(parts)]
    assert np.array_equal(lean.encode_candidates(items).vectors, whole.encode_candidates(items).vectors)
    query = Query(query_id="q", content=Content(text="red", image=stills[2, 0]), instruction=CHANGE)
    assert np.array_equal(lean.encode_queries([query]).vectors, whole.encode_queries([query]).vectors)
    assert lean.fingerprint == whole.fingerprint


def test_it_saves_the_same_bytes(saved, tmp_path):
    load_encoder(saved, device="cpu").save(tmp_path / "again")
    for name in ("config.json", "model.safetensors", "encoder.json"):
        assert file_sha256(tmp_path / "again" / name) == file_sha256(saved / name), name


def test_it_can_be_trained_on(saved):
    """Gradients of every weight, as of the class."""
    sums = []
    for load in (load_encoder, load_trainable):
        encoder = load(saved, device="cpu").train()
        encoder.embed(encoder.collate([encoder.tokenise("a small teal mug")])).sum().backward()
        found = {name: one.grad for name, one in encoder.named_parameters() if one.grad is not None}
        sums.append({name: float(grad.abs().sum()) for name, grad in found.items()})
    assert sums[0] == pytest.approx(sums[1]) and len(sums[0]) > 10


@pytest.mark.parametrize(
    "part, key, value",
    [
        ("text_config", "hidden_act", "gelu"),
        ("text_config", "use_sliding_window", True),
        ("text_config", "head_dim", 32),
        ("vision_config", "hidden_act", "gelu"),
        ("vision_config", "patch_size", [14, 14]),
        ("vision_config", "depth", 3),
        ("text_config", "vocab_size", 300),
        (None, "model_type", "qwen2_5_vl"),
        (None, "quantization_config", {"bits": 4}),
    ],
)
def test_what_it_does_not_compute_is_left_to_the_class(saved, part, key, value):
    said = json.loads((saved / "config.json").read_text("utf-8"))
    assert lean_model(saved, torch.float32) is not None
    (said if part is None else said[part])[key] = value
    (saved / "config.json").write_text(json.dumps(said), "utf-8")
    assert lean_model(saved, torch.float32) is None


@pytest.mark.parametrize("part", ["text_config", "vision_config"])
def test_a_network_without_sizes_is_refused_before_another_one_is_made(saved, part):
    """transformers filled one of 72 billion numbers at random first."""
    said = json.loads((saved / "config.json").read_text("utf-8"))
    said["x" * 20_000] = said.pop(part)
    (saved / "config.json").write_text(json.dumps(said), "utf-8")
    with pytest.raises(MismatchError, match=f"config.json has no {part}, .*; copy the folder again"):
        QwenVLBackbone.served(saved, EncoderConfig(name="tiny", dim=48))


@pytest.mark.parametrize(
    "sections", [[2, "\0", 3], [2, 3, 0], [2, 3, "\u202e"], [4, 4, True], [4, 4], [9, -3, 2], [8], 8, "444", None, {}]
)
@pytest.mark.parametrize("load", [load_encoder, load_trainable])
def test_frequencies_that_no_query_could_be_computed_with_are_refused_at_the_opening(saved, sections, load):
    """torch raised its own TypeError or RuntimeError at the first query."""
    said = json.loads((saved / "config.json").read_text("utf-8"))
    assert sum(said["text_config"]["rope_parameters"]["mrope_section"]) == 8
    said["text_config"]["rope_parameters"]["mrope_section"] = sections
    (saved / "config.json").write_text(json.dumps(said), "utf-8")
    config = json.loads((saved / "encoder.json").read_text("utf-8"))
    config["files"]["config.json"] = file_sha256(saved / "config.json")
    (saved / "encoder.json").write_text(json.dumps(config), "utf-8")
    told = f"mrope_section {re.escape(repr(sections))}; three whole numbers .* is 8, half the width of a head"
    with pytest.raises(ConfigError, match=told):
        load(saved, device="cpu")


def test_a_missing_weight_is_said_by_the_class(saved):
    weights = load_file(saved / "model.safetensors")
    weights.pop("language_model.norm.weight")
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    assert lean_model(saved, torch.float32) is None
    encoder = load_trainable(find_encoder("unified"), device="cpu")
    with pytest.raises(MismatchError, match=r"lacks the weight language_model.norm.weight \(1 in all\)"):
        type(encoder.backbone).served(saved, encoder.config)


@pytest.mark.parametrize("high, wide, merge", [(8, 8, 2), (4, 6, 2), (2, 2, 1)])
def test_places_of_patches_are_those_of_transformers(high, wide, merge):
    from transformers.vision_utils import get_vision_position_ids

    expected = get_vision_position_ids(torch.tensor([[1, high, wide]]), merge)
    assert torch.equal(patch_places(high, wide, merge, torch.device("cpu")), expected)


def test_a_search_of_a_bundled_index_imports_nothing_heavy():
    """A process of its own answers a composed query, and says which of these it has imported."""
    script = (
        "import sys, numpy as np; from umr.search import Searcher; from umr.types import Content, Query\n"
        f"found = Searcher.open({str(index_folder('unified'))!r}).search(Query(query_id='1', content=Content("
        "text='a red mug', image=np.zeros((50, 60, 3), np.uint8))), 3)\n"
        f"print(len(found.results), [one for one in {HEAVY} if one in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split("\n")[0] == "3 []"
