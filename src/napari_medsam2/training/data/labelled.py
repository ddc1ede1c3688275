"""Training batches from the user's own labelled images, seen as the session would see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...bounded_cache import BoundedCache
from ...errors import DatasetError
from ...geometry.boxes import box_of_mask
from ...geometry.window import Window, crop, crop_mask
from ...images.contrast import ContrastLike, usual_contrast
from ...images.datasets import Dataset
from ...segment.windows import RegionOptions, follow, grown, touches_border, window_around
from ...types import Mask, Mode
from ..config import TrainConfig
from ..flips import flipped
from ..mask_errors import bridge_over
from .batches import Batch
from .pairs import read_labelled
from .prompts import chance_of_few, simulate_prompt
from .split import Part, Split, split

Image = npt.NDArray[np.float32]


#: Prepared frames that are kept, in bytes.
_KEPT_BYTES = 256 << 20
#: Draws after which no object large enough is expected any more.
_TRIES = 50
#: Shares of box, clicks and mask among the prompts.
_PROMPTS = (0.5, 0.25, 0.25)


@dataclass(frozen=True)
class View:
    """How the session shows frames to a network.

    Attributes
    ----------
    whole
        Side of the network's input for whole frames, in pixels.
    window
        The same for windows around the object in stacks; ``None`` where there are no windows.
    """

    whole: int
    window: int | None


@dataclass(frozen=True)
class _Choice:
    """An object to train on: index of its part, its number there, and the frames that it is on."""

    part: int
    number: int
    frames: tuple[int, ...]


class LabelledBatches:
    """Makes the batch of any number from labelled data; the same number gives the same batch.

    A batch has sequences of one kind. Every dataset is as likely as any other, and so is every object in it, however
    many pixels it has. A sequence starts on a frame with the object, and may go on where the object is not.

    Parameters
    ----------
    config
        Names the data and how they are split.
    view
        Of the network.

    Raises
    ------
    DatasetError
        If there is nothing to train on.
    """

    def __init__(self, config: TrainConfig, view: View) -> None:
        self.config, self.view = config, view
        self._loaded: _Loaded | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Files are opened anew in a worker process that shares no memory with this one."""
        return {**self.__dict__, "_loaded": None}

    def load(self, parts: tuple[Part, ...] | None = None) -> None:
        """Open the files now; ``parts`` where they are at hand already."""
        self._loaded = _Loaded(open_labelled(self.config).split.training if parts is None else parts)

    def __call__(self, number: int, step: int) -> Batch:
        """Batch ``number``, which is used in step ``step``."""
        if self._loaded is None:
            self.load()
        loaded = self._loaded
        assert loaded is not None
        config = self.config
        rng = np.random.default_rng([config.seed, number])
        kinds = sorted(loaded.choices)
        mode: Mode = kinds[0] if len(kinds) == 1 else ("flow" if rng.random() < config.flows else "stack")
        size = self.view.whole if mode == "flow" or self.view.window is None else self.view.window
        length = config.first_length if step < config.steps // 5 else config.length
        length = max(2, min(length, loaded.shortest[mode]))
        count = max(1, round(config.pixels / (length * size * size)))
        bridged = mode == "stack" and self.view.window is not None and length > 2 and rng.random() < config.bridges
        sequences = [self._sequence(loaded, mode, length, size, rng, bridged) for _ in range(count)]
        few = chance_of_few(mode)
        prompts = [simulate_prompt(masks[0] > 0.5, rng, _PROMPTS, few=few) for _, masks, _ in sequences]
        bridges = [bridge_over(masks > 0.5, rng) for _, masks, _ in sequences] if bridged else None
        images, masks, windows = (torch.from_numpy(np.stack(kind)) for kind in zip(*sequences, strict=True))
        return Batch(
            images,
            masks[:, :, None],
            prompts,
            mode,
            torch.from_numpy(np.stack(bridges)).float()[:, None] if bridges is not None else None,
            windows=windows,
        )

    def _sequence(
        self, loaded: _Loaded, mode: Mode, length: int, size: int, rng: np.random.Generator, bridged: bool
    ) -> tuple[Image, Image, Image]:
        """Images ``[T, 3, S, S]`` and masks ``[T, S, S]`` of one object, which can be seen on the first, and windows
        ``[T, 4]``; see :attr:`.batches.Batch.windows`."""
        for _ in range(_TRIES):
            parts = loaded.choices[mode]
            objects = parts[rng.integers(len(parts))]
            choice = objects[rng.integers(len(objects))]
            dataset = loaded.parts[choice.part].dataset
            start = int(choice.frames[rng.integers(len(choice.frames))])
            if mode == "stack":
                frames = _walk(start, length, len(dataset.frames), int(rng.integers(0, 9)) if bridged else 0, rng)
            else:
                others = [t for t in range(len(dataset.frames)) if t != start]
                frames = [start, *rng.permutation(others)[: length - 1].tolist()]
            truths = [dataset.truth(t, choice.number) for t in frames]
            cropped = mode == "stack" and self.view.window is not None
            windows = _follow(truths, rng, bridged) if cropped else [Window.whole(truth.shape) for truth in truths]
            masks = np.concatenate([crop_mask(m, w, size)[0] for m, w in zip(truths, windows, strict=True)])
            if (masks[0] > 0.5).sum() < 4:
                continue
            images = np.concatenate(
                [crop(loaded.image(choice.part, t), w, size).numpy() for t, w in zip(frames, windows, strict=True)]
            )
            places = np.array([(w.y0, w.x0, w.size_y, w.size_x) for w in windows], np.float32)
            if self.config.flips:
                images, masks, places = flipped(images, masks, places, rng)
                images = recoloured(images, rng, together=mode == "stack")
            return np.ascontiguousarray(images, np.float32), np.ascontiguousarray(masks, np.float32), places
        raise DatasetError(
            f"the objects are too small: at {size} x {size} pixels, as the network sees the frames, fewer than "
            "4 pixels of them are left. Cut the images into smaller ones"
        )


class _Loaded:
    """Open data: what can be trained on by kind, contrast, and the frames prepared last."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        self.choices: dict[Mode, list[list[_Choice]]] = {}
        self.shortest: dict[Mode, int] = {}
        for index, part in enumerate(parts):
            where: dict[int, list[int]] = {number: [] for number in part.objects}
            for t, mask in enumerate(part.dataset.masks):
                for number in np.unique(mask).tolist():
                    if number in where:
                        where[number].append(t)
            objects = [_Choice(index, number, tuple(frames)) for number, frames in where.items() if frames]
            mode, length = part.dataset.mode, len(part.dataset.frames)
            if not objects or length < 2:
                continue
            self.choices.setdefault(mode, []).append(objects)
            self.shortest[mode] = min(self.shortest.get(mode, length), length) if mode == "flow" else 1 << 30
        if not self.choices:
            raise DatasetError("there is nothing to train on: no sequence of two frames or more has an object")
        self._contrast: dict[int, ContrastLike] = {}
        self._prepared: BoundedCache[tuple[int, int], Image] = BoundedCache(_KEPT_BYTES, _bytes)

    def image(self, part: int, frame: int) -> Image:
        """A frame in 0..1, by the contrast that a session would take."""
        return self._prepared.get((part, frame), partial(self._prepare, part, frame))

    def _prepare(self, part: int, frame: int) -> Image:
        dataset = self.parts[part].dataset
        if part not in self._contrast:
            self._contrast[part] = usual_contrast(dataset.frames, dataset.mode)
        return self._contrast[part].apply(dataset.frames[frame])


def _bytes(image: Image) -> int:
    """Memory that a frame ``(H, W, 3)`` takes, in bytes; a grey one is one plane that is shown three times."""
    return image.nbytes // (3 if image.strides[-1] == 0 else 1)


def _walk(start: int, length: int, n_frames: int, left_out: int, rng: np.random.Generator) -> list[int]:
    """Frames from ``start`` on in one direction, mostly where there is more room; back again from the stack's end.

    ``left_out`` slices after the first are skipped, as far as the stack goes.
    """
    up = rng.random() < (n_frames - 1 - start) / max(n_frames - 1, 1)
    position, step = start, 1 if up else -1
    frames = [start]
    room = n_frames - 1 - start if up else start
    position += step * min(left_out, max(room - length + 1, 0))
    for _ in range(length - 1):
        if not 0 <= position + step < n_frames:
            step = -step
        position += step
        frames.append(position)
    return frames


def _follow(truths: list[Mask], rng: np.random.Generator, bridged: bool) -> list[Window]:
    """Where a session would look for the object: around it on the prompted frame, then after the last frame's mask.

    The session follows what it found, which is not quite the truth: the windows are off by a little at random. With
    ``bridged`` the second frame lies farther on, and its window where the object is by then.
    """
    options = RegionOptions()
    shape = truths[0].shape[0], truths[0].shape[1]
    box = box_of_mask(truths[0])
    assert box is not None  # sequences start on a frame with the object
    windows = [shaken(window_around(box, shape, options.scale, options), rng)]
    for t, (before, now) in enumerate(pairwise(truths)):
        window = follow(windows[-1], now if bridged and t == 0 else before, options)
        if touches_border(now, window, options):
            window = grown(window, shape, options)
        windows.append(shaken(window, rng))
    return windows


def shaken(window: Window, rng: np.random.Generator) -> Window:
    """A window off by a little: its side by about 8 percent, its middle by about 3 percent of its side."""
    side = window.size_y * float(np.exp(rng.normal(0, 0.08)))
    off_y, off_x = rng.normal(0, 0.03, 2) * window.size_y
    centre_y, centre_x = window.y0 + window.size_y / 2 + off_y, window.x0 + window.size_x / 2 + off_x
    return Window(centre_y - side / 2, centre_x - side / 2, side, side)


def recoloured(images: Image, rng: np.random.Generator, *, together: bool) -> Image:
    """Brightness, contrast and gamma changed, and noise added: ``[T, 3, S, S]`` in 0..1.

    The frames change ``together``, as in a stack, or each a little on its own.
    """
    n_draws = 1 if together else len(images)

    def draw(spread: float) -> npt.NDArray[np.float32]:
        return (rng.normal(0, spread) + rng.normal(0, spread / 2, n_draws)).astype(np.float32)[:, None, None, None]

    changed: Image = np.clip(images, 0, 1) ** np.exp(draw(0.2))
    changed = (changed - 0.5) * np.exp(draw(0.15)) + 0.5 + draw(0.05)
    changed = changed + rng.normal(0, abs(rng.normal(0, 0.015)), images.shape).astype(np.float32)
    return np.clip(changed, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Opened:
    """The user's data, opened and split, and what should be said about them."""

    split: Split
    told: tuple[str, ...] = ()

    def batches(self, config: TrainConfig, view: View) -> LabelledBatches:
        """What is trained on, as batches."""
        made = LabelledBatches(config, view)
        made.load(self.split.training)
        return made


def open_labelled(config: TrainConfig) -> Opened:
    """Open the data that a configuration names.

    Raises
    ------
    DatasetError
        If they cannot be used; see :func:`.pairs.read_labelled` and :func:`.split.split`.
    """
    mode: Mode | None = None if config.mode == "auto" else config.mode
    found = read_labelled(config.data, mode=mode, labels=config.labels)
    parts = split(found.datasets, config.holdout, config.seed)
    kinds = [f"{d.name}: a {d.mode} of {len(d.frames)} frames, {_objects(d)}" for d in found.datasets]
    return Opened(parts, (*found.notes, *kinds, parts.told))


def _objects(dataset: Dataset) -> str:
    return "1 object" if len(dataset.objects) == 1 else f"{len(dataset.objects)} objects"
