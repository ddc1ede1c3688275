"""Doubles: a network that segments bright blobs, deterministic and quick, and the sequences to go with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from napari_medsam2.images.contrast import Contrast
from napari_medsam2.models.device import Model
from napari_medsam2.network.interface import (
    ImageFeatures,
    Memory,
    Prediction,
    PromptTensors,
    Recall,
    SegmentationNetwork,
)
from napari_medsam2.prompts import BoxPrompt, PointPrompt
from napari_medsam2.session.session import Session
from napari_medsam2.types import Mode

#: Contrast that leaves uint8 images as they are.
PLAIN = Contrast(0, 255)


@dataclass(frozen=True)
class Call:
    """What the network was asked on one frame."""

    prompted: bool
    recalls: tuple[Recall, ...]
    mode: Mode
    neighbour_mask: Tensor | None
    prompts: PromptTensors | None


@dataclass
class Calls:
    encoded: int = 0
    segmented: list[Call] = field(default_factory=list)
    remembered: int = 0

    def clear(self) -> None:
        self.encoded, self.remembered = 0, 0
        self.segmented.clear()


class BlobNetwork(SegmentationNetwork):
    """Segments bright connected blobs: those prompted, else those that overlap the neighbouring frame's mask, else
    those whose colour is like the remembered ones. The brightness of the blob is the predicted IoU.

    Set ``fail_next`` to a list of exceptions to have the next calls raise them.
    """

    def __init__(self, image_size: int = 64) -> None:
        super().__init__()
        self.image_size = image_size
        self.uses_neighbour = True
        self.calls = Calls()
        self.fail_next: list[Exception] = []

    def encode_image(self, image: Tensor, mode: Mode = "stack", *, fine: Tensor | None = None) -> ImageFeatures:
        if self.fail_next:
            raise self.fail_next.pop(0)
        assert image.shape == (1, 3, self.image_size, self.image_size)
        self.calls.encoded += 1
        colour = image.amax((0, 2, 3)) + 1e-3
        return ImageFeatures((image,), colour / colour.norm())

    def segment(
        self,
        features: ImageFeatures,
        prompts: PromptTensors | None,
        recalls: Sequence[Recall],
        *,
        mode: Mode,
        neighbour_mask: Tensor | None = None,
        neighbour_image: Tensor | None = None,
        n_frames: int = 1,
    ) -> Prediction:
        self.calls.segmented.append(Call(prompts is not None, tuple(recalls), mode, neighbour_mask, prompts))
        if prompts is not None and prompts.mask is not None:
            return Prediction((prompts.mask - 0.5) * 20, iou=1.0, objectness=1.0)
        image = features.levels[0][0].numpy()
        blobs, count = ndimage.label(image.max(0) > 0.3)
        chosen = self._chosen(blobs, count, image, prompts, recalls, neighbour_mask)
        mask = np.isin(blobs, sorted(chosen))
        iou = float(image.max(0)[mask].mean()) if mask.any() else 0.1
        logits = torch.from_numpy(np.where(mask, 8.0, -8.0).astype(np.float32))[None, None]
        return Prediction(logits, iou=iou, objectness=0.95 if mask.any() else 0.05)

    def _chosen(self, blobs, count, image, prompts, recalls, neighbour_mask) -> set[int]:
        chosen: set[int] = set()
        if prompts is not None:
            pixels = prompts.points.round().long().clamp(0, self.image_size - 1).tolist()
            labels = prompts.point_labels.tolist()
            chosen |= {int(blobs[y, x]) for (x, y), label in zip(pixels, labels, strict=True) if label}
            for x0, y0, x1, y1 in (prompts.boxes.clamp(0, self.image_size) + 0.5).long().tolist():
                chosen |= set(np.unique(blobs[y0:y1, x0:x1]).tolist())
        if not chosen - {0} and neighbour_mask is not None:
            chosen |= set(np.unique(blobs[neighbour_mask[0, 0].numpy() > 0.5]).tolist())
        elif not chosen - {0} and recalls:
            like = torch.stack([r.memory.tokens["colour"][0] * r.weight for r in recalls]).mean(0).numpy() + 1e-6
            for blob in range(1, count + 1):
                colour = image[:, blobs == blob].mean(1)
                if np.abs(colour / np.linalg.norm(colour) - like / np.linalg.norm(like)).max() < 0.3:
                    chosen.add(blob)
        if prompts is not None:
            chosen -= {int(blobs[y, x]) for (x, y), label in zip(pixels, labels, strict=True) if not label}
        return chosen - {0}

    def encode_memory(self, features: ImageFeatures, prediction: Prediction, mask: Tensor, *, prompted: bool) -> Memory:
        assert mask.shape == (1, 1, self.image_size, self.image_size)
        self.calls.remembered += 1
        inside = (mask > 0).float()
        colour = (features.levels[0] * inside).sum((2, 3)) / inside.sum().clamp(min=1)
        return Memory({"colour": colour, "mask": inside})


def blob_model(*, region: bool = False, image_size: int = 64) -> Model:
    """A model around a new :class:`BlobNetwork`."""
    network = BlobNetwork(image_size).eval()
    return Model(name="blobs", network=network, device=torch.device("cpu"), region=region)


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    """Bool ``(H, W)``."""
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return (yy - y) ** 2 + (xx - x) ** 2 <= radius**2


def moving_disc(n_frames: int = 8, shape: tuple[int, int] = (64, 64), *, ends_after: int | None = None):
    """A bright disc that moves right, one pixel a frame; uint8 ``(T, H, W)`` and its masks."""
    masks = np.zeros((n_frames, *shape), bool)
    for t in range(n_frames if ends_after is None else ends_after):
        masks[t] = disc(shape, shape[0] / 2, shape[1] / 3 + t, 6)
    return np.where(masks, 204, 25).astype(np.uint8), masks


def stack_session(n_frames: int = 8, *, ends_after: int | None = None, region: bool = False, **options):
    """A session on a disc that moves right, and the true masks."""
    frames, masks = moving_disc(n_frames, ends_after=ends_after)
    return Session(blob_model(region=region), frames, mode="stack", contrast=PLAIN, **options), masks


def click(frame: int, masks, **options) -> PointPrompt:
    """A click in the middle of the true mask."""
    y, x = np.argwhere(masks[frame]).mean(axis=0)
    return PointPrompt(frame, float(y), float(x), **options)


def box(frame: int, masks, object_id: int = 1) -> BoxPrompt:
    pixels = np.argwhere(masks[frame])
    (y0, x0), (y1, x1) = pixels.min(0) - 0.5, pixels.max(0) + 0.5
    return BoxPrompt(frame, y0, x0, y1, x1, object_id)


def state(session: Session):
    """All that undo restores, to compare."""
    results = {key: r.mask.tobytes() for key, r in session.results.items()}
    memory = session.memory()
    entries = [] if memory is None else [(e.frame, e.pinned) for e in memory.entries]
    return session.prompts, results, entries


def command(*words: object) -> int:
    """Exit code of the command line with these words."""
    from napari_medsam2.cli import main as cli

    try:
        return cli.main([str(word) for word in words])
    except SystemExit as left:
        return int(left.code or 0)
