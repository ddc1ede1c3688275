"""What is written: the labels of a sequence of frames, with what is known of their objects and of the images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import OutputError
from ...types import AnyArray, Mode
from ..frames import FrameSource
from ..notes import are_numbers, notes_of
from ..opened import Axis, LabelledObject, OpenedImages

#: The order that OME-Zarr stores axes in, and the letters that OME has for them.
STORED_ORDER = "tczyx"


@dataclass(frozen=True)
class Found:
    """How sure the network was of one object on one frame.

    Attributes
    ----------
    confidence
        0..1.
    prompted
        True if the object has a prompt on that frame.
    """

    confidence: float
    prompted: bool = False


@dataclass(frozen=True, eq=False)
class Labelled:
    """What gets labels: known before the first of them is, so that what cannot be written is refused before a run.

    Attributes
    ----------
    images
        The images, with their axes, affine and files. The frames are along all axes before the last two, in C order.
    names
        What each frame is called: its file name, or its number.
    mode
        Whether the frames follow each other.
    dtype
        What labels are stored as; see :func:`label_dtype`.
    """

    images: OpenedImages
    names: tuple[str, ...]
    mode: Mode
    dtype: npt.DTypeLike = np.uint16

    @property
    def lengths(self) -> tuple[int, ...]:
        """Pixels along each of the axes of the images."""
        return self.images.lengths

    @cached_property
    def n_frames(self) -> int:
        """Number of frames."""
        return math.prod(self.lengths[:-2])

    def shape(self, t: int) -> tuple[int, int]:
        """``(H, W)`` of frame ``t``."""
        data = self.images.data
        return data.shape(t) if isinstance(data, FrameSource) else (self.lengths[-2], self.lengths[-1])

    def image_name(self, t: int) -> str:
        """The name of the file that frame ``t`` lies in, or where that is not known what the frame is called."""
        files = self.images.files
        return files[0].name if len(files) == 1 and are_numbers(self.names) else self.names[t]

    @cached_property
    def uniform(self) -> bool:
        """Whether all frames are of one size."""
        if not isinstance(self.images.data, FrameSource):
            return True
        return all(self.shape(t) == self.shape(0) for t in range(1, self.n_frames))

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the images; those untold are called t, z (in a flow: image), y, x as they are stored."""
        told = [axis.name for axis in self.images.axes]
        stored = self._stored
        spare = ("t", "z" if self.mode == "stack" else "image", "y", "x")[-len(told) :]
        names = ("",) * (len(told) - len(spare)) + spare
        own = [names[sorted(stored).index(place)] for place in stored]
        return tuple(
            axis if axis.name or name in told else replace(axis, name=name)
            for axis, name in zip(self.images.axes, own, strict=True)
        )

    @cached_property
    def _stored(self) -> list[int]:
        """For each axis of the images its place in the file."""
        n = len(self.images.axes)
        return list(getattr(self.images.data, "order", range(n)))[:n]

    @cached_property
    def image_order(self) -> list[int]:
        """The axes of the images in the order of their file, y and x last, whichever of them the frames are along."""
        last = {"y": 1, "x": 2}
        ranks = [(last.get(axis.name, 0), place) for axis, place in zip(self.axes, self._stored, strict=True)]
        return sorted(range(len(ranks)), key=ranks.__getitem__)

    @property
    def nbytes(self) -> int:
        """Bytes of all labels, not compressed; of frames that differ in size an estimate by the first one."""
        return self.n_frames * math.prod(self.shape(0)) * np.dtype(self.dtype).itemsize

    def with_labels(
        self,
        frame: Callable[[int], AnyArray],
        *,
        objects: Mapping[int, LabelledObject] | None = None,
        found: Mapping[tuple[int, int], Found] | None = None,
    ) -> LabelSet:
        """The same with labels; see :class:`LabelSet`."""
        return LabelSet(
            self.images, self.names, self.mode, self.dtype, frame=frame, objects=objects or {}, found=found or {}
        )


@dataclass(frozen=True, eq=False)
class LabelSet(Labelled):
    """The labels of a sequence, made one frame at a time.

    Attributes
    ----------
    frame
        Gives the label image ``(H, W)`` of a frame: 0 for background, else the number of an object.
    objects
        What is known of objects, by their numbers; they may be fewer than there are in the labels.
    found
        By (frame, object), where that is known.
    """

    frame: Callable[[int], AnyArray] = field(kw_only=True)
    objects: Mapping[int, LabelledObject] = field(kw_only=True)
    found: Mapping[tuple[int, int], Found] = field(kw_only=True)

    def labels(self, t: int) -> AnyArray:
        """Label image ``(H, W)`` of frame ``t`` in the type that is stored."""
        return np.asarray(self.frame(t)).astype(self.dtype, copy=False)

    def planes(self) -> Iterator[AnyArray]:
        """The label images of all frames, one after the other."""
        return (self.labels(t) for t in range(self.n_frames))

    def notes(self, places: Sequence[int]) -> dict[str, str]:
        """What formats have no place for, of labels whose axes are stored in this order."""
        axes = [self.axes[place] for place in places]
        order = [self.axes[place].name for place in self.image_order] if list(places) != self.image_order else []
        noted = replace(self.images, objects=self.objects)
        return notes_of(noted, self.names, self.mode, axes, order, [self.lengths[place] for place in places])

    def array(self, order: Sequence[int]) -> AnyArray:
        """All labels in one array whose axes are those of the images, in the order of their places in ``order``.

        Raises
        ------
        OutputError
            If the frames differ in size, or the memory is not there.
        """
        if not self.uniform:
            raise OutputError(f"the images of {self.images.name} differ in size and do not fit into one block")
        try:
            whole = np.empty((self.n_frames, *self.shape(0)), self.dtype)
        except MemoryError as error:
            raise OutputError(f"the labels need {self.nbytes / 1e9:.1f} GB of memory, which is not there") from error
        for t, plane in enumerate(self.planes()):
            whole[t] = plane
        return whole.reshape(self.lengths).transpose(order)

    def places(self, order: Sequence[str]) -> list[int]:
        """The axes of the images in the order that their names have in ``order``; those it does not have come first."""
        ranks = {name: rank for rank, name in enumerate(order)}
        return sorted(range(len(self.axes)), key=lambda place: ranks.get(self.axes[place].name, -1))


def label_dtype(largest: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds the largest object number; :class:`OutputError` if none does."""
    for kind in (np.uint8, np.uint16, np.uint32):
        if largest <= np.iinfo(kind).max:
            return kind
    raise OutputError(f"object {largest} does not fit into a label image, whose largest number is {2**32 - 1}")


def numbers_of(planes: Iterable[AnyArray]) -> list[int]:
    """The numbers of the objects in label images, in order."""
    numbers: set[int] = set()
    for plane in planes:
        numbers.update(np.unique(plane).tolist())
    return sorted(numbers - {0})
