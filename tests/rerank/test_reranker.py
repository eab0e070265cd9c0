"""A pair's score: the query computed once, against the joined row, against transformers' own class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.encoders.conftest import TEXTS
from umr.encoders.backbone import backbone_class
from umr.encoders.pooling import last_token
from umr.encoders.qwen_vl_pixels import patches
from umr.encoders.qwen_vl_positions import positions_of
from umr.encoders.templates import TokenRow, media_kind
from umr.encoders.tokenizer import plain_tokenizer, train_tokenizer
from umr.errors import ConfigError, MediaError
from umr.rerank.config import ANSWERS, RerankerConfig
from umr.rerank.reranker import Reranker, Rows
from umr.rerank.seen import SeenMedia
from umr.types import Candidate, Content


def joined(reranker, query, candidate) -> TokenRow:
    """The whole sequence of a pair as one row."""
    parts = [
        reranker.network.tokenise(query.content.text, query.instruction, "query", media_kind(query.content)),
        reranker.network.tokenise(candidate.content.text, "", "candidate", media_kind(candidate.content)),
    ]
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "pool", "media")]
    return TokenRow(*columns, next((part.grid for part in parts if part.grid), None))


def yes(reranker, state_1H) -> float:
    rows = reranker.network.backbone.token_rows(reranker._answers).float()
    return float((state_1H @ rows.T).softmax(1)[0, 0])


def uncached(reranker, query, candidate) -> float:
    """The joined row through the encoder's own pass; at most one of the two has a picture or clip."""
    network = reranker.network
    pixels = [network.pixels(one.content) for one in (query, candidate)]
    shown = [one for one in pixels if one is not None]
    batch = network.collate([joined(reranker, query, candidate)], [0 if shown else None])
    seen = network.see_all(shown) if shown else None
    return yes(reranker, last_token(network.backbone.hidden_states(batch, seen), batch.attention_mask_BT))


def by_a_square_mask(reranker, query, candidate) -> float:
    """The joined row through transformers' language model, with a mask that says who sees whom."""
    network, backbone = reranker.network, reranker.network.backbone
    pixels = [network.pixels(one.content) for one in (query, candidate)]
    shown = [one for one in pixels if one is not None]
    batch = network.collate([joined(reranker, query, candidate)], [0 if shown else None])
    begun = len(network.tokenise(query.content.text, query.instruction, "query", media_kind(query.content)).ids)
    sees = torch.ones(1, 1, len(batch.input_ids_BT[0]), len(batch.input_ids_BT[0]), dtype=torch.bool)
    sees[..., :begun, begun:] = False
    states = backbone.model.language_model(
        inputs_embeds=backbone._embedded(batch, network.see_all(shown) if shown else None),
        attention_mask={"full_attention": sees},
        position_ids=positions_of(batch, backbone.mrope),
        use_cache=False,
    )
    return yes(reranker, states.last_hidden_state[:, -1])


def by_the_class(reranker, query, candidate) -> float:
    """The whole of transformers' Qwen2VLModel: its tower, its positions, its mask; any number of pictures."""
    network, model = reranker.network, reranker.network.backbone.model
    row = joined(reranker, query, candidate)
    inputs: dict = {"pixel_values": [], "pixel_values_videos": [], "image_grid_thw": [], "video_grid_thw": []}
    for one in (query, candidate):
        pixels = network.pixels(one.content)
        if pixels is not None:
            kind = "video" if one.content.video is not None else "image"
            rows = patches(torch.from_numpy(pixels)[None]).flatten(0, 1)
            inputs["pixel_values_videos" if kind == "video" else "pixel_values"].append(rows)
            inputs[f"{kind}_grid_thw"].append([max(1, len(pixels) // 2), 4, 4])
    given = {
        name: torch.cat(value) if "pixel" in name else torch.tensor(value) for name, value in inputs.items() if value
    }
    ids = torch.from_numpy(row.ids)[None]
    kinds = torch.zeros_like(ids)
    kinds[ids == model.config.image_token_id] = 1
    kinds[ids == model.config.video_token_id] = 2
    states = model(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds, **given)
    return yes(reranker, states.last_hidden_state[:, -1])


@pytest.mark.parametrize("asked", ["text", "picture", "both", "clip"])
@torch.inference_mode()
def test_scores_equal_those_of_transformers_own_class(reranker, queries, candidates, asked):
    found = reranker.scores(queries[asked], candidates)
    assert np.allclose(found, [by_the_class(reranker, queries[asked], one) for one in candidates], atol=1e-5)
    assert len(set(found.round(4))) > 2  # they differ, so that a mix-up would show


@pytest.mark.parametrize("positions", ["mrope", "sequential"])
@torch.inference_mode()
def test_a_query_computed_once_equals_the_joined_row(make, queries, candidates, positions):
    reranker = make(positions=positions)
    for query in queries.values():
        alone = [one for one in candidates if query.content.modality == "text" or one.content.modality == "text"]
        found = reranker.scores(query, alone)
        assert np.allclose(found, [uncached(reranker, query, one) for one in alone], atol=1e-5)


@torch.inference_mode()
def test_with_bidirectional_attention_each_part_sees_itself_and_the_query_nothing_else(make, queries, candidates):
    reranker = make(attention="bidirectional")
    for query in queries.values():
        alone = [one for one in candidates if query.content.modality == "text" or one.content.modality == "text"]
        expected = [by_a_square_mask(reranker, query, one) for one in alone]
        assert np.allclose(reranker.scores(query, alone), expected, atol=1e-5)
        assert not np.allclose([uncached(reranker, query, one) for one in alone], expected, atol=1e-5)


def test_neither_order_nor_batches_matter(reranker, queries, candidates):
    query = queries["both"]
    found = reranker.scores(query, candidates)
    order = [3, 0, 5, 1, 4, 2]
    for size in (1, 2, 64):
        assert np.allclose(reranker.scores(query, [candidates[n] for n in order], size), found[order], atol=1e-5)
    assert np.allclose([reranker.scores(query, [one])[0] for one in candidates], found, atol=1e-5)
    assert len(reranker.scores(query, [])) == 0


@torch.inference_mode()
def test_queries_of_one_batch_keep_to_their_own_candidates(reranker, queries, candidates):
    """Training's way: several begun rows of different length, the same number of candidates behind each."""
    seen = SeenMedia(reranker.network)
    asked = [queries["both"], queries["text"]]
    prefix = reranker.begin(reranker.rows({one.query_id: one.content for one in asked}, "query", seen, "find it"))
    block = {f"{copy}{one.candidate_id}": one.content for copy in "ab" for one in candidates}
    found = reranker.answers(prefix, reranker.rows(block, "candidate", seen)).softmax(1)[:, 0].view(2, -1)
    for row, query in zip(found, asked, strict=True):
        assert np.allclose(row, reranker.scores(query, candidates), atol=1e-5)


def test_gradients_pass_through_the_query_to_every_weight(reranker, queries, candidates):
    network = reranker.train().network
    query, shown = queries["both"], candidates[1:3]
    rows = [network.tokenise(query.content.text, "find it", "query", "image")]
    items = [network.pixels(one.content) for one in (query, *shown)]
    seen = network.see_all(items)
    prefix = reranker.begin(Rows(network.collate(rows, [0], "left"), seen))
    behind = [network.tokenise(one.content.text, "", "candidate", "image") for one in shown]
    logits = reranker.answers(prefix, Rows(network.collate(behind, [1, 2]), seen))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    without = [name for name, value in reranker.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


def test_a_picture_of_a_file_is_seen_once(reranker, queries, tmp_path, monkeypatch):
    Image.new("RGB", (60, 40), "teal").save(tmp_path / "1.png")
    candidates = [Candidate(candidate_id=f"{n}", content=Content(image=tmp_path / "1.png")) for n in range(3)]
    items = []
    see = reranker.network.see
    monkeypatch.setattr(reranker.network, "see", lambda pixels: items.append(len(pixels)) or see(pixels))
    seen = SeenMedia(reranker.network)
    first = reranker.scores(queries["text"], candidates, seen=seen)
    assert np.array_equal(first, reranker.scores(queries["text"], candidates, seen=seen)) and items == [1]
    small = SeenMedia(reranker.network, room=1)
    small([Content(image=tmp_path / "1.png")], ["a"])
    assert len(small._kept) == 1  # the newest stays, however little room there is


def test_what_cannot_be_read_is_named(reranker, queries, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    bad = Candidate(candidate_id="7:1", content=Content(image=tmp_path / "bad.png"))
    with pytest.raises(MediaError, match=r"candidate 7:1: bad\.png"):
        reranker.scores(queries["text"], [bad])
    with pytest.raises(MediaError, match="query both: the text contains a NUL"):
        reranker.scores(replace(queries["both"], content=Content(text="a\0b")), [bad])
    with pytest.raises(ConfigError, match="batch_size is 0"):
        reranker.scores(queries["text"], [bad], 0)


def test_the_encoder_that_it_starts_from_stays_in_it(start, tokenizer):
    encoder = start(instructions={"text->image": "Find it."}, positions="sequential")
    config = RerankerConfig.of_encoder(encoder.config, tokenizer, "mine")
    assert (config.name, config.network.attention, config.network.pooling) == ("mine", "causal", "last")
    assert config.network.instructions == encoder.config.instructions
    assert config.network.positions == "sequential" and (config.yes, config.no) in ANSWERS
    with pytest.raises(ConfigError, match="needs 'last'"):
        RerankerConfig(network=encoder.config, yes="y", no="n")
    with pytest.raises(ConfigError, match="yes and no are both 'y'"):
        replace(config, yes="y", no="y")
    with pytest.raises(ConfigError, match="has no begin and go_on"):
        Reranker(config, torch.nn.Linear(2, 2), tokenizer)
    with pytest.raises(ConfigError, match="no token Perhaps"):
        Reranker(replace(config, yes="Perhaps"), encoder.backbone, tokenizer)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
@torch.inference_mode()
def test_other_generations_go_on_behind_a_query_by_the_classes_own_cache(family, queries, candidates):
    kind = backbone_class(family)
    settings, sizes = kind.tiny()
    tokenizer = plain_tokenizer(train_tokenizer(TEXTS, kind.special, 320), kind.special)
    config = RerankerConfig.of_encoder(settings, tokenizer, "tiny")
    torch.manual_seed(0)
    reranker = Reranker(config, kind.for_tokenizer(config.network, tokenizer, **sizes), tokenizer).eval()
    for query in queries.values():
        alone = [one for one in candidates if query.content.modality == "text" or one.content.modality == "text"]
        found = reranker.scores(query, alone, 2)
        assert np.allclose(found, [uncached(reranker, query, one) for one in alone], atol=1e-5)
    found = reranker.scores(queries["both"], candidates)
    assert np.allclose(found, [reranker.scores(queries["both"], [one])[0] for one in candidates], atol=1e-5)
    assert len(set(found.round(4))) > 2
