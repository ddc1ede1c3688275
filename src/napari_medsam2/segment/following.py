"""One object in a stack: the network sees a window around it, which prompts place and which follows from there."""

from __future__ import annotations

from dataclasses import replace

from ..geometry.boxes import Box, box_of_mask, longer_side
from ..geometry.window import Window
from ..prompts import BoxPrompt, says_where
from ..types import Mask
from .finder import Finder, Found, best_scale
from .task import Task
from .window_predictor import Looker
from .windows import (
    RegionOptions,
    clicked_boxes,
    clicked_extent,
    connected,
    extent_of_prompts,
    follow,
    grown,
    touches_border,
    window_around,
    windows_around_clicks,
)


class RegionFinder(Finder):
    """Finds an object in a window around it.

    Parameters
    ----------
    looker
        Runs the network.
    options
        How windows are placed and follow.
    """

    def __init__(self, looker: Looker, options: RegionOptions) -> None:
        super().__init__(looker)
        self.options = options

    def find(self, task: Task, drawn: Mask | None) -> Found:
        erased = drawn is not None and not drawn.any()
        box = extent_of_prompts(task.prompts, task.seen) if task.prompts and not erased else None
        if box is not None:
            window = self._window(box, self.frames.shape(task.frame))
        elif erased or not says_where(task.prompts):
            window = self._following_window(task)
        else:
            return self._clicked_look(task)
        found = self.look(task, window)
        return self._reaching(task, found) if drawn is None else found

    def _window(self, box: Box, shape: tuple[int, int]) -> Window:
        """The window around what prompts say the object covers, on a frame of ``shape`` (H, W)."""
        return window_around(box, shape, self.options.scale, self.options)

    def _grown(self, window: Window, shape: tuple[int, int]) -> Window:
        """A larger window for what reaches the border of one."""
        return grown(window, shape, self.options)

    def _clicked_look(self, task: Task) -> Found:
        """After clicks alone, which say where the object is, but not how large."""
        return self._boxed_look(task, self._reaching(task, self._first_look(task)))

    def _reaching(self, task: Task, found: Found) -> Found:
        """A look at a larger window, where what was found reaches the border of its own."""
        if not touches_border(found.mask, found.look.window, self.options):
            return found
        larger = self._grown(found.look.window, self.frames.shape(task.frame))
        return found if larger == found.look.window else self.look(task, larger)

    def _first_look(self, task: Task) -> Found:
        """After clicks alone: of windows of several sizes, one whose answer is sure and also seen from farther away.

        Where what was found is much smaller than its window, the look is a closer one.
        """
        shape, options = self.frames.shape(task.frame), self.options
        looks = [self.look(task, window) for window in windows_around_clicks(task.prompts, shape, options)]
        if len(looks) < 3:
            return looks[0]
        compared = looks[:-1]
        best = compared[best_scale([look.mask for look in compared], compared)]
        box = clicked_extent(best.mask, task.prompts)
        if box is None or best.look.window.size_y < options.click_limit * longer_side(box):
            return best
        return self.look(task, window_around(box, shape, options.click_scale, options))

    def _boxed_look(self, task: Task, clicked: Found) -> Found:
        """Look again with a box around each part that was found at a click: a box says what is one thing.

        The boxes are around where the network is sure, not around all that is shown.
        """
        if not self.looker.model.network.boxes_clicked:
            return clicked
        boxes = clicked_boxes(clicked.logits > 0, task.prompts)
        boxed = replace(task, prompts=(*task.prompts, *(BoxPrompt(task.frame, *box, task.object_id) for box in boxes)))
        extent = extent_of_prompts(boxed.prompts)
        if extent is None:  # nothing was found at the clicks
            return clicked
        shape, options = self.frames.shape(task.frame), self.options
        return self.look(boxed, window_around(extent, shape, options.boxed_scale, options))

    def _following_window(self, task: Task) -> Window:
        shape, options = self.frames.shape(task.frame), self.options
        if task.neighbour is None or task.neighbour.mask.shape != shape:
            return Window.whole(shape)
        box = box_of_mask(task.neighbour.mask) if task.neighbour.prompted else None
        if box is not None:  # the prompts may have asked for another size than the object turned out to have
            return self._window(box, shape)
        return follow(task.neighbour.window, task.neighbour.mask, options)

    def _apart(self, task: Task, mask: Mask) -> Mask | None:
        """Parts that do not carry on from the neighbouring slice."""
        if task.neighbour is None or task.neighbour.mask.shape != mask.shape:
            return None
        apart = mask & ~connected(mask, task.neighbour.mask, self.options)
        return apart if apart.any() else None
