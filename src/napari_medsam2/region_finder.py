"""One object in a stack: the network sees a window around it, which prompts place and which follows from there."""

from __future__ import annotations

from . import region
from .finding import Finder, Found, best_scale
from .looks import Looker
from .prompts import says_where
from .region import RegionOptions
from .task import Mask, Task
from .transforms import Window


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
        shape, options = self.frames.shape(task.frame), self.options
        if not task.prompts or (drawn is not None and not drawn.any()):
            found = self.look(task, self._following_window(task))
        elif (box := region.extent_of_prompts(task.prompts, task.seen)) is not None:
            found = self.look(task, region.window_around(box, shape, options.scale, options))
        elif not says_where(task.prompts):
            found = self.look(task, self._following_window(task))
        else:
            found = self._first_look(task)
        if drawn is None and region.touches_border(found.mask, found.look.window, options):
            larger = region.grown(found.look.window, shape, options)
            if larger != found.look.window:
                found = self.look(task, larger)
        return found

    def _first_look(self, task: Task) -> Found:
        """After clicks alone: of windows of several sizes, one whose answer is sure and also seen from farther away.

        Where what was found is much smaller than its window, the look is a closer one.
        """
        shape, options = self.frames.shape(task.frame), self.options
        looks = [self.look(task, window) for window in region.windows_around_clicks(task.prompts, shape, options)]
        if len(looks) < 3:
            return looks[0]
        compared = looks[:-1]
        best = compared[best_scale([look.mask for look in compared], compared)]
        box = region.clicked_extent(best.mask, task.prompts)
        if box is None or best.look.window.size_y < options.click_limit * region.longer_side(box):
            return best
        return self.look(task, region.window_around(box, shape, options.click_scale, options))

    def _following_window(self, task: Task) -> Window:
        shape, options = self.frames.shape(task.frame), self.options
        if task.neighbour is None or task.neighbour.mask.shape != shape:
            return Window.whole(shape)
        box = region.box_of_mask(task.neighbour.mask) if task.neighbour.prompted else None
        if box is not None:  # the prompts may have asked for another size than the object turned out to have
            return region.window_around(box, shape, options.scale, options)
        return region.follow(task.neighbour.window, task.neighbour.mask, options)

    def _apart(self, task: Task, mask: Mask) -> Mask | None:
        """Parts that do not carry on from the neighbouring slice."""
        if task.neighbour is None or task.neighbour.mask.shape != mask.shape:
            return None
        apart = mask & ~region.connected(mask, task.neighbour.mask, self.options)
        return apart if apart.any() else None
