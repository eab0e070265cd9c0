"""Sound files of every kind that strangers send, small and the same bytes every time. Not their damage."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

Codec = Literal["h264", "libvpx-vp9", "mpeg4", "gif"]
Files = dict[str, bytes]  # by name, whose ending says what it is

#: Endings of clips -> (codec, pixel format).
CLIPS: Mapping[str, tuple[Codec, str]] = {
    "mp4": ("h264", "yuv420p"),
    "webm": ("libvpx-vp9", "yuv420p"),
    "avi": ("mpeg4", "yuv420p"),
    "mkv": ("h264", "yuv420p"),
    "gif": ("gif", "rgb8"),
}
#: Without it, x264 makes other bytes of the same pictures now and then.
OPTIONS: Mapping[Codec, dict[str, str]] = {"h264": {"x264-params": "cpu-independent=1"}}
_SIZE = (48, 36)  # px of pictures


def _noise() -> Image.Image:
    rng = np.random.default_rng(1)
    small = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8))
    return small.resize(_SIZE, Image.Resampling.BILINEAR)


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@cache
def jpegs() -> Files:
    """Baseline with a turned camera's EXIF, and progressive."""
    image, exif = _noise(), Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a camera's words"
    return {
        "turned.jpg": _saved(image, "JPEG", exif=exif),
        "progressive.jpg": _saved(image, "JPEG", progressive=True, quality=70),
        "cmyk.jpg": _saved(image.convert("CMYK"), "JPEG"),
    }


@cache
def pngs() -> Files:
    """RGB, a palette with transparency, 16 bits, and an animation."""
    image = _noise()
    return {
        "rgb.png": _saved(image, "PNG"),
        "clear.png": _saved(image.convert("P"), "PNG", transparency=3),
        "deep.png": _saved(image.convert("L").convert("I;16"), "PNG"),
        "moving.png": _saved(image, "PNG", save_all=True, append_images=[image.rotate(90)]),
    }


@cache
def webps() -> Files:
    """Lossy, lossless with transparency, and an animation."""
    image = _noise()
    return {
        "lossy.webp": _saved(image, "WEBP", quality=60),
        "clear.webp": _saved(image.convert("RGBA"), "WEBP", lossless=True),
        "moving.webp": _saved(image, "WEBP", save_all=True, append_images=[image.rotate(90)]),
    }


@cache
def gifs() -> Files:
    """One picture, and several."""
    image = _noise().convert("P")
    return {
        "still.gif": _saved(image, "GIF", transparency=3),
        "moving.gif": _saved(image, "GIF", save_all=True, append_images=[image.rotate(90)]),
    }


@cache
def heics() -> Files:
    """HEIF as telephones write it, and AVIF; the head of one alone where this machine writes neither."""
    image, made = _noise(), {}
    import pi_heif

    pi_heif.register_heif_opener()
    for name, form in (("telephone.heic", "HEIF"), ("picture.avif", "AVIF")):
        try:
            made[name] = _saved(image, form)
        except (KeyError, OSError, RuntimeError):  # this machine's library only reads it
            continue
    return made or {"telephone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"}


@cache
def other_pictures() -> Files:
    """The other formats that are read."""
    image = _noise()
    return {
        "a.bmp": _saved(image, "BMP"),
        "a.tiff": _saved(image, "TIFF", compression="tiff_lzw"),
        "real.tiff": _saved(image.convert("F"), "TIFF"),
        "a.ppm": _saved(image, "PPM"),
        "a.ico": _saved(image, "ICO", sizes=[(32, 32)]),
        "a.tga": _saved(image, "TGA", compression="tga_rle"),
        "a.jp2": _saved(image, "JPEG2000"),
    }


@cache
def clips() -> Files:
    """A sound clip of every kind of CLIPS: 25 frames of 64 x 48 px."""
    import av

    rng = np.random.default_rng(0)
    frames = np.kron(rng.integers(0, 255, (25, 6, 8, 3), dtype=np.uint8), np.ones((1, 8, 8, 1), np.uint8))
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, (codec, pixels) in CLIPS.items():
            path = Path(folder) / f"clip.{kind}"
            with av.open(str(path), "w", options={"fflags": "bitexact"}) as container:  # no random ids and dates
                stream = container.add_stream(codec, rate=Fraction(12), options=OPTIONS.get(codec))
                stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
                for frame in frames:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                container.mux(stream.encode())
            made["gif.mp4" if kind == "gif" else path.name] = path.read_bytes()  # a .gif would be a picture
    return made


@cache
def zips() -> Files:
    """Pictures, a text and rows, packed and stored."""
    held = {"cats/one.png": pngs()["rgb.png"], "two.jpg": jpegs()["turned.jpg"], "words.txt": b"Some words.",
            "rows.jsonl": rows()["rows.jsonl"]}  # fmt: skip
    made = {}
    for name, packing in (("packed.zip", zipfile.ZIP_DEFLATED), ("stored.zip", zipfile.ZIP_STORED)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", packing) as archive:
            for inside, data in held.items():
                archive.writestr(zipfile.ZipInfo(inside, (2020, 1, 1, 0, 0, 0)), data, packing)
        made[name] = out.getvalue()
    return made


def _lines(found: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found).encode()


@cache
def rows() -> Files:
    """Rows as they are indexed, passages of visitors, M-BEIR's candidates and queries, qrels, a run, and votes."""
    candidate = {"txt": "words", "img_path": None, "modality": "text", "did": "1:2", "src_content": None}
    query = {"qid": "1:1", "query_txt": "red", "query_img_path": None, "query_modality": "text",
             "query_src_content": "", "pos_cand_list": ["1:2"], "neg_cand_list": [], "task_id": 0}  # fmt: skip
    vote = {"query": "", "a": "x", "b": "y", "vote": "tie", "time": "2026-01-01T00:00:00+00:00"}
    return {
        "rows.jsonl": _lines([{"id": "a", "text": "one"}, {"id": "b", "title": "t", "text": "two"}]),
        "candidates.jsonl": _lines([candidate, candidate | {"did": "1:3"}]),
        "queries.jsonl": _lines([query, query | {"qid": "1:2"}]),
        "qrels.txt": b"1:1 0 1:2 1\n1:2 0 1:3 2\n",
        "run.txt": b"1:1 Q0 1:2 1 0.5 tag\n1:1 Q0 1:3 2 0.25 tag\n",
        "votes.jsonl": _lines([vote, vote | {"vote": "a"}]),
    }


@cache
def addresses() -> Files:
    """What the page's address may hold in the tabs of searching and comparing."""
    turn = "ref=b.png%26text%3Dred%26in%3Dimages"
    return {
        "search": b"collection=fuzzed&ref=b.png&text=red+mug&in=images&model=unified&k=12&balance=0.5&less=blue&cut=0.2"
        b"&only=colour%3Dred%26not%3Da.txt&from=" + turn.encode(),
        "compare": b"tab=compare&c-ref=b.png&c-text=red&c-in=all&c-models=unified%2Cother&c-blind=1",
        "judged": b"tab=compare&q=1%3A1&task=t2i&split=ind&c-models=unified%2Cother",
        "own": b"picture=own&text=words&k=100&cut=1&balance=-1",
    }


@cache
def arrays() -> Files:
    """Arrays of numpy, and what umr.arrays maps."""
    from umr.arrays import write_arrays

    made = {}
    for name, array in (("rows.npy", np.ones((8, 4), np.float32)), ("order.npy", np.asfortranarray(np.eye(3)))):
        out = io.BytesIO()
        np.save(out, array)
        made[name] = out.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "columns.safetensors"
        write_arrays(path, {"ends": np.arange(9, dtype=np.uint64), "kinds": np.zeros(9, np.uint8)}, {"count": 9})
        made[path.name] = path.read_bytes()
    return made


@cache
def vectors() -> Files:
    """FAISS files as an index holds them: exact rows, and the lists of a factory."""
    from umr.index.coarse import Coarse, CoarseIndex
    from umr.index.flat import FlatIndex

    rng, made = np.random.default_rng(2), {}
    found = rng.standard_normal((400, 16)).astype(np.float32)
    flat = FlatIndex.empty(16)
    flat.add(found / np.linalg.norm(found, axis=1, keepdims=True))
    with tempfile.TemporaryDirectory() as folder:
        flat.write(Path(folder) / "vectors.faiss")
        made["vectors.faiss"] = (Path(folder) / "vectors.faiss").read_bytes()
        wanted = Coarse.read(COARSE_FACTORY, 400, 16)
        if wanted is not None:
            CoarseIndex.made(wanted, flat).write(Path(folder) / "coarse.faiss")
            made["coarse.faiss"] = (Path(folder) / "coarse.faiss").read_bytes()
    return made


COARSE_FACTORY = "IVF4,SQ8"
