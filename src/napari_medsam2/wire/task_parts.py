"""Task files on their way, in parts of some size: none is larger than what is taken, and none is believed unchecked."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ..errors import UserError, WireError, shortened
from ..session.task_file import pack_task, unpack_task
from ..session.taught import Task

#: Bytes of a part before it is written in base64, and of a whole task.
PART_BYTES, MOST_TASK_BYTES = 1 << 20, 64 << 20
#: A part on its way to the server is asked for under this name.
TASK_PART = "task_part"


def parts_of_task(task: Task) -> list[dict[str, Any]]:
    """A task as parts; :class:`WireError` if it is too large to be sent."""
    data = pack_task(task)
    if len(data) > MOST_TASK_BYTES:
        raise WireError(
            f"the task has {len(data) >> 20} MB, and at most {MOST_TASK_BYTES >> 20} go over the network: use it where "
            "the model runs on this computer, or make one of fewer images"
        )
    starts = range(0, len(data), PART_BYTES)
    parts = [base64.b64encode(data[start : start + PART_BYTES]).decode() for start in starts]
    return [{"name": task.name, "place": k, "of": len(parts), "data": part} for k, part in enumerate(parts)]


class TaskParts:
    """Parts of one task at a time, in order."""

    def __init__(self) -> None:
        self._name, self._parts, self._of = "", bytearray(), 0
        self._next = 0

    def add(self, told: Any) -> Task | None:
        """Take a part; the task with its last one.

        Raises
        ------
        WireError
            If it is none, one is missing, or what they make is no task; what came so far is let go.
        """
        try:
            return self._add(told)
        except UserError as error:
            self.__init__()  # type: ignore[misc]
            raise error if isinstance(error, WireError) else WireError(str(error)) from error

    def _add(self, told: Any) -> Task | None:
        match told:
            case {"name": str(name), "place": int(place), "of": int(of), "data": str(data), **others} if not others:
                pass
            case _:
                raise WireError(f"a part of a task has name, place, of and data; got {shortened(told)}")
        if not 0 <= place < of <= -(-MOST_TASK_BYTES // PART_BYTES):
            raise WireError(f"part {place} of {of} of a task is none, or the task is too large")
        if place == 0:
            self._name, self._of, self._next = name, of, 0
            self._parts = bytearray()
        if (name, place, of) != (self._name, self._next, self._of):
            raise WireError(f"part {self._next} of the task {shortened(self._name)} is missing; got {place}")
        try:
            part = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise WireError(f"a part of the task {shortened(name)} is damaged: {error}") from error
        if len(part) > PART_BYTES:
            raise WireError(f"a part of a task has at most {PART_BYTES >> 10} kB; got {len(part) >> 10}")
        self._parts += part
        self._next += 1
        if self._next < of:
            return None
        whole, self._parts, self._next, self._of = bytes(self._parts), bytearray(), 0, 0
        return unpack_task(whole, name)
