"""What a network can learn an object from: views of the frame it was drawn on, as other frames might show it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..geometry.window import Window
from ..memory_bank import Pick
from ..models.device import Model
from ..network.interface import Adaptation, Memory
from ..types import Mask
from .augmentation import make_lesson

#: Drawn masks that the network learns from for one frame.
_TEACHERS = 2


@dataclass(frozen=True, eq=False)
class Drawn:
    """A mask ``(H, W)`` that the user drew, its frame, and the window that the network saw of that."""

    frame: int
    mask: Mask
    window: Window


class Lessons:
    """The drawn masks among what is remembered, and what the network learned from them.

    A memory is the key: what was learned is there as long as that is, through undo and redo.

    Parameters
    ----------
    model
        Network, device.
    prepared
        Gives a frame, float32 ``(H, W, 3)`` in 0..1.
    size
        Side of the network's input.
    ordered
        Stack or flow.
    """

    def __init__(
        self, model: Model, prepared: Callable[[int], npt.NDArray[np.float32]], size: int, *, ordered: bool
    ) -> None:
        self.model = model
        self.size = size
        self.ordered = ordered
        self._prepared = prepared
        self._drawn: weakref.WeakKeyDictionary[Memory, Drawn] = weakref.WeakKeyDictionary()
        self._learned: weakref.WeakKeyDictionary[Memory, Adaptation | None] = weakref.WeakKeyDictionary()

    def add(self, memory: Memory, drawn: Drawn) -> None:
        """Note that a memory is of a drawn mask."""
        self._drawn[memory] = drawn

    def teaching(self, picks: Sequence[Pick], frame: int) -> list[Pick]:
        """Of memories of drawn masks those of frames most like this one, in a stack of the nearest."""
        drawn = [pick for pick in picks if pick.entry.payload in self._drawn]
        return sorted(drawn, key=lambda pick: (-pick.weight, abs(pick.entry.frame - frame)))[:_TEACHERS]

    def learned_from(self, memory: Memory) -> Adaptation | None:
        """What the network learned from a memory's frame; it learns when that is asked for first."""
        if memory not in self._learned:
            drawn = self._drawn[memory]
            with torch.inference_mode(False), torch.enable_grad():
                image = self._prepared(drawn.frame)
                lesson = make_lesson(image, drawn.mask, drawn.window, self.size, ordered=self.ordered)
                learned = self.model.network.adapt(lesson.to(self.model.device)) if lesson is not None else None
            self._learned[memory] = learned
        found = self._learned[memory]
        return found.to(self.model.device) if found is not None else None
