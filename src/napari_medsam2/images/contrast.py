"""From raw pixels of any depth to what the network sees: float32 RGB in 0..1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..types import AnyArray

#: A raw value for all colours, or one for each of the three.
Limits = float | Sequence[float]

#: Pixels of a frame that an estimate looks at, at most.
_SAMPLES_PER_FRAME = 1 << 16


class ContrastLike(Protocol):
    """What the session needs of a contrast: a raw frame in, float32 ``(H, W, 3)`` in 0..1 out."""

    def apply(self, frame: AnyArray) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True)
class Contrast:
    """Fixed limits, as a napari layer has them.

    Attributes
    ----------
    low, high
        Raw values that become 0 and 1: one number, or one for each of the three colours.
    gamma
        Exponent applied after scaling; 1 changes nothing.
    """

    low: Limits
    high: Limits
    gamma: float = 1.0

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            values = _numbers(getattr(self, name))
            if len(values) not in (1, 3) or not np.all(np.isfinite(values)):
                told = values or repr(getattr(self, name))
                raise FrameError(f"contrast needs one finite {name} value, or one for each of 3 colours; got {told}")
            object.__setattr__(self, name, values)
        if not isinstance(self.gamma, float | int | np.number) or not np.isfinite(self.gamma) or self.gamma <= 0:
            raise FrameError(f"gamma must be a positive number; got {self.gamma!r}")

    def apply(self, frame: AnyArray) -> npt.NDArray[np.float32]:
        """Scale a raw frame ``(H, W)`` or ``(H, W, 1|3|4)`` to float32 ``(H, W, 3)`` in 0..1.

        Missing values (NaN, infinite) become 0, an alpha channel is left out, and limits without extent give 0. A grey
        frame comes back as a read-only view that repeats one plane.
        """
        frame = colours_of(frame)
        low = np.asarray(self.low, np.float64)
        span = np.asarray(self.high, np.float64) - low
        scale = np.where(span > 0, 1 / np.where(span > 0, span, 1), 0)
        if frame.ndim == 2:
            if len(low) == 1 and len(scale) == 1:
                plane = _scale(frame, low[0], scale[0], self.gamma)
                return np.broadcast_to(plane[..., None], (*plane.shape, 3))
            frame = np.broadcast_to(frame[..., None], (*frame.shape, 3))
        return _scale(frame, low, scale, self.gamma)


@dataclass(frozen=True)
class PerFrameContrast:
    """Limits taken from each frame itself, for flows whose images come from different exposures."""

    percentiles: tuple[float, float] = (0.5, 99.5)

    def apply(self, frame: AnyArray) -> npt.NDArray[np.float32]:
        """Turn a raw frame ``(H, W)`` or ``(H, W, C)`` into float32 ``(H, W, 3)`` in 0..1."""
        return estimate_contrast([frame], percentiles=self.percentiles).apply(frame)


def estimate_contrast(
    source: Sequence[AnyArray], *, percentiles: tuple[float, float] = (0.5, 99.5), max_frames: int = 16
) -> Contrast:
    """Limits for a whole sequence of frames ``(H, W)`` or ``(H, W, C)``, from percentiles over some of their pixels.

    Colour images of 8 bit keep 0..255 and colour images within 0..1 keep that, as they are meant to be shown; the
    colours of others share their limits. Bool is 0..1. Frames that cannot be read are left out of the estimate.

    Raises
    ------
    FrameError
        If none of the frames that were looked at can be read, or the percentiles are not ``0 <= low < high <= 100``.
    """
    lower, upper = percentiles
    if not 0 <= lower < upper <= 100:
        raise FrameError(f"percentiles must rise within 0..100; got {percentiles}")
    chosen = np.unique(np.linspace(0, len(source) - 1, min(max_frames, len(source))).round().astype(int))
    samples: list[AnyArray] = []
    problem: FrameError | None = None
    for t in chosen:
        try:
            frame = colours_of(source[int(t)])
        except FrameError as error:
            problem = error
            continue
        fixed = _natural_limits(frame)
        if fixed is not None:
            return fixed
        samples.append(_some_pixels(frame))
    if not samples:
        raise problem or FrameError("there are no frames to estimate the contrast from")
    values = np.concatenate(samples)
    if not values.size:
        return Contrast(0.0, 1.0)
    low, high = (float(value) for value in np.percentile(values, percentiles))
    if high <= low:  # nearly all pixels are alike: what differs is the object
        low, high = float(values.min()), float(values.max())
    return Contrast(low, high if high > low else low + 1)


def colours_of(frame: AnyArray) -> AnyArray:
    """``(H, W)`` or ``(H, W, 3)`` of a raw frame; alpha and a single colour axis are dropped.

    Raises
    ------
    FrameError
        For another number of axes or colours, or values that are no real numbers.
    """
    frame = np.asarray(frame)
    if frame.dtype.kind not in "buif":
        raise FrameError(f"pixels must be real numbers; got {frame.dtype}")
    if frame.ndim == 3 and frame.shape[-1] == 1:
        return frame[..., 0]
    if frame.ndim == 3 and frame.shape[-1] in (3, 4):
        return frame[..., :3]
    if frame.ndim != 2:
        raise FrameError(f"a frame is (H, W), or (H, W, 3 or 4) in colour; got shape {frame.shape}")
    return frame


def _numbers(given: Any) -> tuple[float, ...]:
    """One number or several as floats; empty if it is neither."""
    try:
        return tuple(float(value) for value in np.atleast_1d(np.asarray(given, np.float64)))
    except (TypeError, ValueError):
        return ()


def _natural_limits(frame: AnyArray) -> Contrast | None:
    """Limits of pixels that are meant to be shown as they are; ``None`` for others."""
    if frame.dtype.kind == "b":
        return Contrast(0.0, 1.0)
    if frame.ndim == 3 and frame.dtype == np.uint8:
        return Contrast(0.0, 255.0)
    if frame.ndim == 3 and frame.dtype.kind == "f":
        values = _some_pixels(frame)
        if values.size and values.min() >= 0 and values.max() <= 1:
            return Contrast(0.0, 1.0)
    return None


def _some_pixels(frame: AnyArray) -> npt.NDArray[np.float64]:
    """An even grid of at most some ten thousand finite pixels."""
    height, width = frame.shape[:2]
    step = max(1, int(np.ceil(np.sqrt(height * width / _SAMPLES_PER_FRAME))))
    values = np.asarray(frame[::step, ::step], np.float64).ravel()
    return values[np.isfinite(values)]


def _scale(frame: AnyArray, low: Any, scale: Any, gamma: float) -> npt.NDArray[np.float32]:
    """``(values - low) * scale``, cut off at 0 and 1, to the power of gamma; missing values become 0."""
    # Up to 16 bit a float32 is exact; wider types lose their differences in it unless the offset goes first.
    exact = np.float32 if frame.dtype.itemsize <= 2 or frame.dtype == np.float32 else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        values = (np.asarray(frame, exact) - np.asarray(low, exact)) * np.asarray(scale, exact)
    if frame.dtype.kind == "f":
        values[~np.isfinite(frame)] = 0
        values = np.nan_to_num(values, copy=False)
    np.clip(values, 0, 1, out=values)
    if gamma != 1:
        np.power(values, gamma, out=values)
    return np.asarray(values, np.float32)
