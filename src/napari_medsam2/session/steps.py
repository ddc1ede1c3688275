"""What comes next: the steps that a preview or a propagation takes, from what is known now.

The order of frames is that of :mod:`.planning`; here it is joined with what is done, stale or waiting. Whoever asks
holds the state's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from ..errors import PromptError, SessionError
from ..geometry.overlap import iou
from ..types import Direction, Mask
from .object_state import ObjectState
from .options import check_choice
from .planning import Step, flow_steps, interleave, stack_steps
from .rivals import Rivals
from .state import SessionState

#: So many frames of a stack in a row that are done again and come out as they were leave the rest as it is.
FRAMES_ALIKE = 3
#: They are alike where they differ (1 - IoU) by this share of what the correction changed on its own frame, so that a
#: small leak that was clicked away goes everywhere; by this much at least, and at most, in any case.
SHARE_OF_CORRECTION = 0.25
LEAST_DIFFERENCE = 0.01
LARGEST_DIFFERENCE = 0.05


@dataclass(frozen=True)
class Span:
    """What a propagation covers: ``objects`` (``None``: all) on ``start <= frame < stop``."""

    objects: frozenset[int] | None
    direction: Direction
    start: int
    stop: int


def span_of(
    n_frames: int, objects: Sequence[int] | None, direction: Direction, start: int | None, stop: int | None
) -> Span:
    """The span that was asked for; :class:`OptionError` or :class:`SessionError` if there is none like it."""
    check_choice("direction", direction, get_args(Direction))
    first, last = start or 0, n_frames if stop is None else stop
    if first >= last or first >= n_frames or last <= 0:
        raise SessionError(f"no frames from {first} up to {last}; frames are 0 to {n_frames - 1}")
    return Span(None if objects is None else frozenset(objects), direction, first, last)


@dataclass
class OpenRun:
    """A propagation in progress.

    Attributes
    ----------
    number
        Counts the propagations of a session, from 1.
    span
        What it covers.
    anew
        Whether frames that are up to date are done again.
    change
        The change that undoing it takes back.
    passes_left
        Passes over a flow that are still to come.
    shown
        ``(object, frame)`` that it has yielded.
    again
        Those that have their second pass to come.
    settled
        Prompted ones where it is settled what the objects leave to each other, at the revision ``settled_at``.
    alike
        For each way of an object from a prompted frame ``(object, source, reverse)``, how many of the latest frames
        that were done again came out as they were before.
    """

    number: int
    span: Span
    anew: bool
    change: int
    passes_left: int
    shown: set[tuple[int, int]] = field(default_factory=set)
    again: set[tuple[int, int]] = field(default_factory=set)
    settled: set[tuple[int, int]] = field(default_factory=set)
    settled_at: int | None = None
    alike: dict[tuple[int, int, bool], int] = field(default_factory=dict)

    def heed_revision(self, revision: int) -> None:
        """After a change of the prompts, what objects leave each other and what comes out alike is seen anew."""
        if self.settled_at != revision:
            self.settled, self.alike, self.settled_at = set(), {}, revision


class Steps:
    """Says what comes next.

    Parameters
    ----------
    state
        What is known.
    rivals
        Says which prompted frames are to be asked again.
    """

    def __init__(self, state: SessionState, rivals: Rivals) -> None:
        self._state = state
        self._rivals = rivals

    def promptable(self, object_id: int) -> ObjectState:
        """The state of an object that has a prompt to start from.

        Raises
        ------
        PromptError
            If no prompt says where it is.
        """
        known = self._state.objects.get(object_id)
        if known is None or not (known.prompts or known.is_taught):
            raise PromptError(f"object {object_id} has no prompt yet: click on it, or draw a box around it")
        if not known.has_positive_prompt:
            raise PromptError(f"object {object_id} has only negative clicks: add a positive click, a box or a mask")
        return known

    def chosen(self, span: Span) -> set[int]:
        """The objects that a propagation covers."""
        if span.objects is not None:
            return set(span.objects)
        return {number for number, known in self._state.objects.items() if known.prompts or known.is_taught}

    def of_preview(self, object_id: int, frame: int) -> Step:
        """The next step on the way to one frame: prompted frames that a preview needs are segmented before it."""
        known = self.promptable(object_id)
        if frame not in known.prompts or known.waits(frame):
            firm = [t for t in known.prompted if not known.waits(t)]
            due = known.unremembered.intersection(known.templates_to_be)
            missing = [t for t in firm if not known.up_to_date(t) or t in due]
            if missing:
                return Step(object_id, missing[0])
            if self._state.mode == "flow":
                return Step(object_id, frame)
            source = min(known.sources, key=lambda t: (abs(t - frame), t))
            return Step(object_id, frame, reverse=source > frame, source=source)
        return self._on_prompted(known, [frame])[0]

    def of_run(self, run: OpenRun) -> list[Step]:
        """The steps that are left of a run: prompted frames first, then those that objects are carried to."""
        mode, span = self._state.mode, run.span
        prompted: list[list[Step]] = []
        carried: list[list[Step]] = []
        for object_id in sorted(self.chosen(span)):
            known = self._state.objects.get(object_id)
            if known is None or not known.has_positive_prompt:
                continue
            todo = [t for t in known.prompted if self._is_due(known, t, run)]
            waiting = [t for t in todo if known.waits(t)]  # in a stack until the object is carried there
            first = [t for t in todo if t not in waiting]
            start, stop = max(span.start, 0), min(span.stop, len(self._state.frames))
            if mode == "stack":
                steps = stack_steps(object_id, known.sources, span.direction, start, stop, known.corrections)
            else:
                steps = flow_steps(object_id, known.prompted, start, stop)
            free = [s for s in steps if s.frame not in known.prompts or s.frame in waiting]
            carried.append([s for s in free if not self._is_done(known, s, run)])
            if carried[-1]:
                first = sorted({*first, *known.templates_to_be})
            prompted.append(self._on_prompted(known, first if mode == "stack" else first + waiting))
        if mode == "stack":
            return interleave(prompted) + interleave(carried)
        # frames that a late prompt queued again come after those that were not seen yet
        in_order = sorted(
            (step for queue in carried for step in queue),
            key=lambda step: (self._was_seen(step, run), step.frame, step.object_id),
        )
        asked_again = [s for s in self._rivals.steps(self.chosen(span)) if (s.object_id, s.frame) not in run.settled]
        return interleave(prompted) + asked_again + in_order

    def queue_next_pass(self, run: OpenRun) -> bool:
        """Queue the frames again that saw fewer memories than there are now. False if the run is over."""
        if run.passes_left == 0:
            return False
        run.passes_left -= 1
        for object_id in self.chosen(run.span):
            known = self._state.objects.get(object_id)
            if known is None:
                continue
            for t, kept in known.kept.items():
                memories = len(known.bank) - (t in known.bank)
                if kept.run == run.number and t not in known.prompts and kept.recalled < memories:
                    run.again.add((object_id, t))
        return True

    def stop_where_alike(self, run: OpenRun, step: Step, before: Mask, now: Mask) -> bool:
        """In a stack, leave the rest of a way as it is once frames that are done again come out as they were.

        Parameters
        ----------
        step
            The one that was done, on a frame that a change of the prompts could have changed.
        before, now
            What it was and what it is, bool ``(H, W)``.

        Returns
        -------
        bool
            True if frames that were to be done again are left as they are.
        """
        known = self._state.objects.get(step.object_id)
        if known is None or step.source is None or step.frame in known.prompts:
            return False
        way = (step.object_id, step.source, step.reverse)
        is_alike = 1 - iou(before, now) <= _difference_left(known, step.source)
        run.alike[way] = run.alike.get(way, 0) + 1 if is_alike else 0
        if run.alike[way] < FRAMES_ALIKE:
            return False
        rest = {s.frame for s in self.of_run(run) if (s.object_id, s.source, s.reverse) == way}
        left = {t for t in rest & known.stale if known.was_carried_to(t)}
        if left:
            self._state.edit(step.object_id).stale -= left
        return bool(left)

    def _on_prompted(self, known: ObjectState, frames: Sequence[int]) -> list[Step]:
        """Corrections are seen from where the object came from."""
        origins = known.origins if self._state.mode == "stack" else {}
        pairs = [(t, origins.get(t, t)) for t in frames]
        return [Step(known.object_id, t, origin > t, origin if origin != t else None) for t, origin in pairs]

    def _was_seen(self, step: Step, run: OpenRun) -> bool:
        kept = self._state.objects[step.object_id].kept.get(step.frame)
        return kept is not None and kept.run == run.number

    def _is_due(self, known: ObjectState, frame: int, run: OpenRun) -> bool:
        """Whether a prompted frame is to be segmented, or shown: each propagation that does it shows it once."""
        if not known.up_to_date(frame):
            return True
        seen = run.anew or known.kept[frame].run == 0 or known.waits(frame)
        return seen and (known.object_id, frame) not in run.shown

    def _is_done(self, known: ObjectState, step: Step, run: OpenRun) -> bool:
        if (step.object_id, step.frame) in run.again or step.frame in known.stale:
            return False
        return self._was_seen(step, run) or (not run.anew and known.was_carried_to(step.frame))


def _difference_left(known: ObjectState, source: int) -> float:
    """How much, as 1 - IoU, a frame tracked from a prompted one may change and still count as it was."""
    found = known.correcting.get(source)
    corrected = known.kept.get(source)
    if found is None or corrected is None:
        return LEAST_DIFFERENCE
    changed = 1 - iou(found.mask, corrected.result.mask)
    return min(max(SHARE_OF_CORRECTION * changed, LEAST_DIFFERENCE), LARGEST_DIFFERENCE)
