"""The region of interest: which square window of a frame the network sees. Pure functions.

Small objects are segmented far better from a window around them than from the whole frame; the window is placed by the
prompts on a prompted frame and follows the object from slice to slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.boxes import Box, box_of_mask, longer_side, union_box
from ..geometry.parts import parts_at
from ..geometry.window import Window
from ..prompts import BoxPrompt, FramePrompts, PointPrompt
from ..types import Mask


@dataclass(frozen=True)
class RegionOptions:
    """How the window is placed and how it follows.

    Attributes
    ----------
    scale
        Side of the window over the longer side of the object's box.
    click_scale
        Side of the window over the longer side of a box that is only guessed, from what was found after a click.
    click_limit
        If a window's side is at least this many times as long as what was found in it after a click, a smaller window
        is looked at, too.
    boxed_scale
        Side of the window over the longer side of the boxes, for the last look after clicks, in which boxes around
        what was found at the clicks count as if they had been drawn.
    closer_scale
        Side of the window over the longer side of the object's box, for the closer look in a flow.
    closer_share
        There is no closer look if it would show more than this share of the frame's longer side.
    detail
        There is no closer look on frames less than this many times as large as the network's input: of those the look
        at the whole shows most that there is.
    minimum
        Shortest side in data pixels.
    largest
        Longest side, as a multiple of the frame's longer side.
    click_sides
        Sides of the windows for the first looks after a click, as shares of the frame's longer side. The largest and
        the smallest are there to compare with: a click on a part finds the body in the one, a speck in the other.
    slack
        While following, the window keeps its side until it is this many times as large as the object asks for.
    max_shrinking
        Largest factor by which the side shrinks from one frame to the next.
    regrow
        Factor for a second look where the object touches the border of the window.
    border
        Width of that border, as a share of the window's side.
    reach
        How far from the previous slice's mask another part of the object may lie, as a share of the object's width.
    """

    scale: float = 1.4
    click_scale: float = 1.9
    click_limit: float = 2.2
    boxed_scale: float = 1.6
    closer_scale: float = 1.6
    closer_share: float = 0.5
    detail: float = 2.5
    minimum: float = 20.0
    largest: float = 1.25
    click_sides: tuple[float, ...] = (0.9, 0.65, 0.48, 0.35, 0.26, 0.19, 0.14, 0.1)
    slack: float = 2.0
    max_shrinking: float = 1.25
    regrow: float = 1.5
    border: float = 0.02
    reach: float = 0.1


def clicked_pixels(clicks: Sequence[PointPrompt]) -> list[Box]:
    """A box of one pixel around each click."""
    return [(p.y - 0.5, p.x - 0.5, p.y + 0.5, p.x + 0.5) for p in clicks]


def extent_of_prompts(prompts: FramePrompts, correcting: Mask | None = None) -> Box | None:
    """Box around what the prompts say the object covers, positive clicks included.

    Parameters
    ----------
    correcting
        The object's mask on this frame from before the prompts ``(H, W)``, where there is one.

    Returns
    -------
    Box or None
        ``None`` if there is nothing that has an extent: clicks alone have none.
    """
    boxes = [(p.y0, p.x0, p.y1, p.x1) for p in prompts.boxes]
    masks = [mask for mask in (prompts.mask, correcting) if mask is not None]
    boxes += [box for box in map(box_of_mask, masks) if box is not None]
    return union_box(boxes + clicked_pixels(prompts.positive)) if boxes else None


def inside_boxes(boxes: Sequence[BoxPrompt], shape: tuple[int, ...]) -> Mask:
    """Pixels of a frame of ``shape`` (H, W) whose centre is in a box."""
    inside = np.zeros(shape, bool)
    for box in boxes:
        y0, x0, y1, x1 = (max(int(np.ceil(edge)), 0) for edge in (box.y0, box.x0, box.y1, box.x1))
        inside[y0:y1, x0:x1] = True
    return inside


def windows_around_clicks(
    clicks: Sequence[PointPrompt], shape: tuple[int, int], options: RegionOptions
) -> list[Window]:
    """Windows of several sizes around positive clicks: a click says where, but not how large.

    Without clicks there is one window, the whole frame.

    Parameters
    ----------
    shape
        Of the frame, (H, W).
    """
    box = union_box(clicked_pixels(clicks))
    if box is None:
        return [Window.whole(shape)]
    y, x = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    shortest = max(options.minimum, options.scale * longer_side(box))
    sides = {max(share * max(shape), shortest) for share in options.click_sides}
    return [_placed(y, x, side, shape, options) for side in sorted(sides, reverse=True)]


def clicked_extent(mask: Mask, prompts: FramePrompts) -> Box | None:
    """Box around what was found at the clicks, clicks included; ``None`` if nothing was found.

    Of several separate parts only those that were clicked count, if any was.
    """
    if not mask.any():
        return None
    clicked = clicked_parts(mask, prompts.positive)
    return extent_of_prompts(prompts, clicked if clicked.any() else mask)


def clicked_boxes(mask: Mask, clicks: Sequence[PointPrompt]) -> list[Box]:
    """Boxes around the separate parts of a mask ``(H, W)`` that positive clicks are on, one for each."""
    parts = [clicked_parts(mask, [click]) for click in clicks]
    return list(dict.fromkeys(box for box in map(box_of_mask, parts) if box is not None))


def clicked_parts(mask: Mask, clicks: Sequence[PointPrompt]) -> Mask:
    """The separate parts of a mask ``(H, W)`` that positive clicks are on; a click off the frame is on its border."""
    height, width = mask.shape
    places = [(round(p.y), round(p.x)) for p in clicks]
    return parts_at(mask, [(min(max(y, 0), height - 1), min(max(x, 0), width - 1)) for y, x in places])


def connected(mask: Mask, neighbour: Mask, options: RegionOptions) -> Mask:
    """The parts of a mask that carry on from the neighbouring slice's mask; look-alikes elsewhere are left out.

    A part carries on if it touches the neighbour's mask or is within ``reach`` of it. If none does, the object may have
    moved: then the nearest part counts, if it is not farther away than the object is wide.

    Parameters
    ----------
    mask, neighbour
        ``(H, W)``; ``neighbour`` may be empty, and then nothing is left out.
    """
    if not mask.any() or not neighbour.any():
        return mask
    parts, count = ndimage.label(mask)
    if count == 1 and (mask & neighbour).any():
        return mask
    away = ndimage.minimum(ndimage.distance_transform_edt(~neighbour), parts, np.arange(1, count + 1))
    width = float(np.sqrt(neighbour.sum()))
    near = np.flatnonzero(away <= max(options.reach * width, 1.0))
    if not len(near) and away.min() <= width:
        near = np.array([int(np.argmin(away))])
    return np.asarray(np.isin(parts, near + 1))


def window_around(box: Box, shape: tuple[int, int], scale: float, options: RegionOptions) -> Window:
    """The square window around a box on a frame of ``shape`` (H, W)."""
    wanted = Window.square_around(box, scale=scale, minimum=options.minimum)
    return _placed((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, wanted.size_y, shape, options)


def follow(window: Window, mask: Mask, options: RegionOptions) -> Window:
    """The window for the next frame, from this frame's window and the mask found in it.

    It moves to the object and keeps its side: how small the object has become, compared with before, tells that it is
    about to end. It grows where the object touches its border (:func:`grown`), and shrinks where it has become far too
    large. It stays as it is if the mask is empty.
    """
    box = box_of_mask(mask)
    if box is None:
        return window
    shape = (mask.shape[0], mask.shape[1])
    fitting = window_around(box, shape, options.scale, options).size_y
    side = max(min(window.size_y, options.slack * fitting), window.size_y / options.max_shrinking)
    return _placed((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, side, shape, options)


def touches_border(mask: Mask, window: Window, options: RegionOptions) -> bool:
    """True if the object reaches the border of the window where the frame goes on beyond it."""
    height, width = mask.shape
    margin_y, margin_x = max(1.0, options.border * window.size_y), max(1.0, options.border * window.size_x)
    box = box_of_mask(mask)
    if box is None:
        return False
    return (
        (window.y0 > -0.5 and box[0] < window.y0 + margin_y)
        or (window.x0 > -0.5 and box[1] < window.x0 + margin_x)
        or (window.y1 < height - 0.5 and box[2] > window.y1 - margin_y)
        or (window.x1 < width - 0.5 and box[3] > window.x1 - margin_x)
    )


def grown(window: Window, shape: tuple[int, int], options: RegionOptions) -> Window:
    """A larger window with the same centre, for a second look."""
    centre_y, centre_x = window.y0 + window.size_y / 2, window.x0 + window.size_x / 2
    return _placed(centre_y, centre_x, window.size_y * options.regrow, shape, options)


def _placed(y: float, x: float, side: float, shape: tuple[int, int], options: RegionOptions) -> Window:
    """A square of at most the largest side, moved into the frame if it fits: pixels beyond the frame are made up.

    An axis that it covers wholly is centred, so that nothing is left out.
    """
    side = min(side, max(options.largest * max(shape), options.minimum))
    y0, x0 = (
        (length - 1 - side) / 2 if side >= length else min(max(centre - side / 2, -0.5), length - 0.5 - side)
        for centre, length in zip((y, x), shape, strict=True)
    )
    return Window(float(y0), float(x0), float(side), float(side))
