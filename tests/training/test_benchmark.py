"""The benchmark: exact relevant sets, a dense collection, splits that are what they say, same files for same seeds."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from training.catalogue import benchmark, distractors, free, pool, typos, world, writer
from training.catalogue.edits import COMPOUND, Edit, between, differences
from training.catalogue.grid import GridSizes, groups_of
from training.catalogue.layout import STYLES
from training.catalogue.lookup import SceneTable
from training.catalogue.render import paint_shown
from training.catalogue.scene import Scene, is_held_out
from training.catalogue.shortcut import cue_of
from training.catalogue.splits import is_cluttered, split_of
from umr.disk import file_sha256
from umr.errors import ConfigError, MismatchError
from umr.formats import write_jsonl
from umr.shipped import default_root
from umr.types import Embeddings

TINY = pool.Sizes(
    grid=GridSizes(categories=3, colours=4, surfaces=3, counted=(2, 1), arrangements=3, cluttered=2, combined=(3, 1)),
    with_entries=8,
    with_clips=6,
    it2i=24,
    ind=10,
    other=8,
    typed=18,
    free=20,
)


@pytest.fixture(scope="module")
def plan():
    return benchmark.make_plan(3, TINY, "test")


@pytest.fixture(scope="module")
def validation():
    return benchmark.make_plan(3, TINY, "validation")


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


def pictured(plan):
    """(ask, the job of its picture) of all composed queries that have a render of their own."""
    return [(split, ask, plan.media[ask.media]) for task, split, ask in asks(plan) if ask.edit and split != "free"]


def test_relevant_sets_are_all_candidates_that_satisfy_the_query(plan):
    for task, split, ask in asks(plan):
        rows = [row for row in plan.rows if row.modality == writer.WORDS[task.split("2")[1]]]
        if split == "free":
            continue
        if ask.typed:
            right = [row.did for row in rows if ask.typed.matches(row.scene)]
        else:
            right = [
                row.did
                for row in rows
                if (ask.facts is None or row.facts == ask.facts)
                and (ask.edit.matches(ask.scene, row.scene) if ask.edit else row.scene == ask.scene)
            ]
        assert right and ask.relevant == right, (task, split)


def spelt_out(reference, edit, scene):
    """The grade of an answer to a free edit, without the table of free.py."""
    lost = [name for name in differences(reference, scene) if name not in edit.allowed(reference)]
    if any(getattr(scene, name) not in values for name, values in edit.allowed(reference).items()):
        return 0
    main = [name for name in lost if name in ("category", "colour", "surface")]
    if main:
        return 1 if len(main) == 1 else 0
    return {0: 4, 1: 3}.get(len(lost), 2)


def test_free_edits_are_graded_by_what_the_answer_keeps(plan):
    images = {row.did: row.scene for row in plan.rows if row.modality == "image"}
    own = {row.media: row.scene for row in plan.rows if row.modality == "image"}
    exact = 0
    for ask in plan.queries["it2i", "free"]:
        assert own[ask.media] == ask.scene, "the reference is a picture of the collection itself"
        wanted = {did: spelt_out(ask.scene, ask.edit, scene) for did, scene in images.items()}
        least = min(max(wanted.values()), 2)  # loose answers are listed where there is no better one
        assert ask.grades == {did: grade for did, grade in wanted.items() if grade >= least}
        assert ask.relevant and all(ask.grades[did] == max(ask.grades.values()) for did in ask.relevant)
        exact += 4 in ask.grades.values()
    assert 0 < exact < len(plan.queries["it2i", "free"])


def test_at_least_seven_in_ten_sensible_edits_of_a_random_picture_have_an_exact_answer():
    scenes = [scene for group in groups_of("test", benchmark.FULL.grid, 7) for scene in group.scenes]
    assert 2400 <= len(scenes) <= 4900 and len(set(scenes)) == len(scenes)
    found = free.coverage(scenes, 3000, 7, free.range_of(scenes))
    assert found["all"]["exact"] >= 0.70, found
    assert found["colour"]["exact"] > 0.8 and found["surface"]["exact"] > 0.7
    anything = free.coverage(scenes, 600, 7, None)
    assert 0.5 < anything["all"]["exact"] < found["all"]["exact"]


def test_the_table_of_scenes_gives_the_answers_of_the_edits(plan):
    scenes = [row.scene for row in plan.rows]
    table = SceneTable(scenes)
    for _, _, ask in asks(plan)[::7]:
        assert table.distance(ask.scene).tolist() == [len(differences(ask.scene, scene)) for scene in scenes]
        if ask.edit:
            assert table.relevant(ask.scene, ask.edit).tolist() == [
                row for row, scene in enumerate(scenes) if ask.edit.matches(ask.scene, scene)
            ]


def test_no_scene_of_the_benchmark_can_be_trained_on(plan, validation):
    for made, split in ((plan, "test"), (validation, "validation")):
        shown = [row.scene for row in made.rows] + [job.scene for job in made.media.values()]
        assert {split_of(scene) for scene in shown} == {split} == {made.split}


def test_every_task_and_split_has_its_queries_of_many_groups(plan):
    counts = {key: len(rows) for key, rows in plan.queries.items()}
    assert {task for task, _ in counts} == set(writer.TASK_IDS)
    assert counts["it2i", "ind"] == 24 and counts["t2i", "typed"] == 18 and counts["it2i", "free"] == 20
    for task, splits in benchmark.SPLITS_OF.items():
        for split in splits:
            assert 4 <= counts[task, split] <= max(TINY.other, TINY.free), (task, split)
    assert len({ask.group for ask in plan.queries["it2i", "ind"]}) == 24, "as many groups as there can be"
    assert {ask.typed.form for ask in plan.queries["t2i", "typed"]} == set(benchmark.typed.FORMS)


def test_the_full_plan_has_two_thousand_composed_queries_of_four_hundred_groups():
    full = benchmark.FULL
    asked = full.it2i + full.free + full.other * (len(benchmark.SPLITS_OF["it2i"]) - 1)
    groups = groups_of("test", full.grid, 7)
    lines = [group for group in groups if group.part == "line" and not is_held_out(group.scenes[0])]
    assert asked >= 2000 and len(lines) >= 400 and full.with_clips >= 150
    assert len([group for group in lines if group.scenes[0].size == "large"]) >= 150


def test_the_bundled_queries_are_of_so_many_groups_and_their_answers_are_the_exact_ones():
    """By the files alone, whatever the plan says: each query's answers are those of the facts beside it."""
    root = default_root() / "media" / "catalogue"
    scenes = {"image": {}, "video": {}}
    for name in ("image", "clip"):
        for row in read(root / f"cand_pool/local/mbeir_catalogue_{name}_cand_pool.jsonl"):
            scenes[row["modality"]][row["did"]] = Scene.from_json(json.loads(row["src_content"])["scene"])
    groups = {"it2i": set(), "it2v": set()}
    asked = Counter()
    for task, kind in (("it2i", "image"), ("it2v", "video")):
        for path in sorted((root / "query/test").glob(f"mbeir_catalogue_{task}_*_test.jsonl")):
            rows = read(path)
            asked[task] += len(rows)
            groups[task] |= {row["group"] for row in rows}
            for row in rows[:: len(rows) // 12]:
                facts = json.loads(row["query_src_content"])
                edit, reference = Edit.from_json(facts["edit"]), Scene.from_json(facts["reference"])
                right = [did for did, scene in scenes[kind].items() if edit.matches(reference, scene)]
                assert "_free_" not in path.name or row["exact"] == right, row["qid"]
                assert "_free_" in path.name or sorted(row["pos_cand_list"]) == sorted(right), row["qid"]
    assert asked["it2i"] >= 2000 and len(groups["it2i"]) >= 400 and len(groups["it2v"]) >= 150
    assert len({replace(scene, action=None) for scene in scenes["video"].values()}) >= 150


def test_groups_share_no_scene_and_every_query_names_its_own(plan):
    groups = groups_of("test", TINY.grid, 3)
    number = {scene: group.number for group in groups for scene in group.scenes}
    assert len(number) == sum(len(group.scenes) for group in groups)
    assert all(ask.group == number[replace(ask.scene, action=None)] for _, _, ask in asks(plan))


def test_pools_of_composed_queries_are_hard(plan):
    images = {row.did: row.scene for row in plan.rows if row.modality == "image"}
    other_values = 0
    for task, split, ask in asks(plan):
        if task != "it2i" or split == "free":
            continue
        target = images[ask.relevant[0]]
        hard = [images[did] for did in ask.hard]
        assert ask.scene in images.values() and (hard[0] == ask.scene or len(differences(ask.scene, target)) > 2)
        assert len(hard) >= 4 and all(len(differences(scene, target)) <= 2 for scene in hard)
        assert not set(ask.hard) & set(ask.relevant)
        other_values += any(
            differences(scene, target) == [ask.edit.kind] and scene != ask.scene for scene in images.values()
        )
    assert other_values > 20


def test_splits_are_what_their_names_say(plan, validation):
    for made, suffix in ((plan, ""), (validation, " 2")):
        images = {row.did: row.scene for row in made.rows}
        for split, ask, job in pictured(made):
            targets = [images[did] for did in ask.relevant]
            held = is_held_out(ask.scene) or any(map(is_held_out, targets))
            assert job.scene == ask.scene and job.kind == "queries"
            style = split + suffix if split in ("light", "camera") else "catalogue"
            assert job.style == style and style in STYLES
            assert held == (split == "combination") and (is_cluttered(ask.scene) or split != "clutter")
            assert (ask.edit.kind in COMPOUND) == (split == "twofold") or split == "binding"
            if split == "binding":
                assert ask.scene.companion and any(
                    part.kind in benchmark.BINDING for part in (ask.edit.parts or (ask.edit,))
                )
    assert {split for _, split, _ in asks(validation)} == {split for _, split, _ in asks(plan)} - {"combination"}


def test_an_unusual_camera_hides_nothing_that_is_asked(plan):
    made, low = pool.Pool(3, TINY, "test"), [row for row in pictured(plan) if row[0] == "camera"]
    for _, ask, job in low:
        usual = paint_shown(ask.scene, made.picture_seed(ask.scene, "catalogue", 0))
        assert paint_shown(ask.scene, job.seed, job.style) >= benchmark.FAIR_SHARE * usual > 0
    assert len(low) > 10


def test_shortcut_splits_ask_the_same_and_differ_in_the_tag_alone(plan):
    kept, broken, reversed_ = (plan.queries["it2i", split] for split in benchmark.SHORTCUTS)
    assert len(kept) == len(broken) == len(reversed_) > 4
    images = {row.did: row.scene for row in plan.rows if row.modality == "image"}
    rng = np.random.default_rng(0)
    for one, other, third in zip(kept, broken, reversed_, strict=True):
        assert len({(ask.text, ask.scene, ask.edit, tuple(ask.relevant)) for ask in (one, other, third)}) == 1
        jobs = [plan.media[ask.media] for ask in (one, other, third)]
        assert len({(job.seed, job.scene, job.style) for job in jobs}) == 1
        mine = cue_of(one.edit)
        assert jobs[0].cue == mine != jobs[1].cue and jobs[2].cue not in (mine, None)
        others = [(did, scene) for did, scene in images.items() if 0 < len(differences(third.scene, scene)) <= 3]
        # a draw is one of the edits that lead there: so many show them all, where a few may miss the one that is told
        edits = [(did, between(third.scene, scene, rng)) for did, scene in others for _ in range(30)]
        told = {did for did, edit in edits if edit is not None and cue_of(edit) == jobs[2].cue}
        assert told - set(third.relevant), "the reversed tag tells an edit that leads to another picture"


def test_phrasings_and_typing_errors_of_the_test_are_not_validations(plan, validation):
    wrong = {way for ways in typos.MISSPELLINGS.values() for way in ways}
    words = {
        made.split: [
            set(ask.text.lower().replace(",", " ").replace("?", " ").split()) for ask in made.queries["it2i", "typos"]
        ]
        for made in (plan, validation)
    }
    assert all(line & wrong for line in words["test"]) and not any(line & wrong for line in words["validation"])
    texts = {made.split: {ask.text for ask in made.queries["it2i", "phrasing"]} for made in (plan, validation)}
    assert not texts["test"] & texts["validation"]


def test_query_pictures_are_never_candidates_but_of_free_edits(plan):
    candidates = {row.media for row in plan.rows}
    assert not candidates & {ask.media for _, split, ask in asks(plan) if ask.media and split != "free"}
    seeds = Counter(job.seed for job in plan.media.values() if job.cue is None)
    assert max(seeds.values()) == 1


def test_clips_share_their_stills_so_that_the_action_decides(plan):
    stills = Counter(replace(row.scene, action=None) for row in plan.rows if row.modality == "video")
    assert sum(count > 1 for count in stills.values()) >= len(stills) / 2
    groups = {ask.group for ask in plan.queries["it2v", "ind"]}
    assert len(groups) >= TINY.with_clips


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_files_are_mbeirs_and_equal_for_equal_seeds(plan, stub_renderer, tmp_path):
    counts = writer.write(plan, tmp_path / "one", 1)
    writer.write(benchmark.make_plan(3, TINY, "test"), tmp_path / "two", 1)
    assert json.loads((tmp_path / "one/benchmark.json").read_text())["split"] == "test"
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
            graded = {"exact", "edit_made_facts_kept"} if "free" in path.name else set()
            assert set(row) == graded | {
                "qid",
                "query_txt",
                "query_img_path",
                "query_modality",
                "query_src_content",
                "pos_cand_list",
                "neg_cand_list",
                "task_id",
                "group",
            }
            judged = {did: int(grade) for qid, _, did, grade, _ in qrels if qid == row["qid"]}
            best = max(judged.values())
            assert [did for did, grade in judged.items() if grade == best] == row["pos_cand_list"] and (
                graded or best == 1
            )
            if graded:
                assert row["exact"] == [did for did, grade in judged.items() if grade == 4]
                assert row["edit_made_facts_kept"] == [did for did, grade in judged.items() if grade >= 2]
            assert all(did in candidates for did in row["pos_cand_list"] + row["neg_cand_list"])
            source = json.loads(row["query_src_content"])
            assert source["family"] == row["group"]
            assert source.get("form") or "scene" in source or Edit.from_json(source["edit"])
            if "form" not in source:
                assert Scene.from_json(source.get("scene") or source["reference"])
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


def test_too_small_a_grid_is_an_error_that_says_so():
    with pytest.raises(ConfigError, match="larger grid"):
        benchmark.make_plan(3, replace(TINY, ind=5000), "validation")
    with pytest.raises(ConfigError, match="train"):
        benchmark.build("unused", 1, split="train")


def test_one_picture_and_one_clip_render_to_files(tmp_path):
    scene = Scene("mug", "red")
    writer.render_file((tmp_path / "a.webp", writer.Media("images", scene, 1, 32, cue=5)))
    assert Image.open(tmp_path / "a.webp").size == (32, 32)


def planned(families, seed=9, **shares):
    return world.plan_families(world.WorldSpec(families=families, clip_families=0, seed=seed, **shares))


def test_worlds_are_families_of_training_scenes_that_do_not_depend_on_their_number(tmp_path):
    few, many = (planned(n) for n in (3, 6))
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
    assert made.families == planned(2, seed=5)
    again = world.build_world(tmp_path, spec, workers=1, progress=False)
    assert (again.pixels == made.pixels).all()
    (tmp_path / "scenes.jsonl").write_text("")
    with pytest.raises(MismatchError, match="changed"):
        world.load_world(tmp_path)
    (tmp_path / "world.json").write_text(json.dumps(made.manifest | {"format": 1}))
    with pytest.raises(MismatchError, match=r"held out for the test\. Build it again"):
        world.load_world(tmp_path)
    with pytest.raises(ConfigError, match="not a finished world"):
        world.load_world(tmp_path / "elsewhere")


def test_a_share_of_a_worlds_renders_is_jittered():
    items = [item for items in planned(60, jitter=0.3) for item in items]
    assert 0.2 < np.mean([item.style == "jittered" for item in items]) < 0.4
    assert {item.style for items in planned(10) for item in items} == {"catalogue"}
    with pytest.raises(ConfigError, match="share of the renders"):
        planned(1, jitter=2)


def test_a_share_of_a_worlds_families_is_crowded_and_its_file_says_so(tmp_path):
    ordinary, some, full = (planned(80, crowded=share) for share in (0, 0.5, 1))

    def company(planned):
        scenes = [item.scene for items in planned for item in items]
        return np.mean([scene.count > 1 and scene.companion is not None for scene in scenes])

    assert company(ordinary) < company(some) < company(full)
    with pytest.raises(ConfigError, match=r"crowded is -0\.1; it is a share of the families"):
        planned(1, crowded=-0.1)
    spec = world.WorldSpec(families=1, clip_families=0, seed=5, size=16, crowded=1.0)
    assert world.build_world(tmp_path / "full", spec, workers=1, progress=False).manifest["crowded"] == 1.0
    spec = replace(spec, crowded=0.0)
    assert "crowded" not in world.build_world(tmp_path / "plain", spec, workers=1, progress=False).manifest


def test_no_distractor_answers_any_query_that_searches_pictures(plan):
    scenes = distractors.distractor_scenes(plan, 150, 3)
    assert len(set(scenes)) == 150 and scenes[:40] == distractors.distractor_scenes(plan, 40, 3)
    assert {split_of(scene) for scene in scenes} == {"test"}
    collection = {row.scene for row in plan.rows if row.modality == "image"}
    for scene in scenes:
        assert scene not in collection
        for task, split, ask in asks(plan):
            if not task.endswith("2i"):
                continue
            if ask.typed:
                assert not ask.typed.matches(scene)
            elif split == "free":
                assert spelt_out(ask.scene, ask.edit, scene) < 2
            elif ask.edit:
                assert not ask.edit.matches(ask.scene, scene)
            else:
                assert scene != ask.scene


class ColourMeans:
    """An encoder whose vector is a picture's mean colour."""

    name, fingerprint = "means", "0" * 64

    def __init__(self):
        self.seen = 0

    def encode_candidates(self, candidates):
        self.seen += len(candidates)
        return Embeddings(
            ids=tuple(one.candidate_id for one in candidates),
            encoder=self.fingerprint,
            vectors=np.stack([unit(one.content.image.mean((0, 1))) for one in candidates]),
        )


def unit(vector):
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_distractors_are_vectors_with_facts_that_a_killed_run_resumes(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(distractors, "BLOCK", 4)
    monkeypatch.setattr(
        distractors,
        "render_image",
        lambda scene, seed, size: np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8),
    )
    whole, killed = ColourMeans(), ColourMeans()
    path = distractors.embed_distractors(whole, plan, 10, 3, tmp_path / "whole", 1)
    vectors = np.load(path)
    assert vectors.shape == (10, 3) and vectors.dtype == np.float16 and whole.seen == 10
    scenes = [Scene.from_json(row) for row in read(tmp_path / "whole/scenes.jsonl")]
    assert scenes == distractors.distractor_scenes(plan, 10, 3)
    assert sorted(file.name for file in (tmp_path / "whole").iterdir()) == [
        "distractors.json",
        "scenes.jsonl",
        "vectors.npy",
    ]
    again = distractors.embed_distractors(whole, plan, 10, 3, tmp_path / "whole", 1)
    assert again == path and whole.seen == 10, "what is finished is not made again"
    monkeypatch.setattr(
        distractors,
        "write_jsonl",
        lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        distractors.embed_distractors(killed, plan, 10, 3, tmp_path / "killed", 1)
    monkeypatch.setattr(distractors, "write_jsonl", write_jsonl)
    distractors.embed_distractors(killed, plan, 10, 3, tmp_path / "killed", 1)
    assert killed.seen == 10 and np.array_equal(np.load(tmp_path / "killed/vectors.npy"), vectors)
    with pytest.raises(MismatchError, match="another run"):
        distractors.embed_distractors(whole, plan, 10, 4, tmp_path / "whole", 1)


def test_blocks_of_distractors_do_not_depend_on_the_number_of_processes(plan):
    scenes = distractors.distractor_scenes(plan, 5, 3)
    blocks = [
        [(scene, place, 16) for place, scene in enumerate(part)] for part in (scenes[:2], scenes[2:4], scenes[4:])
    ]
    alone, together = (list(distractors._rendered(blocks, workers)) for workers in (1, 2))
    assert [len(pictures) for pictures in alone] == [2, 2, 1]
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)
