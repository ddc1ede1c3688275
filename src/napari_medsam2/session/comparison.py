"""The same prompts with another memory bank: a run beside the session's own, which changes nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..geometry.overlap import iou
from ..memory_bank import MemoryBank
from ..results import FrameResult
from .state import SessionState

if TYPE_CHECKING:
    from ..segment.segmenter import FrameSegmenter


@dataclass(frozen=True)
class ComparedFrame:
    """One object on one frame, as it was found with either bank.

    Attributes
    ----------
    frame, object_id
        Which.
    confidence, other
        How sure the network is with the session's own bank, and with the other one.
    overlap
        IoU of the two masks; 1 where both are empty.
    kept, kept_by_other
        Whether the frame is remembered in the end.
    """

    frame: int
    object_id: int
    confidence: float
    other: float
    overlap: float
    kept: bool
    kept_by_other: bool


@dataclass(frozen=True)
class Comparison:
    """What another bank makes of the same prompts: its name, that of the own one, and the frames without a prompt."""

    own: str
    other: str
    frames: tuple[ComparedFrame, ...]

    @property
    def confidence(self) -> tuple[float, float]:
        """Mean confidence of both."""
        count = max(len(self.frames), 1)
        return sum(f.confidence for f in self.frames) / count, sum(f.other for f in self.frames) / count

    @property
    def overlap(self) -> float:
        """Mean IoU of the masks."""
        return sum(f.overlap for f in self.frames) / max(len(self.frames), 1)


class OtherBank:
    """A run of all of a session's objects with another memory bank.

    Image features are shared with the session, and so is the network. The session's prompts, templates and task files
    count as they are when it begins; memories that were pinned by hand are templates, and evicted ones stay out.

    Parameters
    ----------
    state, segmenter, patience, passes
        Of the session.
    own, other
        Names of the banks.
    make_bank
        Makes the other one.
    """

    def __init__(
        self,
        state: SessionState,
        segmenter: FrameSegmenter,
        *,
        own: str,
        other: str,
        make_bank: Callable[[], MemoryBank],
        patience: int | None,
        passes: int,
    ) -> None:
        self._state, self._own, self._other = state, own, other
        self._twin = SessionState(state.mode, state.frames, make_bank, undo_depth=0)
        with state.lock:
            for number, known in state.objects.items():
                twin = self._twin.edit(number)
                twin.prompts, twin.taught, twin.evicted = dict(known.prompts), known.taught, known.evicted
                for entry in known.bank.entries:
                    if entry.from_elsewhere or entry.held:
                        twin.bank.add(entry)
                twin.correcting = {t: found for t, found in known.correcting.items() if t in known.prompts}
        from .propagation import Propagator  # with torch, which those who only read a comparison need not have

        self._propagator = Propagator(self._twin, segmenter, passes=passes, patience=patience)

    @property
    def steps_left(self) -> int:
        """Results that are still to come."""
        return self._propagator.steps_left

    def run(self) -> Iterator[FrameResult]:
        """Find all objects on all frames; yields what the other bank finds."""
        from .steps import Span

        return self._propagator.propagate(Span(None, "both", 0, len(self._twin.frames)), anew=False)

    def comparison(self) -> Comparison:
        """How it compares with what the session shows now, on frames without a prompt that both have."""
        frames = []
        with self._state.lock:
            for number, known in sorted(self._state.objects.items()):
                twin = self._twin.objects.get(number)
                for t in sorted(known.kept.keys() - known.prompts.keys()):
                    if twin is not None and t in twin.kept:
                        mine, theirs = known.kept[t].result, twin.kept[t].result
                        same = mine.absent and theirs.absent
                        overlap = 1.0 if same else iou(mine.mask, theirs.mask)
                        kept = t in known.bank, t in twin.bank
                        pair = (mine.confidence, theirs.confidence, overlap)
                        frames.append(ComparedFrame(t, number, *pair, *kept))
        return Comparison(self._own, self._other, tuple(frames))
