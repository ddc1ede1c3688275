"""The network adapted to an object whose mask was drawn: when, from which masks, and what of it is kept."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..geometry.window import Window
from ..memory_entry import Pick
from ..memory_weights import likeness
from ..models.device import Model
from ..network.interface import Adaptation, Memory
from ..types import Mask, Mode
from .augmentation import make_adaptation_set
from .options import MOST_LEARNED

#: Drawn masks whose adaptations are used on one frame, at most.
_MOST_MASKS = 2


@dataclass(frozen=True, eq=False)
class Drawn:
    """A mask ``(H, W)`` that the user drew, what gives its frame, float32 ``(H, W, 3)`` in 0..1, and the window."""

    image: Callable[[], npt.NDArray[np.float32]]
    mask: Mask
    window: Window


class Adaptations:
    """The drawn masks among what is remembered, and the adaptation that the network made of each.

    A memory is the key: its adaptation is kept as long as the memory is, through undo and redo.

    Parameters
    ----------
    model
        Network, device.
    size
        Side of the network's input.
    mode
        What the frames are.
    however_many
        Learn from more than :data:`~.options.MOST_LEARNED` masks too.
    """

    def __init__(
        self,
        model: Model,
        size: int,
        *,
        mode: Mode,
        however_many: bool = True,
    ) -> None:
        self.model = model
        self.size = size
        self.mode = mode
        self._however_many = however_many
        self._drawn: weakref.WeakKeyDictionary[Memory, Drawn] = weakref.WeakKeyDictionary()
        self._learned: weakref.WeakKeyDictionary[Memory, Adaptation | None] = weakref.WeakKeyDictionary()

    def add(self, memory: Memory, drawn: Drawn) -> None:
        """Note that a memory is of a drawn mask."""
        self._drawn[memory] = drawn

    def adopt(self, memory: Memory, adaptation: Adaptation) -> None:
        """Take what the network learned elsewhere from the drawn mask of a memory."""
        self._learned[memory] = adaptation

    def learned_from(self, memory: Memory) -> Adaptation | None:
        """What the network learned from a memory, learned now if that is still to be done; ``None``: nothing."""
        return self.adaptation_to(memory) if self._teaches(memory) else None

    def _teaches(self, memory: Memory) -> bool:
        return memory in self._drawn or memory in self._learned

    def drawn_among(self, picks: Sequence[Pick], frame: int, descriptor: npt.NDArray[np.floating[Any]]) -> list[Pick]:
        """The picks to adapt to on a frame: of drawn masks, those of images most like it, in a stack the nearest.

        ``descriptor`` is that of the frame, ``(D,)`` of unit length.
        """

        def order(pick: Pick) -> tuple[float, int]:
            alike = likeness(pick.entry.descriptor, descriptor) if self.mode == "flow" else pick.weight
            return -alike, abs(pick.entry.frame - frame)

        return sorted((pick for pick in picks if self._teaches(pick.entry.payload)), key=order)[:_MOST_MASKS]

    def adaptation_to(self, memory: Memory) -> Adaptation | None:
        """What the network learned from a memory's drawn mask; it adapts when this is asked for first.

        ``None`` if there is nothing to learn from it, or there are too many others.
        """
        if memory not in self._learned:
            if not self._however_many and len(self._drawn) > MOST_LEARNED:
                return None
            drawn = self._drawn[memory]
            with torch.inference_mode(False), torch.enable_grad():
                made = make_adaptation_set(drawn.image(), drawn.mask, drawn.window, self.size, mode=self.mode)
                learned = self.model.network.adapt(made.to(self.model.device)) if made is not None else None
            self._learned[memory] = learned
        found = self._learned[memory]
        return found.to(self.model.device) if found is not None else None
