"""An index by lists: its scores are the exact ones, what it cannot answer the exact rows do, and a renewal keeps it."""

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from umr.cli.commands import main
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MismatchError
from umr.index import coarse as coarse_module
from umr.index.build import Form, build_claimed
from umr.index.coarse import Coarse, CoarseIndex
from umr.index.flat import FlatIndex, Rows
from umr.index.index import Index, build_index
from umr.index.renew import remove
from umr.index.rewrite import held
from umr.lock import claimed
from umr.types import Candidate, Content, Embeddings

DIM = 32


@pytest.fixture(scope="module")
def flat() -> FlatIndex:
    """12,000 rows around 60 centres."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, DIM))[rng.integers(60, size=12_000)] + 0.5 * rng.standard_normal((12_000, DIM))
    found = FlatIndex.empty(DIM)
    found.add((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))
    return found


@pytest.fixture(scope="module")
def made(flat) -> CoarseIndex:
    return CoarseIndex.made(Coarse.read("IVF16,SQ8", len(flat), DIM), flat)


@pytest.fixture
def every_list(made):
    before, made.nprobe = made.nprobe, made.lists
    yield made
    made.nprobe = before


def queries(flat: FlatIndex, count: int = 20) -> np.ndarray:
    pairs = flat.vectors(np.arange(2 * count) * 97).reshape(count, 2, DIM).sum(axis=1)
    return pairs / np.linalg.norm(pairs, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 10, 300])
def test_with_every_list_it_is_the_exact_search_to_the_bit(flat, every_list, k):
    scores, rows = every_list.search(queries(flat), k)
    exact_scores, exact_rows = flat.search(queries(flat), k)
    assert (scores == exact_scores).all() and (rows == exact_rows).all()


def test_with_few_lists_what_it_finds_has_the_exact_scores(flat, made):
    made.nprobe = 4
    asked = queries(flat)
    scores, rows = made.search(asked, 10)
    all_scores, all_rows = flat.search(asked, len(flat))
    exact = [dict(zip(all_rows[n], all_scores[n], strict=True)) for n in range(len(asked))]
    assert all(exact[n][row] == scores[n, place] for n in range(len(asked)) for place, row in enumerate(rows[n]))
    assert (np.diff(scores, axis=1) <= 0).all()
    found = [len(set(rows[n]) & set(all_rows[n, :10])) for n in range(len(asked))]
    assert np.mean(found) > 5


def test_equal_rows_give_an_equal_file(flat, tmp_path):
    for name in ("a", "b"):
        CoarseIndex.made(Coarse.read("IVF16,SQ8", len(flat), DIM, 3), flat).write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("mapped", [False, True])
def test_it_is_read_as_it_was_written_with_its_nprobe(flat, made, tmp_path, mapped):
    made.nprobe = 5
    made.write(tmp_path / "coarse")
    again = CoarseIndex.read(tmp_path / "coarse", "IVF16,SQ8", flat, mapped)
    assert (again.nprobe, again.lists) == (5, 16)
    for mine, its in zip(again.search(queries(flat), 7), made.search(queries(flat), 7), strict=True):
        assert (mine == its).all()


def test_compressed_stretches_lead_to_the_exact_scores_too(flat, tmp_path):
    pq = CoarseIndex.made(Coarse.read("IVF8,PQ16", len(flat), DIM, 8), flat)
    pq.write(tmp_path / "coarse")
    again = CoarseIndex.read(tmp_path / "coarse", "IVF8,PQ16", flat, mapped=True)
    scores, rows = again.search(queries(flat), 10)
    exact_scores, exact_rows = flat.search(queries(flat), 10)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(rows, exact_rows, strict=True)]) > 9
    assert (scores[:, 0] <= exact_scores[:, 0]).all()


@pytest.fixture(scope="module", params=["IVF16,SQ8", "IVF16,PQ16"])
def written(request, flat, tmp_path_factory) -> tuple[str, Path]:
    """A factory, and the folder of the rows and of its lists."""
    folder = tmp_path_factory.mktemp("lists")
    flat.write(folder / "exact")
    CoarseIndex.made(Coarse.read(request.param, len(flat), DIM, 5), flat).write(folder / "lists")
    return request.param, folder


@pytest.fixture
def both(written, flat) -> tuple[CoarseIndex, CoarseIndex]:
    """The same lists over rows in memory, and over rows that are mapped."""
    factory, folder = written
    on_disk = FlatIndex.read(folder / "exact", mapped=True)
    assert on_disk.file is not None and flat.file is None
    held, mapped = (CoarseIndex.read(folder / "lists", factory, one, True) for one in (flat, on_disk))
    return held, mapped


@pytest.mark.parametrize("k", [1, 10, 300])
def test_mapped_rows_are_scored_from_their_file_to_the_bit(flat, both, monkeypatch, k):
    monkeypatch.setattr(coarse_module, "SMALL_POOL", 100)
    for within in (None, Rows(np.arange(1_000, 11_000), len(flat)), Rows(np.arange(0, 12_000, 2), len(flat))):
        for mine, its in zip(*(one.search(queries(flat), k, within) for one in both), strict=True):
            assert (mine == its).all() and mine.dtype == its.dtype


def test_of_mapped_rows_too_those_that_lists_do_not_lead_to_are_left_to_the_exact_search(flat, both, monkeypatch):
    monkeypatch.setattr(coarse_module, "SMALL_POOL", 1)
    few = Rows(np.arange(0, 12_000, 400), len(flat))
    for one in both:
        one.nprobe = 1
        assert one.search(queries(flat), 30, few) is None


def test_lists_that_lead_beyond_mapped_rows_are_refused(flat, both):
    shifted = faiss.index_factory(DIM, "IVF4,SQ8", faiss.METRIC_INNER_PRODUCT)
    rows = flat.vectors(np.arange(len(flat)))
    shifted.train(rows)
    shifted.add_with_ids(rows, np.arange(1, len(flat) + 1))
    for one in both:
        with pytest.raises(MismatchError, match="lead to rows that are not there"):
            CoarseIndex(shifted, one._flat).search(rows[-1:], 10)


def test_a_file_that_does_not_end_with_its_rows_is_refused(flat, tmp_path):
    flat.write(tmp_path / "exact")
    with (tmp_path / "exact").open("ab") as file:
        file.write(b"more")
    with pytest.raises(MismatchError, match="has something behind its 12,000 rows; rebuild it"):
        FlatIndex.read(tmp_path / "exact", mapped=True)


def test_equal_rows_in_a_file_stand_in_their_order(tmp_path):
    rows = np.random.default_rng(0).standard_normal((50, DIM)).astype(np.float32)
    made = FlatIndex.empty(DIM)
    made.add(np.concatenate([rows, rows]))
    made.write(tmp_path / "exact")
    file = FlatIndex.read(tmp_path / "exact", mapped=True).file
    assert file is not None
    scores, found = file.best(rows[7], np.array([57, 3, 7, 80]), 3)
    assert found.tolist()[:2] == [7, 57] and scores[0] == scores[1] > scores[2]


@pytest.mark.parametrize("part", [range(2_000, 9_000), range(0, 12_000, 2)], ids=["span", "scattered"])
def test_a_pool_is_searched_within_the_lists(flat, every_list, monkeypatch, part):
    within = Rows(np.array(part), len(flat))
    assert every_list.search(queries(flat), 10, within) is None  # so few rows are compared all
    monkeypatch.setattr(coarse_module, "SMALL_POOL", 100)
    scores, rows = every_list.search(queries(flat), 10, within)
    exact_scores, exact_rows = flat.search(queries(flat), 10, within)
    assert (scores == exact_scores).all() and (rows == exact_rows).all()


def test_what_the_lists_cannot_answer_is_left_to_the_exact_rows(flat, made, monkeypatch):
    assert made.search(queries(flat), coarse_module.MOST_K + 1) is None
    monkeypatch.setattr(coarse_module, "SMALL_POOL", 1)
    made.nprobe = 1
    few = Rows(np.arange(0, 12_000, 400), len(flat))  # 30 rows, of which one list holds two
    assert made.search(queries(flat), 30, few) is None


@pytest.mark.parametrize(
    ("factory", "count", "dim", "message"),
    [
        ("HNSW32", 9_999, 32, r"'HNSW32' is not known; legal: SQfp16 \(exact\), IVF4096,SQ8"),
        ("IVF16,SQ8\n", 9_999, 32, "is not known"),
        ("IVF٣,SQ8", 9_999, 32, "is not known"),
        ("IVF300,SQ8", 9_999, 32, "needs at least 39 candidates for each list, and here are 9,999: at most 256 fit"),
        ("IVF0,SQ8", 9_999, 32, "needs at least 39"),
        ("IVF,SQ8", 30, 32, "here are 30: use SQfp16"),
        ("IVF16,PQ5", 9_999, 32, "PQ5 does not part 32 numbers evenly; PQ goes with 8, 16, 32"),
        ("IVF16,PQ0", 9_999, 32, "PQ0 does not part"),
        ("IVF16,PQ8", 9_983, 32, "PQ8 is trained on 9,984 candidates at least; here are 9,983: use SQ8"),
    ],
)
def test_a_factory_that_is_unknown_or_does_not_fit_is_refused_in_words(factory, count, dim, message):
    with pytest.raises(ConfigError, match=message):
        Coarse.read(factory, count, dim)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        *((one, f"the factory {one!r} is not known") for one in ("IVF", "HNSW", "Flat", "", "IVFx,SQ8")),
        ("IVF0,SQ8", "IVF0,SQ8 has no lists; at least 1 is needed, as in IVF4096,SQ8"),
        ("IVF16,PQ0", "PQ0 leaves nothing of a row; give the bytes that it keeps, as in IVF4096,PQ32"),
        ("IVF16,PQ5", "PQ5 does not part 32 numbers evenly; PQ goes with 8, 16, 32"),
    ],
)
def test_a_factory_that_never_fits_is_refused_before_anything_is_read(tmp_path, capsys, monkeypatch, factory, message):
    encoder, source = FakeEncoder(dim=DIM, name="mine"), tmp_path / "rows.jsonl"
    monkeypatch.setattr("umr.encoders.load_encoder", lambda *_, **__: encoder)
    encoder.save(tmp_path / "encoder")
    source.write_text("no row")
    build = ["index", str(source), "--encoder", str(tmp_path / "encoder"), "--out", str(tmp_path / "index")]
    assert main([*build, "--factory", factory]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not (tmp_path / "index").exists()


def test_more_lists_to_look_into_than_there_are_is_refused_before_anything_is_read():
    with pytest.raises(ConfigError, match="nprobe is 17; it must be from 1 to the number of lists, 16"):
        coarse_module.check_factory("IVF16,SQ8", 17)
    coarse_module.check_factory("IVF16,PQ5")  # whose number of stretches the encoder alone decides
    coarse_module.check_factory("IVF,SQ8", 17, DIM)


def test_training_orders_no_centres_for_a_search_that_there_is_not(flat):
    """FAISS does by itself, for some three seconds of each stretch, though what is found stays the same."""
    few = FlatIndex.empty(DIM)
    few.add(flat.vectors(np.arange(400)))
    assert not CoarseIndex.made(Coarse(lists=4, code="PQ1", nprobe=4), few)._index.do_polysemous_training


@pytest.mark.parametrize("listed", [True, False])
def test_lists_that_are_missing_are_named_with_the_way_to_build_them(encoder, tmp_path, listed):
    manifest = built(encoder, texts(320), tmp_path).manifest
    if not listed:
        files = {name: sha256 for name, sha256 in manifest.files.items() if name != "coarse.faiss"}
        replace(manifest, files=files).write(tmp_path)
    (tmp_path / "coarse.faiss").unlink()
    with pytest.raises(MismatchError, match=r"coarse\.faiss is missing; copy the index folder again, or rebuild: "):
        Index.open(tmp_path, encoder)


def test_the_number_of_lists_is_chosen_by_the_count_and_that_of_probes_by_the_lists():
    assert Coarse.read("SQfp16", 10, 8) is None
    assert [str(Coarse.read("IVF,SQ8", count, 8)) for count in (100, 10_000, 1_000_000, 5_600_000)] == [
        "IVF2,SQ8",
        "IVF256,SQ8",
        "IVF4096,SQ8",
        "IVF8192,SQ8",
    ]
    assert Coarse.read("IVF4096,SQ8", 1_000_000, 8).nprobe == 256 and Coarse.read("IVF8,SQ8", 1_000, 8).nprobe == 1
    assert Coarse.read("IVF8,SQ8", 1_000, 8, nprobe=8).nprobe == 8
    with pytest.raises(ConfigError, match="nprobe is 9; it must be from 1 to the number of lists, 8"):
        Coarse.read("IVF8,SQ8", 1_000, 8, nprobe=9)
    with pytest.raises(ConfigError, match="SQfp16 has no lists"):
        Coarse.read("SQfp16", 1_000, 8, nprobe=9)


def test_a_file_of_another_factory_or_of_other_rows_is_refused(flat, made, tmp_path):
    made.write(tmp_path / "coarse")
    with pytest.raises(MismatchError, match="is IVF16,SQ8, not IVF32,SQ8"):
        CoarseIndex.read(tmp_path / "coarse", "IVF32,SQ8", flat, mapped=False)
    other = FlatIndex.empty(DIM)
    other.add(flat.vectors(np.arange(40)))
    with pytest.raises(MismatchError, match="12000 rows of 32 numbers, the exact ones are 40 of 32"):
        CoarseIndex.read(tmp_path / "coarse", "IVF16,SQ8", other, mapped=False)
    faiss.write_index(faiss.IndexFlatIP(DIM), str(tmp_path / "flat"))
    (tmp_path / "cut").write_bytes((tmp_path / "coarse").read_bytes()[:-50])
    with pytest.raises(MismatchError, match="is IndexFlatIP, not IVF16,SQ8"):
        CoarseIndex.read(tmp_path / "flat", "IVF16,SQ8", flat, mapped=False)
    for mapped in (False, True):
        with pytest.raises(MismatchError, match="ends early"):
            CoarseIndex.read(tmp_path / "cut", "IVF16,SQ8", flat, mapped)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that is played by copies on the CPU; what is put on it is counted."""
    put = []

    def to_gpu(resources, device, index):
        put.append(type(index).__name__)
        return faiss.clone_index(index)

    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", to_gpu, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", lambda index: to_gpu(None, 0, index), raising=False)
    return put


def test_on_a_gpu_the_lists_are_trained_and_searched_there_and_a_pool_is_not(
    flat, every_list, gpu, tmp_path, monkeypatch
):
    on_gpu = CoarseIndex.made(Coarse.read("IVF16,SQ8", len(flat), DIM, 16), flat)
    assert gpu == ["IndexFlatIP", "IndexIVFScalarQuantizer"]
    for mine, its in zip(on_gpu.search(queries(flat), 9), every_list.search(queries(flat), 9), strict=True):
        assert (mine == its).all()
    monkeypatch.setattr(coarse_module, "SMALL_POOL", 10)
    on_gpu._gpu = None  # which a pool must not ask, as a GPU's index takes no selector
    within = Rows(np.arange(500), len(flat))
    assert (on_gpu.search(queries(flat), 9, within)[1] == flat.search(queries(flat), 9, within)[1]).all()
    on_gpu.write(tmp_path / "coarse")
    every_list.write(tmp_path / "its")
    assert (tmp_path / "coarse").read_bytes() == (tmp_path / "its").read_bytes()


def test_lists_that_a_gpu_cannot_take_are_searched_on_the_cpu(flat, made, gpu, monkeypatch, caplog):
    def refuse(resources, device, index):
        raise RuntimeError("Error in GpuIndexIVFPQ: 64 sub-quantizers are not supported")

    monkeypatch.setattr(faiss, "index_cpu_to_gpu", refuse, raising=False)
    found = CoarseIndex(made._index, flat)
    assert (found.search(queries(flat), 9)[1] == made.search(queries(flat), 9)[1]).all()
    assert "searched on the CPU: Error in GpuIndexIVFPQ" in caplog.text


# In an index


def texts(count: int) -> Collection:
    made_up = [Candidate(candidate_id=f"{n:04}", content=Content(text=f"text {n}")) for n in range(count)]
    return Collection.taken("texts", made_up)


@pytest.fixture(scope="module")
def encoder() -> FakeEncoder:
    return FakeEncoder(dim=DIM, name="unified")


def built(
    encoder: FakeEncoder, collection: Collection, folder: Path, factory: str = "IVF8,SQ8", nprobe: int = 8
) -> Index:
    with claimed(folder) as claim:
        build_claimed(claim, encoder, collection, Form(factory=factory, nprobe=nprobe))
    return Index.open(folder, encoder)


def some(encoder: FakeEncoder, collection: Collection) -> Embeddings:
    return encoder.encode_candidates(list(collection)[:9])


def test_an_index_says_its_factory_and_finds_what_the_exact_one_does(encoder, tmp_path):
    collection = texts(400)
    index = built(encoder, collection, tmp_path / "a")
    build_index(encoder, collection, tmp_path / "exact")
    exact = Index.open(tmp_path / "exact", encoder)
    assert (index.manifest.factory, index.nprobe, exact.manifest.factory, exact.nprobe) == (
        "IVF8,SQ8",
        8,
        "SQfp16",
        None,
    )
    assert (tmp_path / "a" / "vectors.faiss").read_bytes() == (tmp_path / "exact" / "vectors.faiss").read_bytes()
    query = some(encoder, collection)
    assert index.search(query, 10) == exact.search(query, 10)
    assert index.search(query, 400) == exact.search(query, 400)
    assert index.search(query, 3, exclude={"0000": ["0000"]}) == exact.search(query, 3, exclude={"0000": ["0000"]})
    index.nprobe = 1
    found = index.search(query, 10)
    assert {i: hits[0] for i, hits in found.items()} == {i: hits[0] for i, hits in exact.search(query, 10).items()}
    assert all(len(hits) == 10 for hits in found.values())
    with pytest.raises(ConfigError, match="nprobe is 3, but this index compares every row"):
        exact.nprobe = 3


def test_a_renewal_trains_again_and_is_the_build_from_nothing(encoder, tmp_path):
    collection = texts(400)
    built(encoder, collection, tmp_path / "a")
    with held(tmp_path / "a") as index:
        manifest = remove(index, ["0007", "010*"]).manifest
    left = Collection.taken(
        "texts", [one for one in collection if one.candidate_id != "0007" and one.candidate_id[:3] != "010"]
    )
    built(encoder, left, tmp_path / "b")
    assert manifest.factory == "IVF8,SQ8" and manifest.count == 389
    assert (tmp_path / "a" / manifest.files_at / "coarse.faiss").read_bytes() == (
        tmp_path / "b" / "coarse.faiss"
    ).read_bytes()
    assert not (tmp_path / "a" / "coarse.faiss").exists()
    query = some(encoder, left)
    assert Index.open(tmp_path / "a", encoder).search(query, 5) == Index.open(tmp_path / "b", encoder).search(query, 5)


def test_what_is_removed_never_stays_for_the_sake_of_the_lists(encoder, tmp_path):
    built(encoder, texts(320), tmp_path / "a")
    with held(tmp_path / "a") as index:
        assert remove(index, ["01*"]).manifest.factory == "IVF5,SQ8"
    found = Index.open(tmp_path / "a", encoder)
    assert (len(found), found.nprobe) == (220, 5) and found.coarse.lists == 5
    with held(tmp_path / "a") as index:
        assert remove(index, ["00*", "02*"]).manifest.factory == "SQfp16"
    assert Index.open(tmp_path / "a", encoder).nprobe is None
    assert [str(Coarse.again("IVF64,PQ8", count, 64)) for count in (9_984, 9_983)] == ["IVF64,PQ8", "None"]


def test_a_rebuild_without_a_factory_leaves_no_lists_behind(encoder, tmp_path):
    collection = texts(320)
    built(encoder, collection, tmp_path / "a")
    build_index(encoder, collection, tmp_path / "a")
    assert not (tmp_path / "a" / "coarse.faiss").exists() and Index.open(tmp_path / "a", encoder).nprobe is None


def test_the_command_line_builds_joins_and_searches_with_a_factory(encoder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("umr.encoders.load_encoder", lambda *_, **__: encoder)
    encoder.save(tmp_path / "encoder")
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"id": "{n:04}", "text": "text {n}"}}\n' for n in range(320)))
    build = ["index", str(tmp_path / "rows.jsonl"), "--encoder", str(tmp_path / "encoder"), "--out"]
    assert main([*build, str(tmp_path / "a"), "--factory", "IVF8,SQ8", "--nprobe", "2"]) == 0
    for part in ("1/2", "2/2"):
        assert main([*build, str(tmp_path / f"part{part[0]}"), "--shard", part]) == 0
    parts = [str(tmp_path / "part1"), str(tmp_path / "part2")]
    assert main(["index", "join", *parts, "--out", str(tmp_path / "b"), "--factory", "IVF8,SQ8", "--nprobe", "2"]) == 0
    assert (tmp_path / "a" / "coarse.faiss").read_bytes() == (tmp_path / "b" / "coarse.faiss").read_bytes()
    assert main([*build, str(tmp_path / "c"), "--shard", "1/2", "--factory", "IVF8,SQ8"]) == 2
    assert main([*build, str(tmp_path / "c"), "--factory", "IVF99,SQ8"]) == 2
    err = capsys.readouterr().err
    assert "give it to `index join`" in err and "IVF99,SQ8 needs at least 39 candidates" in err
    ask = ["search", "--index", str(tmp_path / "a"), "--text", "text 7", "--top", "1", "--json", "--nprobe"]
    assert main([*ask, "8"]) == 0 and '"id": "0007"' in capsys.readouterr().out
    assert main([*ask, "9"]) == 2 and "nprobe is 9" in capsys.readouterr().err
