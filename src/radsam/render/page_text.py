"""Text and the colours of a page."""

from __future__ import annotations

import unicodedata

from PIL import Image, ImageDraw, ImageFont

from radsam.volume.object_colours import Colour

PAGE_COLOUR: Colour = (15, 18, 22)
TEXT_COLOUR: Colour = (230, 232, 235)
DIM_COLOUR: Colour = (150, 156, 163)


def write_text(
    page: Image.Image,
    at: tuple[int, int],
    text: str,
    size: int,
    *,
    colour: Colour = TEXT_COLOUR,
    anchor: str = "lt",
    width: int | None = None,
    halo: bool = False,
) -> None:
    """Write one line; text longer than `width` ends in dots, and a black `halo` sets it off from a picture.

    `at` is the place of Pillow's `anchor` ("ls": left end of the baseline). Letters that Pillow's font lacks
    lose their accents or become "?".
    """
    font = ImageFont.load_default(size=size)
    text = _printable(text)
    if width is not None and font.getlength(text) > width:
        while text and font.getlength(f"{text}...") > width:
            text = text[:-1]
        text = f"{text.rstrip()}..."
    ImageDraw.Draw(page).text(
        at, text, font=font, fill=colour, anchor=anchor, stroke_width=2 if halo else 0, stroke_fill=(0, 0, 0)
    )


def _printable(text: str) -> str:
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return "".join(each if " " <= each <= "~" else "?" for each in plain)
