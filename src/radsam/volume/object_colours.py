"""The colours of objects in the page, in pictures, and in files that name none of the user's."""

from __future__ import annotations

#: Red, green and blue, 0 to 255.
Colour = tuple[int, int, int]

#: Okabe and Ito's palette for colour-blind readers (2008), its dark tones lightened for a
#: black page and its yellow kept for prompts.
OBJECT_COLOURS: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 190, 140),
    (222, 135, 190),
    (235, 110, 50),
    (120, 150, 255),
    (190, 200, 120),
    (200, 200, 210),
)


def object_colour(number: int) -> Colour:
    """Return the colour of the object with an id (1, 2, …) that the user gave none."""
    return OBJECT_COLOURS[(number - 1) % len(OBJECT_COLOURS)]


def hex_of(colour: Colour) -> str:
    """Write a colour as the web does: "#e69f00"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def rgb_of(text: str) -> Colour:
    """Read a colour that `hex_of` wrote."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue
