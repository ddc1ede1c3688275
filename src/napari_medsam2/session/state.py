"""What a session knows: all objects, with undo.

Everything in here is shared between threads and is only touched under the state's lock, which is held for moments.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from ..errors import PromptError, SessionError
from ..images.frames import FrameSource
from ..memory_bank import MemoryBank
from ..prompts import FramePrompts
from ..results import FrameResult
from ..types import Mode
from .history import History
from .object_state import ELSEWHERE, Kept, ObjectState


class SessionState:
    """All objects, with undo and a lock.

    Parameters
    ----------
    mode, frames
        Of the session.
    make_bank
        Makes the memory bank of a new object.
    undo_depth
        Changes that can be undone.

    Attributes
    ----------
    lock
        Hold it for reading or changing anything in here.
    objects
        By number. Snapshots share them: whoever changes one asks :meth:`edit` for it.
    revision
        Counts the changes of prompts; work that began at an older one is void.
    latest_change
        Number of the change that was made, undone or redone last.
    """

    def __init__(self, mode: Mode, frames: FrameSource, make_bank: Callable[[], MemoryBank], undo_depth: int) -> None:
        self.mode = mode
        self.frames = frames
        self.lock = threading.RLock()
        self.objects: dict[int, ObjectState] = {}
        self.history: History[dict[int, ObjectState]] = History(undo_depth)
        self.revision = 0
        self._make_bank = make_bank
        self._together: object = None  # what the latest change can be undone with
        self._shared: set[int] = set()  # objects that a snapshot holds, too
        self._went_on: set[int] = set()  # changes that are what a run in progress did since something was changed
        self.latest_change = 0

    def edit(self, object_id: int) -> ObjectState:
        """An object, to be changed: what snapshots hold of it stays as it is. A new one is added empty."""
        known = self.objects.get(object_id)
        if known is None:
            known = self.objects[object_id] = ObjectState(object_id, self._make_bank())
        elif object_id in self._shared:
            known = self.objects[object_id] = known.copy()
        self._shared.discard(object_id)
        return known

    def put(self, known: ObjectState) -> None:
        """Take a new state of an object, which nobody else changes."""
        self.objects[known.object_id] = known
        self._shared.discard(known.object_id)

    def new_bank(self) -> MemoryBank:
        """An empty memory bank for an object."""
        return self._make_bank()

    def prompts_on(self, object_id: int, frame: int) -> FramePrompts:
        """The prompts of an object on a frame; there may be none."""
        known = self.objects.get(object_id)
        return known.prompts_on(frame) if known is not None else FramePrompts(object_id, frame)

    def change_prompts(self, prompts: FramePrompts, *, together: object = None) -> None:
        """Make these the prompts of their object on their frame; nothing is changed if they cannot be used.

        With ``together`` it is undone with the change before, if that had the same.
        """
        object_id, frame = prompts.object_id, prompts.frame
        if prompts and frame >= len(self.frames):
            raise PromptError(f"there is no frame {frame}: frames are 0 to {len(self.frames) - 1}")
        if prompts:
            prompts.check(self.frames.shape(frame))
        known = self.objects.get(object_id)
        if prompts.erases and (known is None or not known.is_shown_beside(frame)):
            raise PromptError(
                f"the mask on frame {frame} is empty, and object {object_id} has no prompt on another frame that says "
                "where it is: draw the object, or remove the mask"
            )
        self.note_change(together)
        self.edit(object_id).set_prompts(prompts, self.mode, len(self.frames))
        self.ask_anew(object_id, [frame])
        self.revision += 1

    def ask_anew(self, object_id: int, frames: Collection[int]) -> None:
        """Bring back the first answers of others that heeded an object on these frames; they are to be asked again, and
        carried anew."""
        for number in [number for number in self.objects if number != object_id]:
            for t in frames:
                kept = self.objects[number].kept.get(t)
                if kept is not None and kept.first is not None:
                    known = self.edit(number)
                    known.kept[t] = replace(kept, result=kept.first, first=None, taken=None)
                    known.stale.add(t)
                    known.carry_anew()

    def note_change(self, together: object = None) -> int:
        """Make what comes now a change that can be undone, or a part of the one before that had the same mark.

        Returns the number of the change.
        """
        if together is None or together is not self._together:
            self.latest_change = self.history.push(dict(self.objects))
            self._shared = set(self.objects)
        self._together = together
        return self.latest_change

    def note_going_on(self, run: int) -> None:
        """Make what a run does from now on a change of its own, if something else was changed since it began.

        Parameters
        ----------
        run
            Number of the change that the run began with.
        """
        latest = self.history.latest
        if latest is not None and latest != run and latest not in self._went_on:
            self._went_on.add(self.note_change())

    def note_end(self) -> None:
        """No run goes on: what one did since something was changed is a change like others."""
        self._went_on.clear()

    def take_results(self, results: Sequence[FrameResult], *, up_to_date: bool) -> None:
        """Take in results that were not found here. What was done so far can no longer be undone.

        They are stale, unless they are ``up_to_date``: then those of frames with a prompt have still to be remembered.

        :class:`SessionError` if one of them is not of these frames.
        """
        for result in results:
            if not 0 <= result.frame < len(self.frames) or result.shape != self.frames.shape(result.frame):
                raise SessionError(f"a result of frame {result.frame}, {result.shape}, is not of these images")
        for result in results:
            known = self.edit(result.object_id)
            # Without a window nothing follows it.
            known.kept[result.frame] = Kept(result, ELSEWHERE if up_to_date else 0, 0, None, None)
            if not up_to_date:
                known.stale.add(result.frame)
            elif result.prompted:
                known.stale.discard(result.frame)
                known.unremembered.add(result.frame)
            if not result.prompted:
                known.correcting[result.frame] = result
        self.history.forget()
        self._together = None
        self.revision += 1

    def undo(self) -> bool:
        """Take back the latest change; while a run goes on, the one that was made since it began.

        What the run did after it stays, and is done again where the change could have changed it.
        """
        now, since = self.objects, self.history.latest in self._went_on
        if since:
            self.history.join()
        self.latest_change = self.history.latest or 0
        if not self._restore(self.history.undo(now)):
            return False
        if since:
            self._keep_of_run(now)
        return True

    def redo(self) -> bool:
        self.latest_change = self.history.latest_undone or 0
        return self._restore(self.history.redo(self.objects))

    def _restore(self, objects: dict[int, ObjectState] | None) -> bool:
        if objects is None:
            return False
        self.objects, self._shared, self._together = objects, set(objects), None
        self.revision += 1
        return True

    def _keep_of_run(self, objects: dict[int, ObjectState]) -> None:
        """Take over what a run found for these objects since the change that was just undone."""
        for number, now in objects.items():
            if number not in self.objects:
                continue
            then = self.objects[number]
            found = {t: k for t, k in now.kept.items() if k.run and not k.result.prompted and then.kept.get(t) is not k}
            valid = self.mode == "stack" and then.prompts == now.prompts
            for t, kept in found.items():
                known = self.edit(number)
                if valid:
                    known.keep(t, kept)
                    known.remember_as(now, t)
                elif t not in known.kept:
                    known.keep(t, kept)
                    known.stale.add(t)

    def reset(self, object_ids: Sequence[int] | None) -> None:
        self.note_change()
        for number in list(self.objects) if object_ids is None else object_ids:
            if (known := self.objects.pop(number, None)) is not None:
                self.ask_anew(number, known.prompted)
        self.revision += 1
