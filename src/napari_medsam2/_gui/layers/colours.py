"""The colours of objects and of green and red prompts."""

from __future__ import annotations

POSITIVE = "#1fd45f"
NEGATIVE = "#ff3b3b"


#: Colours of objects 1, 2, ...; they repeat. Neither the green nor the red of clicks.
PALETTE = ("#3fa7ff", "#ffb000", "#c77dff", "#ffe14d", "#00d5c8", "#ff7ab8", "#b8a07a", "#8ea2ff", "#ff8652", "#a6e3ff")


def object_colour(object_id: int) -> str:
    """The colour of an object, as hexadecimal red, green and blue."""
    return PALETTE[(object_id - 1) % len(PALETTE)]
