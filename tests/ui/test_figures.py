"""What is said wherever the pair is shown: what is circular, and no claim that its numbers do not bear."""

from __future__ import annotations

from pathlib import Path

from umr.bench.readme_tables import PAIR
from umr.eval.reports import read_stored
from umr.shipped import index_folder, repository_root
from umr.ui.compare import html as compare_html
from umr.ui.diagnose import actions as diagnose
from umr.ui.figures import CIRCULAR
from umr.ui.searchers import find_searchers


def test_diagnose_says_what_the_preference_loss_itself_minimises():
    assert compare_html.escape(CIRCULAR) in diagnose.show(find_searchers(), "mca", "it2i ind")


def test_the_readme_says_of_the_pair_whether_composing_adds_with_the_stored_numbers():
    text = " ".join((repository_root() / "README.md").read_text("utf-8").split())
    for name in PAIR:
        row = read_stored(name, index_folder(name)).row("it2i", "ind")
        assert f"`{name}` {100 * row['success@1']:.1f} against {100 * row['vector_sum_success@1']:.1f}" in text
    for file in (Path("README.md"), Path("training/README.md")):
        claims = (repository_root() / file).read_text("utf-8").lower()
        assert "removes the shortcut" not in claims and "what changes is the shortcut itself" not in claims
