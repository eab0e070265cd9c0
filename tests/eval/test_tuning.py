"""Choosing the vector sum's weight: the best on validation queries, and never on the test."""

import json
import shutil
from pathlib import Path

import pytest

from umr.cli.commands import main
from umr.collection import Collection
from umr.errors import ConfigError
from umr.eval import evaluate, judged, tuning
from umr.eval.tuning import choose, rows, tune
from umr.eval.vector_sum import GRID, read_weights
from umr.index.index import build_index
from umr.search import Searcher


@pytest.fixture
def validation(searcher, benchmark, tmp_path) -> Path:
    """Another collection with queries, as a validation set is, and the encoder's index of it: (folder, index)."""
    folder = tmp_path / "V"
    shutil.copytree(benchmark, folder)
    pool = folder / "cand_pool/local/mbeir_catalogue_text_cand_pool.jsonl"
    pool.write_text(pool.read_text().replace("This card", "That card"))
    (folder / "benchmark.json").write_text(json.dumps({"split": "validation"}))
    build_index(
        searcher.encoder, Collection.open(folder), tmp_path / "VI", encoder_at=benchmark.parents[1] / "unified/encoder"
    )
    return folder


@pytest.mark.parametrize(("peak", "weight"), [((0, 0), 0.0), ((20, 20), 1.0), ((10, 14), 0.6), ((10, 11), 0.5)])
def test_the_best_weight_is_chosen_and_the_middle_of_equals(peak, weight):
    assert choose([1.0 if peak[0] <= step <= peak[1] else 0.5 for step in range(len(GRID))]) == weight


def test_the_weight_is_the_one_whose_sums_find_most(validation, tmp_path):
    """The fake encoder's picture is the target and its text says nothing: the less of the text, the better."""
    searcher = Searcher.open(tmp_path / "VI")
    made = tune(searcher, validation)
    assert list(made.tasks) == ["it2i"]
    tuned = made.tasks["it2i"]
    assert (tuned.n, tuned.groups, len(tuned.success_at_1)) == (6, 6, len(GRID))
    row = evaluate.evaluate(searcher, validation, "it2i", "ind")
    assert tuned.success_at_1[0] == row["picture_only_success@1"]
    assert tuned.success_at_1[10] == pytest.approx(row["vector_sum_success@1"], abs=1e-4)
    assert tuned.success_at_1[20] == pytest.approx(row["text_only_success@1"], abs=1e-4)
    assert tuned.success_at_1[GRID.index(tuned.weight)] == max(tuned.success_at_1) == 1.0
    assert rows(made)[0]["success@1"] == 1.0


def test_no_query_of_the_test_is_read_while_choosing(validation, benchmark, tmp_path, monkeypatch):
    """The whole bundled benchmark is away, and only validation files are opened."""
    read = []
    real = judged.read_queries
    monkeypatch.setattr(judged, "read_queries", lambda path, root: read.append(Path(path)) or real(path, root))
    searcher = Searcher.open(tmp_path / "VI")
    shutil.rmtree(benchmark)
    tune(searcher, validation)
    assert read and all(path.is_relative_to(validation) and "_ind_" in path.name for path in read)


def test_the_bundled_benchmark_and_any_other_test_scenes_are_refused(searcher, benchmark, validation, tmp_path):
    with pytest.raises(ConfigError, match="are the test, on which nothing is chosen"):
        tune(searcher, benchmark)
    (validation / "benchmark.json").write_text(json.dumps({"split": "test"}))
    with pytest.raises(ConfigError, match="are the test"):
        tune(Searcher.open(tmp_path / "VI"), validation)
    (validation / "benchmark.json").write_text("[]")
    with pytest.raises(ConfigError, match="is not what the benchmark's builder wrote"):
        tune(Searcher.open(tmp_path / "VI"), validation)


def test_queries_of_one_part_alone_have_nothing_to_choose(validation, tmp_path):
    for path in (validation / "query/test").glob("*it2i*"):
        path.unlink()
    with pytest.raises(ConfigError, match="no ind queries of picture and text"):
        tune(Searcher.open(tmp_path / "VI"), validation)


def test_the_command_writes_weights_that_the_next_evaluation_reads(validation, benchmark, tmp_path, capsys):
    file = benchmark.parents[1] / "unified" / "reports" / "vector_sum.json"
    assert main(["evaluate", "--index", str(tmp_path / "VI"), "--tune-vector-sum", str(file), "--json"]) == 0
    chosen = json.loads(capsys.readouterr().out)
    assert [(row["task"], row["n"], row["groups"]) for row in chosen] == [("it2i", 6, 6)]
    assert (
        str(tmp_path) not in file.read_text()
        and read_weights(file).tasks["it2i"].weight == chosen[0]["vector_sum_weight"]
    )
    assert main(["evaluate", "--task", "it2i", "--split", "ind", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["vector_sum_weight"] == chosen[0]["vector_sum_weight"] != 0.5


@pytest.mark.parametrize("options", [[], ["--store"], ["--task", "it2i"], ["--runs", "x"]])
def test_choosing_needs_an_index_and_nothing_else(validation, tmp_path, options, capsys):
    index = ["--index", str(tmp_path / "VI")] if options and "--store" not in options else []
    assert main(["evaluate", *index, *options, "--tune-vector-sum", str(tmp_path / "w.json")]) == 2
    assert "--tune-vector-sum needs --index" in capsys.readouterr().err
    assert not (tmp_path / "w.json").exists()


def test_the_weights_come_with_the_command_that_makes_them(validation, tmp_path):
    made = tune(Searcher.open(tmp_path / "VI"), validation)
    assert made.command.startswith("python -m training.catalogue validation") and tuning.SPLIT == "ind"
    assert made.command.endswith("--tune-vector-sum indexes/unified/reports/vector_sum.json")
