"""What commits put into kept labels, so that undo takes it out again, and redo puts it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels

from ..errors import OutputError
from ..images.opened import LabelledObject
from ..types import AnyArray
from .dock_state import DockState
from .layers.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Kept:
    """Labels that were copied into a layer, as few bytes as can be.

    Attributes
    ----------
    where
        Bits of the pixels that were copied, in the order of the array.
    labels
        Their numbers.
    """

    where: AnyArray
    labels: AnyArray

    @classmethod
    def copy(cls, result: AnyArray, kept: AnyArray) -> Kept:
        """Copy labels into a kept layer's data, never over labels that are there.

        Raises
        ------
        OutputError
            If a number is too large for that data; nothing is copied then.
        """
        new = (result != 0) & (kept == 0)
        numbers = result[new]
        if numbers.size and numbers.max() > np.iinfo(kept.dtype).max:
            raise OutputError(f"object {numbers.max()} does not fit into a labels layer of {kept.dtype}")
        kept[new] = numbers
        return cls(np.packbits(new), numbers)

    def take_out(self, kept: AnyArray) -> None:
        """Take them out again, where nobody painted since."""
        self._put(kept, lambda there: there == self.labels, 0)

    def put_back(self, kept: AnyArray) -> None:
        """Copy them once more."""
        self._put(kept, lambda there: there == 0, self.labels)

    def _put(self, kept: AnyArray, may: Any, labels: Any) -> None:
        new = np.unpackbits(self.where, count=kept.size).astype(bool).reshape(kept.shape)
        there = kept[new]
        kept[new] = np.where(may(there), labels, there)


@dataclass(frozen=True, eq=False)
class Commit:
    """What a commit did, and what there was before it.

    Attributes
    ----------
    work
        Prompts and results of its image.
    layer, kept
        The layer of ours that labels were copied to, and these labels; ``None`` where they stay in the user's.
    before
        What a layer of the user's held below the results.
    called
        Names and colours of the labels that had been kept before it.
    chosen
        The objects of the dock before it.
    """

    work: Workspace
    layer: Labels | None
    kept: Kept | None
    before: dict[int, AnyArray]
    called: Mapping[int, LabelledObject]
    chosen: DockState

    @property
    def is_here(self) -> bool:
        """False if the layer was removed, or its data is other data now."""
        layers = self.work.sequence.viewer.layers
        return self.layer is None or (self.layer in layers and self.layer.data.size == self._size)

    @property
    def _size(self) -> int:
        return int(np.prod(self.work.sequence.layout.shape))

    def undo(self) -> None:
        """Take out what was put in."""
        output = self.work.results.output
        if self.layer is not None and self.kept is not None:
            self.kept.take_out(self.layer.data)
            self.layer.refresh()
        elif output is not None:
            output.before = dict(self.before)
        self.work.roster.kept_called = dict(self.called)

    def redo(self, called: Mapping[int, LabelledObject]) -> None:
        """Put it in again; the names are those that the objects have."""
        if self.layer is not None and self.kept is not None:
            self.kept.put_back(self.layer.data)
            self.layer.refresh()
        else:
            self.work.results.forget()
        self.work.roster.kept_called = {**self.called, **called}
