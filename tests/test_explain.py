"""Why a result is there, in closed form: the fake encoder's query is the unit sum of its parts."""

from __future__ import annotations

import numpy as np
import pytest

from umr.errors import ConfigError
from umr.explain import MAX_WORDS, explain, place_of
from umr.types import Content, Query


@pytest.fixture
def query(searcher) -> Query:
    """The picture of image 100:3 in other bytes, so that it is not excluded, with words."""
    number = "files/queries/3.bmp"
    return Query(
        query_id="any",
        content=Content(image=searcher.collection.folder / number, text="edit now"),
        target_modality="image",
    )


def cosine(searcher, content: Content, candidate_id: str) -> float:
    vector = searcher.encoder.encode_queries([Query(query_id="x", content=content)]).vectors[0]
    return float(vector @ searcher.index.vectors([candidate_id])[0])


def test_similarities_and_ranks_are_those_of_each_variants_own_search(searcher, query):
    found = explain(searcher, query, "100:5")
    image, text = query.content.image, query.content.text
    contents = {"composed": query.content, "picture": Content(image=image), "text": Content(text=text)}
    for name, content in contents.items():
        results = searcher.search(Query(query_id="x", content=content, target_modality="image"), 50).results
        own = next(result.hit for result in results if result.hit.candidate_id == "100:5")
        assert (found.hits[name].rank, found.hits[name].score) == (own.rank, pytest.approx(own.score, abs=1e-3))
        assert found.best[name][0].hit.candidate_id == results[0].hit.candidate_id


def test_the_picture_carries_its_own_image_and_the_words_do_not(searcher, query):
    found = explain(searcher, query, "100:3")
    assert found.hits["picture"].rank == 1 and found.hits["picture"].score == pytest.approx(1, abs=2e-3)
    assert found.hits["picture"].score > found.hits["composed"].score > found.hits["text"].score


def test_a_words_effect_is_the_similarity_lost_without_it(searcher, query):
    found = explain(searcher, query, "100:3")
    whole = cosine(searcher, query.content, "100:3")
    lost = [
        whole - cosine(searcher, Content(image=query.content.image, text=rest), "100:3") for rest in ("now", "edit")
    ]
    assert [word for word, _ in found.words] == ["edit", "now"]
    assert [loss for _, loss in found.words] == pytest.approx(lost, abs=1e-4)


def test_the_only_word_is_compared_with_the_picture_alone(searcher, query):
    one = Query(query_id="x", content=Content(image=query.content.image, text="edit"), target_modality="image")
    ((word, loss),) = explain(searcher, one, "100:3").words
    alone = cosine(searcher, Content(image=query.content.image), "100:3")
    assert word == "edit" and loss == pytest.approx(cosine(searcher, one.content, "100:3") - alone, abs=1e-4)


def test_words_alone_have_no_parts_and_a_single_one_explains_nothing(searcher):
    found = explain(searcher, Query(query_id="x", content=Content(text="red"), target_modality="all"), "100:20")
    assert list(found.hits) == ["composed"] and found.words == ()


def test_a_long_text_is_explained_by_its_first_words_and_says_so(searcher):
    text = " ".join(f"w{n}" for n in range(MAX_WORDS + 5))
    found = explain(searcher, Query(query_id="x", content=Content(text=text), target_modality="text"), "100:20")
    assert len(found.words) == MAX_WORDS and found.cut


def test_another_kind_or_the_querys_own_picture_cannot_be_explained(searcher, query):
    own = Query(
        query_id="x", content=Content(image=searcher.collection["100:3"].content.image), target_modality="image"
    )
    for asked, candidate_id in ((query, "100:20"), (own, "100:3"), (query, "nothing")):
        with pytest.raises(ConfigError, match="results"):
            explain(searcher, asked, candidate_id)
        with pytest.raises(ConfigError, match="results"):
            place_of(searcher, asked, candidate_id)


def test_the_place_in_a_model_is_the_place_in_its_search(searcher, query):
    results = searcher.search(query, 12).results
    assert [place_of(searcher, query, r.hit.candidate_id).rank for r in results[:4]] == [1, 2, 3, 4]
    assert np.isclose(place_of(searcher, query, results[0].hit.candidate_id).score, results[0].hit.score, atol=1e-3)
