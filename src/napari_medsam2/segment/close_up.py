"""One object in a stack, for networks that are made for whole frames: a window only where it is too small on those."""

from __future__ import annotations

from ..geometry.boxes import Box, box_of_mask, longer_side, union_box
from ..geometry.window import Window, contains
from ..prompts import boxes_of, points_of
from ..types import Mask
from .finder import Found
from .following import RegionFinder
from .task import Task
from .tiles import TileOptions, is_small
from .window_predictor import Looker
from .windows import RegionOptions, clicked_parts, clicked_pixels, follow

#: A window that is larger than this share of the frame's longer side shows hardly more than the whole frame.
WORTH_A_WINDOW = 0.8


class CloseUpFinder(RegionFinder):
    """Finds an object on whole frames, or where they do not show it, in a window around it that follows.

    Parameters
    ----------
    looker
        Runs the network.
    closely
        What is too small, and how large it is in the window.
    """

    def __init__(self, looker: Looker, closely: TileOptions) -> None:
        scale, minimum = looker.size / closely.wanted, looker.size / closely.magnified
        super().__init__(looker, RegionOptions(scale=scale, minimum=minimum))
        self.closely = closely

    def find(self, task: Task, drawn: Mask | None) -> Found:
        """Clicks that correct a slice that was followed look where it was looked for: what is wrong says no size."""
        if task.seen is None or drawn is not None or boxes_of(task.prompts):
            return super().find(task, drawn)
        window = self._following_window(task)
        clicks = points_of(task.prompts)
        if not all(contains(window, click.y, click.x) for click in clicks if click.positive):
            return super().find(task, drawn)
        return self._reaching(task, self.look(task, window))

    def _window(self, box: Box, shape: tuple[int, int]) -> Window:
        y0, x0, y1, x1 = box
        box = max(y0, -0.5), max(x0, -0.5), min(y1, shape[0] - 0.5), min(x1, shape[1] - 0.5)
        if not is_small(longer_side(box), shape, self.looker.size, self.closely):
            return Window.whole(shape)
        return _worth_it(super()._window(box, shape), shape)

    def _clicked_look(self, task: Task) -> Found:
        """The whole frame, unless what was clicked is too small on it; all green clicks are to be in the window."""
        shape = self.frames.shape(task.frame)
        whole = self.look(task, Window.whole(shape))
        clicks = [click for click in points_of(task.prompts) if click.positive]
        if len(clicks) == 1:
            box = self.clicked_box(task, lambda: whole)
        else:
            box = box_of_mask(clicked_parts(whole.mask, clicks))
        if box is None:
            return whole
        around = union_box([box, *clicked_pixels(clicks)])
        assert around is not None
        window = self._window(around, shape)
        return whole if window == whole.look.window else self._reaching(task, self.look(task, window))

    def _grown(self, window: Window, shape: tuple[int, int]) -> Window:
        return _worth_it(super()._grown(window, shape), shape)

    def _following_window(self, task: Task) -> Window:
        """As the slice before was looked at."""
        shape = self.frames.shape(task.frame)
        neighbour = task.neighbour
        if neighbour is None or neighbour.mask.shape != shape or neighbour.window == Window.whole(shape):
            return Window.whole(shape)
        return follow(neighbour.window, neighbour.mask, self.options)

    def _apart(self, task: Task, mask: Mask) -> Mask | None:
        """Nothing: these networks keep the place by themselves."""
        return None


def _worth_it(window: Window, shape: tuple[int, int]) -> Window:
    """A window, or the whole frame where it would show hardly less."""
    whole = Window.whole(shape)
    return window if window == whole or window.size_y < WORTH_A_WINDOW * max(shape) else whole
