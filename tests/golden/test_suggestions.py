"""The changes that the page suggests for a picture of a visitor's lead away from what the picture shows."""

from __future__ import annotations

import json
from pathlib import Path

from umr.facts import facts_of
from umr.search import Searcher
from umr.types import Candidate, Content
from umr.ui.search import suggest


def test_no_reference_picture_is_told_to_become_what_it_is(shipped: Searcher, benchmark_root: Path):
    """Of 80 that the collection has not; one suggestion may be wrong, as pictures are told apart by sight."""
    seen: dict[str, dict[str, object]] = {}
    for line in (benchmark_root / "query/test/mbeir_catalogue_it2i_ind_test.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        seen.setdefault(row["query_img_path"], json.loads(row["query_src_content"])["reference"])
    told, wrong = 0, []
    for picture, scene in list(seen.items())[:80]:
        near = suggest.nearest_items(shipped, benchmark_root / picture)
        texts = set(suggest.suggest(shipped, near[0], "image", alike=near[1:]))
        told += len(texts)
        own = Candidate(candidate_id="own", content=Content(text="x"), source=json.dumps({"scene": scene}))
        like = {key: value for key, value in facts_of(own).items() if key != "companion"}
        wrong += [(picture, key) for key, value in like.items() if suggest.phrase(key, None, value) in texts]
    assert told > 300 and len(wrong) <= 1, wrong
