"""What ships is what was measured: stored reports and searches against fresh ones, by the shipped encoders."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.golden.rewrite import STORED, TASKS, golden
from umr.bench import readme_tables
from umr.eval.evaluate import evaluate
from umr.eval.pools import matching
from umr.eval.reports import key_of, read_report, reports_folder
from umr.eval.scores import COLUMNS
from umr.index.manifest import IndexManifest
from umr.search import Searcher
from umr.shipped import DEFAULT_ENCODER, available, default_root, index_folder, repository_root

MIB = 2**20
ENCODERS = available()
AGAIN = "python -m tests.golden.rewrite"


def test_the_three_encoders_are_shipped():
    assert set(ENCODERS) >= {"unified", "contrastive", "mca"}


@pytest.mark.parametrize("name", ENCODERS)
def test_an_index_holds_together_and_its_encoder_still_makes_its_vectors(name):
    searcher = Searcher.open(index_folder(name))
    manifest = IndexManifest.read(index_folder(name))
    assert searcher.index.verify_probe(searcher.encoder) >= 0.9999
    assert (manifest.encoder, manifest.encoder_name) == (searcher.encoder.fingerprint, name)
    assert manifest.collection == searcher.collection.fingerprint
    assert manifest.count == len(searcher.collection) == len(searcher.index)
    assert manifest.precision == "float32"


@pytest.mark.parametrize("name", ENCODERS)
def test_a_report_is_of_the_shipped_encoder_and_collection(name, benchmark_root):
    report, manifest = read_report(reports_folder(name)), IndexManifest.read(index_folder(name))
    assert (report["encoder"], report["collection"]) == (manifest.encoder, manifest.collection)
    pools = Counter(row["pool"] for row in report["rows"])
    assert pools["local"] == len(matching(benchmark_root, None, None, "local"))
    assert pools["global"] == 15  # ten tasks, typed and free, and the three that ask for any kind
    assert all(row["n"] >= (400 if row["split"] == "ind" else 190) for row in report["rows"])


def test_a_stored_row_equals_a_fresh_evaluation(shipped, benchmark_root):
    """Two queries of difference are allowed: another processor rounds otherwise, and near ties change places."""
    fresh = evaluate(shipped, benchmark_root, "it2i", "phrasing")
    rows = read_report(reports_folder(DEFAULT_ENCODER))["rows"]
    stored = next(row for row in rows if key_of(row) == ("it2i", "phrasing", "local"))
    assert stored["n"] == fresh["n"]
    parts = [f"{part}_success@1" for part in ("picture_only", "text_only", "vector_sum")]
    for column in (*COLUMNS, *parts, "unimodal_wins"):
        assert fresh[column] == pytest.approx(stored[column], abs=2.01 / fresh["n"]), column


def test_the_readme_states_what_is_stored():
    readme = (repository_root() / "README.md").read_text("utf-8")
    assert readme.count("<!-- table:") == len(readme_tables.TABLES)
    assert readme_tables.filled(readme) == readme, "run: python -m umr.bench.readme_tables"


@pytest.fixture(scope="module")
def searches(shipped):
    return json.loads(STORED.read_text("utf-8")), golden(shipped)


def test_golden_searches_are_of_the_shipped_encoder(searches):
    stored, _ = searches
    manifest = IndexManifest.read(index_folder(DEFAULT_ENCODER))
    assert (stored["encoder"], stored["collection"]) == (manifest.encoder, manifest.collection), f"new weights: {AGAIN}"


@pytest.mark.parametrize("kind", TASKS)
def test_golden_searches_are_unchanged(searches, kind):
    stored, made = (
        {name: hits for name, hits in run["queries"].items() if name.split()[0] == kind} for run in searches
    )
    assert set(stored) == set(made) and len(stored) == 6
    for name, hits in stored.items():
        assert [found for found, _ in made[name]] == [found for found, _ in hits], name
        assert [score for _, score in made[name]] == pytest.approx([score for _, score in hits], abs=1e-3), name


def tree() -> list[Path]:
    """The repository's files; those that git would keep, or all but hidden folders' in a copy without its history."""
    root, command = repository_root(), ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (root / ".git").exists():
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        return [root / name for name in listed.split("\0") if name]
    return [path for path in root.rglob("*") if not path.relative_to(root).parts[0].startswith(".")]


def test_the_tree_is_small_enough_to_be_cloned():
    sizes = {path: path.stat().st_size for path in tree() if path.is_file()}
    assert default_root() / DEFAULT_ENCODER / "encoder" / "model.safetensors" in sizes
    assert {path.name: size for path, size in sizes.items() if size >= 15 * MIB} == {}
    assert sum(sizes.values()) < 60 * MIB, f"{sum(sizes.values()) / MIB:.1f} MiB"


def test_no_shipped_manifest_names_a_place_on_one_machine():
    places = [value for name in ENCODERS for value in vars(IndexManifest.read(index_folder(name))).values()]
    assert not [value for value in places if isinstance(value, str) and (Path(value).is_absolute() or "/root" in value)]
