"""Requests about whole objects, and undo: after them all prompts and results are told anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..images.opened import LabelledObject
from .events import ObjectsCalled, Restored
from .requests import Request, RequestKind
from .worker import Worker

if TYPE_CHECKING:
    from ..session.session import Session


class WholeEdits:
    """Part of the :class:`.engine.Engine`; during a run they take effect at the next frame boundary."""

    _worker: Worker

    def _opened(self) -> Session:
        """The session that is open."""
        raise NotImplementedError

    def _tell_noted(self, request: Request) -> None:
        """Tell what the session noted of it."""
        raise NotImplementedError

    def undo(self) -> int:
        """Undo the last change of prompts and results; :class:`Restored` follows."""
        return self._submit_restore(RequestKind.UNDO, lambda session: session.undo())

    def redo(self) -> int:
        """Redo what was undone; :class:`Restored` follows."""
        return self._submit_restore(RequestKind.REDO, lambda session: session.redo())

    def reset(self, object_id: int | Sequence[int] | None = None) -> int:
        """Remove prompts, results, memory and name of objects, or of all; :class:`Restored` follows."""
        return self._submit_restore(RequestKind.RESET, lambda session: session.reset(object_id))

    def call(self, object_id: int, called: LabelledObject) -> int:
        """Give an object a name and a colour; :class:`ObjectsCalled` follows."""

        def do(request: Request) -> None:
            session = self._opened()
            session.call(object_id, called)
            self._tell_noted(request)
            self._worker.emit(ObjectsCalled(request.number, request.generation, session.called))

        return self._worker.submit(RequestKind.CALL, do)

    def merge(self, into: int, others: Sequence[int]) -> int:
        """Make objects one; :class:`Restored` follows. See :meth:`napari_medsam2.Session.merge`."""
        numbers = tuple(others)
        return self._submit_restore(RequestKind.MERGE, lambda session: session.merge(into, numbers))

    def split(
        self, object_id: int, frame: int | None = None, *, first: int | None = None, largest: int | None = None
    ) -> int:
        """Make objects of an object's parts; :class:`Restored` follows. See :meth:`napari_medsam2.Session.split`."""
        return self._submit_restore(
            RequestKind.SPLIT, lambda session: session.split(object_id, frame, first=first, largest=largest)
        )

    def accept(self, frame: int, objects: Sequence[int] | None = None) -> int:
        """Take what was found on a frame as right; :class:`Restored` follows. See
        :meth:`napari_medsam2.Session.accept`."""
        numbers = None if objects is None else tuple(objects)
        return self._submit_restore(RequestKind.ACCEPT, lambda session: session.accept(frame, numbers))

    def _submit_restore(self, kind: RequestKind, restore: Callable[[Session], bool | tuple[int, ...] | None]) -> int:
        """Queue what changes many results; it returns false if nothing changed, or the objects that it made."""

        def call(request: Request) -> None:
            session = self._opened()
            done = restore(session)
            self._tell_noted(request)
            if done is not False:
                self._worker.forget_progress()
            self._worker.emit(
                Restored(
                    request.number,
                    request.generation,
                    done is not False,
                    tuple(session.prompts),
                    dict(session.results),
                    kind,
                    session.called,
                    session.latest_change,
                    done if isinstance(done, tuple) else (),
                    session.taught,
                )
            )

        return self._worker.submit(kind, call)
