"""A released re-ranker through umr gives the scores of its own code: odd sizes, alone and beside others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast

from tests.encoders.published import publish
from tests.encoders.published_qwen3 import Qwen3Reference, publish3
from tests.encoders.test_published import ASKED, CONTENTS, media, smooth
from tests.test_media import write_clip
from umr import media as media_of
from umr.cli.commands import main
from umr.errors import ConfigError, MismatchError
from umr.rerank import load_reranker
from umr.rerank.adopt import adopt_reranker
from umr.rerank.store import ANSWERS, save_reranker
from umr.types import Candidate, Content, Query

RECIPE = "qwen3-vl-reranker"
JUDGE = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the "
    'answer can only be "yes" or "no".'
)
DEFAULT = "Given a search query, retrieve relevant candidates that answer the query."


def released(folder: Path, tied: bool = True) -> Path:
    """A checkpoint with the two answers among its tokens, its head its embeddings or its own."""
    publish3(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_tokens(["yes", "no"])
    tokenizer.save_pretrained(folder)
    if not tied:
        model = Qwen3Reference(folder).model
        for config in (model.config, model.config.text_config):
            config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(torch.randn(model.lm_head.weight.shape))
        model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "own head"])
def folders(request, tmp_path_factory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("released")
    released(root / "tiny", request.param)
    adopt_reranker(root / "tiny", root / "made", RECIPE, max_frames=4)
    return root / "tiny", root / "made"


def prompt(reference: Qwen3Reference, instruction: str, query: Content, document: Content) -> str:
    """Qwen3VLReranker.format_mm_instruction, written as its chat template writes it."""

    def part(prefix: str, content: Content) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = [{"type": kind} for kind in media(content)]
        words = [{"type": "text", "text": content.text}] if content.text else []
        return [{"type": "text", "text": prefix}, *shown, *words]

    asked = [{"type": "text", "text": f"<Instruct>: {instruction}"}, *part("<Query>:", query)]
    messages = [{"role": "system", "content": [{"type": "text", "text": JUDGE}]},
                {"role": "user", "content": [*asked, *part("\n<Document>:", document)]}]  # fmt: skip
    return reference.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def test_scores_are_as_its_own_code_has_them(folders):
    source, made = folders
    reference, reranker = Qwen3Reference(source), load_reranker(made, device="cpu")
    items = [Candidate(candidate_id=str(at), content=one) for at, one in enumerate(CONTENTS)]
    for asked, instruction in ((CONTENTS[2], ASKED), (CONTENTS[4], ""), (CONTENTS[6], "Find it"), (CONTENTS[1], ASKED)):
        query = Query(query_id="q", content=asked, instruction=instruction)
        expected = [
            reference.score(prompt(reference, instruction or DEFAULT, asked, one), [media(asked), media(one)])
            for one in CONTENTS
        ]
        found = reranker.scores(query, items)
        assert np.allclose(found, expected, atol=1e-5) and len({round(one, 4) for one in expected}) > 4
        assert np.allclose(reranker.scores(query, items[2:3]), expected[2:3], atol=1e-5)


def test_a_clips_frames_are_taken_by_the_second_and_written_behind_their_times(folders, tmp_path):
    source, made = folders
    reference, reranker = Qwen3Reference(source), load_reranker(made, device="cpu")
    path, fps, frames = tmp_path / "clip.mp4", 4, 26
    write_clip(path, np.stack([np.roll(smooth(48, 80), 9 * at, 1) for at in range(frames)]), fps=fps)
    places = np.linspace(0, frames - 1, 4).round().astype(int).tolist()
    told = {"video": media_of.sample_frames(path, frames)[places], "times": (places, float(fps))}
    asked, found = CONTENTS[2], Content(video=path, text="in red")
    shown = Content(video=told["video"], text="in red")
    expected = reference.score(prompt(reference, ASKED, asked, shown), [media(asked), told])
    query = Query(query_id="q", content=asked, instruction=ASKED)
    scores = reranker.scores(query, [Candidate(candidate_id="1", content=found)])
    assert np.allclose(scores, [expected], atol=1e-5)
    assert "clips of up to 4 frames, 1 a second" in (made / "README.md").read_text()


def test_a_head_of_its_own_is_kept_and_saved(folders, tmp_path):
    source, made = folders
    own = (made / ANSWERS).is_file()
    assert own == ("lm_head.weight" in load_file(source / "model.safetensors"))
    reranker, query = load_reranker(made, device="cpu"), Query(query_id="q", content=CONTENTS[0])
    items = [Candidate(candidate_id="1", content=CONTENTS[1])]
    before, name = reranker.scores(query, items), reranker.name
    save_reranker(reranker, tmp_path / "saved")
    again = load_reranker(tmp_path / "saved", device="cpu")
    assert np.allclose(again.scores(query, items), before, atol=0.02) and again.name == name  # saved in bfloat16
    assert (again.own_rows_2H is not None) == own
    assert "By those who released `tiny`" in (made / "README.md").read_text()


def test_the_command_writes_a_rerankers_folder(tmp_path, capsys):
    out = tmp_path / "made"
    assert main(["adopt", str(released(tmp_path / "tiny")), "--out", str(out), "--recipe", RECIPE]) == 0
    assert f"a re-ranker, used by --rerank {out}" in capsys.readouterr().err
    network = load_reranker(out, device="cpu").config.network
    assert (network.max_frames, network.frame_rate) == (64, 1.0)  # its own code's


def test_what_is_no_reranker_of_this_recipe_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"of Qwen2-VL; recipes of its re-rankers: lamra-rank, umarvel-rank, not 'qwen3-vl-reranker'"
    ):
        adopt_reranker(publish(tmp_path / "older"), tmp_path / "out", RECIPE)
    bare = released(tmp_path / "bare", tied=False)
    Qwen3Reference(bare).model.model.save_pretrained(bare)  # without its head
    with pytest.raises(MismatchError, match=r"lacks the weight lm_head\.weight"):
        adopt_reranker(bare, tmp_path / "out", RECIPE)
    with pytest.raises(ConfigError, match="no token yes"):
        adopt_reranker(publish3(tmp_path / "without"), tmp_path / "out", RECIPE)
    assert not (tmp_path / "out").exists()
