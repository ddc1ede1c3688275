"""Training sequences of the bundled network run as inference would run them, frame by frame, and the loss of each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...memory_bank import Fifo, MemoryBank, SelfSorting
from ...memory_entry import MemoryEntry
from ...network.losses import dice_loss
from ...network.micro.blocks import pooled
from ...network.micro.network import Answer, MicroNetwork
from ..data.batches import Batch
from ..data.prompts import GivenPrompts
from .losses import calibration_loss, mask_bce, true_iou, volume_loss
from .micro_frames import MicroFrames
from .micro_memories import Recalled, SequenceMemories
from .micro_options import SequenceOptions
from .micro_prompting import draw_prompts


def sequence_loss(
    network: MicroNetwork, batch: Batch, options: SequenceOptions | None = None
) -> tuple[Tensor, dict[str, float]]:
    """Run a batch of sequences and take the loss of every frame.

    Parameters
    ----------
    network
        In training mode.
    batch
        Frame 0 is prompted; the others are reached through memory, some with a prompt of their own.
    options
        See :class:`SequenceOptions`. Chances are drawn from torch's generator.

    Returns
    -------
    tuple
        The loss, and figures for the training curve.
    """
    return _SequenceRun(network, batch, options or SequenceOptions()).run()


class _SequenceRun:
    """The state of one pass over a batch."""

    def __init__(self, network: MicroNetwork, batch: Batch, options: SequenceOptions) -> None:
        self.network, self.batch, self.options = network, batch, options
        self.frames = MicroFrames(network, batch)
        banks: list[MemoryBank] = [Fifo() if batch.mode == "stack" else SelfSorting() for _ in range(self.frames.count)]
        self.memories = SequenceMemories(banks)
        self.total = batch.images.new_zeros(())
        self.shown: list[Tensor] = []
        self.true: list[Tensor] = []
        self.figures: dict[str, list[float]] = {"prompted": [], "others": [], "objectness": []}

    def run(self) -> tuple[Tensor, dict[str, float]]:
        for t in range(self.frames.length):
            if t == 1 and self.batch.bridge is not None:
                self._remember(t, self.batch.bridge, pinned=torch.zeros(self.frames.count, dtype=torch.bool))
                self.frames.neighbour_mask = self.batch.bridge
            elif 0 < t <= self.batch.rollout:
                with torch.no_grad():
                    self._roll_out(t)
            else:
                self._frame(t)
        if self.shown:
            lost = volume_loss(torch.cat(self.shown, 1), torch.cat(self.true, 1))
            self.total = self.total + self.options.volume * lost.mean()
        return self.total, {name: sum(v) / max(len(v), 1) for name, v in self.figures.items()}

    # ---- one frame -------------------------------------------------------------------------------------------------

    def _roll_out(self, t: int) -> None:
        """Propagate through a frame without a loss: what follows has the errors of a long run to live with."""
        nobody = [None] * self.frames.count
        recalled = self._recall(t)
        answer = self.frames.decode(t, self.frames.maps(t, list(nobody)), recalled)
        self._carry_on(t, answer, self.batch.masks[:, t], GivenPrompts(nobody, self.frames.device))

    def _frame(self, t: int) -> None:
        frames, batch, target = self.frames, self.batch, self.batch.masks[:, t]
        recalled = self._recall(t)
        prompts, correcting = draw_prompts(frames, self.options, t, recalled)
        given = GivenPrompts(prompts, frames.device)
        prompted, drawn = given.prompted, given.drawn
        maps = frames.maps(t, prompts, correcting)
        answer = frames.decode(t, maps, recalled)
        if given.anywhere:
            counts = (prompted & ~drawn).float()
            first = mask_bce(frames.full(answer[0]), target, self.options.balance)
            self._add(0.5 * first, counts)
            answer = frames.look_again(t, maps, answer, recalled, prompted)
            if t == 0 and batch.mode == "flow":
                answer = self._look_for_more(t, answer, target, counts)
        self._add_losses(t, answer, target, (~drawn).float(), has_memory=recalled[0] is not None or given.anywhere)
        if batch.mode == "stack" and not given.anywhere:
            self.shown.append(frames.full(answer[0]).float().sigmoid() * answer[2].sigmoid()[:, None, None, None])
            self.true.append(target)
        self._carry_on(t, answer, target, given)

    def _look_for_more(self, t: int, answer: Answer, target: Tensor, counts: Tensor) -> Answer:
        """In a flow, a look without the prompts at what else is of the prompted kind; see the network's ``segment``."""
        frames = self.frames
        free = frames.maps(t, [None] * frames.count)
        more = self.network.look_again(frames.features[t], free, answer, None, None, "flow")
        self._add(0.5 * mask_bce(frames.full(more[0]), target, self.options.balance), counts)
        return (torch.maximum(more[0], answer[0]), *more[1:])

    def _add_losses(self, t: int, answer: Answer, target: Tensor, counts: Tensor, *, has_memory: bool) -> None:
        """Losses of a frame against the true masks ``[B, 1, S, S]``, of the sequences where ``counts`` ``[B]`` is 1."""
        logits2, iou, objectness, score, carried = answer
        logits = self.frames.full(logits2)
        present = (target.sum((1, 2, 3)) > 0).float()
        loss = mask_bce(logits, target, self.options.balance) + dice_loss(logits, target)
        loss = loss + 0.3 * F.binary_cross_entropy_with_logits(objectness, present, reduction="none")
        loss = loss + self.options.calibration * calibration_loss(iou, logits, target)
        if has_memory:
            small4, small8 = pooled(target, score), pooled(target, carried)
            loss = loss + 0.2 * present * mask_bce(4.0 * score, small4, 0.5)
            loss = loss + 0.2 * present * ((carried - small8).square().mean((1, 2, 3)) * 4)
        self._add(loss, counts)
        with torch.no_grad():
            shown = torch.where((objectness > 0)[:, None, None, None], logits, torch.full_like(logits, -10))
            dice = 2 * (i := true_iou(shown, target)) / (1 + i)
            if (counts > 0).any():
                self.figures["prompted" if t == 0 else "others"].append(float(dice[counts > 0].mean()))
            self.figures["objectness"].append(float(((objectness > 0).float() == present).float().mean()))

    @torch.no_grad()
    def _carry_on(self, t: int, answer: Answer, target: Tensor, given: GivenPrompts) -> None:
        """Choose the mask that is remembered, the true one or the predicted one, and remember it."""
        if t + 1 == self.frames.length:
            return
        logits, iou, objectness = self.frames.full(answer[0]), answer[1], answer[2]
        true = (torch.rand(self.frames.count, device=self.frames.device) < self.options.teacher) | given.drawn
        remembered = torch.where(true[:, None, None, None], target, logits.sigmoid())
        confidence = torch.where(true, 1.0, (iou.sigmoid() * objectness.sigmoid()).float())
        seen = torch.where(true, target.amax((1, 2, 3)) > 0.5, ((logits > 0).any(-1).any(-1)[:, 0]) & (objectness > 0))
        seen = seen | given.says_where
        with torch.enable_grad():
            self._remember(t, remembered, pinned=given.prompted, confidence=confidence, seen=seen)
        if self.batch.mode == "stack":
            self.frames.neighbour_mask = remembered

    def _remember(
        self,
        t: int,
        mask: Tensor,
        *,
        pinned: Tensor,
        confidence: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> None:
        """Remember a frame, in the banks of those sequences that have the object there."""
        told = self.frames.descriptors[t]
        sure = confidence.tolist() if confidence is not None else [1.0] * self.frames.count
        pins = pinned.tolist()
        there = seen.tolist() if seen is not None else (mask.amax((1, 2, 3)) > 0.5).tolist()
        entries = [
            MemoryEntry(frame=t, confidence=sure[i], descriptor=told[i], pinned=pins[i], payload=None)
            if there[i]
            else None
            for i in range(self.frames.count)
        ]
        self.memories.add(t, self.network.memory.remember(self.frames.features[t], mask), entries)

    def _recall(self, t: int) -> Recalled:
        if not self.memories.tensors:
            return None, None
        alone = self.batch.mode == "stack" and float(torch.rand(())) < self.options.recent_dropout
        return self.memories.recall(t, self.frames.descriptors[t], pinned_only=alone)

    def _add(self, loss: Tensor, counts: Tensor) -> None:
        frames = self.frames
        self.total = self.total + (loss * counts).sum() / (frames.count * (frames.length - self.batch.rollout))
