"""The colours of objects and of green and red prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.utils.colormaps import DirectLabelColormap

POSITIVE = "#1fd45f"
NEGATIVE = "#ff3b3b"
#: Shapes of clicks, for those who cannot tell these colours.
SYMBOLS = {True: "disc", False: "x"}

#: Colours of objects 1, 2, ...; they repeat. Neither the green nor the red of clicks.
PALETTE = ("#3fa7ff", "#ffb000", "#c77dff", "#ffe14d", "#00d5c8", "#ff7ab8", "#b8a07a", "#8ea2ff", "#ff8652", "#a6e3ff")


def object_colour(object_id: int) -> str:
    """The colour of an object, as hexadecimal red, green and blue."""
    return PALETTE[(object_id - 1) % len(PALETTE)]


def label_colours(own: Mapping[int, str] | None = None) -> DirectLabelColormap:
    """The colours of a Labels layer: objects have those of the dock, or ``own`` ones, by their numbers."""
    colours: dict[int | None, Any] = {None: "#bbbbbb", 0: "transparent"}
    colours.update({number: object_colour(number) for number in range(1, 256)})
    for number, colour in (own or {}).items():
        colours[number] = colour
    return DirectLabelColormap(color_dict=colours)
