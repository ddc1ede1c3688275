"""The results on show: keeps them, writes them to the output layer at a gentle pace, and sums them up for the strip."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari.layers import Image, Labels

from ...errors import OutputError
from ...results import FrameResult
from ..dock_state import Column
from .layout import Layout
from .output import Found, OutputLabels, new_labels_layer


class ResultView:
    """Results of one sequence and the Labels layer that shows them.

    Parameters
    ----------
    image, layout
        The sequence.
    place
        Puts a new layer of ours into the viewer, without taking the selection from the user.
    """

    def __init__(self, image: Image, layout: Layout, place: Callable[[Labels], None]) -> None:
        self.image = image
        self.layout = layout
        self.output: OutputLabels | None = None
        self.results: dict[tuple[int, int], FrameResult] = {}
        self.withdrawn = False  # the user removed the layer: the next action makes another one
        self._place = place
        self._late: set[int] = set()
        self._shown: dict[int, dict[int, FrameResult]] = {}  # by frame and object, as written to the layer
        self._confidences: dict[int, dict[int, float]] = {}  # likewise; see LabelImage

    def choose_output(self, layer: Labels | None, *, keep: bool) -> None:
        """Write to the user's layer from now on, or to one of ours (``None``, made when first needed).

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
            self._late |= {frame for frame, _ in self.results}
        else:
            self._change_output(OutputLabels.of_user(layer, self.image, self.layout, keep=keep))

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
        self._late |= {frame for frame, _ in self.results}

    def shown_on(self, frame: int) -> Found:
        """Return what the layer shows on a frame, which later results may not be part of yet."""
        return self._shown.get(frame, {})

    def add(self, result: FrameResult) -> None:
        self.results[(result.frame, result.object_id)] = result
        self._late.add(result.frame)

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
            self._late.add(frame)

    def show_again(self, frame: int) -> None:
        """Write a frame once more, over a stroke of which not all can be used."""
        self._late.add(frame)

    def replace(self, results: Mapping[tuple[int, int], FrameResult]) -> None:
        """Show exactly these, as after an undo."""
        self._late |= {frame for frame, _ in (*self.results, *results)}
        self.results, self.withdrawn = dict(results), False

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
        self.results, self._late = {}, set()
        self._shown.clear()

    def columns(self, object_id: int, prompted: frozenset[int]) -> tuple[Column, ...]:
        """Sum up one object for the confidence strip; overlap with others counts as soon as it is shown."""
        found = {t: r for (t, number), r in self.results.items() if number == object_id}
        shown = {
            t: self._confidences[t][object_id] if self._shown.get(t, {}).get(object_id) is r else r.confidence
            for t, r in found.items()
        }
        return tuple(
            Column(confidence=shown.get(t), prompted=t in prompted, absent=t in found and found[t].absent)
            for t in range(self.layout.n_frames)
        )
