"""One persistent worker thread around a session: requests go in and never wait, events come out.

No Qt and, until the worker needs it, no torch. Every event is delivered by a callback **on the worker thread**; a face
marshals it to its own thread. The boundary between two frames is where pause, cancel, new prompts, previews and undo
take effect, in the order in which they were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NotReadyError, TaskFileError
from ..prompts import Prompt, in_replay_order
from ..results import FrameResult
from ..session.taught import by_task
from .bank_watch import BankWatch
from .events import (
    Event,
    FinishReason,
    ModelLoaded,
    PromptsChanged,
    ResultReady,
    RunStatus,
    SequenceOpened,
    failure_of,
)
from .memory_edits import MemoryEdits
from .notes import along, tell_noted
from .opening import load_chosen_model, open_recorded
from .remarks import Remarks
from .requests import Request, RequestKind
from .run import Run
from .standing import StandingWatch
from .whole_edits import WholeEdits
from .worker import Worker

if TYPE_CHECKING:
    from ..models.device import Model
    from ..session.session import Session
    from ..types import Direction, Mode


@dataclass(frozen=True)
class _Images:
    """Images that were asked for: under which generation, what they are, and the options of their session."""

    generation: int
    data: Any
    options: dict[str, Any]


class Engine(WholeEdits, MemoryEdits):
    """Runs one session at a time on one worker thread.

    Every request method returns at once with the number of the request, which the events it causes carry; nothing
    is raised for bad input, a :class:`.events.Failed` event comes instead. After :meth:`close` requests are ignored.

    Parameters
    ----------
    on_event
        Called with each event, on the worker thread. An exception in it is logged and does not stop the engine.
    load_model, open_session
        ``load_model(name_or_path, *, device, on_notice) -> Model`` and ``open_session(model, data, options) ->
        Session``; other ways to make these.
    on_served
        Called with each request that was taken from the queue, on the worker thread, after all that came of it.

    Examples
    --------
    >>> engine = Engine(queue.put)                                  # doctest: +SKIP
    >>> engine.load_model("micro")                                  # doctest: +SKIP
    >>> engine.open(volume, mode="stack", axis=0)                   # doctest: +SKIP
    >>> engine.add_prompt(BoxPrompt(12, 30.5, 40.5, 60.5, 70.5))    # doctest: +SKIP
    >>> engine.propagate()                                          # doctest: +SKIP
    """

    def __init__(
        self,
        on_event: Callable[[Event], None],
        *,
        load_model: Callable[..., Model] = load_chosen_model,
        open_session: Callable[[Model, Any, dict[str, Any]], Session] = open_recorded,
        on_served: Callable[[Request], None] | None = None,
    ) -> None:
        self._load_model = load_model
        self._open_session = open_session
        self._model: Model | None = None
        self._session: Session | None = None
        self._images: _Images | None = None
        self._worker = Worker(on_event, on_failure=self._on_failure, on_end=self._let_go, on_served=on_served)
        self._remarks = Remarks(self._worker.emit)
        self._standing = StandingWatch(self._worker.emit)
        self._bank = BankWatch(self._worker.emit)
        self._worker.start()

    # ---- what may be asked, from any thread ------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session, for reading results and labels (it has its own lock); ``None`` until a sequence is open."""
        return self._session

    @property
    def status(self) -> RunStatus:
        """A snapshot; never waits for the worker."""
        return self._worker.status

    @property
    def generation(self) -> int:
        """Number of the latest sequence asked for; events of earlier ones are not delivered any more."""
        return self._worker.generation

    @property
    def n_unfinished(self) -> int:
        """Number of requests that are not done: those that wait, and the one that is served."""
        return self._worker.n_unfinished

    def close(self, timeout: float = 5.0) -> bool:
        """Stop the worker after the frame it is at. True if it ended within ``timeout`` seconds."""
        return self._worker.close(timeout)

    def load_model(self, name_or_path: str = "micro", *, device: str = "auto") -> int:
        """Load a model. An open sequence is opened again with it: prompts are kept, results too, until their frames are
        segmented again. What was done before cannot be undone then.

        If it cannot be loaded, the one before goes on, with its run. Where memory is short, now or later, a
        :class:`~napari_medsam2.models.notices.Notice` says what was done about it and where the model runs now.
        """

        def call(request: Request) -> None:
            self._worker.show_loading(f"loading model {name_or_path}")
            if self._session is not None:
                self._session.segmenter.predictor.drop_caches()  # room for the next model beside this one
            model = self._load_model(name_or_path, device=device, on_notice=self._worker.emit)
            self._worker.end_run(FinishReason.SUPERSEDED)
            self._model = model
            self._worker.emit(ModelLoaded(request.number, model.name, str(model.device), bool(model.region)))
            self._make_session(request)

        return self._worker.submit(RequestKind.LOAD_MODEL, call)

    def open(self, data: Any, *, mode: Mode = "stack", **options: Any) -> int:
        """Open a sequence for prompts; it waits for the model if none is loaded yet.

        Parameters
        ----------
        data
            A frame source, or anything that :func:`napari_medsam2.images.formats.as_frames` takes: an array, dask,
            zarr, a folder, a list of paths.
        mode
            ``"stack"`` for frames that follow each other, ``"flow"`` for frames without an order.
        **options
            ``axis`` and ``rgb`` for ``as_frames``; ``bank``, ``contrast``, ``region``, ``cache_bytes``, ``passes``,
            ``seed`` for :class:`~napari_medsam2.Session`.
        """

        def call(request: Request) -> None:
            self._worker.end_run(FinishReason.SUPERSEDED)
            self._session = None
            if request.generation != self._worker.generation:
                return  # other images were opened meanwhile, or these were closed
            self._images = _Images(request.generation, data, {"mode": mode, **options})
            self._make_session(request)

        return self._worker.submit(RequestKind.OPEN_IMAGES, call)

    def close_sequence(self) -> int:
        """End what runs, and let go of the images, the session and its caches; the model stays."""

        def call(request: Request) -> None:
            self._worker.end_run(FinishReason.SUPERSEDED)
            self._session = self._images = None

        return self._worker.submit(RequestKind.CLOSE_IMAGES, call)

    def add_prompt(self, prompt: Prompt) -> int:
        """Add a prompt; :class:`PromptsChanged` follows. During a run it takes effect at the next frame boundary."""
        return self._submit_edit(RequestKind.ADD_PROMPT, lambda session: session.add(prompt))

    def replace_prompts(
        self,
        object_id: int,
        frame: int,
        prompts: Sequence[Prompt],
        *,
        uncover: bool = True,
        together: object = None,
    ) -> int:
        """Make these the prompts of one object on one frame (none: remove them); :class:`PromptsChanged` follows.

        Where prompts were removed that corrected a frame, a :class:`ResultReady` with what it was before follows too,
        unless ``uncover`` is false. For ``together`` see :meth:`napari_medsam2.Session.replace_prompts`.
        """
        kept = tuple(prompts)
        return self._submit_edit(
            RequestKind.CHANGE_PROMPTS,
            lambda session: session.replace_prompts(object_id, frame, kept, together=together),
            uncovered=(frame, object_id) if uncover else None,
        )

    def take_results(self, results: Iterable[FrameResult], *, up_to_date: bool = False) -> int:
        """Go on with results that are there; see :meth:`napari_medsam2.Session.take_results`."""
        kept = tuple(results)

        def call(request: Request) -> None:
            self._opened().take_results(kept, up_to_date=up_to_date)
            self._tell_noted(request)

        return self._worker.submit(RequestKind.TAKE_RESULTS, call)

    def preview(self, frame: int, object_id: int = 1) -> int:
        """Segment one frame; :class:`ResultReady` follows.

        A queued preview of the same object and frame that has not begun is replaced by this one.
        """

        def call(request: Request) -> None:
            session = self._opened()
            try:
                found = iter([session.segment(frame, object_id)])
            finally:
                self._tell_noted(request)
            for result in self._remarks.along(session, found, request.number, request.generation):
                self._worker.emit(ResultReady(request.number, request.generation, result, request.kind))

        return self._worker.submit(RequestKind.PREVIEW, call, preview_of=(frame, object_id))

    def propagate(
        self,
        *,
        objects: Sequence[int] | None = None,
        direction: Direction = "both",
        start: int | None = None,
        stop: int | None = None,
        anew: bool = False,
    ) -> int:
        """Segment the other frames; takes the place of a propagation that runs.

        A :class:`ResultReady` comes for each step, with a :class:`StatusChanged`, and :class:`Finished` at the end.
        Parameters as :meth:`napari_medsam2.Session.propagate`.
        """

        def call(request: Request) -> None:
            self._worker.end_run(FinishReason.SUPERSEDED)
            session = self._opened()
            steps = session.propagate(objects=objects, direction=direction, start=start, stop=stop, anew=anew)
            steps = along(self._worker.emit, session, steps, request.generation)
            steps = self._remarks.along(session, steps, request.number, request.generation)
            steps = self._bank.along(session, steps, request.number, request.generation)
            steps = self._standing.along(session, steps, request.number, request.generation)
            self._worker.begin_run(Run(request, steps, lambda: session.steps_left))

        return self._worker.submit(RequestKind.PROPAGATE, call)

    def pause(self) -> None:
        """Stop a propagation at the next frame boundary; prompts, previews and undo still work."""
        self._worker.pause()

    def resume(self) -> None:
        """Go on with a paused propagation."""
        self._worker.resume()

    def cancel(self) -> int:
        """End a propagation at the next frame boundary (its results stay); queued runs and previews go."""
        return self._worker.cancel()

    # ---- asking ----------------------------------------------------------------------------------------------------

    def _submit_edit(
        self, kind: RequestKind, edit: Callable[[Session], Any], *, uncovered: tuple[int, int] | None = None
    ) -> int:
        """Queue a change of the prompts; ``uncovered`` is the frame and object that may be as before its prompts."""

        def call(request: Request) -> None:
            session = self._opened()
            edit(session)
            self._tell_noted(request)
            prompts = tuple(session.prompts)
            self._worker.emit(PromptsChanged(request.number, request.generation, prompts))
            if uncovered is None or any((p.frame, p.object_id) == uncovered for p in prompts):
                return
            if (before := session.result(*uncovered)) is not None:
                self._worker.emit(ResultReady(request.number, request.generation, before, request.kind))

        return self._worker.submit(kind, call)

    # ---- on the worker thread --------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        """Drop all that takes memory, at the end."""
        self._session = self._images = self._model = None

    def _make_session(self, request: Request) -> None:
        """Open the images with the model, as soon as both are there; prompts and results of before are taken over."""
        images = self._images
        if self._model is None or images is None:
            return
        before = self._session
        prompts = before.prompts if before is not None else ()
        self._worker.show_loading("opening the images")
        session = self._open_session(self._model, images.data, images.options)
        for group in in_replay_order(prompts):
            session.replace_prompts(group.object_id, group.frame, group.given)
        if before is not None:
            for number, called in before.called.items():
                session.call(number, called)
            for number in sorted({prompt.object_id for prompt in prompts}):
                if evicted := before.evicted(number):
                    session.keep_out(evicted, number)
            session.take_results(before.results.values())
        self._session = session
        self._take_up_tasks(session, before, request)
        tell_noted(self._worker.emit, session, images.generation)
        frames = session.frames
        self._worker.emit(
            SequenceOpened(request.number, images.generation, len(frames), frames.describe(), session.taught)
        )
        self._remarks.begin(session, request.number, images.generation)
        self._standing.tell(session, request.number, images.generation)

    def _take_up_tasks(self, session: Session, before: Session | None, request: Request) -> None:
        """Go on from the task files of a session, as far as they were made with the model of this one."""
        for task, into in () if before is None else by_task(before.taught):
            try:
                session.take_task(task, into=into)
            except TaskFileError as error:
                kind, name = RequestKind.TAKE_TASK, session.model.name
                self._worker.emit(failure_of(error, request.number, request.generation, kind, name))

    def _tell_noted(self, request: Request) -> None:
        tell_noted(self._worker.emit, self._opened(), request.generation)
        self._standing.tell(self._opened(), request.number, request.generation)
        self._bank.tell(self._opened(), request.number, request.generation)

    def _opened(self) -> Session:
        """The session; :class:`NotReadyError` says what is missing."""
        if self._session is None:
            missing = "no images are open yet" if self._images is None else "the images could not be opened"
            if self._model is None:
                missing = "no model is loaded yet"
            raise NotReadyError(f"{missing}: choose an image and a model first")
        return self._session

    def _on_failure(self, request: Request, error: Exception) -> None:
        """Tell in words what failed, with a report."""
        model = self._model.name if self._model is not None else None
        self._worker.emit(failure_of(error, request.number, request.generation, request.kind, model))
