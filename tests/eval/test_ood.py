"""Out of distribution: the distance, its threshold, the claim about a set, and the calibration's file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError
from umr.eval import ood, ood_samples
from umr.eval.ood import Calibration, Kind, calibrate, chance_of, distances, judge, read_calibration, threshold
from umr.eval.splits import SPLITS
from umr.index.index import Index, build_index
from umr.search import Searcher
from umr.shipped import index_folder
from umr.types import Candidate, Content


def unit(rng: np.random.Generator, count: int, centre: np.ndarray) -> np.ndarray:
    rows = centre + 0.3 * rng.standard_normal((count, len(centre)))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_distance_is_mahalanobis_for_a_round_cloud():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((20_000, 3)).astype(np.float32)
    found = distances(reference, np.array([[0, 0, 0], [3, 0, 0], [0, 4, 0]], np.float32))
    assert np.allclose(found, [0, 3, 4], atol=0.1)


def test_the_distance_counts_in_the_spread_of_each_direction():
    rng = np.random.default_rng(0)
    reference = (rng.standard_normal((5000, 2)) * [2.0, 1.0]).astype(np.float32)
    wide, narrow = distances(reference, np.array([[2, 0], [0, 2]], np.float32))
    assert wide < 1.1 and narrow > 1.8


def test_the_threshold_is_the_conformal_order_statistic():
    assert threshold(np.arange(1.0, 100.0), 0.01) == 99.0
    assert threshold(np.arange(1.0, 200.0), 0.05) == 190.0
    with pytest.raises(ConfigError, match="99 are needed"):
        threshold(np.arange(98.0), 0.01)


def test_held_out_draws_are_over_the_threshold_at_no_more_than_the_rate():
    rng, over = np.random.default_rng(0), []
    for _ in range(300):
        held_out = rng.standard_normal(200)
        over.append((rng.standard_normal(200) > threshold(held_out, 0.05)).mean())
    assert 0.04 < np.mean(over) <= 0.052


def test_the_chance_of_false_alarms_is_binomial():
    assert chance_of(1, 1, 0.05) == pytest.approx(0.05)
    assert chance_of(10, 0, 0.05) == pytest.approx(1.0)
    assert chance_of(2, 2, 0.1) == pytest.approx(0.01)
    assert chance_of(20, 2, 0.01) == pytest.approx(1 - 0.99**20 - 20 * 0.01 * 0.99**19)


@pytest.fixture
def own(searcher: Searcher, tmp_path: Path, picture) -> Searcher:
    """Six pictures of a visitor."""
    candidates = [
        Candidate(candidate_id=f"{n}.png", content=Content(image=picture(f"own/{n}.png", "red", (9 + n, 5))))
        for n in range(6)
    ]
    folder = tmp_path / "own-index"
    build_index(searcher.encoder, Collection(candidates, "own", ""), folder)
    return Searcher(searcher.encoder, Index.open(folder, searcher.encoder), Collection.open(folder / "collection"))


def calibration(searcher: Searcher, limit: float) -> Calibration:
    kind = Kind(threshold=limit, calibrated=100, checked=100, false_alarms=0.02, detected={"noise": 1.0})
    return Calibration(
        encoder=searcher.encoder.fingerprint,
        collection=searcher.collection.fingerprint,
        alpha=0.01,
        kinds={"image": kind, "video": kind},
        command="test",
    )


def test_a_set_over_the_threshold_is_far_and_one_below_is_not(searcher, own):
    far = judge(calibration(searcher, 0.0), searcher, own)
    assert [(v.modality, v.count, v.beyond, v.far, v.rate) for v in far] == [("image", 6, 6, True, 0.02)]
    assert far[0].chance == pytest.approx(0.02**6)
    near = judge(calibration(searcher, 1e9), searcher, own)
    assert [(v.beyond, v.far) for v in near] == [(0, False)]


def test_a_calibration_is_read_back_and_only_for_its_own_encoder_and_collection(searcher):
    folder = index_folder("unified", searcher.collection.folder.parents[1])
    assert read_calibration(folder, searcher) is None
    path = ood.write_calibration(calibration(searcher, 1.0), folder)
    assert path == folder.parent / "reports" / "drift.json"
    assert read_calibration(folder, searcher) == calibration(searcher, 1.0)
    other = Searcher(searcher.encoder, searcher.index, searcher.collection)
    other.encoder = FakeEncoder(dim=32, name="another")
    assert read_calibration(folder, other) is None


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"kinds": {"image": {}}}', '{"kinds": {"smell": {}}}', '{"kinds": 3}']
)
def test_a_broken_calibration_is_an_error_in_words(searcher, text):
    folder = index_folder("unified", searcher.collection.folder.parents[1])
    ood.calibration_file(folder).parent.mkdir()
    ood.calibration_file(folder).write_text(text)
    with pytest.raises(ConfigError, match="python -m umr drift"):
        read_calibration(folder, searcher)


def test_a_modality_with_too_few_held_out_ones_gets_no_claim(searcher):
    assert calibrate(searcher, searcher.collection.folder).kinds == {}


def test_a_benchmark_without_held_out_pictures_is_refused_with_its_splits(searcher):
    media = searcher.collection.folder
    for path in (media / "query" / "test").glob("*_it2i_ind_*"):
        path.unlink()
    with pytest.raises(ConfigError, match=r"no queries with pictures of split ind.*its splits are ind, phrasing"):
        calibrate(searcher, media)


def test_pictures_of_the_splits_that_are_there_are_shown_instead(benchmark):
    plain = set(ood._others("image", benchmark))
    assert plain == set(ood_samples.PICTURES), "no split of this benchmark has other pictures"
    for folder, name in (("query", "{}.jsonl"), ("qrels", "{}_qrels.txt")):
        old, new = (
            benchmark / folder / "test" / name.format(f"mbeir_catalogue_it2i_{split}_test")
            for split in ("ind", "light")
        )
        old.rename(new)
    found = ood._others("image", benchmark)
    assert set(found) - plain == {"catalogue in another light"} and len(found["catalogue in another light"]) == 6
    assert set(ood._others("text", benchmark)) == set(ood_samples.TEXTS)
    assert set(ood.SHIFTED) <= set(SPLITS)


def test_calibration_states_its_false_alarms_and_what_it_detects():
    rng = np.random.default_rng(1)
    reference = unit(rng, 600, np.eye(8)[0])
    held_out, far = unit(rng, 400, np.eye(8)[0]), unit(rng, 50, np.eye(8)[4])
    kind = ood._kind(distances(reference, held_out), {"far": distances(reference, far)})
    assert kind.calibrated == kind.checked == 200 and kind.false_alarms <= 0.04
    assert kind.detected["far"] > 0.7
    table = ood.rows(Calibration(encoder="", collection="", alpha=0.01, kinds={"image": kind}, command=""))
    assert [line["shown"] for line in table] == ["catalogue, held out", "far"]
    assert json.loads(json.dumps(table)) == table  # as `umr drift --json` prints it


def test_unfamiliar_things_are_the_same_on_every_call_and_of_their_kind():
    for modality in ("image", "text", "video"):
        first, second = ood_samples.contents(modality, 4), ood_samples.contents(modality, 4)
        assert len(first) >= 2
        for name, contents in first.items():
            assert {content.modality for content in contents} == {modality}
            value = {
                "image": lambda c: c.image.tobytes(),
                "text": lambda c: c.text,
                "video": lambda c: c.video.tobytes(),
            }
            assert [value[modality](c) for c in contents] == [value[modality](c) for c in second[name]]
    assert ood_samples.contents("image,text") == {}
