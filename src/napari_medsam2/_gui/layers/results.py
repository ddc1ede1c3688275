"""The results of one image: kept, written to the output layer when asked, and summed up for the confidence strip."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels

from ...errors import OutputError
from ...images.writers.labels import Found
from ...results import FrameResult
from ..dock_state import Column
from .layout import Layout
from .output import OutputLabels, ResultsByObject, new_labels_layer


class ResultView:
    """Results of one sequence and the Labels layer that shows them.

    Parameters
    ----------
    image, layout
        The sequence.
    place
        Puts a new layer of ours into the viewer, without taking the selection from the user.

    Attributes
    ----------
    version
        Another number each time that results differ.
    saved
        The file that has all of them; ``None`` if there is none.
    """

    def __init__(self, image: Image, layout: Layout, place: Callable[[Labels], None]) -> None:
        self.image = image
        self.layout = layout
        self.output: OutputLabels | None = None
        self.results: dict[tuple[int, int], FrameResult] = {}
        self._objects: set[int] | None = set()
        self.version = 0
        self.saved: Path | None = None
        self.latest: int | None = None  # the frame of the latest result
        self.withdrawn = False  # the user removed the layer: the next action makes another one
        self._place = place
        self._late: set[int] = set()
        self._shown: dict[int, dict[int, FrameResult]] = {}  # by frame and object, as written to the layer
        self._confidences: dict[int, dict[int, float]] = {}  # likewise, in the light of the others on that frame
        self._outdated: set[int] = set()  # frames whose column is not as it should be

    def choose_output(self, layer: Labels | None, *, keep: bool, counted: bool | None = None) -> None:
        """Write to the user's layer from now on, or to one of ours (``None``, made when first needed).

        ``counted`` says whether the viewer counts the units of layers; ``None``: as it would with these two.

        Raises
        ------
        OutputError
            If the layer does not fit the image.
        """
        current = self.output
        if layer is None:
            if current is not None and not current.ours:
                current.settle()
                self._change_output(None)
        elif current is not None and current.layer is layer:
            current.set_keep(keep)
            self._mark(frame for frame, _ in self.results)
        else:
            self._change_output(OutputLabels.of_user(layer, self.image, self.layout, keep=keep, counted=counted))

    def labels(self) -> OutputLabels:
        """Return the output; one of ours is made if there is none."""
        if self.output is None:
            layer = new_labels_layer(self.image, self.layout, f"{self.image.name} segmentation")
            output = OutputLabels(layer, self.layout, ours=True)
            self._change_output(output)
            self._place(layer)
            return output
        return self.output

    def withdraw(self) -> None:
        """Take note that the layer was removed. The results are kept, for the layer that the next action makes."""
        self._change_output(None)
        self.withdrawn = True

    def _change_output(self, output: OutputLabels | None) -> None:
        self.output, self.withdrawn = output, False
        self._shown.clear()
        self._mark(frame for frame, _ in self.results)

    def _mark(self, frames: Iterable[int]) -> None:
        """Have these frames written with the next flush, and their columns made anew."""
        frames = set(frames)
        self._late |= frames
        self._outdated |= frames
        if frames:
            self.differ()

    def differ(self) -> None:
        """Take note that what was saved is no longer all there is."""
        self.version, self.saved = self.version + 1, None

    @property
    def objects(self) -> set[int]:
        """Numbers of the objects that have a result."""
        if self._objects is None:
            self._objects = {number for _, number in self.results}
        return self._objects

    def shown_on(self, frame: int) -> ResultsByObject:
        """Return what the layer shows on a frame, which later results may not be part of yet."""
        return self._shown.get(frame, {})

    def other_reading(self, frame: int, object_id: int) -> tuple[npt.NDArray[np.float64], bool] | None:
        """The click, in data coordinates ``(1, ndim)`` of our layers, that chooses another reading; and its sign."""
        result = self.results.get((frame, object_id))
        if result is None or result.other is None:
            return None
        y, x, positive = result.other
        return self.layout.on_level(np.array([[frame, y, x]], float)), positive

    def add(self, result: FrameResult) -> None:
        """Take in a result; it is written with the next :meth:`flush`."""
        self.results[(result.frame, result.object_id)] = result
        self.latest = result.frame
        self.objects.add(result.object_id)
        self._mark([result.frame])

    def take_stroke(self, result: FrameResult) -> None:
        """Take what the user painted, which is on the layer: it is final, and what is painted next adds to it."""
        self.add(result)
        self._shown[result.frame] = {**self._shown.get(result.frame, {}), result.object_id: result}
        self._confidences.setdefault(result.frame, {})[result.object_id] = result.confidence

    def drop(self, frame: int, object_id: int) -> None:
        """Forget what a prompt was answered with, after it was deleted."""
        known = self.results.get((frame, object_id))
        if known is not None and known.prompted:
            del self.results[(frame, object_id)]
            self._objects = None
            self._mark([frame])

    def drop_object(self, object_id: int) -> None:
        """Forget all of an object, after its last prompt was deleted."""
        frames = [frame for frame, number in self.results if number == object_id]
        for frame in frames:
            del self.results[(frame, object_id)]
        self._objects = None
        self._mark(frames)

    def show_again(self, frame: int) -> None:
        """Write a frame once more, over a stroke of which not all can be used."""
        self._late.add(frame)

    def replace(self, results: Mapping[tuple[int, int], FrameResult]) -> None:
        """Show exactly these, as after an undo."""
        before, now = self.results, dict(results)
        self._mark(key[0] for key in {*before, *now} if before.get(key) is not now.get(key))
        self.results, self._objects, self.withdrawn = now, None, False

    def flush(self, in_view: int | None) -> None:
        """Write what is late; the canvas is redrawn only if a written frame is in view (``None``: always).

        Raises
        ------
        OutputError
            If the layer cannot hold an object's number.
        """
        if not self._late or self.withdrawn or (self.output is None and not self.results):
            return
        output = self.labels()
        late, problem = set(self._late), None
        self._outdated |= late
        by_frame: dict[int, dict[int, FrameResult]] = {frame: {} for frame in late}
        for (frame, number), result in self.results.items():
            if frame in by_frame:
                by_frame[frame][number] = result
        for frame, found in by_frame.items():
            try:
                self._confidences[frame] = output.show(frame, found).confidences
            except OutputError as error:
                problem = error  # the frame stays late; the others are written
                continue
            self._shown[frame] = found
            self._late.discard(frame)
        if in_view is None or in_view in late:
            output.layer.refresh(extent=False, thumbnail=False)
        if problem is not None:
            raise problem

    def forget(self) -> None:
        """Drop the results but leave the labels in the layer (a commit to the user's layer)."""
        if self.output is not None:
            self.output.settle()
        self._outdated |= {frame for frame, _ in self.results}
        self.results, self._objects, self._late = {}, None, set()
        self._shown.clear()
        self.differ()

    def found(self) -> dict[tuple[int, int], Found]:
        """How sure the network is of each object on each frame, in the light of the others where they are shown."""
        return {
            (frame, number): Found(
                self._confidences.get(frame, {}).get(number, result.confidence), prompted=result.prompted
            )
            for (frame, number), result in self.results.items()
        }

    def n_up_to_date(self, objects: Iterable[int], stale: Collection[tuple[int, int]]) -> int:
        """On how many frames all of these objects have results that are not stale."""
        on = {number: set[int]() for number in objects}
        for frame, number in self.results:
            if number in on and (frame, number) not in stale:
                on[number].add(frame)
        return len(set.intersection(*on.values())) if on else 0

    def take_outdated(self) -> set[int]:
        """Frames whose columns are no longer what they were when this was asked for the last time."""
        outdated, self._outdated = self._outdated, set()
        return outdated

    def column(self, frame: int, object_id: int) -> Column:
        """Sum up one object on one frame; overlap with others counts as soon as it is shown."""
        result = self.results.get((frame, object_id))
        if result is None:
            return _NOTHING
        is_shown = self._shown.get(frame, {}).get(object_id) is result
        confidence = self._confidences[frame][object_id] if is_shown else result.confidence
        return Column(confidence, absent=result.absent)


_NOTHING = Column()
