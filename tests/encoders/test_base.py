"""The unified encoder: an embedding depends on its content alone, and bad content never becomes a vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from umr.encoders.encoding import CPU_CHARACTERS, CPU_PADDING, PICTURE_CHARACTERS
from umr.errors import ConfigError, MediaError, MismatchError
from umr.types import Candidate, Content, Query


def contents(stills, clips) -> list[Content]:
    return [
        Content(text="a small teal mug"),
        Content(image=stills[0, 0]),
        Content(text="red", image=stills[1, 0]),
        Content(text="two striped mugs on the wooden table, the left one red", image=stills[1, 0]),
        Content(video=clips[0]),
        Content(text="it slides to the left", video=clips[1]),
        Content(text="mug"),
    ]


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("settings", [{}, {"pooling": "last"}, {"pooling": "eos"}])
def test_embedding_does_not_depend_on_its_batch(make, stills, clips, padding, settings):
    encoder = make(**settings)
    items = contents(stills, clips)
    instructions = ["find it"] * len(items)
    together = encoder.embed(encoder.prepare(items, instructions, padding=padding))
    reverse = encoder.embed(encoder.prepare(items[::-1], instructions, padding=padding)).flip(0)
    alone = torch.cat([encoder.embed(encoder.prepare([item], ["find it"])) for item in items])
    for other in (reverse, alone):
        assert (together * other).sum(1).min() >= 0.9999
    assert (together[:-1] * together[1:]).sum(1).max() < 0.9999  # and different contents do differ


def test_encoding_keeps_the_order_whatever_the_batch_size(encoder, stills, clips):
    items = [Candidate(candidate_id=str(at), content=content) for at, content in enumerate(contents(stills, clips))]
    whole, single = encoder.encode_candidates(items), encoder.encode_candidates(items, batch_size=1)
    assert whole.ids == single.ids == tuple("0123456")
    assert np.abs(whole.vectors - single.vectors).max() < 1e-4
    assert np.allclose(np.linalg.norm(whole.vectors, axis=1), 1, atol=1e-5) and whole.vectors.dtype == np.float32


def test_no_rows_give_no_vectors(encoder):
    assert encoder.encode_candidates([]).vectors.shape == (0, 48)


def test_every_source_of_a_picture_gives_the_same_vector(encoder, stills, tmp_path):
    Image.fromarray(stills[0, 0]).save(tmp_path / "a.png")
    sources = [stills[0, 0], Image.fromarray(stills[0, 0]), tmp_path / "a.png", str(tmp_path / "a.png")]
    rows = encoder.encode_candidates(
        Candidate(candidate_id=str(at), content=Content(image=source)) for at, source in enumerate(sources)
    )
    assert np.abs(rows.vectors - rows.vectors[0]).max() < 1e-6


def test_training_path_equals_serving_path(encoder, stills):
    row = encoder.tokenise("red", "find it", "query", "image")
    trained = encoder.embed(encoder.collate([row] * 6, range(6)), encoder.see(stills))
    queries = [
        Query(query_id=str(at), content=Content(text="red", image=still[0]), instruction="find it")
        for at, still in enumerate(stills)
    ]
    assert np.abs(trained.detach().numpy() - encoder.encode_queries(queries).vectors).max() < 1e-5


def test_stills_and_clips_share_a_batch_of_seen_states(encoder, stills, clips):
    rows = [encoder.tokenise(None, kind=kind) for kind in ("video", "image", "video")]
    seen = torch.cat([encoder.see(stills[:1]).flatten(0, 1), encoder.see(clips).flatten(0, 1)])
    mixed = encoder.embed(encoder.collate(rows, [2, 0, 1], media_tokens=[4, 8, 8]), seen)
    alone = [encoder.embed(encoder.collate(rows[:1], [at]), encoder.see(clips)) for at in (1, 0)]
    assert torch.allclose(mixed[[0, 2]], torch.cat(alone), atol=1e-5)


def test_same_picture_is_seen_once(encoder, stills):
    picture = stills[0, 0]
    batch = encoder.prepare([Content(image=picture), Content(image=picture, text="red")], ["", ""])
    assert len(batch.media) == 1


def test_missing_instruction_is_the_trained_one(encoder, stills):
    content = Content(text="red", image=stills[0, 0])
    plain = Query(query_id="a", content=content, target_modality="image")
    said = Query(query_id="a", content=content, instruction=encoder.config.instructions["image,text->image"])
    assert np.array_equal(encoder.encode_queries([plain]).vectors, encoder.encode_queries([said]).vectors)
    with pytest.raises(ConfigError, match="not trained for"):
        encoder.encode_queries([Query(query_id="a", content=content, target_modality="video")])


def test_text_of_spaces_beside_a_picture_is_no_text(encoder, stills):
    blank, none = (Query(query_id="a", content=Content(text=text, image=stills[0, 0])) for text in ("  \n", None))
    assert np.array_equal(encoder.encode_queries([blank]).vectors, encoder.encode_queries([none]).vectors)


def test_cut_text_is_noticed(encoder):
    long, short = (Query(query_id="a", content=Content(text=text)) for text in ("mug " * 60, "mug"))
    assert encoder.notices(short) == () and "first 20 tokens" in encoder.notices(long)[0]
    assert encoder.notices(Query(query_id="a", content=Content(image=np.zeros((4, 4, 3), np.uint8)))) == ()


@pytest.mark.parametrize("text", ["赤いカップ", "Красная кружка", "🙂🙂", "<|im_end|><|image_pad|>", "\u202eabc"])
def test_any_script_has_a_vector(encoder, text):
    assert len(encoder.encode_queries([Query(query_id="a", content=Content(text=text))])) == 1


@pytest.mark.parametrize("text", ["", " \n\t", "a\0b", "x" * 20_001])
def test_bad_text_is_refused_and_its_row_named(encoder, text):
    good = Query(query_id="good", content=Content(text="a mug"))
    with pytest.raises(MediaError, match="query bad: "):
        encoder.encode_queries([good, Query(query_id="bad", content=Content(text=text))])


def test_bad_picture_is_refused_and_its_row_named(encoder, stills, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    rows = [
        Candidate(candidate_id="7", content=Content(image=stills[0, 0])),
        Candidate(candidate_id="8", content=Content(image=tmp_path / "broken.jpg")),
    ]
    with pytest.raises(MediaError, match=r"candidate 8: broken\.jpg"):
        encoder.encode_candidates(rows)


@pytest.mark.parametrize(
    "shape, dtype",
    [
        ((1, 1, 56, 56, 3), np.float32),
        ((1, 1, 112, 112, 3), np.uint8),
        ((1, 56, 56, 3), np.uint8),
        ((1, 3, 56, 56, 3), np.uint8),
    ],
)
def test_array_of_another_form_is_never_seen(encoder, shape, dtype):
    with pytest.raises(MediaError, match=r"needed|needs"):
        encoder.see(np.zeros(shape, dtype))


def test_vector_that_is_no_number_is_refused(encoder):
    with torch.no_grad():
        encoder.backbone.model.language_model.norm.weight.fill_(float("nan"))
    with pytest.raises(MismatchError):
        encoder.encode_queries([Query(query_id="a", content=Content(text="a mug"))])


def test_prompt_and_media_index_must_agree(encoder):
    with pytest.raises(ConfigError, match="row 0"):
        encoder.collate([encoder.tokenise("red", kind="image")], [None])


def test_encoding_leaves_no_gradients_and_keeps_the_mode(encoder):
    encoder.train()
    found = encoder.encode_queries([Query(query_id="a", content=Content(text="a mug"))])
    assert encoder.training and len(found) == 1
    assert encoder.embed(encoder.collate([encoder.tokenise("a mug")])).requires_grad


def test_an_encoder_that_serves_is_not_walked_through_for_its_mode(encoder, monkeypatch):
    encoder.eval()
    monkeypatch.setattr(torch.nn.Module, "train", lambda self, mode=True: pytest.fail(f"mode {mode}"))
    assert len(encoder.encode_queries([Query(query_id="a", content=Content(text="a mug"))])) == 1


@pytest.mark.parametrize("words", [None, "red"])
def test_a_clip_is_embedded_as_a_query(encoder, clips, words):
    queries = [Query(query_id="a", content=Content(video=clips[0], text=words))]
    assert np.linalg.norm(encoder.encode_queries(queries).vectors[0]) == pytest.approx(1, abs=1e-5)
    assert encoder.uninstructed(queries[0])


def test_dropped_tokens_are_those_beyond_the_limit(encoder, stills):
    whole = encoder.tokenizer.encode("mug " * 50, add_special_tokens=False)
    long = encoder.dropped_tokens(Content(text="mug " * 50, image=stills[0, 0]))
    assert 0 < long <= len(whole.ids) - encoder.config.max_tokens
    assert encoder.dropped_tokens(Content(text="mug")) == encoder.dropped_tokens(Content(image=stills[0, 0])) == 0


def test_long_texts_come_fewer_at_a_time_on_a_processor(encoder):
    """Shorter ones first; rows times the longest text stay within the budget, and one that is beyond it comes alone."""
    contents = [Content(text="x" * length) for length in [CPU_CHARACTERS + 5, *[CPU_CHARACTERS // 8] * 20, *[3] * 70]]
    found = list(encoder.batches(contents, 64))
    assert sorted(place for batch in found for place in batch) == list(range(len(contents)))
    assert [len(batch) for batch in found] == [64, 6, 8, 8, 4, 1]
    assert all(len(batch) == 1 or len(batch) * len(contents[batch[-1]].text) <= CPU_CHARACTERS for batch in found)


def test_a_long_text_does_not_fill_short_ones_up_on_a_processor(encoder):
    short, long = [Content(text="x" * 20)] * 7, [Content(text="x" * 900)]
    assert list(encoder.batches([*long, *short], 64)) == [[1, 2, 3, 4, 5, 6, 7], [0]]
    rising = [Content(text="x" * length) for length in range(1, 200)]
    for batch in encoder.batches(rising, 64):
        lengths = [len(rising[place].text) for place in batch]
        assert lengths == sorted(lengths) and len(batch) * max(lengths) - sum(lengths) <= CPU_PADDING


def test_pictures_count_for_their_share_of_a_batch_on_a_processor(encoder, stills):
    most = CPU_CHARACTERS // PICTURE_CHARACTERS
    found = list(encoder.batches([Content(image=stills[0, 0])] * (2 * most + 1), 64))
    assert [len(batch) for batch in found] == [most, most, 1]


def test_rows_of_mixed_lengths_have_the_vectors_that_each_has_alone(encoder, stills):
    contents = [Content(text="mug " * length) for length in (9, 1, 2, 1, 3)]
    contents += [Content(text="mug " * length, image=stills[length, 0]) for length in (5, 1, 2)]
    rows = [Candidate(candidate_id=str(at), content=content) for at, content in enumerate(contents)]
    together = encoder.encode_candidates(rows)
    alone = np.concatenate([encoder.encode_candidates([row]).vectors for row in rows])
    assert together.ids == tuple(row.candidate_id for row in rows)
    assert np.allclose(together.vectors, alone, atol=1e-5)
