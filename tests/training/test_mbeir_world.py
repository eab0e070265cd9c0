"""A world as M-BEIR files: every answer is listed, words are those of training, same files for same seeds."""

import json
import re
from collections import Counter, defaultdict
from itertools import chain

import pytest

from training.catalogue import mbeir_world, typed, world
from training.catalogue.__main__ import main as catalogue
from training.catalogue.edit_phrases_unseen import EDIT_WORDS
from training.catalogue.edits import COMPANION_KINDS, COMPOUND, Edit
from training.catalogue.mbeir_world import MbeirSpec
from training.catalogue.scene import Scene
from training.sources.readers import load_source
from training.sources.spec import parse
from umr.errors import ConfigError

EARLIER = ("t2i", "t2t", "i2t", "it2i", "it2t", "t2v", "it2v")


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def queries_of(folder):
    """{file without affixes: its rows}"""
    return {
        path.stem.removeprefix("mbeir_catalogue_").removesuffix("_train"): read(path)
        for path in sorted((folder / "query/train").glob("*.jsonl"))
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    spec = world.WorldSpec(families=4, clip_families=1, seed=23, size=16, renders_per_family=6)
    return world.build_world(tmp_path_factory.mktemp("world"), spec, workers=1, progress=False)


@pytest.fixture(scope="module")
def written(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mbeir")
    mbeir_world.write_mbeir(made, folder, 5)
    return folder


@pytest.fixture(scope="module")
def candidates(written):
    """did -> (row, scene, facts)"""
    found = {}
    for path in (written / "cand_pool/local").glob("*.jsonl"):
        for row in read(path):
            told = json.loads(row["src_content"])
            found[row["did"]] = row, Scene.from_json(told["scene"]), told.get("facts")
    return found


@pytest.mark.parametrize("name", ["t2it_ind", "it2it_ind", "i2i_ind", "t2i_typed"])
def test_every_candidate_that_answers_is_listed_and_no_other(written, candidates, name):
    modality = {"t2it_ind": "image,text", "it2it_ind": "image,text"}.get(name, "image")
    rows = queries_of(written)[name]
    assert len(rows) >= 10
    for row in rows:
        asked = json.loads(row["query_src_content"])
        edit = Edit.from_json(asked["edit"]) if "edit" in asked else None
        scene = Scene.from_json(asked.get("reference") or asked["scene"]) if name != "t2i_typed" else None
        right = []
        for did, (other, shown, facts) in candidates.items():
            if other["modality"] != modality or facts != asked.get("facts"):
                continue
            if scene is None:
                fits = typed.TypedQuery.from_json(asked).matches(shown)
            else:
                fits = edit.matches(scene, shown) if edit else shown == scene
            if fits and not (name == "i2i_ind" and other["img_path"] == row["query_img_path"]):
                right.append(did)
        assert sorted(row["pos_cand_list"]) == sorted(right) and right
        assert len(right) <= mbeir_world.ANSWERS or name != "t2i_typed"


def test_entries_of_a_family_share_two_sets_of_facts_and_their_pictures_are_those_of_the_pool(made, candidates):
    entries = [row for row in candidates.values() if row[0]["modality"] == "image,text"]
    pictures = [row for row in candidates.values() if row[0]["modality"] == "image"]
    assert [entry[0]["img_path"] for entry in entries] == [picture[0]["img_path"] for picture in pictures]
    for place in range(len(made.families)):
        family = entries[place * 6 : (place + 1) * 6]
        assert len({json.dumps(facts) for _, _, facts in family}) == 2
        by_scene = defaultdict(set)
        for _, scene, facts in family:
            by_scene[scene].add(json.dumps(facts))
        assert sum(len(told) == 2 for told in by_scene.values()) == 2, "the two scenes that were rendered twice"


def test_edits_of_companions_and_of_two_things_are_asked_where_a_family_has_them(written):
    kinds = Counter()
    for name in ("it2i_ind", "it2it_ind"):
        for row in queries_of(written)[name]:
            edit = Edit.from_json(json.loads(row["query_src_content"])["edit"])
            kinds.update([edit.kind, *(part.kind for part in edit.parts)])
    assert set(COMPOUND) <= set(kinds) and set(kinds) & set(COMPANION_KINDS)
    assert {"colour", "add", "remove", "relation", "swap"} <= set(kinds)


def test_no_edit_is_framed_in_unseen_words(written):
    def openings(table):
        return {frame.split("{")[0].lower() for frame in table.frames if len(frame.split("{")[0]) > 3}

    unseen = (openings(EDIT_WORDS["test"]) | openings(EDIT_WORDS["validation"])) - openings(EDIT_WORDS["train"])
    assert len(unseen) > 5
    for name in ("it2i_ind", "it2it_ind"):
        for row in queries_of(written)[name]:
            assert not row["query_txt"].lower().startswith(tuple(unseen)), row["query_txt"]


def test_what_was_asked_before_is_the_same_without_entries(made, written, tmp_path):
    mbeir_world.write_mbeir(made, tmp_path, 5, MbeirSpec(tasks=EARLIER))
    plain, more = queries_of(tmp_path), queries_of(written)
    assert set(plain) == {f"{task}_ind" for task in EARLIER}
    for name, rows in plain.items():
        for one, other in zip(rows, more[name], strict=True):
            assert one == other | {"qid": one["qid"]}
    pools = [row for path in (tmp_path / "cand_pool/local").glob("*.jsonl") for row in read(path)]
    assert pools and not any(row["modality"] == "image,text" for row in pools)


def test_queries_per_family_are_drawn_by_the_seed_from_what_there_is(made, written, tmp_path):
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        mbeir_world.write_mbeir(made, tmp_path / name, seed, MbeirSpec(queries_per_family=2))
    few, other = queries_of(tmp_path / "one"), queries_of(tmp_path / "other")
    assert few == queries_of(tmp_path / "again") and few != other
    everything = queries_of(written)
    assert set(few) == set(everything)
    for name, rows in few.items():
        counts = Counter(row["group"] for row in rows)
        whole = Counter(row["group"] for row in everything[name])
        assert all(counts[group] <= 2 for group in counts)
        if name != "t2i_typed":  # whose draws go on until a query is new
            assert all(counts[group] == min(2, whole[group]) for group in whole)
    edits = [(row["query_img_path"], json.dumps(row["pos_cand_list"])) for row in everything["i2i_ind"]]
    assert {(row["query_img_path"], json.dumps(row["pos_cand_list"])) for row in few["i2i_ind"]} <= set(edits)


def test_a_written_world_is_read_as_a_source_of_training(written, tmp_path):
    source = load_source(parse(f"mbeir:{written}"), tmp_path, whole_pool=True)
    assert not source.refused
    assert {example.task for example in source.examples} >= {
        "text->image,text",
        "image,text->image,text",
        "image->image",
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"queries_per_family": 0}, "at least 1"),
        ({"tasks": ("t2i", "i2v")}, r"tasks i2v; legal: t2i"),
        ({"tasks": ()}, "are none"),
    ],
)
def test_a_spec_says_what_is_legal(wrong, message):
    with pytest.raises(ConfigError, match=message):
        MbeirSpec(**wrong)


def test_a_world_is_written_as_mbeir_files_with_the_asked_shortcuts(tmp_path):
    spec = world.WorldSpec(families=3, clip_families=1, seed=5, size=16)
    made = world.build_world(tmp_path / "world", spec, workers=1, progress=False)
    counts = mbeir_world.write_mbeir(made, tmp_path / "mbeir", 5, MbeirSpec(text_shortcut=1.0, picture_shortcut=1.0))
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
        assert reference.category in row["query_txt"].lower() or edit.kind in ("category", "two", "three", "negation")
    with pytest.raises(ConfigError, match="share"):
        MbeirSpec(text_shortcut=2.0)


def test_fillers_stand_around_the_words_of_queries_and_change_nothing_else(made, written, tmp_path):
    for name, share in (("all", 1.0), ("half", 0.5)):
        mbeir_world.write_mbeir(made, tmp_path / name, 5, MbeirSpec(fillers=share))
    plain, every = queries_of(written), queries_of(tmp_path / "all")
    asked = 0
    for name, rows in plain.items():
        for one, other in zip(rows, every[name], strict=True):
            assert other | {"query_txt": one["query_txt"]} == one
            if one["query_txt"]:
                left = iter(re.findall(r"\w+", other["query_txt"]))
                assert all(word in left for word in re.findall(r"\w+", one["query_txt"]))
                assert other["query_txt"] != one["query_txt"]
                asked += 1
    half = [row["query_txt"] for rows in queries_of(tmp_path / "half").values() for row in rows]
    same = sum(one["query_txt"] == other for one, other in zip(chain(*plain.values()), half, strict=True))
    assert asked > 100 and 0.35 < (same - len(half) + asked) / asked < 0.65
    with pytest.raises(ConfigError, match=r"fillers is 1\.5"):
        MbeirSpec(fillers=1.5)
    command = ["world", "--families", "1", "--out", str(tmp_path / "world"), "--fillers", "0.5"]
    assert catalogue([*command]) == 2 and not (tmp_path / "world").exists()


def test_copies_in_a_training_pool_are_there_and_nothing_links_them(tmp_path):
    spec = world.WorldSpec(families=4, clip_families=0, seed=5, size=16)
    made = world.build_world(tmp_path / "world", spec, workers=1, progress=False)
    mbeir_world.write_mbeir(made, tmp_path / "plain", 5)
    mbeir_world.write_mbeir(made, tmp_path / "copied", 5, MbeirSpec(duplicates=0.3, near_duplicates=0.4))
    plain, copied = (
        {row["did"]: row for row in read(tmp_path / name / "cand_pool/local/mbeir_catalogue_image_cand_pool.jsonl")}
        for name in ("plain", "copied")
    )
    copies = [row for did, row in copied.items() if did not in plain]
    assert 5 <= len(copies) <= 20 and all(row["src_content"] is None and not row["title"] for row in copies)
    hashes = Counter(row["content_hash"] for row in copied.values())
    exact = [row for row in copies if hashes[row["content_hash"]] == 2]
    assert exact and len(exact) < len(copies), "some have the very bytes of another, some are only near"
    assert {did: row["content_hash"] for did, row in copied.items() if did in plain} == {
        did: row["content_hash"] for did, row in plain.items()
    }
    for path in (tmp_path / "copied/query").rglob("*.jsonl"):
        assert not {did for row in read(path) for did in row["pos_cand_list"]} & {row["did"] for row in copies}
    with pytest.raises(ConfigError, match=r"duplicates is 1\.5"):
        MbeirSpec(duplicates=1.5)
