"""The benchmark: exact relevant sets, hard pools, disjoint splits, M-BEIR files that are the same for the same seed."""

import json
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from training.catalogue import benchmark, mbeir_world, pool, world, writer
from training.catalogue.edits import Edit, differences
from training.catalogue.families import is_cluttered, split_of
from training.catalogue.scene import Scene, is_held_out
from training.catalogue.shortcut import cue_of
from umr.disk import file_sha256
from umr.errors import ConfigError, MismatchError

TINY = pool.Sizes((10, 4, 4), (8, 4, 4), (2, 2, 2), 5, 12, 8)


@pytest.fixture(scope="module")
def plan():
    return benchmark.make_plan(3, TINY, "test")


@pytest.fixture
def stub_renderer(monkeypatch):
    """Files that depend on their job alone, without rendering."""
    rendered = []

    def render(task):
        path, job = task
        rendered.append(path)
        shade = np.random.default_rng(job.seed).integers(0, 255, (4, 4, 3), np.uint8)
        Image.fromarray(shade).save(path, "PNG")

    monkeypatch.setattr(writer, "render_file", render)
    return rendered


def asks(plan):
    return [(task, split, ask) for (task, split), rows in plan.queries.items() for ask in rows]


def test_relevant_sets_are_all_candidates_that_satisfy_the_query(plan):
    for task, _, ask in asks(plan):
        modality = writer.WORDS[task.split("2")[1]]
        right = [
            row.did
            for row in plan.rows
            if row.modality == modality
            and (ask.facts is None or row.facts == ask.facts)
            and (ask.edit.matches(ask.scene, row.scene) if ask.edit else row.scene == ask.scene)
        ]
        assert right and ask.relevant == right


def test_no_scene_of_the_benchmark_can_be_trained_on(plan):
    shown = [row.scene for row in plan.rows] + [job.scene for job in plan.media.values()]
    assert {split_of(scene) for scene in shown} == {"test"}
    validation = benchmark.make_plan(3, pool.Sizes((8, 0, 0), (6, 0, 0), (2, 0, 0), 4, 8, 6), "validation")
    assert {split_of(row.scene) for row in validation.rows} == {"validation"}
    assert {split for _, split in validation.queries} == {
        "ind",
        "shortcut-text",
        "shortcut-picture",
        "rendering",
        "phrasing",
    }


def test_every_task_and_split_has_its_queries(plan):
    counts = {key: len(rows) for key, rows in plan.queries.items()}
    assert {task for task, _ in counts} == set(writer.TASK_IDS)
    for (_, split), count in counts.items():
        assert count == (TINY.ind if split == "ind" else TINY.other)
    for task in ("it2i", "it2t", "it2v"):
        assert {split for name, split in counts if name == task} == {"ind", *benchmark.OTHER_SPLITS}


def test_pools_of_composed_queries_are_hard(plan):
    images = {row.did: row.scene for row in plan.rows if row.modality == "image"}
    for task, _, ask in asks(plan):
        if task != "it2i":
            continue
        target = images[ask.relevant[0]]
        hard = [images[did] for did in ask.hard]
        assert hard[0] == ask.scene, "the reference comes first"
        assert sum(len(differences(scene, target)) <= 2 for scene in hard) >= 4
        assert any(benchmark.matches_text(ask.edit, ask.scene, target, scene) for scene in images.values())
        assert not set(ask.hard) & set(ask.relevant)
        if ask.edit.kind in benchmark.CONTRASTED_KINDS:
            assert any(
                differences(scene, target) == [ask.edit.kind] and scene != ask.scene for scene in images.values()
            )


def test_splits_are_what_their_names_say(plan):
    for task, split, ask in asks(plan):
        if not ask.edit:
            continue
        modality = writer.WORDS[task.split("2")[1]]
        targets = [row.scene for row in plan.rows if row.modality == modality and row.did in ask.relevant]
        job = plan.media[ask.media]
        assert job.scene == ask.scene and job.kind == "queries"
        assert (job.style == "shifted") == (split == "rendering")
        assert (job.cue is not None) == (split == "shortcut-picture") and job.cue != cue_of(ask.edit)
        if split == "combination":
            assert is_held_out(ask.scene) or any(map(is_held_out, targets))
        else:
            assert not is_held_out(ask.scene)
        assert is_cluttered(ask.scene) == (split == "clutter") or split == "combination"


def test_the_family_of_a_query_is_that_of_the_scenes_drawn_with_its_own(plan):
    """Its reference and everything that differs from it by one draw: eight scenes, of which it starts from one."""
    stills = defaultdict(set)
    for _, _, ask in asks(plan):
        stills[ask.family].add(replace(ask.scene, action=None))
    assert sum(map(len, stills.values())) == len(set().union(*stills.values()))
    images = [row.scene for row in plan.rows if row.modality == "image"]
    drawn = [set(images[start : start + 8]) for start in range(0, len(images), 8)]
    for scenes in stills.values():
        assert any(scenes <= together for together in drawn)
    clips = {ask.family for task, _, ask in asks(plan) if task == "t2v"}
    assert len(clips) <= sum(TINY.with_clips) < len({ask.family for task, _, ask in asks(plan) if task == "t2i"})


def test_query_pictures_are_never_candidates(plan):
    candidates = {row.media for row in plan.rows}
    assert not candidates & {ask.media for _, _, ask in asks(plan) if ask.media}
    seeds = Counter(job.seed for job in plan.media.values())
    assert max(seeds.values()) == 1


def test_clips_share_their_stills_so_that_the_action_decides(plan):
    stills = Counter(replace(row.scene, action=None) for row in plan.rows if row.modality == "video")
    assert sum(count > 1 for count in stills.values()) >= len(stills) / 2


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_files_are_mbeirs_and_equal_for_equal_seeds(plan, stub_renderer, tmp_path):
    counts = writer.write(plan, tmp_path / "one", 1)
    writer.write(benchmark.make_plan(3, TINY, "test"), tmp_path / "two", 1)
    names = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(tmp_path / "two") for path in (tmp_path / "two").rglob("*") if path.is_file()
    )
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    candidates = {
        row["did"]: row for path in (tmp_path / "one/cand_pool/local").glob("*_cand_pool.jsonl") for row in read(path)
    }
    assert len(candidates) == len(plan.rows) == sum(counts[name] for name in ("image", "passage", "entry", "clip"))
    for row in candidates.values():
        media = row["img_path"] or row.get("video_path")
        assert (media is None) == (row["modality"] == "text") and (row["txt"] is None) == (
            row["modality"] in ("image", "video")
        )
        if media:
            assert file_sha256(tmp_path / "one" / media) == row["content_hash"]
        Scene.from_json(json.loads(row["src_content"])["scene"])
    for path in (tmp_path / "one/query/test").glob("*.jsonl"):
        qrels = [
            line.split() for line in (tmp_path / "one/qrels/test" / f"{path.stem}_qrels.txt").read_text().splitlines()
        ]
        for row in read(path):
            assert set(row) == {
                "qid",
                "query_txt",
                "query_img_path",
                "query_modality",
                "query_src_content",
                "pos_cand_list",
                "neg_cand_list",
                "task_id",
            }
            assert [did for qid, _, did, _, _ in qrels if qid == row["qid"]] == row["pos_cand_list"]
            assert all(did in candidates for did in row["pos_cand_list"] + row["neg_cand_list"])
            source = json.loads(row["query_src_content"])
            assert "scene" in source or Edit.from_json(source["edit"])
            assert type(source["family"]) is int
    assert json.loads((tmp_path / "one/benchmark.json").read_text())["split"] == "test"
    table = (tmp_path / "one/instructions/query_instructions.tsv").read_text().splitlines()
    assert len(table) == 16 and all(len(line.split("\t")) == 8 for line in table)


def test_a_killed_build_goes_on_and_another_build_is_refused(plan, stub_renderer, tmp_path):
    writer.write(plan, tmp_path, 1)
    (tmp_path / "benchmark.json").rename(tmp_path / ".building")
    (tmp_path / ".building").write_text(plan.digest() + "\n")
    (tmp_path / "files/images/00003.webp").unlink()
    stub_renderer.clear()
    writer.write(plan, tmp_path, 1)
    assert [path.name for path in stub_renderer] == ["00003.webp"]
    with pytest.raises(MismatchError, match="another build"):
        writer.write(writer.Plan(4, dict(list(plan.media.items())[:3])), tmp_path, 1)


def test_too_few_clusters_are_an_error_that_says_so():
    with pytest.raises(ConfigError, match="more clusters"):
        benchmark.make_plan(3, pool.Sizes((2, 0, 0), (1, 0, 0), (1, 0, 0), 1, 5000, 1), "validation")
    with pytest.raises(ConfigError, match="train"):
        benchmark.build("unused", 1, split="train")


def test_one_picture_and_one_clip_render_to_files(tmp_path):
    scene = Scene("mug", "red")
    writer.render_file((tmp_path / "a.webp", writer.Media("images", scene, 1, 32, cue=5)))
    assert Image.open(tmp_path / "a.webp").size == (32, 32)


def test_worlds_are_families_of_training_scenes_that_do_not_depend_on_their_number(tmp_path):
    few, many = (world.plan_families(n, 9, "train") for n in (3, 6))
    assert many[:3] == few and [len(items) for items in many] == [5] * 6
    assert [item.row for items in many for item in items] == list(range(30))
    assert all(items[0].scene == items[4].scene and items[0].seed != items[4].seed for items in many)
    assert {split_of(item.scene) for items in many for item in items} == {"train"}
    clips = world.plan_clips(many, 2, 9, "train")
    assert all(
        replace(clip.scene, action=None) in {item.scene for item in items}
        for items, row in zip(many, clips, strict=False)
        for clip in row
    )
    with pytest.raises(ConfigError, match="stills"):
        world.plan_clips(few, 4, 9, "train")


def test_a_world_is_built_read_back_and_checked(tmp_path):
    spec = world.WorldSpec(families=2, clip_families=1, seed=5, size=16)
    made = world.build_world(tmp_path, spec, workers=1, progress=False)
    assert made.pixels.shape == (10, 16, 16, 3) and made.clip_pixels.shape == (4, 8, 16, 16, 3)
    assert made.families == world.plan_families(2, 5, "train")
    again = world.build_world(tmp_path, spec, workers=1, progress=False)
    assert (again.pixels == made.pixels).all()
    (tmp_path / "scenes.jsonl").write_text("")
    with pytest.raises(MismatchError, match="changed"):
        world.load_world(tmp_path)
    with pytest.raises(ConfigError, match="not a finished world"):
        world.load_world(tmp_path / "elsewhere")


def test_a_world_is_written_as_mbeir_files_with_the_asked_shortcuts(tmp_path):
    spec = world.WorldSpec(families=3, clip_families=1, seed=5, size=16)
    made = world.build_world(tmp_path / "world", spec, workers=1, progress=False)
    counts = mbeir_world.write_mbeir(made, tmp_path / "mbeir", 5, text_shortcut=1.0, picture_shortcut=1.0)
    assert counts["image"] == 15 and counts["clip"] == 4 and counts["passage"] >= 12
    candidates = {
        row["did"]: row for path in (tmp_path / "mbeir/cand_pool/local").glob("*.jsonl") for row in read(path)
    }
    queries = read(tmp_path / "mbeir/query/train/mbeir_catalogue_it2i_ind_train.jsonl")
    assert len(queries) > 20
    for row in queries:
        source = json.loads(row["query_src_content"])
        edit, reference = Edit.from_json(source["edit"]), Scene.from_json(source["reference"])
        right = [
            did
            for did, other in candidates.items()
            if other["modality"] == "image"
            and edit.matches(reference, Scene.from_json(json.loads(other["src_content"])["scene"]))
        ]
        assert sorted(row["pos_cand_list"]) == sorted(right)
        assert (
            row["query_img_path"].startswith("files/queries/") and (tmp_path / "mbeir" / row["query_img_path"]).exists()
        )
        assert reference.category in row["query_txt"].lower() or edit.kind in ("category", "two", "negation")
    with pytest.raises(ConfigError, match="share"):
        mbeir_world.write_mbeir(made, tmp_path / "other", 5, text_shortcut=2.0)
