"""The frames of a batch before the bundled network: encoded, with their prompts drawn as maps, and segmented."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ...network.micro.encoder import MicroFeatures
from ...network.micro.network import Answer, MicroNetwork
from ...network.micro.prompt_maps import draw_neighbour_image, prompt_maps
from ..data.batches import Batch
from ..data.prompts import GivenPrompts, SimulatedPrompt
from .micro_memories import Descriptors, Recalled


class MicroFrames:
    """A batch of ``B`` sequences, frame by frame.

    Parameters
    ----------
    network
        In training mode. Frames that are propagated through without a loss are encoded without gradients.
    batch
        Of stacks or flows.

    Attributes
    ----------
    features, descriptors
        Of each frame: what the network made of the images, and the image descriptors ``[B, D]``.
    neighbour_mask
        In a stack the masks ``[B, 1, S, S]`` that were carried on from the slice before; ``None`` before the first.
    """

    def __init__(self, network: MicroNetwork, batch: Batch) -> None:
        self.network, self.batch = network, batch
        self.count, self.length, _, self.size, _ = batch.images.shape
        self.device = batch.images.device
        self.features: dict[int, MicroFeatures] = {}
        self.descriptors: dict[int, Descriptors] = {}
        self.neighbour_mask: Tensor | None = None
        rolled_out = list(range(1, batch.rollout + 1))
        with torch.no_grad():
            self._encode(rolled_out)
        self._encode([t for t in range(self.length) if t not in rolled_out])

    def _encode(self, frames: list[int]) -> None:
        if not frames:
            return
        images = self.batch.images[:, frames].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features, descriptors = self.network.encode(images, self.batch.mode)
        split = [m.view(self.count, len(frames), *m.shape[1:]).unbind(1) for m in vars(features).values()]
        self.features |= {t: MicroFeatures(*maps) for t, *maps in zip(frames, *split, strict=True)}
        told = descriptors.detach().double().cpu().numpy().reshape(self.count, len(frames), -1)
        self.descriptors |= {t: told[:, k] for k, t in enumerate(frames)}

    # ---- what the network is given ---------------------------------------------------------------------------------

    def maps(self, t: int, prompts: list[SimulatedPrompt | None], correcting: Tensor | None = None) -> Tensor:
        """Prompt maps of frame ``t``, ``[B, len(PROMPT_MAPS), S/2, S/2]``.

        Frames without a prompt see the slice before, where there is one, those that are corrected the mask
        ``[B, 1, S, S]`` that they had, if there is anything in it.
        """
        maps, side, features = [], self.size // 2, self.features[t]
        mask, grey = self._neighbour(t)
        for i, prompt in enumerate(prompts):
            before, seen = (mask, grey) if prompt is None else (correcting, features.grey)
            one_before = before[i : i + 1] if before is not None and (prompt is None or before[i].any()) else None
            given = prompt.tensors(self.device) if prompt is not None and not prompt.mask else None
            one = prompt_maps(given, one_before, mode=self.batch.mode, side=side, device=self.device)
            if one_before is not None and seen is not None:
                one = draw_neighbour_image(one, features.grey[i : i + 1], seen[i : i + 1])
            maps.append(one)
        return torch.cat(maps)

    def _neighbour(self, t: int) -> tuple[Tensor | None, Tensor | None]:
        """Mask and grey values of the slice before, as they lie in the window of frame ``t``."""
        if self.neighbour_mask is None:
            return None, None
        mask, grey, windows = self.neighbour_mask, self.features[t - 1].grey, self.batch.windows
        if windows is None:
            return mask, grey
        old, new = windows[:, t - 1], windows[:, t]
        return carried_over(mask, old, new), carried_over(grey, old, new, padding="border")

    def truth(self, t: int) -> npt.NDArray[np.bool_]:
        """True masks of frame ``t``, ``[B, S, S]``."""
        return np.asarray((self.batch.masks[:, t, 0] > 0.5).cpu().numpy())

    # ---- what it answers -------------------------------------------------------------------------------------------

    def decode(self, t: int, maps: Tensor, recalled: Recalled) -> Answer:
        """Frame ``t`` with these maps and memories."""
        return self.network.decode(self.features[t], maps, *recalled, self.batch.mode)

    def look_again(self, t: int, maps: Tensor, answer: Answer, recalled: Recalled, prompted: Tensor) -> Answer:
        """The second look, on those sequences ``[B]`` whose frame is prompted; the others keep their answer."""
        again = self.network.look_again(self.features[t], maps, answer, *recalled, self.batch.mode)
        return _chosen(prompted, again, answer)

    def full(self, logits: Tensor) -> Tensor:
        """Mask logits at the size of the images."""
        return F.interpolate(logits, size=(self.size, self.size), mode="bilinear", align_corners=False)

    def found(
        self, t: int, prompts: list[SimulatedPrompt | None], correcting: Tensor | None, recalled: Recalled
    ) -> Tensor:
        """The masks ``[B, 1, S, S]`` with these prompts: what a session shows, thresholds apart."""
        maps = self.maps(t, prompts, correcting)
        answer = self.decode(t, maps, recalled)
        given = GivenPrompts(prompts, self.device)
        if given.anywhere:
            answer = self.look_again(t, maps, answer, recalled, given.prompted)
        there = given.says_where | (answer[2] > 0)
        return ((self.full(answer[0]) > 0) & there[:, None, None, None]).float()


def _chosen(which: Tensor, yes: Answer, no: Answer) -> Answer:
    """Of each sequence the one answer or the other."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(which.view(-1, *[1] * (a.ndim - 1)), a, b)

    logits, iou, objectness, score, carried = (pick(a, b) for a, b in zip(yes, no, strict=True))
    return logits, iou, objectness, score, carried


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
