"""How sequences of the bundled network are run in training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SequenceOptions:
    """How a sequence is run in training.

    Attributes
    ----------
    teacher
        Chance that a remembered mask is the true one.
    balance
        See :func:`.losses.mask_bce`.
    prompts_stack, prompts_flow
        Chance that a frame after the first is prompted too: half of these prompts are new ones, half are up to three
        clicks, one after the other where the prediction is wrong. The chances are those of MedSAM-2 (arXiv 2408.00874).
    large_errors
        Chance that what clicks correct has a large error, drawn at random.
    corrections
        Chance of such clicks beside the prompts of a stack's first frame. (In a flow they are made after the frame was
        looked at for more of the kind, which training does not see.)
    recent_dropout
        Chance that a frame of a stack recalls the prompted frames alone: memories of late slices may be wrong.
    calibration
        Weight of the calibration loss.
    volume
        Weight of the Dice loss over all frames of a stack together: there a thin mask that vanishes and one that goes
        on past the object's end cost what they cost in the volume.
    """

    teacher: float = 0.25
    balance: float = 0.5
    prompts_stack: float = 0.25
    prompts_flow: float = 0.3
    large_errors: float = 0.6
    corrections: float = 0.2
    recent_dropout: float = 0.4
    calibration: float = 0.3
    volume: float = 0.5
