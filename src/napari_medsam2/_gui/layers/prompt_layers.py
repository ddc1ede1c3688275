"""Our own prompt layers: points, boxes and strokes of a user, made, aimed at an object, and filled after an undo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari.layers import Image, Layer, Points, Shapes

from ...prompts import BoxPrompt, PointPrompt, Prompt
from .colours import NEGATIVE, POSITIVE, SYMBOLS, object_colour
from .coordinates import placed_like
from .layout import Layout


def new_points_layer(image: Image, layout: Layout) -> Points:
    """Make an empty layer for clicks, with features ``object`` and ``positive``."""
    size = float(np.clip(min(layout.frame_shape) / 50, 1.5, 20))
    layer = Points(
        ndim=image.ndim,
        name=f"{image.name} points",
        features={"object": np.zeros(0, int), "positive": np.zeros(0, bool)},
        size=size,
        border_width=0.15,
        out_of_slice_display=False,
        **placed_like(image, layout),
    )
    arm(layer, 1, True)
    return layer


def new_boxes_layer(image: Image, layout: Layout) -> Shapes:
    """Make an empty layer for boxes, with features ``object`` and ``positive``."""
    layer = Shapes(
        ndim=image.ndim,
        name=f"{image.name} boxes",
        features={"object": np.zeros(0, int), "positive": np.zeros(0, bool)},
        face_color="transparent",
        edge_width=max(0.5, min(layout.frame_shape) / 200),
        **placed_like(image, layout),
    )
    arm(layer, 1, True)
    return layer


def new_strokes_layer(image: Image, layout: Layout) -> Shapes:
    """Make an empty layer in which strokes are drawn; none stays in it."""
    return Shapes(ndim=image.ndim, name=f"{image.name} strokes", face_color="transparent", **placed_like(image, layout))


def arm(layer: Layer, object_id: int, positive: bool) -> None:
    """Make a prompt layer of ours give its next prompt to this object."""
    if isinstance(layer, Points):
        layer.selected_data = set()
        layer.feature_defaults = {"object": object_id, "positive": positive}
        layer.current_face_color = POSITIVE if positive else NEGATIVE
        layer.current_border_color = object_colour(object_id)
        layer.current_symbol = SYMBOLS[positive]
    elif isinstance(layer, Shapes):
        layer.selected_data = set()
        layer.feature_defaults = {"object": object_id, "positive": positive}
        layer.current_edge_color = object_colour(object_id) if positive else NEGATIVE
        layer.current_face_color = "transparent"


def fill_prompt_layer(layer: Layer, prompts: Sequence[Prompt], layout: Layout) -> None:
    """Make a prompt layer of ours show exactly these prompts (after an undo)."""
    if isinstance(layer, Points):
        points = [p for p in prompts if isinstance(p, PointPrompt)]
        layer.selected_data = set()
        layer.data = layout.on_level(np.array([(p.frame, p.y, p.x) for p in points]).reshape(-1, 3))
        layer.features = {"object": [p.object_id for p in points], "positive": [p.positive for p in points]}
        if points:
            layer.face_color = [POSITIVE if p.positive else NEGATIVE for p in points]
            layer.border_color = [object_colour(p.object_id) for p in points]
            layer.symbol = [SYMBOLS[p.positive] for p in points]
    elif isinstance(layer, Shapes):
        boxes = [p for p in prompts if isinstance(p, BoxPrompt)]
        layer.selected_data = set()
        layer.data = []
        for box in boxes:
            y, x = np.array([box.y0, box.y0, box.y1, box.y1]), np.array([box.x0, box.x1, box.x1, box.x0])
            corners = layout.on_level(np.column_stack([np.full(4, box.frame), y, x]))
            edge = object_colour(box.object_id)
            layer.add(corners, shape_type="rectangle", edge_color=edge, face_color="transparent")
        layer.features = {"object": [box.object_id for box in boxes], "positive": [True] * len(boxes)}
