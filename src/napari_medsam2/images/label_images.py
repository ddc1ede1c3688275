"""Label images as they are read: one whole number a pixel, 0 on the background, whatever file they came in."""

from __future__ import annotations

import numpy as np

from ..errors import FrameError
from ..types import AnyArray

#: Colours of a picture are counted up to here.
_MANY_COLOURS = 256


def label_image(frame: AnyArray, name: str) -> AnyArray:
    """A label image ``(H, W)`` of unsigned whole numbers.

    A picture in grey saved with three colours is one, where it is transparent there is background; and so is a picture
    in black and one colour, whose labels are 0 and 1.

    Parameters
    ----------
    frame
        ``(H, W)`` or ``(H, W, C)`` as it was read.
    name
        What to call it in messages.

    Raises
    ------
    FrameError
        If it is a picture in several colours, or has fractions, negative numbers or none.
    """
    if frame.dtype.kind not in "buif":
        raise FrameError(f"the labels of {name} must be whole numbers; got {frame.dtype}")
    if frame.ndim == 3:
        frame = _of_colours(frame, name)
    if frame.ndim != 2:
        raise FrameError(f"a label image has two axes, y and x; {name} has shape {frame.shape}")
    if frame.dtype.kind == "b":
        return frame.astype(np.uint8)
    if frame.dtype.kind == "f":
        frame = _whole(frame, name)
    if frame.dtype.kind == "i":
        if frame.size and frame.min() < 0:
            raise FrameError(f"the labels of {name} have negative numbers ({frame.min()}); 0 is the background")
        frame = frame.astype(np.uint64 if frame.dtype.itemsize == 8 else np.uint32)
    return frame


def _of_colours(frame: AnyArray, name: str) -> AnyArray:
    """One number a pixel of a picture that only looks coloured."""
    n = frame.shape[2]
    if n not in (1, 3, 4):
        raise FrameError(f"a label image has one number a pixel; {name} has {n}")
    colours = frame[..., :3]
    if n == 4:
        colours = np.where(frame[..., 3:] > 0, colours, np.zeros((), frame.dtype))
    first: AnyArray = colours[..., 0]
    if all(np.array_equal(first, colours[..., k]) for k in range(1, colours.shape[2])):
        return first
    different = np.unique(colours.reshape(-1, colours.shape[2]), axis=0)
    if len(different) == 2 and not different[0].any():
        return np.asarray(colours.any(axis=-1), np.uint8)
    count = f"{len(different)} colours" if len(different) <= _MANY_COLOURS else "very many colours"
    raise FrameError(
        f"the labels of {name} are a colour picture, in {count}: a label image has one number a pixel, 0 on the "
        "background. Save it in grey, or with a palette"
    )


def _whole(frame: AnyArray, name: str) -> AnyArray:
    """Whole numbers that are stored with a decimal point."""
    if not np.all(np.isfinite(frame)):
        raise FrameError(f"the labels of {name} are not whole numbers: some are infinite or no numbers")
    whole = np.rint(frame)
    if not np.array_equal(whole, frame):
        raise FrameError(
            f"the labels of {name} are not whole numbers; they reach from {frame.min():g} to {frame.max():g}"
        )
    if whole.size and abs(whole).max() >= 2**53:
        raise FrameError(f"the labels of {name} are too large; they reach to {whole.max():g}")
    return whole.astype(np.int64)
