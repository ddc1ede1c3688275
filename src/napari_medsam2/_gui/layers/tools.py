"""The three prompt tools: each makes or selects its layer in the viewer and switches the drawing mode on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes

from .coordinates import measure_in, world_units
from .layout import Layout
from .prompt_layers import arm, new_boxes_layer, new_points_layer

Tool = Literal["point", "box", "mask"]


class PromptTools:
    """Our prompt layers on one image.

    Parameters
    ----------
    viewer, image, layout
        Where the layers go and what they lie on.
    made
        Called with each new layer, before it is shown.
    """

    def __init__(self, viewer: ViewerModel, image: Image, layout: Layout, made: Callable[[Layer], None]) -> None:
        self._viewer = viewer
        self._image = image
        self._layout = layout
        self._made = made
        self.points: Points | None = None
        self.boxes: Shapes | None = None

    @property
    def layers(self) -> list[Layer]:
        """Those of our prompt layers that were made."""
        return [layer for layer in (self.points, self.boxes) if layer is not None]

    def take(self, layers: list[Layer]) -> None:
        """Use these layers, made for the same image and still empty, instead of making others."""
        for layer in layers:
            if layer in self._viewer.layers and layer.ndim == self._image.ndim:
                if isinstance(layer, Points):
                    self.points = layer
                elif isinstance(layer, Shapes):
                    self.boxes = layer
                self._made(layer)

    def make_all(self) -> None:
        """Make those layers that were not needed yet, to show prompts that come from elsewhere."""
        if self.points is None:
            self.points = new_points_layer(self._image, self._layout)
            self._add(self.points)
        if self.boxes is None:
            self.boxes = new_boxes_layer(self._image, self._layout)
            self._add(self.boxes)

    def forget(self, layer: Layer) -> None:
        """Take note that a layer of ours is gone."""
        if layer is self.points:
            self.points = None
        if layer is self.boxes:
            self.boxes = None

    def tool_of(self, layer: Layer | None, output: Labels | None) -> str:
        """Say which tool is in use when this layer is the active one."""
        if layer is None:
            return ""
        if layer is self.points and self.points.mode == "add":
            return "point"
        if layer is self.boxes and self.boxes.mode == "add_rectangle":
            return "box"
        if layer is output and output.mode in ("paint", "erase", "fill", "polygon"):
            return "mask"
        return ""

    def use(self, tool: Tool, object_id: int, positive: bool, output: Callable[[], Labels]) -> None:
        """Activate a tool for this object. ``output`` gives the layer in which masks are painted."""
        if self._viewer.dims.ndisplay == 3:
            self._viewer.dims.ndisplay = 2
        layer: Layer
        if tool == "point":
            if self.points is None:
                self.points = new_points_layer(self._image, self._layout)
                self._add(self.points)
            layer, mode = self.points, "add"
        elif tool == "box":
            if self.boxes is None:
                self.boxes = new_boxes_layer(self._image, self._layout)
                self._add(self.boxes)
            layer, mode = self.boxes, "add_rectangle"
        else:
            layer, mode = output(), "paint" if positive else "erase"
        if layer in self.layers:
            measure_in(world_units(self._viewer) or self._image.units, layer)
        self.aim(object_id, positive, layer)
        self._viewer.layers.selection.active = layer
        layer.visible = True
        layer.mode = mode

    def aim(self, object_id: int, positive: bool, *layers: Layer | None) -> None:
        """Make the next prompt go to this object, with this sign."""
        for layer in {*self.layers, *(layer for layer in layers if layer is not None)}:
            if isinstance(layer, Labels):
                layer.selected_label = object_id
                if layer.mode in ("paint", "erase"):
                    layer.mode = "paint" if positive else "erase"
            else:
                arm(layer, object_id, positive)

    def _add(self, layer: Layer) -> None:
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
