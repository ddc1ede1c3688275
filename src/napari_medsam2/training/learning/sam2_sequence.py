"""Training sequences for SAM 2 and its descendants: frame by frame, with the memory banks of the session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ...memory_bank import Fifo, MemoryBank, SelfSorting
from ...memory_entry import MemoryEntry
from ...network.interface import ImageFeatures, Memory, Recall
from ...network.losses import dice_loss
from ...network.sam2.decoded import Decoded
from ...network.sam2.network import Sam2
from ...network.sam2.prompt_encoder import prompt_tokens
from ..data.batches import Batch
from .losses import mask_bce, true_iou


def sam2_sequence_loss(
    network: Sam2, batch: Batch, *, teacher: float, balance: float = 0.0, calibration: float = 0.3
) -> tuple[Tensor, dict[str, float]]:
    """Run sequences one after the other as a session would, and take the loss of every frame.

    Memories enter the bank that the session would use, first in, first out in a stack and self-sorting in a flow, and
    are picked up by its rules. Gradients pass through memory attention and the memory encoder. Where the network gives
    several masks, the best one learns to be better (as in SAM 2, arXiv 2408.00714), and all learn how good they are.

    Parameters
    ----------
    network
        In training mode, its input as large as the batch's images.
    batch
        Frame 0 is prompted, the others are reached through memory alone.
    teacher
        Chance that a remembered mask is the true one.
    balance
        See :func:`.losses.mask_bce`.
    calibration
        Weight of the squared error of the predicted IoU.

    Returns
    -------
    tuple
        The loss, and figures for the training curve.
    """
    runs = [_Sequence(network, batch, i, teacher, balance, calibration) for i in range(len(batch.prompts))]
    total = torch.stack([run.loss() for run in runs]).mean()
    figures = {
        "prompted": [dice for run in runs for dice in run.prompted],
        "others": [dice for run in runs for dice in run.others],
        "objectness": [hit for run in runs for hit in run.hits],
    }
    return total, {name: sum(values) / len(values) if values else float("nan") for name, values in figures.items()}


class _Sequence:
    """One sequence of a batch on its way through the network."""

    def __init__(
        self, network: Sam2, batch: Batch, index: int, teacher: float, balance: float, calibration: float
    ) -> None:
        self.network, self.mode = network, batch.mode
        self.images, self.masks = batch.images[index], batch.masks[index]
        self.prompt = batch.prompts[index]
        self.drawn = self.prompt.mask
        self.teacher, self.balance, self.calibration = teacher, balance, calibration
        self.bank: MemoryBank = Fifo() if batch.mode == "stack" else SelfSorting()
        self.prompted: list[float] = []
        self.others: list[float] = []
        self.hits: list[float] = []

    def loss(self) -> Tensor:
        length = len(self.images)
        levels = self.network.encode(self.images)
        losses = [self._frame(t, tuple(level[t : t + 1] for level in levels)) for t in range(length)]
        return torch.stack(losses).sum() / length

    def _frame(self, t: int, levels: tuple[Tensor, ...]) -> Tensor:
        network, target = self.network, self.masks[t : t + 1]
        *fine, coarse = levels
        average = F.normalize(coarse.detach().float().mean((2, 3))[0], dim=0).cpu()
        descriptor = np.asarray(average.numpy(), np.float64)
        if t == 0 and self.drawn:
            adopted = network.adopt(ImageFeatures(levels, average), target)
            self._remember(t, coarse, adopted.conditioned, descriptor, target, adopted.pointer, 1.0)
            return target.new_zeros(())
        recalls = self._recalls(t, descriptor) if t else []
        tokens = network.memory_tokens(recalls, mode=self.mode, n_frames=len(self.images))
        conditioned = network.attend(coarse, tokens)
        told = prompt_tokens(self.prompt.tensors(target.device) if t == 0 else None, target.device)
        runs = [network.decode(conditioned, tuple(fine), points, labels) for points, labels in told]
        several = network.config.behaviour.multimask and told[0][0].shape[1] <= 1
        loss, logits, iou = self._loss_of(t, runs, target, slice(1, None) if several else slice(0, 1))
        objectness = float(torch.cat([run.score for run in runs]).detach().amax().sigmoid())
        seen = [run for run in runs if run.score > 0] or runs
        pointer = torch.cat([run.pointer for run in seen]).mean(dim=0, keepdim=True)
        mask = (logits.sigmoid() if objectness > 0.5 else torch.zeros_like(logits)).detach()
        if float(torch.rand(())) < self.teacher:
            mask = target
        mask = F.interpolate(mask.float(), size=target.shape[-2:], mode="bilinear", align_corners=False)
        kept = pointer if network.config.behaviour.pointers else None
        self._remember(t, coarse, conditioned, descriptor, mask, kept, iou * objectness)
        return loss

    def _loss_of(
        self, t: int, runs: Sequence[Decoded], target: Tensor, candidates: slice
    ) -> tuple[Tensor, Tensor, float]:
        """The loss of a frame; the mask logits that a session would show ``[1, 1, h, w]``, and their predicted IoU."""
        found = [run.candidates for run in runs]
        logits = torch.cat([one.logits[:, candidates].amax(0, keepdim=True) for one in found]).amax(0)[:, None].float()
        ious = torch.cat([one.iou[:, candidates] for one in found]).mean(dim=0).float()
        score = torch.cat([one.score for one in found]).amax().float()
        small = F.adaptive_avg_pool2d(target, (logits.shape[-2], logits.shape[-1])).expand(len(logits), -1, -1, -1)
        present = (target.sum() > 0).float()
        masks = mask_bce(logits, small, self.balance) + dice_loss(logits, small)
        best = int(masks.detach().argmin())
        truth = true_iou(logits.detach(), small)
        loss = masks[best] + self.calibration * present * (ious - truth).square().mean()
        loss = loss + 0.3 * F.binary_cross_entropy_with_logits(score, present)
        with torch.no_grad():
            chosen = int(ious.argmax())
            shown = logits[chosen : chosen + 1] if score > 0 else torch.full_like(logits[:1], -10.0)
            overlap = float(true_iou(shown, small[:1]))
            (self.prompted if t == 0 else self.others).append(2 * overlap / (1 + overlap))
            self.hits.append(float((score > 0).float() == present))
        return loss, logits[chosen : chosen + 1], float(ious[chosen].detach())

    def _recalls(self, t: int, descriptor: npt.NDArray[np.float64]) -> list[Recall]:
        return [
            Recall(
                pick.entry.payload,
                weight=pick.weight,
                offset=pick.offset if self.mode == "stack" else None,
                pinned=pick.entry.pinned,
                slot=pick.slot if self.mode == "stack" else None,
                spatial=pick.spatial,
            )
            for pick in self.bank.pick(t, descriptor, n_frames=len(self.images))
        ]

    def _remember(
        self,
        t: int,
        coarse: Tensor,
        conditioned: Tensor | None,
        descriptor: npt.NDArray[np.float64],
        mask: Tensor,
        pointer: Tensor | None,
        confidence: float,
    ) -> None:
        """Offer a frame to the bank; as in the session, one without the object is not remembered."""
        if t and not bool((mask > 0.5).any()):
            return
        behaviour = self.network.config.behaviour
        source = conditioned if behaviour.conditioned_memory and conditioned is not None else coarse
        present = torch.ones((1, 1), dtype=torch.bool, device=mask.device)
        shown = (mask > 0.5).to(mask.dtype) if t == 0 else mask
        tokens = {"spatial": self.network.remember(source, shown, present)}
        if pointer is not None:
            tokens["pointer"] = pointer
        self.bank.add(MemoryEntry(t, confidence, descriptor, pinned=t == 0, payload=Memory(tokens)))
