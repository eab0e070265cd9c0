"""Each published benchmark on a tiny folder in its makers' layout, through the command line: every number against the
paper's formula over plain numpy scores of the same encoder, and what is refused."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from tests.conftest import _load_fake
from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.cli.commands import main
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError
from umr.eval.benchmarks.fashioniq import joined
from umr.eval.benchmarks.genecis import cut
from umr.eval.benchmarks.mbeir import normalised
from umr.eval.benchmarks.msvd import pickled_captions
from umr.formats import read_qrels, read_run
from umr.media import open_image
from umr.rerank import load_reranker
from umr.rerank.config import Prior
from umr.rerank.reranker import Reranker
from umr.rerank.store import save_reranker
from umr.types import Candidate, Content, Embeddings, Query

N = 12  # pictures of a tiny benchmark


@pytest.fixture
def fake(tmp_path, monkeypatch) -> FakeEncoder:
    """An encoder folder `enc` that the command line opens without a model."""
    monkeypatch.setattr("umr.encoders.load_encoder", _load_fake)
    encoder = FakeEncoder(dim=16, name="enc")
    encoder.save(tmp_path / "enc")
    return encoder


@pytest.fixture
def run(fake, tmp_path, capsys):
    """Runs the command over tmp_path/data; its rows by part, or the message of its refusal."""

    def call(name: str, *more: str) -> dict | str:
        words = ["evaluate", "--benchmark", name, "--data", str(tmp_path / "data"), "--encoder", str(tmp_path / "enc")]
        status = main([*words, "--json", *more])
        out, said = capsys.readouterr()
        call.said = said
        return {row["part"]: row for row in json.loads(out)} if status == 0 else said

    return call


def put(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")


def paint(path: Path, number: int, size: tuple[int, int] = (9, 7)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (20 * number, 255 - 20 * number, 7 * number)).save(path)
    return path


def film(path: Path, number: int) -> Path:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for step in range(4):
            pixels = np.full((32, 32, 3), 50 * number + 10 * step, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())
    return path


def scores(fake: FakeEncoder, queries: list[Content], candidates: list[Content]) -> np.ndarray:
    """(Q, M) cosines."""
    q = fake.encode_queries([Query(query_id=str(i), content=one) for i, one in enumerate(queries)])
    c = fake.encode_candidates([Candidate(candidate_id=str(i), content=one) for i, one in enumerate(candidates)])
    return q.vectors @ c.vectors.T


def ranks(scores_M: np.ndarray, right: int) -> int:
    return 1 + int((scores_M > scores_M[right]).sum())


def share(found: list[int], k: int) -> float:
    return float(np.mean([rank <= k for rank in found]))


# CIRR


def cirr(data: Path, split: str = "val", answers: bool = True) -> tuple[list[str], list[dict]]:
    names = [f"dev-{i}-0-img0" for i in range(N)]
    for i, name in enumerate(names):
        paint(data / "img_raw" / "dev" / f"{name}.png", i)
    rows = []
    for i in range(N):
        members = [names[(i + step) % N] for step in range(6)]
        row = {"pairid": 100 + i, "reference": names[i], "caption": f"edit {i}", "img_set": {"members": members}}
        rows.append(row | ({"target_hard": names[(i + 1 + i % 5) % N]} if answers else {}))
    put(data / "captions" / f"cap.rc2.{split}.json", rows)
    put(data / "image_splits" / f"split.rc2.{split}.json", {name: f"./dev/{name}.png" for name in names})
    return names, rows


def test_cirr_is_recall_without_the_reference_and_among_its_set(run, fake, tmp_path):
    names, rows = cirr(tmp_path / "data")
    files = {name: tmp_path / "data/img_raw/dev" / f"{name}.png" for name in names}
    queries = [Content(text=row["caption"], image=files[row["reference"]]) for row in rows]
    all_QM = scores(fake, queries, [Content(image=files[name]) for name in names])
    whole, subset = [], []
    for row, scores_M in zip(rows, all_QM, strict=True):
        order = [names[i] for i in np.argsort(-scores_M) if names[i] != row["reference"]]
        whole.append(1 + order.index(row["target_hard"]))
        subset.append(1 + [n for n in order if n in row["img_set"]["members"]].index(row["target_hard"]))
    found = run("cirr", "--runs", str(tmp_path / "runs"))["val"]
    assert found["n"] == N and max(whole) > 1
    assert {k: found[f"R@{k}"] for k in (1, 5, 10, 50)} == {k: pytest.approx(share(whole, k)) for k in (1, 5, 10, 50)}
    assert {k: found[f"Rsubset@{k}"] for k in (1, 2, 3)} == {k: pytest.approx(share(subset, k)) for k in (1, 2, 3)}
    qrels = (tmp_path / "runs/enc/cirr.val.qrels").read_text().splitlines()
    assert len(qrels) == N and all(len(line.split()) == 4 for line in qrels)
    assert len(read_run(tmp_path / "runs/enc/cirr.val.run")["100"]) == N - 1


def test_cirr_test1_writes_the_two_files_of_its_server(run, tmp_path):
    names, rows = cirr(tmp_path / "data", "test1", answers=False)
    assert "on its server alone" in run("cirr", "--split", "test1")
    assert run("cirr", "--split", "test1", "--runs", str(tmp_path / "runs")) == {}
    whole, subset = (
        json.loads((tmp_path / "runs/enc" / f"cirr.test1.{metric}.json").read_text())
        for metric in ("recall", "recall_subset")
    )
    assert (whole.pop("version"), whole.pop("metric")) == ("rc2", "recall")
    assert (subset.pop("version"), subset.pop("metric")) == ("rc2", "recall_subset")
    assert set(whole) == set(subset) == {str(row["pairid"]) for row in rows}
    for row in rows:
        assert set(whole[str(row["pairid"])]) == set(names) - {row["reference"]}
        listed = subset[str(row["pairid"])]
        assert len(listed) == 3 and set(listed) < set(row["img_set"]["members"]) - {row["reference"]}
        assert listed == [one for one in whole[str(row["pairid"])] if one in row["img_set"]["members"]][:3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows + rows[3:4], "cap.rc2.val.json: entry 13: the pairid 103 stands twice in the file"),
        (lambda rows: [], "cap.rc2.val.json is an empty list; copy the file of the benchmark's makers again"),
        (
            lambda rows: [rows[0] | {"img_set": {"members": [rows[0]["reference"]]}}, *rows[1:]],
            "cap.rc2.val.json: entry 1: img_set.members has the reference alone",
        ),
        (
            lambda rows: [{k: v for k, v in rows[0].items() if k != "target_hard"}, *rows[1:]],
            "1 of 12 entries have no target_hard",
        ),
    ],
)
def test_cirr_says_what_is_wrong_with_its_captions(run, tmp_path, change, said):
    _, rows = cirr(tmp_path / "data")
    put(tmp_path / "data/captions/cap.rc2.val.json", change(rows))
    assert said in run("cirr")


@pytest.mark.parametrize(("split", "answers"), [("val", True), ("test1", False)])
def test_a_pair_of_cirr_without_words_is_asked_by_its_picture(run, fake, tmp_path, split, answers):
    """As pair 27098 of the makers' own test1, whose caption is a space."""
    names, rows = cirr(tmp_path / "data", split, answers)
    rows[4]["caption"] = " "
    put(tmp_path / f"data/captions/cap.rc2.{split}.json", rows)
    run("cirr", "--split", split, "--runs", str(tmp_path / "runs"))
    assert "the caption of 1 of 12 pairs is empty (104): asked by the picture alone" in run.said
    files = [tmp_path / "data/img_raw/dev" / f"{name}.png" for name in names]
    scores_M = scores(fake, [Content(image=files[4])], [Content(image=path) for path in files])[0]
    order = [names[i] for i in np.argsort(-scores_M) if i != 4]
    sent = json.loads((tmp_path / f"runs/enc/cirr.{split}.recall.json").read_text())
    assert sent["104"] == order and len(sent) == 2 + N
    rows[4]["caption"] = None
    put(tmp_path / f"data/captions/cap.rc2.{split}.json", rows)
    assert "entry 5: caption is None; a text is needed" in run("cirr", "--split", split)


# FashionIQ


@pytest.mark.parametrize(
    ("captions", "text"),
    [
        (["is red.", " has dots, "], "Is red and has dots"),
        (["", "is grey with a design on the back"], "and is grey with a design on the back"),  # of shirt, val
        (["Darker and not as shiny", "."], "Darker and not as shiny and"),  # of dress, train
    ],
)
def test_two_captions_are_joined_though_one_of_them_is_empty(captions, text):
    assert joined(captions) == text


@pytest.mark.parametrize("captions", [["", " "], [".", "?"], [], "is red", ["is red", None]])
def test_captions_without_words_are_refused(captions):
    with pytest.raises(ConfigError, match="captions is "):
        joined(captions)


def test_fashioniq_is_recall_of_each_category_and_their_mean(run, fake, tmp_path):
    data, expected = tmp_path / "data", {}
    for start, category in enumerate(("dress", "shirt", "toptee")):
        names = [f"B{start}{i:02}" for i in range(N)]
        files = [
            paint(data / "images" / f"{name}.png", (i + start) % N, (9, 8 + start)) for i, name in enumerate(names)
        ]
        rows = [
            {"candidate": names[i], "target": names[(i + 3) % N], "captions": ["is red.", f" has {i} dots, "]}
            for i in range(N)
        ]
        put(data / "captions" / f"cap.{category}.val.json", rows)
        put(data / "image_splits" / f"split.{category}.val.json", names)
        asked = [Content(text=f"Is red and has {i} dots", image=files[i]) for i in range(N)]
        all_QM = scores(fake, asked, [Content(image=path) for path in files])
        expected[category] = [ranks(all_QM[i], (i + 3) % N) for i in range(N)]
    found = run("fashioniq", "--depth", "2")
    for category, got in expected.items():
        assert {k: found[category][f"R@{k}"] for k in (2, 10, 50)} == {k: share(got, k) for k in (2, 10, 50)}
    assert found["mean"]["R@10"] == pytest.approx(np.mean([share(got, 10) for got in expected.values()]))
    assert list(run("fashioniq", "--task", "shirt")) == ["shirt"]
    (data / "images/B105.png").unlink()
    assert "lacks 1 of the 12 pictures of shirt, the first is 'B105'" in run("fashioniq")


# CIRCO


def test_circo_is_average_precision_over_the_reachable_places(run, fake, tmp_path):
    data = tmp_path / "data"
    rows = [
        {
            "id": i,
            "reference_img_id": i,
            "relative_caption": f"edit {i}",
            "shared_concept": "a thing",
            "target_img_id": (i + 1) % N,
            "gt_img_ids": [(i + step) % N for step in range(1, 2 + i % 7)],
        }
        for i in range(N)
    ]
    files = circo(data, rows)
    put(
        data / "annotations/test.json",
        [{k: row[k] for k in ("id", "reference_img_id", "relative_caption")} for row in rows],
    )
    asked = [Content(text=row["relative_caption"], image=files[row["reference_img_id"]]) for row in rows]
    all_QM = scores(fake, asked, [Content(image=path) for path in files])
    found = run("circo")["val"]
    for k in (5, 10, 25, 50):
        values = []
        for row, scores_M in zip(rows, all_QM, strict=True):
            labels = np.isin(np.argsort(-scores_M), row["gt_img_ids"])
            precision = np.cumsum(labels) * labels / np.arange(1, N + 1)
            values.append(precision[:k].sum() / min(len(row["gt_img_ids"]), k))
        assert found[f"mAP@{k}"] == pytest.approx(np.mean(values))
    at = [ranks(scores_M, row["target_img_id"]) for row, scores_M in zip(rows, all_QM, strict=True)]
    assert {k: found[f"R@{k}"] for k in (5, 10, 25, 50)} == {k: pytest.approx(share(at, k)) for k in (5, 10, 25, 50)}
    assert 0 < found["R@5"] < 1 == found["R@25"] and found["R@5"] < np.mean([found["mAP@5"] > 0])
    assert run("circo", "--split", "test", "--runs", str(tmp_path / "runs")) == {}
    sent = json.loads((tmp_path / "runs/enc/circo.test.submission.json").read_text())
    assert list(sent) == [str(i) for i in range(N)]
    assert sent["3"] == np.argsort(-all_QM[3]).tolist()
    put(data / "annotations/val.json", [*rows, rows[5]])
    assert "val.json: entry 13: the id 5 stands twice in the file" in run("circo")
    files[4].unlink()
    assert "1 of 12 files of candidates are missing" in run("circo")


def circo(data: Path, rows: list[dict]) -> list[Path]:
    """CIRCO's folder with these validation entries; its pictures."""
    files = [paint(data / "COCO2017_unlabeled/unlabeled2017" / f"{i:012}.jpg", i, (16, 16)) for i in range(N)]
    info = {"images": [{"id": i, "file_name": path.name} for i, path in enumerate(files)]}
    put(data / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json", info)
    put(data / "annotations/val.json", rows)
    return files


def test_circos_recall_is_of_the_one_target_and_an_aspect_has_its_own_queries(run, fake, tmp_path, monkeypatch):
    """By hand: every query ranks the pictures 0, 1, ... 11."""

    def vector(self, content: Content) -> np.ndarray:
        if content.text is not None:
            return np.arange(16, 0, -1, dtype=np.float32) / np.linalg.norm(np.arange(1, 17))
        red = np.asarray(open_image(content.image))[0, 0, 0]
        return np.eye(16, dtype=np.float32)[round(red / 20)]

    monkeypatch.setattr(FakeEncoder, "_vector", vector)
    said = [(0, [0, 2], ["negation", "viewpoint"]), (6, [6], ["negation"]), (1, [1, 3], [])]
    fields = ("target_img_id", "gt_img_ids", "semantic_aspects")
    rows = [
        {"id": i, "reference_img_id": 0, "relative_caption": f"edit {i}"} | dict(zip(fields, one, strict=True))
        for i, one in enumerate(said)
    ]
    circo(tmp_path / "data", rows)
    found = run("circo", "--depth", "1")
    assert list(found) == ["val", "val negation", "val viewpoint"] and [row["n"] for row in found.values()] == [3, 2, 1]
    whole = found["val"]
    assert [whole[f"R@{k}"] for k in (1, 5, 10, 50)] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    ap = {5: ((1 + 2 / 3) / 2, 0, (1 / 2 + 2 / 4) / 2), 10: ((1 + 2 / 3) / 2, 1 / 7, (1 / 2 + 2 / 4) / 2)}
    assert [whole[f"mAP@{k}"] for k in ap] == pytest.approx([np.mean(ap[5]), np.mean(ap[10])])
    assert found["val negation"]["mAP@10"] == pytest.approx((ap[10][0] + ap[10][1]) / 2)
    assert found["val viewpoint"]["mAP@10"] == pytest.approx(ap[10][0]) and "R@5" not in found["val viewpoint"]
    for wrong, words in (
        ({"semantic_aspects": ["colour"]}, "semantic_aspects is ['colour']; a list of these is needed: cardinality"),
        ({"target_img_id": 99}, "the picture 99 is not in image_info_unlabeled2017.json"),
    ):
        put(tmp_path / "data/annotations/val.json", [rows[0] | wrong])
        assert f"val.json: entry 1: {words}" in run("circo")
    put(tmp_path / "data/annotations/val.json", [{k: v for k, v in rows[0].items() if k != "target_img_id"}, rows[1]])
    assert "1 of 2 entries have no target_img_id" in run("circo")
    bare = [{k: v for k, v in row.items() if k not in ("target_img_id", "semantic_aspects")} for row in rows]
    put(tmp_path / "data/annotations/val.json", bare)
    found = run("circo")
    assert list(found) == ["val"] and found["val"]["mAP@10"] == whole["mAP@10"] and "R@5" not in found["val"]


# GeneCIS


@pytest.mark.parametrize("named_by", [int, str])  # of pictures of Visual Genome; VAW's own annotations have texts
def test_genecis_ranks_the_target_in_each_gallery(run, fake, tmp_path, named_by):
    data = tmp_path / "data"
    for i in range(N):
        paint(data / "val2017" / f"{i:012}.jpg", i, (16, 16))
        paint(data / "VG_100K_all" / f"{i}.jpg", i, (40, 30))
    expected = {}
    for number, task in enumerate(("focus_attribute", "change_attribute", "focus_object", "change_object")):
        whole = task.endswith("object")

        def named(i, whole=whole):
            return {"val_image_id": i} if whole else {"image_id": named_by(i), "instance_bbox": [10, 5, 8, 6]}

        rows = [
            {
                "reference": named(i),
                "target": named((i + 1 + number) % N),
                "gallery": [named((i + step) % N) for step in (6, 7, 8, 8)],
                "condition": f"colour {i}",
            }
            for i in range(N)
        ]
        put(data / "genecis" / f"{task}.json", rows)

        def shown(i, whole=whole):
            if whole:
                return Content(image=data / "val2017" / f"{i:012}.jpg")
            return Content(image=cut(Image.open(data / "VG_100K_all" / f"{i}.jpg"), (10, 5, 8, 6)))

        expected[task] = [
            ranks(
                scores(
                    fake,
                    [Content(text=f"colour {i}", image=shown(i).image)],
                    [shown((i + 1 + number) % N), *(shown((i + step) % N) for step in (6, 7, 8, 8))],
                )[0],
                0,
            )
            for i in range(N)
        ]
    found = run("genecis", "--work", str(tmp_path / "work"))
    for task, got in expected.items():
        assert {k: found[task][f"R@{k}"] for k in (1, 2, 3)} == {k: pytest.approx(share(got, k)) for k in (1, 2, 3)}
    assert found["mean"]["R@1"] == pytest.approx(np.mean([share(got, 1) for got in expected.values()]))
    assert run("genecis", "--work", str(tmp_path / "work")) == found  # the index and the crops are used again
    (data / "genecis/focus_object.json").unlink()
    assert "focus_object.json is missing. GeneCIS's folder holds genecis/" in run("genecis")


@pytest.mark.parametrize("wrong", ["", "7a", "-7", " 7", "²", 7.0, None, True])
def test_a_picture_of_genecis_is_a_number(run, tmp_path, wrong):
    one = {"image_id": wrong, "instance_bbox": [0, 0, 4, 4]}
    put(tmp_path / "data/focus_attribute.json", [{"reference": one, "target": one, "gallery": [one], "condition": "x"}])
    said = run("genecis", "--task", "focus_attribute", "--work", str(tmp_path / "work"))
    assert f"focus_attribute.json: entry 1: image_id is {wrong!r}; a whole number is needed" in said


def test_a_crop_grows_to_the_edge_and_is_padded_to_a_square():
    image = Image.fromarray(np.arange(40 * 30 * 3, dtype=np.uint32).astype(np.uint8).reshape(30, 40, 3))
    piece = np.asarray(cut(image, (10, 10, 10, 10)))  # 10 - 7 = 3, and 17 wide from there
    assert (piece == np.asarray(image)[3:20, 3:20]).all()
    edge = np.asarray(cut(image, (32, 0, 8, 20)))  # left 26.4, up to 40 (26.4 + 13.6); top 0, up to 30
    assert edge.shape == (30, 30, 3) and (edge[:, :8] == 0).all()
    assert (edge[:, 8:22] == np.asarray(image)[:, 26:40]).all()


# MSR-VTT, MSVD


def video_text(fake, clips: list[Path], said: list[list[str]]) -> dict[str, list[int]]:
    """Ranks of both directions, a clip's sentences being one answer as near as the nearest."""
    texts = [(i, text) for i, texts in enumerate(said) for text in texts]
    to_video = scores(fake, [Content(text=text) for _, text in texts], [Content(video=clip) for clip in clips])
    to_text = scores(fake, [Content(video=clip) for clip in clips], [Content(text=text) for _, text in texts])
    owner = np.array([i for i, _ in texts])
    grouped = np.stack([to_text[:, owner == i].max(axis=1) for i in range(len(clips))], axis=1)
    return {
        "t2v": [ranks(to_video[q], i) for q, (i, _) in enumerate(texts)],
        "v2t": [ranks(grouped[i], i) for i in range(len(clips))],
    }


def check_both_ways(found: dict, expected: dict[str, list[int]]) -> None:
    for direction, got in expected.items():
        row = found[direction]
        assert row["n"] == len(got) and row["MdR"] == np.median(got)
        assert {k: row[f"R@{k}"] for k in (1, 5, 10)} == {k: pytest.approx(share(got, k)) for k in (1, 5, 10)}


def test_msrvtt_is_recall_and_median_rank_both_ways(run, fake, tmp_path):
    data = tmp_path / "data"
    clips = [film(data / "MSRVTT_Videos" / f"video{i}.mp4", i) for i in range(4)]
    lines = [f'ret{i},msr{i},video{i},"a man, number {i}"' for i in range(4)]
    put(data / "MSRVTT_JSFUSION_test.csv", "\n".join(["key,vid_key,video_id,sentence", *lines]) + "\n")
    check_both_ways(run("msrvtt"), video_text(fake, clips, [[f"a man, number {i}"] for i in range(4)]))
    sentences = [{"video_id": f"video{i % 4}", "caption": f"thing {i}", "sen_id": i} for i in range(8)]
    videos = [{"video_id": f"video{i}", "split": "test"} for i in range(4)]
    put(data / "test_videodatainfo.json", {"videos": videos, "sentences": sentences})
    said = [[f"thing {i}", f"thing {i + 4}"] for i in range(4)]
    check_both_ways(run("msrvtt", "--split", "full"), video_text(fake, clips, said))
    clips[2].unlink()
    assert "1 of 4 clips are missing, the first is 'video2'" in run("msrvtt")


def test_lists_of_clips_may_lie_in_the_folder_that_their_archive_unpacks_to(run, fake, tmp_path):
    data = tmp_path / "data"
    for i in range(2):
        film(data / "clips/all" / f"video{i}.mp4", i)
    head = "key,vid_key,video_id,sentence"
    pairs = "\n".join([head, *(f"ret{i},msr{i},video{i},number {i}" for i in range(2))])
    said = {f"video{i}": [["number", str(i)]] for i in range(2)}
    put(data / "MSRVTT_JSFUSION_test.csv", pairs)
    put(data / "test_list.txt", "video0\nvideo1\n")
    (data / "raw-captions.pkl").write_bytes(pickle.dumps(said, protocol=2))
    expected = {name: run(name) for name in ("msrvtt", "msvd")}
    for folder, names in {"msrvtt_data": ["MSRVTT_JSFUSION_test.csv"],
                          "msvd_data": ["test_list.txt", "raw-captions.pkl"]}.items():  # fmt: skip
        (data / folder).mkdir()
        for name in names:
            (data / name).rename(data / folder / name)
    assert {name: run(name) for name in expected} == expected and expected["msvd"]["t2v"]["n"] == 2
    put(data / "again/MSRVTT_JSFUSION_test.csv", pairs)
    assert f"MSRVTT_JSFUSION_test.csv is in {data / 'again'}, {data / 'msrvtt_data'}; keep one" in run("msrvtt")


def test_msvd_takes_the_nearest_sentence_of_a_clip(run, fake, tmp_path):
    data = tmp_path / "data"
    clips = [film(data / "YouTubeClips" / f"v{i}_1_5.avi", i) for i in range(4)]
    put(data / "test_list.txt", "".join(f"v{i}_1_5\n" for i in range(4)))
    said = [[f"word {i} {n}" for n in range(1 + i)] for i in range(4)]
    described = "".join(f"v{i}_1_5 {text}\n" for i, texts in enumerate(said) for text in texts)
    put(data / "AllVideoDescriptions.txt", f"# remark\n{described}other_1_2 a dog\n")
    expected = video_text(fake, clips, said)
    check_both_ways(run("msvd"), expected)
    split = {f"v{i}_1_5": [text.split() for text in texts] for i, texts in enumerate(said)}
    (data / "raw-captions.pkl").write_bytes(pickle.dumps(split, protocol=2))
    (data / "AllVideoDescriptions.txt").unlink()
    check_both_ways(run("msvd"), expected)
    assert list(run("msvd", "--task", "t2v")) == ["t2v"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_captions_are_read_as_data_alone(tmp_path, protocol):
    said = {"a": [["a", "dog"], ["a", "dog", "runs"]], "b": [["ä"]]}
    (tmp_path / "c.pkl").write_bytes(pickle.dumps(said, protocol=protocol))
    assert pickled_captions(tmp_path / "c.pkl") == {"a": ["a dog", "a dog runs"], "b": ["ä"]}
    (tmp_path / "c.pkl").write_bytes(pickle.dumps({"a": Path("x")}, protocol=protocol))
    with pytest.raises(ConfigError, match="as plain data"):
        pickled_captions(tmp_path / "c.pkl")


# MMEB


def test_mmeb_is_precision_at_one_over_each_querys_candidates(run, fake, tmp_path):
    data, expected = tmp_path / "data", {}
    files = [paint(data / "eval_images/CIRR" / f"{i}.jpg", i, (16, 16)) for i in range(N)]
    rows = [
        {
            "qry_text": f"<|image_1|>\nFind it, but {i}",
            "qry_img_path": f"CIRR/{i}.jpg",
            "tgt_text": ["<|image_1|>\nThe picture."] * 4,
            "tgt_img_path": [f"CIRR/{(i + step) % N}.jpg" for step in (1, 4, 7, 9)],
        }
        for i in range(N)
    ]
    (data / "CIRR").mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist(rows), data / "CIRR/test-00000-of-00001.parquet")
    for i in range(N):
        shown = [Content(text="The picture.", image=files[(i + step) % N]) for step in (1, 4, 7, 9)]
        expected[i] = scores(fake, [Content(text=f"Find it, but {i}", image=files[i])], shown)[0].argmax() == 0
    texts = [
        {"qry_text": f"Who is {i}?", "qry_img_path": "", "tgt_text": [f"answer {i}", "none"], "tgt_img_path": ["", ""]}
        for i in range(3)
    ]
    (data / "WebQA").mkdir()
    parquet.write_table(pa.Table.from_pylist(texts), data / "WebQA/test-00000-of-00001.parquet")
    found = run("mmeb")
    assert found["CIRR"]["P@1"] == pytest.approx(np.mean(list(expected.values()))) and 0 < found["CIRR"]["P@1"] < 1
    assert found["mean"]["P@1"] == pytest.approx((found["CIRR"]["P@1"] + found["WebQA"]["P@1"]) / 2)
    assert "VisDial is not there and not measured" in run.said
    (data / "eval_images/CIRR/3.jpg").unlink()
    assert "row 1" not in run("mmeb") and "the picture CIRR/3.jpg is in none of" in run("mmeb")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tgt_img_path": 5}, "tgt_img_path is 5; a list with one text for each candidate is needed"),
        ({"tgt_img_path": [5, 6]}, "tgt_img_path has 5; a text is needed"),
        ({"tgt_text": "answer"}, "tgt_text is 'answer'; a list with one text for each candidate is needed"),
        ({"qry_img_path": 5}, "qry_img_path has 5; a text is needed"),
        ({"qry_text": 5}, "qry_text has 5; a text is needed"),
    ],
)
def test_a_column_of_mmeb_that_holds_something_else_is_named(run, tmp_path, change, said):
    row = {"qry_text": "Who?", "qry_img_path": "", "tgt_text": ["answer", "none"], "tgt_img_path": ["", ""]} | change
    (tmp_path / "data/WebQA").mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "data/WebQA/test-00000-of-00001.parquet")
    assert f"WebQA/test-00000-of-00001.parquet: row 1: {said}" in run("mmeb")


# M-BEIR


def mbeir(data: Path) -> None:
    """OVEN, whose judgements hold InfoSeek's ids, and FashionIQ, in M-BEIR's layout."""
    oven = [{"did": f"5:{i}", "txt": f"entry {i}", "img_path": None, "modality": "text"} for i in range(N)]
    fashion = []
    for i in range(N):
        paint(data / "mbeir_images" / f"{i}.png", i)
        fashion.append({"did": f"7:{i}", "txt": None, "img_path": f"mbeir_images/{i}.png", "modality": "image"})
    for name, pool, task in (("oven_task6", oven, 6), ("fashioniq_task7", fashion, 7)):
        dataset = pool[0]["did"][0]
        queries = [
            {
                "qid": f"{dataset}:{i}",
                "query_txt": f"what is {i}",
                "query_img_path": f"mbeir_images/{i}.png",
                "query_modality": "image,text",
                "query_src_content": None,
                "pos_cand_list": [f"{dataset}:{(i + 2) % N}"],
                "neg_cand_list": [],
            }
            for i in range(N)
        ]
        lines = [f"{q['qid']} 0 {q['pos_cand_list'][0]} 1 {task}" for q in queries]
        lines += [f"{q['qid']} 0 6:{i} 1 {task}" for i, q in enumerate(queries[:4])] if dataset == "5" else []
        put(data / f"query/test/mbeir_{name}_test.jsonl", "".join(json.dumps(q) + "\n" for q in queries))
        put(data / f"qrels/test/mbeir_{name}_test_qrels.txt", "\n".join(lines) + "\n")
        put(data / f"cand_pool/local/mbeir_{name}_cand_pool.jsonl", "".join(json.dumps(c) + "\n" for c in pool))
    both = "".join(json.dumps(c) + "\n" for c in oven + fashion)
    put(data / "cand_pool/global/mbeir_union_test_cand_pool.jsonl", both)
    heads = "query_modality\tcand_modality\tdataset_name\tdataset_id\tprompt_1\tprompt_2\n"
    table = "image,text\ttext\tOVEN\t5\tName it\tSay it\nimage,text\timage\tFashionIQ\t7\tFind the dress\tFind one\n"
    put(data / "instructions/query_instructions.tsv", heads + table)


def test_mbeir_has_its_pools_depths_and_instructions(run, fake, tmp_path, monkeypatch):
    data, asked = tmp_path / "data", []
    mbeir(data)
    encode = FakeEncoder.encode_queries
    monkeypatch.setattr(
        FakeEncoder, "encode_queries", lambda self, queries: encode(self, asked.extend(queries) or queries)
    )
    queries = [Content(text=f"What is {i}.", image=data / "mbeir_images" / f"{i}.png") for i in range(N)]
    texts = [Content(text=f"Entry {i}.") for i in range(N)]
    images = [Content(image=data / "mbeir_images" / f"{i}.png") for i in range(N)]
    local = run("mbeir", "--runs", str(tmp_path / "runs"))
    said = {query.query_id[0]: query.instruction for query in asked if query.query_id[:2] in ("5:", "7:")}
    assert said == {"5": "Name it.", "7": "Find the dress."}
    assert "oven_task6: 4 judgements name candidates of another data set" in run.said
    oven, fashion = scores(fake, queries, texts), scores(fake, queries, images)
    oven_ranks = [ranks(oven[i], (i + 2) % N) for i in range(N)]
    fashion_ranks = [ranks(fashion[i], (i + 2) % N) for i in range(N)]
    assert {k: local["oven_task6"][f"R@{k}"] for k in (1, 5, 10)} == {k: share(oven_ranks, k) for k in (1, 5, 10)}
    assert {k: local["fashioniq_task7"][f"R@{k}"] for k in (10, 20, 50)} == {
        k: share(fashion_ranks, k) for k in (10, 20, 50)
    }
    assert local["mean"]["score"] == pytest.approx((share(oven_ranks, 5) + share(fashion_ranks, 10)) / 2)
    assert len(read_qrels(tmp_path / "runs/enc/mbeir.oven_task6.local.qrels")["5:0"]) == 1
    wide = np.concatenate([oven, fashion], axis=1)
    found = run("mbeir", "--pool", "global", "--task", "oven_task6", "--sentence", "2", "--depth", "3")["oven_task6"]
    got = [ranks(wide[i], (i + 2) % N) for i in range(N)]
    assert {k: found[f"R@{k}"] for k in (1, 3, 5)} == {k: pytest.approx(share(got, k)) for k in (1, 3, 5)}
    assert asked[-1].instruction == "Say it."


def test_mbeir_asked_by_each_sentence_is_the_mean_of_what_each_gives(run, tmp_path, monkeypatch):
    mbeir(tmp_path / "data")
    encode = FakeEncoder.encode_queries

    def with_sentence(self: FakeEncoder, queries: list[Query]) -> Embeddings:
        told = [replace(one, content=replace(one.content, text=f"{one.instruction} {one.content.text}"))
                for one in queries]  # fmt: skip
        return encode(self, told)

    monkeypatch.setattr(FakeEncoder, "encode_queries", with_sentence)
    ones = [run("mbeir", "--sentence", str(number)) for number in (1, 2)]
    found = run("mbeir", "--sentence", "each", "--runs", str(tmp_path / "runs"))
    assert "the sentence asked of each task is each in turn, and measures are their means" in run.said
    assert ones[0] != ones[1] and list(found) == list(ones[0]) == ["fashioniq_task7", "oven_task6", "mean"]
    for part, row in found.items():
        numbers = {column for column, value in row.items() if isinstance(value, float)}
        expected = {column: (ones[0][part][column] + ones[1][part][column]) / 2 for column in numbers}
        assert {column: row[column] for column in numbers} == pytest.approx(expected) and row["n"] == ones[0][part]["n"]
    written = sorted(path.name for path in (tmp_path / "runs/enc").glob("mbeir.oven*.run"))
    assert written == [f"mbeir.oven_task6.local.sentence{number}.run" for number in (1, 2)]


def test_mbeir_oven_alone_is_measured_and_refusals_name_what_is_missing(run, tmp_path):
    data = tmp_path / "data"
    mbeir(data)
    for path in data.rglob("*fashioniq*"):
        path.unlink()
    assert list(run("mbeir")) == ["oven_task6"]
    assert "has 2 for" in run("mbeir", "--sentence", "3")
    (data / "cand_pool/global/mbeir_union_test_cand_pool.jsonl").unlink()
    assert "mbeir_union_test_cand_pool.jsonl is missing. M-BEIR's folder holds" in run("mbeir", "--pool", "global")
    (data / "instructions/query_instructions.tsv").unlink()
    assert "Or give --instruction SENTENCE" in run("mbeir")
    assert list(run("mbeir", "--instruction", "Name it.")) == ["oven_task6"]
    qrels = data / "qrels/test/mbeir_oven_task6_test_qrels.txt"
    qrels.write_text(qrels.read_text().replace("5:2 1", "5:99 1"))
    assert "names 5:99, which its pool does not hold" in run("mbeir", "--instruction", "encoder")


def test_mbeir_over_mapped_candidates_is_the_same_and_they_are_made_once(run, tmp_path, monkeypatch):
    mbeir(tmp_path / "data")
    for pool in ("local", "global"):
        plain = run("mbeir", "--pool", pool)
        work = ("--pool", pool, "--work", str(tmp_path / pool))
        with monkeypatch.context() as patched:
            for module in ("collection", "index.versions"):
                patched.setattr(f"umr.{module}.FEWEST", 1)
            assert run("mbeir", *work) == plain
            patched.setattr("umr.eval.benchmarks.pooled._Writing", None)
            patched.setattr("umr.collection.read_columns", None)
            patched.setattr("umr.eval.benchmarks.measure.build_index", None)
            assert run("mbeir", *work) == plain
        assert (tmp_path / pool / "collection/columns.safetensors").is_file()


def test_texts_are_put_as_in_uniirs_code():
    assert [normalised(text) for text in (' "a dog" \r', "Is it?", "x.", "", '""')] == [
        "A dog.",
        "Is it?",
        "X.",
        "",
        "",
    ]


# the first hits re-ranked


@pytest.fixture(scope="module")
def again(tmp_path_factory) -> tuple[Reranker, Path]:
    """A re-ranker of random weights, in a folder of its name."""
    folder = tmp_path_factory.mktemp("again") / "tiny"
    save_reranker(tiny_reranker(tiny_tokenizer()), folder)
    return load_reranker(folder, device="cpu"), folder


def test_a_re_ranker_orders_the_first_hits_before_they_are_measured(run, fake, again, tmp_path):
    reranker, folder = again
    names, rows = cirr(tmp_path / "data")
    files = {name: tmp_path / "data/img_raw/dev" / f"{name}.png" for name in names}
    queries = [Content(text=row["caption"], image=files[row["reference"]]) for row in rows]
    all_QM = scores(fake, queries, [Content(image=files[name]) for name in names])

    def after(query: Content, order: list[str]) -> list[str]:
        first = [Candidate(candidate_id=name, content=Content(image=files[name])) for name in order[:4]]
        yes = reranker.scores(Query(query_id="q", content=query, target_modality="image"), first)
        return [order[at] for at in np.argsort(-yes)] + order[4:]

    whole, subset, before = [], [], []
    for row, query, scores_M in zip(rows, queries, all_QM, strict=True):
        order = [names[i] for i in np.argsort(-scores_M) if names[i] != row["reference"]]
        before.append(1 + order.index(row["target_hard"]))
        whole.append(1 + after(query, order).index(row["target_hard"]))
        members = [name for name in order if name in row["img_set"]["members"]]
        subset.append(1 + after(query, members).index(row["target_hard"]))
    more = "--rerank", str(folder), "--depth", "4", "--weight", "1"
    found = run("cirr", *more, "--runs", str(tmp_path / "runs"))["val"]
    assert whole != before and found["rerank"] is True and list(found)[-1] == "rerank"
    columns = {"benchmark", "split", "part", "n", "rerank", *(f"R@{k}" for k in (1, 5, 10, 50))}
    assert set(found) == columns | {f"Rsubset@{k}" for k in (1, 2, 3)}  # 4 is no k here
    assert {k: found[f"R@{k}"] for k in (1, 5, 10)} == {k: pytest.approx(share(whole, k)) for k in (1, 5, 10)}
    assert {k: found[f"Rsubset@{k}"] for k in (1, 2, 3)} == {k: pytest.approx(share(subset, k)) for k in (1, 2, 3)}
    assert "the first 4 hits of each query are in the order of tiny, P(yes) weighing 1" in run.said
    report = json.loads((tmp_path / "runs/enc+tiny/cirr.val.json").read_text())
    assert report["reranked"] == {"reranker": "tiny", "fingerprint": reranker.fingerprint, "weight": 1.0, "depth": 4}
    assert f"--rerank {folder} --weight 1.0" in report["command"] and "--depth 4" in report["command"]
    kept = read_run(tmp_path / "runs/enc+tiny/cirr.val.run")["100"]
    assert [hit.candidate_id for hit in kept][:4] == after(queries[0], [names[i] for i in np.argsort(-all_QM[0]) if i])[
        :4
    ]


def test_with_no_weight_on_the_re_ranker_all_measures_stay(run, again, tmp_path):
    """Groups and galleries too: a clip of MSVD is as near as its nearest sentence, one of MMEB's stands there twice."""
    data = tmp_path / "data"
    names = [film(data / "YouTubeClips" / f"v{i}_1_5.avi", i).stem for i in range(4)]
    put(data / "test_list.txt", "".join(f"{name}\n" for name in names))
    put(
        data / "AllVideoDescriptions.txt", "".join(f"{name} word {n}\n" for i, name in enumerate(names) for n in (i, 9))
    )
    asked = [{"qry_text": f"Who is {i}?", "qry_img_path": "", "tgt_text": [f"answer {i}", "none", "some", "none"],
              "tgt_img_path": [""] * 4} for i in range(5)]  # fmt: skip
    (data / "WebQA").mkdir()
    parquet.write_table(pa.Table.from_pylist(asked), data / "WebQA/test-00000-of-00001.parquet")
    for name in ("msvd", "mmeb"):
        plain = run(name)
        found = run(name, "--rerank", str(again[1]), "--depth", "3", "--weight", "0")
        assert found == {part: row | {"rerank": True} for part, row in plain.items()} and plain


def test_a_re_ranker_of_another_encoders_cosines_and_a_weight_without_one_are_refused(run, again, tmp_path):
    cirr(tmp_path / "data")
    reranker = again[0]
    prior = replace(reranker.config, prior=Prior(encoder="0" * 64, scale=1.0, zero=0.0), files={})
    save_reranker(Reranker(prior, reranker.network.backbone, tiny_tokenizer()), tmp_path / "prior")
    assert "goes on from the cosines of the encoder 000000000000" in run("cirr", "--rerank", str(tmp_path / "prior"))
    assert not [*tmp_path.glob("**/index")]
    assert "--weight and --depth are of the re-ranker: give --rerank too" in run("cirr", "--weight", "1")
    assert "there is no re-ranker" in run("cirr", "--rerank", "nothing-here")


# what does not go together


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("cirr", ("--split", "train"), "cirr has no split 'train'; legal: val, test1"),
        ("cirr", (), "captions/cap.*.val.json is missing"),
        ("fashioniq", ("--task", "hat"), "there is no part 'hat' of the benchmark; there are: dress, shirt, toptee"),
        ("fashioniq", (), "split.dress.val.json is missing. FashionIQ's folder holds captions/"),
        ("circo", (), "val.json is missing. CIRCO's folder holds annotations/"),
        ("msrvtt", (), "MSRVTT_JSFUSION_test.csv is missing. MSR-VTT's folder holds"),
        ("msvd", (), "test_list.txt is missing. MSVD's folder holds"),
        ("mmeb", (), "has no test-*.parquet of any retrieval subset"),
        ("circo", ("--pool", "global"), "mbeir alone has two"),
        ("circo", ("--store",), "takes no --store"),
        ("circo", ("--depth", "0"), "the depth is 0"),
        ("cirr", ("--task", "zzz"), "cirr has no --task; it takes --split, --instruction, --depth\n"),
        ("circo", ("--task", "val"), "circo has no --task; it takes --split, --instruction, --depth\n"),
        ("cirr", ("--sentence", "7"), "cirr has no --sentence; it takes --split, --instruction, --depth\n"),
        ("mmeb", ("--sentence", "1"), "mmeb has no --sentence; it takes --split, --instruction, --depth, --task\n"),
        ("mbeir", ("--sentence", "0"), "the sentence is 0; sentences of the table are counted from 1"),
        ("mbeir", ("--sentence", "2", "--instruction", "Find it."), "in place of the table's sentences"),
    ],
)
def test_what_is_missing_or_does_not_go_together_is_said(run, tmp_path, name, more, message):
    (tmp_path / "data").mkdir()
    assert message in run(name, *more)


def test_a_benchmark_needs_its_folder(run, capsys):
    assert "is not a folder" in run("cirr")
    assert main(["evaluate", "--benchmark", "cirr"]) == 2
    assert "belong together" in capsys.readouterr().err
    assert main(["evaluate", "--sentence", "7", "--instruction", "Find it."]) == 2
    assert "--instruction, --sentence: of published benchmarks alone" in capsys.readouterr().err
