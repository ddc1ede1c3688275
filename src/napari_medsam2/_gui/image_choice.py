"""Which image: choosing it, its axis, mode and contrast; leaving it and coming back to it; following the view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.events import Event as NapariEvent
from qtpy.QtCore import QObject, Signal

from ..errors import EXPECTED_ERRORS, LayoutError, OutputError, in_words
from ..images.writers.proposal import proposed_path
from ..types import Mode
from .dock_store import DockStore
from .engine_client import EngineClient
from .layers.opened_layers import images_of
from .layers.sequence import ImageSequence
from .layers.workspace import Workspace
from .readers import open_layers


@dataclass(frozen=True)
class _Left:
    """What was done with an image that was left, and what had been chosen for it, and in a dock that was closed."""

    work: Workspace
    mode: Mode | None
    axis: int | None
    output: Labels | None
    keep: bool
    current: int
    next_object: int
    settings: Mapping[str, Any]


#: Attribute of an image layer: what a dock that was closed did with it, for the next dock to go on with.
_LEFT = "napari_medsam2_left"
#: Results that were found with others of these are to be found anew.
_FOUND_WITH = ("contrast_as_shown", "adapt", "bank", "model", "wanted_device")
#: What is chosen for all images, and found again in the next dock.
_SETTINGS = ("contrast_as_shown", "adapt", "bank", "direction", "preview", "model", "wanted_device")


class ImageChoice(QObject):
    """The image of one dock.

    Parameters
    ----------
    viewer, store, client
        Where the image is, the state that this changes, and where prompts on it go.
    first_object
        Gives the number of the first object on an image that is begun.
    """

    #: A layer of ours was made (True) or let go (False).
    layer_made = Signal(object, bool)

    def __init__(
        self,
        viewer: ViewerModel,
        store: DockStore,
        client: EngineClient,
        first_object: Callable[[Workspace], int],
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._store = store
        self._client = client
        self.first_object = first_object
        self.image: Image | None = None
        self._axis: int | None = None  # as chosen, like the next one; None for a guess
        self._mode: Mode | None = None
        self._left: dict[Layer, _Left] = {}
        self._removed = ""  # that the image was removed, to be said again beside the next one
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.layers.selection.events.active.connect(self._on_view_changed)
        viewer.dims.events.current_step.connect(self._on_view_changed)
        viewer.dims.events.order.connect(self._on_view_changed)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    def close(self) -> None:
        """Let go of the viewer; all layers stay."""
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._viewer.layers.selection.events.active.disconnect(self._on_view_changed)
        self._viewer.dims.events.current_step.disconnect(self._on_view_changed)
        self._viewer.dims.events.order.disconnect(self._on_view_changed)
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        if self.image is not None:
            self.image.events.data.disconnect(self._on_new_pixels)
        work, chosen = self._store.work, self._store.chosen
        if work is not None:
            self._store.work = None
            work.disarm()
            work.close()
            self._left[work.image] = self._left_now(work)
        for image, left in self._left.items():  # it goes with the image, wherever that is taken again
            setattr(image, _LEFT, replace(left, settings={name: getattr(chosen, name) for name in _SETTINGS}))
        self._left.clear()

    # ---- choosing ----------------------------------------------------------------------------------------------------

    def choose(self, image: Image | None) -> None:
        """Take another image layer; prompts and labels of the last one stay in their layers."""
        removed, self._removed = self._removed, ""
        if image is not self.image:
            self._take(image)
            if removed:
                self._store.say(note=removed)
        selection = self._viewer.layers.selection
        if image in self._viewer.layers and isinstance(selection.active, Image):  # what was chosen is what one sees
            selection.active = image

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Show what is in files or a folder, and take the first image of it as the image."""
        try:
            opened = [Layer.create(*layer) for path in paths for layer in open_layers(path)]
        except EXPECTED_ERRORS as error:
            self._store.say(in_words(error))
            return
        for layer in opened:
            self._viewer.add_layer(layer)
        if images := [layer for layer in opened if isinstance(layer, Image)]:
            self.choose(images[0])

    def choose_axis(self, axis: int) -> None:
        """Propagate along this axis, and give it a slider in the viewer."""
        work = self._store.work
        if work is not None and axis != work.sequence.layout.axis:
            self._axis = axis
            self._start()
            self._viewer.dims.order = work.sequence.order_with_slider(axis)

    def choose_mode(self, mode: Mode) -> None:
        """Take the frames as a stack or as a flow."""
        store = self._store
        if mode != store.chosen.mode:
            self._mode = mode
            store.put(mode=mode, reason=_CHOSEN)
            if store.work is not None:
                self._describe(store.work.sequence, mode, _CHOSEN)
            store.changed.emit()
            self._client.reopen()

    def choose_contrast(self, as_shown: bool) -> None:
        """Show the network the layer's contrast limits, or limits estimated over the whole sequence."""
        if as_shown != self._store.chosen.contrast_as_shown:
            self._store.set(contrast_as_shown=as_shown)
            self._client.reopen()

    def choose_learning(self, adapt: bool | None) -> None:
        """Learn from drawn masks, or not; ``None``: while there are few."""
        if adapt != self._store.chosen.adapt:
            self._store.set(adapt=adapt)
            self._client.reopen()

    # ---- leaving, beginning, coming back -----------------------------------------------------------------------------

    def _take(self, image: Image | None) -> None:
        """Begin with another image layer, and again when its pixels are replaced."""
        if self.image is not None:
            self.image.events.data.disconnect(self._on_new_pixels)
        work = self._store.work
        self._leave()
        if work is not None:
            work.disarm()
        self.image, self._axis, self._mode = image, None, None
        self._store.put(image_layer=image, output=None)
        if image is not None:
            image.events.data.connect(self._on_new_pixels)
            if (handed := image.__dict__.pop(_LEFT, None)) is not None:
                self._left[image] = handed
                handed.work.hand_over(self._client.send_prompts, self.layer_made.emit)
                self._store.put(**handed.settings)
            if (left := self._left.get(image)) is not None:
                self._axis, self._mode = left.axis, left.mode
                self._store.put(output=left.output, keep=left.keep)
        self._start()

    def _leave(self) -> list[Layer]:
        """Let go of the sequence. What was done with it is kept for when one comes back to its image.

        Returns its prompt layers if nothing was drawn in them.
        """
        store = self._store
        work, store.work = store.work, None  # first, so that nobody follows what happens to its layers
        self._client.leave()
        if work is None:
            return []
        work.close()
        if not work.book.objects and not work.results.results:
            return work.tools.layers
        self._left[work.image] = self._left_now(work)
        return []

    def _left_now(self, work: Workspace) -> _Left:
        told = self._store.chosen
        numbers = (told.current, told.next_object)
        settings = {name: getattr(told, name) for name in _SETTINGS}
        return _Left(work, self._mode, self._axis, told.output, told.keep, *numbers, settings)

    def _start(self, *, resume: bool = True) -> None:
        """Begin with the image as the viewer shows it now, or where it was left if it is laid out alike."""
        store = self._store
        unused, before = self._leave(), store.chosen
        store.forget_image()
        if self.image is not None:
            try:
                sequence = ImageSequence(self._viewer, self.image, self._axis)
                mode, reason = (self._mode, _CHOSEN) if self._mode else sequence.guess_mode()
            except LayoutError as error:
                store.say(f"'{self.image.name}' cannot be segmented: {error}")
                return
            left = self._left.get(self.image) if resume else None
            if left is not None and left.work.sequence.is_laid_out_like(sequence):
                del self._left[self.image]
                store.work = left.work
                self._describe(left.work.sequence, mode, reason)
                if all(getattr(before, name) == left.settings[name] for name in _FOUND_WITH):
                    left.work.past.taken_up = True
                left.work.reopen()
                store.count_done()
                store.put(current=left.current, next_object=left.next_object)
            else:
                store.work = work = Workspace(
                    sequence, self._client.send_prompts, self.layer_made.emit, store.changed.emit
                )
                self._describe(sequence, mode, reason)
                self._take_output_again(work)
                work.tools.take(unused)
                if resume:
                    number = self.first_object(work)
                    store.put(objects=(number,), current=number, next_object=number)
                else:  # the same image, in which nothing was drawn: its labels are not read at each step of a slider
                    store.put(objects=before.objects, current=before.current, next_object=before.next_object)
            store.aim()
        store.changed.emit()
        self._client.prepare()

    def _describe(self, sequence: ImageSequence, mode: Mode, reason: str) -> None:
        axes, axis = sequence.axes(), sequence.layout.axis
        words = {"layout": sequence.describe(mode), "noun": sequence.noun(mode), "reason": reason}
        each = mode == "flow" and len(set(sequence.layout.sizes)) > 1
        save_as = proposed_path(images_of(sequence.image), each=each)
        self._store.put(axes=axes, axis=axis, mode=mode, save_as=save_as, **words)

    def _take_output_again(self, work: Workspace) -> None:
        output, keep = self._store.chosen.output, self._store.chosen.keep
        if output is None:
            return
        try:
            work.choose_output(output, keep=keep)
        except OutputError as error:
            self._store.put(output=None)
            self._store.say(str(error))

    # ---- what happens to the image -----------------------------------------------------------------------------------

    def _on_new_pixels(self, event: NapariEvent) -> None:
        self._start()

    def _on_view_changed(self) -> None:
        work = self._store.work
        if work is not None and not work.sequence.is_shown():
            return
        if work is not None and not work.book.objects:  # nothing drawn yet: follow the sliders
            if self._axis is not None and not work.sequence.has_slider(self._axis):
                self._axis = None
            if not work.sequence.is_current(self._axis):
                self._start(resume=False)
        self._store.changed.emit()

    def _on_ndisplay(self, event: NapariEvent) -> None:
        work = self._store.work
        if self._viewer.dims.ndisplay == 3 and work is not None and work.tool:
            work.disarm()
            self._store.say(
                note=f"In 3D there is no {self._store.chosen.noun} to draw on. Any tool goes back to 2D, and so does "
                "the button with the cube below the layers."
            )

    def _on_layer_removed(self, event: NapariEvent) -> None:
        store, layer = self._store, event.value
        work = store.work
        self._left.pop(layer, None)
        if work is None:
            return
        if layer is work.image:
            running = store.chosen.running
            self._take(None)
            self._left.pop(layer, None)
            self._removed = f"The image '{layer.name}' was removed{', so the run was stopped' if running else ''}."
            store.say(note=self._removed)
            return
        what = work.let_go(layer)
        if what == "output":
            store.put(output=None)
            if store.chosen.running:
                self._client.engine.cancel()
                store.say(f"'{layer.name}' was removed, so the run was stopped. Press Shift+S for a new one.")
        elif what == "prompts":
            withdrawn = work.results.withdrawn
            self._client.send_prompts(keep_labels=True)
            work.results.withdrawn = withdrawn


#: Why an image is taken as a stack or as a flow, when the user said so.
_CHOSEN = "as you chose"
