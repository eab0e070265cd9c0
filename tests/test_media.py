"""What umr.media accepts, how it turns it into pixels, and what it refuses."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from umr import decode_budget, media
from umr.errors import MediaError
from umr.pictures import decode

ROOT = Path(__file__).resolve().parents[1]


def png(image: Image.Image, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def gradient(width: int = 60, height: int = 40) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 4, y * 6, np.full_like(x, 90)], -1).astype(np.uint8))


def write_clip(path, frames: np.ndarray, codec: str = "h264", fps: int = 12) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def shades() -> np.ndarray:
    """25 frames, each one even grey that grows with time."""
    return np.stack([np.full((48, 64, 3), 20 + 9 * at, np.uint8) for at in range(25)])


def test_path_bytes_picture_and_array_give_the_same_pixels(tmp_path):
    image = gradient()
    path = tmp_path / "a.png"
    path.write_bytes(png(image))
    expected = np.asarray(image)
    for source in (path, str(path), path.read_bytes(), image, expected):
        assert np.array_equal(np.asarray(media.open_image(source)), expected)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LAB", "RGBA", "LA"])
def test_every_mode_becomes_rgb_that_looks_the_same(tmp_path, mode):
    grey = Image.new("L", (8, 8), 255).convert("RGB")
    image = grey.convert(mode)
    path = tmp_path / "a.tif"
    image.save(path)
    found = media.open_image(path)
    assert found.mode == "RGB" and np.asarray(found).min() >= 250


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, name):
    values = (np.arange(256, dtype=np.uint32) * 257).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / name)
    found = np.asarray(media.open_image(tmp_path / name))
    assert np.array_equal(found[..., 0].ravel(), np.arange(256))


def test_float_picture_with_nan_is_refused():
    values = np.full((4, 4), 0.5, np.float32)
    assert np.asarray(media.open_image(Image.fromarray(values))).max() == 128
    values[1, 1] = np.nan
    with pytest.raises(MediaError, match="not numbers"):
        media.open_image(Image.fromarray(values))


def test_exif_rotation_is_applied(tmp_path):
    image = gradient(60, 40)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert media.open_image(tmp_path / "turned.jpg").size == (40, 60)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_rotation_is_that_of_pillow(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    gradient().save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        expected = ImageOps.exif_transpose(opened)
    assert np.array_equal(np.asarray(media.open_image(tmp_path / "a.png")), np.asarray(expected))


def test_odd_exif_does_not_hide_the_picture():
    """A tag whose value cannot be written again: rotating through Pillow's exif_transpose fails on it."""
    tags = [(0x0100, 2, 4, b"wide"), (0x0112, 3, 1, struct.pack("<HH", 6, 0)), (0x8825, 4, 1, struct.pack("<I", 9_999))]
    body = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in tags)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + body + struct.pack("<I", 0)
    out = io.BytesIO()
    gradient(60, 40).save(out, "JPEG", exif=exif)
    assert media.open_image(out.getvalue()).size == (40, 60)


def test_transparency_lies_over_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert np.asarray(media.open_image(png(clear))).min() == 255
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert np.asarray(media.open_image(png(palette, transparency=0))).min() == 255


def test_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.asarray(media.open_image(tmp_path / "a.gif"))[0, 0].tolist() == [255, 0, 0]


def test_truncated_picture_is_refused(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    path = tmp_path / "cut.png"
    path.write_bytes(png(noise)[:3000])
    with pytest.raises(MediaError, match=r"cut\.png cannot be read: it ends before its picture does"):
        media.open_image(path)


def test_broken_avif_is_a_message_and_not_a_crash():
    out = io.BytesIO()
    gradient().save(out, "AVIF")
    data = out.getvalue()
    payload = data.index(b"mdat") + 4
    for broken in (data[: len(data) // 2], data[:payload] + bytes(len(data) - payload)):
        with pytest.raises(MediaError, match=r"cannot be read|not a picture"):
            media.open_image(broken)


HEIC = Path(__file__).with_name("data") / "phone.heic"  # 64 x 48 px, blue on the left and red on the right


def test_heic_is_read_and_broken_heic_is_refused(tmp_path):
    pixels = np.asarray(media.open_image(HEIC)).astype(int)
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels[24, 8] - (20, 40, 200)).max() < 8 and np.abs(pixels[24, 56] - (200, 30, 40)).max() < 8
    data = HEIC.read_bytes()
    payload = data.index(b"mdat") + 4
    for broken in (data[:200], data[:-100], data[:payload] + bytes(len(data) - payload)):
        (tmp_path / "cut.heic").write_bytes(broken)
        with pytest.raises(MediaError, match=r"cut\.heic (cannot be read|is not a picture)"):
            media.open_image(tmp_path / "cut.heic")
    with pytest.raises(MediaError, match="64 x 48 px"):
        media.open_image(HEIC, max_pixels=1000)


def test_browsers_are_shown_a_jpeg_of_a_heic_and_other_files_as_they_are(tmp_path):
    path = tmp_path / "phone.HEIC"
    path.write_bytes(HEIC.read_bytes())
    shown = media.shown_in_browsers(path)
    assert shown.name == "phone.HEIC.jpg" and Image.open(shown).format == "JPEG"
    assert np.abs(np.asarray(Image.open(shown)).astype(int) - np.asarray(media.open_image(path))).mean() < 4
    assert media.shown_in_browsers(shown) == shown
    assert sorted(p.name for p in tmp_path.iterdir()) == ["phone.HEIC", "phone.HEIC.jpg"]


def test_decompression_bomb_is_refused_before_it_is_decoded():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(
        MediaError, match=r"is too large: 3,600 megapixels, at most 64 megapixels are read; make it smaller first$"
    ):
        media.open_image(data)
    with pytest.raises(MediaError, match="60 x 40 px"):
        media.open_image(png(gradient()), max_pixels=2_399)
    assert media.open_image(png(gradient()), max_pixels=2_400).size == (60, 40)


@pytest.mark.parametrize("data", [b"", b"hello, I am text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(MediaError, match="not a picture"):
        media.open_image(data)


def test_absent_file_is_refused_by_name(tmp_path):
    for read in (media.open_image, media.content_hash, lambda path: media.sample_frames(path, 4)):
        with pytest.raises(MediaError, match=r"nowhere\.png"):
            read(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), np.full((4, 4, 3), np.nan)],
)
def test_array_of_other_dtype_or_shape_is_refused(array):
    with pytest.raises(MediaError, match=r"uint8 array \(H, W, 3\)"):
        media.open_image(array)
    with pytest.raises(MediaError):
        media.letterbox(array, 112)
    with pytest.raises(MediaError, match=r"uint8 array \(F, H, W, 3\)"):
        media.sample_frames(array, 2)


def test_letterbox_keeps_aspect_and_fills_with_grey():
    found = media.letterbox(Image.new("RGB", (200, 100), (10, 20, 30)), 112)
    assert found.shape == (112, 112, 3) and found.dtype == np.uint8
    assert (found[:28] == 127).all() and (found[84:] == 127).all() and (found[28:84] == (10, 20, 30)).all()
    assert (media.letterbox(Image.new("RGB", (1, 5000), "red"), 112) == (255, 0, 0)).all(-1).sum() == 112


def test_letterbox_leaves_a_fitting_picture_untouched():
    pixels = np.random.default_rng(0).integers(0, 255, (112, 112, 3), dtype=np.uint8)
    assert np.array_equal(media.letterbox(pixels, 112), pixels)


@pytest.mark.parametrize("name, codec", [("a.mp4", "h264"), ("a.webm", "libvpx-vp9"), ("a.gif", "gif")])
def test_frames_are_even_from_first_to_last(tmp_path, shades, name, codec):
    write_clip(tmp_path / name, shades, codec)
    found = media.sample_frames(tmp_path / name, 4)
    assert found.shape == (4, 48, 64, 3) and found.dtype == np.uint8
    levels = found.mean((1, 2, 3))
    assert np.abs(levels - shades[[0, 8, 16, 24]].mean((1, 2, 3))).max() < 20


def test_short_clip_repeats_frames(shades):
    found = media.sample_frames(shades[:2], 8)
    assert len(found) == 8 and np.array_equal(found[0], shades[0]) and np.array_equal(found[-1], shades[1])


def test_unreadable_or_empty_clip_is_refused(tmp_path, shades):
    for name, data in (("text.mp4", b"not a clip"), ("empty.mp4", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=name):
            media.sample_frames(tmp_path / name, 8)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(MediaError, match="no pictures"):
        media.sample_frames(tmp_path / "sound.mp4", 8)
    with pytest.raises(MediaError, match="uint8 array"):
        media.sample_frames(shades[:, :0], 8)
    with pytest.raises(MediaError, match="no frames"):
        media.sample_frames(shades[:0], 8)


def test_a_clip_that_cannot_be_read_is_told_in_words_without_number_or_place(tmp_path):
    (tmp_path / "text.mp4").write_bytes(b"not a clip")
    with pytest.raises(MediaError) as told:
        media.sample_frames(tmp_path / "text.mp4", 8)
    assert str(told.value).startswith("text.mp4 cannot be read: Invalid data found when processing input; it may be")
    assert "Errno" not in str(told.value) and str(tmp_path) not in str(told.value)


def test_a_picture_has_the_name_that_it_is_given_and_by_default_the_end_of_its_path(tmp_path):
    (tmp_path / "text.png").write_bytes(b"not a picture")
    for file, place in (("text.png", "folder/text.png"), ("absent.png", "folder/absent.png")):
        with pytest.raises(MediaError, match=place):
            media.open_image(tmp_path / file, name=place)
        with pytest.raises(MediaError) as told:
            media.open_image(tmp_path / file)
        assert file in str(told.value) and str(tmp_path) not in str(told.value)


def test_clip_longer_than_the_cap_is_refused(monkeypatch, shades):
    monkeypatch.setattr(media.even_places, "__defaults__", (24,))
    with pytest.raises(MediaError, match="25 frames"):
        media.sample_frames(shades, 8)


def test_hashes_are_of_the_bytes_of_the_file(tmp_path):
    data = png(gradient())
    path = tmp_path / "a.png"
    path.write_bytes(data)
    expected = hashlib.sha256(data).hexdigest()
    assert {media.content_hash(path), media.content_hash(data), media.picture_hash(path), media.picture_hash(data)} == {
        expected
    }
    assert media.picture_hash(gradient()) == media.picture_hash(np.asarray(gradient())) != expected


def test_thumbnail_is_webp_within_its_size():
    found = Image.open(io.BytesIO(media.thumbnail(gradient(600, 400), 96)))
    assert found.format == "WEBP" and found.size == (96, 64)


def test_text_is_stripped_and_bad_text_refused():
    assert media.clean_text("  a mug \n") == "a mug"
    assert media.clean_text(" \t\n\u3000") == ""
    assert media.clean_text("赤いカップ на столе 🙂") == "赤いカップ на столе 🙂"
    assert len(media.clean_text("x" * 20_000)) == 20_000
    for text, reason in (("x" * 20_001, "20,001"), ("a\0b", "NUL"), ("\ud83d", "surrogate")):
        with pytest.raises(MediaError, match=reason):
            media.clean_text(text)


SIDE = 4_000  # of pictures that are large enough to be seen in a process's memory: 16 megapixels, 61 MiB as RGB
#: Opens a picture in several threads at once; prints by how many MiB memory grew at most, and what stayed.
OPEN = """
import sys, threading
from umr import media
from umr.decode_budget import PICTURES
from umr.ui.layout.heap import share_heaps
def mib(key):
    line = next(line for line in open("/proc/self/status") if key in line)
    return int(line.split()[1]) // 1024
def look(path):
    picture = media.open_image(path)
    media.picture_hash(picture), media.letterbox(picture, 112)
share_heaps()
look(sys.argv[2]), open("/proc/self/clear_refs", "w").write("5")
before = mib("VmRSS")
threads = [threading.Thread(target=look, args=(sys.argv[2],)) for _ in range(int(sys.argv[1]))]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print(mib("VmHWM") - before, mib("VmRSS") - before, PICTURES.used())
"""


def opened_at_once(path, times: int) -> list[int]:
    run = subprocess.run([sys.executable, "-c", OPEN, str(times), str(path)], cwd=ROOT, capture_output=True, text=True,
                         check=True)  # fmt: skip
    return [int(number) for number in run.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
@pytest.mark.parametrize("kind", ["sixteen bits", "transparent"])
def test_a_bomb_takes_what_its_pixels_take_and_gives_it_back(tmp_path, kind):
    """16 bits were converted through float64 copies of the whole: 25 bytes a pixel, and transparency 16."""
    deep = Image.fromarray(np.zeros((SIDE, SIDE), np.uint16))
    (deep if kind == "sixteen bits" else Image.new("RGBA", (SIDE, SIDE), (9, 9, 9, 9))).save(tmp_path / "a.png")
    peak, kept, used = opened_at_once(tmp_path / "a.png", 1)
    assert peak < 8 * SIDE * SIDE / 2**20 + 60 and kept < 60 and used == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
def test_twelve_bombs_at_once_stay_within_the_budget_and_are_all_read(tmp_path):
    """Each needs 8 bytes for each of 16 megapixels: 1,465 MiB together."""
    Image.new("RGBA", (SIDE, SIDE), (9, 9, 9, 9)).save(tmp_path / "a.png")
    peak, kept, used = opened_at_once(tmp_path / "a.png", 12)
    assert peak < decode_budget.TOTAL / 2**20 + 100 and kept < 100 and used == 0


def test_a_picture_that_is_plain_already_is_not_copied_and_never_turned_twice():
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG"):
        out = io.BytesIO()
        gradient(60, 40).save(out, form, exif=exif)
        once = media.open_image(out.getvalue())
        assert once.size == (40, 60) and media.open_image(once) is once


#: Values that a strip holds, of each mode that is converted by strips.
DEEP = {
    "I;16": ("<u2", 65_536),
    "I;16B": (">u2", 65_536),
    "I;16L": ("<u2", 65_536),
    "I": ("<i4", 70_000),
    "F": ("<f4", 1),
}


@pytest.mark.parametrize("mode", sorted(DEEP))
def test_strips_give_the_pixels_of_the_whole(mode, monkeypatch):
    kind, top = DEEP[mode]
    values = (np.random.default_rng(0).random((37, 50)) * top).astype(kind)
    scale = 255.0 if mode == "F" else 1 / 257
    expected = np.clip(np.rint(values.astype(np.float64) * scale), 0, 255).astype(np.uint8)
    monkeypatch.setattr(decode, "STRIP", 200)
    found = np.asarray(media.open_image(Image.frombytes(mode, (50, 37), values.tobytes())))
    assert all(np.array_equal(found[..., band], expected) for band in range(3))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa"])
def test_strips_over_white_give_the_pixels_of_the_whole(mode, monkeypatch):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 50, 4), dtype=np.uint8)).convert(mode)
    whole = image.convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", whole.size, (255, 255, 255, 255)), whole).convert("RGB")
    monkeypatch.setattr(decode, "STRIP", 200)
    assert np.array_equal(np.asarray(media.open_image(image)), np.asarray(expected))


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_who_only_looks_at_the_pixels_gets_them_without_a_copy(tmp_path, ending):
    gradient(300, 200).save(tmp_path / f"one.{ending}")
    own, lent = (media.open_image(tmp_path / f"one.{ending}", own=own) for own in (True, False))
    assert decode.is_plain(own) and type(lent) is not Image.Image  # the picture of the file itself
    assert np.array_equal(np.asarray(own), np.asarray(lent))
    assert np.array_equal(media.letterbox(own, 64), media.letterbox(lent, 64))


def test_a_hash_by_strips_is_that_of_all_pixels(monkeypatch):
    image = gradient(50, 37)
    monkeypatch.setattr(decode, "STRIP", 200)
    assert media.picture_hash(image) == hashlib.sha256(b"50x37:" + image.tobytes()).hexdigest()


def test_a_picture_whose_decoder_would_take_too_much_is_refused_before_it_is_decoded(monkeypatch):
    out = io.BytesIO()
    gradient().save(out, "WEBP")
    monkeypatch.setattr(media, "PICTURES", decode_budget.DecodeBudget(total=60 * 40 * 16 - 1))
    with pytest.raises(MediaError, match="the picture is too large: decoding it would take 0 MB, at most 0 MB"):
        media.open_image(out.getvalue())
    assert media.open_image(png(gradient())).size == (60, 40)  # of its 8 bytes a pixel


@pytest.mark.parametrize(
    "read", [media.open_image, media.content_hash, media.file_bytes, media.clip_seconds, media.existing]
)
def test_a_name_too_long_to_be_looked_for_is_refused_in_words(tmp_path, read):
    with pytest.raises(MediaError, match=r"n\.png cannot be read: File name too long"):
        read(tmp_path / ("n" * 300 + ".png"))
