"""Results are written to a Labels layer, frame by frame and in place; strokes in that layer become corrections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from napari.layers import Image, Labels

from ...errors import OutputError
from ...models.registry import megabytes
from ...results import FrameResult
from ...session.label_image import LEAST_SHARE_WITHIN_WHOLE, LabelImage, paint_labels
from ...types import AnyArray, Mask
from .colours import label_colours
from .coordinates import lie_on_each_other, placed_like
from .layout import IMAGES_KEY, MODE_KEY, SIZES_KEY, Layout
from .opened_layers import images_of

#: Results of one frame, by the object's number.
ResultsByObject = Mapping[int, FrameResult]


def new_labels_layer(image: Image, layout: Layout, name: str) -> Labels:
    """Make an empty Labels layer on the image's grid; memory is only taken where something is written.

    Raises
    ------
    OutputError
        If the memory is not there.
    """
    known = {key: image.metadata[key] for key in (MODE_KEY, SIZES_KEY) if key in image.metadata}
    try:
        empty = np.zeros(layout.shape, dtype=np.uint16)
    except MemoryError as error:
        need = megabytes(2 * np.prod(layout.shape, dtype=float))
        raise OutputError(f"labels for this image need {need} of memory, which is not there") from error
    layer = Labels(
        empty,
        name=name,
        opacity=0.55,
        colormap=label_colours(),
        metadata={IMAGES_KEY: images_of(image), **known},
        **placed_like(image, layout),
    )
    layer.brush_size = max(1, round(min(layout.frame_shape) / 25))
    return layer


def check_shape(layer: Labels, layout: Layout) -> None:
    """:class:`OutputError` if a layer has not the shape of the image."""
    if tuple(layer.data.shape) != layout.shape:
        raise OutputError(
            f"'{layer.name}' has the shape {tuple(layer.data.shape)}, the image {layout.shape}: choose a Labels layer "
            "of the same shape"
        )


def check_place(layer: Labels, image: Image, layout: Layout, counted: bool | None) -> None:
    """:class:`OutputError` if a layer does not lie on the image; ``counted`` as for :meth:`OutputLabels.of_user`."""
    if not lie_on_each_other(layer, image, layout, counted=counted):
        raise OutputError(
            f"'{layer.name}' does not lie on the image: its position, scale or unit differs. Give it those of the "
            "image, or choose another layer"
        )


class OutputLabels:
    """One Labels layer that results are written to.

    Parameters
    ----------
    layer
        A layer of ours, or the user's: then its labels are kept where they are, or overwritten if ``keep`` is false.
    layout
        Of the image; the layer must have the same shape.
    keep
        Whether labels that were there before win over results.

    Attributes
    ----------
    before
        What was there before results were shown, by frame.
    """

    def __init__(self, layer: Labels, layout: Layout, *, ours: bool, keep: bool = True) -> None:
        self.layer = layer
        self.layout = layout
        self.ours = ours
        self.keep = keep
        self.before: dict[int, AnyArray] = {}

    @staticmethod
    def of_user(
        layer: Labels, image: Image, layout: Layout, *, keep: bool, counted: bool | None = None
    ) -> OutputLabels:
        """Take the user's layer; ``counted`` says whether the viewer counts units of layers (see ``map_points``).

        Raises
        ------
        OutputError
            If it is not on the image's pixel grid, or not in memory.
        """
        check_shape(layer, layout)
        if not isinstance(layer.data, np.ndarray):
            raise OutputError(f"'{layer.name}' is not in memory, so it cannot be painted; choose a new layer")
        if not layer.data.flags.writeable:
            raise OutputError(f"the labels of '{layer.name}' are read-only; choose a new layer")
        check_place(layer, image, layout, counted)
        return OutputLabels(layer, layout, ours=False, keep=keep)

    def frame(self, frame: int) -> AnyArray:
        """Return the labels of one frame, a view ``(H, W)``; where images differ in size, as large as that image."""
        height, width = self.layout.size_of(frame)
        return np.asarray(self.layer.data[self.layout.index(frame)])[:height, :width]

    def compose(self, frame: int, found: ResultsByObject) -> LabelImage:
        """Put results over what was there before.

        For where they overlap see :func:`~napari_medsam2.session.label_image.paint_labels`.

        Raises
        ------
        OutputError
            If the layer cannot hold an object's number.
        """
        try:
            shown = paint_labels(self.layout.size_of(frame), self.layer.data.dtype, found.values())
        except OutputError as error:
            raise OutputError(f"'{self.layer.name}': {error}") from error
        before = self.before.get(frame)
        if before is None:
            return shown
        labels = shown.labels
        both = np.where(before != 0, before, labels) if self.keep else np.where(labels != 0, labels, before)
        return replace(shown, labels=both)

    def show(self, frame: int, found: ResultsByObject) -> LabelImage:
        """Write one frame. What a user's layer held there before is remembered."""
        view = self.frame(frame)
        if not self.ours and frame not in self.before:
            self.before[frame] = view.copy()
        shown = self.compose(frame, found)
        if self.ours and self.layout.sizes:  # what was painted beside a smaller image is no label
            np.asarray(self.layer.data[self.layout.index(frame)])[...] = 0
        view[...] = shown.labels
        return shown

    def settle(self) -> None:
        """Make what is there now part of the layer: later results go over or under it, as ``keep`` says."""
        self.before.clear()

    def set_keep(self, keep: bool) -> None:
        """Choose whether labels that were there before win over results; the next :meth:`show` of a frame heeds it."""
        self.keep = keep

    def strokes(
        self, frames: Iterable[int], found_on: Mapping[int, ResultsByObject], known: set[int]
    ) -> list[FrameResult]:
        """Find what the user painted: the objects that are no longer what was written, as they are to be now.

        Drawn together, the masks that are returned look as the frame does. Where a painted object lies hidden below
        others its mask keeps that part; other objects lose what was painted over. An object that would lose all of its
        pixels keeps its mask, unless the painted object was on the frame before: then the stroke says that the other
        one is not there. Labels that are no object of ours (not in ``known``) are the user's own and are kept.
        """
        strokes: list[FrameResult] = []
        for frame in frames:
            view = self.frame(frame)
            found = found_on.get(frame, {})
            expected = self.compose(frame, found).labels
            changed = view != expected
            if not changed.any():
                continue
            uncovered = changed & (view == 0) & ~np.isin(expected, sorted(known))  # says nothing of what lay below
            foreign = changed & (view != 0) & ~np.isin(view, sorted(known))
            if foreign.any() or frame in self.before:
                # What was there before is gone where the user painted over it.
                before = self.before.setdefault(frame, np.zeros_like(view))
                before[changed] = np.where(foreign, view, 0)[changed]
            painted = _numbers(view[changed]) & known
            now = {number: _drawn(frame, number, view == number, found.get(number)) for number in painted}
            now = self._trimmed(frame, view, uncovered, found, {**found, **now}, known)
            strokes += [now[number] for number in sorted(now) if now[number] is not found.get(number)]
        return strokes

    def _trimmed(
        self,
        frame: int,
        view: AnyArray,
        uncovered: Mask,
        found: ResultsByObject,
        now: dict[int, FrameResult],
        known: set[int],
    ) -> dict[int, FrameResult]:
        """Results without what shows where the user painted or erased it; ``uncovered`` pixels may show anything."""
        staying = set[int]()
        while True:
            shown = self.compose(frame, now).labels
            wrong = (shown != view) & ~uncovered
            too_much = (_numbers(shown[wrong]) & known) - staying
            if not too_much:
                return now
            for number in too_much:  # ends: an object that lost what it has too much of does not have it again
                lost = wrong & (shown == number)
                left = now[number].mask & ~lost
                if left.any() or not _adds(view, lost, found):
                    now[number] = _drawn(frame, number, left)
                else:
                    now[number] = found[number]
                    staying.add(number)


def _numbers(values: AnyArray) -> set[int]:
    """Numbers that occur."""
    return {int(value) for value in np.unique(values)}


def _drawn(frame: int, number: int, mask: Mask, before: FrameResult | None = None) -> FrameResult:
    """What the session makes of a painted mask, beside what the object had ``before``."""
    if before is not None:
        mask = mask | before.mask
    return FrameResult(frame, number, mask, 1.0, 1.0, 1.0, prompted=True, seconds=0.0, drawn=True)


def _adds(view: AnyArray, where: Mask, found: ResultsByObject) -> bool:
    """True unless nearly all that was painted there was part of the painted objects already, or all was erased."""
    painted = where & (view != 0)
    there = np.zeros_like(painted)
    for number, result in found.items():
        there |= painted & (view == number) & result.mask
    return bool(np.count_nonzero(there) < LEAST_SHARE_WITHIN_WHOLE * np.count_nonzero(painted))
