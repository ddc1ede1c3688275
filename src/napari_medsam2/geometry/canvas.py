"""A part of a frame with several pixels taken as one: giant frames are worked on so, and ordinary ones as they are.

What is found on a frame takes tens of bytes a pixel while it is worked out. The network sees a few hundred pixels on
each side, in at most eight tiles a side: on a frame of 20,000 x 20,000 there is nothing to tell in finer steps than
those of a canvas, but where an object is small, and then the canvas is that part of the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import AnyArray, Mask
from .compact_mask import CompactMask, clearness_steps, part_with_object
from .window import Window

#: Frames of more pixels are worked on as a canvas.
LARGEST = 4096 * 4096
#: A canvas is at most this long, in its own pixels.
_LONGEST = 2048
#: Side of a canvas around a window, over that of the window, which may grow in it.
_ROOM = 2.5
#: Pixels of a frame that are worked on at a time.
_AT_A_TIME = 1 << 21


def is_giant(frame: tuple[int, int]) -> bool:
    """True if a frame of shape ``(H, W)`` is worked on as a canvas."""
    return frame[0] * frame[1] > LARGEST


@dataclass(frozen=True)
class Canvas:
    """Rows and columns of a frame, ``step`` pixels of it on each side taken as one.

    Coordinates on it are those of its own pixels, whose centres are whole, as on a frame.

    Attributes
    ----------
    frame
        ``(H, W)`` of the frame.
    y0, x0, y1, x1
        First row and column, and those after the last, in pixels of the frame.
    step
        Pixels of the frame in one of the canvas, on each side.
    """

    frame: tuple[int, int]
    y0: int
    x0: int
    y1: int
    x1: int
    step: int

    @classmethod
    def whole(cls, frame: tuple[int, int]) -> Canvas:
        """A whole frame of shape ``(H, W)``."""
        return cls._of(frame, 0, 0, *frame)

    @classmethod
    def around(cls, window: Window, frame: tuple[int, int]) -> Canvas:
        """A window of a frame of shape ``(H, W)``, with room for it to grow."""
        spans = []
        for start, size, length in ((window.y0, window.size_y, frame[0]), (window.x0, window.size_x, frame[1])):
            middle, half = start + size / 2, _ROOM * size / 2
            low = min(max(int(np.floor(middle - half)), 0), length - 1)
            spans.append((low, min(max(int(np.ceil(middle + half)), low + 1), length)))
        (y0, y1), (x0, x1) = spans
        return cls._of(frame, y0, x0, y1, x1)

    @classmethod
    def _of(cls, frame: tuple[int, int], y0: int, x0: int, y1: int, x1: int) -> Canvas:
        return cls(frame, y0, x0, y1, x1, max(1, -(-max(y1 - y0, x1 - x0) // _LONGEST)))

    @property
    def shape(self) -> tuple[int, int]:
        """``(h, w)`` in its own pixels; the last may be of fewer pixels of the frame."""
        return -(-(self.y1 - self.y0) // self.step), -(-(self.x1 - self.x0) // self.step)

    @property
    def is_whole(self) -> bool:
        """True if all of the frame is on it."""
        return (self.y0, self.x0, self.y1, self.x1) == (0, 0, *self.frame)

    # ---- coordinates -------------------------------------------------------------------------------------------------

    def place_on(self, y: float, x: float) -> tuple[float, float]:
        """Where a place of the frame is on the canvas, as (y, x)."""
        return (y - self.y0 + 0.5) / self.step - 0.5, (x - self.x0 + 0.5) / self.step - 0.5

    def place_of(self, y: float, x: float) -> tuple[float, float]:
        """Where a place of the canvas is on the frame, as (y, x)."""
        return (y + 0.5) * self.step - 0.5 + self.y0, (x + 0.5) * self.step - 0.5 + self.x0

    def window_on(self, window: Window) -> Window:
        """A window of the frame, in pixels of the canvas; all of the one is all of the other."""
        if self.is_whole and window == Window.whole(self.frame):
            return Window.whole(self.shape)
        return Window(*self.place_on(window.y0, window.x0), window.size_y / self.step, window.size_x / self.step)

    def window_of(self, window: Window) -> Window:
        """A window of the canvas, in pixels of the frame; all of the one is all of the other."""
        if self.is_whole and window == Window.whole(self.shape):
            return Window.whole(self.frame)
        return Window(*self.place_of(window.y0, window.x0), window.size_y * self.step, window.size_x * self.step)

    def shows(self, y: float, x: float) -> bool:
        """True if a place of the frame is on the canvas."""
        return self.y0 - 0.5 <= y <= self.y1 - 0.5 and self.x0 - 0.5 <= x <= self.x1 - 0.5

    # ---- pixels ------------------------------------------------------------------------------------------------------

    def bands(self) -> Iterator[tuple[slice, slice]]:
        """Rows of the canvas a few at a time, and those of the frame under them."""
        height, width = self.shape
        rows = max(1, _AT_A_TIME // (width * self.step * self.step))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            yield slice(top, bottom), slice(self.y0 + top * self.step, min(self.y0 + bottom * self.step, self.y1))

    def mean(self, part: AnyArray) -> npt.NDArray[np.float32]:
        """Mean of the pixels that are one on the canvas.

        Parameters
        ----------
        part
            Rows of a band and all columns of the canvas, ``(h * step, w * step, ...)``, fewer at the lower right.
        """
        done = np.asarray(part, np.float32)
        if self.step == 1:
            return done
        for axis in (0, 1):
            starts = np.arange(0, done.shape[axis], self.step)
            counts = np.diff(starts, append=done.shape[axis]).astype(np.float32)
            shape = [-1 if one == axis else 1 for one in range(done.ndim)]
            done = np.asarray(np.add.reduceat(done, starts, axis=axis) / counts.reshape(shape), np.float32)
        return done

    def mask_on(self, mask: Mask) -> Mask:
        """A mask ``(H, W)`` of the frame, ``(h, w)``: where half of the pixels are in it, or any if that is nowhere."""
        done, touched = np.zeros(self.shape, bool), np.zeros(self.shape, bool)
        for rows, under in self.bands():
            share = self.mean(mask[under, self.x0 : self.x1])
            done[rows], touched[rows] = share >= 0.5, share > 0
        return done if done.any() else touched

    def mask_of(self, mask: Mask, logits: npt.NDArray[np.float32]) -> CompactMask:
        """What was found on the canvas, as a mask of the frame with smooth borders.

        Parameters
        ----------
        mask, logits
            ``(h, w)`` on the canvas; ``logits`` say how clear the pixels of the mask are.
        """
        rows, columns = part_with_object(mask)
        if rows.stop == rows.start:
            return CompactMask.nothing(self.frame)
        if self.step > 1:  # the border goes through the pixels beside it
            rows, columns = (
                slice(max(part.start - 1, 0), min(part.stop + 1, length))
                for part, length in zip((rows, columns), mask.shape, strict=True)
            )
        steps = clearness_steps(mask[rows, columns], logits[rows, columns])
        top, left = self.y0 + rows.start * self.step, self.x0 + columns.start * self.step
        bottom, right = (
            min(first + stop * self.step, last)
            for first, stop, last in ((self.y0, rows.stop, self.y1), (self.x0, columns.stop, self.x1))
        )
        finer = _enlarged(steps, self.step, (bottom - top, right - left))
        return CompactMask.packing(self.frame, (slice(top, bottom), slice(left, right)), finer)


def _enlarged(steps: npt.NDArray[np.uint8], step: int, shape: tuple[int, int]) -> Iterator[npt.NDArray[np.uint8]]:
    """Steps of clearness ``(h, w)``, 0 outside, each pixel ``step`` times as large; rows of ``shape`` a few at a time.

    The border goes where the mask, interpolated between the middles of pixels, is half.
    """
    height, width = shape
    inside = (steps > 0).astype(np.float32)
    least, right = _between(np.arange(width), step, inside.shape[1])
    columns = np.arange(width) // step
    for top in range(0, height, max(1, _AT_A_TIME // width)):
        rows = np.arange(top, min(top + max(1, _AT_A_TIME // width), height))
        if step == 1:
            yield steps[rows]
            continue
        upper, lower = _between(rows, step, inside.shape[0])
        band = inside[upper] + (inside[np.minimum(upper + 1, len(inside) - 1)] - inside[upper]) * lower[:, None]
        beside = band[:, np.minimum(least + 1, inside.shape[1] - 1)]
        found = band[:, least] + (beside - band[:, least]) * right >= 0.5
        yield np.where(found, np.maximum(steps[(rows // step)[:, None], columns], 1), 0).astype(np.uint8)


def _between(pixels: npt.NDArray[np.int64], step: int, length: int) -> tuple[AnyArray, npt.NDArray[np.float32]]:
    """Between which of ``length`` larger pixels smaller ones lie: the first of two, and how far from it."""
    places = np.clip((pixels + 0.5) / step - 0.5, 0, length - 1)
    first = np.floor(places).astype(np.int64)
    return first, (places - first).astype(np.float32)
