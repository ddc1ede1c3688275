"""One training sequence run as inference would run it, frame by frame, and the loss of every frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ...memory_bank import Fifo, MemoryBank, MemoryEntry, SelfSorting
from ...network.losses import dice_loss
from ...network.micro.encoder import MicroFeatures, pooled
from ...network.micro.memory import MicroMemory
from ...network.micro.network import Answer, MicroNetwork
from ...network.micro.prompt_maps import draw_neighbour_image, prompt_maps
from ..data.batches import Batch
from ..data.prompts import (
    GivenPrompts,
    SimulatedPrompt,
    chance_of_few,
    corrective_click,
    prompt_shares,
    simulate_prompt,
    together,
)
from ..mask_errors import with_large_error
from .losses import calibration_loss, mask_bce, true_iou, volume_loss

#: Image descriptors of one frame of each sequence, ``[B, D]``.
Descriptors = npt.NDArray[np.float64]


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


@dataclass
class _Memories:
    """What each sequence of a batch remembers: the tensors of every frame so far, and a bank as in inference."""

    banks: list[MemoryBank]
    frames: list[int] = field(default_factory=list)
    tensors: list[MicroMemory] = field(default_factory=list)

    def add(self, t: int, memory: MicroMemory, entries: list[MemoryEntry | None]) -> None:
        self.frames.append(t)
        self.tensors.append(memory)
        for bank, entry in zip(self.banks, entries, strict=True):
            if entry is not None:
                bank.add(entry)

    def recall(self, t: int, descriptors: Descriptors, *, pinned_only: bool) -> tuple[MicroMemory, Tensor]:
        """What the banks pick up for frame ``t``: entries of the batch and their weights ``[B, n]``."""
        slot = {frame: k for k, frame in enumerate(self.frames)}
        weights = torch.zeros(len(self.banks), len(self.frames))
        for row, bank in enumerate(self.banks):
            for pick in bank.pick(t, descriptors[row], n_frames=t + 1, reverse=False):
                if pick.spatial and (pick.entry.pinned or not pinned_only):
                    weights[row, slot[pick.entry.frame]] = pick.weight
        return MicroMemory.cat(self.tensors), weights.to(self.tensors[0].gram.device)


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
        self.count, self.length, _, self.size, _ = batch.images.shape
        self.device = batch.images.device
        self._features: dict[int, MicroFeatures] = {}
        self._descriptors: dict[int, Descriptors] = {}
        rolled_out = list(range(1, batch.rollout + 1))
        with torch.no_grad():
            self._encode(rolled_out)
        self._encode([t for t in range(self.length) if t not in rolled_out])
        self.memories = _Memories([Fifo() if batch.mode == "stack" else SelfSorting() for _ in range(self.count)])
        self.neighbour_mask: Tensor | None = None
        self.total = batch.images.new_zeros(())
        self.shown: list[Tensor] = []
        self.true: list[Tensor] = []
        self.figures: dict[str, list[float]] = {"prompted": [], "others": [], "objectness": []}

    def run(self) -> tuple[Tensor, dict[str, float]]:
        for t in range(self.length):
            if t == 1 and self.batch.bridge is not None:
                self._remember(t, self.batch.bridge, pinned=torch.zeros(self.count, dtype=torch.bool))
                self.neighbour_mask = self.batch.bridge
            elif 0 < t <= self.batch.rollout:
                with torch.no_grad():
                    self._roll_out(t)
            else:
                self._frame(t)
        if self.shown:
            lost = volume_loss(torch.cat(self.shown, 1), torch.cat(self.true, 1))
            self.total = self.total + self.options.volume * lost.mean()
        return self.total, {name: sum(v) / max(len(v), 1) for name, v in self.figures.items()}

    def _encode(self, frames: list[int]) -> None:
        if not frames:
            return
        images = self.batch.images[:, frames].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features, descriptors = self.network.encode(images)
        split = [m.view(self.count, len(frames), *m.shape[1:]).unbind(1) for m in vars(features).values()]
        self._features |= {t: MicroFeatures(*maps) for t, *maps in zip(frames, *split, strict=True)}
        told = descriptors.detach().double().cpu().numpy().reshape(self.count, len(frames), -1)
        self._descriptors |= {t: told[:, k] for k, t in enumerate(frames)}

    # ---- one frame -------------------------------------------------------------------------------------------------

    def _roll_out(self, t: int) -> None:
        """Propagate through a frame without a loss: what follows has the errors of a long run to live with."""
        answer = self._unprompted(t, *self._recall(t))
        nothing = GivenPrompts([None] * self.count, self.device)
        self._carry_on(t, answer, self.batch.masks[:, t], nothing)

    def _frame(self, t: int) -> None:
        batch, target = self.batch, self.batch.masks[:, t]
        features = self._features[t]
        memory, weights = self._recall(t)
        prompts, correcting = self._prompts(t, memory, weights)
        given = GivenPrompts(prompts, self.device)
        prompted, drawn = given.prompted, given.drawn
        maps = self._maps(t, features, prompts, correcting)
        answer = self.network.decode(features, maps, memory, weights, batch.mode)
        if given.anywhere:
            counted = (prompted & ~drawn).float()
            first = mask_bce(self._full(answer[0]), target, self.options.balance)
            self._add(0.5 * first, counted)
            again = self.network.look_again(features, maps, answer, memory, weights, batch.mode)
            answer = _chosen(prompted, again, answer)
            if t == 0 and batch.mode == "flow":
                answer = self._look_for_more(t, features, answer, target, counted)
        self._add_losses(t, answer, target, (~drawn).float(), has_memory=memory is not None or given.anywhere)
        if batch.mode == "stack" and not given.anywhere:
            self.shown.append(self._full(answer[0]).float().sigmoid() * answer[2].sigmoid()[:, None, None, None])
            self.true.append(target)
        self._carry_on(t, answer, target, given)

    def _look_for_more(self, t: int, features: MicroFeatures, answer: Answer, target: Tensor, counts: Tensor) -> Answer:
        """In a flow, a look without the prompts at what else is of the prompted kind; see the network's ``segment``."""
        free = self._maps(t, features, [None] * self.count)
        more = self.network.look_again(features, free, answer, None, None, "flow")
        self._add(0.5 * mask_bce(self._full(more[0]), target, self.options.balance), counts)
        return (torch.maximum(more[0], answer[0]), *more[1:])

    def _unprompted(self, t: int, memory: MicroMemory | None, weights: Tensor | None) -> Answer:
        """What memory and the slice before say about frame ``t``."""
        features = self._features[t]
        maps = self._maps(t, features, [None] * self.count)
        return self.network.decode(features, maps, memory, weights, self.batch.mode)

    def _add_losses(self, t: int, answer: Answer, target: Tensor, counts: Tensor, *, has_memory: bool) -> None:
        logits2, iou, objectness, score, carried = answer
        logits = self._full(logits2)
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
        if t + 1 == self.length:
            return
        logits, iou, objectness = self._full(answer[0]), answer[1], answer[2]
        true = (torch.rand(self.count, device=self.device) < self.options.teacher) | given.drawn
        remembered = torch.where(true[:, None, None, None], target, logits.sigmoid())
        confidence = torch.where(true, 1.0, (iou.sigmoid() * objectness.sigmoid()).float())
        seen = torch.where(true, target.amax((1, 2, 3)) > 0.5, ((logits > 0).any(-1).any(-1)[:, 0]) & (objectness > 0))
        seen = seen | given.says_where
        with torch.enable_grad():
            self._remember(t, remembered, pinned=given.prompted, confidence=confidence, seen=seen)
        if self.batch.mode == "stack":
            self.neighbour_mask = remembered

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
        told = self._descriptors[t]
        sure = confidence.tolist() if confidence is not None else [1.0] * self.count
        pins = pinned.tolist()
        there = seen.tolist() if seen is not None else (mask.amax((1, 2, 3)) > 0.5).tolist()
        entries = [
            MemoryEntry(frame=t, confidence=sure[i], descriptor=told[i], pinned=pins[i], payload=None)
            if there[i]
            else None
            for i in range(self.count)
        ]
        self.memories.add(t, self.network.memory.remember(self._features[t], mask), entries)

    # ---- prompts ---------------------------------------------------------------------------------------------------

    def _prompts(
        self, t: int, memory: MicroMemory | None, weights: Tensor | None
    ) -> tuple[list[SimulatedPrompt | None], Tensor | None]:
        """Prompts of frame ``t``, on a later one mostly none, and where they correct it, the masks that it had."""
        given: list[SimulatedPrompt | None] = [None] * self.count
        if t == 0:
            given = list(self.batch.prompts)
            if self.batch.mode == "stack" and float(torch.rand(())) < self.options.corrections:
                given, _ = self._corrected(t, given, memory, weights)
            return given, None
        chance = self.options.prompts_stack if self.batch.mode == "stack" else self.options.prompts_flow
        if float(torch.rand(())) >= chance:
            return given, None
        if float(torch.rand(())) < 0.5:
            return self._corrected(t, given, memory, weights)
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        hollow = self.batch.hollow or (False,) * self.count
        pairs = zip(self._truth(t), map(prompt_shares, hollow), strict=True)
        few = chance_of_few(self.batch.mode)
        return [simulate_prompt(m, rng, shares, few=few) if m.sum() >= 8 else None for m, shares in pairs], None

    @torch.no_grad()
    def _corrected(
        self, t: int, prompts: list[SimulatedPrompt | None], memory: MicroMemory | None, weights: Tensor | None
    ) -> tuple[list[SimulatedPrompt | None], Tensor | None]:
        """Up to three clicks more where the answer to the prompts is wrong, and the masks ``[B, 1, H, W]`` of before.

        As in a session, those are shown to the network with the clicks where the frame had no prompt. Where the object
        is not on a frame, a negative click can say so.
        """
        truth = self._truth(t)
        found = self._found(t, prompts, None, memory, weights)
        if t:
            found = self._with_errors(found)
        correcting = found if t else None
        for k in range(1 + int(torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 1))):
            if k:
                found = self._found(t, prompts, correcting, memory, weights)
            wrong = zip(truth, found[:, 0].cpu().numpy() > 0.5, strict=True)
            clicks = [corrective_click(m, f) if m.sum() >= 8 or not m.any() else None for m, f in wrong]
            prompts = [together(p, click) for p, click in zip(prompts, clicks, strict=True)]
        return prompts, correcting

    def _with_errors(self, found: Tensor) -> Tensor:
        """Masks ``[B, 1, H, W]`` of which some have a large error: those of the network are mostly small, and a click
        in a small one says little."""
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        masks = found[:, 0].cpu().numpy() > 0.5
        wrong = [with_large_error(mask, rng) if rng.random() < self.options.large_errors else mask for mask in masks]
        return torch.from_numpy(np.stack(wrong)).to(found)[:, None]

    def _found(
        self,
        t: int,
        prompts: list[SimulatedPrompt | None],
        correcting: Tensor | None,
        memory: MicroMemory | None,
        weights: Tensor | None,
    ) -> Tensor:
        """The masks ``[B, 1, H, W]`` with these prompts: what a session shows, thresholds apart."""
        features, mode = self._features[t], self.batch.mode
        maps = self._maps(t, features, prompts, correcting)
        answer = self.network.decode(features, maps, memory, weights, mode)
        given = GivenPrompts(prompts, self.device)
        if given.anywhere:
            again = self.network.look_again(features, maps, answer, memory, weights, mode)
            answer = _chosen(given.prompted, again, answer)
        there = given.says_where | (answer[2] > 0)
        return ((self._full(answer[0]) > 0) & there[:, None, None, None]).float()

    def _truth(self, t: int) -> npt.NDArray[np.bool_]:
        return np.asarray((self.batch.masks[:, t, 0] > 0.5).cpu().numpy())

    def _maps(
        self, t: int, features: MicroFeatures, prompts: list[SimulatedPrompt | None], correcting: Tensor | None = None
    ) -> Tensor:
        """Prompt maps of frame ``t``.

        Frames without a prompt see the slice before, where there is one, those that are corrected their ``correcting``
        mask, if there is anything in it.
        """
        maps, side = [], self.size // 2
        mask, grey = self._before(t)
        for i, prompt in enumerate(prompts):
            before, seen = (mask, grey) if prompt is None else (correcting, features.grey)
            one_before = before[i : i + 1] if before is not None and (prompt is None or before[i].any()) else None
            given = prompt.tensors(self.device) if prompt is not None and not prompt.mask else None
            one = prompt_maps(given, one_before, mode=self.batch.mode, side=side, device=self.device)
            if one_before is not None and seen is not None:
                one = draw_neighbour_image(one, features.grey[i : i + 1], seen[i : i + 1])
            maps.append(one)
        return torch.cat(maps)

    def _before(self, t: int) -> tuple[Tensor | None, Tensor | None]:
        """Mask and grey values of the slice before, as they lie in the window of frame ``t``."""
        if self.neighbour_mask is None:
            return None, None
        mask, grey, windows = self.neighbour_mask, self._features[t - 1].grey, self.batch.windows
        if windows is None:
            return mask, grey
        old, new = windows[:, t - 1], windows[:, t]
        return carried_over(mask, old, new), carried_over(grey, old, new, padding="border")

    # ---- small things ----------------------------------------------------------------------------------------------

    def _recall(self, t: int) -> tuple[MicroMemory | None, Tensor | None]:
        if not self.memories.tensors:
            return None, None
        alone = self.batch.mode == "stack" and float(torch.rand(())) < self.options.recent_dropout
        return self.memories.recall(t, self._descriptors[t], pinned_only=alone)

    def _full(self, logits: Tensor) -> Tensor:
        return F.interpolate(logits, size=(self.size, self.size), mode="bilinear", align_corners=False)

    def _add(self, loss: Tensor, counts: Tensor) -> None:
        self.total = self.total + (loss * counts).sum() / (self.count * (self.length - self.batch.rollout))


def carried_over(maps: Tensor, old: Tensor, new: Tensor, padding: str = "zeros") -> Tensor:
    """What was seen in one window, as it lies in another.

    Parameters
    ----------
    maps
        ``[B, C, H, W]``, filling the old windows.
    old, new
        Windows ``[B, 4]`` as (y0, x0, height, width).
    padding
        What is outside the old window; see :func:`torch.nn.functional.grid_sample`.
    """
    scale = new[:, 2:] / old[:, 2:]
    shift = 2 * (new[:, :2] + new[:, 2:] / 2 - old[:, :2] - old[:, 2:] / 2) / old[:, 2:]
    theta = torch.zeros(len(maps), 2, 3, device=maps.device)
    theta[:, 0, 0], theta[:, 0, 2] = scale[:, 1], shift[:, 1]
    theta[:, 1, 1], theta[:, 1, 2] = scale[:, 0], shift[:, 0]
    grid = F.affine_grid(theta, list(maps.shape), align_corners=False)
    return F.grid_sample(maps.float(), grid, padding_mode=padding, align_corners=False)


def _chosen(which: Tensor, yes: Answer, no: Answer) -> Answer:
    """Of each sequence the one answer or the other."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(which.view(-1, *[1] * (a.ndim - 1)), a, b)

    logits, iou, objectness, score, carried = (pick(a, b) for a, b in zip(yes, no, strict=True))
    return logits, iou, objectness, score, carried
