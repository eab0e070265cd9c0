"""What sentence-transformers computes, behind umr's protocol: its vectors, its refusals, and what is left to umr."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests.encoders import dual_public
from tests.encoders.sentence_public import PROMPT, ApartReference, ChatReference, apart, chat
from umr.cli.commands import main
from umr.encoders import load_encoder, load_trainable
from umr.encoders.adopt import adopt, adopt_summed
from umr.encoders.dual_config import DualConfig, read_settings
from umr.encoders.sentence_config import SentenceConfig
from umr.errors import ConfigError, MediaError, MismatchError
from umr.export.modules import export
from umr.export.push import contents
from umr.models.ready import Wishes, ready
from umr.types import Candidate, Content, Query

DRAW = np.random.default_rng(5)
WIDE, TALL = (DRAW.integers(0, 255, size, dtype=np.uint8) for size in ((40, 67, 3), (90, 33, 3)))
CLIP = DRAW.integers(0, 255, (4, 41, 50, 3), dtype=np.uint8)
ADDRESS = "http://localhost:1/mug.png"  # words, not a picture to fetch
CONTENTS = [
    Content(text="a teal mug"),
    Content(image=WIDE),
    Content(image=TALL, text="in red"),
    Content(video=CLIP),
    Content(video=CLIP, text="on the wooden table"),
    Content(text=ADDRESS),
]


@pytest.fixture(scope="module")
def real():
    """The package itself; the tests that compute run wherever it is installed."""
    return pytest.importorskip(
        "sentence_transformers", "5.4", reason="needs sentence-transformers>=5.4, an optional package"
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return chat(tmp_path_factory.mktemp("chat") / "tiny")


@pytest.fixture(scope="module")
def made(real, model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made") / "encoder"
    adopt(model, out, max_frames=4)
    return out


def items(contents: list[Content]) -> list[Candidate]:
    return [Candidate(candidate_id=str(at), content=one) for at, one in enumerate(contents)]


def asked(contents: list[Content], instruction: str | None = "") -> list[Query]:
    return [Query(query_id=str(at), content=one, instruction=instruction) for at, one in enumerate(contents)]


def unit(vectors: list[np.ndarray]) -> np.ndarray:
    total = np.sum(vectors, 0)
    return total / np.linalg.norm(total)


def least_cosine(found: np.ndarray, expected: list[np.ndarray]) -> float:
    return float((found * np.stack(expected)).sum(1).min())


def test_vectors_are_those_of_the_network_in_one_pass(model, made):
    reference, encoder = ChatReference(model), load_encoder(made, device="cpu")

    def vector(content: Content, prompt: str) -> np.ndarray:
        frames = [content.image] if content.video is None else list(content.video)
        return unit([reference.vector(prompt, content.text or "", one) for one in frames])

    for prompt, found in (
        ("", encoder.encode_candidates(items(CONTENTS))),
        (PROMPT, encoder.encode_queries(asked(CONTENTS))),
        ("Find a mug.", encoder.encode_queries(asked(CONTENTS, "Find a mug."))),
        ("", encoder.encode_queries(asked(CONTENTS, None))),
    ):
        expected = [vector(one, prompt) for one in CONTENTS]
        assert least_cosine(found.vectors, expected) > 0.9999 and found.encoder == encoder.fingerprint
        assert np.abs(np.stack(expected) @ np.stack(expected).T - np.eye(len(expected))).max() < 0.999
    alone = encoder.encode_candidates(items(CONTENTS[2:3])).vectors
    assert least_cosine(alone, [vector(CONTENTS[2], "")]) > 0.9999


def test_an_encoder_of_it_keeps_the_protocol(made):
    encoder = load_encoder(made, device="cpu")
    config = read_settings(made)
    assert isinstance(config, SentenceConfig) and config.joint and config.reads_instruction
    assert (encoder.dim, encoder.max_tokens, config.backbone) == (32, 64, "llava")
    assert encoder.dropped_tokens(Content(text="mug " * 80)) > 0 == encoder.dropped_tokens(Content(image=WIDE))
    [query] = asked(CONTENTS[:1], "Find it.")
    assert encoder.notices(query) == () and not encoder.uninstructed(query)
    with pytest.raises(MediaError, match="query 0: there is neither a picture nor a clip"):
        encoder.encode_queries(asked([Content(text="  ")]))
    with pytest.raises(
        ConfigError, match=r"is a model of sentence-transformers \(one forward pass\), which searches but"
    ):
        load_trainable(made, device="cpu")
    with pytest.raises(ConfigError, match=r"which opens .* as it stands"):
        export(made, made.parent / "exported")
    assert {"README.md", "encoder.json", "modules.json", "1_Pooling/config.json"} <= set(contents(made))
    assert "computed by sentence-transformers" in (made / "README.md").read_text("utf-8")
    (made.parent / "changed").mkdir()
    for name, content in contents(made).items():
        place = made.parent / "changed" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    (made.parent / "changed" / "1_Pooling" / "config.json").write_text("{}")
    with pytest.raises(MismatchError, match=r"1_Pooling/config\.json changed"):
        load_encoder(made.parent / "changed")


def test_two_networks_are_added_with_the_weight_that_is_said(real, tmp_path):
    source = apart(tmp_path / "apart")
    config = adopt_summed(source, tmp_path / "encoder", max_frames=4, text_weight=0.3)
    assert config.composition == "vector sum, weight 0.3 of the text: no composition trained"
    reference, encoder = ApartReference(source), load_encoder(tmp_path / "encoder", device="cpu")
    for prompt, found in (
        ("", encoder.encode_candidates(items(CONTENTS))),
        (PROMPT, encoder.encode_queries(asked(CONTENTS, "left out"))),
    ):
        expected = []
        for one in CONTENTS:
            frames = [one.image] if one.image is not None else [] if one.video is None else list(one.video)
            parts = [0.7 * unit([reference.image(frame) for frame in frames])] if frames else []
            parts += [0.3 * reference.text(prompt + one.text)] if one.text else []
            expected.append(unit(parts))
        assert least_cosine(found.vectors, expected) > 0.9999
    assert "reads no task sentence" in encoder.notices(asked(CONTENTS[:1], "left out")[0])[0]


def test_a_joint_model_has_no_weight_and_a_lost_weight_is_seen(real, model, tmp_path):
    with pytest.raises(ConfigError, match="reads picture and text together"):
        adopt_summed(model, tmp_path / "out", text_weight=0.3)
    cut = chat(tmp_path / "cut")
    weights = load_file(cut / "model.safetensors")
    lost = next(name for name in weights if "q_proj.weight" in name)
    save_file(
        {name: value for name, value in weights.items() if name != lost}, cut / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(MismatchError, match=r"lacks the weight .*q_proj\.weight \(1 in all\)"):
        adopt(cut, tmp_path / "out")


def test_the_commands_take_a_folder_of_it(real, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UMR_CACHE", str(tmp_path / "cache"))
    place = ready(str(model), Wishes(), print)
    assert place == ready(str(model), Wishes(), print) and read_settings(place).backbone == "llava"
    assert main(["adopt", str(model), "--out", str(tmp_path / "out"), "--max-frames", "4"]) == 0
    assert "composition: one forward pass" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="leave out image_size, max_pixels and the recipe"):
        adopt(model, tmp_path / "other", recipe="umarvel")


def test_without_the_package_the_way_to_it_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"cannot be imported .*: pip install 'umr\[sentence-transformers\]'"):
        adopt(model, tmp_path / "out")
    old = types.ModuleType("sentence_transformers")
    old.__version__ = "5.3.9"
    monkeypatch.setitem(sys.modules, "sentence_transformers", old)
    with pytest.raises(
        ConfigError, match=r"sentence-transformers 5\.3\.9 reads no pictures beside texts; 5\.4 is needed"
    ):
        adopt(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_brings_code_or_pickles_or_lies_elsewhere_is_refused(tmp_path, monkeypatch):
    current = types.ModuleType("sentence_transformers")
    current.__version__ = "6.2.0"
    monkeypatch.setitem(sys.modules, "sentence_transformers", current)
    source = chat(tmp_path / "own")
    rows = json.loads((source / "modules.json").read_text())

    def listed(**fields) -> None:
        (source / "modules.json").write_text(json.dumps([*rows[:-1], rows[-1] | fields]))

    listed(type="custom_st.Pooling")
    with pytest.raises(ConfigError, match=r"needs code that it brings \(custom_st\.Pooling\)"):
        adopt(source, tmp_path / "out")
    listed(path="../elsewhere")
    with pytest.raises(MismatchError, match="which lies elsewhere"):
        adopt(source, tmp_path / "out")
    listed()
    (source / "2_Dense").mkdir()
    (source / "2_Dense" / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(MismatchError, match=r"pytorch_model\.bin has no safetensors beside it"):
        adopt(source, tmp_path / "out")
    (source / "model.safetensors").unlink()
    with pytest.raises(MismatchError, match=r"model\.safetensors is missing"):
        adopt(source, tmp_path / "out")


def test_a_clip_in_its_layout_is_computed_by_umrs_own_towers(tmp_path):
    """sentence-transformers keeps CLIP in 0_CLIPModel, and refuses picture and text together."""
    source = tmp_path / "clip"
    dual_public.write(source / "0_CLIPModel", dual_public.CLIP)
    rows = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}]
    (source / "modules.json").write_text(json.dumps(rows))
    config = adopt(source, tmp_path / "out", "tiny")
    assert isinstance(config, DualConfig) and config.backbone == "clip"
    whole = adopt(source / "0_CLIPModel", tmp_path / "direct", "tiny")
    assert whole.files == config.files
