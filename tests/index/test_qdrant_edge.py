"""A folder in the place of a server, by the server's own engine: what it refuses, what it keeps, its graph and bytes.

That it is searched, filled and changed as a server is the contract's matter (test_engines.py)."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from umr.bench.synthetic import SyntheticEncoder, SyntheticRows, write_candidates
from umr.collection import Collection
from umr.errors import ConfigError, MismatchError
from umr.index.build import Form, build_claimed
from umr.index.index import Index
from umr.index.manifest import QDRANT, IndexManifest
from umr.index.qdrant_edge import EdgeClient
from umr.index.qdrant_store import HNSW, QUANTISED
from umr.lock import claimed
from umr.types import Embeddings

ROOT = Path(__file__).resolve().parents[2]
MADE = SyntheticRows(1_000, 16)


@pytest.fixture
def rows(qdrant_edge, tmp_path) -> Collection:
    write_candidates(tmp_path / "rows", MADE.count)
    return Collection.open(tmp_path / "rows")


def built(rows, out, factory="SQfp16") -> Index:
    encoder = SyntheticEncoder(MADE)
    with claimed(out) as claim:
        build_claimed(claim, encoder, rows, Form(engine=QDRANT, factory=factory, shard=300))
    return Index.open(out, encoder, rows)


def test_what_is_written_is_there_for_the_next_process_and_none_beside_this_one(rows, qdrant_edge, tmp_path):
    built(rows, tmp_path / "index")
    counting = """
import sys
from umr.index.manifest import IndexManifest
from umr.index.qdrant_server import connect
print(connect().count(IndexManifest.read(sys.argv[1]).rows_at).count)
"""
    command = [sys.executable, "-c", counting, str(tmp_path / "index")]
    beside = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert beside.returncode == 1 and "is open in another process, and a folder is for one at a time" in beside.stderr
    qdrant_edge.close()
    after = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert after.stdout == "1000\n", after.stderr


@pytest.mark.parametrize("factory", [HNSW, QUANTISED])
def test_asked_by_its_graph_it_keeps_to_the_kind_and_gives_exact_scores(rows, tmp_path, factory):
    index, exact = built(rows, tmp_path / "graph", factory), MADE.rows(np.arange(MADE.count)).astype(np.float16)
    queries = MADE.queries(20)
    asked = Embeddings(ids=tuple(map(str, range(20))), vectors=queries, encoder=SyntheticEncoder(MADE).fingerprint)
    scores = queries @ exact.astype(np.float32).T
    found = 0
    for hits, row in zip(index.search(asked, 10, rows.pool("image")).values(), scores[:, :500], strict=True):
        found += len({int(hit.candidate_id) for hit in hits} & set(np.argsort(-row)[:10].tolist()))
        assert [hit.score for hit in hits] == pytest.approx([row[int(hit.candidate_id)] for hit in hits], abs=1e-5)
    assert found == 200  # rows of less than 10 MB are compared one by one; umr.bench scale measures the graph


def test_a_collection_that_was_not_made_whole_is_made_again_and_a_damaged_one_is_words(rows, qdrant_edge, tmp_path):
    index = built(rows, tmp_path / "index")
    name = index.manifest.rows_at
    place = tmp_path / "edge" / name
    assert [one.name for one in qdrant_edge.get_collections().collections] == [name]
    (tmp_path / "edge" / "died" / "shard").mkdir(parents=True)
    assert not qdrant_edge.collection_exists("died")
    qdrant_edge.close()
    (next((place / "shard" / "segments").iterdir()) / "segment.json").write_text("{")
    with pytest.raises((ConfigError, MismatchError), match=f"{name}"):
        Index.open(tmp_path / "index", SyntheticEncoder(MADE))
    qdrant_edge.delete_collection(name)
    assert not place.exists() and not qdrant_edge.collection_exists(name)


def test_without_the_package_the_way_out_is_named(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *args, **more):
        if name == "qdrant_edge":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install -r requirements-edge\.txt"):
        EdgeClient(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_it_says_of_a_collection_is_a_file_beside_its_shard(rows, tmp_path):
    manifest = built(rows, tmp_path / "index").manifest
    said = json.loads((tmp_path / "edge" / manifest.rows_at / "metadata.json").read_text())
    assert said == {"encoder": manifest.encoder, "dim": 16, "rows": manifest.rows}
    assert IndexManifest.read(tmp_path / "index") == manifest
