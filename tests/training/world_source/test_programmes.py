"""Batches hold what they say: the right positives, no false negatives, and nothing but (seed, step) decides them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from training.catalogue.instructions import serving
from training.catalogue.splits import is_cluttered, split_of
from training.catalogue.world import WorldSpec, plan_families
from training.chunks import Tokenise
from training.config import TrainConfig
from training.draws import jittered
from training.recipes import RECIPES
from training.world_source import attributes, programmes
from training.world_source.programmes import PROGRAMMES, STILL_SAID, BatchBuilder, check_programmes
from training.world_source.programmes import TASKS as KINDS
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START
from umr.errors import ConfigError

CONFIG = TrainConfig(
    name="test",
    families_per_batch=6,
    vision_weight=0.1,
    motion_weight=0.1,
    preference_weight=0.1,
    regularisation_weight=0.1,
)


@pytest.fixture(scope="module")
def encoder(small_encoder):
    return small_encoder()


def build(world, encoder, programme: str, step: int = 0, **changes):
    config = replace(CONFIG, programmes={programme: 1.0}, **changes)
    return BatchBuilder(Tokenise.of(encoder), world, config).build(step)


def tensors(batch):
    for chunk in batch.chunks:
        for media in (chunk.stills, chunk.clips):
            if media is not None:
                yield torch.from_numpy(media)
        for rows in chunk.roles.values():
            yield rows.order
            for part in rows.parts:
                yield part.input_ids_BT
                yield part.seen_rows
    for contrast in batch.contrasts:
        yield contrast.positive
        yield contrast.ignore


@pytest.mark.parametrize("programme", PROGRAMMES)
def test_batch_depends_on_seed_and_step_alone(tiny_world, encoder, programme):
    one, again, other = (list(tensors(build(tiny_world, encoder, programme, step))) for step in (4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert len(one) != len(other) or not all(
        a.shape == b.shape and torch.equal(a, b) for a, b in zip(one, other, strict=True)
    )


TASKS = [programme for programme in PROGRAMMES if programme not in ("vision", "motion")]


@pytest.mark.parametrize("programme", TASKS)
@pytest.mark.parametrize("kind", ["families", "random"])
def test_every_positive_shows_the_scene_that_is_asked_for(tiny_world, encoder, programme, kind):
    batch = build(tiny_world, encoder, programme, batch=kind)
    assert batch.contrasts
    for contrast in batch.contrasts:
        found = torch.cat([batch.codes[role] for role in contrast.candidates])[contrast.positive]
        assert torch.equal(found, batch.codes[contrast.query])


@pytest.mark.parametrize("programme", [task for task in TASKS if task != "entries"])
def test_no_candidate_with_the_wanted_scene_stays_a_negative(tiny_world, encoder, programme):
    """Of entries the facts decide as well, and of other kinds the kind; the next tests hold them."""
    batch = build(tiny_world, encoder, programme)
    for contrast in batch.contrasts:
        found = torch.cat([batch.codes[role] for role in contrast.candidates])
        same = (found[None] == batch.codes[contrast.query][:, None]).all(2) & fits(batch, contrast)
        same[torch.arange(len(contrast.positive)), contrast.positive] = False
        assert not (same & ~contrast.ignore).any(), contrast.task


def fits(batch, contrast):
    """(M,) bool: the candidates that are of the kind that the task asks for."""
    wanted = [role for role, (*tasks, _) in KINDS.items() if contrast.task in tasks] or list(KINDS)
    return torch.cat([torch.full((len(batch.codes[role]),), role in wanted) for role in contrast.candidates])


@pytest.mark.parametrize("programme", ["pictures", "passages", "entries", "clips", "kinds"])
def test_the_right_scene_in_another_kind_is_a_negative(tiny_world, encoder, programme):
    met = set()
    for step in range(3):
        batch = build(tiny_world, encoder, programme, step, wrong_kinds=1.0)
        for contrast in batch.contrasts:
            wrong = ~fits(batch, contrast)
            found = torch.cat([batch.codes[role] for role in contrast.candidates])
            # what a still shows: a clip's picture and its passage say no action
            same = (found[None] == batch.codes[contrast.query][:, None])[..., STILL_SAID].all(2) & wrong
            assert not contrast.ignore[:, wrong].any()
            if same.any():
                met.add(contrast.task)
    offered = {contrast.task for contrast in batch.contrasts}
    assert len(met) >= len(offered) / 2, offered - met


def test_a_clip_in_which_something_happens_is_no_answer_to_its_still_where_any_kind_is_right(tiny_world, encoder):
    offered = 0
    for step in range(3):
        batch = build(tiny_world, encoder, "everything", step, families_per_batch=24)
        (asked,) = (contrast for contrast in batch.contrasts if contrast.task == "i2all")
        found = torch.cat([batch.codes[role] for role in asked.candidates])
        wanted = batch.codes[asked.query]
        moving = (found[None] == wanted[:, None])[..., STILL_SAID].all(2) & (found[None] != wanted[:, None]).any(2)
        offered += int(moving.sum())
        assert not (moving & asked.ignore).any()
        assert not moving[torch.arange(len(wanted)), asked.positive].any()
    assert offered


def test_short_queries_and_typing_errors_come_at_their_share(tiny_world, encoder):
    def lengths(**changes):
        batch = build(tiny_world, encoder, "captions", families_per_batch=24, **changes)
        return [part.input_ids_BT.shape[1] for part in batch.chunks[0].roles["t2i"].parts]

    assert max(lengths(typed=1.0)) < max(lengths())  # the longest caption is longer than any typed query
    assert sum(lengths(noise=1.0)) > sum(lengths())  # unknown spellings take more tokens


def test_an_entry_with_other_facts_stays_a_negative_of_the_same_picture(tiny_world, encoder):
    left: dict[str, list[bool]] = {}
    for step in range(6):  # not every batch holds a scene twice with different facts
        batch = build(tiny_world, encoder, "entries", step)
        for contrast in batch.contrasts:
            found = torch.cat([batch.codes[role] for role in contrast.candidates])
            same = (found[None] == batch.codes[contrast.query][:, None]).all(2)
            same[torch.arange(len(contrast.positive)), contrast.positive] = False
            left.setdefault(contrast.task, []).append(bool((same & ~contrast.ignore).any()))
    assert len(left) > 1 and not any(left.pop("i2it"))  # a picture says no facts: every entry of its scene is right
    assert all(any(found) for found in left.values()), left


@pytest.mark.parametrize("batch", ["families", "random"])
def test_every_instruction_that_is_served_is_trained(tiny_world, encoder, batch):
    batches = [build(tiny_world, encoder, programme, batch=batch) for programme in TASKS]
    made = {contrast.task for one in batches for contrast in one.contrasts}
    letters = {"text": "t", "image": "i", "image,text": "it", "video": "v", "all": "all"}
    served = {"2".join(letters[side] for side in pair.split("->")) for pair in serving()}
    assert served <= made


def test_a_partial_caption_ignores_every_scene_that_it_is_true_of():
    wanted, other = np.array([[1, 2, 3]]), np.array([[1, 2, 9], [1, 7, 3], [1, 2, 3]])
    said = np.array([[True, True, False]])
    assert attributes.same_meaning(wanted, said, other).tolist() == [[True, False, True]]


def test_families_in_chunks_have_the_rows_of_one_chunk(tiny_world, encoder):
    whole, parts = (build(tiny_world, encoder, "pictures", chunk_families=size) for size in (0, 2))
    assert (len(whole.chunks), len(parts.chunks)) == (1, 3)
    for role in whole.chunks[0].roles:
        count = [sum(len(part) for part in chunk.roles[role].parts) for chunk in parts.chunks if role in chunk.roles]
        assert sum(count) == sum(len(part) for part in whole.chunks[0].roles[role].parts)


def test_shortcut_worlds_mark_pictures_and_lengthen_texts(tiny_world, encoder):
    plain, marked = (build(tiny_world, encoder, "pictures", picture_shortcut=p, text_shortcut=p) for p in (0.0, 1.0))
    length = [
        sum(int(part.attention_mask_BT.sum()) for part in batch.chunks[0].roles["it2i"].parts)
        for batch in (plain, marked)
    ]
    assert length[1] > 1.3 * length[0]
    assert len(marked.chunks[0].stills) > len(plain.chunks[0].stills)  # a cued picture is another picture


def rows_of(batch, role: str):
    """Tokens and vision states of a role's rows, and which pixels those states are of."""
    for chunk in batch.chunks:
        for part in chunk.roles[role].parts if role in chunk.roles else ():
            yield from (part.input_ids_BT, part.pool_mask_BT, part.seen_at, part.seen_rows)
        yield from (torch.from_numpy(media) for media in (chunk.stills, chunk.clips) if media is not None)


@pytest.mark.parametrize(
    ("programme", "side"),
    [
        *((programme, "query") for programme in ("pictures", "passages", "clips", "entries", "everything")),
        ("entries", "candidate"),
        ("entries", "both"),
        ("pictures", "both"),
    ],
)
def test_both_arms_of_the_comparison_see_the_same_rows(tiny_world, encoder, programme, side):
    """`mca` adds the parts of its composed queries and entries, and nothing else differs from `contrastive`."""
    only = {"programmes": {programme: 1.0}, "families_per_batch": 24, "mca_side": side}
    arms = [
        BatchBuilder(Tokenise.of(encoder), tiny_world, replace(RECIPES[arm](), **only))
        for arm in ("contrastive", "mca")
    ]
    parts = 0
    for step in range(4):
        plain, with_parts = (arm.build(step) for arm in arms)
        parts += len(set(with_parts.codes) - set(plain.codes))
        assert set(plain.codes) <= set(with_parts.codes)
        for role in plain.codes:
            assert torch.equal(plain.codes[role], with_parts.codes[role])
            for one, other in zip(rows_of(plain, role), rows_of(with_parts, role), strict=True):
                assert torch.equal(one, other), (step, role)
        for one, other in zip(plain.contrasts, with_parts.contrasts, strict=True):
            assert (one.task, one.query, one.candidates) == (other.task, other.query, other.candidates)
            assert torch.equal(one.positive, other.positive) and torch.equal(one.ignore, other.ignore)
    assert bool(parts) == (programme != "everything")  # a mixed pool composes without parts


@pytest.mark.parametrize("kind", ["families", "random"])
def test_an_entry_is_composed_of_its_own_picture_and_words_and_paired_with_a_query_that_it_answers(
    tiny_world, encoder, kind
):
    batch = build(tiny_world, encoder, "entries", batch=kind, mca_side="candidate")
    (one,) = batch.compositions
    assert (one.task, one.paired) == ("entry", "t2it") and set(one.roles[1:]) <= batch.open_roles
    asked = next(contrast for contrast in batch.contrasts if contrast.task == "t2it")
    assert asked.positive[one.positive].tolist() == list(range(len(batch.codes["entry"])))
    for role in one.roles[1:]:
        assert torch.equal(batch.codes[role], batch.codes["entry"])
    keys = torch.cat([batch.codes["entry"], asked.found.facts[: len(batch.codes["entry"]), None]], dim=1)
    same = (keys[:, None] == keys[None]).all(dim=2) & ~torch.eye(len(keys), dtype=torch.bool)
    assert torch.equal(one.same, same) and (kind == "random" or same.any())


def sentences_of(batch, role: str) -> list[list[int]]:
    """The tokens of a role's rows that are no padding, in the order that the contrasts count in."""
    (chunk,) = batch.chunks
    tokens = [
        ids[real].tolist()
        for part in chunk.roles[role].parts
        for ids, real in zip(part.input_ids_BT, part.attention_mask_BT, strict=True)
    ]
    return [tokens[place] for place in chunk.roles[role].order.argsort().tolist()]


@pytest.mark.parametrize("programme", ["pictures", "passages", "clips", "entries"])
def test_parts_are_asked_under_the_very_sentence_of_the_composed_query_where_a_recipe_says_so(
    tiny_world, encoder, programme
):
    start, end = (encoder.tokenizer.token_to_id(mark) for mark in (INSTRUCTION_START, INSTRUCTION_END))

    def asked(ids: list[int]) -> list[int]:
        return ids[ids.index(start) : ids.index(end)]

    found = {}
    for way in ("alone", "composed"):
        batch = build(tiny_world, encoder, programme, families_per_batch=24, preference_weight=0.1, parts_asked=way)
        (one,) = batch.compositions
        whole, *parts = ([asked(ids) for ids in sentences_of(batch, role)] for role in one.roles)
        found[way] = [part == whole for part in parts]
        tokens = sentences_of(batch, one.roles[2])
        found[f"words, {way}"] = [ids[ids.index(end) :] for ids in tokens]
    assert found["composed"] == [True, True] and found["alone"] == [False, False]
    assert found["words, composed"] == found["words, alone"]  # nothing else is said


def test_composed_queries_for_entries_with_other_facts_stay_each_others_negatives(tiny_world, encoder):
    batch = build(tiny_world, encoder, "entries", families_per_batch=24, preference_weight=0.1)
    (one,) = batch.compositions
    asked = next(contrast for contrast in batch.contrasts if contrast.task == "it2it")
    scenes = (batch.codes["it2it"][:, None] == batch.codes["it2it"][None]).all(dim=2)
    facts = asked.queries.facts[:, None] == asked.queries.facts[None]
    off = ~torch.eye(len(scenes), dtype=torch.bool)
    assert torch.equal(one.same, scenes & facts & off) and (scenes & ~facts).any()


def test_the_sides_of_mca_choose_the_compositions(tiny_world, encoder):
    found = {
        side: [one.task for one in build(tiny_world, encoder, "entries", mca_side=side).compositions]
        for side in ("query", "candidate", "both")
    }
    assert found == {"query": ["it2it"], "candidate": ["entry"], "both": ["it2it", "entry"]}
    with pytest.raises(ConfigError, match="mca_side 'left' is unknown; legal: query, candidate, both"):
        TrainConfig(name="x", mca_side="left")


def test_unknown_programmes_and_shares_are_refused(tiny_world, encoder):
    with pytest.raises(ConfigError, match=r"programmes poems are unknown; legal: .*captions, pictures"):
        BatchBuilder(Tokenise.of(encoder), tiny_world, TrainConfig(name="x", programmes={"poems": 1.0}))
    for shares in ({}, {"pictures": 0.0}, {"pictures": 1.0, "clips": -0.5}):
        with pytest.raises(ConfigError, match="shares of at least 0"):
            TrainConfig(name="x", programmes=shares)
    with pytest.raises(ConfigError, match="share from 0 to 1"):
        TrainConfig(name="x", text_shortcut=1.5)


def test_sizes_of_a_network_beside_weights_to_start_from_are_refused():
    with pytest.raises(ConfigError, match="init old has its own"):
        TrainConfig(name="x", init="old", network={"layers": 1})


def test_a_programme_that_would_teach_nothing_is_refused():
    for name, weight in (("vision", "vision_weight"), ("motion", "motion_weight")):
        with pytest.raises(ConfigError, match=f"{name} learns from its own heads alone: give {weight} above 0"):
            check_programmes(TrainConfig(name="x", programmes={name: 1.0}))
        check_programmes(TrainConfig(name="x", programmes={name: 1.0}, **{weight: 0.1}))
        check_programmes(TrainConfig(name="x", programmes={name: 0.0, "pictures": 1.0}))


def test_jitter_moves_all_frames_of_a_clip_together_and_keeps_the_bytes_of_what_stays():
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), dtype=np.uint8)
    moved = jittered(frames, np.random.default_rng(2), 4, 0.0)
    down, right = np.random.default_rng(2).integers(-4, 5, 2)
    assert (down, right) != (0, 0)
    inner = slice(4, 16)
    expected = frames[:, 4 + down : 16 + down, 4 + right : 16 + right]
    assert np.array_equal(moved[:, inner, inner], expected)
    assert np.array_equal(jittered(frames, np.random.default_rng(2), 0, 0.0), frames)


def test_jitter_changes_the_light_by_at_most_its_share():
    grey = np.full((1, 8, 8, 3), 100, np.uint8)
    values = [int(jittered(grey, np.random.default_rng(seed), 0, 0.1)[0, 0, 0, 0]) for seed in range(50)]
    assert 90 <= min(values) < 95 and 105 < max(values) <= 110


def test_a_tint_moves_each_channel_on_its_own_and_keeps_black_and_order():
    ramp = np.repeat(np.arange(0, 250, 10, dtype=np.uint8), 3).reshape(1, 5, 5, 3)
    seen = [jittered(ramp, np.random.default_rng(seed), 0, 0.0, 0.1) for seed in range(50)]
    middle = np.array([frames[0, 2, 2] for frames in seen], int)
    assert (middle.min(0) > 120 * 0.9 * (120 / 255) ** 0.1 - 1).all() and (middle.max(0) < 133 * 1.1 + 1).all()
    assert (middle.std(0) > 3).all() and any(len(set(row)) == 3 for row in middle.tolist())
    for frames in seen:
        channels = frames.reshape(-1, 3).astype(int)
        assert (channels[0] == 0).all() and (np.diff(channels, axis=0) >= 0).all()


def test_a_query_without_an_exact_answer_is_answered_by_what_keeps_the_main_facts(tiny_world, encoder):
    """Its scene is of training and not shown; what answers it agrees in category, colour, ground and the edit."""
    main = [list(attributes.COLUMNS).index(name) for name in ("category", "colour", "surface")]
    inexact = 0
    for step in range(8):
        batch = build(tiny_world, encoder, "pictures", step, graded=1.0)
        contrast = next(one for one in batch.contrasts if one.task == "it2i")
        found = torch.cat([batch.codes[role] for role in contrast.candidates])
        for wanted, column, ignored in zip(
            batch.codes["it2i"], contrast.positive.tolist(), contrast.ignore, strict=True
        ):
            assert torch.equal(found[column][main], wanted[main])
            if torch.equal(found[column], wanted):
                continue
            inexact += 1
            assert not (found == wanted).all(1).any()
            others = found[~ignored & (torch.arange(len(found)) != column)]
            assert not any(torch.equal(other, found[column]) for other in others)
    assert inexact


@pytest.mark.parametrize("cluttered", [False, True])
def test_a_query_without_an_exact_answer_asks_for_three_beside_something_where_its_family_shows_it(cluttered):
    world = SimpleNamespace(manifest={"split": "train"})
    draft = SimpleNamespace(rng=np.random.default_rng(4), config=SimpleNamespace(graded=1.0), world=world)
    asked = set()
    for family in plan_families(
        WorldSpec(families=150, clip_families=0, seed=6, crowded=1.0, cluttered=float(cluttered))
    ):
        for target in family[:4]:
            found = programmes._inexact(draft, (family[0], target, None), family)
            if found is not None:
                wanted = found[0][1].scene
                assert split_of(wanted) == "train" and wanted not in {item.scene for item in family}
                asked.add(is_cluttered(wanted))
    assert asked == ({True, False} if cluttered else {False})


def test_a_clip_of_a_world_without_clips_is_refused(tiny_world, encoder):
    without = replace(tiny_world, clip_pixels=None)
    with pytest.raises(ConfigError, match="this world has no clips: render one with --clip-families"):
        build(without, encoder, "motion")
