"""Task files of a session's window: they come and go in parts, and none is read or written here."""

from __future__ import annotations

import logging
from typing import Any

from ..engine.memory_events import TaskSaved
from ..errors import WireError, shortened
from ..session.taught import Task
from ..wire.task_parts import TaskParts, parts_of_task

_log = logging.getLogger(__name__)


class ReceivedTasks:
    """The task that came last, until it is asked for by its digest."""

    def __init__(self) -> None:
        self._parts = TaskParts()
        self._task: Task | None = None

    def add(self, told: Any) -> None:
        """Take a part; what is none is let go, and whoever asks for that task then is told so."""
        try:
            self._task = self._parts.add(told)
        except WireError as error:
            _log.warning("a task did not come: %s", error)

    def take(self, digest: str) -> Task:
        """The task of a digest; :class:`WireError` if another one came, or none."""
        task, self._task = self._task, None
        if task is None or task.digest != digest:
            raise WireError(f"the task {shortened(digest)} did not come, or was damaged on its way")
        return task


def told_parts(event: TaskSaved) -> list[dict[str, Any]]:
    """A task that was made, as what is said in lines; :class:`WireError` if it is too large."""
    return [{"n": event.request, "g": event.generation, **part} for part in parts_of_task(event.task)]
