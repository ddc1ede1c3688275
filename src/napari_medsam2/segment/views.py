"""How a frame is seen while it is segmented: as it is, or a giant one as a canvas, on which tasks are told anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.boxes import box_of_mask
from ..geometry.canvas import Canvas, is_giant
from ..geometry.compact_mask import CompactMask
from ..geometry.window import Window
from ..prompts import BoxPrompt, FramePrompts, MaskPrompt, PointPrompt, Prompt
from ..results import FrameResult
from .close_up import CloseUpFinder
from .finder import Finder, Found
from .following import FollowingFinder, StackFinder
from .options import Strategy
from .readings import click_for_other
from .task import FrameTask, Neighbour
from .whole_frame import SearchFinder, TileFinder, WholeFrameFinder
from .window_predictor import WindowPredictor


@dataclass(frozen=True, eq=False)
class View:
    """What sees a frame, and the task in its coordinates.

    Attributes
    ----------
    predictor, finder
        Run the network, and say where.
    task
        On the canvas, or on the frame.
    canvas
        ``None``: the frame as it is.
    """

    predictor: WindowPredictor
    finder: Finder
    task: FrameTask
    canvas: Canvas | None = None

    def window_of(self, window: Window) -> Window:
        """A window in coordinates of the frame."""
        return window if self.canvas is None else self.canvas.window_of(window)

    def on(self, canvas: Canvas, task: FrameTask) -> View:
        """The same, a ``task`` in coordinates of the frame seen on a canvas."""
        predictor = self.predictor.on(canvas)
        return View(predictor, make_finder(predictor), task_on(task, canvas), canvas)


def view_of(predictor: WindowPredictor, finder: Finder, task: FrameTask) -> View:
    """The view that a task is looked at in first.

    A giant frame is seen as a whole, coarsely, or in a stack where an object is known to be, with what is around.
    """
    shape, view = predictor.shape(task.frame), View(predictor, finder, task)
    if not is_giant(shape):
        return view
    window = finder.window_of(task) if isinstance(finder, StackFinder) else None
    return view.on(Canvas.whole(shape) if window is None else Canvas.around(window, shape), task)


def closer_view(view: View, finder: Finder, task: FrameTask, found: Found) -> View | None:
    """The view around what clicks were found to be on, on a giant frame of a stack; ``None`` where that is no closer.

    Parameters
    ----------
    finder, task
        In coordinates of the frame.
    found
        In the view.
    """
    canvas = view.canvas
    if canvas is None or canvas.step == 1 or not isinstance(finder, StackFinder) or not task.prompts.only_clicks:
        return None
    box = box_of_mask(found.mask)
    if box is None:
        return None
    window = finder.window_around((*canvas.place_of(*box[:2]), *canvas.place_of(*box[2:])), canvas.frame)
    closer = Canvas.around(window, canvas.frame)
    return view.on(closer, task) if closer.step < canvas.step else None


def result_of(
    view: View, task: FrameTask, found: Found, *, present: bool, quality: float, objectness: float, seconds: float
) -> FrameResult:
    """What was found in a view, as a result on the frame; ``task`` in coordinates of that.

    ``present`` is false where it was judged not to be there.
    """
    drawn, prompts = task.prompts.mask, task.prompts
    values = {
        "frame": task.frame,
        "object_id": task.object_id,
        "confidence": 1.0 if prompts.erases else quality * objectness,
        "iou": quality,
        "objectness": objectness,
        "prompted": bool(prompts),
        "seconds": seconds,
        "window": view.window_of(found.summary.window),
        "drawn": drawn is not None,
        "boxed": drawn is None and bool(prompts.boxes),
        "other": None if view.canvas is not None else click_for_other(found, task.prompts),
    }
    mask = found.mask if present else np.zeros_like(found.mask)
    if drawn is not None:
        pixels = CompactMask.of(drawn, None)
    elif view.canvas is not None:
        pixels = view.canvas.mask_of(mask, found.logits)
    else:
        pixels = CompactMask.of(mask, found.logits)
    return FrameResult.kept(pixels, **values)


def task_on(task: FrameTask, canvas: Canvas) -> FrameTask:
    """A task in coordinates of a canvas; what is not on it is left out."""
    neighbour = task.neighbour
    if neighbour is not None and neighbour.mask.shape != canvas.frame:
        neighbour = None
    if neighbour is not None:
        neighbour = Neighbour(
            neighbour.frame,
            canvas.mask_on(neighbour.mask),
            None,
            canvas.window_on(neighbour.window),
            neighbour.prompted,
        )
    return replace(
        task,
        prompts=FramePrompts(task.object_id, task.frame, tuple(_given_on(task.prompts, canvas))),
        neighbour=neighbour,
        correcting=None if task.correcting is None else canvas.mask_on(task.correcting),
        taken=None if task.taken is None else canvas.mask_on(task.taken),
        choosing=tuple(p for p in _given_on(task.choosing, canvas) if isinstance(p, PointPrompt)),
    )


def _given_on(prompts: Iterable[Prompt], canvas: Canvas) -> list[Prompt]:
    given: list[Prompt] = []
    for prompt in prompts:
        if isinstance(prompt, PointPrompt):
            if canvas.shows(prompt.y, prompt.x):
                y, x = canvas.place_on(prompt.y, prompt.x)
                given.append(replace(prompt, y=y, x=x))
        elif isinstance(prompt, BoxPrompt):
            y0, x0 = canvas.place_on(prompt.y0, prompt.x0)
            y1, x1 = canvas.place_on(prompt.y1, prompt.x1)
            given.append(replace(prompt, y0=y0, x0=x0, y1=y1, x1=x1))
        else:
            given.append(MaskPrompt(prompt.frame, canvas.mask_on(prompt.mask), prompt.object_id))
    return given


def make_finder(predictor: WindowPredictor) -> Finder:
    """The finder of the strategy that the options name."""
    options = predictor.options
    match options.strategy:
        case Strategy.FOLLOW:
            return FollowingFinder(predictor, options.region)
        case Strategy.CLOSE_UP:
            return CloseUpFinder(predictor, options.tiles)
        case Strategy.SEARCH:
            return SearchFinder(predictor, options.region, options.tiles)
        case Strategy.TILES:
            return TileFinder(predictor, options.tiles)
        case Strategy.WHOLE_FRAME:
            return WholeFrameFinder(predictor)
