"""Words for splits: every split that the catalogue's benchmark asks has some, and others are called by their name."""

from training.catalogue.benchmark import SPLITS_OF
from umr.eval.splits import SPLITS, asks, order, title


def test_the_table_knows_every_split_of_the_catalogue_and_no_other():
    assert set(SPLITS) == {"ind", "typed"}.union(*SPLITS_OF.values())


def test_a_split_of_another_benchmark_keeps_its_name_and_comes_last():
    assert title("cirr") == "cirr" and asks("cirr") == ""
    assert sorted(["cirr", "typos", "ind"], key=order) == ["ind", "typos", "cirr"]
