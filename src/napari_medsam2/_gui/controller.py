"""What the user can do in the dock: every action of a button or a key is one short method."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer

from ..engine.events import RunState
from ..errors import FrameError, OutputError
from ..images.label_files import save_labels
from ..models.registry import MODELS, ModelEntry, local_file
from ..models.speed import estimate_seconds
from ..types import Direction
from .dock_state import worst_frame
from .hub import Hub
from .keeping import KEPT_OF, keep_result, merged
from .layers.folder import read_folder
from .layers.output import new_labels_layer
from .layers.tools import Tool, place_below
from .words import about


class Controller(Hub):
    """State and actions of one dock in one viewer. Parameters as :class:`~napari_medsam2._gui.hub.Hub`."""

    direction: Direction = "both"

    # ---- choices -------------------------------------------------------------------------------------------------

    def choose_image(self, image: Image | None) -> None:
        """Take another image layer; prompts and labels of the last one stay in their layers."""
        removed, self._removed = self._removed, ""
        if image is not self.image:
            self._watch_image(image)
            if removed:
                self.say(removed)

    def open_folder(self, path: Path) -> None:
        """Show a folder of unrelated images, which may differ in size, and take it as the image."""
        try:
            data, options = read_folder(path)
        except FrameError as error:
            self.say(str(error))
            return
        self.choose_image(self.viewer.add_image(data, **options))

    def choose_axis(self, axis: int) -> None:
        """Propagate along this axis, and give it a slider in the viewer."""
        work = self.workspace
        if work is not None and axis != work.sequence.layout.axis:
            self._axis = axis
            self._start()
            self.viewer.dims.order = work.sequence.order_with_slider(axis)

    def choose_mode(self, mode: str) -> None:
        if mode != self._state.mode:
            self._mode = mode
            self._set(mode=mode, reason="as you chose")
            if self.workspace is not None:
                sequence = self.workspace.sequence
                self._set(layout=sequence.describe(mode), noun=sequence.noun(mode))
            self._reopen()

    def choose_contrast(self, as_shown: bool) -> None:
        """Show the network the layer's contrast limits, or limits estimated over the whole sequence."""
        if as_shown != self._contrast_as_shown:
            self._contrast_as_shown = as_shown
            self._reopen()

    def choose_model(self, name: str, device: str) -> None:
        """Take another model or device. Labels that are there stay until they are segmented again.

        A published model that is not on this computer is offered for download; the one in use stays.
        """
        entry = MODELS.get(name)
        self._set(wanted_device=device)
        if entry is not None and not entry.bundled and not local_file(entry).is_file():
            self.download_offered.emit(name)
            return
        self._show_model(model=name, device="", problem="", report="", note="")
        if self._loaded is not None:
            self._load_model()

    def download(self, name: str) -> None:
        """Fetch a model, to which the user said yes, beside the interface thread.

        Then it is loaded, unless that would end a run, or another model was chosen meanwhile.
        """
        if self._state.download is not None:
            self.say(f"{self._state.download.title} is being fetched: cancel that first, or wait for it.")
            return
        self.say()
        self._model_before_download = self._state.model
        self._download.start(MODELS[name])

    def cancel_download(self) -> None:
        """Stop fetching; what came is kept."""
        self._download.cancel()

    def speed(self, entry: ModelEntry) -> str:
        """About how long a model takes for a frame, in words, before it is fetched."""
        seconds = estimate_seconds(entry, "cpu")
        on_gpu = self._in_use is not None and self._in_use[1] != "cpu"
        return "" if seconds is None or on_gpu else f"{about(seconds)} a frame where there is no GPU"

    def choose_output(self, layer: Labels | None, *, keep: bool) -> bool:
        """Write results to a layer of the user's, or to one of ours (``None``); false if it does not fit."""
        work = self.workspace
        if work is None:
            return layer is None
        try:
            work.choose_output(layer, keep=keep)
        except OutputError as error:
            self.say(str(error))
            return False
        self._output = None if layer is None else (layer, keep)
        self._set(problem="", note="")
        self.flush()
        return True

    def choose_preview(self, at_once: bool) -> None:
        """Segment the frame after each prompt, or only when asked."""
        self.preview_while_drawing = at_once

    def choose_direction(self, direction: Direction) -> None:
        self.direction = direction

    def choose_object(self, number: int) -> None:
        self._set(current=number)
        self._aim()

    # ---- prompts -------------------------------------------------------------------------------------------------

    def use_tool(self, tool: Tool) -> None:
        """Make or select the tool's layer and start drawing."""
        work = self._ready()
        if work is None:
            return
        try:
            work.use(tool, self._state.current, self._state.positive)
            self._set(problem="", note="")
        except OutputError as error:
            self.say(str(error))

    def toggle_sign(self) -> None:
        """Switch between "this is the object" and "this is not"; boxes have no minus, so that takes up the point."""
        tool, positive = self.state.tool, not self._state.positive
        self._set(positive=positive)
        if tool == "box" and not positive:
            self.use_tool("point")
        self._aim()

    def new_object(self) -> None:
        """Start another object: prompts now go to it."""
        work = self.workspace
        used = {0} if work is None else {*work.book.objects, *(number for _, number in work.results.results)}
        number = max(max(used) + 1, min(self._state.objects))
        self._set(objects=(min(number, *self._state.objects), number), current=number, positive=True)
        self._aim()

    def next_thing(self) -> None:
        """Go to the next image of a flow; in a stack start another object."""
        state = self.state
        if state.mode == "flow" and len(state.columns) > 1:
            self.go_to_frame((state.frame + 1) % len(state.columns))
        else:
            self.new_object()

    def adopt_layer(self, layer: Layer) -> None:
        """Take a Points, Shapes or Labels layer of the user's as prompts; it is never changed."""
        work = self._ready()
        if work is not None and work.book.source_of(layer) is None:
            work.adopt(layer, self._state.current)
            self._send_prompts()

    # ---- runs ----------------------------------------------------------------------------------------------------

    def segment_frame(self) -> None:
        """Preview the current object on the frame in view."""
        work = self._ready()
        if work is None:
            return
        if not work.book.frames(self._state.current):
            self.say(f"Object {self._state.current} has no prompt yet: draw a box around it, or click on it.")
            return
        self.engine.preview(work.sequence.frame_in_view(), self._state.current)

    def propagate(self) -> None:
        """Carry all objects' prompts to the other frames."""
        work = self._ready()
        if work is None:
            return
        if not work.book.objects:
            self.say("There is no prompt yet: draw a box around one object, or click on it, on any frame.")
            return
        self._set(problem="", note="")
        self.engine.propagate(direction=self.direction)

    def pause_or_resume(self) -> None:
        if self._state.status.state is RunState.PAUSED:
            self.engine.resume()
        elif self._state.running:
            self.engine.pause()

    def cancel(self) -> None:
        self.engine.cancel()

    def undo(self) -> None:
        if self._opened:
            self.engine.undo()
        elif self.workspace is not None:
            self.say(note="Nothing to undo.")

    def redo(self) -> None:
        if self._opened:
            self.engine.redo()
        elif self.workspace is not None:
            self.say(note="Nothing to redo.")

    def clear(self) -> None:
        """Remove all prompts and results of this image; undo brings them back."""
        work = self.workspace
        if work is not None and not work.book.objects and not work.results.results:
            self.say(note="There is nothing to clear.")
        elif work is not None and self._ready() is not None:
            self.say(note="Cleared. Ctrl+Z brings it back.")
            self.engine.cancel()
            self.engine.reset()

    def go_to_frame(self, frame: int) -> None:
        if self.workspace is not None:
            self.workspace.sequence.go_to(frame)

    def go_to_worst(self) -> None:
        frame = worst_frame(self.state.columns)
        if frame is not None:
            self.go_to_frame(frame)

    # ---- keeping -------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Copy the result to a kept layer (never over labels there), then make room for the next objects."""
        work = self.workspace
        if work is None or not work.results.results:
            self.say("There is no result to keep yet: draw a prompt and press Shift+S.")
            return
        next_object = max(self.state.objects) + 1
        try:
            output = work.results.labels()
            self.flush()
            name = f"{work.image.name} kept"
            kept = self._kept_layer() if output.ours else None
            if output.ours and kept is None:
                kept = new_labels_layer(work.image, work.sequence.layout, name)
                kept.metadata[KEPT_OF] = str(work.image.unique_id)
                place_below(self.viewer, kept, [output.layer])
            if kept is not None:
                keep_result(output.layer.data, kept.data)
        except OutputError as error:
            self.say(str(error))
            return
        if kept is not None:
            kept.refresh()
            where = kept.name
        else:
            work.results.forget()
            where = output.layer.name
        self.engine.cancel()
        self.engine.reset()
        self._set(objects=(next_object,), current=next_object, positive=True)
        self._aim()
        self.say(note=f"Kept in '{where}'. The next prompt starts object {next_object}.")

    def save(self, path: Path) -> None:
        """Write the labels to a compressed tif, beside the interface thread."""
        self.flush()
        work = self.workspace
        layer = work.output_layer if work is not None else None
        kept = self._kept_layer()
        if layer is None and kept is None:
            self.say("There are no labels to save yet.")
            return
        try:  # a copy, now: what is painted while it is written is not part of it
            labels = merged([np.asarray(la.data) for la in (kept, layer) if la is not None])
        except MemoryError:
            self.say("There is not enough memory to save the labels: close other images first.")
            return
        path = path if path.suffix.lower() in (".tif", ".tiff") else path.with_name(path.name + ".tif")
        self.say(note=f"Saving {path.name} ...")
        # No daemon: closing napari waits for the file.
        threading.Thread(target=self._write, args=(path, labels), name="napari-medsam2 save").start()

    def _write(self, path: Path, labels: npt.NDArray[Any]) -> None:
        problem = ""
        try:
            save_labels(path, labels)
        except (OSError, MemoryError, ValueError) as error:
            problem = f"The labels could not be saved: {error}"
        with suppress(RuntimeError):  # the window was closed meanwhile
            self.saved.emit(problem, "" if problem else f"Saved {path}")
