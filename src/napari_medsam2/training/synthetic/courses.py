"""How a stack goes through a scene: what is prompted and where, how far apart slices are, what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...types import Mask
from .scenes import AIR, LAST_BACKGROUND, LESION, Ids, Scene, Square, slice_of

_Value = TypeVar("_Value", bound=np.generic)

#: Pixels along each side of the slices that are only measured.
_COARSE = 48
#: Pixels of such a slice that a target may take.
_MOST = 0.4 * _COARSE**2


@dataclass(frozen=True, eq=False)
class Course:
    """How a stack goes through a scene.

    Attributes
    ----------
    wanted
        Identities of the target.
    start, step
        Height of the first slice, and from each to the next.
    window
        What is seen of the first slice.
    centre, extent
        Middle of the target there, (y, x), and its longer side.
    hollow
        See :class:`.sample.Sample`.
    """

    wanted: Ids
    start: float
    step: float
    window: Square
    centre: tuple[float, float]
    extent: float
    hollow: bool

    def pixels_per_slice(self, size: int) -> float:
        """How far apart slices are, in pixels of a picture with this side."""
        return abs(self.step) / self.window[2] * size


def choose_course(rng: np.random.Generator, scene: Scene, length: int, *, any_scale: bool) -> Course | None:
    """Choose a target, where to begin and through which window to look; ``None`` if the scene has nothing that fits."""
    start = float(rng.normal(0, 0.05))
    ids = slice_of(scene, start, _COARSE)
    areas = np.bincount(ids.ravel(), minlength=len(scene.class_of))
    fits = [i for i in range(1, len(areas)) if 12 <= areas[i] <= _MOST and scene.class_of[i] != AIR]
    if not fits:
        return None
    target = worth_prompting(rng, scene, fits)
    if rng.random() < 0.4:
        start = where_largest(scene, start, target)
        ids = slice_of(scene, start, _COARSE)
    if np.count_nonzero(ids == target) > _MOST or not mostly_one(ids == target):
        return None
    members = {target} | {i for i, p in enumerate(scene.parent) if p == target and i}
    chosen = members if rng.random() < 0.88 else {target}
    wanted = np.array(sorted(chosen), np.int32)
    direction, widest = float(rng.choice([-1, 1])), 2.6
    if rng.random() < 0.12:
        start, direction, widest = _near_an_end(rng, scene, start, wanted, direction), -direction, 4.0
        ids = slice_of(scene, start, _COARSE)
    window = (0.0, 0.0, 1.0)
    place = _place(np.isin(ids, wanted), window)
    if place is None:
        return None
    centre, extent = place
    if rng.random() >= 0.12:  # else all of the scene is seen
        side = extent * (np.exp(rng.uniform(np.log(0.35), np.log(7))) if any_scale else rng.uniform(1.3, widest))
        shift = rng.uniform(-0.12, 0.12, 2) * min(side, 2 * extent)
        if rng.random() < 0.35:
            shift = _to_the_edge(rng, side, extent)
        window = (centre[0] - side / 2 + shift[0], centre[1] - side / 2 + shift[1], side)
    step = extent * direction * float(np.exp(rng.uniform(np.log(0.025), np.log(min(0.3, 2.4 / length)))))
    coarsely = 0.35 if scene.crowded or scene.class_of[target] == LESION else 0.1
    if rng.random() < coarsely and not scene.tissue:  # slices far apart
        step = extent * direction * float(rng.uniform(0.15, 0.4))
    return Course(wanted, start, step, window, centre, extent, hollow=chosen != members)


def worth_prompting(rng: np.random.Generator, scene: Scene, ids: list[int]) -> int:
    """One of some identities: things rather than the background they lie in, or a part of them.

    A click on a part means the whole more often than the part.
    """
    parts = [scene.parent[i] > 0 for i in ids]
    things = [scene.tissue or scene.class_of[i] > LAST_BACKGROUND for i in ids]
    worth = np.where(parts, 0.3, np.where(things, 1.0, 0.25))
    return int(rng.choice(ids, p=worth / worth.sum()))


@dataclass(frozen=True, eq=False)
class Sight:
    """What is seen along a course: one canvas a slice, and a window on each.

    Places are in the coordinates of the stack, in which what moves sideways from slice to slice moves.

    Attributes
    ----------
    ids
        Identities ``[T, H, W]`` on canvases that all windows fit on; with one window for all they are of its size.
    corners
        Where each window begins on its canvas, ``[T, 2]`` in pixels (y, x).
    windows
        Where the windows lie, ``[T, 4]`` as (y0, x0, height, width), the scene's own sides being 1.
    size
        Pixels along each side of a window.
    """

    ids: Ids
    corners: npt.NDArray[np.int64]
    windows: npt.NDArray[np.float32]
    size: int

    @property
    def of_one_scale(self) -> bool:
        """True if all windows have one side."""
        return bool(np.ptp(self.windows[:, 2]) < 1e-6)

    def through(self, maps: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """Of maps ``[T, ..., H, W]`` on the canvases, what is seen through the windows, ``[T, ..., S, S]``."""
        size = self.size
        seen = [one[..., y : y + size, x : x + size] for one, (y, x) in zip(maps, self.corners, strict=True)]
        return np.stack(seen)

    def first_on_second(self, mask: Mask) -> Mask:
        """A mask ``[S, S]`` in the first window, as it lies on the second canvas, ``[H, W]``."""
        pixel = self.windows[:2, 2] / self.size
        origin = self.windows[1, :2] - self.corners[1] * pixel[1]
        steps = (np.arange(self.ids.shape[-1]) + 0.5) * pixel[1]
        y, x = (np.floor((origin[k] - self.windows[0, k] + steps) / pixel[0] + 1e-3).astype(int) for k in (0, 1))
        inside = ((y >= 0) & (y < self.size))[:, None] & ((x >= 0) & (x < self.size))
        return np.asarray(mask[y.clip(0, self.size - 1)[:, None], x.clip(0, self.size - 1)] & inside)


def see_along(
    rng: np.random.Generator,
    scene: Scene,
    course: Course,
    length: int,
    size: int,
    *,
    bridged: bool = False,
    followed: bool = False,
    refit: bool = False,
) -> Sight:
    """Look at ``length`` slices of a course through windows of ``size`` pixels.

    With ``bridged`` a few slices after the first are left out. Windows stay where they are unless they have
    ``followed`` the object's middle on the slice before, as a session's do, up to their own size away; with ``refit``
    the second one fits the object, as it does after a click.
    """
    window = course.window
    moved = rng.normal(0, 0.012, (length, 2)) * (rng.random() < 0.3) * window[2]
    if rng.random() < (0.4 if followed else 0.25):  # as an object moves over time, or lies aslant in a volume
        drift = rng.normal(0, 0.08 if followed else 0.04, 2) * course.extent
        moved += np.arange(length)[:, None] * drift
    skipped = int(rng.integers(0, 9)) if bridged else 0
    heights = [course.start + (t + skipped * (t > 0)) * course.step for t in range(length)]
    windows = [window]
    for t in range(1, length):
        if t == 1 and bridged:
            window = _onto_the_object(rng, scene, heights[t], window, moved[t], course.wanted)
        elif t == 1 and followed and refit:
            middle = (course.centre[0] - moved[0, 0], course.centre[1] - moved[0, 1])
            window = _centred(rng, middle, course.extent * rng.uniform(1.3, 1.9))
        elif followed and (place := _find(scene, heights[t - 1], window, moved[t - 1], course.wanted)):
            window = _centred(rng, place[0], window[2])
        windows.append(window)
    return _on_canvases(scene, heights, windows, moved, size)


def _centred(rng: np.random.Generator, centre: tuple[float, float], side: float) -> Square:
    """A window around a place, off by a little: that the object is in the middle is not to be relied on."""
    y, x = rng.normal(0, 0.08, 2) * side
    return float(centre[0] - side / 2 + y), float(centre[1] - side / 2 + x), float(side)


def _shifted(window: Square, by: npt.NDArray[np.float64]) -> Square:
    return float(window[0] + by[0]), float(window[1] + by[1]), window[2]


def _place(mask: Mask, window: Square) -> tuple[tuple[float, float], float] | None:
    """Where the middle (y, x) of what a window shows of an object is, and its longer side there."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    pixel = window[2] / len(mask)
    y, x = (float(v.min() + v.max() + 1) / 2 * pixel for v in (rows, columns))
    return (window[0] + y, window[1] + x), float(max(np.ptp(rows), np.ptp(columns)) + 1) * pixel


def _find(
    scene: Scene, z: float, window: Square, moved: npt.NDArray[np.float64], wanted: Ids
) -> tuple[tuple[float, float], float] | None:
    """The place of an object on a slice that has moved, as far as a window shows it."""
    return _place(np.isin(slice_of(scene, z, _COARSE, _shifted(window, moved)), wanted), window)


def _on_canvases(
    scene: Scene, heights: list[float], windows: list[Square], moved: npt.NDArray[np.float64], size: int
) -> Sight:
    """Slices seen through windows that may move, but all have one side from the second on.

    A window stays within its own size of the first one that has that side.
    """
    corners = np.zeros((len(windows), 2), np.int64)
    origins = np.array([w[:2] for w in windows])
    pixel = np.array([w[2] for w in windows])[:, None] / size
    alike = np.flatnonzero(pixel[:, 0] == pixel[-1, 0])
    away = np.round((origins[alike] - origins[alike[0]]) / pixel[-1]).clip(-size, size)
    corners[alike] = away - away.min(0)
    origins[alike] = origins[alike[0]] + away.min(0) * pixel[-1]
    canvas = size + int(corners.max())
    sides = pixel[:, 0] * canvas
    ids = [
        slice_of(scene, z, canvas, _shifted((float(y), float(x), float(side)), by))
        for z, (y, x), side, by in zip(heights, origins, sides, moved, strict=True)
    ]
    shown = np.concatenate([origins + corners * pixel, np.repeat(pixel * size, 2, 1)], 1)
    return Sight(np.stack(ids), corners, shown.astype(np.float32), size)


def mostly_one(mask: Mask) -> bool:
    """True if a mask is one piece, give or take two small ones: a prompt makes clear what is meant."""
    parts, count = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())[1:]
    return count > 0 and count <= 3 and bool(sizes.max() >= 0.6 * sizes.sum())


def where_largest(scene: Scene, start: float, target: int) -> float:
    """The slice nearby on which an object is largest, of several the nearest: where a user would prompt it."""
    steps = sorted(np.linspace(-0.3, 0.3, 13), key=abs)
    return start + float(max(steps, key=lambda z: np.count_nonzero(slice_of(scene, start + float(z), 32) == target)))


def _near_an_end(rng: np.random.Generator, scene: Scene, start: float, wanted: Ids, direction: float) -> float:
    """A slice farther on in a direction where only a small part of the object is left, if there is one nearby."""
    share = rng.uniform(0.15, 0.6)
    first = np.isin(slice_of(scene, start, 32), wanted).sum()
    for away in np.arange(0.015, 0.25, 0.015):
        left = np.isin(slice_of(scene, start + direction * away, 32), wanted).sum()
        if left < share * first:
            return start + direction * float(away) if left >= 8 else start
    return start


def _to_the_edge(rng: np.random.Generator, side: float, extent: float) -> npt.NDArray[np.float64]:
    """A shift (y, x) of the window that brings one or two of its sides to the object, or a little into it.

    So it is with objects at the frame's border: the window stays inside the frame.
    """
    reach = max((side - extent) / 2, 0.0) + rng.uniform(-0.1, 0.3, 2) * extent
    reach[0 if rng.random() < 0.5 else 1] *= rng.choice([0.0, 1.0], p=[0.7, 0.3])
    return np.asarray(reach * rng.choice([-1, 1], 2))


def _onto_the_object(
    rng: np.random.Generator, scene: Scene, z: float, window: Square, moved: npt.NDArray[np.float64], wanted: Ids
) -> Square:
    """The window moved onto the object as it is on another slice, as the region of interest would have followed it.

    It has grown where the object has outgrown it. Where the object became smaller it has in half of the cases too, by
    up to all of the way.
    """
    y0, x0, side = window
    wide = (y0 - 0.75 * side, x0 - 0.75 * side, 2.5 * side)
    place = _find(scene, z, wide, moved, wanted)
    if place is None:
        return window
    (y, x), extent = place
    change = rng.uniform(1.3, 1.9) * extent / side
    if change > 1 or rng.random() < 0.5:
        side *= change if change > 1 else change ** rng.uniform(0, 1)
    return float(y - side / 2), float(x - side / 2), float(side)
