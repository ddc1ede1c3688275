"""Requests about what is remembered: pin, evict, task files, looking at it, comparing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bank_watch import BankWatch
from .events import FinishReason
from .memory_events import BanksCompared, TaskSaved, ViewTold
from .requests import Request, RequestKind
from .run import Run
from .worker import Worker

if TYPE_CHECKING:
    from ..results import FrameResult
    from ..session.comparison import OtherBank
    from ..session.session import Session
    from ..session.taught import Task


class MemoryEdits:
    """Part of the :class:`.engine.Engine`; during a run they take effect at the next frame boundary."""

    _worker: Worker
    _bank: BankWatch
    _session: Session | None

    def _opened(self) -> Session:
        """The session that is open."""
        raise NotImplementedError

    def _tell_noted(self, request: Request) -> None:
        """Tell what the session noted of it."""
        raise NotImplementedError

    def _submit_restore(self, kind: RequestKind, restore: Callable[[Session], Any]) -> int:
        """Queue what changes many results; see :class:`.whole_edits.WholeEdits`."""
        raise NotImplementedError

    def pin(self, frame: int, object_id: int = 1) -> int:
        """Make a template of a memory; :class:`Restored` follows. See :meth:`napari_medsam2.Session.pin`."""
        return self._submit_restore(RequestKind.PIN, lambda session: session.pin(frame, object_id))

    def unpin(self, frame: int, object_id: int = 1) -> int:
        """Let go of a memory that was pinned; :class:`Restored` follows."""
        return self._submit_restore(RequestKind.UNPIN, lambda session: session.unpin(frame, object_id))

    def evict(self, frame: int, object_id: int = 1) -> int:
        """Take a frame out of the memory; :class:`Restored` follows. See :meth:`napari_medsam2.Session.evict`."""
        return self._submit_restore(RequestKind.EVICT, lambda session: session.evict(frame, object_id))

    def take_task(self, task: Task | str | Path) -> int:
        """Look for the objects of a task file, too; :class:`Restored` follows, with their numbers.

        See :meth:`napari_medsam2.Session.take_task`.
        """
        return self._submit_restore(RequestKind.TAKE_TASK, lambda session: session.take_task(task))

    def retake_task(self, task: Task, into: Mapping[int, int]) -> int:
        """Go on from a task file in a session that was opened anew, in these objects; nothing follows."""

        def call(request: Request) -> None:
            self._opened().take_task(task, into=into)
            self._tell_noted(request)

        return self._worker.submit(RequestKind.TAKE_TASK, call)

    def save_task(
        self, path: str | Path | None, objects: Sequence[int] | None = None, *, with_found: bool = False
    ) -> int:
        """Write a task file; :class:`TaskSaved` follows. See :meth:`napari_medsam2.Session.save_task`.

        ``None`` writes no file: whoever hears of the task has its own.
        """

        def call(request: Request) -> None:
            session = self._opened()
            try:
                if path is None:
                    task = session.task(objects, with_found=with_found)
                else:
                    task = session.save_task(path, objects, with_found=with_found)
            finally:
                self._tell_noted(request)
            self._worker.emit(TaskSaved(request.number, request.generation, str(path or ""), task))

        return self._worker.submit(RequestKind.SAVE_TASK, call)

    def watch_bank(self, object_id: int | None) -> int:
        """Tell of an object's memory from now on, with a :class:`BankTold` whenever it differs; ``None``: of none."""
        self._bank.object_id = object_id

        def call(request: Request) -> None:
            if self._session is not None:
                self._bank.tell(self._session, request.number, request.generation, anew=True)

        return self._worker.submit(RequestKind.LOOK, call)

    def look(self, frame: int, object_id: int = 1) -> int:
        """What the model sees of a frame; :class:`ViewTold` follows."""

        def call(request: Request) -> None:
            view = self._opened().model_view(frame, object_id)
            self._worker.emit(ViewTold(request.number, request.generation, view))

        return self._worker.submit(RequestKind.LOOK, call)

    def compare_banks(self) -> int:
        """Find all once more with the other memory bank, beside what there is; takes the place of a run.

        :class:`BanksCompared` follows, unless it is cancelled.
        """

        def call(request: Request) -> None:
            self._worker.end_run(FinishReason.SUPERSEDED)
            other = self._opened().other_bank()
            self._worker.begin_run(Run(request, self._compared(other, request), lambda: other.steps_left))

        return self._worker.submit(RequestKind.COMPARE, call)

    def _compared(self, other: OtherBank, request: Request) -> Iterator[FrameResult]:
        yield from other.run()
        self._worker.emit(BanksCompared(request.number, request.generation, other.comparison()))
