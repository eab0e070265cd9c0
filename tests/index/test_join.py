"""Parts of one source, encoded by processes of their own, join to the index that one process builds; parts that are
missing, double or of something else are refused by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from umr.cli.commands import main
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError
from umr.index.index import Index
from umr.index.manifest import IndexManifest
from umr.index.sources import read_part, read_record

ROOT = Path(__file__).resolve().parents[2]
#: The command line with the fake encoder in place of the one of its folder, which has no weights.
COMMAND = """
import sys
import umr.encoders
from umr.cli.commands import main
from umr.encoders.config import read_config
from umr.encoders.fake import FakeEncoder
umr.encoders.load_encoder = lambda at, dtype="float32": FakeEncoder(read_config(at).dim, read_config(at).name)
sys.exit(main(sys.argv[1:]))
"""


def same(one: Path, other: Path) -> bool:
    """Whether two indexes, that lie beside each other, have the same bytes of vectors, ids, probe and candidates."""
    a, b = IndexManifest.read(one), IndexManifest.read(other)
    return a.fingerprint == b.fingerprint and a.collection_name == b.collection_name and a.encoder_at == b.encoder_at


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "mine"
    for number in range(14):
        path = folder / ("ab"[number % 2]) / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (number * 9, 40, 90)).save(path)
    (folder / "a.txt").write_text("Some words.")
    (folder / "bad.png").write_bytes(b"x")
    return folder


@pytest.fixture
def parts(searcher, source, tmp_path) -> list[Path]:
    """Three parts, and beside them the whole, by the command line."""
    assert main(["index", str(source), "--encoder", "unified", "--out", str(tmp_path / "whole")]) == 0
    return [part(source, number, 3) for number in (1, 2, 3)]


def part(source: Path, number: int, of: int, name: str = "part") -> Path:
    out = source.parent / f"{name}{number}"
    arguments = ["index", str(source), "--encoder", "unified", "--out", str(out), "--shard", f"{number}/{of}"]
    assert main(arguments) == 0
    return out


def refusal(capsys, *parts: Path) -> str:
    capsys.readouterr()
    out = parts[0].parent / "joined"
    assert main(["index", "join", *map(str, parts), "--out", str(out)]) == 2
    assert not out.exists()
    return capsys.readouterr().err


def test_four_processes_make_the_index_of_one(encoder, source, tmp_path):
    encoder.save(tmp_path / "encoder")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    common = ["--encoder", str(tmp_path / "encoder"), "--out"]
    asked = [["index", str(source), *common, str(tmp_path / f"part{n}"), "--shard", f"{n}/4"] for n in (1, 2, 3, 4)]
    asked.append(["index", str(source), *common, str(tmp_path / "whole")])
    command = [sys.executable, "-c", COMMAND]
    running = [subprocess.Popen([*command, *words], cwd=ROOT, env=environment) for words in asked]
    assert [one.wait(timeout=300) for one in running] == [0, 0, 0, 0, 0]
    counts = [IndexManifest.read(tmp_path / f"part{n}").count for n in (1, 2, 3, 4)]
    assert sum(counts) == 15 == IndexManifest.read(tmp_path / "whole").count and 0 not in counts
    assert (
        main(["index", "join", *(str(tmp_path / f"part{n}") for n in (3, 1, 4, 2)), "--out", str(tmp_path / "j")]) == 0
    )
    assert same(tmp_path / "j", tmp_path / "whole")
    for name in ("vectors.faiss", "ids.txt", "probe.npy", "collection/candidates.jsonl"):
        assert (tmp_path / "j" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(Index.open(tmp_path / "j", encoder)) == 15


def test_a_part_reads_its_own_files_alone_and_an_entry_stays_in_its_part(searcher, source, file_reads):
    first = part(source, 1, 3)
    ids = set((first / "ids.txt").read_text().split())
    assert {path.relative_to(source).as_posix() for path in file_reads.decoded} - {"bad.png"} == ids - {"a.txt"}
    Image.new("RGB", (6, 6), "red").save(source / "0new.png")
    assert set((part(source, 1, 3, "later") / "ids.txt").read_text().split()) - {"0new.png"} == ids


def test_a_joined_index_is_updated_as_one_that_was_built_whole(parts, source, tmp_path, capsys):
    assert main(["index", "join", *map(str, parts), "--out", str(tmp_path / "joined")]) == 0
    assert same(tmp_path / "joined", tmp_path / "whole")
    (source / "b" / "13.png").unlink()
    for name in ("joined", "whole"):
        assert main(["index", "update", str(tmp_path / name)]) == 0
    assert "1 removed, 0 encoded" in capsys.readouterr().err
    assert same(tmp_path / "joined", tmp_path / "whole")
    assert read_record(tmp_path / "joined", IndexManifest.read(tmp_path / "joined")).part is None


def test_missing_double_and_other_parts_are_refused_by_name(parts, source, tmp_path, capsys, encoder):
    one, two, three = parts
    assert f"2/3 of {source} missing: index it with --shard 2/3" in refusal(capsys, one, three)
    assert f"part 1/3 is given twice: {one} and {one}" in refusal(capsys, one, two, three, one)
    assert f"{tmp_path / 'whole'} is no part of an index" in refusal(capsys, tmp_path / "whole")
    other = part(source, 1, 2, "half")
    assert f"{other} (part 1/2) do not fit: the number of parts is 3" in refusal(capsys, two, three, other)
    (source / "late.txt").write_text("Late.")
    late = part(source, 3, 3, "late")
    assert f"{late} (part 3/3) do not fit: the number of entries in the source is 16" in refusal(capsys, one, two, late)
    (source / "late.txt").unlink()
    (source / "a.txt").rename(source / "c.txt")
    assert "do not fit: the list of entries in the source is" in refusal(
        capsys, one, two, part(source, 3, 3, "renamed")
    )
    assert main(["index", "update", str(one)]) == 2
    assert "is part 1/3 of an index: join the parts first" in capsys.readouterr().err
    (three / "vectors.faiss").write_bytes(b"")
    assert "vectors.faiss changed" in refusal(capsys, one, two, three)


def test_parts_of_two_encoders_are_refused(parts, source, benchmark, capsys):
    FakeEncoder(dim=32, name="mca").save(benchmark.parents[1] / "mca" / "encoder")
    out = source.parent / "foreign"
    assert main(["index", str(source), "--encoder", "mca", "--out", str(out), "--shard", "2/3"]) == 0
    assert "do not fit: the encoder is unified of the first and mca of the second" in refusal(
        capsys, parts[0], out, parts[2]
    )


def test_rows_of_a_jsonl_are_parted_by_their_ids_and_a_second_one_is_refused_as_it_is_of_the_whole(
    searcher, tmp_path, capsys
):
    rows = [{"id": f"r{n % 11}", "text": f"words {n}"} for n in range(13)] + [{"text": "no id"}, {"id": "x"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "[]\n")
    assert main(["index", str(tmp_path / "rows.jsonl"), "--encoder", "unified", "--out", str(tmp_path / "whole")]) == 0
    assert "12 indexed, 4 refused" in capsys.readouterr().err
    parts = [part(tmp_path / "rows.jsonl", number, 2) for number in (1, 2)]
    assert capsys.readouterr().err.count("refused rows.jsonl") == 4
    assert main(["index", "join", *map(str, parts), "--out", str(tmp_path / "joined")]) == 0
    assert same(tmp_path / "joined", tmp_path / "whole")


def test_parts_of_a_collection_join_over_its_own_folder(searcher, benchmark, tmp_path, capsys):
    parts = [part(benchmark, number, 2) for number in (1, 2)]
    out = benchmark.parent / "joined"
    assert main(["index", "join", *map(str, parts), "--out", str(out)]) == 0
    manifest = IndexManifest.read(out)
    assert (out / manifest.collection_at).resolve() == benchmark and manifest.count == 24
    assert manifest.collection == searcher.index.manifest.collection
    assert manifest.files == searcher.index.manifest.files


@pytest.mark.parametrize("word", ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2", "1.0/2"])
def test_what_is_no_part_is_refused(word):
    with pytest.raises(ConfigError, match="i-th of n parts"):
        read_part(word)
