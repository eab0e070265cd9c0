"""mteb's protocol over an encoder: vectors are its own, the task sentence is that of the category; mteb itself runs."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from weakref import ref

import numpy as np
import pytest
from PIL import Image

from umr.errors import ConfigError, MediaError
from umr.export import for_mteb
from umr.export.for_mteb import MtebEncoder, searched
from umr.types import Candidate, Content, Query

TEXTS = ["red", "two of them", "a small mug"]
WHERE = {"hf_split": "test", "hf_subset": "default"}


@pytest.fixture
def pictures(stills) -> list[Image.Image]:
    return [Image.fromarray(stills[at % len(stills), 0]) for at in range(3)]


def test_vectors_are_those_of_the_encoder(encoder, pictures):
    adapted, task = MtebEncoder(encoder), SimpleNamespace(category="it2i")
    batches = [{"text": TEXTS[:2], "image": pictures[:2]}, {"text": TEXTS[2:], "image": pictures[2:]}]
    contents = [Content(text=text, image=image) for text, image in zip(TEXTS, pictures, strict=True)]
    asked = [Query(query_id=str(at), content=one, target_modality="image") for at, one in enumerate(contents)]
    offered = [Candidate(candidate_id=str(at), content=one) for at, one in enumerate(contents)]
    queries = adapted.encode(batches, task_metadata=task, prompt_type="query", **WHERE)
    candidates = adapted.encode(batches, task_metadata=task, prompt_type="document", **WHERE)
    assert np.allclose(queries, encoder.encode_queries(asked).vectors, atol=1e-6)
    assert np.allclose(candidates, encoder.encode_candidates(offered).vectors, atol=1e-6)
    assert np.allclose(adapted.similarity(queries, candidates).numpy(), queries @ candidates.T, atol=1e-6)
    paired = adapted.similarity_pairwise(queries, candidates).numpy()
    assert np.allclose(paired, (queries * candidates).sum(1), atol=1e-6)


@pytest.mark.parametrize("role", ["query", "document"])
def test_of_a_corpus_a_portion_of_decoded_pictures_is_held_whatever_its_length(encoder, monkeypatch, role):
    monkeypatch.setattr(for_mteb, "PICTURES", 6)
    made: list[ref[Image.Image]] = []
    alive: list[int] = []

    def corpus(batches: int) -> Iterator[dict[str, list[Image.Image]]]:
        for at in range(batches):
            shown = [Image.new("RGB", (40, 30), (at, 9, 9)) for _ in range(4)]
            made.extend(map(ref, shown))
            alive.append(sum(one() is not None for one in made))
            batch = {"image": shown, "instruction": ["Find it."] * 4}
            del shown
            yield batch
            del batch

    adapted, task = MtebEncoder(encoder), SimpleNamespace(category="i2i")
    found = adapted.encode(corpus(20), task_metadata=task, prompt_type=role, **WHERE)
    assert max(alive) == 8 and all(one() is None for one in made)  # two batches of four are a portion
    shown = [Image.new("RGB", (40, 30), (at, 9, 9)) for at in range(20) for _ in range(4)]
    whole = [{"image": shown, "instruction": ["Find it."] * 80}]
    expected = adapted.encode(whole, task_metadata=task, prompt_type=role, **WHERE)
    assert found.shape == (80, encoder.dim) and np.allclose(found, expected, atol=1e-6)


def test_a_row_that_cannot_be_read_is_named_by_its_number_in_the_corpus_and_none_gives_none(encoder, monkeypatch):
    monkeypatch.setattr(for_mteb, "TEXTS", 2)
    adapted, task = MtebEncoder(encoder), SimpleNamespace(category="t2t")
    assert adapted.encode([], task_metadata=task, prompt_type="document", **WHERE).shape == (0, encoder.dim)
    with pytest.raises(MediaError, match="candidate 3: "):
        adapted.encode(
            [{"text": ["a", "b"]}, {"text": ["c", " "]}], task_metadata=task, prompt_type="document", **WHERE
        )


def test_a_category_says_what_is_searched_and_a_sentence_of_the_row_comes_first(encoder):
    assert [searched(one) for one in ("it2i", "t2t", "i2it", "t2c", None)] == [
        "image", "text", "image,text", "all", "all"]  # fmt: skip
    adapted, task = MtebEncoder(encoder), SimpleNamespace(category="t2i")
    own = {"text": ["Find it. red"], "query": ["red"], "instruction": ["Find it."]}
    found = adapted.encode([own], task_metadata=task, prompt_type="query", **WHERE)
    asked = Query(query_id="0", content=Content(text="red"), instruction="Find it.", target_modality="image")
    assert np.allclose(found, encoder.encode_queries([asked]).vectors, atol=1e-6)
    with pytest.raises(ConfigError, match="a batch has the columns audio; umr reads text and image"):
        adapted.encode([{"audio": [0]}], task_metadata=task, prompt_type="query", **WHERE)


def test_mteb_evaluates_it_on_a_local_task(encoder, pictures):
    """Composed queries over pictures in memory: mteb's hit rate is that of plain scores."""
    mteb = pytest.importorskip("mteb", reason="mteb is not installed")
    import datasets
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    rows = {"id": ["a", "b", "c"], "image": pictures}
    features = datasets.Features({"id": datasets.Value("string"), "image": datasets.Image()})
    corpus = datasets.Dataset.from_dict(rows, features=features)
    queries = corpus.add_column("text", TEXTS)
    right = {"a": {"b": 1}, "b": {"c": 1}, "c": {"c": 1}}

    class Local(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="Local", description="d", reference=None, dataset={"path": "local/local", "revision": "1"},
            type="Any2AnyRetrieval", category="it2i", eval_splits=["test"], eval_langs=["eng-Latn"],
            main_score="ndcg_at_3", modalities=["text", "image"],
        )  # fmt: skip
        k_values = (1, 3)

        def load_data(self, *_, **__) -> None:
            split = {"corpus": corpus, "queries": queries, "relevant_docs": right, "top_ranked": None}
            self.dataset, self.data_loaded = {"default": {"test": split}}, True

    adapted = MtebEncoder(encoder)
    assert adapted.mteb_model_meta.name == f"umr/{encoder.name}"
    found = mteb.evaluate(adapted, Local(), cache=None, co2_tracker=False, show_progress_bar=False)
    [scores] = found.task_results[0].scores["test"]
    contents = [Content(text=text, image=image) for text, image in zip(TEXTS, pictures, strict=True)]
    asked = [Query(query_id=str(at), content=one, target_modality="image") for at, one in enumerate(contents)]
    offered = [Candidate(candidate_id=str(at), content=Content(image=one)) for at, one in enumerate(pictures)]
    order = (-encoder.encode_queries(asked).vectors @ encoder.encode_candidates(offered).vectors.T).argsort(1)
    places = [1 + list(row).index("abc".index(next(iter(right[name])))) for name, row in zip("abc", order, strict=True)]
    assert scores["hit_rate_at_1"] == pytest.approx(np.mean([place == 1 for place in places]), abs=1e-5)
    assert scores["mrr_at_3"] == pytest.approx(np.mean([1 / place for place in places]), abs=1e-5)
