"""What it costs to learn from the masks that were drawn, before a run, and whether that is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..prompts import MaskPrompt
from ..segment.options import MOST_LEARNED, SECONDS_TO_LEARN

if TYPE_CHECKING:
    from .session import Session

#: From so many seconds on, it is told.
_LONG_S = 5.0


@dataclass(frozen=True)
class Learning:
    """What the network would learn from in a run.

    Attributes
    ----------
    masks
        Number of the masks that were drawn.
    left_out
        True if nothing is learned, because there are too many.
    """

    masks: int
    left_out: bool

    @property
    def seconds(self) -> float:
        """About how long it takes on a CPU, in all."""
        return self.masks * SECONDS_TO_LEARN

    @property
    def words(self) -> str:
        """A sentence."""
        long = f"{self.seconds:.0f} s" if self.seconds < 90 else f"{self.seconds / 60:.0f} min"
        if self.left_out:
            return f"Learning from {self.masks} drawn masks would take about {long}, so it is left out."
        return f"Learning from {self.masks} drawn masks takes about {long}."


def learning_of(session: Session) -> Learning | None:
    """What a session's next run would learn from; ``None`` where it takes no time worth telling."""
    predictor = session.segmenter.predictor
    adapt = predictor.options.adapt
    if adapt is False or not predictor.model.network.adapts:
        return None
    masks = sum(isinstance(prompt, MaskPrompt) and bool(prompt.mask.any()) for prompt in session.prompts)
    learning = Learning(masks, left_out=adapt is None and masks > MOST_LEARNED)
    return learning if learning.seconds >= _LONG_S else None
