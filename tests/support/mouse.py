"""A mouse over the canvas, without a window: napari's own functions hand its events to a layer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from napari.utils.interactions import (
    mouse_double_click_callbacks,
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)


class Mouse:
    """Draws on the active layer of a viewer.

    Places are data coordinates of an image of that viewer, as long as its axes; ten pixels of the screen are one unit.
    """

    def __init__(self, viewer, image) -> None:
        self._viewer = viewer
        self._image = image
        self._held = False

    def _event(self, kind: str, at, *, button: int = 1, modifiers=()) -> SimpleNamespace:
        dims = self._viewer.dims
        world = self._image.data_to_world(at)
        shown = [at[axis - dims.ndim + len(at)] for axis in dims.displayed]
        return SimpleNamespace(
            type=kind,
            position=world,
            pos=10 * np.array(shown[::-1], float),
            button=button,
            modifiers=modifiers,
            dims_displayed=list(dims.displayed),
            dims_point=list(dims.point),
            camera_zoom=10.0,
            view_direction=None,
            handled=False,
            is_dragging=kind == "mouse_move" and bool(self._held),
        )

    def drag(self, *places, button: int = 1, modifiers=()) -> None:
        """Press the button at the first place, go to the others, let it go."""
        layer = self._viewer.layers.selection.active
        event = self._event("mouse_press", places[0], button=button, modifiers=modifiers)
        mouse_press_callbacks(layer, event)
        self._held = True
        for place in places[1:]:
            vars(event).update(vars(self._event("mouse_move", place, button=button, modifiers=modifiers)))
            mouse_move_callbacks(layer, event)
        vars(event).update(vars(self._event("mouse_release", places[-1], button=button, modifiers=modifiers)))
        mouse_release_callbacks(layer, event)
        self._held = False

    def click(self, place, **how) -> None:
        """Press the button and let it go."""
        self.drag(place, **how)

    def move(self, place) -> None:
        """Go to a place without pressing anything."""
        mouse_move_callbacks(self._viewer.layers.selection.active, self._event("mouse_move", place))

    def double_click(self, place, **how) -> None:
        """Click twice: napari tells of the second one in another way."""
        self.click(place, **how)
        layer = self._viewer.layers.selection.active
        mouse_double_click_callbacks(layer, self._event("mouse_double_click", place, **how))
