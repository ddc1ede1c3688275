"""Which pixels say how bright an image is: not padding, no missing values, nothing that is transparent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import AnyArray

#: Pixels of a frame that are looked at, at most.
_SAMPLES_PER_FRAME = 1 << 16
#: What programs write where there is no pixel, wherever that is in the frame. So are values beyond ``_NO_INTENSITY``.
_SENTINELS = (-(2.0**15), -(2.0**31))
_NO_INTENSITY = 1e30
#: Padding has this share of the pixels at least, and of those on the rim of the frames.
_LEAST_SHARE, _LEAST_ON_RIM = 0.002, 0.05
#: More than this share is a background, such as the nothing around a cell.
_LARGEST_SHARE = 0.5
#: Images of fewer values than this are labels or drawings, in which each value means something.
_LEAST_VALUES = 16
#: How far padding lies from the values of the image, measured in their spread.
_GAP, _GAP_BELOW_ZERO = 1.0, 0.2
#: Percentiles between which the values of an image are, whatever a few hot pixels are.
_BULK = (0.5, 99.5)

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pixels:
    """Pixels of one frame or several.

    Attributes
    ----------
    values
        ``(N, C)``, all finite; one colour or three.
    on_rim
        ``(N,)``: whether a pixel is at the edge of its frame.
    left_out
        What was there beside them, in words.
    """

    values: Values
    on_rim: npt.NDArray[np.bool_]
    left_out: tuple[str, ...] = ()

    @property
    def differ(self) -> bool:
        """True if not all of them are the same."""
        return bool(self.values.size) and bool(np.ptp(self.values, axis=0).any())


def pixels_of(frame: AnyArray) -> Pixels:
    """An even grid of some ten thousand pixels of a frame ``(H, W)`` or ``(H, W, 1|3|4)``; all where those are alike.

    Of four colours the last is the alpha channel: pixels that are fully transparent are left out, unless all are.
    """
    height, width = frame.shape[:2]
    step = max(1, int(np.ceil(np.sqrt(height * width / _SAMPLES_PER_FRAME))))
    found = _visible(frame[::step, ::step])
    return found if step == 1 or found.differ else _visible(frame)


def transparent_in(frame: AnyArray) -> npt.NDArray[np.bool_] | None:
    """Which pixels ``(H, W)`` of a frame are fully transparent, whatever their colours are.

    ``None`` if there is no alpha channel, or it says nothing: none is, or all are.
    """
    if frame.ndim != 3 or frame.shape[2] != 4:
        return None
    transparent = np.less_equal(frame[..., 3], 0)
    return transparent if transparent.any() and not transparent.all() else None


def pooled(parts: Sequence[Pixels]) -> Pixels:
    """The pixels of several frames together; grey ones count as colours where there are some of these."""
    colours = max(part.values.shape[1] for part in parts)
    values = [np.broadcast_to(part.values, (len(part.values), colours)) for part in parts]
    left_out = dict.fromkeys(words for part in parts for words in part.left_out)
    return Pixels(np.concatenate(values), np.concatenate([part.on_rim for part in parts]), tuple(left_out))


def without_padding(pixels: Pixels) -> Pixels:
    """Leave out single extreme values that many pixels share, apart from all others: the outside of a field of view.

    What looks alike and is part of the image stays: a background (more than half of the pixels, or next to the other
    values), an object that is not at the rim of the frame, the values of a label image.
    """
    for _ in range(4):  # both ends, and each may have two kinds of padding
        for value in (pixels.values.min(), pixels.values.max()):
            padded = (pixels.values == value).all(axis=1)
            if _is_padding(float(value), padded, pixels):
                words = (*pixels.left_out, f"padding ({value:.6g}, {100 * padded.mean():.2g} % of the pixels)")
                pixels = Pixels(pixels.values[~padded], pixels.on_rim[~padded], words)
                break
        else:
            break
    return pixels


def _visible(frame: AnyArray) -> Pixels:
    """All pixels of a frame that are finite and can be seen."""
    frame = frame[..., None] if frame.ndim == 2 else frame
    height, width = frame.shape[:2]
    rim = np.zeros((height, width), bool)
    rim[[0, -1]] = rim[:, [0, -1]] = True
    colours = frame[..., :3].reshape(height * width, -1)
    kept = np.ones(len(colours), bool)
    left_out: list[str] = []
    if (transparent := transparent_in(frame)) is not None:
        kept &= ~transparent.ravel()
        left_out.append("transparent pixels")
    finite = np.asarray(np.isfinite(colours).all(axis=1))
    if not finite[kept].all():
        kept &= finite
        left_out.append("values that are NaN or infinite")
    return Pixels(np.asarray(colours[kept], np.float64), rim.ravel()[kept], tuple(left_out))


def _is_padding(value: float, padded: npt.NDArray[np.bool_], pixels: Pixels) -> bool:
    share = float(padded.mean())
    if share < _LEAST_SHARE or share == 1:
        return False
    rest = pixels.values[~padded]
    if value in _SENTINELS or abs(value) >= _NO_INTENSITY:
        return True
    low, high = np.percentile(rest, _BULK)
    gap = max(low - value, value - high)
    apart = _GAP_BELOW_ZERO if value < min(low, 0) else _GAP
    if gap < apart * (high - low) or share > _LARGEST_SHARE or padded[pixels.on_rim].mean() < _LEAST_ON_RIM:
        return False
    return len(np.unique(rest)) >= _LEAST_VALUES
