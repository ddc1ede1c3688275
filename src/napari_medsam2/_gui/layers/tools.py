"""The prompt tools: each makes or selects its layer in the viewer and switches the drawing mode on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes
from qtpy.QtCore import QTimer

from .coordinates import measure_in, world_units
from .layout import Layout
from .pen import MODES, Pen, Stroke, says_not
from .prompt_layers import arm, new_boxes_layer, new_points_layer, new_strokes_layer

Tool = Literal["point", "box", "scribble", "lasso", "polygon", "mask"]


class PromptTools:
    """Our prompt layers on one image.

    Parameters
    ----------
    viewer, image, layout
        Where the layers go and what they lie on.
    made
        Called with each new layer, before it is shown.
    drawn
        Called with each scribble, lasso and polygon.
    changed
        Called when a polygon is begun, and when it is closed or dropped.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        layout: Layout,
        made: Callable[[Layer], None],
        drawn: Callable[[Stroke], None],
        changed: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._image = image
        self._layout = layout
        self._made = made
        self._drawn = drawn
        self._changed = changed
        self.points: Points | None = None
        self.boxes: Shapes | None = None
        self.pen: Pen | None = None
        self.object_id = 1
        self.positive = True

    @property
    def sources(self) -> list[Layer]:
        """Those of our layers that were made and hold prompts."""
        return [layer for layer in (self.points, self.boxes) if layer is not None]

    @property
    def layers(self) -> list[Layer]:
        """Those of our layers that were made."""
        return [*self.sources, *([self.pen.layer] if self.pen is not None else [])]

    @property
    def drawing(self) -> bool:
        """True while a polygon is open."""
        return self.pen is not None and self.pen.drawing

    def take(self, layers: list[Layer]) -> None:
        """Use these layers, made for the same image and still empty, instead of making others."""
        for layer in layers:
            if layer in self._viewer.layers and layer.ndim == self._image.ndim:
                if isinstance(layer, Points):
                    self.points = layer
                elif isinstance(layer, Shapes) and "object" in layer.features:
                    self.boxes = layer
                elif isinstance(layer, Shapes):
                    self.pen = Pen(layer, self._drawn, self._changed)
                self.reopen(layer)
                self._made(layer)

    def make_all(self) -> None:
        """Make those layers that were not needed yet, to show prompts that come from elsewhere."""
        self._points_layer()
        self._boxes_layer()

    def _points_layer(self) -> Points:
        if self.points is None:
            self.points = new_points_layer(self._image, self._layout)
            self._add(self.points)
        return self.points

    def _boxes_layer(self) -> Shapes:
        if self.boxes is None:
            self.boxes = new_boxes_layer(self._image, self._layout)
            self._add(self.boxes)
        return self.boxes

    def _pen(self) -> Pen:
        if self.pen is None:
            self.pen = Pen(new_strokes_layer(self._image, self._layout), self._drawn, self._changed)
            self._add(self.pen.layer)
        return self.pen

    def forget(self, layer: Layer) -> None:
        """Take note that a layer of ours is gone."""
        if layer is self.points:
            self.points = None
        if layer is self.boxes:
            self.boxes = None
        if self.pen is not None and layer is self.pen.layer:
            self.pen.let_go()
            self.pen = None

    def close(self) -> None:
        """Leave all layers to napari."""
        for layer in self.sources:
            if self._on_press in layer.mouse_drag_callbacks:
                layer.mouse_drag_callbacks.remove(self._on_press)
        if self.pen is not None:
            self.pen.let_go()

    def reopen(self, layer: Layer) -> None:
        """Heed the mouse in a layer of ours again."""
        if self.pen is not None and layer is self.pen.layer:
            self.pen.take_up()
        elif self._on_press not in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.insert(0, self._on_press)  # before napari, which draws

    def tool_of(self, layer: Layer | None, output: Labels | None) -> str:
        """Say which tool is in use when this layer is the active one."""
        if layer is None:
            return ""
        if layer is self.points and self.points.mode == "add":
            return "point"
        if layer is self.boxes and self.boxes.mode == "add_rectangle":
            return "box"
        if self.pen is not None and layer is self.pen.layer:
            return MODES.get(self.pen.layer.mode, "")
        if layer is output and output.mode in ("paint", "erase", "fill", "polygon"):
            return "mask"
        return ""

    def use(self, tool: Tool, object_id: int, positive: bool, output: Callable[[], Labels]) -> None:
        """Activate a tool for this object. ``output`` gives the layer in which masks are painted."""
        if self._viewer.dims.ndisplay == 3:
            self._viewer.dims.ndisplay = 2
        if self.pen is not None:
            self.pen.finish()
        layer: Layer
        if tool == "point":
            layer, mode = self._points_layer(), "add"
        elif tool == "box":
            layer, mode = self._boxes_layer(), "add_rectangle"
        elif tool == "mask":
            layer, mode = output(), "paint" if positive else "erase"
        else:
            layer, mode = self._pen().layer, next(mode for mode, drawn in MODES.items() if drawn == tool)
        if layer in self.layers:
            measure_in(world_units(self._viewer) or self._image.units, layer)
        self.aim(object_id, positive, layer)
        self._viewer.layers.selection.active = layer
        layer.visible = True
        layer.mode = mode

    def aim(self, object_id: int, positive: bool, *layers: Layer | None) -> None:
        """Make the next prompt go to this object, with this sign."""
        self.object_id, self.positive = object_id, positive
        if self.pen is not None:
            self.pen.positive = positive
        for layer in {*self.sources, *(layer for layer in layers if layer is not None)}:
            if isinstance(layer, Labels):
                layer.selected_label = object_id
                if layer.mode in ("paint", "erase"):
                    layer.mode = "paint" if positive else "erase"
            elif self.pen is None or layer is not self.pen.layer:
                arm(layer, object_id, positive)

    def click(self, data: npt.NDArray[np.float64], positive: bool) -> None:
        """Click at these places, data coordinates of the points layer ``(N, ndim)``, for the current object."""
        active = self._viewer.layers.selection.active
        layer = self._points_layer()
        self._viewer.layers.selection.active = active  # a new layer would take the pen out of the user's hand
        arm(layer, self.object_id, positive)
        layer.add(data)
        self._aim_again()

    def _on_press(self, layer: Points | Shapes, event: Any) -> Iterator[None]:
        """Give what is drawn now the sign that the mouse says."""
        if not (self.positive and layer.mode.startswith("add") and says_not(event)):
            return
        arm(layer, self.object_id, False)
        event.handled = True  # with the right button the camera would zoom
        yield
        while event.type == "mouse_move":
            event.handled = True
            yield
        QTimer.singleShot(0, self._aim_again)  # napari draws when the button is released, after this

    def _aim_again(self) -> None:
        for layer in self.sources:
            arm(layer, self.object_id, self.positive)

    def _add(self, layer: Layer) -> None:
        self.reopen(layer)
        self._made(layer)
        self._viewer.add_layer(layer)


def place_below(viewer: ViewerModel, layer: Layer, above: list[Layer]) -> None:
    """Add a layer below these and leave the user's selection as it is."""
    active = viewer.layers.selection.active
    selected: set[Any] = set(viewer.layers.selection)
    at = min((viewer.layers.index(other) for other in above if other in viewer.layers), default=len(viewer.layers))
    viewer.layers.insert(at, layer)
    if selected:
        viewer.layers.selection.clear()
        viewer.layers.selection.update(selected)
        viewer.layers.selection.active = active
