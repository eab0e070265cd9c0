"""A small M-BEIR folder as the data set's card describes it, and what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.sources.readers import load_source
from training.sources.spec import parse
from umr.errors import ConfigError

HEADER = "query_modality\tcand_modality\tdataset_name\tdataset_id\tprompt_1\tprompt_2\n"
TABLE = (
    "text,image\timage\tCIRR\t8\tRetrieve a day-to-day image that aligns with the change.\tShow the changed one.\n"
    "text\timage\tMSCOCO\t9\tIdentify the image.\t\n"
    "text\ttext\tWebQA\t2\tFind a passage.\tWhich text answers?\n"
    "text\timage,text\tWebQA\t2\tFind a captioned image.\n"
)


def jsonl(path: Path, *rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def query(qid: str, modality: str, positives, **more):
    row = {"qid": qid, "query_txt": None, "query_img_path": None, "query_modality": modality}
    return row | {"query_src_content": None, "pos_cand_list": positives, "neg_cand_list": [], **more}


def candidate(did: str, modality: str, text=None, image=None):
    return {"did": did, "txt": text, "img_path": image, "modality": modality, "src_content": None}


@pytest.fixture
def folder(tmp_path, picture) -> Path:
    for number in (1, 2, 3):
        picture(f"mbeir_images/{number}.png", number)
    jsonl(
        tmp_path / "query/train/mbeir_cirr_train.jsonl",
        query("8:1", "image,text", ["8:2"], query_txt="make it blue", query_img_path="mbeir_images/1.png",
              neg_cand_list=[{"did": "8:3"}, "8:99"]),
        query("8:2", "image,text", ["6:1"], query_txt="other", query_img_path="mbeir_images/1.png"),
    )  # fmt: skip
    jsonl(
        tmp_path / "query/train/mbeir_webqa_train.jsonl",
        query("2:1", "text", ["2:1", "2:2", "2:3"], query_txt="What has corners?"),
        query("9:1", "text", ["8:2"], query_txt="a square"),
        query("0:1", "text", ["8:2"], query_txt="a square"),
        "broken",
    )
    jsonl(
        tmp_path / "cand_pool/global/mbeir_union_train_cand_pool.jsonl",
        candidate("8:2", "image", image="mbeir_images/2.png"),
        candidate("8:3", "image", image="mbeir_images/3.png"),
        candidate("2:1", "text", "A square has four corners."),
        candidate("2:2", "text", " A star has five. "),
        candidate("2:3", "text,image", "a star", "mbeir_images/3.png"),
        candidate("2:4", "image"),
    )
    (tmp_path / "instructions").mkdir()
    (tmp_path / "instructions/query_instructions.tsv").write_text(HEADER + TABLE)
    return tmp_path


def load(folder: Path):
    return load_source(parse(f"mbeir:{folder}"), folder)


def test_rows_become_examples_with_the_sentences_of_their_data_set(folder):
    source = load(folder)
    composed, passages, entry, caption = source.examples
    assert composed.query.text == "make it blue" and composed.query.image == folder / "mbeir_images/1.png"
    assert (composed.positives, composed.negatives, composed.wanted) == (("8:2",), ("8:3",), "image")
    assert source.instructions[composed.instruction] == (
        "Retrieve a day-to-day image that aligns with the change.",
        "Show the changed one.",
    )
    assert source.instructions[caption.instruction] == ("Identify the image.",)
    assert (passages.positives, passages.wanted) == (("2:1", "2:2"), "text")  # one example for each kind of answer
    assert (entry.positives, entry.wanted) == (("2:3",), "image,text")
    assert source.candidates["2:2"].text == "A star has five."


def test_rows_that_cannot_be_asked_are_refused_by_line(folder):
    told = dict(load(folder).refused)
    assert told["mbeir_cirr_train.jsonl:2"] == "none of its 1 positives is in a candidate pool"
    assert told["mbeir_webqa_train.jsonl:3"].startswith("query_instructions.tsv has no sentence for '0 text->image'")
    assert told["mbeir_webqa_train.jsonl:4"].startswith("not JSON")
    assert told["mbeir_union_train_cand_pool.jsonl:6"] == "modality is image, but its image is None"
    assert len(told) == 4


def test_rows_of_all_data_sets_in_one_file_are_found_too(folder):
    (folder / "query/train").rename(folder / "query/union_train")
    assert len(load(folder).examples) == 4


@pytest.mark.parametrize(
    ("gone", "said"),
    [("query", "no training queries"), ("cand_pool", "no candidate pool"), ("instructions", "cannot be read")],
)
def test_a_folder_without_one_of_its_parts_is_refused(folder, gone, said):
    (folder / gone).rename(folder / "elsewhere")
    with pytest.raises(ConfigError, match=said):
        load(folder)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("text\timage\tX\t1\n", "query_instructions.tsv:2: 4 columns"),
        ("text\timage\tX\t1\t \n", "at least one sentence"),
        ("words\timage\tX\t1\tFind.\n", "'words' is unknown; legal: image"),
    ],
)
def test_a_broken_table_is_refused_by_line(folder, line, said):
    (folder / "instructions/query_instructions.tsv").write_text(HEADER + line)
    with pytest.raises(ConfigError, match=said):
        load(folder)
