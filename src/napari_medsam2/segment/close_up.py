"""One object in a stack, for networks that are made for whole frames: a window only where it is too small on those."""

from __future__ import annotations

from ..geometry.boxes import Box, box_of_mask, longer_side, union_box
from ..geometry.window import Window, contains
from .finder import Found
from .following import StackFinder
from .task import FrameTask
from .tiles import TileOptions, is_small
from .window_predictor import WindowPredictor
from .windows import RegionOptions, clicked_parts, clicked_pixels, follow, window_around

#: A window that is larger than this share of the frame's longer side shows hardly more than the whole frame.
WORTH_A_WINDOW = 0.8


class CloseUpFinder(StackFinder):
    """Finds an object on whole frames, or where they do not show it, in a window around it that follows.

    What does not carry on from the slice before stays: these networks keep the place by themselves.

    Parameters
    ----------
    predictor
        Runs the network.
    closely
        What is too small, and how large it is in the window.
    """

    def __init__(self, predictor: WindowPredictor, closely: TileOptions) -> None:
        size = predictor.size
        super().__init__(predictor, RegionOptions(scale=size / closely.wanted, minimum=size / closely.magnified))
        self.closely = closely

    def window_of(self, task: FrameTask) -> Window | None:
        """As the prompts say; for clicks alone that correct a followed slice, the window that it was followed in."""
        prompts = task.prompts
        if task.correcting is not None and prompts.only_clicks:
            window = self.following_window(task)
            if all(contains(window, click.y, click.x) for click in prompts.positive):
                return window
        return super().window_of(task)

    def window_around(self, box: Box, shape: tuple[int, int]) -> Window:
        y0, x0, y1, x1 = box
        box = max(y0, -0.5), max(x0, -0.5), min(y1, shape[0] - 0.5), min(x1, shape[1] - 0.5)
        if not is_small(longer_side(box), shape, self.predictor.size, self.closely):
            return Window.whole(shape)
        return _worth_it(window_around(box, shape, self.options.scale, self.options), shape)

    def grown(self, window: Window, shape: tuple[int, int]) -> Window:
        return _worth_it(super().grown(window, shape), shape)

    def following_window(self, task: FrameTask) -> Window:
        """The window of the slice before, moved to the object; the whole frame if that was looked at as a whole."""
        shape, neighbour = self.predictor.shape(task.frame), task.neighbour
        if neighbour is None or neighbour.mask.shape != shape or neighbour.window == Window.whole(shape):
            return Window.whole(shape)
        return follow(neighbour.window, neighbour.mask, self.options)

    def find_clicked(self, task: FrameTask) -> Found:
        """On the whole frame, unless what was clicked is too small on it; all green clicks are to be in the window."""
        shape, clicks = self.predictor.shape(task.frame), task.prompts.positive
        whole = self.find_in(task, Window.whole(shape))
        if len(clicks) == 1:
            box = self.clicked_box(task, lambda: whole)
        else:
            box = box_of_mask(clicked_parts(whole.mask, clicks))
        if box is None:
            return whole
        around = union_box([box, *clicked_pixels(clicks)])
        assert around is not None
        window = self.window_around(around, shape)
        return whole if window == whole.prediction.window else self.reaching(task, self.find_in(task, window))


def _worth_it(window: Window, shape: tuple[int, int]) -> Window:
    """A window, or the whole frame where it would show hardly less."""
    whole = Window.whole(shape)
    return window if window == whole or window.size_y < WORTH_A_WINDOW * max(shape) else whole
