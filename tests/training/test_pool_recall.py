"""Lists over compressed rows against all rows: equal where all lists are looked into, in closed form where few are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.test_pool_size import MEASURED, Made, far, made, plan, unit
from training import pool_recall
from training.pool_size import Distractors
from umr.errors import ConfigError, MismatchError
from umr.index.flat import FlatIndex

__all__ = ["made", "plan"]  # fixtures
ADDED = 900


def vectors(count: int = ADDED) -> np.ndarray:
    return unit(np.random.default_rng(4).standard_normal((count, 48)))


@pytest.fixture
def added(made: Made, tmp_path: Path) -> Distractors:
    """Pictures that are drawn by chance, and answer no query."""
    few = made.added(tmp_path / "added", vectors(ADDED // 20))
    return replace(few, vectors=vectors(), scenes=few.scenes * 20)


def test_all_lists_hold_what_all_rows_hold(made: Made, added: Distractors):
    rows = pool_recall.measure(made.searcher, made.root, added, ["IVF4,SQ8", "IVF16,SQ8"], [4])
    assert [(row["task"], row["split"], row["factory"]) for row in rows] == [
        (*asked, factory) for factory in ("IVF4,SQ8", "IVF16,SQ8") for asked in MEASURED
    ]
    pool = len(made.searcher.collection.pool("image")) + ADDED
    for row in rows:
        assert (row["pool"], row["nprobe"]) == (pool, 4) and row["exact_success@1"] == 1
        low, high = row["ci95_recall@10"]
        assert low <= row["recall@10"] <= high
        if row["factory"] == "IVF4,SQ8":
            assert row["recall@10"] == row["success@1"] == 1
        else:
            assert 0.2 < row["recall@10"] < 1


def test_recall_is_the_share_of_the_exact_ten_without_what_is_hidden(made: Made, added: Distractors):
    rows = pool_recall.measure(made.searcher, made.root, added, ["IVF16,SQ8"], [3])
    pool = made.searcher.collection.pool("image")
    flat = FlatIndex.empty(48, on_gpu=False)
    flat.add(made.searcher.index.vectors(pool))
    flat.add(added.vectors)
    wanted = pool_recall._coarse("IVF16,SQ8", flat, 3)
    lists, ids = pool_recall.CoarseIndex.made(wanted, flat), list(pool)
    for row, (task, split) in zip(rows, MEASURED, strict=True):
        judged, shares = pool_recall.load(made.root, task, split), []
        for query in judged.queries:
            vector = made.searcher.encoder.encode_queries([query]).vectors.astype(np.float32)
            hidden = {ids.index(one) for one in made.searcher.excluded(query) if one in set(ids)}
            exact = [one for one in flat.search(vector, 20)[1][0].tolist() if one not in hidden][:10]
            found = lists.search(vector, 20)
            assert found is not None
            shares.append(len({one for one in found[1][0].tolist() if one not in hidden} & set(exact)) / 10)
        assert row["n"] == len(shares)
        assert row["recall@10"] <= np.mean(shares)  # the first ten of the lists are among their first twenty
        assert row["recall@10"] == pytest.approx(np.mean(shares))  # as the exact rows score what the lists found


def test_what_cannot_be_compared_is_refused(made: Made, added: Distractors):
    with pytest.raises(ConfigError, match="SQfp16 is the exact search"):
        pool_recall.measure(made.searcher, made.root, added, ["SQfp16"])
    with pytest.raises(ConfigError, match="nprobe is 17; it must be from 1 to the number of lists, 16"):
        pool_recall.measure(made.searcher, made.root, added, ["IVF16,SQ8"], [17])
    with pytest.raises(MismatchError, match=r"the added vectors are \(40, 24\); this encoder's have 48 numbers"):
        pool_recall.measure(made.searcher, made.root, replace(added, vectors=far(40)[:, :24]), ["IVF1,SQ8"])


def test_the_command_prints_what_it_measured(made: Made, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "added"
    made.added(folder, vectors(200))
    given = ["--index", str(tmp_path / "index"), "--vectors", str(folder), "--factory", "IVF2,SQ8", "--nprobe", "2"]
    assert pool_recall.main(given) == 0
    assert "IVF2,SQ8, 2 lists a query  recall@10 1.0000" in capsys.readouterr().out
    assert pool_recall.main([*given[:-3], "IVF0,SQ8"]) == 2
    assert capsys.readouterr().err.startswith("training.pool_recall: IVF0,SQ8")
