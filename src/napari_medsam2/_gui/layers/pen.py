"""The pen: scribbles, lassos and polygons that are drawn with the mouse in a Shapes layer of ours.

The layer shows a stroke while it is drawn, and is empty otherwise. napari's own tools of the same names go on drawing
after a click without a drag, keep a corner for each ten pixels of the screen only, take the right mouse button for the
left one, and have no way back; so the pen draws by itself while one of them is on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes
from napari.utils.events import Event

from .colours import NEGATIVE, POSITIVE

StrokeTool = Literal["scribble", "lasso", "polygon"]

#: napari's modes of a Shapes layer in which the pen draws.
MODES: dict[str, StrokeTool] = {"add_path": "scribble", "add_polygon_lasso": "lasso", "add_polygon": "polygon"}
#: What is drawn by other means in the layer: strokes all the same.
_KINDS: dict[str, StrokeTool] = {"line": "scribble", "path": "scribble"}
#: Pixels of the screen: how far the mouse goes from corner to corner, and how near to the first one closes a polygon.
_STEP, _NEAR, _WIDTH = 2.0, 8.0, 2.5
#: Showing a stroke takes time, in which moves of the mouse are lost: it is left alone for so many times as long.
_PAUSE = 3.0


@dataclass(frozen=True, eq=False)
class Stroke:
    """What was drawn: corners ``(N, ndim)`` in the data coordinates of the pen's layer."""

    tool: StrokeTool
    corners: npt.NDArray[np.float64]
    positive: bool


def says_not(event: Any) -> bool:
    """True if a press of the mouse says "not part of it": with Ctrl, or with the right button."""
    return "Control" in event.modifiers or event.button == 2


class Pen:
    """Draws in one layer.

    Parameters
    ----------
    layer
        Of ours, and empty.
    drawn
        Called with each stroke that is finished.
    changed
        Called when a polygon is begun, and when it is closed or dropped.
    """

    def __init__(self, layer: Shapes, drawn: Callable[[Stroke], None], changed: Callable[[], None]) -> None:
        self.layer = layer
        self.positive = True
        self._drawn = drawn
        self._changed = changed
        self._tool: StrokeTool | None = None  # of the stroke that is being drawn
        self._corners: list[npt.NDArray[np.float64]] = []
        self._places: list[npt.NDArray[np.float64]] = []  # of the corners, on the screen
        self._slice: tuple[float, ...] = ()
        self._sign = True
        self._width = 1.0
        self._next_show = 0.0
        self._showing = False
        self._heeding = False

    def take_up(self) -> None:
        """Heed the mouse."""
        if not self._heeding:
            self._heeding = True
            self.layer.events.mode.connect(self._on_mode)
            self.layer.events.data.connect(self._on_data)
            self._on_mode()

    def let_go(self) -> None:
        """Leave the layer to napari."""
        if not self._heeding:
            return
        self.drop()
        self._heeding = False
        self.layer.events.mode.disconnect(self._on_mode)
        self.layer.events.data.disconnect(self._on_data)
        self.layer.mode = "pan_zoom"
        for callbacks, own in self._callbacks():
            if own in callbacks:
                callbacks.remove(own)

    @property
    def drawing(self) -> bool:
        """True while a polygon is open."""
        return self._tool == "polygon"

    def take_back(self) -> None:
        """Take back the latest corner of the open polygon."""
        if len(self._corners) <= 1:
            self.drop()
        else:
            del self._corners[-1], self._places[-1]
            self._show(self._corners)

    def drop(self) -> None:
        """Forget the stroke that is being drawn."""
        if self._tool is not None:
            self._tool, self._corners, self._places = None, [], []
            self._show([])
            self._changed()

    def finish(self) -> None:
        """Close the open polygon as it is."""
        if self._tool is not None:
            stroke = Stroke(self._tool, np.array(self._corners), self._sign)
            self.drop()
            self._drawn(stroke)

    # ---- the mouse ---------------------------------------------------------------------------------------------------

    def _callbacks(self) -> tuple[tuple[list[Callable[..., Any]], Callable[..., Any]], ...]:
        layer = self.layer
        return (
            (layer.mouse_drag_callbacks, self._on_drag),
            (layer.mouse_move_callbacks, self._on_move),
            (layer.mouse_double_click_callbacks, self._on_double_click),
        )

    def _on_mode(self, event: Event | None = None) -> None:
        """Draw instead of napari in the modes of the pen, and leave the mouse to it in the others."""
        mine = self.layer.mode in MODES
        for callbacks, own in self._callbacks():
            if mine:
                callbacks[:] = [own]
            elif own in callbacks:
                callbacks.remove(own)
        if MODES.get(self.layer.mode) != self._tool and self.layer.mode != "pan_zoom":  # that is the space bar
            self.finish()

    def _on_drag(self, layer: Shapes, event: Any) -> Iterator[None]:
        event.handled = True  # the camera stays where it is
        if len(event.dims_displayed) != 2:
            return
        tool = MODES[layer.mode]
        place, corner = np.array(event.pos, float), np.asarray(layer.world_to_data(event.position), float)
        if self.drawing and _slice_of(event) != self._slice:
            self.finish()  # it stays where it was begun
        if self.drawing:
            closes = len(self._corners) > 2 and np.hypot(*(place - self._places[0])) < _NEAR
            self.finish() if closes else self._add(place, corner)
            return
        self._tool, self._sign = tool, self.positive and not says_not(event)
        self._width = _WIDTH / event.camera_zoom / float(np.mean(np.abs(layer.scale[-2:])))
        self._slice, self._corners, self._places = _slice_of(event), [], []
        self._add(place, corner)
        if tool == "polygon":
            self._changed()
            return
        yield
        moves = True
        while moves:  # ends with where the button is released
            event.handled, moves = True, event.type == "mouse_move"
            place = np.array(event.pos, float)
            if self._tool == tool and np.hypot(*(place - self._places[-1])) >= _STEP:
                self._add(place, np.asarray(layer.world_to_data(event.position), float))
            if moves:
                yield
        if self._tool == tool:
            self.finish()

    def _on_move(self, layer: Shapes, event: Any) -> None:
        """Show where the next corner of a polygon would be."""
        if self.drawing and _slice_of(event) == self._slice:
            self._show([*self._corners, np.asarray(layer.world_to_data(event.position), float)])

    def _on_double_click(self, layer: Shapes, event: Any) -> None:
        if self.drawing:
            self.finish()

    def _add(self, place: npt.NDArray[np.float64], corner: npt.NDArray[np.float64]) -> None:
        self._corners.append(corner)
        self._places.append(place)
        if self.drawing or perf_counter() > self._next_show:  # corners that are not shown yet are not lost
            began = perf_counter()
            self._show(self._corners)
            self._next_show = perf_counter() + _PAUSE * (perf_counter() - began)

    def _show(self, corners: Sequence[npt.NDArray[np.float64]]) -> None:
        self._showing = True
        try:
            if len(self.layer.data):
                self.layer.data = []
            if len(corners) > 1:
                colour = POSITIVE if self._sign else NEGATIVE
                self.layer.add(np.array(corners), shape_type="path", edge_color=colour, edge_width=self._width)
        finally:
            self._showing = False

    # ---- what is drawn by other means --------------------------------------------------------------------------------

    def _on_data(self, event: Event) -> None:
        """Take shapes that were drawn with other tools of napari, or put there by a script, as what they are."""
        if self._showing or not str(event.action).lower().endswith("added"):
            return
        found = [
            Stroke(_KINDS.get(kind, "polygon"), outline_of(kind, corners), self.positive)
            for corners, kind in zip(self.layer.data, self.layer.shape_type, strict=True)
        ]
        self._show([])
        for stroke in found:
            self._drawn(stroke)


def _slice_of(event: Any) -> tuple[float, ...]:
    """Where the sliders are, and which axes have one."""
    hidden = [axis for axis in range(len(event.dims_point)) if axis not in event.dims_displayed]
    return (*hidden, *(event.dims_point[axis] for axis in hidden))


def outline_of(kind: str, corners: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The outline of a shape, ``(N, ndim)``; of an ellipse napari keeps the corners of the rectangle around it."""
    box = np.asarray(corners, float)
    if kind != "ellipse":
        return box
    first, second, _, last = box
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    return np.asarray(box.mean(axis=0) + np.cos(turn) * (second - first) / 2 + np.sin(turn) * (last - first) / 2)
