"""Between the viewer and the engine: layer edits become prompts, results become labels, state becomes words.

Nothing here waits for the model: requests go to the engine's worker thread, its events come back through a Qt signal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.events import Event as NapariEvent
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, QTimer, Signal

from ..engine.engine import Engine
from ..engine.events import Event, Failed, Finished, FinishReason, ModelLoaded, Restored, ResultReady, StatusChanged
from ..engine.requests import RequestKind
from ..errors import LayoutError, OutputError
from ..images.contrast import Contrast
from ..models.notices import Notice
from ..models.registry import MODELS
from ..models.speed import estimate_seconds
from ..prompts import in_replay_order
from .dock_state import DockState
from .downloads import ModelDownload
from .engine_client import EngineBridge, idle_gpu_advice
from .keeping import KEPT_OF
from .layers.sequence import ImageSequence
from .layers.workspace import Workspace
from .words import title_of

#: Labels are redrawn at most this often.
REFRESH_MS = 100


@dataclass(frozen=True)
class _Left:
    """What was done with an image that was left, and what had been chosen for it."""

    work: Workspace
    mode: Any
    axis: int | None
    output: tuple[Labels, bool] | None
    current: int


class Hub(QObject):
    """State of one dock in one viewer; :class:`~napari_medsam2._gui.controller.Controller` adds what the user can do.

    Parameters
    ----------
    viewer
        The viewer that the dock belongs to.
    make_engine
        Makes the engine from its event callback; another one in tests.
    """

    changed = Signal()
    #: A layer of ours was made (True) or let go (False).
    layer_made = Signal(object, bool)
    #: A model that is not here was chosen: its name; fetching it needs the user's yes.
    download_offered = Signal(str)
    #: Saving has ended: the problem, or the good news.
    saved = Signal(str, str)

    def __init__(self, viewer: ViewerModel, make_engine: Callable[..., Engine] = Engine) -> None:
        super().__init__()
        self.viewer = viewer
        self.image: Image | None = None
        self.workspace: Workspace | None = None
        self.preview_while_drawing = True
        self._contrast_as_shown = False
        self._contrast: Contrast | None = None  # as the session has it
        self._axis: int | None = None  # as chosen, like the next two; None for a guess
        self._mode: Any = None
        self._output: tuple[Labels, bool] | None = None
        self._left: dict[Image, _Left] = {}
        self._generation = -1  # of the sequence whose results are awaited
        self._removed = ""  # that the image was removed, to be said again beside the next one
        self._loaded: tuple[str, str] | None = None  # (model, device) that was asked for last
        self._loading: list[tuple[str, str]] = []  # asked for, and not answered yet
        self._in_use: tuple[tuple[str, str], str, str] | None = None  # what was asked for, its device, in words
        self._model_before_download = ""
        self._download = ModelDownload()
        self._download.changed.connect(lambda status: self._set(download=status))
        self._download.ended.connect(self._on_downloaded)
        self._opened = False
        self._state = DockState()
        self._bridge = EngineBridge(make_engine)
        self._bridge.arrived.connect(self._on_event)
        self.saved.connect(lambda problem, note: self.say(problem, note=note))
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.flush)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.layers.selection.events.active.connect(self._on_view_changed)
        viewer.dims.events.current_step.connect(self._on_view_changed)
        viewer.dims.events.order.connect(self._on_view_changed)

    def stop_engine(self) -> None:
        """Stop the worker after the frame it is at, and any download, when the window is gone."""
        self._bridge.close()
        self._download.close()

    def close(self, timeout: float = 0.0) -> None:
        """Stop the engine and let go of the viewer; all layers stay."""
        self._timer.stop()
        self._download.close()
        self._bridge.close(timeout)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.viewer.layers.selection.events.active.disconnect(self._on_view_changed)
        self.viewer.dims.events.current_step.disconnect(self._on_view_changed)
        self.viewer.dims.events.order.disconnect(self._on_view_changed)
        if self.image is not None:
            self.image.events.data.disconnect(self._start)
        self._left.clear()
        if self.workspace is not None:
            self.workspace.disarm()
            self.workspace.close()
            self.workspace = None

    # ---- state ---------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        return self._bridge.engine

    @property
    def state(self) -> DockState:
        """What the dock shows, now."""
        state, work = self._state, self.workspace
        if work is None or not work.sequence.is_shown():
            return state
        numbers = {*work.book.objects, *(number for _, number in work.results.results), *state.objects}
        return replace(
            state,
            image=work.image.name,
            objects=tuple(sorted(numbers)),
            columns=work.results.columns(state.current, work.book.frames(state.current)),
            frame=work.sequence.frame_in_view(),
            tool=work.tool,
            aside=work.sequence.is_aside(),
            has_prompts=bool(work.book.objects),
            has_results=bool(work.results.results),
        )

    @property
    def user_output(self) -> Labels | None:
        """The user's layer that results are written to; ``None`` if it is one of ours."""
        return self._output[0] if self._output is not None else None

    def _set(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)
        self.changed.emit()

    def say(self, problem: str = "", *, report: str = "", note: str = "") -> None:
        """Show an error in words (with a report to copy), or good news."""
        self._set(problem=problem, report=report or problem, note=note)

    # ---- the sequence --------------------------------------------------------------------------------------------

    def _leave(self) -> list[Layer]:
        """Let go of the sequence. What was done with it is kept for when one comes back to its image.

        Returns its prompt layers if nothing was drawn in them.
        """
        work, self.workspace = self.workspace, None  # first, so that nobody follows what happens to its layers
        if self._opened:
            self.engine.close_sequence()
        self._opened, self._generation = False, -1
        if work is None:
            return []
        work.close()
        if not work.book.objects and not work.results.results:
            return work.tools.layers
        self._left[work.image] = _Left(work, self._mode, self._axis, self._output, self._state.current)
        return []

    def _start(self, event: NapariEvent | None = None, *, resume: bool = True) -> None:
        """Begin with the image as the viewer shows it now, or where it was left if it is laid out alike."""
        unused = self._leave()
        kept = self._state
        self._state = DockState(
            model=kept.model,
            wanted_device=kept.wanted_device,
            device=kept.device,
            seconds_a_frame=kept.seconds_a_frame,
            notice=kept.notice,
            download=kept.download,
            status=kept.status,
        )
        if self.image is not None:
            try:
                sequence = ImageSequence(self.viewer, self.image, self._axis)
                mode, reason = (self._mode, "as you chose") if self._mode else sequence.guess_mode()
            except LayoutError as error:
                self.say(f"'{self.image.name}' cannot be segmented: {error}")
                return
            left = self._left.get(self.image) if resume else None
            if left is not None and left.work.sequence.is_laid_out_like(sequence):
                del self._left[self.image]
                self.workspace, sequence = left.work, left.work.sequence
            else:
                left, self.workspace = None, Workspace(sequence, self._send_prompts, self.layer_made.emit)
            axis = sequence.layout.axis
            words = {"layout": sequence.describe(mode), "noun": sequence.noun(mode), "reason": reason}
            self._set(axes=sequence.axes(), axis=axis, mode=mode, **words)
            if left is not None:
                self.workspace.reopen()
                self._set(current=left.current)
                self._aim()
            else:
                self._take_output_again()
                self.workspace.tools.take(unused)
                if resume:
                    self._begin_after_what_was_kept()
                else:  # the same image, in which nothing was drawn: its labels are not read at each step of a slider
                    self._set(objects=kept.objects, current=kept.current)
                self._aim()
        self.changed.emit()

    def _begin_after_what_was_kept(self) -> None:
        """Give the next object a number that none of the committed ones has."""
        kept = self._kept_layer()
        number = 1 + int(kept.data.max()) if kept is not None and kept.data.size else 1
        self._set(objects=(number,), current=number)

    def _kept_layer(self) -> Labels | None:
        """Find the layer of ours that results are committed to; one of the user's may have its name."""
        work = self.workspace
        if work is None:
            return None
        ours = (la for la in self.viewer.layers if la.metadata.get(KEPT_OF) == str(work.image.unique_id))
        return next((la for la in ours if isinstance(la, Labels) and la.data.shape == work.sequence.layout.shape), None)

    def _take_output_again(self) -> None:
        if self.workspace is None or self._output is None:
            return
        layer, keep = self._output
        try:
            self.workspace.choose_output(layer, keep=keep)
        except OutputError as error:
            self._output = None
            self.say(str(error))

    def _watch_image(self, image: Image | None) -> None:
        """Begin with another image layer, and again when its pixels are replaced."""
        if self.image is not None:
            self.image.events.data.disconnect(self._start)
        work = self.workspace
        self._leave()
        if work is not None:
            work.disarm()
        self.image, self._axis, self._mode, self._output = image, None, None, None
        if image is not None:
            image.events.data.connect(self._start)
            if (left := self._left.get(image)) is not None:
                self._axis, self._mode, self._output = left.axis, left.mode, left.output
        self._start()

    def _load_model(self) -> None:
        wanted = (self._state.model, self._state.wanted_device)
        if self._loaded != wanted:
            self._loaded = wanted
            self._loading.append(wanted)
            self._set(device=f"loading {Path(wanted[0]).name} ...", notice="")
            self.engine.load_model(wanted[0], device=wanted[1])

    def _on_model_loaded(self, event: ModelLoaded) -> None:
        advice = "" if self._state.notice else idle_gpu_advice(event.device)
        asked = self._loading.pop(0) if self._loading else (event.name, event.device)
        words = f"{title_of(asked[0])} runs on {event.device}. {advice}".strip()
        self._in_use = (asked, event.device, words)
        if not self._loading:
            self._show_model(device=words)
            if self._state.notice and event.device == "cpu":
                self._on_left_device()

    def _on_notice(self, event: Notice) -> None:
        """Memory was short: say so for as long as this model is in use, and once in napari's own way."""
        self._set(notice=event.message)
        show_warning(event.message)
        if self._in_use is not None and not self._loading and event.device != self._in_use[1]:
            self._on_left_device()

    def _on_left_device(self) -> None:
        """Show that the model went to the CPU; choosing a device again then loads it there anew."""
        self._loaded = asked = (self._state.model, "cpu")
        self._in_use = (asked, "cpu", f"{title_of(asked[0])} runs on cpu.")
        self._show_model(wanted_device="cpu", device=self._in_use[2])

    def _on_model_failed(self, event: Failed) -> None:
        """Go on with the model before, if there is one."""
        if self._loading:
            self._loading.pop(0)
        message = event.message
        if self._in_use is None:
            self._loaded = None
            self._opened = False  # tried again, with all prompts, by the next action
            self._set(device="no model")
        elif not self._loading:
            self._loaded, _, words = self._in_use
            name, device = self._loaded
            self._show_model(model=name, wanted_device=device, device=words)
            message = f"{message.removesuffix('.')}. {title_of(name)} is still in use."
        self.say(message, report=event.report)

    def _show_model(self, **changes: str) -> None:
        """Show another model or device, and the speed that comes with it."""
        self._set(**changes)
        self._set(seconds_a_frame=self._seconds_a_frame())

    def _seconds_a_frame(self) -> float | None:
        """About how long the chosen model takes for a frame, where that is known."""
        state, entry = self._state, MODELS.get(self._state.model)
        device = state.wanted_device
        if device == "auto" and self._in_use is not None:
            device = self._in_use[1]
        return estimate_seconds(entry, device) if entry is not None and device != "auto" else None

    def _on_downloaded(self, name: str, problem: str, stopped: bool) -> None:
        title = title_of(name)
        if problem:
            self.say(f"{problem}. Or take the file with 'From file...' in the menu of models.")
        elif stopped:
            self.say(note=f"The download of {title} was stopped. What came is kept: choose it again to go on.")
        elif self._state.running or self._state.model != self._model_before_download:
            self.say(note=f"{title} is on this computer now: choose it in the menu of models.")
        else:
            self.say(note=f"{title} is on this computer now.")
            self._set(model=name, device="", seconds_a_frame=None)
            self._load_model()

    def _ready(self) -> Workspace | None:
        """Load the model and open the sequence, unless that is done; ``None`` without an image."""
        work = self.workspace
        if work is None:
            if not self._state.problem:
                self.say("There is no image to segment: open one first.")
            return None
        self._load_model()
        work.results.withdrawn = False
        contrast = work.sequence.shown_contrast() if self._contrast_as_shown else None
        if not self._opened or contrast != self._contrast:
            self._opened, self._contrast = True, contrast
            mode: Any = self._state.mode
            self.engine.open(work.sequence.frames(), mode=mode, axis=0, rgb=work.image.rgb, contrast=contrast)
            self._generation = self.engine.generation
            for group in in_replay_order(work.book.prompts):
                self.engine.replace_prompts(group.object_id, group.frame, group.given)
            # Also where there are none: what was sent again is nothing that the user has just done.
            if work.book.prompts or work.results.results:
                self.engine.take_results(work.results.results.values())
        return work

    def _reopen(self) -> None:
        """Open the sequence again with other settings; the prompts are sent again, the labels stay."""
        if self._opened:
            self._opened = False
            self._ready()

    def _send_prompts(self, problem: str = "", *, keep_labels: bool = False) -> None:
        work = self._ready()
        if work is None:
            return
        changes = work.book.changes()
        joined: dict[str, Any] = {"together": object()} if len(changes) > 1 else {}
        for group in changes:
            number, frame = group.object_id, group.frame
            self.engine.replace_prompts(number, frame, group.given, uncover=not keep_labels, **joined)
            if not group and not keep_labels:
                work.results.drop(frame, number)
            if group and self.preview_while_drawing and len(changes) <= 4:
                self.engine.preview(frame, number)
        self.say(" ".join(f"{told.rstrip('.')}." for told in (problem, *work.book.problems) if told))
        self._later()

    # ---- what comes back -------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        work = self.workspace
        if isinstance(event, ResultReady | Restored | Finished) and event.generation != self._generation:
            return  # of an image that was left meanwhile
        if isinstance(event, StatusChanged):
            self._state = replace(self._state, status=event.status)
            self._later()
        elif isinstance(event, ResultReady) and work is not None:
            result = event.result
            if not result.prompted or result.frame in work.book.frames(result.object_id):  # else just deleted
                work.results.add(result)
                self._later()
        elif isinstance(event, Restored) and work is not None:
            if event.changed:
                begins_anew = not work.book.objects
                work.restore(event)
                if begins_anew and event.prompts:  # such as an undone commit: go on with what came back
                    self._set(current=max(prompt.object_id for prompt in event.prompts))
                self._aim()
            if event.kind is not RequestKind.RESET:
                self.say(note="" if event.changed else f"Nothing to {event.kind.words}.")
            self.flush()
        elif isinstance(event, ModelLoaded):
            self._on_model_loaded(event)
        elif isinstance(event, Notice):
            self._on_notice(event)
        elif isinstance(event, Finished):
            if event.reason is FinishReason.CANCELLED and not (self._state.note or self._state.problem):
                self.say(note="Cancelled; what was done stays.")
            self.flush()
        elif isinstance(event, Failed):
            if event.kind is RequestKind.LOAD_MODEL:
                self._on_model_failed(event)
                return
            if event.kind is not RequestKind.OPEN_IMAGES and not self._opened:
                return  # what failed before this has been told
            if event.kind is RequestKind.OPEN_IMAGES:
                self._opened = False  # tried again, with all prompts, by the next action
            self.say(event.message, report=event.report)

    def _aim(self) -> None:
        """Make the next prompt go to the current object, with the sign chosen."""
        if self.workspace is not None:
            self.workspace.aim(self._state.current, self._state.positive)

    def _later(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def flush(self) -> None:
        """Write late results to the output layer and show the state."""
        work = self.workspace
        if work is not None and work.busy:
            self._later()
        elif work is not None and work.sequence.is_shown():
            in_view = work.sequence.frame_in_view() if self.viewer.dims.ndisplay == 2 else None
            try:
                work.show_results(in_view)
            except OutputError as error:
                self.say(str(error))
        self.changed.emit()

    def _on_view_changed(self) -> None:
        work = self.workspace
        if work is not None and not work.sequence.is_shown():
            return
        if work is not None and not work.book.objects:  # nothing drawn yet: follow the sliders
            if self._axis is not None and not work.sequence.has_slider(self._axis):
                self._axis = None
            if not work.sequence.is_current(self._axis):
                self._start(resume=False)
        self.changed.emit()

    def _on_layer_removed(self, event: NapariEvent) -> None:
        work, layer = self.workspace, event.value
        self._left.pop(layer, None)
        if work is None:
            return
        if layer is work.image:
            running = self._state.running
            self._watch_image(None)
            self._left.pop(layer, None)
            self._removed = f"The image '{layer.name}' was removed{', so the run was stopped' if running else ''}."
            self.say(self._removed)
            return
        what = work.let_go(layer)
        if what == "output":
            self._output = None
        if what == "output" and self._state.running:
            self.engine.cancel()
            self.say(f"'{layer.name}' was removed, so the run was stopped. Press Shift+S for a new one.")
        elif what == "prompts":
            withdrawn = work.results.withdrawn
            self._send_prompts(keep_labels=True)
            work.results.withdrawn = withdrawn
