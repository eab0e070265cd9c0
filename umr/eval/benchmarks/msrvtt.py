"""MSR-VTT (Xu et al., CVPR 2016): the 1,000 pairs of JSFusion (1k-A), or the full test split with all its sentences.

1k-A is MSRVTT_JSFUSION_test.csv, full is the makers' test_videodatainfo.json; the clips lie anywhere under the folder.
"""

from __future__ import annotations

import csv
from pathlib import Path

from umr import media
from umr.errors import ConfigError
from umr.eval.benchmarks.annotations import listing, needed, placed, read_json, words
from umr.eval.benchmarks.benchmark import Asked, Benchmark
from umr.eval.benchmarks.registry import split_of
from umr.eval.benchmarks.video_text import Sentence, both_ways, find_clips
from umr.formats import read_lines

PAIRS, FULL = "MSRVTT_JSFUSION_test.csv", "test_videodatainfo.json"
LAYOUT = (
    f"MSR-VTT's folder holds {PAIRS} (key,vid_key,video_id,sentence) for the split 1k-A, "
    f"{FULL} for the full one, there or in one folder such as msrvtt_data/, and the clips as "
    "videoN.mp4, such as in MSRVTT_Videos/ or TestVideo/"
)


def read(asked: Asked) -> Benchmark:
    """The clips and sentences of a split, both ways.

    Raises:
        ConfigError: a file, clip or column is missing; the layout or the place is told.
    """
    split = split_of("msrvtt", asked.split)
    if split == "full":
        sentences = _full(needed(listing(asked.data, FULL), LAYOUT))
    else:
        sentences = _pairs(needed(listing(asked.data, PAIRS), LAYOUT))
    names = list(dict.fromkeys(sentence.video for sentence in sentences))
    if not names:
        raise ConfigError(f"{asked.data} has no sentence of the split {split}. {LAYOUT}")
    return both_ways("msrvtt", split, find_clips(asked.data, names, LAYOUT), sentences, asked)


def _pairs(path: Path) -> list[Sentence]:
    rows = csv.DictReader(line for _, line in read_lines(path))
    if not {"video_id", "sentence"} <= set(rows.fieldnames or ()):
        raise ConfigError(f"{path}: the columns are {rows.fieldnames}; video_id and sentence are needed. {LAYOUT}")
    found = []
    for number, row in enumerate(rows, 1):
        with placed(f"{path.name}: row {number}"):
            found.append(Sentence(words(row, "video_id"), words(row, "sentence")))
    return found


def _full(path: Path) -> list[Sentence]:
    info = read_json(path, dict)
    videos, sentences = info.get("videos"), info.get("sentences")
    if not isinstance(videos, list) or not isinstance(sentences, list):
        raise ConfigError(f"{path} has no lists of videos and sentences. {LAYOUT}")
    tested = {one.get("video_id") for one in videos if isinstance(one, dict) and one.get("split", "test") == "test"}
    found = []
    for number, row in enumerate(sentences, 1):
        with placed(f"{path.name}: sentence {number}"):
            video = words(row, "video_id")
            if video in tested:
                found.append(Sentence(video, media.clean_text(words(row, "caption"))))
    return found
