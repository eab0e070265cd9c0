"""Batches of triplets: which candidates, which are true answers, chunks, and the same ones for the same step."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.shapes import ALL, draw
from training.config import TrainConfig
from training.mixture import sentences_of
from training.source_batches import CANDIDATES, NEGATIVES, Pixels, SourceBatches
from training.sources.readers import load_source
from training.sources.spec import parse
from umr import media
from umr.errors import ConfigError, MediaError
from umr.types import Content

CONFIG = TrainConfig(name="test", families_per_batch=40, shift=0, light=0.0)


@pytest.fixture
def load(tmp_path, small_encoder):
    """load(rows, pictures by name): the batches of a jsonl of those rows."""

    def make(rows, pictures, config=CONFIG):
        for name, number in pictures.items():
            draw(ALL[number], np.random.default_rng(number)).save(tmp_path / name)
        (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
        source = load_source(parse(f"jsonl:{tmp_path / 'mine.jsonl'}"), tmp_path)
        encoder = small_encoder()
        return SourceBatches(source, encoder, sentences_of(source, encoder), config)

    return make


def triplets(count: int):
    """Edits of pictures 0.png ... that lead to the next one."""
    pictures = {f"{number}.png": number for number in range(count + 1)}
    rows = [{"image": f"{n}.png", "text": f"number {n + 1}", "target": f"{n + 1}.png"} for n in range(count)]
    return rows, pictures


def only(batch):
    (contrast,) = batch.contrasts
    return contrast


def test_a_query_meets_the_answers_negatives_and_pictures_of_all(load):
    batch = load(*triplets(5)).build(0)
    contrast = only(batch)
    assert (contrast.task, contrast.candidates, contrast.symmetric) == ("image,text->image", (CANDIDATES,), False)
    assert len(contrast.positive) == 5 and contrast.positive.unique().numel() == 5
    assert len(contrast.found) == 10  # five answers and the pictures of five queries
    assert batch.chunks[0].stills.shape[0] == 6  # each picture is seen once, whatever its part
    # every picture but the first and the last stands there twice, as an answer and as a query's own: both are right
    assert contrast.ignore.sum().item() == 4


def test_a_copy_of_an_answer_under_another_name_is_no_negative(load):
    rows, pictures = triplets(3)
    rows[0]["negatives"] = ["copy.png", "other.png"]
    contrast = only(load(rows, pictures | {"copy.png": 1, "other.png": 9}).build(0))
    row = next(b for b, own in enumerate(contrast.queries.positives[:, 0, 1]) if contrast.ignore[b].sum() == 2)
    right = contrast.found.identity[contrast.ignore[row]]
    assert (right[:, 1] == contrast.queries.positives[row, 0, 1]).all()


def test_few_of_many_negatives_are_taken_and_only_given_ones(load):
    rows = [{"text": "a shape", "target": "0.png", "negatives": [f"{n}.png" for n in range(1, 13)]}]
    contrast = only(load(rows, {f"{n}.png": n for n in range(13)}).build(0))
    assert len(contrast.found) == 1 + NEGATIVES and contrast.symmetric


def test_a_batch_depends_on_seed_step_and_data_alone(load):
    rows, pictures = triplets(12)
    few = replace(CONFIG, families_per_batch=4, shift=4, light=0.1)
    batches, again = load(rows, pictures, few), load(rows, pictures, few)
    one, same, other = batches.build(3), again.build(3), batches.build(4)
    assert np.array_equal(one.chunks[0].stills, same.chunks[0].stills)
    assert torch.equal(only(one).queries.positives, only(same).queries.positives)
    assert not torch.equal(only(one).queries.positives, only(other).queries.positives)


def test_each_batch_holds_one_task_and_every_task_has_its_turn(load):
    rows, pictures = triplets(4)
    rows += [{"text": f"thing {n}", "target": f"{n}.png"} for n in range(4)]
    rows += [{"image": f"{n}.png", "target": f"Thing number {n}."} for n in range(4)]
    batches = load(rows, pictures)
    made = [only(batches.build(step)) for step in range(30)]
    assert {contrast.task for contrast in made} == {"image,text->image", "text->image", "image->text"}
    assert all(contrast.symmetric == ("," not in contrast.task) for contrast in made)


@pytest.mark.parametrize(("exponent", "shares"), [(1.0, (0.8, 0.2)), (0.5, (2 / 3, 1 / 3)), (0.0, (0.5, 0.5))])
def test_a_task_is_drawn_by_a_power_of_its_examples(load, exponent, shares):
    rows, pictures = triplets(4)
    rows.append({"text": "a shape", "target": "0.png"})
    assert load(rows, pictures, replace(CONFIG, size_exponent=exponent)).shares == pytest.approx(shares)


@pytest.mark.parametrize("exponent", [-0.1, 1.1])
def test_an_exponent_that_favours_the_smallest_or_the_largest_beyond_their_size_is_refused(exponent):
    with pytest.raises(ConfigError, match=f"size_exponent is {exponent}; from 0"):
        replace(CONFIG, size_exponent=exponent)


def test_chunks_hold_the_rows_of_the_whole_batch(load):
    rows, pictures = triplets(6)
    whole, parts = (load(rows, pictures, replace(CONFIG, chunk_families=size)).build(1) for size in (0, 2))
    assert len(whole.chunks) == 1 and 1 < len(parts.chunks) <= 3  # a picture that chunks share is seen in the first
    assert torch.equal(only(whole).positive, only(parts).positive)
    assert torch.equal(only(whole).ignore, only(parts).ignore)
    for role in whole.chunks[0].roles:
        counts = [sum(map(len, chunk.roles[role].parts)) for chunk in parts.chunks if role in chunk.roles]
        assert sum(counts) == sum(map(len, whole.chunks[0].roles[role].parts))


def test_rows_and_pictures_are_what_the_encoder_serves(load, small_encoder, tmp_path):
    """The one prompt builder and the one way to pixels: a trained row is a served row."""
    rows, pictures = triplets(1)
    batches, encoder = load(rows, pictures), small_encoder()
    batch = batches.build(0)
    served = encoder.prepare(
        [Content(text="number 1", image=tmp_path / "0.png")], [encoder.config.instructions["image,text->image"]]
    )
    (part,) = batch.chunks[0].roles["image,text->image"].parts
    assert torch.equal(part.input_ids_BT, served.input_ids_BT)
    assert np.array_equal(batch.chunks[0].stills[0], served.media[0])
    pixels = Pixels(encoder)(Content(image=tmp_path / "0.png"))
    assert np.array_equal(pixels[0], media.letterbox(media.open_image(tmp_path / "0.png"), encoder.config.image_size))


def test_prepared_pictures_are_kept_up_to_the_room_there_is(small_encoder, tmp_path):
    for number in range(3):
        draw(ALL[number], np.random.default_rng(0)).save(tmp_path / f"{number}.png")
    encoder = small_encoder()
    pixels = Pixels(encoder, room=2 * 3 * encoder.config.image_size**2)
    contents = [Content(image=tmp_path / f"{number}.png") for number in range(3)]
    first = pixels(contents[0])
    assert pixels(contents[0]) is first
    pixels(contents[1]), pixels(contents[2])
    (tmp_path / "0.png").unlink()
    assert pixels(contents[2]) is not None
    with pytest.raises(MediaError, match=r"0\.png"):  # it was let go
        pixels(contents[0])
    assert pixels(Content(text="words")) is None


def test_words_alone_are_no_group_so_that_each_meets_the_others(load):
    """48 captions make one batch of 48; those that a row puts into one group come together."""
    rows = [{"text": f"thing {n}", "target": f"{n}.png"} for n in range(30)]
    batches = load(rows, {f"{n}.png": n for n in range(30)}, replace(CONFIG, families_per_batch=20))
    assert len(only(batches.build(0)).queries) == 20
    grouped = [row | {"group": str(n // 2)} for n, row in enumerate(rows)]
    batches = load(grouped, {f"{n}.png": n for n in range(30)}, replace(CONFIG, families_per_batch=10))
    pairs = only(batches.build(0)).queries.positives[:, 0, 1].reshape(10, 2)
    numbers = {
        int(batches.identities(did)[1]): int(did.split("/")[-1].split(".")[0]) for did in batches.source.candidates
    }
    assert all(numbers[int(a)] // 2 == numbers[int(b)] // 2 for a, b in pairs)
