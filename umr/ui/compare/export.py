"""A comparison to take away: as JSON, and as a picture for a slide. Drawn with PIL; nothing is written to disk."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from umr import media
from umr.errors import MediaError
from umr.types import KIND_OF, Candidate, Result
from umr.ui.compare.columns import title
from umr.ui.compare.comparison import DEPTH, Comparison, as_rows
from umr.ui.kinds import choice_of

RANKS = 6  # in the picture
MARGIN, NAME, TILE, GAP, TOP, CAPTION, BELOW = 56, 264, 196, 20, 236, 34, 26  # px
WIDTH = 2 * MARGIN + NAME + RANKS * TILE + (RANKS - 1) * GAP
INK, MUTED, PAPER, SURFACE, LINE, ACCENT, RIGHT = (
    "#1b1c20",
    "#5c5d64",
    "#f6f5f2",
    "#ffffff",
    "#e2e0da",
    "#2f4bc7",
    "#1a7a3c",
)
ENTRY, LEADING = 118, 23  # px: height of an entry's picture, of a line of text
LONGEST = 300  # characters of a text that could ever fit
FRAMES = 8  # a clip is shown by the middle one of them


def as_json(found: Comparison) -> str:
    """The query's words and kind, what answered it and when, and everything of umr.ui.compare.comparison.as_rows."""
    asked = {"text": found.text, "picture": bool(found.picture), "search_in": found.search_in}
    prints = {} if found.blind else dict(found.prints)
    made: dict[str, object] = {
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "collection": found.collection,
    }
    if found.reranker and not found.blind:
        made |= {"reranker": dict(found.reranker)}
    return (
        json.dumps({"query": asked, "made": made | {"encoders": prints}} | as_rows(found), indent=1, ensure_ascii=False)
        + "\n"
    )


def as_png(found: Comparison) -> bytes:
    """A picture of the query above one row per model: its name, then its first six results; targets in green."""
    row = CAPTION + TILE + BELOW
    canvas = Image.new("RGB", (WIDTH, TOP + len(found.models) * row + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(canvas)
    _query(canvas, draw, found)
    for number, (name, label) in enumerate(zip(found.models, found.labels, strict=True)):
        top = TOP + number * row
        draw.line((MARGIN, top - BELOW // 2, WIDTH - MARGIN, top - BELOW // 2), LINE, 2)
        _model(draw, found, name, label, top + CAPTION)
        for place, result in enumerate(found.results(name, RANKS)):
            left = MARGIN + NAME + place * (TILE + GAP)
            _result(canvas, draw, found, name, result, left, top)
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def _query(canvas: Image.Image, draw: ImageDraw.ImageDraw, found: Comparison) -> None:
    left, side = MARGIN, TOP - MARGIN - 2 * BELOW
    if found.picture:
        _paste(canvas, Image.open(io.BytesIO(found.picture)).convert("RGB"), left, MARGIN, side, side)
        left += side + 28
    words = f"“{found.text}”" if found.text else "More like this picture"
    width = WIDTH - MARGIN - left
    lines = _wrap(draw, words, _font(40), width, 2)
    for number, line in enumerate(lines):
        draw.text((left, MARGIN + 50 * number), line, INK, _font(40))
    what = choice_of(found.search_in).lower()
    facts = f"Searched in {what}" + (f" · benchmark query {found.asked}" if found.asked else "")
    facts += f" · {datetime.now(UTC):%Y-%m-%d}"
    draw.text((left, MARGIN + 50 * len(lines) + 14), facts, MUTED, _font(24))


def _model(draw: ImageDraw.ImageDraw, found: Comparison, name: str, label: str, top: int) -> None:
    for line in _wrap(draw, title(label), _font(32), NAME - 24, 2):
        draw.text((MARGIN, top), line, INK, _font(32))
        top += 40
    recall, best = found.recall(name), found.best_target(name)
    if recall is not None:
        draw.text((MARGIN, top + 8), f"found at {best}" if best else f"not in the first {DEPTH}", INK, _font(22))


def _result(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, found: Comparison, name: str, result: Result, left: int, top: int
) -> None:
    candidate, target = result.candidate, result.hit.candidate_id in found.told
    draw.text((left, top + 2), str(result.hit.rank), RIGHT if target else INK, _font(24))
    note = "target" if target else "only here" if found.only_in(result.hit.candidate_id, name) else ""
    draw.text((left + TILE, top + 4), note, RIGHT if target else ACCENT, _font(20), anchor="ra")
    _tile(canvas, draw, candidate, left, top + CAPTION)
    if target:
        draw.rectangle((left - 5, top + CAPTION - 5, left + TILE + 4, top + CAPTION + TILE + 4), outline=RIGHT, width=6)


def _picture(candidate: Candidate) -> Image.Image | None:
    """What an item looks like, None for a passage and for a file that cannot be read (any more)."""
    content = candidate.content
    try:
        if content.video is not None:
            return Image.fromarray(media.sample_frames(content.video, FRAMES, content.span)[FRAMES // 2])
        return None if content.image is None else media.open_image(content.image)
    except MediaError:
        return None


def _tile(canvas: Image.Image, draw: ImageDraw.ImageDraw, candidate: Candidate, left: int, top: int) -> None:
    """A picture, a text, or a picture above a text."""
    picture, words = _picture(candidate), candidate.content.text
    if picture is None:
        words = words or candidate.title or KIND_OF[candidate.content.modality].title
    height = TILE if not words else 0 if picture is None else ENTRY
    draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), SURFACE, LINE, 2)
    if picture is not None:
        _paste(canvas, picture, left, top, TILE, height)
    for number, line in enumerate(_wrap(draw, words or "", _font(18), TILE - 24, (TILE - height - 12) // LEADING)):
        draw.text((left + 12, top + height + 8 + LEADING * number), line, INK, _font(18))


def _paste(canvas: Image.Image, picture: Image.Image, left: int, top: int, width: int, height: int) -> None:
    """The picture's centre, as the page's cards cut it."""
    scale = max(width / picture.width, height / picture.height)
    wide, high = min(picture.width, width / scale), min(picture.height, height / scale)
    x, y = (picture.width - wide) / 2, (picture.height - high) / 2
    box = (x, y, x + wide, y + high)
    canvas.paste(picture.resize((width, height), Image.Resampling.LANCZOS, box=box), (left, top))


def _wrap(draw: ImageDraw.ImageDraw, words: str, font: ImageFont.FreeTypeFont, width: int, most: int) -> list[str]:
    """The words in at most so many lines of so many px; an ellipsis where there were more. A too long word is cut."""
    lines, space = [""], draw.textlength(" ", font)
    used = -space
    for word in words[:LONGEST].split():
        length = draw.textlength(word, font)
        if used + space + length > width and lines[-1]:
            if len(lines) == most:
                lines[-1] += " …"
                break
            lines.append("")
            used = -space
        lines[-1] = f"{lines[-1]} {word}".lstrip()
        used += space + length
    return [_cut(draw, line, font, width) for line in lines]


def _cut(draw: ImageDraw.ImageDraw, line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while draw.textlength(line, font) > width:
        line = line.removesuffix("…").rstrip()[:-1] + "…"
    return line


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise MediaError("this Pillow has no scalable font; install one that was built with FreeType")
    return font
