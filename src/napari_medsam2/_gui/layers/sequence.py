"""One image layer as a sequence of frames in one viewer: which frame is in view, how to go to another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image

from ...images.contrast import Contrast
from ...types import Mode
from .coordinates import per_unit, world_units
from .layout import SIZES_KEY, Layout, axis_name, describe, noun_of, resolve_layout, take_frames
from .mode_guess import guess_mode
from .opened_layers import images_of, is_stack_of_files

#: Axes whose names say that frames follow each other.
_ORDERED = ("z", "t", "time")


class ImageSequence:
    """An image layer and the layout of its axes, fixed at the time of making.

    Raises
    ------
    LayoutError
        If the layer's axes cannot be used.
    """

    def __init__(self, viewer: ViewerModel, image: Image, axis: int | None = None) -> None:
        self.viewer = viewer
        self.image = image
        shapes = image.level_shapes if image.multiscale else [np.shape(image.data)]
        offset = viewer.dims.ndim - image.ndim
        layout = resolve_layout(
            [tuple(shape)[: image.ndim] for shape in shapes],
            rgb=bool(image.rgb),
            order=[a - offset for a in viewer.dims.order if a >= offset],
            position=[float(v) for v in self._position()],
            axis=axis,
        )
        sizes = image.metadata.get(SIZES_KEY, ())
        fits = layout.axis == 0 and layout.plane == (1, 2) and not layout.level and len(sizes) == layout.n_frames
        fits = fits and all(np.all(np.less_equal(size, layout.frame_shape)) for size in sizes)
        self.layout: Layout = replace(layout, sizes=tuple(sizes)) if fits else layout

    def _position(self) -> npt.NDArray[np.float64]:
        """Where the viewer's sliders are, in data coordinates of the image."""
        point = np.asarray(self.viewer.dims.point[-self.image.ndim :]) * per_unit(world_units(self.viewer), self.image)
        return np.asarray(self.image.world_to_data(point), dtype=float)

    def frames(self) -> Any:
        """The pixels ``(frame, y, x[, rgb])``, lazy where the layer is lazy."""
        data = self.image.data[self.layout.level] if self.image.multiscale else self.image.data
        return take_frames(data, self.layout)

    def guess_mode(self) -> tuple[Mode, str]:
        """Guess whether the frames follow each other, and say why."""
        axis = self.layout.axis
        ordered = axis is None or str(self.image.axis_labels[axis]).lower() in _ORDERED
        files = () if ordered else images_of(self.image).files
        each = not ordered and is_stack_of_files(self.image)
        return guess_mode(self.frames(), self.layout, self.image.metadata, files, one_file_each=each)

    def shown_contrast(self) -> Contrast:
        """The layer's contrast limits and gamma."""
        low, high = self.image.contrast_limits
        return Contrast(float(low), float(high), float(self.image.gamma))

    def describe(self, mode: str) -> str:
        """Say in words what the axes are."""
        return describe(self.layout, self.image.axis_labels, mode)

    def noun(self, mode: str) -> str:
        """What people call one frame: "slice", "image" or "frame"."""
        return noun_of(self.layout, self.image.axis_labels, mode)

    def axes(self) -> tuple[tuple[int, str], ...]:
        """The axes one may propagate along, with their names; none for a single image."""
        if self.layout.axis is None:
            return ()
        labels = self.image.axis_labels
        return tuple((a, axis_name(labels, a)) for a in range(len(self.layout.shape)))

    def is_shown(self) -> bool:
        """False once the image was removed, also while the viewer is still busy with that."""
        return self.image in self.viewer.layers and self.viewer.dims.ndim >= self.image.ndim

    def is_current(self, axis: int | None) -> bool:
        """Whether the viewer still shows what this was made for."""
        return ImageSequence(self.viewer, self.image, axis).layout == self.layout

    def is_laid_out_like(self, other: ImageSequence) -> bool:
        """Whether another sequence of the same image has the same frames, at whatever position of other axes."""
        return replace(self.layout, fixed=()) == replace(other.layout, fixed=())

    def has_slider(self, axis: int) -> bool:
        """False if the viewer shows this axis on the canvas."""
        return axis + self.viewer.dims.ndim - self.image.ndim not in self.viewer.dims.order[-2:]

    def frame_in_view(self) -> int:
        """The frame that the viewer shows, or the nearest one."""
        frame = self.layout.to_frames(self._position())[0, 0]
        return int(np.clip(np.round(frame), 0, self.layout.n_frames - 1))

    def is_aside(self) -> bool:
        """True if the viewer shows another position of the fixed axes."""
        return bool(self.layout.fixed) and not bool(self.layout.is_here(self._position()).all())

    def another_is_selected(self) -> bool:
        """True if another image is selected in the list of layers, as after it was opened on top of this one."""
        active = self.viewer.layers.selection.active
        return isinstance(active, Image) and active is not self.image

    def go_to(self, frame: int) -> None:
        """Move the slider to a frame."""
        axis = self.layout.axis
        if axis is None:
            return
        at = self._position()
        at[axis] = frame * (self.layout.factors[axis] if self.layout.factors else 1.0)
        world = np.asarray(self.image.data_to_world(at)) / per_unit(world_units(self.viewer), self.image)
        self.viewer.dims.set_point(axis + self.viewer.dims.ndim - self.image.ndim, float(world[axis]))

    def order_with_slider(self, axis: int) -> tuple[int, ...]:
        """The order of the viewer's axes that puts this one on a slider."""
        moved = axis + self.viewer.dims.ndim - self.image.ndim
        rest = sorted(a for a in self.viewer.dims.order if a != moved)
        return (*rest[:-2], moved, *rest[-2:])

    def painted(self, item: Any) -> set[int]:
        """Say which frames a paint event of a layer on it touched: the one in view, and those that its edits name."""
        frames, axis, count = {self.frame_in_view()}, self.layout.axis, self.layout.n_frames
        if axis is None or not isinstance(item, list):
            return frames
        for edit in item:
            where = edit[0] if isinstance(edit, tuple) else getattr(edit, "slice_key", None)
            if not isinstance(where, tuple) or len(where) <= axis:
                continue
            along = where[axis]
            if isinstance(along, slice):
                frames |= set(range(*along.indices(count)))
            else:
                frames |= set(np.unique(along).tolist())
        return {frame for frame in frames if 0 <= frame < count}
