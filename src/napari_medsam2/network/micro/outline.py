"""Outlines of what prompts show, drawn by MobileSAM: the bundled network says what is meant, this one where it ends.

A box is asked for twice, the second time with the first answer as a mask prompt. A click is ambiguous: of the four
masks that SAM offers (whole, part, subpart, and one for clear prompts) that is taken which the bundled network's own
answer is most like (Kirillov et al. 2023, arXiv 2304.02643, section 3, has the masks; the choice is ours). The others
are kept as further readings, for a box too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ...geometry.parts import parts_at
from ..interface import PromptTensors
from ..pretrained.mobile_sam import STRIDE, MobileSam
from ..readings import choose, told_apart
from ..resample import resize
from ..sam2.mask_decoder import Candidates
from .prompt_maps import prompt_maps

#: Outlines are no surer than this, in logits: what is remembered of them is to be weighed as an own answer is.
SUREST = 8.0


@dataclass(frozen=True)
class Outliner:
    """Asks MobileSAM for the outlines of one object on one network input.

    Attributes
    ----------
    sam
        The network.
    embedding
        Of the input, ``[1, C, h, w]``.
    size
        Side ``S`` of the input that prompts are given in.
    """

    sam: MobileSam
    embedding: Tensor
    size: int

    def around(self, prompts: PromptTensors, like: Tensor, own: Tensor) -> list[Tensor]:
        """Mask logits ``[1, 1, h, w]`` of what boxes or positive clicks show: the union, an outline for each.

        Of a single box or click all readings, that first which ``prompts.choosing`` chooses.

        Parameters
        ----------
        prompts
            At least one box or positive click, in pixels of the network input.
        like
            The bundled network's answer, logits ``[1, 1, H, W]``, which says what a click means.
        own
            Its answer as it would be without outlines, logits ``[1, 1, H, W]``: the second reading.
        """
        if len(prompts.boxes):
            offered = [self._of_box(box, prompts) for box in prompts.boxes]
        else:
            clicks = prompts.points[prompts.point_labels == 1]
            offered = [self._of_click(click, prompts, like) for click in clicks]
        if not prompts.is_one:
            return [torch.cat([outlines[0] for outlines in offered]).amax(0, keepdim=True).clamp(-SUREST, SUREST)]
        best, *others = offered[0]
        apart = told_apart([best, self._inside(own, prompts), *others])
        readings = [outline.clamp(-SUREST, SUREST) for outline in apart]
        chosen = choose(readings, prompts.choosing, self.size)
        return [readings.pop(chosen), *readings]

    def corrected(self, prompts: PromptTensors, before: Tensor) -> Tensor:
        """Mask logits ``[1, 1, h, w]`` of what clicks make of a mask ``before`` them, ``[1, 1, S, S]`` in 0..1.

        The mask is clear, and so is what is asked for.
        """
        asked = self._ask(prompts.points, prompts.point_labels, (2 * before - 1) * SUREST).logits
        return asked[:, :1].clamp(-SUREST, SUREST)

    def _inside(self, logits: Tensor, prompts: PromptTensors) -> Tensor:
        """Logits ``[1, 1, H, W]`` as those of outlines, and nothing beside boxes, where there are any."""
        if len(prompts.boxes):
            boxed = prompt_maps(prompts, None, mode="flow", side=logits.shape[-1], device=logits.device)[:, 2:3]
            logits = torch.where(boxed > 0.5, logits, -SUREST)
        side = STRIDE // 4 * self.embedding.shape[-1]
        return resize(logits, (side, side))

    def _of_box(self, box: Tensor, prompts: PromptTensors) -> list[Tensor]:
        """The outline in a box, with the clicks in it; then what else may be meant, the likeliest first."""
        corners = box.view(2, 2)
        inside = ((prompts.points >= corners[0]) & (prompts.points <= corners[1])).all(1)
        points = torch.cat([corners, prompts.points[inside]])
        labels = torch.cat([torch.tensor([2, 3], device=box.device), prompts.point_labels[inside]])
        first = self._ask(points, labels)
        again = self._ask(points, labels, first.logits[:, :1]).logits[:, :1]
        if not prompts.is_one:
            return [again]
        others = [1 + k for k in first.iou[0, 1:].argsort(descending=True).tolist()]
        return [again, *(first.logits[:, k : k + 1] for k in others)]

    def _of_click(self, click: Tensor, prompts: PromptTensors, like: Tensor) -> list[Tensor]:
        """The four outlines at a click, with all negative clicks, the most like the part of ``like`` it is on first.

        Those that the click is not on are none.
        """
        refused = prompts.points[prompts.point_labels == 0]
        points = torch.cat([click[None], refused])
        labels = torch.cat([torch.ones(1, device=click.device), torch.zeros(len(refused), device=click.device)]).long()
        offered = self._ask(points, labels).logits
        meant = resize(like, (offered.shape[-2], offered.shape[-1]))[0, 0] > 0
        x, y = ((click + 0.5) * offered.shape[-1] / self.size).long().clamp(0, offered.shape[-1] - 1).tolist()
        part = torch.from_numpy(parts_at(meant.cpu().numpy(), [(y, x)])).to(meant.device)
        meant = part if part.any() else meant
        found = offered[0] > 0
        shared = (found & meant).sum((1, 2)) / (found | meant).sum((1, 2)).clamp(min=1)
        best, *others = shared.argsort(descending=True, stable=True).tolist()
        order = [best, *(k for k in others if found[k, y, x])]
        return [offered[:, k : k + 1] for k in order]

    def _ask(self, points: Tensor, labels: Tensor, mask: Tensor | None = None) -> Candidates:
        """All four masks, logits ``[1, 4, h, w]``, for prompts ``[N, 2]`` in pixels of the network input."""
        scaled = (points + 0.5) * (STRIDE * self.embedding.shape[-1] / self.size) - 0.5
        return self.sam.ask(self.embedding, scaled[None], labels[None], mask)


def without_additions(logits: Tensor, outline: Tensor, boxes: Tensor) -> Tensor:
    """Logits ``[1, 1, h, w]`` as outlined where what goes beyond the outlines lies mostly in boxes, ``boxes`` of bool.

    In a box there is what was outlined, and neighbours that reach in, but nothing else of the kind.
    """
    added = ((logits > 0) & (outline <= 0))[0, 0].cpu().numpy()
    inside = boxes[0, 0].cpu().numpy()
    parts, count = ndimage.label(added)
    shares = ndimage.mean(inside, parts, np.arange(count + 1))
    refused = torch.from_numpy((np.asarray(shares)[parts] > 0.5) & added).to(logits.device)
    keeps = refused | (boxes & (logits <= 0))
    return torch.where(keeps, outline, torch.maximum(logits, outline))
