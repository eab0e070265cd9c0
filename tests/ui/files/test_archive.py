"""Hostile zips, made here: bombs, paths that climb out, links, nested archives; what is good in them is still taken."""

from __future__ import annotations

import errno
import io
import os
import signal
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from umr.archives.reader import CHUNK
from umr.errors import MediaError
from umr.ui.files import archive
from umr.ui.files.archive import Budget, unpack

KINDS = frozenset((".txt", ".png"))
MB = 1_000_000


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members:
            opened.writestr(name, data)
    return path


def budget(files: int = 50, total: int = 10 * MB, one: int = MB) -> Budget:
    return Budget(files, total, one)


def taken(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def reasons(refused) -> dict[str, str]:
    return {item.source: item.reason for item in refused}


def test_good_members_keep_their_paths(tmp_path):
    file = zipped(tmp_path / "a.zip", ("one.txt", b"1"), ("in/two.TXT", b"2"))
    assert unpack(file, tmp_path / "out", budget(), KINDS) == []
    assert taken(tmp_path / "out") == ["in/two.TXT", "one.txt"]


@pytest.mark.parametrize("name", ["../out.txt", "in/../../out.txt", "/out.txt", "..\\out.txt", "C:/out.txt"])
def test_a_path_that_climbs_out_is_refused_and_the_rest_goes_on(tmp_path, name):
    file = zipped(tmp_path / "a.zip", (name, b"bad"), ("good.txt", b"good"))
    refused = unpack(file, tmp_path / "deep" / "out", budget(), KINDS)
    assert len(refused) == 1 and "leads out" in refused[0].reason
    assert taken(tmp_path / "deep") == ["out/good.txt"] and not list(tmp_path.glob("out*"))


def test_a_member_without_a_name_costs_only_itself(tmp_path):
    file = zipped(tmp_path / "a.zip", ("x", b"nameless"), ("good.txt", b"good"))
    data = bytearray(file.read_bytes())
    for header, place, fixed in ((b"PK\x03\x04", 26, 30), (b"PK\x01\x02", 28, 46)):  # the name's length, then its place
        at = data.index(header)
        data[at + place : at + place + 2] = bytes(2)
        data[at + place + 2 : at + place + 4] = (1).to_bytes(2, "little")  # the name's byte is an extra field now
        assert data[at + fixed : at + fixed + 1] == b"x"
    file.write_bytes(data)
    (refused,) = unpack(file, tmp_path / "out", budget(), KINDS)
    assert refused.source == "a member without a name" and refused.reason == "it has no name"
    assert taken(tmp_path / "out") == ["good.txt"]


def test_a_member_that_cannot_be_named_so_costs_only_itself(tmp_path):
    long, below = "n" * 300 + ".txt", "a.txt/b.txt"
    members = [(name, b"words") for name in ("a.txt", long, "f" * 254 + "/x.txt", below, "b.txt")]
    refused = unpack(zipped(tmp_path / "a.zip", *members), tmp_path / "out", budget(), {".txt"})
    assert taken(tmp_path / "out") == ["a.txt", "b.txt", "f" * 254 + "/x.txt"]
    assert [one.source for one in refused] == [long[:200], below]
    assert all("cannot be named so here" in one.reason and one.reason.endswith("; rename it") for one in refused)


def test_a_full_disk_ends_the_unpacking(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "copy", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(
            zipped(tmp_path / "a.zip", ("a.txt", b"words"), ("b.txt", b"words")), tmp_path / "out", budget(), {".txt"}
        )
    assert taken(tmp_path / "out") == []


def test_folders_without_end_are_refused_in_words(tmp_path):
    file = zipped(tmp_path / "a.zip", ("d/" * 1500 + "deep.txt", b"x"), ("d/" * 31 + "fits.txt", b"y"))
    (refused,) = unpack(file, tmp_path / "out", budget(), KINDS)
    assert refused.reason == "it lies 1,500 folders deep; at most 31 are read"
    assert taken(tmp_path / "out") == ["d/" * 31 + "fits.txt"]


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("link.txt")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    file = zipped(tmp_path / "a.zip", (link, b"/etc/passwd"), ("good.txt", b"good"))
    assert reasons(unpack(file, tmp_path / "out", budget(), KINDS)) == {"link.txt": "a link"}
    assert taken(tmp_path / "out") == ["good.txt"]


def test_a_bomb_is_stopped_at_the_limit_of_one_file_and_leaves_nothing(tmp_path):
    file = zipped(tmp_path / "a.zip", ("bomb.txt", bytes(50 * MB)), ("good.txt", b"good"))
    assert file.stat().st_size < 60_000
    left = budget()
    refused = unpack(file, tmp_path / "out", left, KINDS)
    assert "larger than 1 MB" in reasons(refused)["bomb.txt"]
    assert taken(tmp_path / "out") == ["good.txt"] and left.total > 8 * MB


def test_many_bombs_use_up_the_total_although_each_is_refused(tmp_path):
    file = zipped(tmp_path / "a.zip", *((f"{n:02}.txt", bytes(3 * MB)) for n in range(30)))
    left = budget(total=5 * MB)
    refused = unpack(file, tmp_path / "out", left, KINDS)
    assert len(refused) == 30 and "all files together" in refused[-1].reason
    assert left.total > -CHUNK and taken(tmp_path / "out") == []


def test_members_that_share_the_same_bytes_are_counted_each_time(tmp_path):
    file = zipped(tmp_path / "a.zip", ("0.txt", bytes(900_000)))
    data = file.read_bytes()
    start = data.index(b"PK\x01\x02")
    entry, end = data[start : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    entries = b"".join(entry.replace(b"0.txt", b"%c.txt" % (97 + n)) for n in range(20))
    end = end[:8] + struct.pack("<HHL", 20, 20, len(entries)) + end[16:]
    file.write_bytes(data[:start] + entries + end)
    left = budget(total=2 * MB)
    refused = unpack(file, tmp_path / "out", left, KINDS)
    assert len(refused) == 20 and left.total == 2 * MB  # the names differ from the local header's: refused unread


def test_a_size_that_is_stated_too_small_is_not_believed(tmp_path):
    file = zipped(tmp_path / "a.zip", ("lie.txt", bytes(3 * MB)))
    data = file.read_bytes().replace(struct.pack("<L", 3 * MB), struct.pack("<L", 10))
    file.write_bytes(data)
    unpack(file, tmp_path / "out", budget(), KINDS)
    assert all((tmp_path / "out" / name).stat().st_size <= 10 for name in taken(tmp_path / "out"))


def test_a_table_of_contents_without_end_is_refused_before_it_is_read(tmp_path):
    file = zipped(tmp_path / "a.zip", *((f"{'x' * 200}{n:05}.txt", b"") for n in range(18_000)))
    with pytest.raises(MediaError, match="table of contents"):
        unpack(file, tmp_path / "out", budget(), KINDS)


def test_wrong_kinds_nested_archives_and_hidden_files_are_refused_with_reasons(tmp_path):
    file = zipped(
        tmp_path / "a.zip",
        ("run.exe", b"MZ"),
        ("in.zip", b"PK"),
        (".env.txt", b"x"),
        ("__MACOSX/a.txt", b"x"),
        ("none", b"x"),
        ("good.png", b"x"),
    )
    found = reasons(unpack(file, tmp_path / "out", budget(), KINDS))
    assert ".exe" in found["run.exe"] and "within an archive" in found["in.zip"]
    assert "hidden" in found[".env.txt"] and "hidden" in found["__MACOSX/a.txt"] and "without ending" in found["none"]
    assert taken(tmp_path / "out") == ["good.png"]


def test_encrypted_members_are_refused(tmp_path):
    file = zipped(tmp_path / "a.zip", ("secret.txt", b"data"))
    data = bytearray(file.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    file.write_bytes(data)
    assert "encrypted" in reasons(unpack(file, tmp_path / "out", budget(), KINDS))["secret.txt"]


def test_a_name_that_stands_twice_is_taken_once(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        file = zipped(tmp_path / "a.zip", ("a.txt", b"first"), ("a.txt", b"second"))
    assert "twice" in unpack(file, tmp_path / "out", budget(), KINDS)[0].reason
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"first"


def test_the_number_of_files_is_limited(tmp_path):
    file = zipped(tmp_path / "a.zip", *((f"{n}.txt", b"x") for n in range(5)))
    refused = unpack(file, tmp_path / "out", budget(files=3), KINDS)
    assert len(taken(tmp_path / "out")) == 3 and all("number of files" in item.reason for item in refused)


def test_a_damaged_member_is_refused_and_the_rest_goes_on(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("bad.txt", b"A" * 100)
        opened.writestr("good.txt", b"good")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(b"A" * 50, b"B" * 50, 1))
    assert "cannot be unpacked" in reasons(unpack(tmp_path / "a.zip", tmp_path / "out", budget(), KINDS))["bad.txt"]
    assert taken(tmp_path / "out") == ["good.txt"]


@pytest.mark.parametrize("data", [b"", b"no zip at all", b"PK\x05\x06" + bytes(18) + b"tail"])
def test_what_is_no_zip_is_refused_whole(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    if data.startswith(b"PK"):
        assert unpack(tmp_path / "a.zip", tmp_path / "out", budget(), KINDS) == []
    else:
        with pytest.raises(MediaError, match="not a zip"):
            unpack(tmp_path / "a.zip", tmp_path / "out", budget(), KINDS)


def test_a_truncated_zip_is_refused_whole(tmp_path):
    file = zipped(tmp_path / "a.zip", ("a.txt", b"data" * 100))
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(MediaError, match="not a zip"):
        unpack(file, tmp_path / "out", budget(), KINDS)


def test_only_the_first_refusals_are_told_one_by_one(tmp_path):
    file = zipped(tmp_path / "a.zip", *((f"{n}.exe", b"") for n in range(archive.MAX_REASONS + 50)))
    refused = unpack(file, tmp_path / "out", budget(), KINDS)
    assert len(refused) == archive.MAX_REASONS + 1 and refused[-1].source == "50 more"


def test_streams_are_copied_whole_up_to_the_limit():
    out = io.BytesIO()
    archive.copy([b"x" * (MB // 2)] * 2, out, budget())
    assert len(out.getvalue()) == MB


def test_nothing_is_unpacked_in_this_process(tmp_path, monkeypatch):
    file = zipped(tmp_path / "a.zip", ("one.txt", b"1"))
    monkeypatch.delattr(zipfile.ZipFile, "infolist")
    assert unpack(file, tmp_path / "out", budget(), KINDS) == [] and taken(tmp_path / "out") == ["one.txt"]


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_member_that_ends_the_process_costs_itself_and_a_second_one_the_rest(tmp_path, monkeypatch, deaths):
    """The process is ended from outside when it is about to be asked for a member of this name."""
    plain = archive.safe_path

    def deadly(name: str):
        if name.startswith("deadly"):
            for pid in archive.OPENER.workers.pids():
                os.kill(pid, signal.SIGKILL)
        return plain(name)

    monkeypatch.setattr(archive, "safe_path", deadly)
    names = ["one.txt", "deadly1.txt", "two.txt", "deadly2.txt" if deaths == 2 else "three.txt", "four.txt"]
    file = zipped(tmp_path / "a.zip", *((name, b"1") for name in names))
    refused = reasons(unpack(file, tmp_path / "out", budget(), KINDS))
    assert refused.pop("deadly1.txt") == "it stops what unpacks it"
    assert taken(tmp_path / "out") == sorted(
        {"one.txt", "two.txt"} | ({"three.txt", "four.txt"} if deaths == 1 else set())
    )
    if deaths == 2:
        assert refused.pop("deadly2.txt") == "it stops what unpacks it"
        assert "the rest of it is not taken: a.zip cannot be read: it stops the decoder" in refused.pop("a.zip")
    assert refused == {}


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_within_a_member_is_told_whatever_it_is_packed_with(tmp_path, packing):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w", packing) as opened:
        opened.writestr("bad.txt", bytes(range(256)) * 40)
        opened.writestr("good.txt", b"good")
    data = bytearray(file.read_bytes())
    data[60:100] = b"\xff" * 40
    file.write_bytes(data)
    refused = reasons(unpack(file, tmp_path / "out", budget(), KINDS))
    assert list(refused) == ["bad.txt"] and refused["bad.txt"].startswith("it cannot be unpacked: ")
    assert taken(tmp_path / "out") == ["good.txt"]
