"""The engine's client: prompts go to it, its events become results, labels and what the dock says.

Nothing here waits for the model: requests go to the engine's worker thread, its events come back through a Qt signal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from qtpy.QtCore import QObject, Signal

from ..engine.engine import Engine
from ..engine.events import (
    ConnectionChanged,
    Event,
    Failed,
    Finished,
    FinishReason,
    ImagesRemarked,
    ModelLoaded,
    Noted,
    ObjectsCalled,
    PromptsChanged,
    Restored,
    ResultReady,
    RunState,
    Standing,
    StatusChanged,
)
from ..engine.memory_events import BanksCompared, BankTold, TaskSaved, ViewTold
from ..engine.requests import RequestKind
from ..errors import OutputError
from ..images.contrast import Contrast
from ..images.opened import LabelledObject
from ..models.notices import Notice
from ..remote.remembered import KnownServers
from .dock_store import NO_IMAGE, DockStore
from .engines import Engines
from .layers.workspace import Workspace
from .refreshing import Refreshing
from .sending import send_all

if TYPE_CHECKING:
    from .engines import AnyEngine

#: So many frames, at most, are looked at by themselves when prompts are sent.
MOST_PREVIEWS = 4

#: Events about the images that are open.
OF_IMAGES = (Standing, PromptsChanged, ResultReady, Restored, ObjectsCalled, Finished, ImagesRemarked, Noted)
OF_MEMORY = (BankTold, ViewTold, BanksCompared, TaskSaved)


class EngineClient(QObject):
    """Owns the engine of one dock.

    Parameters
    ----------
    viewer, store
        Where results are looked at, and the state that they change.
    make_engine
        Makes an engine on this computer from its event callback.
    servers
        Knows the keys of servers.
    """

    #: The engine is about to be asked for something that needs the chosen model.
    model_needed = Signal()
    #: It will be, presumably.
    model_expected = Signal()
    #: Events that are about the model: :class:`ModelLoaded`, :class:`Failed` and :class:`Notice`.
    model_loaded = Signal(object)
    model_failed = Signal(object)
    noticed = Signal(object)
    #: The user changed prompts or whole objects.
    prompts_changed = Signal()
    #: Results were restored or edited, and are on the layers: :class:`Restored`; a run ended: :class:`Finished`.
    restored = Signal(object)
    finished = Signal(object)
    #: What is told of memories and of what the model sees, the end of a comparison, and what of these failed.
    memory_told = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        store: DockStore,
        make_engine: Callable[[Callable[[Event], None]], Engine] = Engine,
        servers: KnownServers | None = None,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._store = store
        self._has_model = False
        self._opened = False
        self._contrast: Contrast | None = None  # as the session has it
        self._latest_call = 0  # the latest request to name an object
        self._generation = -1  # of the sequence whose results are awaited
        self._refreshing = Refreshing(self.flush)
        self.engines = Engines(make_engine, servers or KnownServers())
        self.engines.arrived.connect(self._on_event)
        self.engines.replaced.connect(self._on_replaced)

    def close(self, timeout: float = 0.0) -> None:
        """Stop the worker after the frame it is at; by default without waiting for it."""
        self.engines.close(timeout)

    @property
    def engine(self) -> AnyEngine:
        """The engine that is asked, here or on a server."""
        return self.engines.in_use

    def stop_refreshing(self) -> None:
        """Show nothing more."""
        self._refreshing.stop()

    @property
    def opened(self) -> bool:
        """True if the engine was asked to open the image, and nothing speaks against that yet."""
        return self._opened

    @property
    def settled(self) -> bool:
        """True if all that came is on the layers and shown."""
        work = self._store.work
        return not self._refreshing.is_due and not (work is not None and work.busy)

    # ---- what goes out -----------------------------------------------------------------------------------------------

    def ready(self) -> Workspace | None:
        """Have the model loaded and the image opened, unless that is done; ``None`` without an image."""
        work, store = self._store.work, self._store
        if work is None:
            if not store.chosen.problem:
                store.say(NO_IMAGE)
            return None
        self.model_needed.emit()
        work.results.withdrawn = False
        contrast = work.sequence.shown_contrast() if store.chosen.contrast_as_shown else None
        if not self._opened or contrast != self._contrast:
            self._open(work, contrast)
        return work

    def prepare(self) -> None:
        """Have the model loaded, if it is on this computer, before the first prompt needs it."""
        if self._store.work is not None:
            self.model_expected.emit()

    def _open(self, work: Workspace, contrast: Contrast | None) -> None:
        self._opened, self._contrast = True, contrast
        mode = self._store.chosen.mode
        options: dict[str, Any] = {}
        if (adapt := self._store.chosen.adapt) is not None:
            from ..session.options import SessionOptions

            options["options"] = SessionOptions(adapt=adapt)
        if (bank := self._store.chosen.bank) != "auto":
            options["bank"] = bank
        self.engine.open(work.sequence.frames(), mode=mode, axis=0, rgb=work.image.rgb, contrast=contrast, **options)
        self._generation = self.engine.generation
        send_all(self.engine, work)

    def call(self, number: int, called: LabelledObject) -> None:
        """Give an object a name and a colour."""
        work = self.ready()
        if work is not None:
            work.roster.call_all({**work.roster.called, number: called})
            self._latest_call = self.engine.call(number, called)

    def reopen(self) -> None:
        """Open the image again with other settings; the prompts are sent again, the labels stay."""
        if self._opened:
            self._opened = False
            self.ready()

    def leave(self) -> None:
        """Let go of the image; what the engine still has to say about it is not listened to."""
        if self._opened:
            self.engine.close_sequence()
        self._opened, self._generation = False, -1

    def send_prompts(self, problem: str = "", note: str = "", *, keep_labels: bool = False) -> None:
        """Send what was drawn or deleted; ``problem`` says what of it cannot be used, ``note`` what else is to say."""
        work = self.ready()
        if work is None:
            return
        changes = work.book.changes()
        self._store.put(up_to_date=False)
        if changes:
            self.prompts_changed.emit()
        joined: dict[str, Any] = {"together": object()} if len(changes) > 1 else {}
        for group in changes:
            number, frame = group.object_id, group.frame
            request = self.engine.replace_prompts(number, frame, group.given, uncover=not keep_labels, **joined)
            work.book.note_request(request, group)
            if not group and not keep_labels:
                if number in work.book.objects:
                    work.results.drop(frame, number)
                else:
                    work.results.drop_object(number)
            if group and self._store.chosen.preview and len(changes) <= MOST_PREVIEWS:
                self.engine.preview(frame, number)
        problem = " ".join(f"{told.rstrip('.')}." for told in (problem, *work.book.problems) if told)
        self._store.say(problem, note="" if problem else note)
        self._later()

    # ---- what comes back ---------------------------------------------------------------------------------------------

    def _on_replaced(self) -> None:
        """Another engine is in use: what there is of the image goes to it with the next request."""
        if self._store.chosen.running:
            self._on_finished(Finished(0, self._generation, FinishReason.SUPERSEDED))
        self._opened, self._generation = False, -1
        self._store.put(status=self.engine.status)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, (*OF_IMAGES, *OF_MEMORY)) and event.generation != self._generation:
            return  # of an image that was left meanwhile
        work = self._store.work
        if isinstance(event, StatusChanged):
            self._store.put(status=event.status)
            self._later()
        elif isinstance(event, OF_MEMORY):
            self.memory_told.emit(event)
        elif isinstance(event, Standing):
            self._store.put(done=event.done, can_undo=event.undo, can_redo=event.redo)
            self._later()
        elif isinstance(event, ResultReady) and work is not None:
            self._on_result(work, event)
        elif isinstance(event, PromptsChanged):
            self._store.log.note(f"prompts: {len(event.prompts)}")
        elif isinstance(event, Restored) and work is not None:
            self._store.log.note(f"{event.kind.words}: {len(event.prompts)} prompts, {len(event.results)} results")
            self._on_restored(work, event)
        elif isinstance(event, ObjectsCalled) and work is not None:
            if event.request == self._latest_call:  # else what was said since is shown already
                work.roster.call_all(event.called)
            self._store.changed.emit()
        elif isinstance(event, Finished):
            self._on_finished(event)
        elif isinstance(event, ImagesRemarked):
            self._on_remarks(event)
        elif isinstance(event, Noted) and work is not None:
            work.past.note(event.entries, event.stale)
        elif isinstance(event, ModelLoaded):
            self._has_model = True
            self.model_loaded.emit(event)
            if work is not None and work.book.objects and not self._opened:
                self._take_up(work)
        elif isinstance(event, Notice):
            self.noticed.emit(event)
        elif isinstance(event, ConnectionChanged):
            self._store.say(event.message if event.lost else "", note="" if event.lost else event.message)
        elif isinstance(event, Failed):
            self._on_failed(event)

    def _take_up(self, work: Workspace) -> None:
        """Send what was drawn while there was no model, and look at it."""
        self.ready()
        unseen = {(prompt.frame, prompt.object_id) for prompt in work.book.prompts} - work.results.results.keys()
        if self._store.chosen.preview and len(unseen) <= MOST_PREVIEWS:
            for frame, number in sorted(unseen):
                self.engine.preview(frame, number)

    def _on_result(self, work: Workspace, event: ResultReady) -> None:
        result = event.result
        if event.kind is RequestKind.COMPARE:
            return  # found with another memory, to be compared
        if event.kind is RequestKind.PROPAGATE:  # of others it was noted what is to be done again
            work.past.stale.discard((result.frame, result.object_id))
        if not result.prompted or result.frame in work.book.frames(result.object_id):  # else just deleted
            work.results.add(result)
            self._later()

    def _on_restored(self, work: Workspace, event: Restored) -> None:
        work.book.taught = dict(event.tasks)
        work.past.note_tasks(event.tasks)
        if event.changed:
            begins_anew = not work.book.objects
            work.restore(work.book.with_later(event, work.results.results))
            if begins_anew and event.prompts:  # such as an undone commit: go on with what came back
                self._store.put(current=max(prompt.object_id for prompt in event.prompts))
            self._store.aim()
        if event.kind in (RequestKind.UNDO, RequestKind.REDO):
            self._store.put(up_to_date=False)
            self._store.say(note="" if event.changed else f"Nothing to {event.kind.words}.")
        self.restored.emit(event)
        self.flush()

    def _on_finished(self, event: Finished) -> None:
        told = self._store.chosen
        if event.kind is RequestKind.COMPARE:
            self.memory_told.emit(event)
            self.flush()
            return
        if event.reason is FinishReason.CANCELLED and not (told.note or told.problem):
            self._store.say(note="Cancelled; what was done stays.")
        if event.reason is FinishReason.DONE and event.steps == 0:
            self._store.put(up_to_date=True)
            self._store.say(
                note=f"Every {told.noun} is up to date. Press Shift+S again to find the objects anew on all of them."
            )
        self.flush()
        self.finished.emit(event)

    def _on_remarks(self, event: ImagesRemarked) -> None:
        self._store.set(remarks=event.remarks, learning=event.learning)
        if event.blank:
            self._store.say(f"Nothing can be found on these images: {event.blank}. Is it the right layer, or channel?")

    def _on_failed(self, event: Failed) -> None:
        if event.kind is RequestKind.LOAD_MODEL:
            if not self._has_model:
                self._opened = False  # tried again, with all prompts, by the next action
            self.model_failed.emit(event)
            return
        if event.kind is RequestKind.OPEN_IMAGES:
            self._opened = False  # likewise
        elif not self._opened:
            return  # what failed before this has been told
        self._store.say(event.message, report=event.report)
        self.memory_told.emit(event)

    # ---- showing it --------------------------------------------------------------------------------------------------

    def _later(self) -> None:
        self._refreshing.ask(in_a_run=self._store.chosen.status.state is RunState.RUNNING)

    def flush(self) -> None:
        """Write late results to the output layer and show the state."""
        self._refreshing.begin()
        work = self._store.work
        if work is not None and work.busy:
            self._later()
        elif work is not None and work.sequence.is_shown():
            in_view = work.sequence.frame_in_view() if self._viewer.dims.ndisplay == 2 else None
            try:
                work.show_results(in_view)
            except OutputError as error:
                self._store.say(str(error))
        self._store.changed.emit()
        self._refreshing.end()
