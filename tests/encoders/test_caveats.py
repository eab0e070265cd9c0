"""What must be said of the shipped pair: said wherever it is shown, as long as these weights are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from umr.bench.readme_tables import PAIR
from umr.encoders.card import CARD_NAME, card
from umr.encoders.caveats import CIRCULAR, EARLIER_CATALOGUE, UNEQUAL, UNEQUAL_DATA, concerns, is_earlier
from umr.encoders.config import read_config
from umr.eval.reports import read_stored
from umr.index.manifest import IndexManifest
from umr.shipped import default_root, index_folder, repository_root
from umr.ui.benchmarks import actions as benchmarks
from umr.ui.benchmarks import html as benchmarks_html
from umr.ui.compare import html as compare_html
from umr.ui.diagnose import actions as diagnose
from umr.ui.models import actions as models
from umr.ui.searchers import find_searchers

PRINTS = {name: IndexManifest.read(index_folder(name)).encoder for name in (*PAIR, "unified")}


def shipped(*names: str) -> bool:
    """Whether the encoders in this repository are still those that the caveats are about."""
    return concerns(PRINTS[name] for name in names)


def test_only_these_very_weights_are_concerned():
    assert not concerns([]) and not concerns(["0" * 64]) and not shipped("unified")
    assert all(concerns([print_]) for print_ in UNEQUAL)
    assert len({shipped(name) for name in PAIR}) == 1  # the pair is trained again together


@pytest.mark.parametrize("name", [*PAIR, "unified"])
def test_the_card_says_it_of_the_encoders_that_it_concerns(name):
    folder = default_root() / name / "encoder"
    told = (folder / CARD_NAME).read_text("utf-8")
    assert (UNEQUAL_DATA in told and CIRCULAR in told) is shipped(name)
    assert UNEQUAL_DATA not in card(read_config(folder), None)


@pytest.mark.parametrize("name", PRINTS)
def test_card_benchmarks_and_readme_say_whose_training_held_scenes_of_the_test(name):
    older = is_earlier(PRINTS[name])
    assert (EARLIER_CATALOGUE in (default_root() / name / "encoder" / CARD_NAME).read_text("utf-8")) is older
    shown = benchmarks_html.tables([read_stored(name, index_folder(name))], "success@1")
    assert (EARLIER_CATALOGUE in shown) is older
    told = " ".join((repository_root() / "README.md").read_text("utf-8").split())
    assert "1,810 of the 4,804 scenes" in told or not older


def test_benchmarks_compare_and_diagnose_say_it_with_the_stored_numbers():
    searchers = find_searchers()
    found = benchmarks.difference(searchers, *PAIR)
    assert (compare_html.escape(UNEQUAL_DATA) in found) is shipped(*PAIR)
    assert (compare_html.escape(UNEQUAL_DATA) in models.trained(searchers)) is shipped(*PAIR)
    for name in PAIR:
        row = read_stored(name, index_folder(name)).row("it2i", "ind")
        assert row["success@1"] < row["vector_sum_success@1"] or not shipped(*PAIR)
        said = f"{name} {100 * row['success@1']:.1f} against {100 * row['vector_sum_success@1']:.1f}"
        assert (said in found) is shipped(*PAIR)
    assert compare_html.escape(CIRCULAR) in diagnose.show(searchers, "mca", "it2i ind")


def test_the_readme_says_it_with_the_stored_numbers_and_claims_nothing_more():
    text = " ".join((repository_root() / "README.md").read_text("utf-8").split())
    rows = [read_stored(name, index_folder(name)).row("it2i", "ind") for name in PAIR]
    for name, row in zip(PAIR, rows, strict=True):
        numbers = f"{100 * row['success@1']:.1f} against {100 * row['vector_sum_success@1']:.1f}"
        assert (f"`{name}` {numbers}" in text) is shipped(*PAIR)
    assert "only 14 %" in text or not shipped(*PAIR)
    for file in (Path("README.md"), Path("training/README.md")):
        claims = (repository_root() / file).read_text("utf-8").lower()
        assert "removes the shortcut" not in claims and "what changes is the shortcut itself" not in claims
