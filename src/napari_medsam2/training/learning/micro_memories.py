"""What the sequences of a batch remember, recalled by the memory banks of inference."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...memory_bank import MemoryBank
from ...memory_entry import MemoryEntry
from ...network.micro.memory import MicroMemory

#: Image descriptors of one frame of each sequence, ``[B, D]``.
Descriptors = npt.NDArray[np.float64]
#: Entries of a batch and their weights ``[B, n]``; ``None`` where nothing is remembered yet.
Recalled = tuple[MicroMemory | None, Tensor | None]


@dataclass
class SequenceMemories:
    """What each sequence of a batch remembers: the tensors of every frame so far, and a bank as in inference."""

    banks: list[MemoryBank]
    frames: list[int] = field(default_factory=list)
    tensors: list[MicroMemory] = field(default_factory=list)

    def add(self, t: int, memory: MicroMemory, entries: list[MemoryEntry | None]) -> None:
        """Remember frame ``t``; ``entries`` has ``None`` for sequences whose bank is not to get it."""
        self.frames.append(t)
        self.tensors.append(memory)
        for bank, entry in zip(self.banks, entries, strict=True):
            if entry is not None:
                bank.add(entry)

    def recall(self, t: int, descriptors: Descriptors, *, pinned_only: bool) -> tuple[MicroMemory, Tensor]:
        """What the banks pick up for frame ``t``, with ``pinned_only`` of prompted frames alone."""
        slot = {frame: k for k, frame in enumerate(self.frames)}
        weights = torch.zeros(len(self.banks), len(self.frames))
        for row, bank in enumerate(self.banks):
            for pick in bank.pick(t, descriptors[row], n_frames=t + 1, reverse=False):
                if pick.spatial and (pick.entry.pinned or not pinned_only):
                    weights[row, slot[pick.entry.frame]] = pick.weight
        return MicroMemory.cat(self.tensors), weights.to(self.tensors[0].gram.device)
