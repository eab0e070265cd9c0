"""Facts about the store of renders: resuming, worker counts, refusals and clip files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from training.catalogue.render import render_clip, render_image
from training.catalogue.scene import Action, Scene, random_scene, with_action
from training.catalogue.store import Job, render_many, write_clip
from umr.errors import ConfigError, MismatchError

SIZE = 16


def _jobs(count: int) -> list[Job]:
    rng = np.random.default_rng(5)
    return [Job(random_scene(rng), seed, "light" if seed % 5 == 0 else "catalogue") for seed in range(count)]


def test_rows_are_the_renders_whatever_the_number_of_workers(tmp_path):
    jobs = _jobs(20)
    one = render_many(jobs, tmp_path / "one.npy", SIZE, 1, progress=False)
    two = render_many(jobs, tmp_path / "two.npy", SIZE, 2, progress=False)
    assert one.shape == (20, SIZE, SIZE, 3) and one.dtype == np.uint8 and not one.flags.writeable
    assert np.array_equal(one, two)
    assert np.array_equal(one[7], render_image(jobs[7].scene, jobs[7].seed, SIZE, jobs[7].style))


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path; import test_store as t; "
        "t.render_many(t._jobs(300), Path(sys.argv[1]), t.SIZE, 1, progress=False)"
    )
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a.npy"), str(Path(__file__).parent)])
    done = tmp_path / "a.npy.done"
    limit = time.monotonic() + 60
    while not (done.exists() and any(done.read_bytes())) and time.monotonic() < limit and run.poll() is None:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    finished = np.frombuffer(done.read_bytes(), np.uint8)
    assert 0 < finished.sum() < 300
    jobs = _jobs(300)
    resumed = render_many(jobs, tmp_path / "a.npy", SIZE, 1, progress=False)
    for row in (0, int(finished.sum()) - 1, int(finished.sum()), 150, 299):
        assert np.array_equal(resumed[row], render_image(jobs[row].scene, jobs[row].seed, SIZE, jobs[row].style))


def test_a_finished_row_is_not_rendered_again(tmp_path):
    jobs = _jobs(4)
    render_many(jobs, tmp_path / "a.npy", SIZE, 1, progress=False)
    store = np.load(tmp_path / "a.npy", mmap_mode="r+")
    store[2] = 7
    store.flush()
    assert (render_many(jobs, tmp_path / "a.npy", SIZE, 1, progress=False)[2] == 7).all()


def test_other_jobs_another_size_and_a_foreign_file_are_refused(tmp_path):
    jobs = _jobs(3)
    render_many(jobs, tmp_path / "a.npy", SIZE, 1, progress=False)
    for other, size in ((jobs[::-1], SIZE), (jobs, SIZE + 2)):
        with pytest.raises(MismatchError, match="other jobs"):
            render_many(other, tmp_path / "a.npy", size, 1, progress=False)
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(MismatchError, match="not a store"):
        render_many(jobs, tmp_path / "b.npy", SIZE, 1, progress=False)
    for bad, workers in (([], 1), (jobs, 0)):
        with pytest.raises(ConfigError, match="at least one job"):
            render_many(bad, tmp_path / "c.npy", SIZE, workers)


def test_clips_are_stored_with_their_frames_and_progress_is_told(tmp_path, capsys):
    jobs = [Job(Scene("mug", "red", action=Action("slides left")), seed) for seed in range(2)]
    clips = render_many(jobs, tmp_path / "clips.npy", SIZE, 1, n_frames=3)
    assert clips.shape == (2, 3, SIZE, SIZE, 3)
    assert np.array_equal(clips[1], render_clip(jobs[1].scene, 1, SIZE, 3))
    assert "rendered 2 of 2" in capsys.readouterr().err


def test_a_clip_file_is_small_h264_and_the_same_twice(tmp_path):
    scene = with_action(Scene("vase", "teal", surface="grass"), Action("camera orbits"))
    frames = render_clip(scene, 4, 96, 12)
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, frames)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (tmp_path / "a.mp4").stat().st_size < 25_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, float(stream.average_rate)) == ("h264", "yuv420p", 12.0)
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 12
    assert np.abs(decoded[5].astype(int) - frames[5]).mean() < 12


def test_frames_that_are_no_clip_are_refused(tmp_path):
    for frames in (np.zeros((3, 8, 8), np.uint8), np.zeros((3, 8, 8, 3), np.float32), np.zeros((3, 7, 8, 3), np.uint8)):
        with pytest.raises(ConfigError, match="even H and W"):
            write_clip(tmp_path / "a.mp4", frames)
