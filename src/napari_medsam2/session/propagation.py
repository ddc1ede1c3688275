"""Which object is segmented on which frame, when, and from which memory: previews and propagation over a state."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..errors import PromptError, SessionError
from ..memory_bank import Fifo
from ..models.notices import Notice, Remedy
from ..models.shortage import is_of_main_memory, is_shortage
from ..prompts import is_erased, says_where
from ..results import FrameResult
from ..segment.segmenter import FrameSegmenter
from ..segment.task import Neighbour, Segmented, Task
from ..types import Direction
from .planning import Step, flow_steps, interleave, stack_steps
from .rivals import Sharing, agrees, fingerprint, first_answer, heeding
from .state import Kept, ObjectState, SessionState


@dataclass(frozen=True)
class Span:
    """What a propagation covers: ``objects`` (``None``: all) on ``start <= frame < stop``."""

    objects: frozenset[int] | None
    direction: Direction
    start: int
    stop: int


@dataclass
class _Run:
    """A propagation in progress: which change it is, which frames it has shown, which have their second pass to come,
    and on which prompted ones it is settled what the objects leave to each other."""

    number: int
    span: Span
    change: int
    passes_left: int
    shown: set[tuple[int, int]] = field(default_factory=set)
    again: set[tuple[int, int]] = field(default_factory=set)
    settled: set[tuple[int, int]] = field(default_factory=set)
    settled_at: int | None = None  # revision of the prompts


class Propagator:
    """Segments frames of a state, one at a time; the network runs outside the state's lock.

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
        self._runs = 0
        self._busy = threading.Lock()
        self._sharing = Sharing(state)
        self._told_of_savings = False

    # ---- one frame -------------------------------------------------------------------------------------------------

    def segment(self, frame: int, object_id: int) -> FrameResult:
        """Segment one frame now. A prompted frame is remembered; a preview of another frame is not, and is a change of
        its own that can be undone. Prompted frames that the preview needs are segmented first."""
        n_frames = len(self.state.frames)
        if not 0 <= frame < n_frames:
            raise PromptError(f"there is no frame {frame}: frames are 0 to {n_frames - 1}")
        while True:
            with self.state.lock:
                known = self._promptable(object_id)
                revision = self.state.revision
                follows = frame not in known.prompts or known.waits(frame)
                firm = [t for t in known.prompted if not known.waits(t)]
                missing = [t for t in firm if not known.up_to_date(t)] if follows else []
                step = Step(object_id, missing[0]) if missing else self._preview_step(known, object_id, frame)
            result = self._do(step, revision, run=0)
            if result is not None and step.frame == frame:
                return result

    def _preview_step(self, known: ObjectState, object_id: int, frame: int) -> Step:
        if frame in known.prompts and not known.waits(frame):
            return self._prompted_steps(known, object_id, [frame])[0]
        source = min(known.sources, key=lambda t: (abs(t - frame), t))
        return Step(object_id, frame, reverse=source > frame, source=source)

    def _prompted_steps(self, known: ObjectState, object_id: int, frames: Sequence[int]) -> list[Step]:
        """Corrections are seen from where the object came from."""
        origins = known.origins if self.state.mode == "stack" else {}
        pairs = [(t, origins.get(t, t)) for t in frames]
        return [Step(object_id, t, origin > t, origin if origin != t else None) for t, origin in pairs]

    def _promptable(self, object_id: int) -> ObjectState:
        known = self.state.objects.get(object_id)
        if known is None or not known.prompts:
            raise PromptError(f"object {object_id} has no prompt yet: click on it, or draw a box around it")
        if not known.has_positive_prompt:
            raise PromptError(f"object {object_id} has only negative clicks: add a positive click, a box or a mask")
        return known

    # ---- many frames -----------------------------------------------------------------------------------------------

    def plan(self, span: Span) -> list[Step]:
        """The steps that a propagation would take now."""
        with self.state.lock:
            return [step for step in self._todo(_Run(-1, span, 0, 0)) if not step.share]

    def propagate(self, span: Span) -> Iterator[FrameResult]:
        """Run; see :meth:`napari_medsam2.Session.propagate`."""
        run = self._begin(span)
        queue: deque[Step] = deque()
        to_share = 0
        seen: int | None = None
        try:
            while True:
                with self.state.lock:
                    if self.state.history.is_undone(run.change):
                        return
                    if seen != self.state.revision:
                        seen = self.state.revision
                        if run.settled_at != seen:
                            run.settled, run.settled_at = set(), seen
                        queue = deque(self._todo(run))
                        to_share = sum(step.share for step in queue)
                    if not queue:
                        if not self._begin_next_pass(run):
                            return
                        seen = None
                        continue
                    step = queue.popleft()
                    to_share -= step.share
                    self.steps_left = len(queue) - to_share
                if step.share:
                    result = self._share(step, seen, run.number)
                    run.settled.add((step.object_id, step.frame))
                    seen = seen if result is None else None
                else:
                    result = self._do(step, seen, run=run.number)
                if result is not None:
                    run.shown.add((step.object_id, step.frame))
                    run.again.discard((step.object_id, step.frame))
                    yield result
        finally:
            self.steps_left = 0
            self._sharing.forget()

    def _begin(self, span: Span) -> _Run:
        """Note the run as one change, and forget what earlier runs predicted on the frames that this one will do."""
        with self.state.lock:
            chosen = sorted(self._chosen(span))
            if not chosen:
                raise PromptError(
                    "nothing has a prompt yet: click on an object, or draw a box around it"
                    if span.objects is None
                    else "nothing to segment: no object is chosen"
                )
            for object_id in chosen:
                self._promptable(object_id)
            self._runs += 1
            run = _Run(self._runs, span, self.state.note_change(), self.passes - 1)
            for step in self._todo(run):
                known = self.state.objects[step.object_id]
                if step.frame not in known.prompts:
                    known.bank.remove(step.frame)
            return run

    def _chosen(self, span: Span) -> set[int]:
        if span.objects is not None:
            return set(span.objects)
        return {object_id for object_id, known in self.state.objects.items() if known.prompts}

    def _todo(self, run: _Run) -> list[Step]:
        """What is left of a run: prompted frames first, then what they are carried to."""
        span, n_frames = run.span, len(self.state.frames)
        prompted: list[list[Step]] = []
        carried: list[list[Step]] = []
        for object_id in sorted(self._chosen(span)):
            known = self.state.objects.get(object_id)
            if known is None or not known.has_positive_prompt:
                continue
            todo = [t for t in known.prompted if not known.up_to_date(t) or (object_id, t) not in run.shown]
            waiting = [t for t in todo if known.waits(t)]  # in a stack until the object is carried there
            first = [t for t in todo if t not in waiting]
            in_turn = first if self.state.mode == "stack" else first + waiting
            prompted.append(self._prompted_steps(known, object_id, in_turn))
            start, stop = max(span.start, 0), min(span.stop, n_frames)
            if self.state.mode == "stack":
                steps = stack_steps(object_id, known.sources, span.direction, start, stop, known.corrections)
            else:
                steps = flow_steps(object_id, known.prompted, start, stop)
            free = [s for s in steps if s.frame not in known.prompts or s.frame in waiting]
            carried.append([s for s in free if not self._is_done(known, s, run)])
        if self.state.mode == "stack":
            return interleave(prompted) + interleave(carried)
        # frames that a late prompt queued again come after those that were not seen yet
        in_order = sorted(
            (step for queue in carried for step in queue),
            key=lambda step: (self._was_seen(step, run), step.frame, step.object_id),
        )
        sharing = [s for s in self._sharing.steps(self._chosen(span)) if (s.object_id, s.frame) not in run.settled]
        return interleave(prompted) + sharing + in_order

    def _was_seen(self, step: Step, run: _Run) -> bool:
        kept = self.state.objects[step.object_id].kept.get(step.frame)
        return kept is not None and kept.run == run.number

    def _is_done(self, known: ObjectState, step: Step, run: _Run) -> bool:
        again = (step.object_id, step.frame) in run.again
        return self._was_seen(step, run) and step.frame not in known.stale and not again

    def _begin_next_pass(self, run: _Run) -> bool:
        """Queue the frames again that saw fewer memories than there are now. False if the run is over."""
        if run.passes_left == 0:
            return False
        run.passes_left -= 1
        for object_id in self._chosen(run.span):
            known = self.state.objects.get(object_id)
            if known is None:
                continue
            for t, kept in known.kept.items():
                memories = len(known.bank) - (t in known.bank)
                if kept.run == run.number and t not in known.prompts and kept.recalled < memories:
                    run.again.add((object_id, t))
        return True

    # ---- doing a step ----------------------------------------------------------------------------------------------

    def _do(self, step: Step, revision: int, *, run: int) -> FrameResult | None:
        """Do a step and keep its result; ``None`` if the prompts were changed meanwhile, which voids it."""
        with self._busy:
            with self.state.lock:
                if self.state.revision != revision:
                    return None
                known = self.state.objects[step.object_id]
                prompted = step.frame in known.prompts
                waits = known.waits(step.frame)
                if prompted and known.up_to_date(step.frame) and not (waits and run):
                    return known.kept[step.frame].result
                kept = self._after_the_end(known, step, run) if run else None
                if kept is not None:
                    known.bank.remove(step.frame)
                    known.keep(step.frame, kept)
                    return kept.result
                task = self._task(known, step)
            if waits:
                without = self._run_network(replace(task, prompts=()))
                task = replace(task, seen=without.result.mask)
                with self.state.lock:
                    if self.state.revision != revision:
                        return None
                    if run:
                        known.followed[step.frame] = without.result
            done = self._run_network(task)
            with self.state.lock:
                if self.state.revision != revision:
                    return None
                self._take_in(known, done, step, run)
                return done.result

    def _share(self, step: Step, revision: int, run: int) -> FrameResult | None:
        """Ask again for an object on a frame where others have prompts, with what they took; ``None`` if all is known.

        As after a change of the prompts, frames that were done are queued again, and what is remembered of them goes.
        """
        frame, object_id = step.frame, step.object_id
        with self._busy:
            with self.state.lock:
                if self.state.revision != revision:
                    return None
                known = self.state.objects[object_id]
                before, taken = known.kept[frame], self._sharing.taken(frame, object_id)
                mark = fingerprint(taken)
                if mark == before.taken:
                    return None
                first, task = first_answer(before), self._task(known, step)
            if taken is None:
                done = self._run_network(task)
            else:
                done = self._run_network(heeding(task, first.mask, taken))
                if not agrees(done.result, first.mask, taken):
                    done = self._run_network(replace(task, taken=taken))
            with self.state.lock:
                if self.state.revision != revision:
                    return None
                self._take_in(known, done, step, run)
                if taken is not None:
                    known.kept[frame] = replace(known.kept[frame], first=first, taken=mark)
                for t in set(known.kept) - set(known.prompts):
                    known.stale.add(t)
                    known.bank.remove(t)
                return done.result

    def _take_in(self, known: ObjectState, done: Segmented, step: Step, run: int) -> None:
        prompted = done.result.prompted
        if not prompted and not run:
            self.state.note_change()
        elif done.entry is None:
            known.bank.remove(step.frame)
        else:
            known.bank.add(done.entry)
        probability = done.probability if self.state.mode == "stack" else None
        known.keep(step.frame, Kept(done.result, run, done.recalled, done.result.window, probability))

    def _task(self, known: ObjectState, step: Step) -> Task:
        frame = step.frame
        prompts = known.prompts.get(frame, ())
        alone = bool(prompts) and known.stands_alone(frame)
        return Task(
            frame=frame,
            object_id=step.object_id,
            prompts=prompts,
            bank=Fifo() if alone else known.bank.copy(),
            reverse=step.reverse,
            neighbour=self._neighbour(known, step),
            seen=known.followed[frame].mask if frame in known.corrections else None,
        )

    def _neighbour(self, known: ObjectState, step: Step) -> Neighbour | None:
        """The nearest frame with a result on the way to the prompted frame that a step is tracked from.

        A frame where the object was erased is stepped over.
        """
        if step.source is None:
            return None
        for t in _back_to(step.source, step):
            kept = known.kept.get(t)
            if kept is not None and kept.window is not None and not is_erased(known.prompts.get(t, ())):
                return Neighbour(t, kept.result.mask, kept.probability, kept.window, kept.result.prompted)
        return None

    def _after_the_end(self, known: ObjectState, step: Step, run: int) -> Kept | None:
        """An empty result, if the object was not on the latest frames of a stack, or was clicked away on the last."""
        if self.patience is None or step.source is None or step.frame in known.prompts or self.state.mode != "stack":
            return None
        latest = _back_to(step.source, step)[: self.patience]
        behind = [known.kept[t] for t in latest if t in known.kept and t not in known.stale]
        absent = [kept for kept in behind if kept.result.absent and not known.is_shown_on(kept.result.frame)]
        nearest = behind[0].result if behind and behind[0] in absent else None
        clicked_away = nearest is not None and nearest.prompted and not says_where(known.prompts.get(nearest.frame, ()))
        if not absent or (len(absent) < self.patience and not clicked_away):
            return None
        last = absent[0]
        result = FrameResult(
            frame=step.frame,
            object_id=step.object_id,
            mask=np.zeros(self.state.frames.shape(step.frame), bool),
            confidence=last.result.confidence,
            iou=last.result.iou,
            objectness=last.result.objectness,
            prompted=False,
            seconds=0.0,
        )
        return Kept(result, run, 0, last.window, None)

    def _run_network(self, task: Task) -> Segmented:
        """Run the network; where memory is short once more with smaller caches, then on the CPU."""
        model, saved = self.segmenter.looker.model, False
        began_on = model.device
        while True:
            device = model.device
            try:
                done = self.segmenter.run(task)
            except (MemoryError, RuntimeError) as error:
                moved = model.has_left(device)  # another session that shares it made it leave meanwhile
                if not moved and not is_shortage(error):
                    raise
                if saved and not moved and (device.type == "cpu" or is_of_main_memory(error)):
                    raise SessionError(
                        f"there is not enough main memory to segment frame {task.frame}: close other programs, or "
                        "choose a smaller model"
                    ) from error
            else:
                if saved and device == began_on:
                    self._tell_of_savings(device)
                return done
            # Not in the except clause: until that ends, the error holds on to what took the memory.
            if saved and not moved:
                self.segmenter.looker.go_to_cpu()
            elif not moved:
                self.segmenter.looker.save_memory()
                saved = True

    def _tell_of_savings(self, device: torch.device) -> None:
        if not self._told_of_savings:
            self._told_of_savings = True
            model = self.segmenter.looker.model
            model.on_notice(Notice(Remedy.KEEPS_LESS, model.name, str(device)))


def _back_to(source: int, step: Step) -> Sequence[int]:
    """Frames from the one before a step back to its source."""
    return range(step.frame + 1, source + 1) if step.reverse else range(step.frame - 1, source - 1, -1)
