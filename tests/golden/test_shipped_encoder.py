"""What the shipped encoder must do on real content, whatever its weights: one vector per content, all tokens seen, and
clips read in time.

B rows, F frames, D embedding."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch

from umr import media
from umr.bench import profiled
from umr.encoders.micro_batch import MicroBatcher
from umr.eval.evaluate import load
from umr.types import Candidate, Content


@pytest.fixture(scope="module")
def thirty_two(benchmark_root):
    """Real queries of every form, long and short, pictures of one and of several rows."""
    asked = [
        query for task in ("it2i", "t2t", "i2i", "it2v") for query in load(benchmark_root, task, "ind").queries[:8]
    ]
    assert len(asked) == 32
    return asked


@pytest.mark.parametrize("padding", ["left", "right"])
def test_a_query_has_one_vector_whatever_its_batch(shipped, thirty_two, padding):
    encoder = shipped.encoder
    contents, told = [query.content for query in thirty_two], [encoder.instruction(query) for query in thirty_two]
    with torch.inference_mode():
        alone_BD = torch.cat(
            [encoder.embed(encoder.prepare([one], [said])) for one, said in zip(contents, told, strict=True)]
        )
        together_BD = encoder.embed(encoder.prepare(contents, told, padding=padding))
    assert (alone_BD * together_BD).sum(1).min() >= 0.9999
    served = encoder.encode_queries(thirty_two, batch_size=5).vectors
    assert (served * alone_BD.numpy()).sum(1).min() >= 0.9999


def test_visitors_who_ask_at_once_get_the_vectors_of_a_single_query(shipped, thirty_two):
    """Encoded together by the page's batcher: 2e-6 apart in a number at most, 1e-5 in a score."""
    batches, first, go_on = [], threading.Event(), threading.Event()

    class Noted:
        """The encoder, which begins its second batch only once everybody waits."""

        fingerprint = shipped.encoder.fingerprint

        def encode_queries(self, queries):
            batches.append(queries)
            if len(batches) == 1:
                first.set()
                go_on.wait(120)
            return shipped.encoder.encode_queries(queries)

    batcher, found = MicroBatcher(Noted()), {}
    threads = [
        threading.Thread(target=lambda one=query, at=at: found.update({at: batcher.encode_queries([one])}))
        for at, query in enumerate(thirty_two)
    ]
    threads[0].start()
    first.wait(120)
    for thread in threads[1:]:
        thread.start()
    until = time.monotonic() + 120
    while len(batcher._waiting) < 31 and time.monotonic() < until:
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join(120)
    assert [len(one) for one in batches] == [1, 16, 15]
    alone = [shipped.encoder.encode_queries([query]) for query in thirty_two]
    for at, one in enumerate(alone):
        assert found[at].ids == one.ids
        assert np.abs(found[at].vectors - one.vectors).max() <= 2e-6
        scores = [[hit.score for hit in shipped.index.search(made, 5)[one.ids[0]]] for made in (found[at], one)]
        np.testing.assert_allclose(*scores, atol=1e-5)


def test_a_later_token_moves_earlier_states(shipped):
    """Bidirectional attention is in force in what ships; transformers before 5.6 ignored the switch silently."""
    encoder = shipped.encoder
    assert encoder.config.attention == "bidirectional"
    batch = encoder.collate([encoder.tokenise("a small teal mug on a wooden table", "Find it.")])
    with torch.inference_mode():
        before = encoder.backbone.hidden_states(batch, None)[:, :-2].clone()
        batch.input_ids_BT[0, -2] = encoder.tokenizer.token_to_id("<emb>")
        after = encoder.backbone.hidden_states(batch, None)[:, :-2]
    assert (after - before).abs().amax(-1).min() > 1e-3  # every earlier token, the first included


def family_of(scene: dict) -> str:
    """What the clips of one family share: the scene without its action."""
    return json.dumps({key: value for key, value in scene.items() if key != "action"}, sort_keys=True)


def edit_kinds(root) -> list[str]:
    lines = (root / "query" / "test" / "mbeir_catalogue_it2v_ind_test.jsonl").read_text("utf-8").splitlines()
    return [json.loads(json.loads(line)["query_src_content"])["edit"]["kind"] for line in lines]


@pytest.fixture(scope="module")
def actions(shipped, benchmark_root):
    """(query, wanted clip) of every action edit, and {clip: the clips of its family}.

    A change of colour is left out: a frame near its end shows a colour that no other clip of the family has.
    """
    groups = defaultdict(list)
    for candidate in shipped.collection:
        scene = json.loads(candidate.source)["scene"] if candidate.content.modality == "video" else {}
        if scene and scene["action"]["kind"] != "changes colour":
            groups[family_of(scene)].append(candidate.candidate_id)
    families = {candidate_id: own for own in groups.values() for candidate_id in own if len(own) > 1}
    judged = load(benchmark_root, "it2v", "ind")
    asked = [
        (query, target)
        for query, kind in zip(judged.queries, edit_kinds(benchmark_root), strict=True)
        for target in judged.qrels[query.query_id]
        if kind == "action" and target in families
    ]
    return asked, families


def test_an_action_is_not_visible_in_one_frame(shipped, actions):
    """Every clip becomes eight times one frame of an unknown moment; the wanted one competes with its family's."""
    asked, families = actions[0][::2], actions[1]
    wanted = [target for _, target in asked]
    queries_QD = shipped.encoder.encode_queries([query for query, _ in asked]).vectors
    ids = sorted({candidate_id for target in wanted for candidate_id in families[target]})

    def found(row: dict[str, np.ndarray]) -> float:
        best = [
            max(families[target], key=lambda i: float(row[i] @ query))
            for query, target in zip(queries_QD, wanted, strict=True)
        ]
        return float(np.mean([one == target for one, target in zip(best, wanted, strict=True)]))

    rng, frozen = np.random.default_rng(0), []
    for i in ids:
        clip = media.sample_frames(shipped.collection[i].content.video, shipped.encoder.config.max_frames)
        still = np.repeat(clip[int(rng.integers(len(clip)))][None], len(clip), axis=0)
        frozen.append(Candidate(candidate_id=i, content=Content(video=still)))
    at_rest = found(dict(zip(ids, shipped.encoder.encode_candidates(frozen).vectors, strict=True)))
    moving = found(dict(zip(ids, shipped.index.vectors(ids), strict=True)))
    chance = float(np.mean([1 / len(families[target]) for target in wanted]))
    assert at_rest <= chance + 0.15, (at_rest, chance)
    assert moving >= at_rest + 0.3, (moving, at_rest)


def test_a_text_longer_than_the_limit_is_cut_and_said(shipped, thirty_two):
    long = replace(thirty_two[0], content=Content(text="red mug " * 300))
    assert shipped.encoder.notices(long) and len(shipped.search(long, 3).results) == 3


def test_the_bundled_encoder_is_profiled(capsys):
    assert profiled.main(["--items", "4", "--first", "3"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 4 * 4 and {row["work"] for row in rows} == {
        "100 composed queries, one by one",
        "4 candidates, catalogue",
        "4 candidates, texts of 2 to 150 tokens",
        "4 candidates, pictures",
    }
    assert all(rows[at]["function"] == "torch._C._nn.linear" for at in (0, 8, 12))
