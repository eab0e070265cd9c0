"""The picture that other sites show of a link to the page: its promise, and an example query with what it finds.

No Gradio.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from umr import media
from umr.errors import MediaError
from umr.ui.examples import Example
from umr.ui.kinds import picture_file

SIZE = (1200, 630)  # px, what the sites ask for
PROMISE = ("Show a picture.", "Say what should be different.")
MARGIN, QUERY, TILE, GAP, ROW = 72, 200, 200, 20, 340  # px; ROW: where the pictures begin
SHOWN = 3  # results
INK, MUTED, PAPER, ACCENT, LINE = "#1b1c20", "#5c5d64", "#f6f5f2", "#2f4bc7", "#e2e0da"


def card(examples: Sequence[Example]) -> bytes:
    """The picture as PNG bytes.

    Args:
        examples: the first of a picture and words, whose results have pictures, is drawn; without one, words alone.
    """
    canvas = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.rounded_rectangle((MARGIN, 64, MARGIN + 44, 108), 14, ACCENT)
    draw.ellipse((MARGIN + 20, 84, MARGIN + 40, 104), PAPER)
    draw.text((MARGIN + 60, 86), "umr", INK, ImageFont.load_default(34), anchor="lm")
    for number, line in enumerate(PROMISE):
        draw.text((MARGIN, 140 + 72 * number), line, INK, ImageFont.load_default(62))
    shown = next((found for example in examples if (found := _seen(example))), None)
    if shown is not None:
        _draw(canvas, draw, *shown)
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def _seen(example: Example) -> tuple[str, Path, list[Path]] | None:
    """Words, picture and pictures of the first results; None where one of them is missing."""
    found = [file for row in example.results if (file := picture_file(row.candidate.content))][:SHOWN]
    return (example.text, example.image, found) if example.text and example.image and len(found) == SHOWN else None


def _draw(canvas: Image.Image, draw: ImageDraw.ImageDraw, words: str, picture: Path, found: Sequence[Path]) -> None:
    _tile(canvas, draw, picture, MARGIN, QUERY)
    first = SIZE[0] - MARGIN - SHOWN * TILE - (SHOWN - 1) * GAP
    middle = (MARGIN + QUERY + first) // 2
    font = ImageFont.load_default(30)
    draw.text((middle, ROW + QUERY // 2 - 24), f"“{words}”", INK, font, anchor="mm")
    draw.line((middle - 50, ROW + QUERY // 2 + 20, middle + 50, ROW + QUERY // 2 + 20), MUTED, 3)
    tip = ROW + QUERY // 2 + 20
    draw.line(((middle + 38, tip - 10), (middle + 50, tip), (middle + 38, tip + 10)), MUTED, 3)
    for place, file in enumerate(found):
        _tile(canvas, draw, file, first + place * (TILE + GAP), TILE)


def _tile(canvas: Image.Image, draw: ImageDraw.ImageDraw, file: Path, left: int, side: int) -> None:
    """A picture as a square; a frame where it cannot be read (any more)."""
    try:
        canvas.paste(ImageOps.fit(media.open_image(file), (side, side)), (left, ROW))
    except MediaError:
        draw.rectangle((left, ROW, left + side, ROW + side), outline=LINE, width=2)
