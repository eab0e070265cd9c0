"""The walk as a new user takes it: `app.py` as a process of its own, a Hub beside it, photographs, two models compared.

The Hub's stand-in serves a tiny SigLIP and a tiny Qwen2-VL, transformers' classes in the layout of their repositories.
The second start is told of a Hub that nobody answers for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file

from tests.deploy.hub import standing_in
from tests.encoders import dual_public
from tests.encoders.dual_public import SIGLIP, Reference
from tests.encoders.public import write_checkpoint
from tests.models.photographs import write_photographs
from tests.models.shelf import Reading, Shelf
from umr import media
from umr.bench.server import served_page

MODELS = {"tiny-SigLIP": "hub:google/tiny-SigLIP", "tiny-VL": "hub:Qwen/tiny-VL"}
NOBODY = "http://127.0.0.1:9"
TEXT = "a red mug on a wooden table"


@dataclass
class Walk:
    """What was seen on the page, on the first start and on the second.

    Attributes:
        checkpoint: of the SigLIP.
        pictures: the folder, sorted.
        seen: of each start, by what was asked.
        requests: to the Hub, after each start.
    """

    checkpoint: Path
    pictures: list[Path]
    seen: list[dict[str, Any]]
    requests: list[int]


def asked(client: Client, picture: Path) -> dict[str, Any]:
    """The answers of the page."""
    image = handle_file(picture)
    found: dict[str, Any] = {"models": [row["name"] for row in client.predict(api_name="/list_models")]}
    for name in MODELS:
        found[f"text {name}"] = client.predict(text=TEXT, encoder=name, k=9, api_name="/search_text")
        found[f"picture {name}"] = client.predict(image=image, encoder=name, k=9, api_name="/search")
        found[f"both {name}"] = client.predict(image=image, text=TEXT, encoder=name, k=9, api_name="/search")
    found["compare"] = client.predict(image=image, text=TEXT, encoders=[*MODELS], k=9, api_name="/compare")
    return found


@pytest.fixture(scope="module")
def walk(tmp_path_factory) -> Iterator[Walk]:
    root = tmp_path_factory.mktemp("new-user")
    checkpoint, pictures = dual_public.write(root / "siglip", SIGLIP), write_photographs(root / "Pictures")
    write_checkpoint(root / "qwen", "1GB")
    walked = Walk(checkpoint, pictures, [], [])
    words = [word for spec in MODELS.values() for word in ("--encoder", spec)]
    with standing_in(Shelf(), Reading) as hub, pytest.MonkeyPatch.context() as patch:
        hub.shelve("google/tiny-SigLIP", checkpoint)
        hub.shelve("Qwen/tiny-VL", root / "qwen")
        patch.setenv("UMR_CACHE", str(root / "cache"))
        patch.setenv("HF_HOME", str(root / "client"))
        for endpoint in (hub.address, NOBODY):
            patch.setenv("HF_ENDPOINT", endpoint)
            with served_page(arguments=["--folder", str(root / "Pictures"), *words]) as (address, _):
                walked.seen.append(asked(Client(address, verbose=False), pictures[0]))
            walked.requests.append(len(hub.asked))
        yield walked


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def test_one_command_opens_a_page_that_finds_every_photograph_by_both_models(walk):
    seen, names = walk.seen[0], {path.name for path in walk.pictures}
    assert seen["models"] == [*MODELS] and walk.requests[0] > 0
    for name in MODELS:
        assert {*ids(seen[f"text {name}"])} == names
        assert {*ids(seen[f"picture {name}"])} == {*ids(seen[f"both {name}"])} == names - {walk.pictures[0].name}


def test_the_page_has_the_scores_of_the_class_itself(walk):
    """Text, picture, and their sum with half of each, by transformers' SiglipModel over the same files."""
    known = Reference.of(walk.checkpoint, SIGLIP)
    shown = known.pictures([media.open_image(path) for path in walk.pictures])
    words, first = known.texts([TEXT])[0], shown[0]
    both = (words + first) / np.linalg.norm(words + first)
    for kind, vector in (("text", words), ("picture", first), ("both", both)):
        expected = {path.name: float(row @ vector) for path, row in zip(walk.pictures, shown, strict=True)}
        found = {row["id"]: row["score"] for row in walk.seen[0][f"{kind} tiny-SigLIP"]}
        assert found == pytest.approx({name: expected[name] for name in found}, abs=2e-3)  # the index keeps 16 bits


def test_both_stand_side_by_side_on_one_page(walk):
    seen = walk.seen[0]
    columns = {column["name"]: column for column in seen["compare"]["models"]}
    assert [*columns] == [*MODELS] and set(seen["compare"]["overlap@10"]) == {"|".join(MODELS)}
    for name, column in columns.items():
        assert ids(column["results"]) == ids(seen[f"both {name}"])


def test_the_next_start_asks_nobody_and_answers_the_same(walk):
    first, second = walk.seen
    assert walk.requests[1] == walk.requests[0]
    without = {key: value for key, value in first.items() if key != "compare"}
    assert {key: second[key] for key in without} == without
    assert [ids(one["results"]) for one in second["compare"]["models"]] == [
        ids(one["results"]) for one in first["compare"]["models"]
    ]
