"""Previews and propagation: one step at a time, while prompts may change on another thread.

What comes next is said by :mod:`.steps`, what a step asks by :mod:`.frame_tasks`, the work is the segmenter's. The
network runs outside the state's lock; an answer to prompts that were changed meanwhile is dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from ..errors import PromptError
from ..results import FrameResult
from ..segment.segmenter import FrameSegmenter
from .frame_tasks import beyond_the_end, frame_task, take_in
from .object_state import ELSEWHERE
from .planning import Step
from .rivals import Rivals, answer_beside_rivals, fingerprint, first_answer
from .state import SessionState
from .steps import OpenRun, Span, Steps


class Propagator:
    """Segments frames of a state, one at a time.

    Parameters
    ----------
    state, segmenter
        What is known, and what does the work on a frame.
    passes
        2 segments those frames of a flow again that were seen before the memory bank was full.
    patience
        In a stack, the rest of a direction is empty after this many frames in a row without the object; ``None``
        looks at all frames.

    Attributes
    ----------
    steps_left
        Of the propagation in progress; 0 if there is none.
    """

    def __init__(self, state: SessionState, segmenter: FrameSegmenter, *, passes: int, patience: int | None) -> None:
        self.state = state
        self.segmenter = segmenter
        self.passes = passes
        self.patience = patience
        self.steps_left = 0
        self._runs = ELSEWHERE
        self._open: OpenRun | None = None
        self._busy = threading.Lock()
        self._rivals = Rivals(state)
        self._steps = Steps(state, self._rivals)

    def segment(self, frame: int, object_id: int) -> FrameResult:
        """Segment one frame now. A prompted frame is remembered; a preview of another frame is not, and is a change of
        its own that can be undone. Prompted frames that the preview needs are segmented first."""
        n_frames = len(self.state.frames)
        if not 0 <= frame < n_frames:
            raise PromptError(f"there is no frame {frame}: frames are 0 to {n_frames - 1}")
        while True:
            with self.state.lock:
                revision = self.state.revision
                step = self._steps.of_preview(object_id, frame)
            result = self._do(step, revision, run=0)
            if result is not None and step.frame == frame:
                return result

    @property
    def n_up_to_date(self) -> int:
        """Frames on which no object is to be segmented any more; a run that does all anew counts what it has done."""
        with self.state.lock:
            run = self._open if self._open is not None and self._open.anew else None
            found = []
            for object_id, known in self.state.objects.items():
                if known.has_positive_prompt:
                    shown = None if run is None else {t for number, t in run.shown if number == object_id}
                    found.append(known.done_frames if shown is None else known.done_frames & shown)
            return len(set.intersection(*found)) if found else 0

    def plan(self, span: Span, *, anew: bool) -> list[Step]:
        """The steps that a propagation would take now."""
        with self.state.lock:
            return [step for step in self._steps.of_run(OpenRun(-1, span, anew, 0, 0)) if not step.heeds_rivals]

    def propagate(self, span: Span, *, anew: bool) -> Iterator[FrameResult]:
        """Run; see :meth:`napari_medsam2.Session.propagate`."""
        run = self._open = self._begin(span, anew)
        queue: deque[Step] = deque()
        asked_again = 0
        seen: int | None = None
        try:
            while True:
                with self.state.lock:
                    if self.state.history.is_undone(run.change):
                        return
                    if seen != self.state.revision:
                        seen = self.state.revision
                        run.heed_revision(seen)
                        queue = deque(self._steps.of_run(run))
                        asked_again = sum(step.heeds_rivals for step in queue)
                    if not queue:
                        if not self._steps.queue_next_pass(run):
                            return
                        seen = None
                        continue
                    self.state.note_going_on(run.change)
                    step = queue.popleft()
                    asked_again -= step.heeds_rivals
                    self.steps_left = len(queue) - asked_again
                if step.heeds_rivals:
                    result = self._ask_again(step, seen, run.number)
                    run.settled.add((step.object_id, step.frame))
                    seen = seen if result is None else None
                else:
                    before = self._outdated(step)
                    result = self._do(step, seen, run=run.number)
                    if result is not None and before is not None and self._stops(run, step, before, result):
                        seen = None
                if result is not None:
                    run.shown.add((step.object_id, step.frame))
                    run.again.discard((step.object_id, step.frame))
                    yield result
        finally:
            self.steps_left, self._open = 0, None
            with self.state.lock:
                self.state.note_end()
            self._rivals.forget()

    def _begin(self, span: Span, anew: bool) -> OpenRun:
        """Note the run as one change, and forget what earlier runs predicted on the frames that this one will do."""
        with self.state.lock:
            chosen = sorted(self._steps.chosen(span))
            if not chosen:
                raise PromptError(
                    "nothing has a prompt yet: click on an object, or draw a box around it"
                    if span.objects is None
                    else "nothing to segment: no object is chosen"
                )
            for object_id in chosen:
                self._steps.promptable(object_id)
            self._runs += 1
            run = OpenRun(self._runs, span, anew, self.state.note_change(), self.passes - 1)
            for step in self._steps.of_run(run):
                known = self.state.objects[step.object_id]
                if step.frame not in known.prompts and step.frame in known.bank:
                    self.state.edit(step.object_id).bank.forget(step.frame)
            return run

    def _outdated(self, step: Step) -> FrameResult | None:
        """What was found on a step's frame by prompts that were changed since."""
        with self.state.lock:
            known = self.state.objects.get(step.object_id)
            return known.kept[step.frame].result if known is not None and step.frame in known.stale else None

    def _stops(self, run: OpenRun, step: Step, before: FrameResult, now: FrameResult) -> bool:
        with self.state.lock:
            return self._steps.stop_where_alike(run, step, before.mask, now.mask)

    # ---- doing a step ----------------------------------------------------------------------------------------------

    def _do(self, step: Step, revision: int, *, run: int) -> FrameResult | None:
        """Do a step and keep its result; ``None`` if the prompts were changed meanwhile, which voids it."""
        with self._busy:
            with self.state.lock:
                if self.state.revision != revision:
                    return None
                known = self.state.objects[step.object_id]
                waits = known.waits(step.frame)
                is_known = known.up_to_date(step.frame) and step.frame not in known.templates_to_be
                if step.frame in known.prompts and is_known and not (waits and run):
                    kept = known.kept[step.frame]
                    if run and not kept.run:
                        self.state.edit(step.object_id).kept[step.frame] = replace(kept, run=run)
                    return kept.result
                if run and self.patience is not None:
                    ended = beyond_the_end(self.state, known, step, run, self.patience)
                    if ended is not None:
                        known = self.state.edit(step.object_id)
                        known.bank.forget(step.frame)
                        known.keep(step.frame, ended)
                        return ended.result
                task = frame_task(known, step)
            if waits:
                without = self.segmenter.run(task.without_prompts())
                task = replace(task, correcting=without.result.mask)
                with self.state.lock:
                    if self.state.revision != revision:
                        return None
                    if run:
                        self.state.edit(step.object_id).correcting[step.frame] = without.result
            done = self.segmenter.run(task)
            with self.state.lock:
                if self.state.revision != revision:
                    return None
                take_in(self.state, done, step, run)
                return done.result

    def _ask_again(self, step: Step, revision: int, run: int) -> FrameResult | None:
        """Ask again for an object on a frame where others have prompts, with what they took; ``None`` if all is known.

        As after a change of the prompts, frames that were done are queued again, and what is remembered of them goes.
        """
        frame, object_id = step.frame, step.object_id
        with self._busy:
            with self.state.lock:
                if self.state.revision != revision:
                    return None
                known = self.state.objects[object_id]
                before, taken = known.kept[frame], self._rivals.taken(frame, object_id)
                mark = fingerprint(taken)
                if mark == before.taken:
                    return None
                first, task = first_answer(before), frame_task(known, step)
            done = answer_beside_rivals(self.segmenter, task, first, taken)
            with self.state.lock:
                if self.state.revision != revision:
                    return None
                take_in(self.state, done, step, run)
                known = self.state.edit(object_id)
                if taken is not None:
                    known.kept[frame] = replace(known.kept[frame], first=first, taken=mark)
                known.carry_anew()
                return done.result
