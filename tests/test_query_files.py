"""Benchmark folders by their file names: ours, and M-BEIR's very layout from reading to scores."""

import json
from pathlib import Path

import pytest
from PIL import Image

from umr.cli.commands import main
from umr.errors import ConfigError
from umr.eval.evaluate import load
from umr.eval.reports import run_file
from umr.formats import read_run
from umr.query_files import query_files


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines), "utf-8")


@pytest.fixture
def mbeir(tmp_path) -> Path:
    """M-BEIR as it is downloaded: cirr_task7 and fashioniq_task7 (their queries' texts are the candidates' colours),
    mscoco_task0 and _task3, with mscoco's pool of training and test beside that of the test."""
    root = tmp_path / "M-BEIR"
    colours = ("red", "green", "blue")
    for number, colour in enumerate(colours):
        for name in (f"cirr_images/{number}.png", f"cirr_images/q{number}.png", f"mscoco_images/{number}.png",
                     f"fashioniq_images/{number}.png", f"fashioniq_images/q{number}.png"):  # fmt: skip
            path = root / "mbeir_images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8 + number, 9 + len(name)), colour).save(path)
    picture = {"txt": None, "modality": "image", "src_content": None}
    words = {"img_path": None, "modality": "text", "src_content": None}
    pools = {
        "cirr_task7_cand_pool": [
            {"did": f"8:{n}", "img_path": f"mbeir_images/cirr_images/{n}.png"} | picture for n in range(3)
        ],
        "fashioniq_task7_cand_pool": [
            {"did": f"7:{n}", "img_path": f"mbeir_images/fashioniq_images/{n}.png"} | picture for n in range(3)
        ],
        "mscoco_task0_cand_pool": [
            {"did": f"9:{n}", "img_path": f"mbeir_images/mscoco_images/{n % 3}.png"} | picture for n in range(5)
        ],
        "mscoco_task0_test_cand_pool": [
            {"did": f"9:{n}", "img_path": f"mbeir_images/mscoco_images/{n}.png"} | picture for n in range(3)
        ],
        "mscoco_task3_test_cand_pool": [
            {"did": f"9:{10 + n}", "txt": f"It is {colours[n]}."} | words for n in range(3)
        ],
    }
    for name, rows in pools.items():
        write(root / "cand_pool" / "local" / f"mbeir_{name}.jsonl", [json.dumps(row) for row in rows])
    sets = {
        "cirr_task7": ("image,text", [(f"8:{100 + n}", colours[n], f"cirr_images/q{n}", f"8:{n}") for n in range(3)]),
        "fashioniq_task7": (
            "image,text",
            [(f"7:{100 + n}", colours[n], f"fashioniq_images/q{n}", f"7:{n}") for n in range(3)],
        ),
        "mscoco_task0": ("text", [(f"9:{100 + n}", f"It is {colours[n]}.", None, f"9:{n}") for n in range(3)]),
        "mscoco_task3": ("image", [(f"9:{200 + n}", None, f"mscoco_images/{n}", f"9:{10 + n}") for n in range(3)]),
    }
    for name, (modality, queries) in sets.items():
        rows = [
            {
                "qid": qid,
                "query_txt": text,
                "query_img_path": image and f"mbeir_images/{image}.png",
                "query_modality": modality,
                "query_src_content": None,
                "pos_cand_list": [found],
                "neg_cand_list": [],
            }
            for qid, text, image, found in queries
        ]
        write(root / "query" / "test" / f"mbeir_{name}_test.jsonl", [json.dumps(row) for row in rows])
        judged = [f"{qid} 0 {found} 1 {name[-1]}" for qid, _, _, found in queries]
        write(root / "qrels" / "test" / f"mbeir_{name}_test_qrels.txt", judged)
    return root


def test_query_files_name_task_split_and_their_qrels(benchmark):
    found = query_files(benchmark)
    assert [(one.task, one.split) for one in found] == [("it2i", "ind"), ("it2i", "phrasing"), ("t2t", "ind")]
    assert found[0].qrels == benchmark / "qrels/test/mbeir_catalogue_it2i_ind_test_qrels.txt"


def test_m_beirs_own_names_are_read(mbeir):
    found = query_files(mbeir)
    names = [(one.task, one.split) for one in found]
    assert names == [("i2t", "mscoco"), ("it2i", "cirr"), ("it2i", "fashioniq"), ("t2i", "mscoco")]
    assert found[1].qrels == mbeir / "qrels/test/mbeir_cirr_task7_test_qrels.txt"
    judged = load(mbeir, "it2i", "cirr")
    assert judged.qrels == {f"8:{100 + n}": {f"8:{n}": 1} for n in range(3)}
    assert {query.target_modality for query in judged.queries} == {"image"}
    assert judged.queries[0].content.image == mbeir / "mbeir_images/cirr_images/q0.png"


@pytest.mark.parametrize(
    ("number", "task"),
    [(0, "t2i"), (1, "t2t"), (2, "t2it"), (3, "i2t"), (4, "i2i"), (5, "i2it"), (6, "it2t"), (7, "it2i"), (8, "it2it")],
)
def test_task_numbers_are_m_beirs(tmp_path, number, task):
    write(tmp_path / "query" / "test" / f"mbeir_a_b_task{number}_test.jsonl", [])
    assert [(one.task, one.split) for one in query_files(tmp_path)] == [(task, "a_b")]


def test_an_m_beir_folder_is_indexed_and_evaluated(searcher, mbeir, tmp_path, capsys):
    index = str(tmp_path / "index")
    assert main(["index", str(mbeir), "--encoder", "unified", "--out", index]) == 0
    assert "12 indexed, 0 refused" in capsys.readouterr().err  # without what only mscoco's training may find
    assert main(["evaluate", "--index", index, "--runs", str(tmp_path / "runs"), "--json"]) == 0
    rows = {(row["task"], row["split"]): row for row in json.loads(capsys.readouterr().out)}
    both = {("it2i", "cirr"), ("it2i", "fashioniq")}
    assert set(rows) == both | {("i2t", "mscoco"), ("t2i", "mscoco")} and {row["n"] for row in rows.values()} == {3}
    assert all(row["success@5"] == 1 for row in rows.values())  # three candidates in each pool
    assert all((row["picture_only_success@1"] is not None) == (key in both) for key, row in rows.items())
    for dataset, number in (("cirr", "8"), ("fashioniq", "7")):
        run = read_run(run_file(tmp_path / "runs" / searcher.encoder.name, "it2i", dataset, "composed"))
        found = {hit.candidate_id for hits in run.values() for hit in hits}
        assert found == {f"{number}:{n}" for n in range(3)}  # its local pool and nothing of the other's
    assert main(["evaluate", "--index", index, "--split", "fashioniq", "--json"]) == 0
    assert [row["split"] for row in json.loads(capsys.readouterr().out)] == ["fashioniq"]


def test_a_local_pool_with_a_broken_row_is_refused_by_its_place(mbeir):
    pool = mbeir / "cand_pool" / "local" / "mbeir_cirr_task7_cand_pool.jsonl"
    pool.write_text(pool.read_text() + '{"txt": "no id"}\n')
    with pytest.raises(ConfigError, match=r"mbeir_cirr_task7_cand_pool.jsonl:4: did is None"):
        load(mbeir, "it2i", "cirr")


def test_a_folder_without_queries_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds neither mbeir"):
        query_files(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a_it2i_ind", "b_it2i_ind"), "are both it2i ind; give each dataset a folder of its own"),
        (("cirr_task11",), "there is no task 11"),
    ],
)
def test_files_that_cannot_be_told_apart_or_have_no_task_are_refused(tmp_path, names, message):
    for name in names:
        write(tmp_path / "query" / "test" / f"mbeir_{name}_test.jsonl", [])
    with pytest.raises(ConfigError, match=message):
        query_files(tmp_path)
