"""One training sequence run as inference would run it, frame by frame, and the loss of every frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.interface import PromptTensors
from ..network.micro import MicroFeatures, MicroMemory, MicroNetwork, pooled
from ..network.prompt_maps import prompt_maps
from .data import Batch
from .losses import calibration_loss, dice_loss, mask_bce, true_iou

#: Chance that a frame of a stack recalls the prompted frame alone: memories of late slices may be wrong.
RECENT_DROPOUT = 0.4


def sequence_loss(
    network: MicroNetwork, batch: Batch, *, teacher: float, balance: float = 0.5
) -> tuple[Tensor, dict[str, float]]:
    """Run a batch of sequences as inference would, frame by frame, and judge every frame.

    Parameters
    ----------
    network
        In training mode.
    batch
        Frame 0 is prompted, the others are reached through memory alone.
    teacher
        Chance that a remembered mask is the true one.
    balance
        See :func:`.losses.mask_bce`.

    Returns
    -------
    tuple
        The loss, and figures for the training curve.
    """
    b, length, _, size, _ = batch.images.shape
    device = batch.images.device
    features, _ = network.encode(batch.images.flatten(0, 1).contiguous(memory_format=torch.channels_last))

    def frame(t: int) -> MicroFeatures:
        return MicroFeatures(*(m.view(b, length, *m.shape[1:])[:, t] for m in vars(features).values()))

    drawn = torch.tensor([p.mask for p in batch.prompts], device=device)
    memories: list[MicroMemory] = []
    previous: Tensor | None = None
    total = batch.images.new_zeros(())
    figures: dict[str, list[float]] = {"prompted": [], "others": [], "objectness": []}
    for t in range(length):
        target = batch.masks[:, t]
        if t == 1 and batch.bridge is not None:
            previous = batch.bridge
            memories.append(network.memory.remember(frame(t), batch.bridge))
            continue
        maps = _maps(batch, t, previous, size // 2, device)
        bank, weights = None, None
        if memories:
            kept = memories[:1] if batch.ordered and float(torch.rand(())) < RECENT_DROPOUT else memories
            bank = MicroMemory.cat(kept)
            weights = _weights(b, len(kept), batch.ordered, device)
        logits2, iou, objectness, score, carried = network.decode(frame(t), maps, bank, weights, batch.ordered)
        if t == 0:
            # Second look, as in inference: what the prompts alone gave is remembered, and finds what else is alike.
            bank = network.memory.remember(frame(t), _full(logits2, size).sigmoid().detach())
            weights = torch.ones(b, 1, device=device)
            total = total + 0.5 * ((mask_bce(_full(logits2, size), target, balance)) * (~drawn)).sum() / (b * length)
            logits2, iou, objectness, score, carried = network.decode(frame(t), maps, bank, weights, batch.ordered)
        logits = _full(logits2, size)
        counts = torch.ones(b, device=device)
        if t == 0:
            counts = (~drawn).float()
        present = (target.sum((1, 2, 3)) > 0).float()
        loss = mask_bce(logits, target, balance) + dice_loss(logits, target)
        loss = loss + 0.3 * F.binary_cross_entropy_with_logits(objectness, present, reduction="none")
        loss = loss + 0.3 * calibration_loss(iou, logits, target)
        if bank is not None:
            small4 = pooled(target, score)
            small8 = pooled(target, carried)
            loss = loss + 0.2 * present * mask_bce(4.0 * score, small4, 0.5)
            loss = loss + 0.2 * present * ((carried - small8).square().mean((1, 2, 3)) * 4)
        total = total + (loss * counts).sum() / (b * length)
        with torch.no_grad():
            shown = torch.where((objectness > 0)[:, None, None, None], logits, torch.full_like(logits, -10))
            dice = 2 * (i := true_iou(shown, target)) / (1 + i)
            judged = counts > 0
            if judged.any():
                figures["prompted" if t == 0 else "others"].append(float(dice[judged].mean()))
            figures["objectness"].append(float(((objectness > 0).float() == present).float().mean()))
            prob = logits.sigmoid()
            true = torch.rand(b, device=device) < teacher
            if t == 0:
                true = true | drawn
            remembered = torch.where(true[:, None, None, None], target, prob)
            if batch.ordered:
                previous = remembered
        if t + 1 < length:
            memories.append(network.memory.remember(frame(t), remembered))
    return total, {k: sum(v) / max(len(v), 1) for k, v in figures.items()}


def _full(logits: Tensor, size: int) -> Tensor:
    return F.interpolate(logits, size=(size, size), mode="bilinear", align_corners=False)


def _weights(b: int, n: int, ordered: bool, device: torch.device) -> Tensor:
    """Pick-up weights: equal in stacks, unequal by chance in flows, so that the network meets both."""
    if ordered:
        return torch.ones(b, n, device=device)
    return n * torch.softmax(torch.randn(b, n, device=device) * torch.rand(b, 1, device=device), 1)


def _maps(batch: Batch, t: int, previous: Tensor | None, side: int, device: torch.device) -> Tensor:
    maps = []
    for i, prompt in enumerate(batch.prompts):
        given = None
        if t == 0 and not prompt.mask:
            given = PromptTensors(
                torch.from_numpy(prompt.points).to(device),
                torch.from_numpy(prompt.labels).to(device),
                torch.from_numpy(prompt.boxes).to(device),
            )
        before = previous[i : i + 1] if previous is not None else None
        maps.append(prompt_maps(given, before, ordered=batch.ordered, side=side, device=device))
    return torch.cat(maps)
