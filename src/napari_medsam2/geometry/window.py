"""Crop a window of a frame to the network's square input, and map points and masks back exactly.

Frames and masks are resized here and nowhere else; maps inside of networks, by ``network/resample.py``. One linear map
ties a frame to its network input: output pixel ``i`` of ``S`` is centred at ``origin + (i + 0.5) * size / S`` in data
coordinates, along each axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from torch import Tensor

#: Logit that a drawn mask is remembered with, inside; minus this outside.
DRAWN_LOGIT = 10.0


def contains(window: Window, y: float, x: float) -> bool:
    """True if a point in data coordinates is in the window."""
    return window.y0 <= y <= window.y1 and window.x0 <= x <= window.x1


#: Logit of the pixels that no window covers: certainly background.
OUTSIDE_LOGIT = -32.0


@dataclass(frozen=True)
class Window:
    """A rectangle of a frame that becomes the square network input; it may reach beyond the frame.

    Attributes
    ----------
    y0, x0
        Upper left outer edge, in data coordinates (the first pixel's outer edge is -0.5).
    size_y, size_x
        Extent in data pixels, positive.
    """

    y0: float
    x0: float
    size_y: float
    size_x: float

    def __post_init__(self) -> None:
        values = (self.y0, self.x0, self.size_y, self.size_x)
        if not np.all(np.isfinite(values)) or self.size_y <= 0 or self.size_x <= 0:
            raise ValueError(f"a window needs finite edges and a positive size; got {values} (y0, x0, size_y, size_x)")

    @property
    def y1(self) -> float:
        return self.y0 + self.size_y

    @property
    def x1(self) -> float:
        return self.x0 + self.size_x

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Window:
        """The whole frame of shape ``(H, W, ...)``, squashed to a square as SAM 2 does."""
        return cls(-0.5, -0.5, float(shape[0]), float(shape[1]))

    @classmethod
    def square_around(cls, box: Sequence[float], *, scale: float, minimum: float) -> Window:
        """A square centred on a box.

        Parameters
        ----------
        box
            Outer edges ``(y0, x0, y1, x1)`` in data coordinates.
        scale
            Side of the square over the longer side of the box.
        minimum
            The side is at least this many data pixels.
        """
        y0, x0, y1, x1 = (float(edge) for edge in box)
        side = max(scale * max(y1 - y0, x1 - x0), minimum)
        return cls((y0 + y1 - side) / 2, (x0 + x1 - side) / 2, side, side)


def crop(image: npt.NDArray[np.float32], window: Window, size: int) -> Tensor:
    """Resample a window of a colour frame to the network's input.

    Bilinear, antialiased when shrinking. For :meth:`Window.whole` it equals ``torch.nn.functional.interpolate(...,
    mode="bilinear", antialias=True)``, SAM 2's preprocessing. Beyond the frame the edge is repeated.

    Parameters
    ----------
    image
        float32 ``(H, W, 3)``.
    size
        Side ``S`` of the network's input, in pixels.

    Returns
    -------
    Tensor
        float32 ``[1, 3, S, S]``.
    """
    import torch

    if image.ndim != 3:
        raise ValueError(f"crop wants a colour frame (H, W, 3); got shape {image.shape}")
    grey = image.strides[-1] == 0  # one plane seen three times, as `Contrast` makes of grey frames
    resampled = _resample(
        np.asarray(image[..., :1] if grey else image, np.float32),
        _shrinking_axis(window.y0, window.size_y, size, image.shape[0], True),
        _shrinking_axis(window.x0, window.size_x, size, image.shape[1], True),
    )
    planes = torch.from_numpy(np.ascontiguousarray(resampled.transpose(2, 0, 1)))[None]
    return planes.expand(1, image.shape[2], size, size).contiguous()


def crop_mask(mask: npt.NDArray[Any], window: Window, size: int) -> Tensor:
    """Resample a window of a mask ``(H, W)``, bool or 0..1, as :func:`crop` does; beyond the frame it is 0.

    Returns
    -------
    Tensor
        float32 ``[1, 1, S, S]`` in 0..1.
    """
    import torch

    if mask.ndim != 2:
        raise ValueError(f"crop_mask wants a mask (H, W); got shape {mask.shape}")
    resampled = _resample(
        mask[..., None],
        _shrinking_axis(window.y0, window.size_y, size, mask.shape[0], False),
        _shrinking_axis(window.x0, window.size_x, size, mask.shape[1], False),
    )
    return torch.from_numpy(np.ascontiguousarray(resampled.transpose(2, 0, 1)))[None]


def paste(logits: Tensor, window: Window, shape: Sequence[int], fill: float = OUTSIDE_LOGIT) -> npt.NDArray[np.float32]:
    """Put the network's answer back into the frame: the inverse of :func:`crop`, bilinear.

    Parameters
    ----------
    logits
        ``[1, 1, h, w]`` over the whole window, at any resolution.
    shape
        ``(H, W)`` of the frame.
    fill
        Value of the pixels whose centre lies outside the window.

    Returns
    -------
    ndarray
        float32 ``(H, W)``.
    """
    values = logits.detach().float().cpu().reshape(*logits.shape[-2:], 1).numpy()
    height, width = int(shape[0]), int(shape[1])
    rows, y_axis = _reading_axis(window.y0, window.size_y, values.shape[0], height)
    columns, x_axis = _reading_axis(window.x0, window.size_x, values.shape[1], width)
    frame = np.full((height, width), fill, np.float32)
    if rows.stop > rows.start and columns.stop > columns.start:
        frame[rows, columns] = _resample(values, y_axis, x_axis)[..., 0]
    return frame


def to_window(yx: npt.ArrayLike, window: Window, size: int) -> npt.NDArray[np.float64]:
    """Data coordinates ``(..., 2)`` as (y, x) to network pixels ``(..., 2)`` as (x, y); pixel centres are whole."""
    points = np.asarray(yx, np.float64)
    y = (points[..., 0] - window.y0) * (size / window.size_y) - 0.5
    x = (points[..., 1] - window.x0) * (size / window.size_x) - 0.5
    return np.stack([x, y], axis=-1)


def from_window(xy: npt.ArrayLike, window: Window, size: int) -> npt.NDArray[np.float64]:
    """Network pixels ``(..., 2)`` as (x, y) to data coordinates ``(..., 2)`` as (y, x); inverse of `to_window`."""
    points = np.asarray(xy, np.float64)
    y = (points[..., 1] + 0.5) * (window.size_y / size) + window.y0
    x = (points[..., 0] + 0.5) * (window.size_x / size) + window.x0
    return np.stack([y, x], axis=-1)


@dataclass(frozen=True, eq=False)
class _Axis:
    """Resampling along one axis: ``weights @ values[taps]``."""

    taps: slice
    weights: csr_array


def _resample(image: npt.NDArray[Any], y_axis: _Axis, x_axis: _Axis) -> npt.NDArray[np.float32]:
    """Separable resampling of ``(H, W, C)``; only the pixels under the window are touched.

    A plane that is repeated along the last axis, as grey images are, is resampled once.
    """
    if image.shape[2] > 1 and image.strides[2] == 0:
        plane = _resample(image[..., :1], y_axis, x_axis)
        return np.broadcast_to(plane, (*plane.shape[:2], image.shape[2]))
    part = np.ascontiguousarray(image[y_axis.taps, x_axis.taps], np.float32)
    height, width, channels = part.shape
    rows = (y_axis.weights @ part.reshape(height, width * channels)).reshape(-1, width, channels)
    columns_first = np.ascontiguousarray(rows.transpose(1, 0, 2)).reshape(width, -1)
    resampled = (x_axis.weights @ columns_first).reshape(x_axis.weights.shape[0], -1, channels)
    return np.asarray(resampled.transpose(1, 0, 2), np.float32)


@lru_cache(maxsize=64)
def _shrinking_axis(origin: float, extent: float, size: int, length: int, repeat_edge: bool) -> _Axis:
    """``size`` samples over ``[origin, origin + extent]`` of ``length`` pixels, with a triangle filter.

    The filter is two output pixels wide when shrinking and two input pixels wide otherwise; it is cut off and
    normalised at the border of the frame, as PIL and torch do.
    """
    step = extent / size
    reach = max(step, 1.0)
    centres = origin + (np.arange(size) + 0.5) * step
    inside = (centres >= -0.5) & (centres <= length - 0.5)
    centres = np.clip(centres, -0.5, length - 0.5)
    first = np.maximum(np.floor(centres - reach).astype(np.int64), 0)
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    weights = np.maximum(1 - np.abs(taps - centres[:, None]) / reach, 0) * (taps < length)
    weights /= weights.sum(axis=1, keepdims=True)
    if not repeat_edge:
        weights[~inside] = 0
    return _axis(np.minimum(taps, length - 1), weights, length)


def _reading_axis(origin: float, extent: float, size: int, length: int) -> tuple[slice, _Axis]:
    """The frame's pixels with their centre in the window, and where they lie among ``size`` window samples."""
    start = min(max(int(np.ceil(origin)), 0), length)
    stop = min(max(int(np.floor(origin + extent)) + 1, start), length)
    positions = np.clip((np.arange(start, stop) - origin) * (size / extent) - 0.5, 0, size - 1)
    first = np.floor(positions).astype(np.int64)
    taps = np.minimum(np.stack([first, first + 1], axis=1), size - 1)
    part = positions - first
    return slice(start, stop), _axis(taps, np.stack([1 - part, part], axis=1), size)


def _axis(taps: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], length: int) -> _Axis:
    used = weights > 0
    if not used.any():
        return _Axis(slice(0, 1), csr_array((len(taps), 1), dtype=np.float32))
    low, high = int(taps[used].min()), int(taps[used].max()) + 1
    rows = np.nonzero(used)[0]
    matrix = csr_array(
        (weights[used].astype(np.float32), (rows, taps[used] - low)), shape=(len(taps), high - low), dtype=np.float32
    )
    return _Axis(slice(low, high), matrix)
