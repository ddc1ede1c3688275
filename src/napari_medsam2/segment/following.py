"""One object in a stack: the network sees a window around it, which prompts place and which follows from there."""

from __future__ import annotations

from abc import abstractmethod

from ..geometry.boxes import Box, box_of_mask, longer_side
from ..geometry.window import Window
from ..prompts import BoxPrompt
from ..types import Mask
from .finder import Finder, Found, best_scale
from .task import FrameTask
from .window_predictor import WindowPredictor
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


class StackFinder(Finder):
    """Finds an object in a window that prompts place, and that follows it over the slices beside them.

    Parameters
    ----------
    predictor
        Runs the network.
    options
        How windows are placed and follow.
    """

    def __init__(self, predictor: WindowPredictor, options: RegionOptions) -> None:
        super().__init__(predictor)
        self.options = options

    def find(self, task: FrameTask) -> Found:
        window = self.window_of(task)
        if window is None:
            return self.find_clicked(task)
        found = self.find_in(task, window)
        return self.reaching(task, found) if task.prompts.mask is None else found

    def window_of(self, task: FrameTask) -> Window | None:
        """The window for a task; ``None`` where clicks say where the object is, but nothing says how large."""
        prompts = task.prompts
        box = extent_of_prompts(prompts, task.correcting) if prompts and not prompts.erases else None
        if box is not None:
            return self.window_around(box, self.predictor.shape(task.frame))
        if not prompts.shows_object:
            return self.following_window(task)
        return None

    def reaching(self, task: FrameTask, found: Found) -> Found:
        """Find again in a larger window, if what was found reaches the border of its own."""
        window = found.prediction.window
        if not touches_border(found.mask, window, self.options):
            return found
        larger = self.grown(window, self.predictor.shape(task.frame))
        return found if larger == window else self.find_in(task, larger)

    def grown(self, window: Window, shape: tuple[int, int]) -> Window:
        """A larger window than one, on a frame of ``shape`` (H, W); the same if there is none."""
        return grown(window, shape, self.options)

    @abstractmethod
    def find_clicked(self, task: FrameTask) -> Found:
        """Find what clicks alone are on: they say where the object is, but not how large."""

    @abstractmethod
    def window_around(self, box: Box, shape: tuple[int, int]) -> Window:
        """The window around what prompts say the object covers, on a frame of ``shape`` (H, W)."""

    @abstractmethod
    def following_window(self, task: FrameTask) -> Window:
        """Where the object is looked for when nothing on its frame says where it is."""


class FollowingFinder(StackFinder):
    """Finds an object at the scale that the network was trained on, whatever its size."""

    def window_around(self, box: Box, shape: tuple[int, int]) -> Window:
        return window_around(box, shape, self.options.scale, self.options)

    def following_window(self, task: FrameTask) -> Window:
        shape, neighbour = self.predictor.shape(task.frame), task.neighbour
        if neighbour is None or neighbour.mask.shape != shape:
            return Window.whole(shape)
        box = box_of_mask(neighbour.mask) if neighbour.prompted else None
        if box is not None:  # the prompts may have asked for another size than the object turned out to have
            return self.window_around(box, shape)
        return follow(neighbour.window, neighbour.mask, self.options)

    def find_clicked(self, task: FrameTask) -> Found:
        return self._find_boxed(task, self.reaching(task, self._find_at_best_scale(task)))

    def _find_at_best_scale(self, task: FrameTask) -> Found:
        """Find in windows of several sizes; take the answer that is sure and much the same in the next larger window.

        Where that is much smaller than its window, it is looked for once more in a smaller one.
        """
        shape, options = self.predictor.shape(task.frame), self.options
        windows = windows_around_clicks(task.prompts.positive, shape, options)
        found = [self.find_in(task, window) for window in windows]
        if len(found) < 3:
            return found[0]
        compared = found[:-1]
        best = compared[best_scale([one.mask for one in compared], compared)]
        box = clicked_extent(best.mask, task.prompts)
        if box is None or best.prediction.window.size_y < options.click_limit * longer_side(box):
            return best
        return self.find_in(task, window_around(box, shape, options.click_scale, options))

    def _find_boxed(self, task: FrameTask, clicked: Found) -> Found:
        """Find again with a box around each part that was found at a click: a box says what is one thing.

        The boxes are around where the network is sure, not around all that is shown.
        """
        if not self.predictor.model.network.boxes_clicked:
            return clicked
        boxes = clicked_boxes(clicked.logits > 0, task.prompts.positive)
        boxed = task.with_prompts(*(BoxPrompt(task.frame, *box, task.object_id) for box in boxes))
        extent = extent_of_prompts(boxed.prompts)
        if extent is None:  # nothing was found at the clicks
            return clicked
        shape, options = self.predictor.shape(task.frame), self.options
        return self.find_in(boxed, window_around(extent, shape, options.boxed_scale, options))

    def _apart(self, task: FrameTask, mask: Mask) -> Mask | None:
        """Parts that do not carry on from the neighbouring slice."""
        if task.neighbour is None or task.neighbour.mask.shape != mask.shape:
            return None
        apart = mask & ~connected(mask, task.neighbour.mask, self.options)
        return apart if apart.any() else None
