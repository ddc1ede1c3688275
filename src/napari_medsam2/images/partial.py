"""What is left of a file that was cut: only what the user asked for, and told each time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import FrameError


@dataclass(frozen=True)
class Cut:
    """How much of the pixels of a volume is there.

    Attributes
    ----------
    axis
        The axis whose positions follow each other in the file, among axes that are given slowest first.
    n, whole
        Its length by the header, and how many positions from the first one on are whole.
    """

    axis: int
    n: int
    whole: int

    @classmethod
    def of(cls, path: Path, shape: Sequence[int], there: int, declared: int) -> Cut | None:
        """From the bytes that are there and those that the header declares; ``None`` if all are.

        Parameters
        ----------
        shape
            Slowest axis first.

        Raises
        ------
        FrameError
            If not even the first position is whole.
        """
        if there >= declared:
            return None
        axis = next((place for place, length in enumerate(shape) if length > 1), 0)
        whole = there // (declared // shape[axis])
        if not whole or len(shape) - axis < 3:
            raise FrameError(f"{path.name} is truncated, and not even its first frame is whole")
        return cls(axis, int(shape[axis]), whole)

    def words(self, path: Path) -> str:
        """A sentence without its full stop."""
        return f"{path.name} is truncated: {self.whole} of {self.n} frames are whole, and only these are read"


def bytes_of(shape: Sequence[int], itemsize: int) -> int:
    """Bytes of an array."""
    return math.prod(int(n) for n in shape) * itemsize
