"""Queries pooled over their instruction too, as other tools pool them: how near, what they find, what the card says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.encoders.conftest import CHANGE, make, stills, tokenizer
from umr.cli.commands import main
from umr.collection import Collection
from umr.encoders import load_encoder
from umr.encoders.card import main as cards
from umr.encoders.pooled_over import Asked, measured_of, read_pooled, write_pooled
from umr.errors import ConfigError, MismatchError
from umr.eval.judged import load
from umr.eval.pooling import measure, over_instruction
from umr.export.modules import export
from umr.index.index import build_index
from umr.search import Searcher
from umr.types import Candidate, Content, Query

__all__ = ["make", "stills", "tokenizer"]

SENTENCES = {"image,text->image": CHANGE, "text->text": "Find the passage that says the same, whatever its words are."}


@pytest.fixture
def tiny(make, benchmark, monkeypatch) -> Searcher:
    """A real encoder of random weights under indexes/tiny, with its index of the tiny benchmark."""
    root = benchmark.parents[1]
    make(name="tiny", instructions=SENTENCES).save(root / "tiny" / "encoder")
    encoder = load_encoder(root / "tiny" / "encoder", device="cpu")
    folder = root / "tiny" / "catalogue"
    build_index(encoder, Collection.open(benchmark), folder, encoder_at=root / "tiny" / "encoder")
    monkeypatch.setattr("umr.shipped.default_root", lambda: root)
    return Searcher.open(folder)


def encoder_folder(searcher: Searcher) -> Path:
    return searcher.index.folder.parent / "encoder"


def test_the_other_pooling_is_the_mean_over_every_token_and_leaves_candidates(make, stills):
    encoder = make(instructions=SENTENCES)
    whole = over_instruction(encoder)
    query = Query(query_id="1", content=Content(image=stills[0, 0], text="red"), target_modality="image")
    batch = encoder.prepare([query.content], [CHANGE])
    assert not batch.pool_mask_BT.equal(batch.attention_mask_BT)
    batch.pool_mask_BT = batch.attention_mask_BT
    with torch.inference_mode():
        wanted = encoder.embed(batch).numpy()
    found, masked = (one.encode_queries([query]).vectors for one in (whole, encoder))
    assert np.allclose(found, wanted, atol=1e-6) and not np.allclose(found, masked, atol=1e-3)
    shown = [Candidate(candidate_id="1", content=query.content)]
    assert np.array_equal(*(one.encode_candidates(shown).vectors for one in (whole, encoder)))
    assert whole.backbone is encoder.backbone and encoder.config.mask_instruction


def test_what_it_costs_is_what_counting_by_hand_gives(tiny, benchmark):
    measured = measure(tiny, benchmark, ("it2i", "t2t", "t2i"))
    assert [*measured.tasks] == ["it2i", "t2t"]  # there are no queries of t2i
    assert (measured.encoder, measured.collection) == (tiny.encoder.fingerprint, tiny.collection.fingerprint)
    for task, row in measured.tasks.items():
        judged = load(benchmark, task, "ind")
        pool = [one for one in tiny.collection if one.content.modality == judged.queries[0].target_modality]
        pool_MD = tiny.encoder.encode_candidates(pool).vectors
        pair = [one.encode_queries(judged.queries).vectors for one in (tiny.encoder, over_instruction(tiny.encoder))]
        cosines = (pair[0] * pair[1]).sum(1)
        first = [
            [
                pool[at].candidate_id in judged.qrels[query.query_id]
                for query, at in zip(judged.queries, found, strict=True)
            ]
            for found in ((vectors @ pool_MD.T).argmax(1) for vectors in pair)
        ]
        means = [float(np.mean(one)) for one in first]
        assert (row.n, row.cosine_mean, row.cosine_min) == (
            len(judged.queries), round(float(cosines.mean()), 4), round(float(cosines.min()), 4))  # fmt: skip
        assert (row.masked, row.over) == tuple(round(mean, 4) for mean in means)
        assert row.difference == pytest.approx(means[1] - means[0], abs=1e-4)
        assert row.ci95[0] <= row.difference <= row.ci95[1] and row.cosine_min < 0.9999


def test_the_command_writes_what_the_cards_tell(tiny, tmp_path, capsys):
    folder, stored = encoder_folder(tiny), tiny.index.folder.parent / "reports" / "pooling.json"
    stored.parent.mkdir()
    command = ["evaluate", "--encoder", "tiny", "--pooling", str(stored), "--json"]
    assert "Measured" not in (folder / "README.md").read_text()
    assert main([*command, "--task", "t2t"]) == 0
    assert [row["task"] for row in json.loads(capsys.readouterr().out)] == ["t2t"]
    assert main(command) == 0
    (row,) = json.loads(capsys.readouterr().out)
    found = read_pooled(stored).tasks["it2i"]
    assert row == {"task": "it2i"} | json.loads(json.dumps({key: getattr(found, key) for key in Asked.__slots__}))
    said = (
        f"  - 6 `it2i` queries of catalogue: cosine {found.cosine_mean:.4f} on average, {found.cosine_min:.4f} at "
        f"least; success@1 {100 * found.over:.1f} %, {100 * found.masked:.1f} % by umr's vectors (difference "
    )
    assert cards([str(folder)]) == 0 and said in (folder / "README.md").read_text()
    assert main(["export", "--to", "sentence-transformers", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert said in (tmp_path / "out" / "README.md").read_text()
    stored.unlink()
    asked = ["export", "--to", "sentence-transformers", str(folder), "--index", str(tiny.index.folder)]
    assert main([*asked, "--out", str(tmp_path / "asked")]) == 0
    assert said in (tmp_path / "asked" / "README.md").read_text()
    assert main(["export", "--to", "sentence-transformers", str(folder), "--out", str(tmp_path / "unasked")]) == 0
    assert "Measured" not in (tmp_path / "unasked" / "README.md").read_text()
    assert main([*command, "--split", "ind", "--store"]) == 2
    assert "takes no --split, --store" in capsys.readouterr().err


def test_numbers_of_other_weights_are_told_of_none(tiny, make, benchmark, tmp_path):
    measured, folder = measure(tiny, benchmark), encoder_folder(tiny)
    stored = write_pooled(
        replace(measured, encoder="0" * 64), tmp_path / "indexes" / "tiny" / "reports" / "pooling.json"
    )
    assert measured_of(folder, tiny.encoder.fingerprint) is None
    export(folder, tmp_path / "out")
    assert "Measured" not in (tmp_path / "out" / "README.md").read_text()
    make(name="other", instructions=SENTENCES, max_tokens=10).save(tmp_path / "other")
    with pytest.raises(MismatchError, match=r"the index is by tiny .* but other .* leave --index out"):
        export(tmp_path / "other", tmp_path / "not", measured)
    assert not (tmp_path / "not").exists()
    for broken in ("{", "[]", '{"tasks": {"it2i": {}}}', '{"tasks": {"it2i": {"ci95": []}}}'):
        stored.write_text(broken)
        with pytest.raises(ConfigError, match=r"pooling\.json does not say .*evaluate --encoder NAME --pooling"):
            measured_of(folder, tiny.encoder.fingerprint)


def test_where_nothing_is_pooled_away_there_is_nothing_to_measure(tiny, make, searcher, benchmark):
    with pytest.raises(ConfigError, match="plain pools no instruction away"):
        over_instruction(make(name="plain", mask_instruction=False))
    with pytest.raises(ConfigError, match="unified is no encoder with a network"):
        measure(searcher, benchmark)
    with pytest.raises(ConfigError, match=r"has no ind queries of t2v; it has it2i, t2t"):
        measure(tiny, benchmark, ("t2v",))
