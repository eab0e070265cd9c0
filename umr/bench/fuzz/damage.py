"""One kind of damage to bytes, to JSON or to an address, chosen by a random generator. Not what is damaged."""

from __future__ import annotations

import random
import re
import struct
import zlib
from urllib.parse import quote

#: Where files keep numbers: names of boxes, chunks and markers, ids of EBML elements, keys of headers.
FIELDS = (b"stts", b"stsz", b"stsc", b"stco", b"stss", b"ctts", b"mdhd", b"mvhd", b"tkhd", b"elst", b"avc1", b"avcC",
          b"moov", b"trak", b"mdat", b"avih", b"strh", b"strf", b"idx1", b"movi", b"00dc", b"\x1f\x43\xb6\x75",
          b"\x16\x54\xae\x6b", b"\x15\x49\xa9\x66", b"\x1c\x53\xbb\x6b", b"\xb0", b"\xba", b"\x21\xf9", b"\x2c\x00",
          b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"eXIf", b"acTL", b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xda",
          b"\xff\xdb", b"\xff\xe1", b"RIFF", b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANMF", b"ispe", b"iloc", b"iinf",
          b"ipco", b"hvcC", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"IxSQ", b"IwSq", b"shape", b"data_offsets",
          b"descr", b"Exif")  # fmt: skip
EXTREMES = (0, 1, 0x7F, 0xFFFF, 0x10000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PNG, _PNG_HEAD = b"\x89PNG\r\n\x1a\n", 8

#: Values that no field expects, as JSON writes them.
HOSTILE = ("null", "true", "-1", "0", "1e999", "1e-400", "NaN", "-Infinity", "9" * 30, "-" + "9" * 19, "9" * 5_000,
           '""', '"\\ud83d"', '"\\u0000"', '"\\u001b[2J"', '"\\u202e"', '"../../x"', '"/"', '"' + "x" * 30_000 + '"',
           "[]", "{}", "[[null]]", "[" * 90 + "]" * 90, "[" * 60_000, '{"a":' * 2_000, '{"__type__": "update"}',
           '"image,text,audio"', "0.5", '"0"')  # fmt: skip
_VALUES = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|\[|\{')
#: Values of an address, as a browser would not write them.
_PLACES = ("\0", "\x1b[2J", "9" * 5_000, "-1", "1e999", "nan", "../../x", "x" * 9_000, "query:a.webp", "\u202e", "&=&=",
           "hub:a/b", "[" * 900, "+", "%", "1.00001")  # fmt: skip
_RAW_PLACES = ("%ff%fe", "%ed%a0%bd", "%00", "%u0041", "%", "&&&&", ";", "=")  # half a character, and no escapes at all


def of_bytes(data: bytes, rng: random.Random) -> bytes:
    """A file with one kind of damage."""
    made = rng.choice((_flip, _extreme, _extreme, _cut, _insert, _repeat))(bytearray(data), rng)
    return _with_checksums(made) if made.startswith(_PNG) and rng.random() < 0.7 else made


def of_json(data: bytes, rng: random.Random) -> bytes:
    """JSON, or lines of it, with one value or more replaced by a hostile one; now and then damaged as bytes."""
    if rng.random() < 0.2:
        return of_bytes(data, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        found = list(_VALUES.finditer(data))
        if not found:
            break
        place = rng.choice(found)
        hostile = rng.choice(HOSTILE).encode()
        if place[0] in (b"[", b"{"):
            hostile = rng.choice((b"[", b"{", b"", hostile))
        data = data[: place.start()] + hostile + data[place.end() :]
    return data


def of_address(data: bytes, rng: random.Random) -> bytes:
    """A page's query string with values that are not what their keys say."""
    pairs = data.decode().split("&")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(pairs))
        key, _, value = pairs[at].partition("=")
        change = rng.randrange(5)
        if change == 0:
            value = quote(rng.choice(_PLACES))
        elif change == 1:
            value = rng.choice(_RAW_PLACES)
        elif change == 2:
            key, value = rng.choice(pairs).partition("=")[::2]
        elif change == 3:
            value = quote("".join(chr(rng.randrange(1, 0xD800)) for _ in range(rng.randint(1, 40))))
        else:
            value = quote(value + rng.choice(_PLACES))
        pairs[at] = f"{key}={value}"
    return "&".join(pairs).encode()


def _flip(data: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _extreme(data: bytearray, rng: random.Random) -> bytes:
    """An extreme number of two, four or eight bytes behind the name of a field, or in the header."""
    form = rng.choice(("<I", "<I", ">I", ">I", "<Q", ">H"))
    size = struct.calcsize(form)
    if len(data) < size:
        return _flip(data, rng)
    places = [at for field in FIELDS if (at := data.find(field)) >= 0]
    at = rng.choice(places) + rng.randrange(2, 52) if places and rng.random() < 0.8 else rng.randrange(600)
    at = min(at, len(data) - size)
    data[at : at + size] = struct.pack(form, rng.choice(EXTREMES) & (1 << (8 * size)) - 1)
    return bytes(data)


def _cut(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data[: rng.randrange(len(data))])


def _insert(data: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.randint(1, 64))
    return bytes(data)


def _repeat(data: bytearray, rng: random.Random) -> bytes:
    """A piece of the file stands where another did."""
    size = min(len(data), rng.choice((4, 16, 64, 512)))
    source, target = rng.randrange(len(data) - size + 1), rng.randrange(len(data) - size + 1)
    data[target : target + size] = data[source : source + size]
    return bytes(data)


def _with_checksums(data: bytes) -> bytes:
    """A PNG whose checksums fit its damaged chunks: else every one is refused for them alone."""
    made, at = bytearray(data), _PNG_HEAD
    while at + 12 <= len(made):
        size = int.from_bytes(made[at : at + 4], "big")
        end = at + 8 + size
        if end + 4 > len(made):
            break
        made[end : end + 4] = struct.pack(">I", zlib.crc32(made[at + 4 : end]))
        at = end + 4
    return bytes(made)
