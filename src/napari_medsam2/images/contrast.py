"""From raw pixels of any depth to what the network sees: float32 RGB in 0..1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..types import AnyArray, Mode
from .valid_pixels import Pixels, Values, pixels_of, pooled, transparent_in, without_padding

#: A raw value for all colours, or one for each of the three.
Limits = float | Sequence[float]

#: Percentiles of the pixels that become 0 and 1.
PERCENTILES = (0.5, 99.5)
#: A pixel has a colour if its channels differ by more than this share of the range, an image if so many of its do.
_COLOUR, _LEAST_COLOURED = 0.02, 0.01


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

        Missing values (NaN, infinite) and fully transparent pixels become 0, and limits without extent give 0. A grey
        frame comes back as a read-only view that repeats one plane.
        """
        hidden = transparent_in(np.asarray(frame))
        frame = colours_of(frame)
        low = np.asarray(self.low, np.float64)
        span = np.asarray(self.high, np.float64) - low
        scale = np.where(span > 0, 1 / np.where(span > 0, span, 1), 0)
        if frame.ndim == 2:
            if len(low) == 1 and len(scale) == 1:
                plane = _scale(frame, low[0], scale[0], self.gamma)
                return np.broadcast_to(plane[..., None], (*plane.shape, 3))
            frame = np.broadcast_to(frame[..., None], (*frame.shape, 3))
        scaled = _scale(frame, low, scale, self.gamma)
        if hidden is not None:
            scaled[hidden] = 0
        return scaled


@dataclass(frozen=True)
class Estimate:
    """Limits taken from pixels, and what those were taken without.

    Attributes
    ----------
    contrast
        The limits.
    left_out
        What did not count, in words, such as "padding (-2000, 21 % of the pixels)".
    alike
        Numbers of frames that did not count because no pixel of theirs differs from another, or none is a number.
    """

    contrast: Contrast
    left_out: tuple[str, ...] = ()
    alike: tuple[int, ...] = ()

    def apply(self, frame: AnyArray) -> npt.NDArray[np.float32]:
        """Turn a raw frame ``(H, W)`` or ``(H, W, C)`` into float32 ``(H, W, 3)`` in 0..1."""
        return self.contrast.apply(frame)


@dataclass(frozen=True)
class PerFrameContrast:
    """Limits taken from each frame itself, for flows whose images come from different exposures."""

    percentiles: tuple[float, float] = PERCENTILES

    def estimate(self, frame: AnyArray) -> Estimate:
        """The limits of one frame ``(H, W)`` or ``(H, W, C)``."""
        return estimate([frame], percentiles=self.percentiles)

    def apply(self, frame: AnyArray) -> npt.NDArray[np.float32]:
        """Turn a raw frame ``(H, W)`` or ``(H, W, C)`` into float32 ``(H, W, 3)`` in 0..1."""
        return self.estimate(frame).apply(frame)


def usual_contrast(frames: Sequence[AnyArray], mode: Mode) -> ContrastLike:
    """What a session takes where nobody chose: one estimate over a stack, limits for each image of a flow."""
    return estimate(frames) if mode == "stack" else PerFrameContrast()


def estimate_contrast(
    source: Sequence[AnyArray], *, percentiles: tuple[float, float] = PERCENTILES, max_frames: int = 16
) -> Contrast:
    """The limits of :func:`estimate` alone: for scripts, to give several sequences the same ones."""
    return estimate(source, percentiles=percentiles, max_frames=max_frames).contrast


def estimate(
    source: Sequence[AnyArray], *, percentiles: tuple[float, float] = PERCENTILES, max_frames: int = 16
) -> Estimate:
    """Limits for a whole sequence of frames ``(H, W)`` or ``(H, W, C)``, from percentiles over some of their pixels.

    One rule for grey and colour: the colours share their limits, and what is the same in all of them is seen as the
    grey image is. Photographs of 8 bit and within 0..1 that use their range stay as they are. Bool is 0..1.

    Padding, missing values, transparent pixels, and frames whose pixels are all alike do not count; see
    :mod:`.valid_pixels`. Nor do frames that cannot be read. If all that were looked at are alike, the others are looked
    at too.

    Raises
    ------
    FrameError
        If none of the frames that were looked at can be read, or the percentiles are not ``0 <= low < high <= 100``.
    """
    lower, upper = percentiles
    if not 0 <= lower < upper <= 100:
        raise FrameError(f"percentiles must rise within 0..100; got {percentiles}")
    chosen = np.unique(np.linspace(0, len(source) - 1, min(max_frames, len(source))).round().astype(int)).tolist()
    others = sorted(set(range(len(source))) - set(chosen))
    differing: list[Pixels] = []
    alike: dict[int, Pixels] = {}
    kinds = set[np.dtype[Any]]()
    problem: FrameError | None = None
    for n, t in enumerate([*chosen, *others]):
        if (n == len(chosen) and differing) or len(differing) == max_frames:
            break
        try:
            frame = np.asarray(source[t])
            colours_of(frame)
        except FrameError as error:
            problem = error
            continue
        if frame.dtype.kind == "b":
            return Estimate(Contrast(0.0, 1.0))
        pixels = pixels_of(frame)
        kinds.add(frame.dtype)
        if pixels.differ:
            differing.append(pixels)
        else:
            alike[t] = pixels
    if not differing and not alike:
        raise problem or FrameError("there are no frames to estimate the contrast from")
    pixels = pooled(differing or list(alike.values()))
    if differing:
        pixels = without_padding(pixels)
    low, high = _towards_natural(*_limits_of(pixels.values, percentiles), kinds, pixels.values)
    return Estimate(Contrast(low, high if high > low else low + 1), pixels.left_out, tuple(sorted(alike)))


def _limits_of(values: Values, percentiles: tuple[float, float]) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    # No values between those that occur: then a grey image has the limits of the same image in three colours.
    low, high = (float(v) for v in np.percentile(values, percentiles, method="inverted_cdf"))
    if high <= low and (rest := values[values != low]).size:  # nearly all pixels are alike: what differs is the object
        darkest, brightest = (float(v) for v in np.percentile(rest, percentiles, method="inverted_cdf"))
        low, high = min(low, darkest), max(high, brightest)
    return low, high


def _towards_natural(low: float, high: float, kinds: set[np.dtype[Any]], values: Values) -> tuple[float, float]:
    """Photographs of 8 bit, or within 0..1, that use most of this range are meant to be shown as they are.

    From half of the range on the limits go towards its ends, at three quarters they are there. In a flow of photographs
    whose darkest pixel is now a shadow and now a lit wall, limits that follow it would change the colours; a grey image
    has none.
    """
    if values.shape[1] == 1 or not values.size:
        return low, high
    if kinds == {np.dtype(np.uint8)}:
        full = 255.0
    elif all(kind.kind == "f" for kind in kinds) and values.min() >= 0 and values.max() <= 1:
        full = 1.0
    else:
        return low, high
    coloured = float(np.mean(np.ptp(values, axis=1) > _COLOUR * full))
    if coloured < _LEAST_COLOURED:
        return low, high
    share = float(np.clip((high - low) / full * 4 - 2, 0, 1))
    return (1 - share) * low, (1 - share) * high + share * full


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


def _scale(frame: AnyArray, low: Any, scale: Any, gamma: float) -> npt.NDArray[np.float32]:
    """``(values - low) * scale``, cut off at 0 and 1, to the power of gamma; missing values become 0."""
    # Up to 16 bit a float32 is exact; wider types lose their differences in it unless the offset goes first.
    exact = np.float32 if frame.dtype.itemsize <= 2 or frame.dtype == np.float32 else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.subtract(frame, np.asarray(low, exact), dtype=exact, casting="unsafe")
        values *= np.asarray(scale, exact)
    if frame.dtype.kind == "f":
        values[~np.isfinite(frame)] = 0
        values = np.nan_to_num(values, copy=False)
    np.clip(values, 0, 1, out=values)
    if gamma != 1:
        np.power(values, gamma, out=values)
    return np.asarray(values, np.float32)
