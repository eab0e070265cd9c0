"""Searching by content: what is found, what is left out, what is said, what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import built_in, made_verdicts
from umr import shipped
from umr.collection import Collection
from umr.encoders.base import UnifiedEncoder
from umr.encoders.config import EncoderConfig
from umr.encoders.fake import FakeEncoder
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.encoders.tokenizer import plain_tokenizer, train_tokenizer
from umr.errors import ConfigError, MediaError, MismatchError
from umr.facts import NOTHING
from umr.index.index import build_index
from umr.media import content_hash
from umr.query_arithmetic import ONE_PART, QueryArithmetic
from umr.search import Searcher, decode, result_row
from umr.shipped import find_encoder
from umr.types import Candidate, Content, Query
from umr.verdict import NO_OTHER, UNLIKE_WORDS, WEAK_FIRST


def ask(target="all", **parts) -> Query:
    return Query(query_id="q", content=Content(**parts), target_modality=target)


def test_equal_text_is_found_first(searcher):
    outcome = searcher.search(ask("text", text="This card is green."), 3)
    assert [result.hit.rank for result in outcome.results] == [1, 2, 3]
    assert outcome.results[0].candidate.content.text == "This card is green."


@pytest.mark.parametrize("target", ["image", "text", "image,text", "video"])
def test_only_the_searched_kind_is_found(searcher, target):
    results = searcher.search(ask(target, text="anything"), 50).results
    assert {result.candidate.content.modality for result in results} == {target}
    assert len(results) == len(searcher.collection.pool(target))


def test_all_finds_every_kind(searcher):
    assert len(searcher.search(ask("all", text="anything"), 50).results) == len(searcher.collection)


def test_the_pixels_of_a_picture_lead_to_it_from_another_file(searcher, benchmark):
    results = searcher.search(ask("image", image=benchmark / "files/queries/2.bmp"), 3).results
    assert results[0].candidate.candidate_id == "100:2"


@pytest.mark.parametrize("as_bytes", [False, True])
def test_candidates_with_the_very_bytes_of_the_query_picture_are_left_out(searcher, benchmark, as_bytes):
    path = benchmark / "files/images/02.png"
    query = ask("all", image=path) if not as_bytes else ask("all", image=shutil.copy(path, path.with_name("copy.png")))
    found = [result.hit.candidate_id for result in searcher.search(query, 50).results]
    assert len(found) == len(searcher.collection) - 2
    assert not {"100:2", "100:32"} & set(found)


def test_a_query_clip_that_is_in_the_collection_is_left_out(searcher, benchmark):
    found = searcher.search(ask("video", video=benchmark / "files/clips/0.gif"), 5).results
    assert [result.hit.candidate_id for result in found] == ["100:41"]


def test_excluded_ids_are_left_out(searcher):
    query = Query(
        query_id="q", content=Content(text="This card is green."), target_modality="text", exclude=("100:23",)
    )
    assert "100:23" not in [result.hit.candidate_id for result in searcher.search(query, 6).results]


def test_every_step_is_timed(searcher):
    ms = searcher.search(ask(text="a"), 3).ms
    assert set(ms) == {"decode", "encode", "search", "total"}
    assert ms["total"] == pytest.approx(ms["decode"] + ms["encode"] + ms["search"])


def test_a_cut_text_is_noticed(searcher):
    assert searcher.search(ask(text="word " * 500), 1).notices
    assert searcher.search(ask(text="word"), 1).notices == ()


def test_a_text_of_spaces_beside_a_picture_is_no_text(searcher, benchmark):
    picture = benchmark / "files/queries/2.bmp"
    with_spaces, without = (
        searcher.search(ask("image", image=picture, **text), 5).results for text in ({"text": " \n"}, {})
    )
    assert with_spaces == without


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_query_without_content_is_refused(searcher, text):
    with pytest.raises(ConfigError, match="give a picture or a clip, a text, or both"):
        searcher.search(ask(text=text), 3)


@pytest.mark.parametrize("text", ["a" * 20_001, "nul\0"])
def test_a_text_that_cannot_be_read_is_refused(searcher, text):
    with pytest.raises(MediaError):
        searcher.search(ask(text=text), 3)


def test_a_picture_that_cannot_be_read_is_refused(searcher, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"broken")
    for image in (tmp_path / "broken.png", tmp_path / "absent.png"):
        with pytest.raises(MediaError):
            searcher.search(ask(image=image), 3)


@pytest.mark.parametrize("k", [0, -1, 1001, 2.0, True, "3"])
def test_a_k_outside_its_range_is_refused(searcher, k):
    with pytest.raises(ConfigError, match="whole number from 1 to 1000"):
        searcher.search(ask(text="a"), k)


def test_a_searcher_refuses_a_collection_that_changed(searcher, benchmark):
    path = benchmark / "cand_pool/local/mbeir_catalogue_text_cand_pool.jsonl"
    path.write_text(path.read_text().replace("green", "mauve"))
    with pytest.raises(MismatchError, match="changed since the index was built"):
        Searcher.open(benchmark.parents[1] / "unified" / "catalogue")
    with pytest.raises(MismatchError):
        Searcher(searcher.encoder, searcher.index, Collection.open(benchmark))


def test_a_searcher_refuses_another_encoder_in_the_place_of_its_own(searcher, benchmark):
    FakeEncoder(dim=32, name="usurper").save(benchmark.parents[1] / "unified" / "encoder")
    with pytest.raises(MismatchError, match="was built by unified"):
        Searcher.open(benchmark.parents[1] / "unified" / "catalogue")


def test_an_index_built_elsewhere_finds_its_encoder_by_the_manifest(searcher, tmp_path, picture):
    picture("mine/a.png", "green")
    place = find_encoder("unified")
    build_index(
        searcher.encoder,
        Collection.from_folder(tmp_path / "mine"),
        tmp_path / "far" / "away" / "index",
        encoder_at=place,
    )
    found = Searcher.open(tmp_path / "far" / "away" / "index").search(ask(text="green"), 5).results
    assert [result.hit.candidate_id for result in found] == ["a.png"]


@pytest.fixture
def real(tmp_path) -> Path:
    """An index of two passages by a real, untrained encoder that lies beside it."""
    torch.manual_seed(0)
    config = EncoderConfig(name="small", instructions={"text->all": "Find it."})
    special = QwenVLBackbone.special
    tokenizer = plain_tokenizer(train_tokenizer(["a red mug", "a blue vase"], special, vocab_size=300), special)
    encoder = UnifiedEncoder(config, QwenVLBackbone.for_tokenizer(config, tokenizer), tokenizer).eval()
    encoder.save(tmp_path / "small" / "encoder")
    (tmp_path / "rows.jsonl").write_text('{"text": "a red mug"}\n{"text": "a blue vase"}\n')
    build_index(encoder, Collection.from_jsonl(tmp_path / "rows.jsonl"), tmp_path / "small" / "mine")
    return tmp_path / "small"


def test_a_real_encoder_is_loaded_from_beside_its_index(real):
    searcher = Searcher.open(real / "mine")
    assert len(searcher.search(ask(text="a red mug"), 5).results) == 2
    assert searcher.index.verify_probe(searcher.encoder) > 0.9999


def test_half_precision_stays_within_the_tolerance_of_the_probe(real):
    searcher = Searcher.open(real / "mine", dtype="bfloat16")
    assert searcher.index.verify_probe(searcher.encoder) >= 0.99


def test_queries_are_encoded_in_the_precision_of_the_index_unless_another_is_asked_for(searcher, benchmark, dtypes):
    folder = built_in("bfloat16", benchmark.parents[1] / "unified" / "catalogue")
    for asked in (None, "bfloat16", "float32"):
        Searcher.open(folder, asked)
    Searcher.open(built_in("float32", folder))
    assert dtypes == ["bfloat16", "bfloat16", "float32", "float32"]


def test_a_real_index_in_bfloat16_is_searched_in_it(real):
    encoder = Searcher.open(built_in("bfloat16", real / "mine")).encoder
    assert {one.dtype for one in encoder.parameters()} == {torch.bfloat16}


def test_a_changed_weight_is_refused(real):
    weights = next((real / "encoder").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(MismatchError, match="safetensors changed"):
        Searcher.open(real / "mine")


def test_other_weights_saved_under_the_same_name_are_refused(real):
    encoder = Searcher.open(real / "mine").encoder
    with torch.no_grad():
        next(encoder.parameters()).mul_(1.5)
    encoder.save(real / "encoder")
    with pytest.raises(MismatchError, match="was built by small"):
        Searcher.open(real / "mine")


def test_an_encoder_that_is_gone_is_asked_for(searcher, benchmark):
    shutil.rmtree(benchmark.parents[1] / "unified" / "encoder")
    with pytest.raises(ConfigError, match="copy unified there"):
        Searcher.open(benchmark.parents[1] / "unified" / "catalogue")


def test_result_rows_have_the_fields_that_scripts_rely_on(searcher, benchmark, monkeypatch):
    monkeypatch.setattr(shipped, "repository_root", lambda: benchmark.parents[2])
    rows = {row["id"]: row for row in map(result_row, searcher.search(ask(text="This card is red."), 50).results)}
    assert rows["100:20"] == {
        "rank": 1,
        "score": pytest.approx(1, abs=1e-3),
        "id": "100:20",
        "modality": "text",
        "media": None,
        "text": "This card is red.",
        "match": None,
    }
    assert rows["100:3"]["media"] == "indexes/media/catalogue/files/images/03.png"
    assert (rows["100:30"]["modality"], rows["100:30"]["text"]) == ("image,text", "Made in red town.")
    assert rows["100:40"]["modality"] == "video"


def test_media_outside_the_repository_are_shown_absolute(searcher, benchmark, monkeypatch):
    monkeypatch.setattr(shipped, "repository_root", lambda: benchmark / "elsewhere")
    row = result_row(searcher.search(ask("image", image=Image.new("RGB", (4, 4))), 1).results[0])
    assert Path(row["media"]).is_absolute() and Path(row["media"]).is_file()


def test_a_query_that_was_read_is_neither_decoded_nor_hashed_again(searcher, benchmark):
    asked = ask("all", image=benchmark / "files/images/02.png", text=" a \n")
    plain, read = searcher.search(asked, 50), decode(asked)
    assert read.query.content.text == "a" and read.content_hash == searcher.collection["100:2"].content_hash
    (benchmark / "files/images/02.png").unlink()
    for _ in range(2):
        assert searcher.search(read, 50).results == plain.results
    assert searcher.excluded(read) == {"100:2", "100:32"}


def test_a_moved_search_leaves_out_weak_results_and_says_what_it_could_not_do(searcher):
    plain = searcher.search(ask("image", text="a red card"), 12).results
    found = searcher.search(ask("image", text="a red card"), 12, QueryArithmetic(cut=0.5, balance=0.5))
    assert found.results == [r for r in plain if r.hit.score >= 0.5 * plain[0].hit.score] and found.notices == (
        ONE_PART,
    )


# What is known of the answer as a whole


@pytest.fixture
def stated(searcher, picture, tmp_path) -> Searcher:
    """A red and a green mug, with their facts stated."""
    mugs = [
        Candidate(
            candidate_id=colour,
            content=Content(image=picture(f"{colour}.png", colour)),
            source=json.dumps({"scene": {"category": "mug", "colour": colour, "surface": ground, "companion": None}}),
            content_hash=content_hash(picture(f"{colour}.png", colour)),
        )
        for colour, ground in (("red", "wood"), ("green", "grass"))
    ]
    folder = tmp_path / "mugs"
    at = searcher.index.folder.parent / "encoder"
    build_index(searcher.encoder, Collection(mugs, "mugs", ""), folder, encoder_at=at)
    return Searcher.open(folder)


def test_where_nothing_has_all_that_is_asked_for_it_is_said_with_what_differs(stated):
    assert stated.search(ask("image", text="red mug on wood"), 2).notices == ()
    (notice,) = stated.search(ask("image", text="red mug on grass"), 2).notices
    first = stated.search(ask("image", text="red mug on grass"), 2).results[0].hit.candidate_id
    assert notice == f"{NOTHING}: the first result differs in {'surface' if first == 'red' else 'colour'}."
    assert stated.search(ask("image", text="not a red mug on grass"), 2).notices == ()


def test_an_edit_of_the_collections_own_picture_is_held_against_its_facts(stated):
    shown = stated.collection["red"].content.image
    assert stated.search(ask("image", text="in green on grass", image=shown), 2).notices == ()
    assert stated.search(ask("image", text="in green", image=shown), 2).notices == (
        f"{NOTHING}: the first result differs in surface.",
    )
    unknown = Image.new("RGB", (9, 9), "red")
    assert stated.search(ask("image", text="in green", image=unknown), 2).notices == ()
    moved = QueryArithmetic(less_of="wood")
    assert stated.search(ask("image", text="in green", image=shown), 2, moved).notices == ()


def test_facts_speak_before_scores(stated):
    stated.verdicts = made_verdicts(stated.encoder.fingerprint, strong=None, weak=2.0, known="red mug wood grass")
    assert stated.search(ask("image", text="red mug on wood"), 2).notices == ()  # though its score is weak
    (said,) = stated.search(ask("image", text="red mug on grass"), 2).notices
    assert said.startswith(NOTHING)
    assert stated.search(ask("image", text="mug or wood"), 2).notices == (WEAK_FIRST,)
    alone = stated.search(ask("image", image=stated.collection["red"].content.image), 2)
    assert alone.results[0].match.word == "weak" and alone.notices == (NO_OTHER,)
    (words,) = stated.search(ask("image", text="quarterly revenue report, red mug"), 2).notices
    assert words.startswith(UNLIKE_WORDS)
