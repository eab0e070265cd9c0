"""Pictures decoded in processes of their own: the same pixels, the same words, and what no picture can do."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from umr import decode_budget, media
from umr.apart.worker import Worker
from umr.bench.fuzz import seeds
from umr.decode_budget import PICTURES
from umr.errors import MediaError
from umr.media import MAX_PIXELS
from umr.pictures import decoder as decoder_module
from umr.pictures.decoder import PictureDecoder

ROOT = Path(__file__).resolve().parents[2]
HEIC = ROOT / "tests" / "data" / "phone.heic"
WAIT_S = 120.0  # against hanging; other processes may hold the machine


def saved(image: Image.Image, form: str, **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **more)
    return out.getvalue()


def noise(mode: str = "RGB", width: int = 61, height: int = 43) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(0).integers(0, 256, (height, width, bands), dtype=np.uint8)
    return Image.fromarray(values.squeeze(), mode)


def turned(form: str, turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return saved(noise(), form, exif=exif)


@pytest.fixture(scope="module")
def decoder():
    decoder = PictureDecoder(workers=2)
    yield decoder
    decoder.workers.close()


@pytest.fixture(scope="module")
def through_the_pipe():
    decoder = PictureDecoder(workers=1, arena_mb=0)
    yield decoder
    decoder.workers.close()


PICTURES_BY_NAME = {
    **{name: data for made in (seeds.jpegs, seeds.pngs, seeds.webps, seeds.gifs, seeds.other_pictures)
       for name, data in made().items()},
    **{f"turned {turn} {form}": turned(form, turn) for form in ("JPEG", "PNG", "WEBP") for turn in range(1, 9)},
    "alpha.png": saved(noise("RGBA"), "PNG"), "alpha.webp": saved(noise("RGBA"), "WEBP"),
    "grey alpha.png": saved(noise("LA"), "PNG"), "palette.png": saved(noise().convert("P"), "PNG", transparency=3),
    "cmyk.jpg": saved(noise("CMYK"), "JPEG"), "progressive.jpg": saved(noise(), "JPEG", progressive=True),
    "deep.png": saved(Image.fromarray(np.arange(3000, dtype=np.uint16).reshape(50, 60) * 21), "PNG"),
    "wide.png": saved(noise("RGB", 4000, 3), "PNG"), "heic": HEIC.read_bytes(),
}  # fmt: skip


def test_every_format_has_the_pixels_that_it_has_here_turned_and_over_white(decoder, through_the_pipe):
    for name, data in PICTURES_BY_NAME.items():
        here = media.open_image(data)
        for apart in (decoder.picture(data, MAX_PIXELS, name), through_the_pipe.picture(data, MAX_PIXELS, name)):
            assert (apart.mode, apart.size, apart.info) == ("RGB", here.size, {}), name
            assert apart.tobytes() == here.tobytes(), name


def test_a_path_gives_what_its_bytes_give_and_many_strips_are_in_order(decoder, through_the_pipe, tmp_path):
    path = tmp_path / "large é.png"
    path.write_bytes(saved(noise("RGB", 1400, 700), "PNG"))  # of four strips
    expected = media.open_image(path).tobytes()
    for one in (decoder, through_the_pipe):
        assert one.picture(path, MAX_PIXELS, path.name).tobytes() == expected
    larger_than_the_arena = PictureDecoder(workers=1, arena_mb=1)
    assert larger_than_the_arena.picture(path, MAX_PIXELS, path.name).tobytes() == expected
    larger_than_the_arena.workers.close()


def test_what_cannot_be_read_is_refused_in_the_words_of_here(decoder):
    sound = PICTURES_BY_NAME["turned 1 JPEG"]
    for data in (
        b"",
        b"hello",
        sound[:300],
        sound[:-900],
        HEIC.read_bytes()[:-100],
        PICTURES_BY_NAME["alpha.png"][:200],
    ):
        with pytest.raises(MediaError) as here:
            media.open_image(data, name="a.jpg")
        with pytest.raises(MediaError) as apart:
            decoder.picture(data, MAX_PIXELS, "a.jpg")
        assert str(apart.value) == str(here.value)
    with pytest.raises(MediaError, match=r"a\.jpg is too large: 61 x 43 px, at most 0 megapixels"):
        decoder.picture(sound, 61 * 43 - 1, "a.jpg")


@pytest.fixture
def broken(monkeypatch):
    """Workers whose parser has holes."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "broken_decoder"))
    made: list[PictureDecoder] = []

    def make(**settings) -> PictureDecoder:
        made.append(PictureDecoder(**settings))
        return made[-1]

    yield make
    for one in made:
        one.workers.close()


def sound() -> bytes:
    return PICTURES_BY_NAME["rgb.png"]


def hostile(what: str) -> bytes:
    return saved(noise(), "PNG") + f"UMR-{what}".encode()


def test_a_picture_that_aborts_the_decoder_costs_a_sentence_and_the_pool_is_full_again(broken):
    decoder = broken(workers=2)
    decoder.workers.warm()
    until(lambda: decoder.workers.waiting() == 2)
    before = decoder.workers.pids()
    with pytest.raises(MediaError, match=r"^a\.png cannot be read: it stops the decoder; it may be damaged"):
        decoder.picture(hostile("ABORT"), MAX_PIXELS, "a.png")
    assert decoder.picture(sound(), MAX_PIXELS, "b.png").size == media.open_image(sound()).size
    until(lambda: decoder.workers.waiting() == 2)
    assert not set(before) & set(decoder.workers.pids())


def test_a_picture_that_hangs_costs_a_sentence_after_its_time_on_the_clock(broken):
    decoder = broken(workers=1, wall_s=0.5)
    with pytest.raises(MediaError, match=r"a\.png takes more than 0\.5 s to decode"):
        decoder.picture(hostile("HANG"), MAX_PIXELS, "a.png")
    assert decoder.workers.pids() == []


def test_a_picture_that_computes_for_ever_is_ended_by_its_time_of_the_processor(broken, monkeypatch):
    monkeypatch.setattr(decoder_module, "PROCESSOR_S", 0.0)
    with pytest.raises(MediaError, match=r"a\.png takes more than 0 s to decode"):
        broken(workers=1).picture(hostile("SPIN"), MAX_PIXELS, "a.png")


def test_a_picture_that_takes_all_memory_is_refused_in_words_and_the_next_is_read(broken):
    decoder = broken(workers=1)
    with pytest.raises(MediaError, match=r"a\.png needs more memory than a picture may use \(768 MB\)"):
        decoder.picture(hostile("GROW"), MAX_PIXELS, "a.png")
    assert decoder.picture(sound(), MAX_PIXELS, "b.png").tobytes() == media.open_image(sound()).tobytes()


def test_a_real_bomb_over_the_memory_of_a_worker_is_refused_and_one_within_it_is_read():
    decoder = PictureDecoder(memory_mb=48, workers=1)
    bomb = saved(Image.new("I;16", (6000, 6000), 1000), "PNG")  # 80 kB, 72 MB of pixels
    with pytest.raises(MediaError, match="the picture needs more memory than a picture may use"):
        decoder.picture(bomb, MAX_PIXELS, "the picture")
    assert decoder.picture(sound(), MAX_PIXELS, "b.png").tobytes() == media.open_image(sound()).tobytes()
    decoder.workers.close()


def test_a_picture_over_the_budget_of_all_is_refused_without_the_end_of_a_worker(decoder, monkeypatch):
    decoder.picture(sound(), MAX_PIXELS, "b.png")
    large, before = saved(Image.new("RGB", (2000, 1500)), "PNG"), decoder.workers.pids()
    monkeypatch.setattr(decoder_module, "PICTURES", decode_budget.DecodeBudget(total=2000 * 1500 * 8 - 1))
    with pytest.raises(MediaError, match=r"a\.png is too large: decoding it would take 24 MB, at most 24 MB are given"):
        decoder.picture(large, MAX_PIXELS, "a.png")
    monkeypatch.undo()
    assert decoder.picture(large, MAX_PIXELS, "a.png").size == (2000, 1500) and decoder.workers.pids() == before


def test_a_large_picture_has_its_room_while_it_is_decoded_and_as_long_as_it_is_kept(decoder):
    used = PICTURES.used()
    kept = decoder.picture(saved(Image.new("RGB", (2000, 1500)), "PNG"), MAX_PIXELS, "a.png")
    assert PICTURES.used() == used + 2000 * 1500 * 4
    del kept
    assert PICTURES.used() == used


def test_many_at_once_get_their_own_pixels_beside_those_that_end_workers(broken):
    decoder = broken(workers=2)
    colours = [(7 * at % 256, 13 * at % 256, 29 * at % 256) for at in range(40)]
    asked = [saved(Image.new("RGB", (20 + at, 30), colour), "PNG") for at, colour in enumerate(colours)]
    asked[10], asked[25] = hostile("ABORT"), hostile("ABORT")

    def ask(data: bytes) -> tuple | str:
        try:
            image = decoder.picture(data, MAX_PIXELS, "a.png")
        except MediaError as error:
            return str(error)
        return (image.size, image.getcolors())

    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(ask, asked))
    for at, (one, colour) in enumerate(zip(found, colours, strict=True)):
        assert "stops the decoder" in one if at in (10, 25) else one == ((20 + at, 30), [((20 + at) * 30, colour)])
    assert len(decoder.workers.pids()) <= 2


def test_a_worker_killed_while_it_waits_or_works_costs_nothing():
    decoder = PictureDecoder(workers=1)
    data = saved(noise("RGB", 1600, 1200), "PNG")
    expected = decoder.picture(data, MAX_PIXELS, "a.png").tobytes()
    os.kill(decoder.workers.pids()[0], signal.SIGKILL)
    assert decoder.picture(data, MAX_PIXELS, "a.png").tobytes() == expected
    threading.Timer(0.02, os.kill, (decoder.workers.pids()[0], signal.SIGKILL)).start()
    assert decoder.picture(data, MAX_PIXELS, "a.png").tobytes() == expected
    decoder.workers.close()


def test_while_decoding_is_apart_files_are_decoded_by_workers_alone(tmp_path, file_reads):
    path = tmp_path / "a.png"
    noise().save(path)
    with media.decoding_apart() as decoder:
        found = [media.open_image(path), media.open_image(str(path)), media.open_image(path.read_bytes())]
        assert media.open_image(found[0]) is found[0] and len(decoder.workers.pids()) == 1
        with pytest.raises(MediaError, match=r"'nowhere\.png' is not a file that exists"):
            media.open_image(tmp_path / "nowhere.png")
        (worker,) = decoder.workers.pids()
    assert file_reads.decoded[path.resolve()] == 0 and not Path(f"/proc/{worker}").exists()
    assert all(one.tobytes() == noise().tobytes() for one in found)
    media.open_image(path)
    assert file_reads.decoded[path.resolve()] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
def test_a_worker_starts_with_little(decoder):
    decoder.picture(sound(), MAX_PIXELS, "b.png")
    found = [Path(f"/proc/{pid}/maps").read_text() for pid in decoder.workers.pids()]
    assert not [name for maps in found for name in ("torch", "faiss", "gradio", "/av/") if f"/{name}/" in maps]


@pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
def test_a_worker_gives_the_memory_of_a_large_picture_back():
    decoder = PictureDecoder(workers=1)
    decoder.picture(saved(Image.new("I;16", (7000, 7000), 1000), "PNG"), MAX_PIXELS, "a.png")  # 98 and 196 MB of pixels
    (pid,), until = decoder.workers.pids(), time.monotonic() + WAIT_S

    def held_mib() -> float:
        (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("RssAnon")]
        return int(line.split()[1]) / 1024

    while held_mib() > 96 and time.monotonic() < until:  # it answers before it has let go of the last rows
        time.sleep(0.05)
    assert held_mib() <= 96  # with the 32 MiB that it keeps at hand
    decoder.workers.close()


#: Tries what decoding never needs, in a process that was confined; prints what could be done.
TRIES = """
import ctypes, os, resource, socket, subprocess, sys, threading
from pathlib import Path
from umr.apart.confined import confine
assert confine(256)
def done(what):
    try:
        what()
    except OSError:
        return False
    return True
def call(name, *rest):
    if getattr(ctypes.CDLL(None), name)(*rest) < 0:
        raise OSError(name)
def thread():
    one = threading.Thread(target=sum, args=([],)); one.start(); one.join()
mine = Path(sys.argv[1])
tries = {"socket": socket.socket, "pair": socket.socketpair, "exec": lambda: subprocess.run([sys.executable]),
         "fork": os.fork, "write": lambda: open(mine / "b", "wb"), "append": lambda: open(mine / "a", "ab"),
         "unlink": (mine / "a").unlink, "rename": lambda: os.rename(mine / "a", mine / "c"),
         "folder": lambda: os.mkdir(mine / "d"), "signal": lambda: os.kill(os.getppid(), 0),
         "mode": lambda: os.chmod(mine / "a", 0), "times": lambda: call("utimes", bytes(mine / "a"), None),
         "limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE),
         "own limits": lambda: resource.prlimit(0, resource.RLIMIT_NOFILE),
         "pace": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 0),
         "processors": lambda: os.sched_setaffinity(os.getppid(), os.sched_getaffinity(0)),
         "shared memory": lambda: call("shmget", 0, 4096, 0o1600), "queue": lambda: call("msgget", 0, 0o1600),
         "memory of another": lambda: open(f"/proc/{os.getppid()}/mem", "rb"),
         "keys of another": Path(f"/proc/{os.getppid()}/environ").read_bytes,
         "read": (mine / "a").read_bytes, "thread": thread}
print(*(name for name, what in tries.items() if done(what)), sep="\\n")
os.abort()
"""


def has_landlock() -> bool:
    """Whether this system can keep one process from reading another."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0  # landlock_create_ruleset, which tells its version


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine not in ("x86_64", "aarch64"), reason="needs seccomp")
def test_a_confined_process_reads_and_computes_and_does_nothing_else(tmp_path):
    (tmp_path / "a").write_text("there")
    run = subprocess.run([sys.executable, "-c", TRIES, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    could = [one for one in run.stdout.splitlines() if has_landlock() or not one.endswith("of another")]
    assert (could, run.returncode) == (["own limits", "read", "thread"], -signal.SIGABRT), run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "there"


@pytest.mark.skipif(sys.platform == "win32", reason="has no sessions")
def test_a_worker_is_no_process_of_the_terminal_that_the_page_was_started_in():
    decoder = PictureDecoder(workers=1)
    decoder.picture(sound(), MAX_PIXELS, "a.png")
    (worker,) = decoder.workers.pids()
    assert os.getsid(worker) == worker != os.getsid(0)
    decoder.workers.close()


def test_a_process_that_cannot_start_is_told_in_words(monkeypatch):
    def refused(*rest, **more):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("umr.apart.worker.subprocess.Popen", refused)
    with pytest.raises(MediaError, match="pictures cannot be read: Too many open files; try again"):
        PictureDecoder(workers=1).picture(sound(), MAX_PIXELS, "a.png")


def test_what_no_worker_of_ours_says_ends_it(monkeypatch):
    """A worker that a picture took over may say anything: another size than there is room for, a message of no kind."""
    decoder = PictureDecoder(workers=1)
    decoder.picture(sound(), MAX_PIXELS, "a.png")
    real = Worker.next

    def lied(worker, *rest):
        message = real(worker, *rest)
        return message if message is None or message.kind != b"size" else message._replace(numbers=(1, 2**31, 2**31))

    monkeypatch.setattr(Worker, "next", lied)
    with pytest.raises(MediaError, match="stops the decoder"):
        decoder.picture(sound(), MAX_PIXELS, "a.png")
    decoder.workers.close()


def until(fact) -> None:
    end = time.monotonic() + WAIT_S
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)
