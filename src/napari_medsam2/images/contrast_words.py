"""What became of pixels on the way to 0..1, in words: what was left out, and images that show nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import FrameError, first_few
from ..types import AnyArray
from .contrast import Estimate
from .valid_pixels import pixels_of

#: Frames that are named, at most; the others are counted.
_NAMED = 3


def remarks_on_stack(found: Estimate, name: Callable[[int], str]) -> tuple[str, ...]:
    """Say what an estimate over a stack was taken without; ``name`` says what a frame is called."""
    told = [f"Left out of the contrast: {', '.join(found.left_out)}."] if found.left_out else []
    return (*told, *_alike(found.alike, name))


def remarks_on_flow(found: Mapping[int, Estimate], name: Callable[[int], str]) -> tuple[str, ...]:
    """Say what the estimates of single images were taken without."""
    alike = sorted(t for t, one in found.items() if one.alike)
    parts = [f"{name(t)}: {', '.join(one.left_out)}" for t, one in sorted(found.items()) if one.left_out]
    told = [f"Left out of the contrast: {first_few(parts, _NAMED, '; ')}."] if parts else []
    return (*told, *_alike(alike, name))


def nothing_to_see(frames: Sequence[AnyArray]) -> str:
    """Say why nothing can be found on any of the frames; empty as soon as one has pixels that differ.

    Frames in the middle are looked at first. Where one cannot be read nothing is said: that is said elsewhere.
    """
    values = set[float]()
    for t in _from_the_middle(len(frames)):
        try:
            pixels = pixels_of(frames[t])
        except FrameError:
            return ""
        if pixels.differ:
            return ""
        values |= set(pixels.values[:1].ravel().tolist())
    if not values:
        return "none of their pixels is a finite number"
    return f"all their pixels are {values.pop():.6g}" if len(values) == 1 else "no pixel differs from those beside it"


def _from_the_middle(n: int) -> list[int]:
    """All numbers below ``n``: the middle, then those of both halves, and so on."""
    order: list[int] = []
    parts = [(0, n)] if n else []
    for low, high in parts:  # grows while it is gone through
        middle = (low + high) // 2
        order.append(middle)
        parts += [part for part in ((low, middle), (middle + 1, high)) if part[0] < part[1]]
    return order


def _alike(frames: Iterable[int], name: Callable[[int], str]) -> list[str]:
    names = [name(t) for t in frames]
    return [f"No pixel differs from the others, so nothing can be found: {first_few(names, _NAMED)}."] if names else []
