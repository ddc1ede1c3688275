"""What a session knows of one object: its prompts, results and memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..geometry.window import Window
from ..images.opened import LabelledObject
from ..memory_bank import MemoryBank
from ..memory_entry import MemoryEntry
from ..prompts import FramePrompts
from ..results import FrameResult
from ..types import Mode
from .planning import affected_frames, origins_of, stack_steps
from .taught import Taught

#: The run of results that another session found; those of this one have higher numbers.
ELSEWHERE = 1
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
    descriptor
        In a flow, the image descriptor of the frame, ``(D,)``; ``None`` where it is not known.
    """

    result: FrameResult
    run: int
    recalled: int
    window: Window | None
    probability: npt.NDArray[np.uint8] | None
    first: FrameResult | None = None
    taken: bytes | None = None
    descriptor: npt.NDArray[np.float32] | None = None


@dataclass
class ObjectState:
    """Prompts, results and memory of one object.

    Attributes
    ----------
    object_id
        Its number.
    bank
        Its memory.
    called
        Its name and colour.
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
    unremembered
        Frames with a prompt whose result another session found: the memory has still to be made of them.
    evicted
        Frames that were taken out of the memory by hand: they stay out until their prompts change.
    taught
        What of a task file its memory began with, where it came with one.
    """

    object_id: int
    bank: MemoryBank
    called: LabelledObject = field(default_factory=LabelledObject)
    prompts: dict[int, FramePrompts] = field(default_factory=dict)
    kept: dict[int, Kept] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)
    correcting: dict[int, FrameResult] = field(default_factory=dict)
    recent: tuple[int, ...] = ()
    unremembered: set[int] = field(default_factory=set)
    evicted: frozenset[int] = frozenset()
    taught: Taught | None = None

    def copy(self) -> ObjectState:
        """To be changed apart from this one; results, prompts and memories are values and shared."""
        return replace(
            self,
            bank=self.bank.copy(),
            prompts=dict(self.prompts),
            kept=dict(self.kept),
            stale=set(self.stale),
            correcting=dict(self.correcting),
            unremembered=set(self.unremembered),
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
        """True if something says what to look for: a prompt, or a template from elsewhere."""
        return self.is_shown_beside(None)

    @property
    def is_taught(self) -> bool:
        """True if it came with a task file that says what to look for: no prompt is needed."""
        return self.taught is not None

    def is_shown_on(self, frame: int) -> bool:
        """True if the prompts of a frame say where the object is on it."""
        return self.prompts_on(frame).shows_object

    def is_shown_beside(self, frame: int | None) -> bool:
        """True if a prompt on another frame than this one says where the object is, or a template from elsewhere."""
        return self.is_taught or any(
            given.says_where and not given.erases for t, given in self.prompts.items() if t != frame
        )

    def was_carried_to(self, frame: int) -> bool:
        """True if a propagation looked for the object on a frame."""
        kept = self.kept.get(frame)
        return kept is not None and kept.run > 0

    def up_to_date(self, frame: int) -> bool:
        """True if a prompted frame was segmented with the prompts it has now."""
        kept = self.kept.get(frame)
        return kept is not None and kept.result.prompted and frame not in self.stale

    @property
    def templates_to_be(self) -> list[int]:
        """Frames that were accepted, or prompted in another session, and are not remembered yet: the next run that does
        more begins with them."""
        due = {t for t, given in self.prompts.items() if given.accepted or t in self.unremembered}
        return [t for t in sorted(due - self.evicted) if t not in self.bank and not self.prompts[t].erases]

    @property
    def done_frames(self) -> set[int]:
        """Frames that are as the prompts are now; of those without a prompt the ones that a run was carried to."""
        prompts, stale = self.prompts, self.stale
        return {
            t
            for t, kept in self.kept.items()
            if t not in stale and (kept.result.prompted if t in prompts else kept.run > 0)
        }

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
        self.unremembered.discard(frame)
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
                    self.bank.forget(t)
        self.evicted -= {frame}
        if not self.has_positive_prompt:  # then "not here" says nothing
            self.prompts = {t: given for t, given in self.prompts.items() if not given.erases}
        for t in [t for t, kept in self.kept.items() if kept.result.prompted and t not in self.prompts]:
            del self.kept[t]  # nothing was there before its prompt
            self.stale.discard(t)
        if not self.prompts and not self.is_taught:
            self.kept.clear()
            self.stale.clear()
            self.correcting.clear()
            self.bank.forget_frames()

    def remember_as(self, other: ObjectState, frame: int) -> None:
        """Remember of a frame what another state of the object does."""
        self.bank.remove(frame)
        for entry in other.bank.entries:
            if entry.frame == frame:
                self.bank.add(entry)

    def carry_anew(self) -> None:
        """Frames without a prompt are to be done again, and what is remembered of them goes."""
        for t in set(self.kept) - set(self.prompts):
            self.stale.add(t)
            self.bank.forget(t)

    def remember(self, frame: int, entry: MemoryEntry | None) -> None:
        """Take in the memory of an answer; ``None``: there is nothing to remember of the frame."""
        if frame in self.evicted:
            return
        if entry is not None:
            self.bank.add(entry)
        elif frame in self.prompts:
            self.bank.remove(frame)
        else:
            self.bank.forget(frame)

    def ask_others_again(self) -> None:
        """Frames without a prompt are to be done again: what is remembered changed under them."""
        self.stale |= self.kept.keys() - self.prompts.keys()

    def _reached_from(self, n_frames: int) -> dict[int, int | None]:
        """For each frame of a stack without a prompt, the one that the object is tracked from."""
        steps = stack_steps(0, self.sources, "both", 0, n_frames, self.corrections)
        return {step.frame: step.source for step in steps}
