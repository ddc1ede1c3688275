"""Planes at the same place: what tells them apart becomes the axis t, or they are stacks of their own, or doubled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ....errors import FrameError, first_few
from ...opened import Axis
from .clock import seconds_of_day
from .geometry import name_of, places_of
from .planes import Plane
from .tags import ORDERS, REPEATS, SECONDS


@dataclass(frozen=True, eq=False)
class Arranged:
    """Planes in order.

    Attributes
    ----------
    grid
        For each repetition the planes of all places, ``(T, Z)``; one repetition where none is repeated.
    axis
        The axis of the repetitions; ``None`` where none is repeated.
    told
        What is to be told, a sentence each.
    part
        Which part of the series it is, where that has several, such as "acquisition 2".
    """

    grid: tuple[tuple[Plane, ...], ...]
    axis: Axis | None = None
    told: tuple[str, ...] = ()
    part: str = ""


def arrange(planes: Sequence[Plane]) -> list[Arranged]:
    """Put planes of one orientation in order, along their normal and along what repeats them.

    One arrangement, or several where parts of the planes were taken at different times of different places.

    Raises
    ------
    FrameError
        If planes lie at the same place and nothing tells them apart; names them.
    """
    places = places_of(planes)
    counts = np.bincount(places)
    if counts.max() == 1:
        return [Arranged((tuple(planes[number] for number in np.argsort(places)),))]
    split: list[Arranged] = []
    for names in _candidates(planes):
        parts = _parts(planes, names)
        if len(parts) < 2 or any(_doubled(places[part]) for part in parts.values()):
            continue
        if all(len(part) == len(counts) for part in parts.values()):
            grid = tuple(_along(planes, places, parts[key]) for key in sorted(parts))
            return [Arranged(grid, _axis(names, sorted(parts)), _what_repeats(names, sorted(parts)))]
        if not split and len(parts) == counts.max():
            split = [
                Arranged((_along(planes, places, parts[key]),), part=f"{' and '.join(names)} {_values(key)}")
                for key in sorted(parts)
            ]
    ordered = _by_order(planes, places, counts)
    if ordered is not None:
        return [ordered]
    if split:
        return split
    raise FrameError(_doubled_words(planes, places, counts))


def _candidates(planes: Sequence[Plane]) -> list[tuple[str, ...]]:
    """What differs between planes, one by one and in pairs."""
    names = [name for name in REPEATS if len({plane.apart.get(name) for plane in planes}) > 1]
    return [*((name,) for name in names), *combinations(names, 2)]


def _parts(planes: Sequence[Plane], names: Sequence[str]) -> dict[Any, list[int]]:
    """Numbers of the planes by what tells them apart."""
    parts: dict[Any, list[int]] = {}
    for number, plane in enumerate(planes):
        parts.setdefault(tuple(plane.apart.get(name, ()) for name in names), []).append(number)
    return parts


def _by_order(planes: Sequence[Plane], places: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Arranged | None:
    """Repetitions that are only told by their order: by times that differ from slice to slice, or by image numbers."""
    if counts.min() != counts.max():
        return None
    groups = [np.flatnonzero(places == place).tolist() for place in range(len(counts))]
    for name in ORDERS:
        keys = [[planes[number].apart.get(name) for number in group] for group in groups]
        if all(None not in part and len(set(part)) == len(part) for part in keys):
            grid = _grid(planes, groups, keys)
            return Arranged(
                grid, Axis("t"), (f"each place is there {counts[0]} times, in the order of the {name}: axis t",)
            )
    order = sorted({(plane.image.number, plane.index) for plane in planes})
    ranks = {key: rank for rank, key in enumerate(order)}
    keys = [[ranks[planes[number].image.number, planes[number].index] for number in group] for group in groups]
    if any(len(set(part)) < len(part) for part in keys):
        return None
    numbers = np.sort(np.asarray(keys), axis=1)
    if len(groups) > 1 and not (_blocks(numbers) or _blocks(numbers.T)):
        return None
    told = f"each place is there {counts[0]} times, told apart by nothing but image numbers: taken as axis t"
    return Arranged(_grid(planes, groups, keys), Axis("t"), (told,))


def _grid(
    planes: Sequence[Plane], groups: Sequence[Any], keys: Sequence[Sequence[Any]]
) -> tuple[tuple[Plane, ...], ...]:
    columns = [
        [planes[group[rank]] for rank in sorted(range(len(group)), key=part.__getitem__)]
        for group, part in zip(groups, keys, strict=True)
    ]
    return tuple(zip(*columns, strict=True))


def _blocks(numbers: npt.NDArray[np.int64]) -> bool:
    """Whether the rows follow each other without overlapping, in either direction."""
    ranges = sorted((row.min(), row.max()) for row in numbers)
    return all(before[1] < after[0] for before, after in pairwise(ranges))


def _along(planes: Sequence[Plane], places: npt.NDArray[np.int64], part: Sequence[int]) -> tuple[Plane, ...]:
    return tuple(planes[number] for number in sorted(part, key=places.__getitem__))


def _doubled(places: npt.NDArray[np.int64]) -> bool:
    return len(np.unique(places)) < len(places)


def _axis(names: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> Axis:
    """With the distance in seconds where what repeats is a time, and evenly spaced."""
    if len(names) > 1:
        return Axis("t")
    try:
        if names[0] in SECONDS:
            times = [float(key[0][0]) * SECONDS[names[0]] for key in keys]
        elif names[0] in ("acquisition time", "content time"):
            times = [seconds_of_day(key[0][0]) for key in keys]
        else:
            return Axis("t")
    except (IndexError, ValueError):
        return Axis("t")
    steps = np.diff(times)
    step = float(np.mean(steps))
    if step <= 0 or np.abs(steps - step).max() > 0.05 * step:
        return Axis("t")
    return Axis("t", step, "s")


def _what_repeats(names: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    values = [_values(key) for key in keys]
    return (f"each place is there {len(keys)} times, by {' and '.join(names)} ({first_few(values, 4)}): axis t",)


def _values(key: Sequence[Any]) -> str:
    return "/".join(_value(part) for part in key)


def _value(part: Sequence[Any]) -> str:
    return "\\".join(f"{item:g}" if isinstance(item, float) else str(item) for item in part) or "none"


def _doubled_words(planes: Sequence[Plane], places: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> str:
    several = np.flatnonzero(counts > 1)
    same = np.flatnonzero(places == several[0])[:3]
    where = f"{len(several)} of {len(counts)} places" if len(counts) > 1 else "the one place"
    return (
        f"the series has several slices at {where}, and nothing tells which belong together: for example "
        f"{' and '.join(name_of(planes[number]) for number in same)} lie at the same position. Move those that are "
        "double to another folder"
    )
