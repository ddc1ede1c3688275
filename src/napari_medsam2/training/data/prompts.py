"""Simulated prompts: what a user might have clicked, boxed or drawn, given the true mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ...geometry.boxes import box_of_mask
from ...geometry.parts import largest_error, largest_parts, most_interior
from ...network.interface import PromptTensors
from ...types import Mask, Mode

#: How often a prompt is a box, clicks, a mask, where nothing else is asked for.
PROMPT_SHARES = (0.55, 0.3, 0.15)
#: How often in a flow only a few of the things on a frame are prompted: they say which kind is meant.
_FEW_IN_FLOWS = 0.5


@dataclass(frozen=True)
class SimulatedPrompt:
    """Prompts of one frame in pixels, centre of the first pixel at (0, 0).

    ``points [N, 2]`` as (x, y) with ``labels [N]``, ``boxes [M, 4]`` as (x0, y0, x1, y1) outer edges; ``mask`` says
    that the true mask itself is given.
    """

    points: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float32]
    mask: bool = False

    @property
    def says_where(self) -> bool:
        """False if it only says where the object is not."""
        return self.mask or len(self.boxes) > 0 or bool((self.labels == 1).any())

    def tensors(self, device: torch.device | str) -> PromptTensors:
        """Clicks and boxes as the network takes them."""
        return PromptTensors(
            torch.from_numpy(self.points).to(device),
            torch.from_numpy(self.labels).to(device),
            torch.from_numpy(self.boxes).to(device),
        )


@dataclass(frozen=True)
class GivenPrompts:
    """The prompts of one frame of each sequence of a batch, and of which kind they are, bool ``[B]`` each.

    Attributes
    ----------
    prompts
        One a sequence, ``None`` where there is none.
    device
        Where the batch is.
    """

    prompts: Sequence[SimulatedPrompt | None]
    device: torch.device

    @property
    def anywhere(self) -> bool:
        """True if there is any prompt; known without asking the device."""
        return any(prompt is not None for prompt in self.prompts)

    @property
    def prompted(self) -> torch.Tensor:
        """Sequences that have a prompt."""
        return self._where(lambda prompt: True)

    @property
    def drawn(self) -> torch.Tensor:
        """Sequences whose true mask is given."""
        return self._where(lambda prompt: prompt.mask)

    @property
    def says_where(self) -> torch.Tensor:
        """Sequences whose prompt says where the object is, not only where it is not."""
        return self._where(lambda prompt: prompt.says_where)

    def _where(self, asked: Callable[[SimulatedPrompt], bool]) -> torch.Tensor:
        return torch.tensor([p is not None and asked(p) for p in self.prompts], device=self.device)


def together(first: SimulatedPrompt | None, second: SimulatedPrompt | None) -> SimulatedPrompt | None:
    """The prompts of one frame together; a mask is final, so nothing is added to it."""
    if first is None or second is None:
        return first or second
    if first.mask or second.mask:
        return first if first.mask else second
    points, labels = np.concatenate([first.points, second.points]), np.concatenate([first.labels, second.labels])
    return SimulatedPrompt(points, labels, np.concatenate([first.boxes, second.boxes]))


def prompt_shares(hollow: bool, shares: tuple[float, float, float] = PROMPT_SHARES) -> tuple[float, float, float]:
    """Shares of box, clicks and mask for one target; no boxes if it is ``hollow``: they would mean more than it."""
    return (0.0, *shares[1:]) if hollow else shares


def chance_of_few(mode: Mode) -> float:
    """How often only a few of many parts are prompted: in a stack all belong to one object."""
    return 0.0 if mode == "stack" else _FEW_IN_FLOWS


def corrective_click(truth: Mask, found: Mask) -> SimulatedPrompt | None:
    """A click in the middle of the largest error, ``None`` if there is none worth a click.

    Parameters
    ----------
    truth, found
        The true and the predicted mask, ``(H, W)``. Something missing gets a positive click, something too much a
        negative one.
    """
    error = largest_error(truth, found)
    if error is None or error[0].sum() < 8:
        return None
    part, missing = error
    y, x = most_interior(part)
    labels = np.array([int(missing)], np.int64)
    return SimulatedPrompt(np.array([[x, y]], np.float32), labels, np.zeros((0, 4), np.float32))


def simulate_prompt(
    mask: Mask,
    rng: np.random.Generator,
    shares: tuple[float, float, float] = PROMPT_SHARES,
    *,
    few: float = 0.0,
) -> SimulatedPrompt:
    """Draw a prompt for a mask ``(H, W)`` that is not empty.

    Parameters
    ----------
    shares
        Those of box, clicks and mask.
    few
        Chance that of many parts only one to three get a click or a box.
    """
    none = np.zeros((0, 2), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    kind = rng.choice(3, p=np.array(shares) / sum(shares))
    if kind == 2:
        return SimulatedPrompt(*none, mask=True)
    parts = largest_parts(mask, corners=False)
    parts = [p for p in parts if p.sum() >= 4] or parts[:1]
    if len(parts) > 1 and few and rng.random() < few:
        parts = [parts[k] for k in rng.permutation(len(parts))[: rng.integers(1, 4)]]
    if kind == 0:
        boxes = np.array([box_of_mask(p) for p in parts], np.float32)[:, [1, 0, 3, 2]]
        if rng.random() < 0.4:
            side = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
            boxes = boxes + rng.normal(0, 0.03, boxes.shape).astype(np.float32) * side
        return SimulatedPrompt(none[0], none[1], boxes)
    points, labels = [], []
    for part in parts:
        clicks = 1 if len(parts) > 1 or rng.random() < 0.7 else int(rng.integers(2, 4))
        for k in range(clicks):
            if k == 0 and rng.random() < 0.5:
                y, x = most_interior(part)
            else:
                inside = np.argwhere(part)
                y, x = inside[rng.integers(len(inside))]
            points.append((x, y))
            labels.append(1)
    if rng.random() < 0.2:
        outside = np.argwhere(~mask)
        for _ in range(int(rng.integers(1, 3)) if len(outside) else 0):
            y, x = outside[rng.integers(len(outside))]
            points.append((x, y))
            labels.append(0)
    return SimulatedPrompt(np.array(points, np.float32), np.array(labels, np.int64), none[2])
