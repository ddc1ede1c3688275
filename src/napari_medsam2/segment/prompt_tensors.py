"""The prompts of a frame in the pixels of one window of it, as the network takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from ..geometry.window import Window, contains, crop_mask, to_window
from ..network.interface import PromptTensors
from ..prompts import PointPrompt
from .task import FrameTask


def prompt_tensors(
    task: FrameTask, window: Window, shape: tuple[int, int], size: int, device: torch.device
) -> PromptTensors:
    """Prompts of a frame of shape ``(H, W)`` in a window of ``size`` network pixels.

    Clicks outside the window say nothing about what the network sees.
    """
    prompts = task.prompts
    correcting = task.correcting if task.corrects else None
    height, width = shape
    points = [p for p in prompts.points if contains(window, p.y, p.x)]
    boxes = [
        ((max(p.y0, -0.5), max(p.x0, -0.5)), (min(p.y1, height - 0.5), min(p.x1, width - 0.5))) for p in prompts.boxes
    ]
    choosing = [p for p in task.choosing if contains(window, p.y, p.x)]
    labelled = [(x, y, p.positive) for (x, y), p in zip(_places(choosing, window, size), choosing, strict=True)]
    corners = to_window(np.array(boxes, float).reshape(-1, 2, 2), window, size)
    return PromptTensors(
        points=torch.as_tensor(_places(points, window, size), dtype=torch.float32, device=device),
        point_labels=torch.tensor([int(p.positive) for p in points], dtype=torch.int64, device=device),
        boxes=torch.as_tensor(corners.reshape(-1, 4), dtype=torch.float32, device=device),
        mask=None if prompts.mask is None else crop_mask(prompts.mask, window, size).to(device),
        correcting=None if correcting is None else crop_mask(correcting, window, size).to(device),
        choosing=torch.tensor(labelled, dtype=torch.float32) if labelled else None,
    )


def _places(points: Sequence[PointPrompt], window: Window, size: int) -> npt.NDArray[np.float64]:
    """(x, y) of clicks in pixels of the network input, ``(N, 2)``."""
    return to_window(np.array([(p.y, p.x) for p in points], float).reshape(-1, 2), window, size)
