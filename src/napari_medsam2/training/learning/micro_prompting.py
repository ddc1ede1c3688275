"""The prompts that frames of a training sequence get: new ones, and clicks where the network is wrong."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data.prompts import SimulatedPrompt, chance_of_few, corrective_click, prompt_shares, simulate_prompt, together
from ..mask_errors import with_large_error
from .micro_frames import MicroFrames
from .micro_memories import Recalled
from .micro_options import SequenceOptions

#: One prompt for each sequence of a batch or none, and where they correct frames, the masks ``[B, 1, S, S]`` of those.
Prompted = tuple[list[SimulatedPrompt | None], Tensor | None]


def draw_prompts(frames: MicroFrames, options: SequenceOptions, t: int, recalled: Recalled) -> Prompted:
    """Prompts of frame ``t``, on a later one mostly none."""
    batch = frames.batch
    given: list[SimulatedPrompt | None] = [None] * frames.count
    if t == 0:
        given = list(batch.prompts)
        if batch.mode == "stack" and float(torch.rand(())) < options.corrections:
            given, _ = add_corrections(frames, options, t, given, recalled)
        return given, None
    chance = options.prompts_stack if batch.mode == "stack" else options.prompts_flow
    if float(torch.rand(())) >= chance:
        return given, None
    if float(torch.rand(())) < 0.5:
        return add_corrections(frames, options, t, given, recalled)
    rng = np.random.default_rng(int(torch.randint(2**31, ())))
    hollow = batch.hollow or (False,) * frames.count
    pairs = zip(frames.truth(t), map(prompt_shares, hollow), strict=True)
    few = chance_of_few(batch.mode)
    return [simulate_prompt(m, rng, shares, few=few) if m.sum() >= 8 else None for m, shares in pairs], None


@torch.no_grad()
def add_corrections(
    frames: MicroFrames, options: SequenceOptions, t: int, prompts: list[SimulatedPrompt | None], recalled: Recalled
) -> Prompted:
    """Up to three clicks more where the answer to the prompts is wrong, and the masks of before.

    As in a session, those are shown to the network with the clicks where the frame had no prompt. Where the object is
    not on a frame, a negative click can say so.
    """
    truth = frames.truth(t)
    found = frames.found(t, prompts, None, recalled)
    if t:
        found = _with_errors(found, options.large_errors)
    correcting = found if t else None
    for k in range(1 + int(torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 1))):
        if k:
            found = frames.found(t, prompts, correcting, recalled)
        wrong = zip(truth, found[:, 0].cpu().numpy() > 0.5, strict=True)
        clicks = [corrective_click(m, f) if m.sum() >= 8 or not m.any() else None for m, f in wrong]
        prompts = [together(p, click) for p, click in zip(prompts, clicks, strict=True)]
    return prompts, correcting


def _with_errors(found: Tensor, share: float) -> Tensor:
    """Masks ``[B, 1, S, S]`` of which a share has a large error: those of the network are mostly small, and a click in
    a small one says little."""
    rng = np.random.default_rng(int(torch.randint(2**31, ())))
    masks = found[:, 0].cpu().numpy() > 0.5
    wrong = [with_large_error(mask, rng) if rng.random() < share else mask for mask in masks]
    return torch.from_numpy(np.stack(wrong)).to(found)[:, None]
