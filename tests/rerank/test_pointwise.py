"""LamRA's and U-MARVEL's re-rankers through umr give the scores that their evaluation gives of the joined pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.encoders.published import publish
from tests.encoders.test_published import CONTENTS
from tests.rerank.pointwise import PairReference, publish_reranker
from umr.encoders.adopt import INSTRUCTIONS
from umr.encoders.qwen_vl_recipes import QWEN2, QWEN2_5
from umr.errors import ConfigError
from umr.rerank import load_reranker
from umr.rerank.adopt import adopt_reranker
from umr.rerank.config import read_config
from umr.rerank.reranker import penalised
from umr.types import Candidate, Content, Query

ASKED = "Find an image caption describing the following everyday image."
#: Texts whose end, beginning and middle a tokenizer could join with the words around them.
WORDS = [Content(text=text) for text in ("5", "mugs...", 'a "teal" mug?!', "it's", "no. 7", "\u00e9\u0301 mug ")]
SHOWN = [CONTENTS[0], CONTENTS[2], CONTENTS[4], CONTENTS[5]]
ASKING = [
    (CONTENTS[2], "Is it one of these?"),  # a picture and words
    (CONTENTS[1], "find the same thing"),  # a picture alone, a sentence without a full stop
    (CONTENTS[5], ""),  # a clip alone
]


@pytest.fixture(
    scope="module",
    params=[
        ("qwen2_vl", "lamra-rank", False, None),
        ("qwen2_5_vl", "lamra-rank", True, 1.05),
        ("qwen3_vl", "umarvel-rank", True, 1.0),
    ],
    ids=lambda one: f"{one[0]} {one[1]}",
)
def made(request, tmp_path_factory) -> tuple[Path, Path, str]:
    family, recipe, tied, penalty = request.param
    root = tmp_path_factory.mktemp("pairs")
    publish_reranker(root / "tiny", family, tied, penalty)
    adopt_reranker(root / "tiny", root / "made", recipe, max_frames=4)
    return root / "tiny", root / "made", family


def test_scores_are_those_of_the_published_evaluation(made):
    source, folder, family = made
    reference, reranker = PairReference(source, family), load_reranker(folder, device="cpu")
    items = [Candidate(candidate_id=str(at), content=one) for at, one in enumerate(SHOWN)]
    seen: list[float] = []
    for asked, instruction in ASKING:
        query = Query(query_id="q", content=asked, instruction=instruction)
        expected = [reference.score(instruction, asked, one) for one in SHOWN]
        found = reranker.scores(query, items)
        assert np.abs(found - expected).max() < 1e-4
        assert np.corrcoef(found, expected)[0, 1] > 0.9999
        assert np.abs(reranker.scores(query, items[2:3])[0] - expected[2]) < 1e-4  # alone
        seen += expected
    assert len({round(one, 2) for one in seen}) > 5  # so that a mix-up would show


def test_what_the_rows_hold_is_the_joined_prompt_cut_behind_the_word_candidate(made):
    source, folder, family = made
    reference, reranker = PairReference(source, family), load_reranker(folder, device="cpu")
    for asked in WORDS:
        for answer in WORDS:
            whole = reference.inputs(reference.prompt(ASKED, asked, answer), [])["input_ids"][0].tolist()
            network = reranker.network
            parts = network.tokenise(asked.text, ASKED, "query"), network.tokenise(answer.text, "", "candidate")
            assert [*parts[0].ids, *parts[1].ids] == whole


def test_both_releases_of_one_class_ask_alike():
    assert QWEN2["lamra-rank"] == QWEN2["umarvel-rank"] != QWEN2_5["lamra-rank"]


def test_the_penalty_of_generation_config_is_part_of_the_score(tmp_path):
    assert np.allclose(penalised(torch.tensor([[3.0, -4.0]]), 2.0), [[1.5, -8.0]])
    folder = publish_reranker(tmp_path / "tiny", "qwen2_vl", penalty=1.5)
    config = adopt_reranker(folder, tmp_path / "made", "lamra-rank", max_frames=4)
    assert config.penalty == read_config(tmp_path / "made").penalty == 1.5
    assert config.network.instructions == INSTRUCTIONS
    query = Query(query_id="q", content=CONTENTS[0], target_modality="image")
    found = load_reranker(tmp_path / "made", device="cpu").scores(
        query, [Candidate(candidate_id="1", content=WORDS[0])]
    )
    expected = PairReference(folder, "qwen2_vl").score(INSTRUCTIONS["text->image"], CONTENTS[0], WORDS[0])
    assert abs(found[0] - expected) < 1e-4
    (folder / "generation_config.json").write_text('{"repetition_penalty": 0}')
    with pytest.raises(ConfigError, match="repetition_penalty 0; a number above 0 is legal"):
        adopt_reranker(folder, tmp_path / "other", "lamra-rank")


def test_without_a_penalty_the_settings_are_as_before_there_was_one(reranker):
    assert "penalty" not in reranker.config.written()
    assert replace(reranker.config, penalty=1).fingerprint() == reranker.config.fingerprint()
    with pytest.raises(ConfigError, match="penalty is -1"):
        replace(reranker.config, penalty=-1)


def test_other_recipes_and_tokenizers_are_refused(tmp_path):
    folder = publish_reranker(tmp_path / "tiny", "qwen2_5_vl")
    with pytest.raises(ConfigError, match=r"of Qwen2\.5-VL; recipes of its re-rankers: lamra-rank, not 'umarvel-rank'"):
        adopt_reranker(folder, tmp_path / "out", "umarvel-rank")
    with pytest.raises(ConfigError, match="no token Yes"):
        adopt_reranker(publish(tmp_path / "without"), tmp_path / "out", "lamra-rank")
    assert not (tmp_path / "out").exists()
