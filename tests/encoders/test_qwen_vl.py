"""The Qwen2-VL backbone against transformers: pixels, positions, attention direction, files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, Qwen2VLForConditionalGeneration, Qwen2VLModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from umr.encoders.config import EncoderConfig
from umr.encoders.qwen_vl import QwenVLBackbone, build_small
from umr.encoders.qwen_vl_pixels import patches
from umr.encoders.qwen_vl_positions import allowed, positions_of
from umr.errors import ConfigError, MismatchError


def test_patches_equal_those_of_the_image_processor(stills):
    processor = Qwen2VLImageProcessorPil(do_resize=False)
    expected = processor([image for image in stills[:, 0]], return_tensors="pt")
    found = patches(torch.from_numpy(stills))
    assert torch.allclose(found.flatten(0, 1), expected["pixel_values"], atol=1e-5)
    assert expected["image_grid_thw"].tolist() == [[1, 4, 4]] * len(stills)


def test_patches_of_a_frame_pair_hold_both_frames_in_time_order(clips):
    found = patches(torch.from_numpy(clips)).view(2, 2, 16, 3, 2, 14, 14)
    for at in range(4):
        still = patches(torch.from_numpy(clips[:, at : at + 1])).view(2, 16, 3, 2, 14, 14)
        assert torch.allclose(found[:, at // 2, :, :, at % 2], still[:, :, :, 0])


def test_odd_last_frame_is_repeated(clips):
    three = torch.from_numpy(clips[:, :3])
    assert torch.equal(patches(three), patches(torch.cat([three, three[:, 2:]], 1)))


@pytest.mark.parametrize("padding", ["left", "right"])
def test_mrope_positions_equal_get_rope_index(encoder, clips, padding):
    rows = [encoder.tokenise(text, "find", "query", "video") for text in ("red", "two of them on marble")]
    batch = encoder.collate([*rows, encoder.tokenise("a mug")], [0, 1, None], padding)
    types = torch.where(batch.input_ids_BT == encoder.tokenizer.token_to_id("<|video_pad|>"), 2, 0).int()
    expected, _ = encoder.backbone.model.get_rope_index(
        batch.input_ids_BT, types, video_grid_thw=torch.tensor([[2, 4, 4]] * 2), attention_mask=batch.attention_mask_BT
    )
    real = batch.attention_mask_BT
    assert torch.equal(positions_of(batch, mrope=True)[:, real], expected[:, real])


def test_sequential_positions_count_real_tokens_for_either_padding(encoder):
    rows = [encoder.tokenise("red"), encoder.tokenise("two of them on marble")]
    for padding in ("left", "right"):
        batch = encoder.collate(rows, padding=padding)
        found = positions_of(batch, mrope=False)
        assert (found[0] == found[1]).all() and (found[0] == found[2]).all()
        assert found[0, 0][batch.attention_mask_BT[0]].tolist() == list(range(len(rows[0])))


def test_every_token_may_look_at_itself_and_none_at_padding():
    mask = torch.tensor([[False, True, True]])
    assert allowed(mask, causal=False)[0, 0].tolist() == [[True] * 3, [False, True, True], [False, True, True]]
    assert allowed(mask, causal=True)[0, 0].tolist() == [
        [True, False, False],
        [False, True, False],
        [False, True, True],
    ]


def test_clips_that_count_several_positions_a_pair_go_on_behind_the_largest(encoder, clips):
    batch = encoder.collate([encoder.tokenise("red", kind="video")], [0])
    media = batch.seen_at
    plain, wide = positions_of(batch, mrope=True), positions_of(batch, mrope=True, interval=4)
    assert (wide[0, 0, media] - wide[0, 0, media[0]]).tolist() == [0] * 4 + [4] * 4
    assert torch.equal(wide[1:, 0, media], plain[1:, 0, media])
    assert wide[0, 0, media[-1] + 1] == wide[:, 0, media].max() + 1


@pytest.mark.parametrize("attention, leaks", [("bidirectional", True), ("causal", False)])
def test_the_class_itself_attends_as_it_is_told(make, attention, leaks):
    """The reference of the fast passes obeys the switch, which transformers before 5.6 ignored silently."""
    encoder = make(attention=attention)
    encoder.backbone.fast = False
    batch = encoder.collate([encoder.tokenise("a small teal mug")])
    before = encoder.backbone.hidden_states(batch, None)[:, :-1]
    batch.input_ids_BT[0, -1] = encoder.tokenizer.token_to_id("<emb>")
    moved = (encoder.backbone.hidden_states(batch, None)[:, :-1] - before).abs().max().item()
    assert (moved > 1e-3) is leaks and (leaks or moved < 1e-6)


def test_a_layer_of_another_class_is_not_computed_as_if_it_were_known(encoder):
    encoder.backbone.model.language_model.layers[0] = torch.nn.Identity()
    with pytest.raises(TypeError, match="a layer is a Identity"):
        encoder.backbone.hidden_states(encoder.collate([encoder.tokenise("mug")]), None)


def test_patches_of_two_sizes_are_refused(encoder):
    encoder.backbone.model.config.vision_config.patch_size = [14, 16]
    with pytest.raises(ConfigError, match=r"patch_size \[14, 16\]; one whole number"):
        QwenVLBackbone(encoder.backbone.model, encoder.config)


def test_shipped_size_is_about_three_million_parameters():
    model = build_small(1600)
    assert 2.5e6 < sum(value.numel() for value in model.parameters()) < 4e6


def test_shipped_size_sees_sixteen_tokens_a_picture_and_sixty_four_a_clip():
    config = EncoderConfig(name="a")
    backbone = QwenVLBackbone(build_small(300), config)
    assert backbone.see(torch.zeros(1, 1, 112, 112, 3, dtype=torch.uint8)).shape == (1, 16, 192)
    assert backbone.see(torch.zeros(1, 8, 112, 112, 3, dtype=torch.uint8)).shape == (1, 64, 192)
    assert (backbone.media["image"].count, backbone.media["video"].count) == (16, 64)


def test_saved_weights_open_with_the_real_classes(encoder, stills, tmp_path):
    encoder.backbone.save(tmp_path)
    model, report = Qwen2VLModel.from_pretrained(tmp_path, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    rounded = encoder.backbone.model.language_model.norm.weight.bfloat16().float()
    assert torch.equal(model.language_model.norm.weight, rounded)
    assert model.config.image_token_id == encoder.tokenizer.token_to_id("<|image_pad|>")
    whole = Qwen2VLForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    assert torch.equal(whole.model.visual.patch_embed.proj.weight, model.visual.patch_embed.proj.weight)


def test_loading_refuses_an_absent_weight_instead_of_a_random_one(encoder, tmp_path):
    from safetensors.torch import load_file, save_file

    encoder.backbone.save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights[min(weights)]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MismatchError, match="lacks the weight"):
        QwenVLBackbone.load(tmp_path, encoder.config)


def test_unfit_sizes_are_refused(make):
    with pytest.raises(ConfigError, match="multiple of 28"):
        make(image_size=100)
    with pytest.raises(ConfigError, match="unknown sizes"):
        build_small(300, depth=3)
    with pytest.raises(ConfigError, match="make them equal"):
        make(dim=64)


def test_processor_in_use_is_the_pil_one(tmp_path):
    """The torchvision one gives other pixels; training and serving must not differ."""
    Qwen2VLImageProcessorPil().save_pretrained(tmp_path)
    assert isinstance(AutoImageProcessor.from_pretrained(tmp_path, backend="pil"), Qwen2VLImageProcessorPil)
    assert np.allclose(Qwen2VLImageProcessorPil().image_mean, [0.48145466, 0.4578275, 0.40821073])
