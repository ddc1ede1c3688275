"""One persistent worker thread around a session: requests go in and never wait, events come out.

No Qt and, until the worker needs it, no torch. Every event is delivered by a callback **on the worker thread**; a face
marshals it to its own thread. The boundary between two frames is where pause, cancel, new prompts, previews and undo
take effect, in the order in which they were asked for.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..errors import NotReadyError
from ..models.device import leave_a_core
from ..models.notices import Notice, OnNotice
from ..prompts import Prompt, is_erased
from ..results import FrameResult
from .events import (
    LOADING,
    OPENING,
    PREVIEWING,
    PROPAGATING,
    Event,
    Failed,
    Finished,
    FinishReason,
    ModelLoaded,
    PromptsChanged,
    Restored,
    ResultReady,
    RunStatus,
    SequenceOpened,
    StatusChanged,
    failure_of,
)
from .worker import Request, Worker

if TYPE_CHECKING:
    from ..models.device import Model
    from ..session.session import Session
    from ..types import Direction


__all__ = [
    "Engine",
    "Event",
    "Failed",
    "FinishReason",
    "Finished",
    "ModelLoaded",
    "Notice",
    "PromptsChanged",
    "Restored",
    "ResultReady",
    "RunStatus",
    "SequenceOpened",
    "StatusChanged",
]


def _load_model(name_or_path: str, *, device: str, on_notice: OnNotice) -> Model:
    from ..models.loading import load_model

    leave_a_core()
    return load_model(name_or_path, device=device, on_notice=on_notice)


def _open_session(model: Model, data: Any, options: dict[str, Any]) -> Session:
    from ..images.conversion import as_frames
    from ..images.frames import FrameSource
    from ..session.session import Session

    options = dict(options)
    reading = {name: options.pop(name) for name in ("axis", "rgb") if name in options}
    frames = data if isinstance(data, FrameSource) else as_frames(data, **reading)
    return Session(model, frames, **options)


@dataclass
class _Run:
    request: Request
    steps: Iterator[FrameResult]
    done: int = 0
    seconds_per_step: float | None = None


class Engine(Worker):
    """Runs one session at a time on one worker thread.

    Every request method returns at once with the number of the request, which the events it causes carry; nothing
    is raised for bad input, a :class:`Failed` event comes instead. After :meth:`close` requests are ignored.

    Parameters
    ----------
    on_event
        Called with each event, on the worker thread. An exception in it is logged and does not stop the engine.
    load_model, open_session
        ``load_model(name_or_path, *, device, on_notice) -> Model`` and ``open_session(model, data, options) ->
        Session``; other ways to make these, for tests.

    Examples
    --------
    >>> engine = Engine(queue.put)                                  # doctest: +SKIP
    >>> engine.load_model("micro")                                  # doctest: +SKIP
    >>> engine.open(volume, mode="stack", axis=0)                   # doctest: +SKIP
    >>> engine.add_prompt(BoxPrompt(12, 30.5, 40.5, 60.5, 70.5))    # doctest: +SKIP
    >>> engine.preview(12, object_id=1)                             # doctest: +SKIP
    >>> engine.propagate()                                          # doctest: +SKIP
    """

    def __init__(
        self,
        on_event: Callable[[Event], None],
        *,
        load_model: Callable[..., Model] = _load_model,
        open_session: Callable[[Model, Any, dict[str, Any]], Session] = _open_session,
    ) -> None:
        super().__init__(on_event)
        self._load_model = load_model
        self._open_session = open_session
        self._model: Model | None = None
        self._session: Session | None = None
        self._sequence: tuple[int, Any, dict[str, Any]] | None = None
        self._run: _Run | None = None
        self._thread.start()

    # ---- what may be asked, from any thread ------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session, for reading results and labels (it has its own lock); ``None`` until a sequence is open."""
        return self._session

    def load_model(self, name_or_path: str = "micro", *, device: str = "auto") -> int:
        """Load a model. An open sequence is opened again with it: prompts are kept, results too, until their frames are
        segmented again. What was done before cannot be undone then.

        If it cannot be loaded, the one before goes on, with its run. Where memory is short, now or later, a
        :class:`~napari_medsam2.models.notices.Notice` says what was done about it and where the model runs now.
        """

        def call(request: Request) -> None:
            self._set(state="loading", detail=f"loading model {name_or_path}")
            if self._session is not None:
                self._session.segmenter.looker.drop_caches()  # room for the next model beside this one
            model = self._load_model(name_or_path, device=device, on_notice=self._emit)
            self._end_run("superseded")
            self._model = model
            self._emit(ModelLoaded(request.number, model.name, str(model.device), bool(model.region)))
            self._make_session(request)

        return self._ask(LOADING, call, of_session=False)

    def open(self, data: Any, *, mode: Literal["stack", "flow"] = "stack", **options: Any) -> int:
        """Open a sequence for prompts; it waits for the model if none is loaded yet.

        Parameters
        ----------
        data
            A frame source, or anything that ``frames.as_frames`` takes (array, dask, zarr, folder, list of paths).
        mode
            ``"stack"`` for frames that follow each other, ``"flow"`` for frames without an order.
        **options
            ``axis`` and ``rgb`` for ``as_frames``; ``bank``, ``contrast``, ``region``, ``cache_bytes``, ``passes``,
            ``seed`` for :class:`~napari_medsam2.Session`.
        """

        def call(request: Request) -> None:
            self._end_run("superseded")
            self._session = None
            if request.generation != self._generation:
                return  # other images were opened meanwhile, or these were closed
            self._sequence = (request.generation, data, {"mode": mode, **options})
            self._make_session(request)

        with self._changed:
            self._generation += 1
        return self._ask(OPENING, call, of_session=False)

    def close_sequence(self) -> int:
        """End what runs, and let go of the images, the session and its caches; the model stays."""

        def call(request: Request) -> None:
            self._end_run("superseded")
            self._session = self._sequence = None

        with self._changed:
            self._generation += 1
            self._paused = False
        return self._ask("close the images", call, of_session=False)

    def add_prompt(self, prompt: Prompt) -> int:
        """Add a prompt; :class:`PromptsChanged` follows. During a run it takes effect at the next frame boundary."""
        return self._ask_edit("add a prompt", lambda session: session.add(prompt))

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
        return self._ask_edit(
            "change the prompts",
            lambda session: session.replace_prompts(object_id, frame, kept, together=together),
            uncovered=(frame, object_id) if uncover else None,
        )

    def take_results(self, results: Iterable[FrameResult]) -> int:
        """Go on with results that are there; see :meth:`napari_medsam2.Session.take_results`."""
        kept = tuple(results)
        return self._ask("take over the labels", lambda request: self._opened().take_results(kept))

    def preview(self, frame: int, object_id: int = 1) -> int:
        """Segment one frame; :class:`ResultReady` with ``origin="preview"`` follows.

        A queued preview of the same object and frame that has not begun is replaced by this one.
        """

        def call(request: Request) -> None:
            result = self._opened().segment(frame, object_id)
            self._emit(ResultReady(request.number, request.generation, result, "preview"))

        return self._ask(PREVIEWING, call, preview_of=(frame, object_id))

    def propagate(
        self,
        *,
        objects: Sequence[int] | None = None,
        direction: Direction = "both",
        start: int | None = None,
        stop: int | None = None,
    ) -> int:
        """Segment the other frames; takes the place of a propagation that runs.

        A :class:`ResultReady` comes for each step, with a :class:`StatusChanged`, and :class:`Finished` at the end.
        Parameters as :meth:`napari_medsam2.Session.propagate`.
        """

        def call(request: Request) -> None:
            self._end_run("superseded")
            steps = self._opened().propagate(objects=objects, direction=direction, start=start, stop=stop)
            self._run = _Run(request, steps)
            self._set(state="running", done=0, total=0, seconds_left=None, finish_reason=None, detail="")

        with self._changed:
            self._paused = False
        return self._ask(PROPAGATING, call)

    def pause(self) -> None:
        """Stop a propagation at the next frame boundary; prompts, previews and undo still work."""
        with self._changed:
            self._paused = True
            self._changed.notify()

    def resume(self) -> None:
        """Go on with a paused propagation."""
        with self._changed:
            self._paused = False
            self._changed.notify()

    def cancel(self) -> int:
        """End a propagation at the next frame boundary (its results stay); queued runs and previews go."""

        def call(request: Request) -> None:
            self._end_run("cancelled")

        with self._changed:
            self._queue = deque(r for r in self._queue if r.during not in (PROPAGATING, PREVIEWING))
            self._paused = False
            if self._run is not None:
                self._status = replace(self._status, state="stopping")
        return self._ask("cancel", call, of_session=False)

    def undo(self) -> int:
        """Undo the last change of prompts and results; :class:`Restored` follows."""
        return self._ask_restore("undo", lambda session: session.undo())

    def redo(self) -> int:
        """Redo what was undone; :class:`Restored` follows."""
        return self._ask_restore("redo", lambda session: session.redo())

    def reset(self, object_id: int | None = None) -> int:
        """Remove the prompts, results and memory of one object or of all; :class:`Restored` follows."""

        def do(session: Session) -> bool:
            session.reset(object_id)
            return True

        return self._ask_restore("reset", do)

    # ---- asking ----------------------------------------------------------------------------------------------------

    def _ask_edit(
        self, during: str, edit: Callable[[Session], Any], *, uncovered: tuple[int, int] | None = None
    ) -> int:
        """Queue a change of the prompts; ``uncovered`` is the frame and object that may be as before its prompts."""

        def call(request: Request) -> None:
            session = self._opened()
            edit(session)
            prompts = tuple(session.prompts)
            self._emit(PromptsChanged(request.number, request.generation, prompts))
            if uncovered is None or any((p.frame, p.object_id) == uncovered for p in prompts):
                return
            if (before := session.result(*uncovered)) is not None:
                self._emit(ResultReady(request.number, request.generation, before, "preview"))

        return self._ask(during, call)

    def _ask_restore(self, cause: Literal["undo", "redo", "reset"], restore: Callable[[Session], bool]) -> int:
        def call(request: Request) -> None:
            session = self._opened()
            changed = restore(session)
            prompts, results = tuple(session.prompts), dict(session.results)
            self._emit(Restored(request.number, request.generation, changed, prompts, results, cause))

        return self._ask(cause, call)

    # ---- on the worker thread --------------------------------------------------------------------------------------

    @property
    def _has_run(self) -> bool:
        return self._run is not None

    def _advance(self) -> None:
        run, session = self._run, self._session
        if run is None or session is None:
            return
        if run.request.generation != self._generation:
            self._end_run("superseded")
            return
        began = time.perf_counter()
        try:
            result = next(run.steps, None)
        except Exception as error:
            self._fail(run.request, error)
            self._end_run("failed")
            return
        if result is None:
            self._end_run("done")
            return
        seconds = time.perf_counter() - began
        run.done += 1
        last = run.seconds_per_step
        run.seconds_per_step = seconds if last is None else 0.8 * last + 0.2 * seconds
        left = session.steps_left
        self._emit(ResultReady(run.request.number, run.request.generation, result, "propagate"))
        with self._changed:
            stopping = self._status.state == "stopping"
        self._set(
            state="stopping" if stopping else "running",
            done=run.done,
            total=run.done + left,
            seconds_left=left * run.seconds_per_step,
        )

    def _end_run(self, reason: FinishReason) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        close = getattr(run.steps, "close", None)
        if close is not None:
            close()
        self._set(state="idle", seconds_left=None, finish_reason=reason, detail="")
        self._emit(Finished(run.request.number, run.request.generation, reason))

    def _let_go(self) -> None:
        self._end_run("superseded")
        self._session = self._sequence = self._model = None

    def _make_session(self, request: Request) -> None:
        if self._model is None or self._sequence is None:
            return
        generation, data, options = self._sequence
        before = self._session
        prompts = before.prompts if before is not None else ()
        self._set(state="loading", detail="opening the images")
        session = self._open_session(self._model, data, options)
        for prompt in sorted(prompts, key=lambda prompt: is_erased([prompt])):  # "not here" needs a "here" before it
            session.add(prompt)
        if before is not None:
            session.take_results(before.results.values())
        self._session = session
        frames = session.frames
        self._emit(SequenceOpened(request.number, generation, len(frames), frames.describe()))

    def _opened(self) -> Session:
        if self._session is None:
            missing = "no images are open yet" if self._sequence is None else "the images could not be opened"
            if self._model is None:
                missing = "no model is loaded yet"
            raise NotReadyError(f"{missing}: choose an image and a model first")
        return self._session

    def _fail(self, request: Request, error: Exception) -> None:
        if self._is_late(request):
            return
        model = self._model.name if self._model is not None else None
        # A model's failure is never late; that of images is, once others are opened.
        generation = self._generation if request.during == LOADING else request.generation
        self._emit(failure_of(error, request.number, generation, request.during, model))
