"""Prompts drawn as maps beside the features: the bundled network learns far faster from maps than from tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...types import Mode
from ..interface import PromptTensors

#: Order of the dense prompt maps: clicks, boxes, the neighbouring frame's mask, three constant flags, and what the
#: neighbouring frame looked like: its grey values, and how much brighter the current frame is. A frame that is
#: corrected is its own neighbour.
PROMPT_MAPS = (
    "positive",
    "negative",
    "box",
    "neighbour mask",
    "has prompt",
    "has neighbour",
    "stack",
    "neighbour grey",
    "change",
)


def prompt_maps(
    prompts: PromptTensors | None, neighbour_mask: Tensor | None, *, mode: Mode, side: int, device: torch.device | str
) -> Tensor:
    """Draw prompts as maps, at half the network input's resolution.

    Parameters
    ----------
    prompts
        Clicks and boxes in pixels of the network input.
    neighbour_mask
        Mask probabilities of the neighbouring frame ``[1, 1, 2 * side, 2 * side]``, or of this one before its clicks.
    mode
        Stack or flow.
    side
        Of the maps.

    Returns
    -------
    Tensor
        ``[1, len(PROMPT_MAPS), side, side]``: clicks as soft discs, boxes as coverage of each pixel, and flags.
    """
    maps = torch.zeros(1, len(PROMPT_MAPS), side, side, device=device)
    if prompts is not None and len(prompts.points):
        centre = (torch.arange(side, device=device) * 2.0 + 0.5)[None]
        x, y = prompts.points[:, :1], prompts.points[:, 1:]
        spread = 2.0 * (side / 40.0) ** 2 * 4.0
        discs = torch.exp(-((centre - y) ** 2)[:, :, None] / spread) * torch.exp(-((centre - x) ** 2)[:, None] / spread)
        for channel, label in ((0, 1), (1, 0)):
            chosen = discs[prompts.point_labels == label]
            if len(chosen):
                maps[0, channel] = chosen.amax(0)
    if prompts is not None and len(prompts.boxes):
        edge = torch.arange(side, device=device)[None] * 2.0 - 0.5  # lower edge of each map pixel
        x0, y0, x1, y1 = prompts.boxes.split(1, 1)
        across = ((torch.minimum(x1, edge + 2) - torch.maximum(x0, edge)) / 2).clamp(0, 1)
        along = ((torch.minimum(y1, edge + 2) - torch.maximum(y0, edge)) / 2).clamp(0, 1)
        maps[0, 2] = (along[:, :, None] * across[:, None]).amax(0)
    if neighbour_mask is not None:
        maps[:, 3:4] = F.avg_pool2d(neighbour_mask, 2)
    maps[:, 4] = float(prompts is not None and bool(len(prompts.points) or len(prompts.boxes)))
    maps[:, 5] = float(neighbour_mask is not None)
    maps[:, 6] = float(mode == "stack")
    return maps


def draw_neighbour_image(maps: Tensor, grey: Tensor, neighbour_grey: Tensor) -> Tensor:
    """The maps with the last two channels filled in.

    Parameters
    ----------
    maps
        ``[B, len(PROMPT_MAPS), side, side]``; not changed.
    grey, neighbour_grey
        The current and the neighbouring frame in the same window, ``[B, 1, side, side]``, as the network sees them.
    """
    return torch.cat([maps[:, :-2], neighbour_grey, grey - neighbour_grey], 1)
