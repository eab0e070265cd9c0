"""Dual encoders where they are used: a published benchmark by the command line, a repository of the Hub, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from transformers import CLIPModel

from tests.encoders import dual_public
from tests.encoders.dual_public import CLIP, Reference
from tests.eval.benchmarks.test_benchmarks import N, cirr
from umr import media
from umr.cli.commands import main
from umr.encoders import load_encoder
from umr.encoders.adopt import adopt_summed
from umr.export.push import contents
from umr.models.listing import AS_PUBLISHED, listing

WEIGHT = 0.3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return dual_public.write(tmp_path_factory.mktemp("dual") / "clip", CLIP)


@pytest.fixture(scope="module")
def made(checkpoint, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dual-encoder") / "tiny"
    adopt_summed(checkpoint, out, "tiny", text_weight=WEIGHT)
    return out


def test_a_benchmark_measures_the_weighted_sum(checkpoint, made, tmp_path, capsys):
    """CIRR's layout: ranks by transformers' CLIPModel, 0.7 of the picture's vector and 0.3 of the text's."""
    names, rows = cirr(tmp_path / "data")
    known = Reference.of(checkpoint, CLIP)
    files = [tmp_path / "data" / "img_raw" / "dev" / f"{name}.png" for name in names]
    shown = known.pictures([media.open_image(path) for path in files])
    asked = (1 - WEIGHT) * shown[[names.index(row["reference"]) for row in rows]]
    asked += WEIGHT * known.texts([row["caption"] for row in rows])
    ranks = []
    for row, scores_M in zip(rows, asked @ shown.T, strict=True):
        order = [names[at] for at in np.argsort(-scores_M) if names[at] != row["reference"]]
        ranks.append(1 + order.index(row["target_hard"]))
    words = ["evaluate", "--benchmark", "cirr", "--data", str(tmp_path / "data"), "--encoder", str(made), "--json"]
    assert main(words) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found["n"] == N and len(set(ranks)) > 3
    assert [found[f"R@{k}"] for k in (1, 5, 10)] == [
        pytest.approx(np.mean([rank <= k for rank in ranks])) for k in (1, 5, 10)
    ]


def test_a_repository_holds_what_opens_it_here_and_in_transformers(checkpoint, made, tmp_path):
    files = contents(made)
    copy = tmp_path / "fetched"
    copy.mkdir()
    for name, content in files.items():
        (copy / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    assert load_encoder(copy, device="cpu").fingerprint == load_encoder(made, device="cpu").fingerprint
    model = CLIPModel.from_pretrained(copy)
    theirs = CLIPModel.from_pretrained(checkpoint).state_dict()
    assert all(value.equal(theirs[name]) for name, value in model.state_dict().items())
    card = ModelCard(files["README.md"].decode())
    assert "vector sum, weight 0.3 of the text: no composition trained" in card.text
    assert card.data.license == "other" and "LICENSE" not in files  # the weights are somebody else's


def test_push_lists_its_files_and_export_names_the_way_out(made, tmp_path, capsys):
    assert main(["push", str(made), "me/tiny", "--dry-run", "--json"]) == 0
    out, said = capsys.readouterr()
    assert {row["file"] for row in json.loads(out)} == {*contents(made)} and "nothing was uploaded" in said
    words = ["export", str(made), "--to", "sentence-transformers", "--out", str(tmp_path / "out")]
    assert main(words) == 2 and not (tmp_path / "out").exists()
    said = capsys.readouterr().err
    assert "tiny is a dual encoder (vector sum, weight 0.3 of the text" in said
    assert "transformers' CLIPModel opens" in said and f"python -m umr push {made} OWNER/NAME" in said


def test_a_shipped_one_is_listed_with_its_composition(made, tmp_path):
    shutil.copytree(made, tmp_path / "tiny" / "encoder")
    row = listing(tmp_path)[0]
    assert (row["name"], row["dim"], row["opens"]) == ("tiny", 24, AS_PUBLISHED)
    assert row["composes"] == "vector sum, weight 0.3 of the text: no composition trained"
    assert "no task sentences" in row["recipe"] and row["licence"] is None
