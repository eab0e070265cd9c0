"""Whose uploads are whose, how much of them there may be, and when they are gone from the disk."""

from __future__ import annotations

import pkgutil
import time
from pathlib import Path

import pytest

from tests.test_segments import film
from umr.errors import ConfigError
from umr.ui import upload_folder
from umr.ui import visitors as visitors_module
from umr.ui.files.visitor_collections import VisitorCollections
from umr.ui.parts.taken import taken
from umr.ui.visitors import FULL, LEFT_S, UNCLAIMED_S, UNUSED_S, Visitors

HEIC = Path(__file__).parents[1] / "data" / "phone.heic"


@pytest.fixture
def visitors(tmp_path: Path) -> Visitors:
    return Visitors(tmp_path)


def send(visitors: Visitors, name: str, size: int = 10, address: str = "a") -> Path:
    """An upload as Gradio keeps it: in a folder named by the hash of its bytes."""
    path = visitors.root / name / "x.png"
    with visitors.arriving(address) as upload:
        visitors.take(upload, size)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
        visitors.keep(upload, [str(path)])
    return path


def test_what_a_session_named_goes_when_it_is_released_and_others_files_stay(visitors):
    mine, theirs, both = (send(visitors, name) for name in ("mine", "theirs", "both"))
    visitors.use("me", ["mine", "both"], "a")
    visitors.use("you", ["theirs", "both"], "a")
    visitors.release("me")
    assert [path.exists() for path in (mine, theirs, both)] == [False, True, True]
    visitors.release("you")
    assert list(visitors.root.iterdir()) == []


def test_what_came_again_stays_when_the_session_before_is_released(visitors):
    """A page that was reloaded sends its picture again, and the one before is left just then."""
    path = send(visitors, "mine")
    visitors.use("before", ["mine"], "a")
    send(visitors, "mine")
    visitors.release("before")
    assert path.exists()
    visitors.use("after", ["mine"], "a")
    visitors.release("after")
    assert not path.exists()
    send(visitors, "mine")
    visitors.use("before", ["mine"], "a")
    send(visitors, "mine")
    visitors.release("before")
    visitors.sweep(time.monotonic() + UNCLAIMED_S + 60)
    assert not path.exists()


def test_a_session_cannot_claim_what_was_not_uploaded(visitors, tmp_path):
    (tmp_path / "gradios-own").mkdir()
    visitors.use("me", ["gradios-own", "..", "none"], "a")
    visitors.release("me")
    assert (tmp_path / "gradios-own").is_dir()


def test_files_stay_while_their_page_is_open_and_go_soon_after_it_is_left(visitors):
    path, now = send(visitors, "mine"), time.monotonic()
    with visitors.beat("me", "a"):
        visitors.use("me", ["mine"], "a")
        visitors.sweep(now + UNUSED_S - 60)
        assert visitors.lives("me") and path.exists()
    assert not visitors.lives("me")
    visitors.sweep(now + LEFT_S / 2)
    assert path.exists()
    visitors.sweep(now + LEFT_S + 60)
    assert not path.exists()


def test_a_connection_that_comes_back_keeps_its_files(visitors):
    path, now = send(visitors, "mine"), time.monotonic()
    with visitors.beat("me", "a"):
        visitors.use("me", ["mine"], "a")
    with visitors.beat("me", "a"):
        visitors.sweep(now + LEFT_S + 60)
        assert path.exists()
        visitors.sweep(now + UNUSED_S + 60)
        assert not path.exists() and visitors.lives("me")


def test_what_no_page_holds_goes_by_itself(visitors):
    unclaimed, raw, now = send(visitors, "unclaimed"), send(visitors, "raw"), time.monotonic()
    visitors.use("client without a page", ["raw"], "a")
    visitors.sweep(now + UNCLAIMED_S - 60)
    assert unclaimed.exists() and raw.exists()
    visitors.sweep(now + UNCLAIMED_S + 60)
    assert not unclaimed.exists() and not raw.exists()


def test_a_visitor_who_sent_enough_is_told_the_way_out_and_others_are_not_held_up(visitors, monkeypatch):
    monkeypatch.setattr(visitors_module, "VISITOR_BYTES", 100)
    send(visitors, "one", 60)
    with pytest.raises(ConfigError, match="Press Remove"):
        send(visitors, "two", 60)
    with pytest.raises(ConfigError, match="Press Remove"), visitors.arriving("a", announced=60):
        pass
    send(visitors, "three", 60, "b")
    visitors.use("me", ["one"], "a")
    visitors.release("me")
    send(visitors, "two", 60)


def test_uploads_on_their_way_count_too(visitors, monkeypatch):
    monkeypatch.setattr(visitors_module, "SERVER_BYTES", 100)
    with visitors.arriving("a") as first, visitors.arriving("b") as second:
        visitors.take(first, 60)
        with pytest.raises(ConfigError, match="no room"):
            visitors.take(second, 60)
    send(visitors, "later", 60)


def test_too_many_files_are_refused_and_removed(visitors, monkeypatch):
    monkeypatch.setattr(visitors_module, "VISITOR_FILES", 2)
    send(visitors, "one")
    paths = [visitors.root / name / "x.png" for name in ("two", "three")]
    with visitors.arriving("a") as upload:
        for path in paths:
            path.parent.mkdir()
            path.write_bytes(b"x")
        with pytest.raises(ConfigError, match="Press Remove"):
            visitors.keep(upload, map(str, paths))
    assert [folder.name for folder in visitors.root.iterdir()] == ["one"]


def test_a_disk_that_is_nearly_full_takes_no_upload(visitors, monkeypatch):
    monkeypatch.setattr(upload_folder, "free_bytes", lambda folder: 100)
    with pytest.raises(ConfigError, match=FULL[:20]):
        send(visitors, "one", 60)
    assert send(visitors, "small", 40).exists()


def test_what_the_page_makes_of_an_upload_counts_with_it_and_goes_with_it(visitors, monkeypatch):
    heic = visitors.root / "mine" / "phone.heic"
    with visitors.arriving("a") as upload:
        heic.parent.mkdir()
        heic.write_bytes(HEIC.read_bytes())
        visitors.keep(upload, [str(heic)])
    shown, _ = taken({"path": str(heic)}, visitors.root)
    whole = heic.stat().st_size + Path(shown).stat().st_size
    assert Path(shown).parent == heic.parent and visitors.upload_bytes() == whole
    monkeypatch.setattr(visitors_module, "VISITOR_BYTES", whole + 9)
    visitors.use("me", ["mine"], "a")
    with pytest.raises(ConfigError, match="no more is kept at a time"):
        send(visitors, "ten more")
    visitors.release("me")
    assert visitors.upload_bytes() == 0 and not heic.parent.exists()
    assert send(visitors, "ten more").exists()


def test_the_index_of_a_visitors_own_files_counts_until_it_is_removed(visitors, encoder):
    sent = send(visitors, "mine")
    sent.write_text("ten bytes\n")
    own_files = VisitorCollections(visitors.root, visitors=visitors)
    for _ in own_files.build("me", [("words.txt", sent)], encoder):
        pass
    folder = own_files.get("me").own.folder
    made = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert made > 0 and visitors.upload_bytes() == 10 + made
    own_files.drop("me")
    assert visitors.upload_bytes() == 10 and not folder.exists()


def sent_media(visitors: Visitors, name: str) -> Path:
    """A clip or a HEIC that came, and that "me" asks with."""
    path = visitors.root / "mine" / name
    path.parent.mkdir()
    if path.suffix == ".heic":
        path.write_bytes(HEIC.read_bytes())
    else:
        film(path, 1)
    with visitors.arriving("a") as upload:
        visitors.keep(upload, [str(path)])
    visitors.use("me", ["mine"], "a")
    return path


def test_frames_of_a_clip_and_drafts_count_and_copies_of_the_pages_own_pictures_do_not(visitors):
    clip = sent_media(visitors, "clip.mp4")
    gradios = visitors.root / "gradios-copy" / "of-a-result.png"
    gradios.parent.mkdir()
    gradios.write_bytes(b"x" * 1000)
    draft = visitors.root / f"{upload_folder.DRAFT}-on-its-way"
    draft.write_bytes(b"x" * 100)
    shown, _ = taken({"path": str(clip)}, visitors.root)
    assert visitors.upload_bytes() == clip.stat().st_size + Path(shown).stat().st_size + 100
    draft.unlink()
    visitors.release("me")
    assert visitors.upload_bytes() == 0 and list(visitors.root.iterdir()) == [gradios.parent]


@pytest.mark.parametrize(
    ("name", "read"), [("phone.heic", "umr.media.open_image"), ("clip.mp4", "umr.ui.query_clip.letterbox")]
)
def test_a_visitor_who_leaves_while_a_picture_is_read_leaves_nothing(visitors, monkeypatch, name, read):
    sent, decode = sent_media(visitors, name), pkgutil.resolve_name(read)

    def left_meanwhile(*given):
        decoded = decode(*given)
        visitors.release("me")
        return decoded

    monkeypatch.setattr(read, left_meanwhile)
    shown, said = taken({"path": str(sent)}, visitors.root)
    assert shown == "" and f"{name} was removed while it was read" in said
    assert list(visitors.root.iterdir()) == []


def test_what_could_not_be_removed_counts_and_goes_at_the_next_sweep(visitors, monkeypatch):
    sent = send(visitors, "mine")
    visitors.use("me", ["mine"], "a")
    with monkeypatch.context() as refused:
        refused.setattr(upload_folder.shutil, "rmtree", lambda folder, ignore_errors: None)
        visitors.release("me")
    assert not sent.exists() and visitors.upload_bytes() == 10
    visitors.sweep()
    assert visitors.upload_bytes() == 0 and list(visitors.root.iterdir()) == []


def test_the_end_of_the_server_removes_everything(visitors):
    ended: list[str] = []
    visitors.at_end(lambda: ended.append("files"))
    send(visitors, "one"), send(visitors, "two")
    visitors.use("me", ["one"], "a")
    visitors.clear()
    assert list(visitors.root.iterdir()) == [] and ended == ["files"]
