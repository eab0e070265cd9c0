"""Local and global pools, and what is right of any kind."""

import json
from pathlib import Path

import pytest

from umr.cli.commands import main
from umr.collection import Collection
from umr.errors import ConfigError
from umr.eval.evaluate import evaluate, measure_job
from umr.eval.judged import load
from umr.eval.pools import EVERYTHING, GLOBAL_SPLITS, Job, matching, of_any_kind, pools_of
from umr.eval.splits import SPLITS


def tell_scenes(benchmark: Path) -> None:
    """Candidates say their scene as the catalogue's do: image n, passage 20 + n and entry 30 + n show card n; clips
    a moving one."""
    for path in (benchmark / "cand_pool" / "local").iterdir():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            number = int(row["did"].removeprefix("100:"))
            scene = {"card": number % 20 if number < 30 else number % 10, "action": None}
            if row["modality"] == "video":
                scene["action"] = "turns"
            row["src_content"] = json.dumps({"scene": scene})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def scenes(benchmark) -> Path:
    """Before the searcher of the tests opens it."""
    tell_scenes(benchmark)
    return benchmark


def test_every_split_is_local_and_three_are_global_too():
    assert {split for split in SPLITS if pools_of(split, "both") == ("local", "global")} == GLOBAL_SPLITS
    assert pools_of("light", "both") == pools_of("some-dataset", "both") == pools_of("ind", "local") == ("local",)
    assert pools_of("light", "global") == ("global",)
    with pytest.raises(ConfigError, match="the pool is 'all'; legal: local, global, both"):
        pools_of("ind", "all")


def test_a_benchmark_that_tells_no_scenes_has_no_everything(benchmark):
    assert matching(benchmark, None, None) == [
        Job("it2i", "ind", ("local", "global")),
        Job("it2i", "phrasing", ("local",)),
        Job("t2t", "ind", ("local", "global")),
    ]
    with pytest.raises(ConfigError, match="no queries of task it2all, split any; there are: it2i ind"):
        matching(benchmark, "it2all", None)
    with pytest.raises(ConfigError, match="100:0 in catalogue does not say its scene"):
        load(benchmark, "it2all", "ind")


def test_everything_asks_the_queries_of_a_task_that_is_there(scenes):
    assert matching(scenes, "it2all", None) == [Job("it2all", "ind", ("global",))]
    assert [job.task for job in matching(scenes, None, "ind")] == ["it2all", "it2i", "t2t"], "there is no t2i, no i2i"
    assert [job.task for job in matching(scenes, None, "phrasing")] == ["it2i"]
    assert "it2all" not in {job.task for job in matching(scenes, None, None, "local")}
    assert list(EVERYTHING) == ["t2all", "i2all", "it2all"]


def test_right_of_any_kind_is_all_that_shows_the_wanted_scene(scenes):
    found = of_any_kind(Collection.open(scenes), {"q": {"100:2": 1}, "r": {"100:5": 1, "100:11": 1}})
    assert found["q"] == {"100:2": 1, "100:22": 1, "100:32": 1}, "picture, passage and entry of it"
    assert set(found["r"]) == {"100:5", "100:25", "100:11"}, "and of each wanted scene"
    moving = of_any_kind(Collection.open(scenes), {"q": {"100:41": 1}})
    assert set(moving["q"]) == {"100:41"}, "a clip in which something happens is no still"


def test_everything_is_asked_with_its_own_instruction_among_all_kinds(scenes, searcher):
    (measured,) = measure_job(searcher, scenes, Job("it2all", "ind", ("global",)))
    assert {query.target_modality for query in measured.judged.queries} == {"all"}
    assert list(measured.runs) == ["composed"] and measured.row["pool"] == "global"
    kinds = {searcher.collection[hit.candidate_id].content.modality for hit in measured.runs["composed"]["100:0"]}
    assert len(kinds) > 1
    assert measured.row["success@1"] == 1, "the picture or its entry is first, and both are right"
    with pytest.raises(ConfigError, match="it2all asks for any kind, so its pool is global, not local"):
        evaluate(searcher, scenes, "it2all", "ind")


def test_the_command_measures_everything_beside_both_pools(scenes, searcher, capsys):
    assert main(["evaluate", "--split", "ind", "--json"]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [(row["task"], row["pool"]) for row in rows] == [
        ("it2all", "global"),
        ("it2i", "local"),
        ("it2i", "global"),
        ("t2t", "local"),
        ("t2t", "global"),
    ]
    means = {
        pool: sum(row["success@1"] for row in rows if row["pool"] == pool and row["task"] != "it2all") / 2
        for pool in ("local", "global")
    }
    said = ", ".join(f"{pool} pool {100 * mean:.1f} (2 tasks)" for pool, mean in means.items())
    assert f"mean success@1 of the tasks in distribution, %: {said}" in err
