"""Task files of this computer, for a session that is on a server: read once, sent whenever that begins anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..engine.events import Event, Restored, SequenceOpened
from ..errors import WireError
from ..session.task_file import pack_task, read_task, unpack_task
from ..session.taught import Task, Taught
from ..wire.task_parts import parts_of_task


class GivenTask:
    """A task that was given, by its file or as it is.

    Parameters
    ----------
    given
        The path, or the task.
    """

    def __init__(self, given: Task | str | Path) -> None:
        self._given = given
        self._task: Task | None = None
        self._parts: list[dict[str, Any]] = []

    def read(self) -> tuple[Task, list[dict[str, Any]]]:
        """The task and its parts, the same each time, whatever becomes of the file.

        Raises
        ------
        TaskFileError
            If it cannot be read.
        WireError
            If it is too large to be sent.
        """
        if self._task is None:
            given = self._given
            task = unpack_task(pack_task(given), given.name) if isinstance(given, Task) else read_task(Path(given))
            self._parts = parts_of_task(task)
            self._task = task
        return self._task, self._parts


def with_tasks(event: Event, tasks: Mapping[str, Task]) -> Event:
    """An event with the tasks that a server names by their digests; :class:`WireError` if it got none like that."""
    if isinstance(event, Restored | SequenceOpened) and event.tasks:
        return replace(event, tasks=_named(event.tasks, tasks))
    return event


def _named(taught: Mapping[int, Taught], tasks: Mapping[str, Task]) -> dict[int, Taught]:
    found = {}
    for number, known in taught.items():
        task = tasks.get(known.task.digest)
        if task is None or known.number not in [each.number for each in task.objects]:
            raise WireError(f"the server tells of a task that it was not given, with object {number}")
        found[number] = Taught(task, known.number)
    return found
