"""What strokes of the pen become: a scribble is clicks along it, an outline is painted in the labels as by a brush."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer

from ...errors import PromptError
from ...geometry.strokes import clicks_along, filled
from ...prompts import PointPrompt
from .coordinates import WorldPoint, map_points
from .layout import Layout
from .output import OutputLabels
from .pen import Stroke

_NOUNS = {"scribble": "scribble", "lasso": "outline", "polygon": "outline"}


@dataclass(frozen=True, eq=False)
class PlacedStroke:
    """A stroke on a frame: corners (y, x), ``(N, 2)``, in pixels of the used level."""

    frame: int
    corners: npt.NDArray[np.float64]
    size: tuple[int, int]
    noun: str

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Which corners are on the image."""
        return np.asarray(np.all((self.corners >= -0.5) & (self.corners <= np.array(self.size) - 0.5), axis=1))

    @property
    def note(self) -> str:
        """What became of it where that is not all that was drawn."""
        return "" if self.inside.all() else f"The {self.noun} reaches beyond the image; what is on the image counts."


def placed(stroke: Stroke, layer: Layer, image: Image, layout: Layout, point: WorldPoint) -> PlacedStroke:
    """Find the frame that a stroke in a layer of ours is on.

    Raises
    ------
    PromptError
        If it is on none.
    """
    noun = _NOUNS[stroke.tool]
    data = map_points(stroke.corners, layer, image, point, counted=True)
    if not layout.is_here(data).all():
        raise PromptError(f"The {noun} is at another position of a fixed axis; it is not used.")
    corners = layout.to_frames(data)
    if np.ptp(corners[:, 0]) > 0.5:
        raise PromptError(
            f"The {noun} goes through several frames: the viewer shows another plane than what is segmented. Turn it "
            "back (the button with the cube below the layers), or choose another axis in step 1."
        )
    frame = int(np.round(corners[0, 0]))
    if not 0 <= frame < layout.n_frames:
        raise PromptError(f"The {noun} lies outside the image; it is not used.")
    return PlacedStroke(frame, corners[:, 1:], layout.size_of(frame), noun)


def scribbled(stroke: PlacedStroke, positive: bool, known: Sequence[PointPrompt]) -> npt.NDArray[np.float64]:
    """Clicks (frame, y, x) along a scribble, ``(N, 3)``; none where a ``known`` click says the contrary.

    Raises
    ------
    PromptError
        If none is left.
    """
    clicks = clicks_along(stroke.corners)
    clicks = clicks[np.all((clicks >= -0.5) & (clicks <= np.array(stroke.size) - 0.5), axis=1)]
    if not len(clicks):
        raise PromptError("The scribble lies outside the image; it is not used.")
    taken = {(round(click.y), round(click.x)) for click in known if click.positive != positive}
    clicks = np.array([(y, x) for y, x in clicks if (round(y), round(x)) not in taken]).reshape(-1, 2)
    if not len(clicks):
        raise PromptError("The scribble says the contrary of the clicks below it; delete those first, or undo them.")
    return np.column_stack([np.full(len(clicks), float(stroke.frame)), clicks])


def paint_outline(stroke: PlacedStroke, positive: bool, output: OutputLabels, number: int) -> None:
    """Give the pixels in an outline to an object in the labels, or take from it those of them that it has.

    Raises
    ------
    PromptError
        If there are none.
    """
    within = filled(stroke.corners, stroke.size)
    if not within.any():
        where = "goes around no pixel: drag around what you mean" if stroke.inside.any() else "lies outside the image"
        raise PromptError(f"The outline {where}; it is not used.")
    view = output.frame(stroke.frame)
    if positive:
        if number > np.iinfo(view.dtype).max:
            raise PromptError(f"'{output.layer.name}' cannot hold the label {number}: choose a new layer for results.")
        view[within] = number
        return
    within &= view == number
    if not within.any():
        raise PromptError(f"Object {number} has no pixel within the outline, so nothing is taken away.")
    view[within] = 0
