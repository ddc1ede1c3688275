"""What is measured: which prompt is drawn where, and what may correct it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..geometry.parts import MAX_PARTS
from ..memory_bank import BankName

PromptKind = Literal["point", "box", "mask"]


@dataclass(frozen=True)
class Protocol:
    """What to measure.

    Attributes
    ----------
    prompt
        What is drawn on the prompted frame.
    bank
        Memory bank policy; "auto" is "fifo" in stacks and "self-sorting" in flows.
    frame
        The prompted frame; ``None`` takes the one where the object is largest in a stack, and the first one that has
        it in a flow.
    seed
        Moves clicks and boxes a little at random; 0 does not.
    loose
        How far each side of a box is outside the object, as a share of the box; 0 is a tight one.
    objects
        Ids to measure; ``None`` measures all.
    templates
        How many frames are prompted: the first ones of :func:`.prompting.prompting_order`.
    leave_out
        How many of the first frames in that order are not scored, prompted or not. With the same number, runs with
        more and with fewer templates are scored on the same frames.
    passes
        Passes over a flow.
    corrections
        Clicks after the first of them, each in the middle of the largest error of the frame where most is wrong; what
        they change is segmented again before the next.
    parts
        How many of the separate parts of an object get a click or a box, the largest first. With 1, a crowd in a flow
        is prompted as a user does who shows one thing of the kind.
    adapt
        Let the network learn from a mask as a prompt; see :class:`napari_medsam2.session.options.SessionOptions`.
    alone
        A session for each object, which knows of no other.
    """

    prompt: PromptKind = "box"
    bank: BankName = "auto"
    frame: int | None = None
    seed: int = 0
    loose: float = 0.0
    objects: tuple[int, ...] | None = None
    templates: int = 1
    leave_out: int = 0
    passes: int = 1
    corrections: int = 0
    parts: int = MAX_PARTS
    adapt: bool | None = None
    alone: bool = False
