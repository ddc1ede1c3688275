"""Planes of many files, sorted into stacks that each can be opened, and the one that is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....errors import SeriesError, SeriesInfo, first_few
from ...listing import natural_key
from .planes import DicomImage, Plane
from .repeats import Arranged, arrange

#: Orientations whose cosines, and spacings whose lengths relative to each other, differ by less are the same: headers
#: round them, and scanners drift a little.
_SAME = 1e-3

#: So few images beside at least so many times more are what others are planned with, or made of.
_FEW, _TIMES_MORE = 3, 5

#: Stacks that were not taken are told one by one, up to so many.
_TOLD = 10

#: Modalities that are no scan: secondary captures, documents, doses.
_NO_SCANS = ("OT", "SC", "DOC", "RTDOSE")


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes of one series and one orientation, in order; or the frames of one clip.

    Attributes
    ----------
    arranged
        The planes.
    spatial
        Whether the planes lie behind each other; if not they follow in time, or not at all.
    """

    arranged: Arranged
    spatial: bool

    @property
    def first(self) -> Plane:
        """The first plane."""
        return self.arranged.grid[0][0]

    @property
    def image(self) -> DicomImage:
        """What the file of the first plane says."""
        return self.first.image

    @cached_property
    def planes(self) -> tuple[Plane, ...]:
        """All planes, repetition by repetition."""
        return tuple(plane for row in self.arranged.grid for plane in row)

    @property
    def is_clip(self) -> bool:
        """Whether they are frames that follow each other in time."""
        return not self.spatial and self.image.n_frames > 1

    @property
    def orientation(self) -> str:
        """Axial, coronal or sagittal, or what comes nearest; empty if untold."""
        if self.first.directions is None or not self.spatial:
            return ""
        normal = np.abs(np.cross(*self.first.directions))
        return ("sagittal", "coronal", "axial")[int(normal.argmax())]

    @property
    def size(self) -> str:
        """In words: how many planes, how large."""
        n_rows, n_columns = len(self.arranged.grid), len(self.arranged.grid[0])
        what = "slice" if self.spatial else "frame" if self.is_clip else "image"
        count = f"{n_columns} {what}{'' if n_columns == 1 else 's'}"
        height, width = self.image.shape[:2]
        return f"{f'{n_rows} x ' if n_rows > 1 else ''}{count} of {width} x {height} pixels"


def stacks_of(planes: Iterable[Plane]) -> tuple[list[Stack], list[str]]:
    """Stacks in the order of their series, and what is to be told.

    Raises
    ------
    FrameError
        If planes lie at the same place and nothing tells them apart.
    """
    unique, told = _without_copies(planes)
    stacks: list[Stack] = []
    for group in _groups(unique):
        spatial = group[0].position is not None
        if spatial:
            stacks += [Stack(arranged, True) for arranged in arrange(group)]
        elif (heights := {plane.location for plane in group}) and None not in heights and len(heights) == len(group):
            stacks.append(Stack(Arranged((tuple(sorted(group, key=lambda p: p.location or 0)),)), True))
        else:
            ordered = sorted(group, key=lambda p: (p.image.number, natural_key(p.image.path.name), p.index))
            stacks.append(Stack(Arranged((tuple(ordered),)), False))
    stacks.sort(key=lambda s: (_order(s.image.series_number), s.image.series, natural_key(s.image.path.name)))
    return stacks, told


def choose(stacks: Sequence[Stack], name: str, series: int | str | None) -> tuple[list[Stack], list[str]]:
    """The stack that is meant, and what was left; several stacks where all are single images of their own.

    Raises
    ------
    SeriesError
        If several could be meant, or none is called so; lists all.
    """
    numbers = list(range(len(stacks)))
    if series is not None:
        numbers = _called(stacks, series)
        if not numbers:
            raise SeriesError(f"{name} has no series {series!r}. {_listing(stacks, range(len(stacks)))}", infos(stacks))
    largest = max((len(stacks[number].planes) for number in numbers), default=0)
    main = [number for number in numbers if not _minor(stacks[number], largest)] or numbers
    if len(main) > 1 and all(len(stacks[number].planes) == 1 for number in main):
        chosen = main
    elif len(main) > 1:
        raise SeriesError(f"{name} holds several images. {_listing(stacks, main)}", infos(stacks))
    else:
        chosen = main[:1]
    if series is not None:
        return [stacks[number] for number in chosen], []
    taken = set(chosen)
    left = [f"not taken: {_line(stacks, number)} (series={number})" for number in numbers if number not in taken]
    more = [f"and {len(left) - _TOLD} more"] if len(left) > _TOLD else []
    return [stacks[number] for number in chosen], left[:_TOLD] + more


def infos(stacks: Sequence[Stack]) -> list[SeriesInfo]:
    """What people are asked to choose from."""
    return [
        SeriesInfo(number, stack.image.description or stack.image.kind, stack.size, stack.image.modality)
        for number, stack in enumerate(stacks)
    ]


def _without_copies(planes: Iterable[Plane]) -> tuple[list[Plane], list[str]]:
    """Each plane once: files are copied under other names."""
    seen: dict[tuple[object, ...], Plane] = {}
    copies: list[str] = []
    for plane in planes:
        where = () if plane.position is None else tuple(plane.position)
        key = (plane.image.series, plane.image.uid, plane.index, plane.image.number, where)
        if key in seen and seen[key].image.path != plane.image.path:
            copies += [plane.image.path.name] if plane.index == 0 else []
            continue
        seen[key] = plane
    if not copies:
        return list(seen.values()), []
    return list(seen.values()), [f"copies of other files, by their UIDs, left out: {first_few(copies)}"]


def _groups(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Planes that can be one stack: of one series, size, spacing and orientation."""
    groups: dict[tuple[object, ...], list[list[Plane]]] = {}
    for plane in planes:
        image = plane.image
        alone = str(image.path) if plane.position is None and image.n_frames > 1 else ""
        placed = plane.position is not None
        key = (image.series, image.shape, plane.spacing is None, placed, plane.stack, image.is_scout, alone)
        kept = groups.setdefault(key, [])
        for group in kept:
            if _same_spacing(group[0], plane) and _same_direction(group[0], plane):
                group.append(plane)
                break
        else:
            kept.append([plane])
    return [group for kept in groups.values() for group in kept]


def _same_spacing(one: Plane, other: Plane) -> bool:
    return bool(np.allclose(one.spacing or (), other.spacing or (), rtol=_SAME, atol=0))


def _same_direction(one: Plane, other: Plane) -> bool:
    if one.directions is None or other.directions is None:
        return one.directions is other.directions
    return bool(np.abs(one.directions - other.directions).max() <= _SAME)


def _minor(stack: Stack, largest: int) -> bool:
    """Whether a stack is clearly not the one that is meant, beside others of which the largest has so many planes."""
    if stack.image.is_scout or stack.image.modality in _NO_SCANS:
        return True
    n_planes = len(stack.planes)
    return n_planes <= _FEW and n_planes * _TIMES_MORE <= largest


def _called(stacks: Sequence[Stack], series: int | str) -> list[int]:
    """The numbers of the stacks that are called so: by number, UID, or description."""
    text = str(series).strip()
    if text.isdecimal():
        return [int(text)] if int(text) < len(stacks) else []
    by_uid = [number for number, stack in enumerate(stacks) if stack.image.series == text]
    return by_uid or [
        number for number, stack in enumerate(stacks) if stack.image.description.casefold() == text.casefold()
    ]


def _listing(stacks: Sequence[Stack], numbers: Iterable[int]) -> str:
    lines = [f"{number}: {_line(stacks, number)}" for number in numbers]
    return f"Say which by its number, with series= or --series N: {first_few(lines, 20, '; ')}"


def _line(stacks: Sequence[Stack], number: int) -> str:
    image = stacks[number].image
    called = f"series {image.series_number}" if image.series_number is not None else f"series {image.series[-12:]}"
    if image.description:
        called += f" '{image.description}'"
    about = [image.modality or image.kind, stacks[number].orientation, stacks[number].arranged.part]
    return f"{called} ({', '.join(word for word in about if word)}), {stacks[number].size}"


def _order(series_number: int | None) -> float:
    return float("inf") if series_number is None else series_number
