"""What a session knows: of each object its prompts, results and memory bank, with undo.

Everything in here is shared between threads and is only touched under the state's lock, which is held for moments.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..errors import PromptError, SessionError
from ..geometry.window import Window
from ..images.frames import FrameSource
from ..memory_bank import MemoryBank
from ..prompts import FramePrompts
from ..results import FrameResult
from ..types import Mode
from .history import History
from .planning import affected_frames, origins_of, stack_steps

#: Unprompted frames whose probability is kept, to track on from: one for each direction, and one to spare.
_RECENT = 3


@dataclass(frozen=True, eq=False)
class Kept:
    """A result with what the session needs of how it came about.

    Attributes
    ----------
    result
        The result.
    run
        Number of the propagation that made it; 0 for a preview.
    recalled
        Memories that were picked up for it.
    window
        Where the object was last looked for.
    probability
        Uint8 ``(H, W)``; kept on prompted frames and the latest others, ``None`` elsewhere.
    first
        The answer to the prompts of the frame alone, where ``result`` also heeds other objects; ``None``: it does not.
    taken
        Tells what those took of it; ``None``: nothing.
    """

    result: FrameResult
    run: int
    recalled: int
    window: Window | None
    probability: npt.NDArray[np.uint8] | None
    first: FrameResult | None = None
    taken: bytes | None = None


@dataclass
class ObjectState:
    """Prompts, results and memory of one object.

    Attributes
    ----------
    object_id
        Its number.
    bank
        Its memory.
    prompts
        By frame; no frame without a prompt is a key.
    kept
        Results by frame.
    stale
        Frames whose result a later change of the prompts can change.
    correcting
        What frames were when they had no prompt, where they were segmented then: clicks there correct it.
    recent
        The latest frames that were segmented without a prompt.
    """

    object_id: int
    bank: MemoryBank
    prompts: dict[int, FramePrompts] = field(default_factory=dict)
    kept: dict[int, Kept] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)
    correcting: dict[int, FrameResult] = field(default_factory=dict)
    recent: tuple[int, ...] = ()

    def copy(self) -> ObjectState:
        """To be changed apart from this one; results, prompts and memories are values and shared."""
        return replace(
            self,
            bank=self.bank.copy(),
            prompts=dict(self.prompts),
            kept=dict(self.kept),
            stale=set(self.stale),
            correcting=dict(self.correcting),
        )

    def prompts_on(self, frame: int) -> FramePrompts:
        """Its prompts on a frame; there may be none."""
        return self.prompts.get(frame) or FramePrompts(self.object_id, frame)

    @property
    def prompted(self) -> list[int]:
        """Frames with a prompt, in order."""
        return sorted(self.prompts)

    @property
    def sources(self) -> list[int]:
        """Frames that the object is tracked from, in order: those with a prompt, but not those where it was erased, and
        not yet those that wait for what they correct."""
        return [frame for frame in self.prompted if not self.prompts[frame].erases and not self.waits(frame)]

    @property
    def corrections(self) -> set[int]:
        """Frames that the object was followed to, and that have clicks on what was found there, nothing more."""
        return {t for t, given in self.prompts.items() if t in self.correcting and given.only_clicks}

    @property
    def origins(self) -> dict[int, int]:
        """For each of the :attr:`sources`, where the object came from: for corrections another one, else itself."""
        return origins_of(self.sources, self.corrections)

    @property
    def has_positive_prompt(self) -> bool:
        return self.is_shown_beside(None)

    def is_shown_on(self, frame: int) -> bool:
        """True if the prompts of a frame say where the object is on it."""
        return self.prompts_on(frame).shows_object

    def is_shown_beside(self, frame: int | None) -> bool:
        """True if a prompt on another frame than this one says where the object is."""
        return any(given.says_where and not given.erases for t, given in self.prompts.items() if t != frame)

    def was_carried_to(self, frame: int) -> bool:
        """True if a propagation looked for the object on a frame."""
        kept = self.kept.get(frame)
        return kept is not None and kept.run > 0

    def up_to_date(self, frame: int) -> bool:
        """True if a prompted frame was segmented with the prompts it has now."""
        kept = self.kept.get(frame)
        return kept is not None and kept.result.prompted and frame not in self.stale

    def stands_alone(self, frame: int) -> bool:
        """True if a prompted frame is segmented from its prompts without memory, as SAM 2 does at first.

        A correction of a frame that was followed before, and clicks that only say where the object is not, need memory.
        """
        return frame not in self.correcting and self.prompts[frame].says_where

    def waits(self, frame: int) -> bool:
        """True if the clicks on a frame only say where the object is not, and a run has not carried it there yet."""
        prompts = self.prompts_on(frame)
        return bool(prompts) and frame not in self.correcting and not prompts.says_where

    def keep(self, frame: int, kept: Kept) -> None:
        """Take in a result. Probabilities stay on prompted frames and the latest others, to track on from."""
        self.kept[frame] = kept
        self.stale.discard(frame)
        if kept.result.prompted:
            return
        self.correcting[frame] = kept.result
        self.recent = (*(t for t in self.recent if t != frame), frame)
        for t in self.recent[:-_RECENT]:
            old = self.kept.get(t)
            if old is not None and not old.result.prompted:
                self.kept[t] = replace(old, probability=None)
        self.recent = self.recent[-_RECENT:]

    def set_prompts(self, prompts: FramePrompts, mode: Mode, n_frames: int) -> None:
        """Change the prompts of a frame: what that can change becomes stale, and the bank forgets it.

        Without its prompts a frame is what it was before them.
        """
        frame = prompts.frame
        begun = bool(self.kept or len(self.bank))  # else nothing can be stale
        reached = self._reached_from(n_frames) if mode == "stack" and begun else {}
        corrects = frame in self.correcting and self.prompts_on(frame).only_clicks and prompts.only_clicks
        if prompts:
            self.prompts[frame] = prompts
        else:
            self.prompts.pop(frame, None)
            self.bank.remove(frame)
            if (before := self.correcting.get(frame)) is not None:
                self.kept[frame] = Kept(before, 0, 0, before.window, None)
        if begun:
            corrections = self.corrections - {frame} | ({frame} if corrects else set())
            affected = set(affected_frames(mode, self.sources, frame, n_frames, corrections))
            if mode == "stack":
                affected |= {t for t, source in self._reached_from(n_frames).items() if reached.get(t) != source}
            for t in affected:
                if t != frame and t in self.prompts:
                    continue
                self.stale |= {t} & self.kept.keys()
                if t != frame:
                    self.bank.remove(t)
        if not self.has_positive_prompt:  # then "not here" says nothing
            self.prompts = {t: given for t, given in self.prompts.items() if not given.erases}
        for t in [t for t, kept in self.kept.items() if kept.result.prompted and t not in self.prompts]:
            del self.kept[t]  # nothing was there before its prompt
            self.stale.discard(t)
        if not self.prompts:
            self.kept.clear()
            self.stale.clear()
            self.correcting.clear()
            self.bank.clear()

    def carry_anew(self) -> None:
        """Frames without a prompt are to be done again, and what is remembered of them goes."""
        for t in set(self.kept) - set(self.prompts):
            self.stale.add(t)
            self.bank.remove(t)

    def _reached_from(self, n_frames: int) -> dict[int, int | None]:
        """For each frame of a stack without a prompt, the one that the object is tracked from."""
        steps = stack_steps(0, self.sources, "both", 0, n_frames, self.corrections)
        return {step.frame: step.source for step in steps}


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
        By number.
    revision
        Counts the changes of prompts; work that began at an older one is void.
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
        self._change = 0

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
        self._object(object_id).set_prompts(prompts, self.mode, len(self.frames))
        self._ask_anew(object_id, [frame])
        self.revision += 1

    def _object(self, object_id: int) -> ObjectState:
        """The state of an object; a new one is added empty."""
        return self.objects.setdefault(object_id, ObjectState(object_id, self._make_bank()))

    def _ask_anew(self, object_id: int, frames: Collection[int]) -> None:
        """Bring back the first answers of others that heeded an object on these frames; they are to be asked again, and
        carried anew."""
        for number, known in self.objects.items():
            if number == object_id:
                continue
            for t in frames:
                kept = known.kept.get(t)
                if kept is not None and kept.first is not None:
                    known.kept[t] = replace(kept, result=kept.first, first=None, taken=None)
                    known.stale.add(t)
                    known.carry_anew()

    def note_change(self, together: object = None) -> int:
        """Make what comes now a change that can be undone, or a part of the one before that had the same mark.

        Returns the number of the change.
        """
        if together is None or together is not self._together:
            self._change = self.history.push({number: state.copy() for number, state in self.objects.items()})
        self._together = together
        return self._change

    def take_results(self, results: Sequence[FrameResult], *, up_to_date: bool) -> None:
        """Take in results that were not found here. What was done so far can no longer be undone.

        They are stale; with ``up_to_date`` only those of frames with a prompt.

        :class:`SessionError` if one of them is not of these frames.
        """
        for result in results:
            if not 0 <= result.frame < len(self.frames) or result.shape != self.frames.shape(result.frame):
                raise SessionError(f"a result of frame {result.frame}, {result.shape}, is not of these images")
        for result in results:
            known = self._object(result.object_id)
            fresh = up_to_date and not result.prompted
            known.kept[result.frame] = Kept(result, int(fresh), 0, None, None)  # without a window nothing follows it
            if not fresh:
                known.stale.add(result.frame)
            if not result.prompted:
                known.correcting[result.frame] = result
        self.history.forget()
        self._together = None
        self.revision += 1

    def undo(self) -> bool:
        return self._restore(self.history.undo(self.objects))

    def redo(self) -> bool:
        return self._restore(self.history.redo(self.objects))

    def _restore(self, objects: dict[int, ObjectState] | None) -> bool:
        if objects is None:
            return False
        self.objects, self._together = objects, None
        self.revision += 1
        return True

    def reset(self, object_id: int | None) -> None:
        self.note_change()
        for number in list(self.objects) if object_id is None else [object_id]:
            if (known := self.objects.pop(number, None)) is not None:
                self._ask_anew(number, known.prompted)
        self.revision += 1
