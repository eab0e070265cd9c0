"""The command line's contracts: JSON keys, exit status, messages without tracebacks, and the round trips index ->
search."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import datasets
import numpy as np
import pytest

import umr
import umr.cli
from tests.conftest import built_in, calibrate, judge_scores
from umr.bench import latency as bench
from umr.cli.commands import main
from umr.eval.evaluate import load
from umr.formats import read_run
from umr.lock import claimed
from umr.shipped import index_folder
from umr.verdict import UNLIKE_WORDS, WEAK_FIRST, verdicts_file

ROOT = Path(__file__).resolve().parents[2]


def rows(capsys) -> list[dict]:
    return json.loads(capsys.readouterr().out)


def error(capsys) -> str:
    out, message = capsys.readouterr()
    assert out == "" and message.startswith("umr: ") and message.count("\n") == 1 and "Traceback" not in message
    return message


# search


def test_search_prints_an_array_of_the_promised_objects(searcher, capsys):
    assert main(["search", "--text", "This card is red.", "--in", "passages", "-k", "2", "--json"]) == 0
    found = rows(capsys)
    assert [list(row) for row in found] == [["rank", "score", "id", "modality", "media", "text", "match"]] * 2
    assert (found[0]["id"], found[0]["media"], found[0]["modality"]) == ("100:20", None, "text")


@pytest.mark.parametrize(
    "words", [["This card is red."], ["This", "card", "is", "red."], ["--text", "This card is red."]]
)
def test_a_text_is_asked_with_or_without_its_option_and_quotes(searcher, capsys, words):
    assert main(["search", *words, "--in", "passages", "-k", "2", "--json"]) == 0
    assert rows(capsys)[0]["id"] == "100:20"


def test_a_text_twice_is_refused(searcher, capsys):
    with pytest.raises(SystemExit):
        main(["search", "red", "--text", "blue"])
    assert "--text: not allowed with argument TEXT" in capsys.readouterr().err


def test_search_with_a_picture_finds_its_pixels(searcher, benchmark, capsys):
    assert (
        main(["search", "--image", str(benchmark / "files/queries/3.bmp"), "--in", "images", "--top", "1", "--json"])
        == 0
    )
    assert rows(capsys)[0]["id"] == "100:3"


def test_search_with_a_clip_says_that_none_was_trained(searcher, benchmark, capsys):
    clip = str(benchmark / "files/clips/1.gif")
    assert main(["search", "--clip", clip, "--in", "images", "--top", "2", "--json"]) == 0
    out, said = capsys.readouterr()
    assert len(json.loads(out)) == 2 and "no clip in a query" in said
    with pytest.raises(SystemExit, match="2"):
        main(["search", "--clip", clip, "--image", clip, "--in", "images"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_a_file_that_is_no_clip_ends_with_status_2(searcher, tmp_path, capsys):
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\xff" * 400)
    for name in ("broken.mp4", "absent.mp4"):
        assert main(["search", "--clip", str(tmp_path / name), "--in", "images"]) == 2
        assert name in error(capsys)
    assert main(["search", "--clip", str(tmp_path), "--in", "images"]) == 2
    assert "is a folder" in error(capsys)


@pytest.mark.parametrize("calibrated", [False, True])
def test_search_reads_a_picture_once(searcher, benchmark, file_reads, capsys, calibrated):
    if calibrated:
        calibrate(searcher, 0.0)
    asked = benchmark / "files/queries/3.bmp"
    assert main(["search", "--image", str(asked), "--text", " red ", "--json"]) == 0
    assert file_reads.of(asked) == (1, 1)
    assert bool(capsys.readouterr().err) is calibrated


def test_search_says_what_its_scores_are_worth_and_on_stderr_what_is_known_of_all(searcher, capsys):
    ask = ["search", "--in", "passages", "--top", "2", "--json", "--text"]
    judge_scores(searcher, strong=0.9, weak=0.5, known="this card red")
    assert main([*ask, "This card is red."]) == 0
    out, said = capsys.readouterr()
    assert [row["match"] for row in json.loads(out)] == ["strong", "weak"] and said == ""
    assert main([*ask, "red"]) == 0
    out, said = capsys.readouterr()
    assert [row["match"] for row in json.loads(out)] == ["weak", "weak"] and said == f"umr: {WEAK_FIRST}\n"
    assert main([*ask, "quarterly revenue report"]) == 0
    assert capsys.readouterr().err.startswith(f"umr: {UNLIKE_WORDS} Of its catalogue's own queries, 1.2 % ")
    verdicts_file(index_folder("unified")).write_text("{}")
    assert main([*ask, "red"]) == 2 and "holds no verdicts" in error(capsys)


def test_a_picture_unlike_the_training_makes_every_match_a_weak_one(searcher, benchmark, capsys):
    judge_scores(searcher, strong=-1.0, weak=-1.0)
    ask = ["search", "--image", str(benchmark / "files/queries/3.bmp"), "--top", "3", "--json"]
    assert main(ask) == 0 and [row["match"] for row in rows(capsys)] == ["strong"] * 3
    calibrate(searcher, 0.0)
    assert main(ask) == 0 and [row["match"] for row in rows(capsys)] == ["weak"] * 3


def test_search_without_json_prints_a_table(searcher, capsys):
    assert main(["search", "--text", "This card is red."]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["rank", "score", "match", "id", "modality", "media", "text"] and len(lines) == 11


def test_a_cut_text_is_said_on_stderr(searcher, capsys):
    assert main(["search", "--text", "word " * 500, "--json"]) == 0
    out, message = capsys.readouterr()
    assert json.loads(out) and message.startswith("umr: The text is longer")


def test_control_characters_of_an_index_do_not_reach_the_terminal(searcher, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"id": "x", "text": "a\x1b[2Jb"}) + "\n")
    assert main(["index", str(tmp_path / "rows.jsonl"), "--encoder", "unified", "--out", str(tmp_path / "index")]) == 0
    capsys.readouterr()
    assert main(["search", "--index", str(tmp_path / "index"), "--text", "a"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("command", [["search", "--text", "red"], ["evaluate", "--task", "t2t", "--split", "ind"]])
def test_queries_are_encoded_as_the_index_was_and_another_precision_is_said(searcher, dtypes, capsys, command):
    built_in("bfloat16", index_folder("unified"))
    assert main(command) == 0 and main([*command, "--dtype", "bfloat16"]) == 0
    assert "--dtype" not in capsys.readouterr().err
    assert main([*command, "--dtype", "float32"]) == 0
    assert "was built in bfloat16, and --dtype float32 encodes its queries otherwise" in capsys.readouterr().err
    assert dtypes == ["bfloat16", "bfloat16", "float32"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --image or --clip, a text, or both"),
        (["--text", "  \n"], "give --image or --clip, a text, or both"),
        (["--text", "a" * 20_001], "20,001 characters"),
        (["--text", "a\0b"], "NUL"),
        (["--image", "absent.png"], "absent.png"),
        (["--text", "a", "--top", "0"], "--top is 0"),
        (["--text", "a", "--top", "9999"], "from 1 to 1000"),
        (["--text", "a", "--encoder", "nobody"], "there are: unified"),
        (["--text", "a", "--index", "absent"], "not a finished index"),
    ],
)
def test_bad_requests_end_with_one_line_and_status_2(searcher, capsys, arguments, message):
    assert main(["search", *arguments, "--json"]) == 2
    assert message in error(capsys)


@pytest.mark.parametrize("name", ["broken.png", "notes.txt", "empty.jpg"])
def test_files_that_are_no_pictures_end_with_status_2(searcher, tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"" if name == "empty.jpg" else b"not a picture")
    assert main(["search", "--image", str(tmp_path / name)]) == 2
    said = error(capsys)
    assert "Traceback" not in said and str(tmp_path / name) in said  # the path as it was given


def test_a_folder_given_as_a_picture_is_named_as_given(searcher, tmp_path, capsys):
    assert main(["search", "--image", str(tmp_path)]) == 2
    assert f"{tmp_path} is a folder" in error(capsys)


def test_an_encoder_and_an_index_together_are_a_wrong_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["search", "--text", "a", "--encoder", "unified", "--index", "d"])
    assert stop.value.code == 2


# index


def test_a_folder_is_indexed_and_searched(searcher, tmp_path, picture, capsys):
    picture("mine/red.png")
    picture("mine/blue.png", "blue")
    (tmp_path / "mine" / "words.txt").write_text("Some words.")
    (tmp_path / "mine" / "bad.png").write_bytes(b"broken")
    out = str(tmp_path / "index")
    assert main(["index", str(tmp_path / "mine"), "--encoder", "unified", "--out", out]) == 0
    said = capsys.readouterr().err
    assert "refused bad.png: bad.png is not a picture" in said and "3 indexed, 1 refused" in said
    assert main(["search", "--index", out, "--text", "Some words.", "--top", "9", "--json"]) == 0
    found = rows(capsys)
    assert found[0]["id"] == "words.txt" and len(found) == 3
    assert next(row for row in found if row["id"] == "red.png")["media"] == str(tmp_path / "mine" / "red.png")


def test_a_collection_folder_and_a_jsonl_are_indexed(searcher, benchmark, tmp_path, capsys):
    assert main(["index", str(benchmark), "--encoder", "unified", "--out", str(tmp_path / "a")]) == 0
    assert "24 indexed, 0 refused" in capsys.readouterr().err
    (tmp_path / "rows.jsonl").write_text('{"text": "one"}\n{"text": ""}\n')
    assert main(["index", str(tmp_path / "rows.jsonl"), "--encoder", "unified", "--out", str(tmp_path / "b")]) == 0
    assert "1 indexed, 1 refused" in capsys.readouterr().err


def test_a_saved_dataset_is_indexed(searcher, tmp_path, capsys):
    datasets.Dataset.from_dict({"words": ["one", "two"], "key": ["a", "b"]}).save_to_disk(str(tmp_path / "saved"))
    arguments = [
        "--text-column",
        "words",
        "--id-column",
        "key",
        "--encoder",
        "unified",
        "--out",
        str(tmp_path / "index"),
    ]
    assert main(["index", str(tmp_path / "saved"), *arguments]) == 0
    capsys.readouterr()
    assert main(["search", "--index", str(tmp_path / "index"), "--text", "two", "--top", "1", "--json"]) == 0
    assert rows(capsys)[0]["id"] == "b"


def test_a_name_reaches_the_terminal_only_as_what_can_be_printed(searcher, tmp_path, picture, capsys):
    folder = picture("mine/a.png").parent
    (folder / "\x1b]0;owned\x07\x1b[2J.txt").write_text("a text")
    (folder / "b\numr: 99 indexed.xyz").write_text("x")
    assert main(["index", str(folder), "--encoder", "unified", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert "\x1b" not in told and r"refused \x1b]0;owned\x07\x1b[2J.txt: " in told
    assert r"refused b\numr: 99 indexed.xyz: " in told and "\numr: 99" not in told


def test_nothing_to_index_leaves_no_folder_and_a_taken_one_ends_with_status_2(searcher, tmp_path, picture, capsys):
    command = ["index", str(picture("mine/a.png").parent), "--encoder", "unified", "--out", str(tmp_path / "out")]
    with claimed(tmp_path / "out"):
        assert main(command) == 2 and f"out is being written by process {os.getpid()} " in error(capsys)
    assert main(["index", str(tmp_path / "absent"), *command[2:]]) == 2 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("source", "message"), [("absent", "not a folder"), ("empty", "no candidate at all")])
def test_nothing_to_index_ends_with_status_2(searcher, tmp_path, capsys, source, message):
    (tmp_path / "empty").mkdir()
    assert main(["index", str(tmp_path / source), "--encoder", "unified", "--out", str(tmp_path / "index")]) == 2
    assert message in error(capsys)


def test_an_unknown_encoder_ends_with_status_2(searcher, tmp_path, capsys):
    assert main(["index", str(tmp_path), "--encoder", "nobody", "--out", str(tmp_path / "index")]) == 2
    assert "shipped are: unified" in error(capsys)


def test_an_output_that_cannot_be_written_ends_with_status_2(searcher, benchmark, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["index", str(benchmark), "--encoder", "unified", "--out", str(tmp_path / "file" / "index")]) == 2
    assert "Traceback" not in error(capsys)


# embed


def test_embed_writes_a_unit_row_for_every_line_in_their_order(searcher, collection, benchmark, tmp_path, capsys):
    lines = [
        {"text": "This card is red.", "role": "candidate"},
        {"image": str(benchmark / "files/images/03.png"), "role": "query", "instruction": "Find it."},
        {"image": "files/images/03.png", "role": "candidate"},
        {"text": " This card is red. ", "role": "query"},
        {"video": "files/clips/1.gif", "role": "candidate"},
    ]
    (benchmark / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "deep" / "v.npy"
    assert main(["embed", str(benchmark / "rows.jsonl"), "--encoder", "unified", "--out", str(out)]) == 0
    vectors = np.load(out)
    assert vectors.shape == (5, 32) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert (vectors[0] == vectors[3]).all() and (vectors[1] == vectors[2]).all()
    assert vectors[4] == pytest.approx(searcher.encoder.encode_candidates([collection["100:41"]]).vectors[0])


def test_embed_takes_clips_as_queries_and_says_once_that_none_was_instructed(searcher, benchmark, tmp_path, capsys):
    clip = str(benchmark / "files/clips/1.gif")
    lines = [{"video": clip, "role": "query"}, {"video": clip, "text": "a", "role": "query"}]
    lines.append({"video": clip, "role": "query", "instruction": "Find it."})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["embed", str(tmp_path / "rows.jsonl"), "--encoder", "unified", "--out", str(tmp_path / "v.npy")]) == 0
    said = capsys.readouterr().err
    assert said.count("umr: ") == 1 and "umr: 2 queries with a clip were asked without an instruction" in said
    assert np.load(tmp_path / "v.npy").shape == (3, 32)


def test_embed_and_index_say_how_many_texts_were_cut(searcher, tmp_path, capsys):
    texts = ["word " * 500, "short", "words " * 300]
    for name, extra in (("embed", {"role": "candidate"}), ("index", {})):
        lines = [{"text": text} | extra for text in texts]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        out = str(tmp_path / f"{name}.npy")
        assert main([name, str(tmp_path / f"{name}.jsonl"), "--encoder", "unified", "--out", out]) == 0
        said = [line for line in capsys.readouterr().err.splitlines() if "cut" in line]
        assert said == ["umr: 2 of 3 texts were cut: unified reads the first 160 tokens"]


@pytest.mark.parametrize(("target", "what"), [("/dev/null", "a device"), ("/proc/self/fd/1", "an open file")])
def test_embed_never_replaces_a_device_and_says_so_before_any_work(tmp_path, monkeypatch, capsys, target, what):
    (tmp_path / "out").symlink_to(target)  # the link would be replaced, not the device itself
    (tmp_path / "plain").touch()
    monkeypatch.setattr("umr.cli.embed.read_embed_rows", lambda path: pytest.fail("rows were read"))
    with (tmp_path / "plain").open("w") as plain:
        before = os.dup(1)
        os.dup2(plain.fileno(), 1)  # what the link means must not be what the test runs under
        try:
            status = main(["embed", "rows.jsonl", "--encoder", "unified", "--out", str(tmp_path / "out")])
        finally:
            os.dup2(before, 1)
            os.close(before)
    assert status == 2 and what in capsys.readouterr().err and (tmp_path / "out").is_symlink()


def test_embed_into_a_folder_is_refused_by_its_name(searcher, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text('{"role": "query", "text": "fine"}\n')
    assert main(["embed", str(tmp_path / "rows.jsonl"), "--encoder", "unified", "--out", str(tmp_path)]) == 2
    said = error(capsys)
    assert f"{tmp_path} is a folder" in said and ".part" not in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"}', "role is None"),
        ('{"role": "query"}', "content is empty"),
        ('{"role": "query", "text": " "}', "empty"),
        ('{"role": "query", "text": 3}', "text is int"),
        ('{"role": "query", "text": "a", "colour": "red"}', "unknown fields colour"),
        ('{"role": "candidate", "text": "a", "instruction": "b"}', "carries no instruction"),
        ("{", "not JSON"),
        ('{"role": "query", "text": "a\\u0000"}', "NUL"),
        ('{"role": "query", "image": "folder/absent.png"}', "'folder/absent.png' is not a file that exists"),
    ],
)
def test_a_row_that_cannot_be_embedded_is_named(searcher, tmp_path, capsys, line, message):
    (tmp_path / "rows.jsonl").write_text('{"role": "query", "text": "fine"}\n' + line + "\n")
    assert main(["embed", str(tmp_path / "rows.jsonl"), "--encoder", "unified", "--out", str(tmp_path / "v.npy")]) == 2
    said = error(capsys)
    assert "rows.jsonl:2" in said and message in said
    assert not (tmp_path / "v.npy").exists()


def test_no_row_to_embed_ends_with_status_2(searcher, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text("\n")
    assert main(["embed", str(tmp_path / "rows.jsonl"), "--encoder", "unified", "--out", str(tmp_path / "v.npy")]) == 2
    assert "no row to embed" in error(capsys)


# evaluate, compare, info, bench


def test_evaluate_prints_only_the_array_and_writes_the_runs(searcher, benchmark, tmp_path, capsys):
    assert main(["evaluate", "--encoder", "unified", "--json", "--runs", str(tmp_path / "runs")]) == 0
    found = rows(capsys)
    pooled = [(row["task"], row["split"], row["pool"]) for row in found]
    assert [one[:2] for one in pooled if one[2] == "local"] == [("it2i", "ind"), ("it2i", "phrasing"), ("t2t", "ind")]
    assert [one[:2] for one in pooled if one[2] == "global"] == [("it2i", "ind"), ("t2t", "ind")]
    assert {path.name for path in (tmp_path / "runs" / "unified").iterdir()} == {
        "report.json",
        "t2t.ind.composed.run",
        "t2t.ind.composed.global.run",
        *(f"{task}.{split}.qrels" for task, split in (("it2i", "ind"), ("it2i", "phrasing"), ("t2t", "ind"))),
        *(f"{task}.ind.global.qrels" for task in ("it2i", "t2t")),
    } | {
        f"it2i.{split}.{variant}{pool}.run"
        for split, pool in (("ind", ""), ("ind", ".global"), ("phrasing", ""))
        for variant in ("composed", "picture", "text", "sum")
    }


@pytest.mark.parametrize(("pool", "count"), [("local", 3), ("global", 3), ("both", 5)])
def test_evaluate_searches_the_pool_that_it_is_given(searcher, capsys, pool, count):
    assert main(["evaluate", "--json", "--pool", pool]) == 0
    found = rows(capsys)
    assert len(found) == count and (pool == "both" or {row["pool"] for row in found} == {pool})


def test_the_golden_run_is_unchanged(searcher, tmp_path, capsys):
    """tests/data/golden.run: it2i ind by the fake encoder. It changes only when encoding, search or the format
    changes."""
    assert main(["evaluate", "--task", "it2i", "--split", "ind", "--runs", str(tmp_path)]) == 0
    made, golden = (
        read_run(path) for path in (tmp_path / "unified" / "it2i.ind.composed.run", ROOT / "tests/data/golden.run")
    )
    assert {query: [hit.candidate_id for hit in hits] for query, hits in made.items()} == {
        query: [hit.candidate_id for hit in hits] for query, hits in golden.items()
    }
    for query, hits in golden.items():
        assert [hit.score for hit in made[query]] == pytest.approx([hit.score for hit in hits], abs=1e-5)


def test_evaluate_without_json_prints_a_table(searcher, capsys):
    assert main(["evaluate", "--task", "t2t", "--pool", "local"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:6] == ["task", "split", "pool", "n", "groups", "success@1"]
    assert row.split() == [
        "t2t",
        "ind",
        "local",
        "6",
        "6",
        *["1.000"] * 6,
        *["-"] * 5,
        "0.610",
        "to",
        "1.000",
        *["-"] * 3,
    ]


def test_evaluate_of_an_unknown_task_ends_with_status_2(searcher, capsys):
    assert main(["evaluate", "--task", "i2t", "--json"]) == 2
    assert "there are: it2i ind" in error(capsys)


def test_evaluate_measures_an_index_of_another_collection_with_its_own_queries(searcher, benchmark, tmp_path, capsys):
    assert main(["index", str(benchmark), "--encoder", "unified", "--out", str(tmp_path / "i")]) == 0
    assert main(["evaluate", "--task", "it2i", "--json"]) == 0
    bundled = rows(capsys)
    assert main(["evaluate", "--index", str(tmp_path / "i"), "--task", "it2i", "--json"]) == 0
    assert rows(capsys) == bundled
    assert main(["evaluate", "--index", str(tmp_path / "i"), "--store"]) == 2
    assert "--runs with --index" in error(capsys)
    assert main(["evaluate", "--index", str(tmp_path)]) == 2
    assert "is not a finished index" in error(capsys)


def test_compare_reads_the_runs_of_two_encoders(searcher, tmp_path, capsys):
    assert main(["evaluate", "--runs", str(tmp_path), "--json"]) == 0
    (tmp_path / "unified").rename(tmp_path / "a")
    assert main(["evaluate", "--runs", str(tmp_path), "--json"]) == 0
    capsys.readouterr()
    assert main(["compare", "a", "unified", "--runs", str(tmp_path), "--task", "it2i", "--json"]) == 0
    assert [(row["split"], row["difference"], row["ci95"]) for row in rows(capsys)] == [
        ("ind", 0, [0, 0]),
        ("phrasing", 0, [0, 0]),
    ]
    assert main(["compare", "a", "nobody", "--runs", str(tmp_path)]) == 2
    assert "nobody" in error(capsys)


def test_compare_judges_runs_by_the_collection_that_was_asked_alone(searcher, benchmark, tmp_path, capsys):
    assert main(["index", str(benchmark), "--encoder", "unified", "--out", str(tmp_path / "i")]) == 0
    assert main(["evaluate", "--index", str(tmp_path / "i"), "--runs", str(tmp_path)]) == 0
    other = tmp_path / "other"
    shutil.copytree(benchmark, other)
    pool = next((other / "cand_pool").rglob("*.jsonl"))
    pool.write_text("".join(pool.read_text().splitlines(keepends=True)[:-1]))  # as of other scenes with the same ids
    capsys.readouterr()
    command = ["compare", "unified", "unified", "--runs", str(tmp_path), "--task", "it2i", "--json"]
    assert main([*command, "--data", str(other)]) == 2
    assert "holds runs over another collection than" in error(capsys)
    assert main([*command, "--data", str(benchmark)]) == 0
    asked = rows(capsys)
    assert main(command) == 0 and rows(capsys) == asked


def test_info_lists_what_is_shipped(searcher, capsys):
    assert main(["info", "--quick", "--json"]) == 0
    (row,) = rows(capsys)
    assert (row["encoder"], row["index"], row["count"], row["dim"]) == ("unified", "catalogue", 24, 32)
    assert row["fingerprint"] == searcher.encoder.fingerprint


def test_info_re_encodes_the_probe_and_reports_a_broken_index(searcher, benchmark, capsys):
    assert main(["info", "--json"]) == 0
    assert rows(capsys)[0]["probe"] == pytest.approx(1, abs=1e-4)
    (benchmark.parents[1] / "unified" / "catalogue" / "ids.txt").write_text("")
    assert main(["info", "--json"]) == 2
    out, message = capsys.readouterr()
    assert json.loads(out)[0]["problem"] is True and "ids.txt changed" in message


def test_bench_query_times_every_step_beside_faiss(searcher, capsys):
    assert main(["bench", "query", "--repeat", "3", "--vectors", "500", "--json"]) == 0
    found = {row["step"]: row for row in rows(capsys)}
    assert {
        "decode",
        "encode",
        "search",
        "total",
        "raw faiss, 12 rows",
        "index.search, 12 rows",
        "raw faiss, 500 rows",
        "index.search, 500 rows",
    } <= set(found)
    assert all(0 < found[step]["p50_ms"] <= found[step]["p95_ms"] for step in ("encode", "search", "total"))


def test_what_umr_adds_to_faiss_is_told():
    told = {row["step"]: row for row in bench.bench_vectors(400, 16, repeat=5)}
    assert told["added by umr"]["n"] == 5 and told["added by umr"]["p50_ms"] <= told["added by umr"]["p95_ms"]


def test_bench_refuses_counts_that_measure_nothing(searcher, benchmark):
    with pytest.raises(umr.ConfigError, match="repeat is 0"):
        bench.bench_query(searcher, load(benchmark, "it2i", "ind"), repeat=0)
    with pytest.raises(umr.ConfigError, match="0 vectors"):
        bench.bench_vectors(0, 4)


# the process


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_help_names_every_command_and_loads_nothing_heavy():
    done = run("-X", "importtime", "-m", "umr", "--help")
    assert done.returncode == 0
    assert all(
        command in done.stdout
        for command in ("search", "embed", "index", "evaluate", "compare", "info", "adopt", "bench")
    )
    assert not {"torch", "faiss", "numpy"} & {line.split("|")[-1].strip() for line in done.stderr.splitlines()}


def test_the_entry_point_of_an_installation_works_from_any_folder(tmp_path):
    script = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]["umr"]
    code = (
        f"import sys; from importlib.metadata import EntryPoint; sys.exit(EntryPoint('umr', {script!r}, 'x').load()())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "info", "--quick", "--json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert {"contrastive", "mca", "unified"} <= {row["encoder"] for row in json.loads(done.stdout)}


def test_the_room_of_the_command_line_hands_over_its_main(searcher, capsys):
    assert umr.cli.main(["info", "--quick", "--json"]) == 0
    assert rows(capsys)[0]["encoder"] == "unified"


def test_a_bad_request_in_its_own_process_prints_one_line_and_ends_with_2():
    done = run("-m", "umr", "search", "--text", " ")
    assert (
        (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("umr: ") and "Traceback" not in done.stderr
    )


def test_the_package_offers_its_public_names_lazily():
    code = "import sys, umr; umr.Query; assert not {'torch', 'faiss'} & set(sys.modules); print(len(umr.__all__))"
    done = run("-c", code)
    assert done.returncode == 0 and int(done.stdout) <= 15
    assert all(getattr(umr, name) is not None and name in dir(umr) for name in umr.__all__)
    missing = "nothing"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(umr, missing)
