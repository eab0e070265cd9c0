"""The contract of a backbone, over every row of BACKBONES: what the encoder relies on, whatever the network is.

A backbone gives its own tiny settings; what is peculiar to one stands in its own tests. A second family, with tokens of
its own, shows that a row is all that one needs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.encoders import other_backbone
from tests.encoders.conftest import TEXTS
from tests.training.fake_gpu import gpu
from umr.encoders import backbone, load_encoder
from umr.encoders.backbone import BACKBONES, Backbone, backbone_class
from umr.encoders.base import UnifiedEncoder
from umr.encoders.batch import Batch
from umr.encoders.tokenizer import EMBED, SpecialTokens, plain_tokenizer, token_id, train_tokenizer
from umr.errors import ConfigError, MismatchError
from umr.types import Candidate, Content

Build = Callable[..., UnifiedEncoder]


@pytest.fixture(scope="module", params=[*sorted(BACKBONES), other_backbone.NAME])
def kind(request) -> Iterator[type[Backbone]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, other_backbone.NAME, f"{other_backbone.__name__}:OtherBackbone")
        yield backbone_class(request.param)


@pytest.fixture(scope="module")
def build(kind) -> Build:
    """A tiny encoder of the backbone; keyword arguments change its settings."""
    tokenizer = plain_tokenizer(train_tokenizer(TEXTS, kind.special, 320), kind.special)

    def made(**fields) -> UnifiedEncoder:
        settings, sizes = kind.tiny()
        config = replace(settings, **fields)
        torch.manual_seed(0)
        return UnifiedEncoder(config, kind.for_tokenizer(config, tokenizer, **sizes), tokenizer).eval()

    return made


def pixels(encoder: UnifiedEncoder, items: int, frames: int) -> np.ndarray:
    side = encoder.config.image_size
    return np.random.default_rng(items + frames).integers(0, 255, (items, frames, side, side, 3), dtype=np.uint8)


def contents(encoder: UnifiedEncoder) -> list[Content]:
    """Eight of every kind and of several lengths."""
    stills, clips = pixels(encoder, 2, 1), pixels(encoder, 2, encoder.config.max_frames)
    return [
        Content(text="mug"),
        Content(text="make it red and put two of them on the wooden table"),
        Content(image=stills[0, 0]),
        Content(text="red", image=stills[1, 0]),
        Content(text="two of them on the wooden table", image=stills[1, 0]),
        Content(video=clips[0]),
        Content(text="on marble", video=clips[1]),
        Content(text="a small striped glossy teal mug"),
    ]


def rows(encoder: UnifiedEncoder, **settings) -> Batch:
    items = contents(encoder)
    return encoder.prepare(items, ["find it"] * len(items), **settings)


def cosines(first: Tensor | np.ndarray, second: Tensor | np.ndarray) -> float:
    """The smallest cosine of two lists of unit rows."""
    return float((torch.as_tensor(first) * torch.as_tensor(second)).sum(1).min())


def test_it_has_every_member_as_declared(kind, build):
    network = build().backbone
    for name, declared in inspect.getmembers(Backbone, inspect.isfunction):
        if not name.startswith("_"):
            assert list(inspect.signature(getattr(network, name)).parameters) == [
                parameter for parameter in inspect.signature(declared).parameters if parameter != "self"
            ], name
    assert isinstance(network, nn.Module) and kind.implementation
    assert set(network.media) == {"image", "video"} and type(network.hidden_size) is int
    assert {kind.special.pad, kind.special.end} <= set(kind.special.own)


@pytest.mark.parametrize("asked", ["image", "video"])
def test_seen_states_are_as_many_as_the_prompt_leaves_room_for(build, asked):
    encoder = build()
    frames = {"image": 1, "video": encoder.config.max_frames}[asked]
    seen = encoder.backbone.see(torch.from_numpy(pixels(encoder, 3, frames)))
    span = encoder.backbone.media[asked]
    assert seen.shape[:2] == (3, span.count) and span.count == np.prod(span.grid)
    assert seen.shape[2] % encoder.backbone.hidden_size == 0  # of one depth or several
    assert encoder.tokenise(None, kind=asked).media.sum() == span.count


def test_items_are_seen_apart(build):
    encoder = build()
    shown = torch.from_numpy(pixels(encoder, 3, 1))
    together, alone = encoder.see(shown), torch.cat([encoder.see(shown[at : at + 1]) for at in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_every_token_has_a_hidden_state(build):
    encoder = build()
    batch = encoder.collate([encoder.tokenise("red"), encoder.tokenise("two of them on marble")])
    states = encoder.backbone.hidden_states(batch, None)
    assert states.shape == (*batch.input_ids_BT.shape, encoder.config.dim) and bool(states.isfinite().all())


def test_vision_states_stand_in_their_own_row_alone(build):
    encoder = build()
    batch = encoder.collate([encoder.tokenise("red", kind="image"), encoder.tokenise("red")], [0, None])
    seen = encoder.see(pixels(encoder, 1, 1)).flatten(0, 1)
    first, second = (encoder.backbone.hidden_states(batch, states) for states in (seen, seen.flip(-1)))
    moved = (first - second).abs().amax(-1)
    assert moved[0].max() > 1e-3 and moved[1].max() < 1e-6


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
@pytest.mark.parametrize("positions", ["sequential", "mrope"])
def test_a_row_is_the_same_alone_in_a_batch_and_padded_on_either_side(build, attention, positions):
    encoder = build(attention=attention, positions=positions)
    with torch.inference_mode():
        right, left = (encoder.embed(rows(encoder, padding=side)) for side in ("right", "left"))
        alone = torch.cat([encoder.embed(encoder.prepare([one], ["find it"])) for one in contents(encoder)])
    assert len(right) == 8 and cosines(right, left) >= 0.9999 and cosines(right, alone) >= 0.9999
    assert (right[:-1] * right[1:]).sum(1).max() < 0.9999  # and different contents do differ


@pytest.mark.parametrize(("attention", "leaks"), [("bidirectional", True), ("causal", False)])
def test_a_later_token_moves_every_earlier_state_only_without_a_causal_mask(build, attention, leaks):
    """transformers before 5.6 ignored the switch silently; this is the watch on it."""
    encoder = build(attention=attention)
    batch = encoder.collate([encoder.tokenise("a small teal mug")])
    before = encoder.backbone.hidden_states(batch, None)[:, :-1]
    batch.input_ids_BT[0, -1] = token_id(encoder.tokenizer, EMBED)
    moved = (encoder.backbone.hidden_states(batch, None)[:, :-1] - before).abs().amax(-1)
    assert moved.min() > 1e-3 if leaks else moved.max() < 1e-6


def test_a_saved_backbone_loads_with_the_same_vectors_and_saves_the_same_bytes(kind, build, tmp_path):
    encoder = build()
    items = [Candidate(candidate_id=str(at), content=one) for at, one in enumerate(contents(encoder))]
    encoder.save(tmp_path / "one")
    first, second = (load_encoder(tmp_path / "one", device="cpu") for _ in range(2))
    vectors = first.encode_candidates(items).vectors
    assert type(first.backbone) is kind and np.array_equal(vectors, second.encode_candidates(items).vectors)
    assert cosines(vectors, encoder.encode_candidates(items).vectors) > 0.999  # but for what saving rounds off
    first.save(tmp_path / "two")
    assert first.config == encoder.config and np.array_equal(
        load_encoder(tmp_path / "two", device="cpu").encode_candidates(items).vectors, vectors
    )


def test_prompts_and_the_card_have_the_familys_own_words(kind, build, tmp_path):
    encoder = build(pooling="eos")
    assert encoder.tokenise("red").ids[-1] == token_id(encoder.tokenizer, kind.special.end)
    encoder.save(tmp_path / "saved")
    card = (tmp_path / "saved" / "README.md").read_text()
    assert f"| {kind.implementation} |" in card and f"{kind.special.family}'s own (t, h, w)" in card
    assert f"the hidden state of the last `{kind.special.end}`" in card


def test_a_tokenizer_of_another_family_is_refused(kind, build):
    encoder = build()
    foreign = SpecialTokens(family="Foreign", own=("[A]", "[B]"), pad="[A]", end="[B]")
    with pytest.raises(ConfigError, match=f"has no {re.escape(kind.special.own[0])}.*the {kind.special.family} family"):
        UnifiedEncoder(encoder.config, encoder.backbone, plain_tokenizer(train_tokenizer(TEXTS, foreign, 320), foreign))


def test_a_folder_without_weights_is_refused(kind, build, tmp_path):
    with pytest.raises(MismatchError, match="cannot be read"):
        kind.load(tmp_path, build().config, torch.float32)


def test_it_computes_in_the_dtype_that_it_is_loaded_in_or_moved_to(kind, build, tmp_path):
    encoder = build()
    encoder.backbone.save(tmp_path)
    exact = UnifiedEncoder(encoder.config, kind.load(tmp_path, encoder.config, torch.float32), encoder.tokenizer)
    loaded = UnifiedEncoder(encoder.config, kind.load(tmp_path, encoder.config, torch.bfloat16), encoder.tokenizer)
    with torch.inference_mode():
        known = exact.embed(rows(exact))
        for rough in (loaded, exact.to(torch.bfloat16)):
            assert {value.dtype for value in rough.parameters()} == {torch.bfloat16}
            assert rough.see(pixels(rough, 1, 1)).dtype == torch.bfloat16
            found = rough.embed(rows(rough))
            assert found.dtype == torch.float32 and cosines(known, found) > 0.99


def test_it_moves_to_a_gpu_whole(build):
    """A vision tower of transformers' own reads shapes from a tensor, which no fake GPU has: then of texts alone."""
    encoder = build()
    sees = getattr(encoder.backbone, "has_fast", True)
    asked = [one for one in contents(encoder) if sees or one.modality == "text"]
    with torch.no_grad():
        known = encoder.embed(encoder.prepare(asked, ["find it"] * len(asked)))
    with gpu() as device, torch.no_grad():
        encoder.to(device)
        assert {value.device for value in (*encoder.parameters(), *encoder.buffers())} == {device}
        found = encoder.embed(encoder.prepare(asked, ["find it"] * len(asked)))
        assert found.device == device
        there = found.tolist()
    assert cosines(known, torch.tensor(there)) > 0.999


def test_gradients_reach_every_weight(build):
    encoder = build()
    found = encoder.embed(rows(encoder))
    (found @ found.T).tril(-1).exp().sum().backward()
    without = [name for name, value in encoder.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


def test_a_size_of_another_name_is_refused(kind, build):
    encoder = build()
    with pytest.raises(ConfigError, match="depth_of_nothing"):
        kind.for_tokenizer(encoder.config, encoder.tokenizer, depth_of_nothing=3)


def test_an_unknown_backbone_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=f"'gpt' is unknown; this version has {', '.join(sorted(BACKBONES))}"):
        backbone_class("gpt")


#: What format 1 says of an encoder.json that leaves it out, and the table itself.
ELSEWHERE = {
    "config.py": {"qwen", "<|im_end|>"},
    "backbone.py": {"qwen"},
    "clip.py": {"<|endoftext|>"},
}  # CLIP's end has that name


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_the_names_of_a_family_stand_in_its_own_files_alone(name):
    kind = backbone_class(name)
    own = Path(inspect.getfile(kind)).stem
    family = re.match(r"[a-z]+", name)[0]
    for path in sorted(Path(backbone.__file__).parent.glob("*.py")):
        if path.stem.startswith((own, family)):  # generations of a family share files
            continue
        text = path.read_text("utf-8").lower()
        found = {word for word in (family, *kind.special.own) if word in text}
        assert found <= ELSEWHERE.get(path.name, set()), f"{path.name} names {found}"
