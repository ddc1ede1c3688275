"""Which segmented frames are remembered, and which of them count for the current frame. Pure logic, no torch.

`Fifo` has the memory rules of SAM 2's video predictor; `SelfSorting` is the confidence-first, self-sorting bank of
MedSAM-2 (Zhu et al., arXiv 2408.00874) with its weighted pick-up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import OptionError
from .memory_entry import MemoryEntry, Pick
from .memory_weights import TEMPLATE_SHARE, drawn_weights, likeness, shares_by_likeness, with_templates
from .types import Mode

#: Which memories are kept; "auto" leaves it to the kind of the sequence, see :func:`bank_for`.
BankName = Literal["auto", "fifo", "self-sorting"]

_Bank = TypeVar("_Bank", bound="MemoryBank")


def bank_for(name: BankName, mode: Mode) -> Literal["fifo", "self-sorting"]:
    """What "auto" means: first in, first out in a stack, self-sorting in a flow."""
    if name == "auto":
        return "fifo" if mode == "stack" else "self-sorting"
    return name


class MemoryBank(ABC):
    """The remembered frames of one object."""

    def __init__(self) -> None:
        self._entries: dict[int, MemoryEntry] = {}

    @property
    def entries(self) -> tuple[MemoryEntry, ...]:
        """What is remembered, in the order in which it came."""
        return tuple(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, frame: object) -> bool:
        return frame in self._entries

    @abstractmethod
    def add(self, entry: MemoryEntry) -> bool:
        """Offer an entry; an older one of the same frame goes. True if it is remembered now.

        An unpinned entry never takes the place of a pinned one of the same frame: remove that first.
        """

    @abstractmethod
    def pick(
        self,
        frame: int,
        descriptor: npt.NDArray[np.floating[Any]] | None,
        *,
        n_frames: int,
        reverse: bool = False,
    ) -> list[Pick]:
        """Pick up what counts for a frame; never the frame's own entry.

        Parameters
        ----------
        frame
            The current frame.
        descriptor
            Its image descriptor, float ``(D,)`` of unit length; ``None`` where it is not known.
        n_frames
            Length of the sequence.
        reverse
            True if the run goes towards lower frames.

        Returns
        -------
        list of Pick
            In the order of SAM 2: pinned entries first, in a stack. None with a weight of 0.
        """

    @property
    @abstractmethod
    def most_templates(self) -> int:
        """Templates beyond this leave no room for anything else."""

    def bare(self: _Bank) -> _Bank:
        """A copy without the network's memories, to be looked at while those come and go."""
        twin = self.copy()
        twin._entries = {frame: replace(entry, payload=None) for frame, entry in self._entries.items()}
        return twin

    def put_back(self, entry: MemoryEntry) -> None:
        """Take an entry as it is, whatever the bank thinks of it: one of a bank that is looked at somewhere else."""
        self._entries[entry.frame] = entry

    def remove(self, frame: int) -> None:
        """Forget a frame, pinned or not; nothing happens if it was not remembered."""
        self._entries.pop(frame, None)

    def forget(self, frame: int) -> None:
        """Forget a frame unless its memory is held by hand."""
        if frame in self._entries and not self._entries[frame].held:
            del self._entries[frame]

    def forget_frames(self) -> None:
        """Forget all frames of this sequence; what was seen elsewhere stays."""
        self._entries = {frame: entry for frame, entry in self._entries.items() if entry.from_elsewhere}

    def hold(self, frame: int, held: bool) -> None:
        """Pin a remembered frame by hand, or let go of it again; it keeps its place in the order."""
        self._entries[frame] = replace(self._entries[frame], pinned=held, held=held)

    def copy(self: _Bank) -> _Bank:
        """The same bank, to be changed apart from this one; the entries themselves are shared."""
        twin = self.__class__.__new__(self.__class__)
        twin.__dict__.update(self.__dict__)
        twin._entries = dict(self._entries)
        return twin

    def _replaces_pinned(self, entry: MemoryEntry) -> bool:
        old = self._entries.get(entry.frame)
        return old is not None and old.pinned and not entry.pinned


def _offset(entry: MemoryEntry, frame: int, reverse: bool) -> int:
    return entry.frame - frame if reverse else frame - entry.frame


class Fifo(MemoryBank):
    """First in, first out, by the rules of SAM 2's video predictor.

    All prompted frames (or the ``max_pinned`` nearest), the frames up to ``slots`` steps behind in the direction of
    the run with their temporal slot, and from there up to ``pointers`` steps behind their object pointers alone.
    Prompted frames that lie ahead give their spatial memory but not their pointer.

    Parameters
    ----------
    slots
        Unprompted frames whose spatial memory counts.
    pointers
        Frames (the current one included) whose object pointers count, at most the length of the sequence.
    max_pinned
        Largest number of prompted frames that count; ``None`` for all.
    capacity
        Unprompted frames that are kept at all. The oldest go first, so that a long run needs no more memory.
    template_share
        Least share of the weights that prompted frames have together; with 0 all weigh 1, as in SAM 2.
    """

    def __init__(
        self,
        *,
        slots: int = 6,
        pointers: int = 16,
        max_pinned: int | None = None,
        capacity: int = 32,
        template_share: float = 0.0,
    ) -> None:
        super().__init__()
        self.slots = slots
        self.pointers = pointers
        self.max_pinned = max_pinned
        self.capacity = capacity
        self.template_share = template_share

    @property
    def most_templates(self) -> int:
        return self.capacity

    def add(self, entry: MemoryEntry) -> bool:
        if self._replaces_pinned(entry):
            return False
        self._entries.pop(entry.frame, None)
        self._entries[entry.frame] = entry
        unpinned = [frame for frame, kept in self._entries.items() if not kept.pinned]
        for frame in unpinned[: max(0, len(unpinned) - self.capacity)]:
            del self._entries[frame]
        return entry.frame in self._entries

    def pick(
        self,
        frame: int,
        descriptor: npt.NDArray[np.floating[Any]] | None,
        *,
        n_frames: int,
        reverse: bool = False,
    ) -> list[Pick]:
        picks = [Pick(entry, offset=_offset(entry, frame, reverse)) for entry in self._nearest_pinned(frame)]
        reach = max(self.slots, min(n_frames, self.pointers) - 1)
        for steps in range(1, reach + 1):
            behind = self._entries.get(frame + steps if reverse else frame - steps)
            if behind is not None and not behind.pinned and not behind.from_elsewhere:
                picks.append(Pick(behind, slot=steps, offset=steps, spatial=steps <= self.slots))
        heard = [pick for pick in picks if pick.spatial]  # they come before the others
        weights = with_templates(np.ones(len(heard)), [pick.entry.pinned for pick in heard], self.template_share)
        return [replace(p, weight=w) for p, w in zip(heard, weights, strict=True)] + picks[len(heard) :]

    def _nearest_pinned(self, frame: int) -> list[MemoryEntry]:
        pinned = [entry for entry in self._entries.values() if entry.pinned and entry.frame != frame]
        pinned.sort(key=lambda entry: entry.frame)
        if self.max_pinned is None or len(pinned) <= self.max_pinned:
            return pinned
        pinned.sort(key=lambda entry: (abs(entry.frame - frame), entry.frame))
        return sorted(pinned[: self.max_pinned], key=lambda entry: entry.frame)


class SelfSorting(MemoryBank):
    """The confidence-first, self-sorting bank of MedSAM-2.

    While there is room an entry comes in if it is confident enough. When the bank is full, take the member least
    similar to the candidate, and of the others the one most similar to that member: the most redundant one. The
    candidate takes its place if the bank becomes more diverse and the candidate's confidence is at least the
    victim's less a slack (the rule of the authors' released code). Pinned entries always come in and never go.

    Every entry is picked up for every frame, with the weight ``n softmax_i(cos(d_i, d) / temperature)``. Pinned
    ones share theirs evenly, at least ``template_share``: what the user said is right, what was found may err.

    Parameters
    ----------
    capacity
        Entries that are kept. More prompted frames than this are all kept, and nothing else then.
    threshold
        Confidence, 0..1, from which a candidate comes in while there is room.
    slack
        How much less confident than its victim a candidate may be.
    temperature
        Of the softmax; the larger, the more equal the weights.
    sample_seed
        Draw ``n`` entries with replacement by these weights, as the authors do, in place of weighing all. An entry
        that is drawn k times weighs k, pinned or not. The draw depends on this seed and the frame alone.
    template_share
        Least share of the weights that pinned entries have together, 0 to 1.
    slots
        Temporal slots there are; entries further away share the last. Without a meaning in a flow.
    """

    def __init__(
        self,
        *,
        capacity: int = 16,
        threshold: float = 0.5,
        slack: float = 0.1,
        temperature: float = 0.05,
        sample_seed: int | None = None,
        template_share: float = TEMPLATE_SHARE,
        slots: int = 6,
    ) -> None:
        super().__init__()
        if capacity < 1 or temperature <= 0:
            raise OptionError(f"capacity and temperature must be positive; got {capacity} and {temperature}")
        self.capacity = capacity
        self.threshold = threshold
        self.slack = slack
        self.temperature = temperature
        self.sample_seed = sample_seed
        self.template_share = template_share
        self.slots = slots

    @property
    def most_templates(self) -> int:
        return self.capacity

    def add(self, entry: MemoryEntry) -> bool:
        if self._replaces_pinned(entry):
            return False
        self._entries.pop(entry.frame, None)
        full = len(self._entries) >= self.capacity
        if entry.pinned:
            unpinned = [kept for kept in self._entries.values() if not kept.pinned]
            if full and unpinned:
                self.remove(min(unpinned, key=lambda kept: kept.confidence).frame)
        elif not full:
            if entry.confidence < self.threshold:
                return False
        else:
            victim = self._victim(entry)
            if victim is None:
                return False
            self.remove(victim.frame)
        self._entries[entry.frame] = entry
        return True

    def _victim(self, candidate: MemoryEntry) -> MemoryEntry | None:
        """The member that the candidate replaces, or ``None`` if the bank is better as it is."""
        to_candidate = {kept: likeness(kept.descriptor, candidate.descriptor) for kept in self._entries.values()}
        least_similar = min(to_candidate, key=lambda kept: to_candidate[kept])
        to_least = {
            kept: likeness(kept.descriptor, least_similar.descriptor)
            for kept in self._entries.values()
            if kept is not least_similar and not kept.pinned
        }
        if not to_least:
            return None
        redundant = max(to_least, key=lambda kept: to_least[kept])
        more_diverse = to_candidate[least_similar] < to_least[redundant]
        confident = candidate.confidence >= redundant.confidence - self.slack
        return redundant if more_diverse and confident else None

    def pick(
        self,
        frame: int,
        descriptor: npt.NDArray[np.floating[Any]] | None,
        *,
        n_frames: int,
        reverse: bool = False,
    ) -> list[Pick]:
        entries = [entry for entry in self._entries.values() if entry.frame != frame]
        picks = []
        for entry, weight in zip(entries, self._weights(entries, frame, descriptor), strict=True):
            if weight > 0:
                offset = _offset(entry, frame, reverse)
                slot = None if entry.pinned else min(max(1, abs(offset)), self.slots)
                picks.append(Pick(entry, weight=weight, slot=slot, offset=offset))
        return picks

    def _weights(
        self, entries: list[MemoryEntry], frame: int, descriptor: npt.NDArray[np.floating[Any]] | None
    ) -> list[float]:
        if not entries or descriptor is None:
            return [1.0] * len(entries)
        shares = shares_by_likeness([entry.descriptor for entry in entries], descriptor, self.temperature)
        if self.sample_seed is not None:
            return drawn_weights(shares, (self.sample_seed, frame))
        weights = len(entries) * shares / shares.sum()  # in this order exactly 1 for equal shares
        return with_templates(weights, [entry.pinned for entry in entries], self.template_share)
