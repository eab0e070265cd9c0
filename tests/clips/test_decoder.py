"""Clips are decoded in processes of their own: what they give, what they may cost, and what no clip can do."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from umr.apart.worker import Worker
from umr.apart.workers import stoppable
from umr.clips.decoder import ClipDecoder
from umr.clips.limits import ClipLimits, even_places
from umr.encoders.fake import FakeEncoder
from umr.errors import MediaError
from umr.ui.files.uploads import Cancelled, index_files

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "indexes" / "media" / "catalogue" / "files" / "clips"
FRAMES = np.stack([np.full((48, 64, 3), 20 + 9 * at, np.uint8) for at in range(25)])


@pytest.fixture(scope="module")
def decoder():
    decoder = ClipDecoder()
    yield decoder
    decoder.workers.close()


def write_clip(path: Path, codec: str = "h264", frames: np.ndarray = FRAMES) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(12))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def repeat_packet(path: Path, width: int, height: int, count: int, keys: int) -> Path:
    """A long clip that is quickly made: an encoded key frame and the frame after it, written again and again."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        grey = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
        packets = [bytes(packet) for _ in range(2) for packet in stream.encode(grey)]
        for at in range(count):
            packet = av.Packet(packets[0] if at % keys == 0 else packets[1])
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 30), at, at
            packet.is_keyframe = at % keys == 0
            container.mux(packet)
    return path


def one_pass(path: Path, n: int) -> np.ndarray:
    """All frames by PyAV in this process, then those wanted: what a sound clip must give."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack([frames[place] for place in np.linspace(0, len(frames) - 1, n).round().astype(int)])


@pytest.mark.parametrize("n", [1, 8])
def test_bundled_clips_give_their_exact_frames(decoder, n):
    for path in sorted(BUNDLED.glob("*.mp4"))[::40]:
        assert np.array_equal(decoder.frames(path, n), one_pass(path, n))


def test_decord_in_a_worker_gives_the_same_frames_of_a_bundled_clip(decoder):
    path = BUNDLED / "00000.mp4"
    assert np.array_equal(decoder.frames(path, 8, reader="decord"), decoder.frames(path, 8))


@pytest.mark.parametrize(("count", "n"), [(1, 8), (2, 3), (25, 8), (36_000, 64), (40, 1)])
def test_places_are_those_of_numpy(count, n):
    assert even_places(count, n, "a") == np.linspace(0, count - 1, n).round().astype(int).tolist()


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"),
                                             ("a.mkv", "h264"), ("a.gif", "gif")])  # fmt: skip
def test_every_format_gives_the_frames_of_one_pass(decoder, tmp_path, name, codec):
    path = write_clip(tmp_path / name, codec)
    assert np.array_equal(decoder.frames(path, 8), one_pass(path, 8))


def test_where_packets_do_not_decode_the_places_are_those_of_the_frames_that_do(decoder, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (25, 48, 64, 3), dtype=np.uint8)
    path = write_clip(tmp_path / "a.avi", "mpeg4", noise)
    data = bytearray(path.read_bytes())
    first = data.index(b"00dc") + 8
    data[first : first + 200] = bytes(200)  # the first frames have no key frame to build on
    path.write_bytes(data)
    assert np.array_equal(decoder.frames(path, 8), one_pass(path, 8))


def test_the_two_clips_that_ended_the_process_cost_a_sentence_or_give_frames(decoder, tmp_path):
    """A count of frames of 2,147,483,647 in the header made decord abort; four bytes of a sound file are enough."""
    mp4 = bytearray((BUNDLED / "00000.mp4").read_bytes())
    at = mp4.index(b"stts") + 12
    mp4[at : at + 4] = struct.pack(">I", 0x7FFFFFFF)
    (tmp_path / "stts.mp4").write_bytes(mp4)
    avi = bytearray(write_clip(tmp_path / "a.avi", "mpeg4").read_bytes())
    at = avi.index(b"strh") + 40
    avi[at : at + 4] = struct.pack("<I", 0x7FFFFFFF)
    (tmp_path / "length.avi").write_bytes(avi)
    for name in ("stts.mp4", "length.avi"):
        try:
            assert decoder.frames(tmp_path / name, 8).shape[0] == 8
        except MediaError as error:
            assert name in str(error)
        with pytest.raises(MediaError, match=name):
            decoder.frames(tmp_path / name, 8, reader="decord")
    assert decoder.frames(BUNDLED / "00000.mp4", 8).shape == (8, 112, 112, 3)


def test_workers_are_kept_replaced_after_their_clips_and_gone_after_close():
    decoder = ClipDecoder(clips=2)
    seen = []
    for _ in range(4):
        decoder.frames(BUNDLED / "00000.mp4", 2)
        seen.append(decoder.workers.pids())
    assert len(seen[0]) == 1 and seen[1] == [] and len(seen[2]) == 1 and seen[2] != seen[0]
    decoder.frames(BUNDLED / "00000.mp4", 2)
    (pid,) = decoder.workers.pids()
    decoder.workers.close()
    assert decoder.workers.pids() == [] and not Path(f"/proc/{pid}").exists()


def test_a_worker_killed_between_or_within_clips_costs_nothing(tmp_path):
    decoder = ClipDecoder(workers=1)
    path = repeat_packet(tmp_path / "long.mp4", 320, 240, 1_500, 1_500)
    expected = decoder.frames(path, 4)
    os.kill(decoder.workers.pids()[0], signal.SIGKILL)
    assert np.array_equal(decoder.frames(path, 4), expected)
    killer = threading.Timer(0.05, os.kill, (decoder.workers.pids()[0], signal.SIGKILL))
    killer.start()
    assert np.array_equal(decoder.frames(path, 4), expected)
    decoder.workers.close()


def test_a_clip_that_ends_every_worker_costs_one_sentence(tmp_path, decoder, monkeypatch):
    """The worker is ended from outside as soon as it is asked, as by a clip that aborts it."""
    ended = []

    send = Worker.send

    def aborted(worker, request):
        os.kill(worker.pid, signal.SIGABRT)
        ended.append(worker.pid)
        send(worker, request)

    monkeypatch.setattr(Worker, "send", aborted)
    with pytest.raises(MediaError, match=r"00000\.mp4 cannot be read: it stops the decoder"):
        decoder.frames(BUNDLED / "00000.mp4", 8)
    assert len(set(ended)) == 2


def test_a_clip_over_the_clock_is_refused_and_the_next_is_read():
    decoder = ClipDecoder(workers=1)
    decoder.frames(BUNDLED / "00000.mp4", 2)
    (pid,) = decoder.workers.pids()
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(MediaError, match=r"00000\.mp4 takes more than 0\.3 s to decode"):
        decoder.frames(BUNDLED / "00000.mp4", 2, ClipLimits(wall_s=0.3))
    assert decoder.frames(BUNDLED / "00000.mp4", 2).shape[0] == 2 and pid not in decoder.workers.pids()
    decoder.workers.close()


def test_a_clip_over_the_time_of_the_processor_is_refused(decoder, tmp_path):
    path = repeat_packet(tmp_path / "long.mp4", 3840, 2160, 3_000, 3_000)  # many times what is allowed
    limits = ClipLimits(processor_s=0, max_decoded_pixels=10**12)
    with pytest.raises(MediaError, match=r"long\.mp4 takes more than 0 s to decode"):
        decoder.frames(path, 8, limits)


def test_a_clip_over_the_memory_is_refused_and_the_next_is_read(tmp_path):
    decoder = ClipDecoder(ClipLimits(memory_mb=72))
    path = repeat_packet(tmp_path / "wide.mp4", 3840, 2160, 20, 1)
    with pytest.raises(MediaError, match=r"wide\.mp4 needs more memory than a clip may use"):
        decoder.frames(path, 8)
    assert decoder.frames(BUNDLED / "00000.mp4", 2).shape[0] == 2
    decoder.workers.close()


def test_a_worker_has_little_that_a_clip_could_use(decoder):
    decoder.frames(BUNDLED / "00000.mp4", 2)
    limits = Path(f"/proc/{decoder.workers.pids()[0]}/limits").read_text()
    found = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert (found["Max file size"], found["Max open files"], found["Max core file size"]) == ("0", "16", "0")
    assert int(found["Max address space"]) < 2 * 2**30
    loaded = Path(f"/proc/{decoder.workers.pids()[0]}/maps").read_text()
    assert not [name for name in ("torch", "faiss", "numpy", "gradio") if f"/{name}/" in loaded]


def test_keys_and_tokens_of_the_environment_stay_out_of_the_worker(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    decoder = ClipDecoder()
    decoder.frames(BUNDLED / "00000.mp4", 2)
    assert b"SECRET_TOKEN" not in Path(f"/proc/{decoder.workers.pids()[0]}/environ").read_bytes()
    decoder.workers.close()


def test_frames_larger_or_more_than_the_cap_are_refused(decoder, tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match=r"a\.mp4 has frames of 64 x 48 px"):
        decoder.frames(path, 4, ClipLimits(max_frame_pixels=48 * 64 - 1))
    with pytest.raises(MediaError, match=r"a\.mp4 has more than 24 frames"):
        decoder.frames(path, 4, ClipLimits(max_frames=24))


def test_large_frames_come_smaller(decoder, tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    found = decoder.frames(path, 4, ClipLimits(max_shown_pixels=32 * 24))
    assert found.shape == (4, 24, 32, 3)
    assert np.abs(found.mean((1, 2, 3)) - decoder.frames(path, 4).mean((1, 2, 3))).max() < 4  # another path of rounding


def test_a_clip_too_large_to_decode_whole_is_reached_by_its_key_frames(decoder, tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=np.concatenate([FRAMES] * 4))
    stepped = tmp_path / "keys.mp4"
    with av.open(str(stepped), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(12), options={"g": "10", "bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for frame in np.concatenate([FRAMES] * 4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    pixels = 48 * 64
    exact = decoder.frames(stepped, 8, ClipLimits(max_decoded_pixels=99 * pixels))
    assert np.array_equal(exact, one_pass(stepped, 8))
    near = decoder.frames(stepped, 8, ClipLimits(max_decoded_pixels=30 * pixels))
    assert np.abs(near.astype(int).mean((1, 2, 3)) - exact.mean((1, 2, 3))).max() <= 9 * 6 + 4  # half of 99 / 8 frames
    with pytest.raises(MediaError, match=r"a\.mp4 is too much to decode: 100 frames of 64 x 48 px"):
        decoder.frames(path, 8, ClipLimits(max_decoded_pixels=30 * pixels))


def test_a_long_clip_of_4k_is_refused_in_a_sentence(decoder, tmp_path):
    path = repeat_packet(tmp_path / "long.mp4", 3840, 2160, 3_000, 3_000)
    with pytest.raises(MediaError, match=r"long\.mp4 is too much to decode: 3,000 frames of 3840 x 2160 px"):
        decoder.frames(path, 8)


def test_a_list_of_files_named_like_a_clip_reads_no_other_file(decoder, tmp_path):
    write_clip(tmp_path / "other.mp4")
    lists = {"concat": "ffconcat version 1.0\nfile other.mp4\n", "itself": "ffconcat version 1.0\nfile itself.mp4\n",
             "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.mp4\n#EXT-X-ENDLIST\n"}  # fmt: skip
    for name, text in lists.items():
        path = tmp_path / f"{name}.mp4"
        path.write_text(text)
        for reader in ("pyav", "decord"):
            with pytest.raises(MediaError, match=f"{name}.mp4 cannot be read"):
                decoder.frames(path, 4, reader=reader)


def test_threads_share_a_few_workers(decoder):
    paths = sorted(BUNDLED.glob("*.mp4"))[:12]
    expected = [one_pass(path, 4) for path in paths]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda path: decoder.frames(path, 4), paths))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert 1 <= len(decoder.workers.pids()) <= 2


def test_reading_stops_within_a_clip(decoder, tmp_path):
    path = repeat_packet(tmp_path / "long.mp4", 1920, 1080, 1_800, 1_800)
    asked = []

    def check():
        asked.append(time.monotonic())
        if len(asked) > 2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled), stoppable(check):
        decoder.frames(path, 8)
    assert len(asked) == 3
    assert decoder.frames(BUNDLED / "00000.mp4", 2).shape[0] == 2


def test_no_worker_outlives_a_process_that_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from umr.clips.decoder import CLIPS_OF_THIS_PROCESS as clips\n"
        "clips.frames(Path(sys.argv[1]), 2); print(*clips.workers.pids(), flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(BUNDLED / "00000.mp4")], cwd=ROOT,
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
    (worker,) = map(int, parent.stdout.readline().split())
    assert Path(f"/proc/{worker}").exists()
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists()


def test_cancelling_a_visitors_files_is_heard_within_a_clip_and_leaves_nothing(tmp_path):
    path, told, cancelled = repeat_packet(tmp_path / "long.mp4", 1920, 1080, 1_800, 1_800), [], threading.Event()

    def report(*at: object) -> None:
        told.append(at)
        if len(told) > 1:  # the second time is within the clip, which alone takes seconds
            cancelled.set()
        if cancelled.is_set():
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        index_files([("long.mp4", path)], tmp_path / "visitor", FakeEncoder(dim=8), report)
    assert told == [("Taking in", 1, 1)] * 2 + [("Reading", 1, 1)] and not (tmp_path / "visitor").exists()
