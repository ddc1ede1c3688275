"""What is learned from: each accepted frame as a session sees it that has the other accepted frames as templates.

All that stays as it is while the decoder's finest layers learn is computed once: features, and the decoder's answer at
strides 8 and 4 with the memory of the others. In a stack the nearest of them is also the neighbouring slice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...geometry.boxes import box_of_mask
from ...geometry.window import Window, crop, crop_mask
from ...images.contrast import ContrastLike, usual_contrast
from ...images.datasets import Dataset
from ...models.device import Model
from ...network.micro.decoder import CoarseAnswer
from ...network.micro.encoder import MicroFeatures, grey_of
from ...network.micro.memory import MicroMemory
from ...network.micro.network import MicroNetwork
from ...network.micro.prompt_maps import draw_neighbour_image, prompt_maps
from ...segment.augmentation import make_adaptation_set
from ...segment.windows import RegionOptions, window_around
from ...types import Mask
from ..data.labelled import shaken

#: Views of each frame beside the one that a session has, and examples in all from which on there are fewer.
VIEWS, MOST = 4, 200


@dataclass(frozen=True, eq=False)
class Examples:
    """``N`` of them.

    Attributes
    ----------
    features, coarse
        Of which the decoder's finest layers make masks.
    masks
        What is right, ``[N, 1, S, S]`` in 0..1.
    frames
        Of which frame each is.
    plain
        Whether it is what a session sees, and no other view of it.
    """

    features: MicroFeatures
    coarse: CoarseAnswer
    masks: Tensor
    frames: tuple[int, ...]
    plain: tuple[bool, ...]

    def only(self, which: Sequence[int]) -> Examples:
        """Some of them."""
        chosen = torch.tensor(list(which), device=self.masks.device)
        features = MicroFeatures(*(tensor[chosen] for tensor in vars(self.features).values()))
        coarse = CoarseAnswer(*(tensor[chosen] for tensor in vars(self.coarse).values()))
        frames, plain = tuple(self.frames[k] for k in which), tuple(self.plain[k] for k in which)
        return Examples(features, coarse, self.masks[chosen], frames, plain)


@dataclass(frozen=True, eq=False)
class _Template:
    """An accepted frame that has an object: its mask, the window around it, and what is remembered of it."""

    frame: int
    mask: Mask
    window: Window
    memory: MicroMemory


def n_examples(dataset: Dataset, frames: Sequence[int]) -> int:
    """How many there will be at most."""
    present = sum(bool(dataset.truth(t, number).any()) for number in dataset.objects for t in frames)
    return present * (1 + _views(present))


def _views(present: int) -> int:
    return max(1, min(VIEWS, MOST // max(present, 1) - 1))


class ExampleMaker:
    """Makes examples of one dataset.

    Parameters
    ----------
    model
        A bundled network on its device.
    dataset
        Images and labels.
    told
        Called after each view that was encoded.
    """

    def __init__(self, model: Model, dataset: Dataset, told: Callable[[], None] = lambda: None) -> None:
        network = model.network
        assert isinstance(network, MicroNetwork)
        self._network, self._device, self._dataset, self._told = network, model.device, dataset, told
        self._follows = dataset.mode == "stack" and bool(model.region)
        self._size = (network.region_size if self._follows else None) or network.image_size
        self._contrast: ContrastLike = usual_contrast(dataset.frames, dataset.mode)
        self._rng = np.random.default_rng(0)

    @torch.no_grad()
    def make(self, frames: Sequence[int]) -> Examples | None:
        """Of each object on these frames; ``None`` if none is on two of them."""
        made: list[tuple[Tensor, CoarseAnswer, Tensor, int, bool]] = []
        n_views = _views(sum(bool(self._dataset.truth(t, n).any()) for n in self._dataset.objects for t in frames))
        for number in self._dataset.objects:
            there = [self._template(t, number) for t in frames if self._dataset.truth(t, number).any()]
            for template in there if len(there) > 1 else ():
                others = [other for other in there if other is not template]
                for k, (view, mask, maps) in enumerate(self._seen(template, others, n_views)):
                    made.append((*self._coarse(view, maps, others), mask, template.frame, k == 0))
                    self._told()
        if not made:
            return None
        fine, coarse, masks, of, plain = zip(*made, strict=True)
        unused = torch.zeros(len(made), 0, device=self._device)
        joined = (torch.cat(tensors) for tensors in zip(*(vars(one).values() for one in coarse), strict=True))
        features = MicroFeatures(torch.cat(fine), *[unused] * 6)
        return Examples(features, CoarseAnswer(*joined), torch.cat(masks), tuple(of), tuple(plain))

    def _crop(self, frame: int, window: Window) -> Tensor:
        image = self._contrast.apply(self._dataset.frames[frame])
        return crop(image, window, self._size).to(self._device)

    def _crop_mask(self, mask: Mask, window: Window) -> Tensor:
        return crop_mask(mask, window, self._size).to(self._device)

    def _template(self, frame: int, number: int) -> _Template:
        mask = self._dataset.truth(frame, number)
        window, options = Window.whole(mask.shape), RegionOptions()
        if self._follows and (box := box_of_mask(mask)) is not None:
            window = window_around(box, mask.shape, options.scale, options)
        features, _ = self._network.encode(self._crop(frame, window), self._dataset.mode)
        return _Template(frame, mask, window, self._network.memory.remember(features, self._crop_mask(mask, window)))

    def _seen(
        self, template: _Template, others: Sequence[_Template], n_views: int
    ) -> list[tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]]:
        """Views of a frame, what is right on each, and in a stack mask and grey values of the neighbour there."""
        frame, mask = template.frame, template.mask
        if self._dataset.mode == "flow":
            view, right = self._crop(frame, template.window), self._crop_mask(mask, template.window)
            image = self._contrast.apply(self._dataset.frames[frame])
            more = make_adaptation_set(image, mask, template.window, self._size, mode="flow")
            seen = [(view, right)]
            if more is not None:
                pairs = zip(more.views[:n_views, None], more.view_masks[:n_views, None], strict=True)
                seen += [(view.to(self._device), right.to(self._device)) for view, right in pairs]
            return [(view, right, None) for view, right in seen]
        near = min(others, key=lambda other: (abs(other.frame - frame), other.frame))
        windows = [near.window]
        if self._follows:
            windows += [shaken(near.window, self._rng) for _ in range(n_views)]
        return [
            (
                self._crop(frame, window),
                self._crop_mask(mask, window),
                (self._crop_mask(near.mask, window), grey_of(self._crop(near.frame, window))),
            )
            for window in windows
        ]

    def _coarse(
        self, view: Tensor, neighbour: tuple[Tensor, Tensor] | None, others: Sequence[_Template]
    ) -> tuple[Tensor, CoarseAnswer]:
        network, mode = self._network, self._dataset.mode
        features, _ = network.encode(view, mode)
        memory = MicroMemory.cat([other.memory for other in others])
        score, read = network.read_memory(features, memory, view.new_ones(1, len(others)), mode)
        side = features.s2.shape[-1]
        maps = prompt_maps(None, neighbour and neighbour[0], mode=mode, side=side, device=self._device)
        if neighbour is not None:
            maps = draw_neighbour_image(maps, features.grey, neighbour[1])
        return features.s2, network.decoder.coarse(features, maps, score, read)
