"""The field's files: what is written is read again, and a broken line is named."""

from pathlib import Path

import pytest

from umr.disk import atomic_write
from umr.errors import ConfigError
from umr.formats import (
    candidate_from_row,
    read_jsonl,
    read_qrels,
    read_queries,
    read_run,
    write_jsonl,
    write_qrels,
    write_run,
)
from umr.types import Hit


def file(folder: Path, text: str, name: str = "file.txt") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_jsonl_round_trip_keeps_every_script(tmp_path):
    rows = [{"a": "花瓶 → é"}, {"b": [1, None]}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert [row for _, row in read_jsonl(tmp_path / "rows.jsonl")] == rows


@pytest.mark.parametrize("line", ["{", "[1]", '"text"', "nul", "[" * 100_000])
def test_a_line_that_is_no_object_is_named(tmp_path, line):
    with pytest.raises(ConfigError, match=r"file\.txt:3"):
        list(read_jsonl(file(tmp_path, f'{{"a":1}}\n\n{line}\n')))


def test_a_file_that_is_not_utf8_or_absent_is_said_so(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ConfigError, match="not UTF-8"):
        list(read_jsonl(tmp_path / "latin.txt"))
    with pytest.raises(ConfigError, match="cannot be read"):
        list(read_jsonl(tmp_path / "absent.txt"))


def test_run_round_trip(tmp_path):
    run = {"q:1": [Hit("d:1", 0.75, 1), Hit("d:2", -0.25, 2)], "q:2": [Hit("d:9", 0.5, 1)]}
    write_run(tmp_path / "a.run", run, "unified")
    assert read_run(tmp_path / "a.run") == run
    assert (tmp_path / "a.run").read_text().splitlines()[0] == "q:1 Q0 d:1 1 0.750000 unified"


def test_a_run_is_read_in_the_order_of_its_ranks(tmp_path):
    path = file(tmp_path, "q Q0 b 2 0.1 t\nq Q0 a 1 0.2 t\n")
    assert [hit.candidate_id for hit in read_run(path)["q"]] == ["a", "b"]


@pytest.mark.parametrize("line", ["q Q0 a 1 0.5", "q Q0 a one 0.5 t", "q Q0 a 1 high t"])
def test_a_broken_run_line_is_named(tmp_path, line):
    with pytest.raises(ConfigError, match=r"file\.txt:1"):
        read_run(file(tmp_path, line + "\n"))


def test_a_run_that_lists_a_candidate_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="twice"):
        read_run(file(tmp_path, "q Q0 a 1 0.5 t\nq Q0 a 2 0.4 t\n"))


@pytest.mark.parametrize("bad", ["two words", "", "tab\there"])
def test_ids_with_spaces_are_refused_in_a_run(tmp_path, bad):
    with pytest.raises(ConfigError, match="split at spaces"):
        write_run(tmp_path / "a.run", {"q": [Hit(bad, 0.5, 1)]}, "tag")
    assert not list(tmp_path.iterdir())


def test_qrels_of_five_and_of_four_fields_are_read_alike(tmp_path):
    assert read_qrels(file(tmp_path, "q 0 a 1 7\nq 0 b 0 7\np 0 c 2\nz 0 a 0\n")) == {"q": {"a": 1}, "p": {"c": 2}}


def test_uniirs_runs_of_seven_fields_are_read_as_those_of_six(tmp_path):
    seven = read_run(file(tmp_path, "q Q0 a 1 0.5 t 7\nq Q0 b 2 0.4 t 7\n"))
    assert seven == {"q": [Hit("a", 0.5, 1), Hit("b", 0.4, 2)]}


def test_judgements_are_written_in_trecs_four_fields(tmp_path):
    write_qrels(tmp_path / "a.qrels", {"q": {"a": 1, "b": 2}})
    assert (tmp_path / "a.qrels").read_text() == "q 0 a 1\nq 0 b 2\n"
    assert read_qrels(tmp_path / "a.qrels") == {"q": {"a": 1, "b": 2}}


@pytest.mark.parametrize("line", ["q 0 a", "q 0 a yes", "q 0 a 1 7 8"])
def test_a_broken_qrels_line_is_named(tmp_path, line):
    with pytest.raises(ConfigError, match=r"file\.txt:2"):
        read_qrels(file(tmp_path, f"q 0 a 1\n{line}\n"))


def test_query_rows_are_read_with_lists_of_ids_or_of_objects(benchmark):
    found = read_queries(benchmark / "query/test/mbeir_catalogue_it2i_ind_test.jsonl", benchmark)
    first = found[0]
    assert (first.query.query_id, first.query.content.text, first.task) == ("100:0", "edit 0", 7)
    assert first.query.content.image == benchmark / "files/queries/0.bmp"
    assert first.query.target_modality == "image"
    assert (first.positives, first.negatives) == (("100:0",), ("100:1",))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"qid": "1:1", "query_modality": "smell"}', "modality is 'smell'"),
        ('{"qid": "1:1", "query_modality": "text", "query_txt": " "}', "its text is ' '"),
        ('{"qid": "1:1", "query_modality": "image", "query_img_path": null}', "its image is None"),
        ('{"qid": 7, "query_modality": "text", "query_txt": "a"}', "qid is 7"),
        ('{"qid": "1:1", "query_modality": "text", "query_txt": "a", "task_id": 99}', "task_id is 99"),
        ('{"qid": "1:1", "query_modality": "text", "query_txt": "a", "pos_cand_list": "100:1"}', "pos_cand_list"),
    ],
)
def test_a_broken_query_row_is_named(tmp_path, row, message):
    with pytest.raises(ConfigError, match=rf"file\.txt:1: .*{message}"):
        read_queries(file(tmp_path, row + "\n"), tmp_path)


def test_two_queries_of_one_id_are_refused(tmp_path):
    row = '{"qid": "1:1", "query_modality": "text", "query_txt": "a"}\n'
    with pytest.raises(ConfigError, match=r"file\.txt:2: qid"):
        read_queries(file(tmp_path, row * 2), tmp_path)


def test_a_candidate_row_takes_only_the_parts_its_modality_names(tmp_path):
    row = {"did": "9:1", "txt": "", "img_path": "a.jpg", "modality": "image", "src_content": None}
    assert candidate_from_row(row, tmp_path, "here").content.modality == "image"
    both = candidate_from_row(row | {"txt": "words", "modality": "text,image"}, tmp_path, "here")
    assert both.content.modality == "image,text"


@pytest.mark.parametrize(
    "row",
    [
        {"did": ""},
        {"did": 3},
        {"did": "1", "modality": None},
        {"did": "1", "modality": "video"},
        {"did": "1", "modality": "text", "txt": "a", "title": 4},
    ],
)
def test_a_broken_candidate_row_is_refused(tmp_path, row):
    with pytest.raises(ConfigError, match="here"):
        candidate_from_row({"modality": "text", "txt": "a"} | row, tmp_path, "here")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = file(tmp_path, "old")
    with pytest.raises(RuntimeError, match="stop"), atomic_write(path) as opened:
        opened.write("half")
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
