"""What is trained on and what is held out to be scored: never the same stack, object or image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import DatasetError
from ...images.datasets import Dataset
from .pairs import JoinedFrames

#: Objects that are scored at most: enough to compare weights by, and still quick.
_MOST_SCORED = 12
#: From this number of objects on, those of a single stack are split, below it its slices.
_MANY_OBJECTS = 4


@dataclass(frozen=True, eq=False)
class Part:
    """Some objects of a dataset."""

    dataset: Dataset
    objects: tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """Parts to train on and parts to score; ``told`` says in words how it was done."""

    training: tuple[Part, ...]
    held_out: tuple[Part, ...]
    told: str


def split(datasets: Sequence[Dataset], share: float, seed: int) -> Split:
    """Hold out a share of the data, drawn by the seed.

    Of several stacks whole ones are held out, of a single stack with four objects or more some of the objects, else
    the slices at one end. Of a flow images are held out, some with every object.

    Raises
    ------
    DatasetError
        If there is too little to do so.
    """
    if share == 0:
        return Split(tuple(_whole(dataset) for dataset in datasets), (), "nothing is held out")
    rng = np.random.default_rng([seed, 7])
    stacks = [dataset for dataset in datasets if dataset.mode == "stack"]
    flows = [dataset for dataset in datasets if dataset.mode == "flow"]
    training: list[Part] = []
    held: list[Part] = []
    told: list[str] = []
    if len(stacks) > 1:
        count = min(max(1, round(share * len(stacks))), len(stacks) - 1)
        chosen = set(rng.permutation(len(stacks))[:count].tolist())
        for number, dataset in enumerate(stacks):
            (held if number in chosen else training).append(_whole(dataset))
        told.append(f"{count} of {len(stacks)} stacks")
    elif stacks:
        _split_stack(stacks[0], share, rng, training, held, told)
    for dataset in flows:
        _split_flow(dataset, share, rng, training, held, told)
    return Split(tuple(training), _few(held, rng), "held out: " + ", ".join(told))


def _whole(dataset: Dataset) -> Part:
    return Part(dataset, tuple(dataset.objects))


def subset(dataset: Dataset, frames: Sequence[int], name: str | None = None) -> Dataset:
    """Some frames of a dataset, with the objects that are on them."""
    masks = [dataset.masks[t] for t in frames]
    present = {int(value) for mask in masks for value in np.unique(mask)}
    objects = {number: called for number, called in dataset.objects.items() if number in present}
    return replace(
        dataset, name=name or dataset.name, frames=JoinedFrames([dataset.frames], frames), masks=masks, objects=objects
    )


def _split_stack(
    dataset: Dataset, share: float, rng: np.random.Generator, training: list[Part], held: list[Part], told: list[str]
) -> None:
    numbers = list(dataset.objects)
    if len(numbers) >= _MANY_OBJECTS:
        count = min(max(1, round(share * len(numbers))), len(numbers) - 1)
        drawn = sorted(rng.permutation(numbers)[:count].tolist())
        training.append(Part(dataset, tuple(n for n in numbers if n not in drawn)))
        held.append(Part(dataset, tuple(drawn)))
        told.append(f"{count} of {len(numbers)} objects of {dataset.name}")
        return
    there = [t for t, mask in enumerate(dataset.masks) if np.isin(mask, numbers).any()]
    count = max(2, round(share * len(there)))
    if len(there) - count < 2:
        raise DatasetError(
            f"{dataset.name} has objects on {len(there)} slices; to train and to hold some out takes 4. --holdout 0 "
            "trains on all and scores nothing"
        )
    cut = there[len(there) - count]
    training.append(_whole(subset(dataset, range(cut))))
    held.append(_whole(subset(dataset, range(cut, len(dataset.frames)), f"{dataset.name} from slice {cut}")))
    told.append(f"the slices of {dataset.name} from {cut} on")


def _split_flow(
    dataset: Dataset, share: float, rng: np.random.Generator, training: list[Part], held: list[Part], told: list[str]
) -> None:
    """Images are drawn in turn for each object, so that what is scored was seen and what was seen is scored."""
    n_frames = len(dataset.frames)
    shown = [set(np.unique(mask).tolist()) for mask in dataset.masks]
    count = min(max(2, round(share * n_frames)), n_frames - 2)
    there = [t for t, numbers in enumerate(shown) if numbers & set(dataset.objects)]
    if count < 2 or len(there) < 4:
        raise DatasetError(
            f"{dataset.name} has {len(there)} images with an object; to train and to hold some out takes 4. "
            "--holdout 0 trains on all and scores nothing"
        )
    order = rng.permutation(n_frames).tolist()
    drawn: list[int] = []
    rarest_first = sorted(dataset.objects, key=lambda number: sum(number in numbers for numbers in shown))
    for number in rarest_first:
        having = [t for t in order if number in shown[t]]
        missing = min(2, len(having) // 2) - sum(number in shown[t] for t in drawn)
        drawn += [t for t in having if t not in drawn][: max(missing, 0)]
    drawn += [t for t in order if t not in drawn][: max(count - len(drawn), 0)]
    kept = [t for t in range(n_frames) if t not in drawn]
    training.append(_whole(subset(dataset, kept)))
    held.append(_whole(subset(dataset, sorted(drawn), f"{dataset.name} (held out)")))
    told.append(f"{len(drawn)} of {n_frames} images of {dataset.name}")


def _few(parts: Sequence[Part], rng: np.random.Generator) -> tuple[Part, ...]:
    """Some objects of each part, drawn at random, so that scoring stays quick.

    Objects on one frame alone are left out: there is no other frame to find them on.
    """
    most = max(1, _MOST_SCORED // max(len(parts), 1))
    chosen = []
    for part in parts:
        carried = [n for n in part.objects if sum(bool((mask == n).any()) for mask in part.dataset.masks) > 1]
        drawn = sorted(rng.permutation(carried)[:most].tolist())
        if drawn:
            chosen.append(Part(part.dataset, tuple(drawn)))
    if not chosen:
        raise DatasetError(
            "no held-out object is on two frames or more, so nothing can be scored; --holdout 0 trains on all"
        )
    return tuple(chosen)
