"""The parts of a source are disjoint and complete, and no entry changes another one's part."""

from __future__ import annotations

from umr.reading import Reading
from umr.types import Candidate, Content

IDS = [f"cats/{number}.png" for number in range(500)]


def taken(ids: list[str], number: int, of: int) -> Reading:
    reading = Reading(part=(number, of))
    for one in ids:
        if reading.wants(one):
            reading.took()
    return reading


def test_every_entry_is_of_one_part_at_its_place_in_the_source():
    parts = [taken(IDS, number, 4) for number in (1, 2, 3, 4)]
    assert sorted(place for part in parts for place in part.places) == list(range(500))
    assert {part.total for part in parts} == {500} and all(90 < len(part.places) < 160 for part in parts)
    assert len({part.listing for part in parts}) == 1
    assert taken(IDS, 1, 1).places == list(range(500))


def test_the_part_of_an_entry_depends_on_its_id_alone_and_the_listing_on_all():
    more = ["a new one", *reversed(IDS), "another"]
    before, after = taken(IDS, 2, 3), taken(more, 2, 3)
    assert {IDS[place] for place in before.places} == {more[place] for place in after.places} & set(IDS)
    assert len({taken(ids, 2, 3).listing for ids in (IDS, IDS[:-1], IDS[::-1], more)}) == 4


def test_a_file_was_read_before_only_with_these_bytes_and_as_the_same_kind():
    picture, clip = Content(image="a"), Content(video="a")
    known = {"a": Candidate(candidate_id="a", content=picture, content_hash="1")}
    reading = Reading(known=known)
    assert reading.has_read("a", picture, "1")
    assert not any(
        (reading.has_read("a", picture, "2"), reading.has_read("a", clip, "1"), reading.has_read("b", picture, "1"))
    )
