"""The colours of objects and of green and red prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from napari.layers import Layer, Points, Shapes
from napari.utils.colormaps import DirectLabelColormap

POSITIVE = "#1fd45f"
NEGATIVE = "#ff3b3b"
#: Shapes of clicks, for those who cannot tell these colours.
SYMBOLS = {True: "disc", False: "x"}

#: Colours of objects 1, 2, ...; they repeat. Neither the green nor the red of clicks.
PALETTE = ("#3fa7ff", "#ffb000", "#c77dff", "#ffe14d", "#00d5c8", "#ff7ab8", "#b8a07a", "#8ea2ff", "#ff8652", "#a6e3ff")


#: Without numba napari has colours of their own for no larger numbers, and raises where it is given one.
_LARGEST_COLOURED = 2**16


def object_colour(object_id: int) -> str:
    """The colour of an object, as hexadecimal red, green and blue."""
    return PALETTE[(object_id - 1) % len(PALETTE)]


def label_colours(own: Mapping[int, str] | None = None) -> DirectLabelColormap:
    """The colours of a Labels layer: objects have those of the dock, or ``own`` ones, by their numbers."""
    colours: dict[int | None, Any] = {None: "#bbbbbb", 0: "transparent"}
    colours.update({number: object_colour(number) for number in range(1, 1024)})
    colours.update({number: colour for number, colour in (own or {}).items() if number <= _LARGEST_COLOURED})
    return DirectLabelColormap(color_dict=colours)


def recolour(layers: Iterable[Layer], colour_of: Callable[[int], str], *, aimed_at: int | None = None) -> None:
    """Give prompts in layers of ours the colours of their objects.

    Parameters
    ----------
    layers
        Points and Shapes layers with the features ``object`` and ``positive``; others stay.
    colour_of
        Gives the colour of an object.
    aimed_at
        Only the next prompt, which goes to this object.
    """
    for layer in layers:
        if "object" not in layer.features:
            continue
        numbers = [_number(value) for value in layer.features["object"]]
        signs = [bool(value) for value in layer.features["positive"]]
        positive = bool(layer.feature_defaults["positive"].iloc[0])
        if aimed_at is not None:
            if isinstance(layer, Points):
                layer.current_border_color = colour_of(aimed_at)
            elif isinstance(layer, Shapes) and positive:
                layer.current_edge_color = colour_of(aimed_at)
        elif numbers and isinstance(layer, Points):
            layer.border_color = [colour_of(number) for number in numbers]
        elif numbers and isinstance(layer, Shapes):
            pairs = zip(numbers, signs, strict=True)
            layer.edge_color = [colour_of(number) if sign else NEGATIVE for number, sign in pairs]


def _number(value: Any) -> int:
    """A number of a table of features, which napari may have made a float; 0 for none."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0
