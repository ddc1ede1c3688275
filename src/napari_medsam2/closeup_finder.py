"""One object in a stack, for networks that are made for whole frames: a window only where it is too small on those."""

from __future__ import annotations

from . import region
from .finding import Found
from .looks import Looker
from .region import Box, RegionOptions
from .region_finder import RegionFinder
from .task import Mask, Task
from .tiles import TileOptions, is_small
from .transforms import Window

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

    def _window(self, box: Box, shape: tuple[int, int]) -> Window:
        if not is_small(region.longer_side(box), shape, self.looker.size, self.closely):
            return Window.whole(shape)
        window = super()._window(box, shape)
        return window if window.size_y < WORTH_A_WINDOW * max(shape) else Window.whole(shape)

    def _clicked_look(self, task: Task) -> Found:
        """The whole frame, unless what was clicked is too small on it."""
        shape = self.frames.shape(task.frame)
        whole = self.look(task, Window.whole(shape))
        box = self.clicked_box(task, lambda: whole)
        window = whole.look.window if box is None else self._window(box, shape)
        return whole if window == whole.look.window else self._reaching(task, self.look(task, window))

    def _following_window(self, task: Task) -> Window:
        """As the slice before was looked at."""
        shape = self.frames.shape(task.frame)
        neighbour = task.neighbour
        if neighbour is None or neighbour.mask.shape != shape or neighbour.window == Window.whole(shape):
            return Window.whole(shape)
        return region.follow(neighbour.window, neighbour.mask, self.options)

    def _apart(self, task: Task, mask: Mask) -> Mask | None:
        """Nothing: these networks keep the place by themselves."""
        return None
