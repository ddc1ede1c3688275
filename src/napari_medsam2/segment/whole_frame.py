"""All things of a kind on whole frames: at one look, in tiles where they are small, closely where one is alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from ..geometry.boxes import longer_side
from ..geometry.window import Window, paste
from ..network.interface import ImageFeatures, Recall
from ..segment import tiles
from .corrections import clicked_away, settle, settled, take_back
from .finder import Finder, Found
from .task import FrameTask
from .tiles import TileOptions
from .window_predictor import WindowPrediction, WindowPredictor
from .windows import RegionOptions, extent_of_prompts, window_around


class WholeFrameFinder(Finder):
    """Finds objects at one look at the whole frame, whatever their size."""

    def find(self, task: FrameTask) -> Found:
        return self.find_in(task, Window.whole(self.predictor.shape(task.frame)))


class TileFinder(Finder):
    """Finds all of a kind of thing on the whole frame, or in tiles where the things are small.

    Parameters
    ----------
    predictor
        Runs the network.
    tiling
        When a frame is looked at in tiles.
    """

    def __init__(self, predictor: WindowPredictor, tiling: TileOptions) -> None:
        super().__init__(predictor)
        self.tiling = tiling

    def find(self, task: FrameTask) -> Found:
        found, side = self.find_everywhere(task)
        return found if side is None else replace(found, tile=side)

    def find_everywhere(self, task: FrameTask) -> tuple[Found, int | None]:
        """What is found on all of the frame, and the side of the tiles; ``None`` for one look at the whole."""
        shape = self.predictor.shape(task.frame)

        @cache
        def whole() -> Found:
            return self.find_in(task, Window.whole(shape))

        side = self._tile_side(task, whole)
        return (whole(), None) if side is None else (self._tiled_look(task, side), side)

    def _tile_side(self, task: FrameTask, whole: Callable[[], Found]) -> int | None:
        """Side of the tiles in which a frame is looked at; ``None`` for one look at the whole frame.

        The prompts say how large a thing is; on frames without any, the sides that prompted frames had are used.
        """
        shape = self.predictor.shape(task.frame)
        length = tiles.length_of_things(task.prompts)
        if length is None and (pinned := [entry.tile for entry in task.bank.entries if entry.pinned]):
            sides = [max(1, side // self.predictor.step) for side in pinned if side is not None]
            return tiles.usable_side(min(sides), shape) if sides else None
        if length is None and max(shape) >= 1.5 * self.predictor.size:  # else one look at the frame shows all there is
            box = self.clicked_box(task, whole)
            length = None if box is None else longer_side(box)
        return None if length is None else tiles.tile_side(length, shape, self.predictor.size, self.tiling)

    def _tiled_look(self, task: FrameTask, side: int) -> Found:
        """Find in all of a frame in tiles: first where prompts are, then with the memory of that everywhere.

        Of the answers one is remembered, that with most of the object in it.
        """
        predictor, shape, drawn = self.predictor, self.predictor.shape(task.frame), task.prompts.mask
        features = predictor.features(task.frame, Window.whole(shape))
        recalls = predictor.recalls(task, features)
        windows = tiles.tile_windows(shape, side, self.tiling)
        if drawn is not None:
            fullest = predictor.predict(task, tiles.fullest(windows, drawn), recalls)
            logits = paste(fullest.answer.logits, fullest.window, shape)
            return Found(fullest, logits, drawn, None, replace(fullest, window=Window.whole(shape), features=features))
        prompted = []
        for window in tiles.windows_on(tiles.places_of(task.prompts), shape, side):
            there = replace(task, prompts=tiles.inside(task.prompts, window))
            prompted.append(predictor.predict(there, window, recalls))
        own = [predictor.remember(prediction, None, None, prompted=True) for prediction in prompted]
        recalls += [Recall(memory.to(predictor.model.device), pinned=True) for memory in own]
        free = [predictor.predict(task.without_prompts(), window, recalls) for window in windows]
        weights = [tiles.PROMPTED_WEIGHT] * len(prompted) + [1.0] * len(free)
        answers = [(one.window, one.answer.logits) for one in (*prompted, *free)]
        logits = tiles.blended(answers, weights, shape)
        mask = logits > 0
        done, apart = settled(mask, task), None
        if done is not None:
            settle(logits, mask, done)
        else:
            apart = clicked_away(logits, mask, task.prompts)
            take_back(logits, mask, apart)
        areas = {one: float((one.answer.logits > 0).sum()) for one in (*prompted, *free)}
        remembered = max(prompted or free, key=areas.__getitem__)
        summary = _summary(areas, features, shape)
        return Found(remembered, logits, mask, apart, summary, settled=done is not None)


class SearchFinder(TileFinder):
    """Finds as a :class:`TileFinder`, and draws more finely what is alone on a frame that is large.

    Parameters
    ----------
    predictor
        Runs the network.
    closer
        Options of the closer look.
    tiling
        When a frame is looked at in tiles.
    """

    def __init__(self, predictor: WindowPredictor, closer: RegionOptions, tiling: TileOptions) -> None:
        super().__init__(predictor, tiling)
        self.closer = closer

    def find(self, task: FrameTask) -> Found:
        """Where all is in one place on a frame with prompts, tiles are left out on the others.

        They are for crowds, and cost a frame's work each.
        """
        found = super().find(task)
        shape = self.predictor.shape(task.frame)
        if found.tile is None:
            large = max(shape) >= self.closer.detail * self.predictor.size
            return self._drawn_finely(task, found, shape) if large else found
        window = self._closer_window(task, found, shape)
        if task.prompts and window is not None and window.size_y <= found.tile:
            return self.find_in(task, window)
        return found

    def _drawn_finely(self, task: FrameTask, found: Found, shape: tuple[int, int]) -> Found:
        """The same with the mask of a look at that part of the frame where the object is, if that is a small part.

        What is remembered is the look at the whole: the next frame is seen like that, too. On a frame without prompts
        the closer look only counts where it is as sure, which the check against the template makes comparable.
        """
        window = self._closer_window(task, found, shape)
        if window is None or window.size_y > self.closer.closer_share * max(shape) or task.prompts.mask is not None:
            return found
        closer = self.find_in(task, window)
        if not task.prompts and closer.prediction.answer.confidence < found.prediction.answer.confidence:
            return found
        summary = replace(closer.prediction, features=found.prediction.features)
        return replace(closer, prediction=found.prediction, whole=summary)

    def _closer_window(self, task: FrameTask, found: Found, shape: tuple[int, int]) -> Window | None:
        """The window around all that was prompted and found; ``None`` where that is nothing."""
        mask = found.mask if task.prompts.mask is None else task.prompts.mask
        box = extent_of_prompts(task.prompts, mask) if mask.any() else None
        return None if box is None else window_around(box, shape, self.closer.closer_scale, self.closer)


def _summary(
    areas: Mapping[WindowPrediction, float], features: ImageFeatures, shape: tuple[int, int]
) -> WindowPrediction:
    """Answers in tiles as one on the whole frame: where more was found counts for more in how sure it is.

    Parameters
    ----------
    areas
        How much was found in each, in pixels of the network's output.
    features, shape
        Of the whole frame.
    """
    total = sum(areas.values())
    counting = {one: area for one, area in areas.items() if area or not total}
    share = [area / total if total else 1 / len(counting) for area in counting.values()]
    first = next(iter(areas))
    answer = replace(
        first.answer,
        iou=sum(s * one.answer.iou for s, one in zip(share, counting, strict=True)),
        objectness=max(one.answer.objectness for one in counting),
    )
    return WindowPrediction(first.frame, Window.whole(shape), features, answer, max(one.recalled for one in areas))
