"""DICOM files and folders, as images with axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ....errors import FrameError, first_few
from ....types import AnyArray, Mode
from ...dicom_recognition import DicomFolder
from ...frames import DEFAULT_CACHE_BYTES, FrameSource
from ...header import ImageHeader
from ...lazy import PlaneArray
from ...listing import stem_of
from ...opened import Axis, OpenedImages
from ..options import ReadOptions
from .geometry import geometry_of, name_of
from .header import INDEX, NoImageError
from .pixels import PixelReader
from .planes import Plane, read_planes
from .series import Stack, choose, stacks_of

#: Progress is told after so many files.
_FILES_A_STEP = 16


def open_dicom_file(path: Path, options: ReadOptions) -> OpenedImages:
    """The frames of one DICOM file, of whatever name.

    Raises
    ------
    FrameError
        If there is no image in it, it is damaged, cannot be decoded, or has several images to choose from; in words.
    """
    return _opened(read_planes(path, as_labels=options.as_labels), path, [], options)


def open_dicom_folder(path: Path, folder: DicomFolder, options: ReadOptions) -> OpenedImages:
    """The series of a folder of DICOM files, ordered in space, and in time where places repeat.

    Scouts and single derived images beside a series are left out and named; where several series could be meant they
    are listed in the error. Where all are single images, such as radiographs, they are a flow.

    Raises
    ------
    FrameError
        As for :func:`open_dicom_file`; or if slices are doubled and nothing tells them apart.
    """
    planes: list[Plane] = []
    no_images: list[str] = []
    for number, file in enumerate(folder.files):
        if options.progress is not None and number % _FILES_A_STEP == 0:
            options.progress(number, len(folder.files))
        try:
            planes += read_planes(file, as_labels=options.as_labels)
        except NoImageError as error:
            no_images += [f"{file.name} ({error.kind})"] if error.kind != INDEX else []
    if options.progress is not None:
        options.progress(len(folder.files), len(folder.files))
    if not planes:
        raise FrameError(f"there is no image that can be segmented in {path.name}: {first_few(no_images)}")
    told = [f"no images: {first_few(no_images)}"] if no_images else []
    told += [f"no DICOM: {first_few([other.name for other in folder.others])}"] if folder.others else []
    return _opened(planes, path, told, options)


def _opened(planes: Sequence[Plane], path: Path, told_before: Sequence[str], options: ReadOptions) -> OpenedImages:
    stacks, told = stacks_of(planes)
    chosen, left = choose(stacks, path.name, options.series)
    name = path.name if path.is_dir() else stem_of(path)
    told += [*left, *told_before]
    read = PixelReader(as_labels=options.as_labels)
    return (
        _flow(chosen, name, told, read)
        if len(chosen) > 1 or _is_flow(chosen[0])
        else _stack(chosen[0], name, told, read)
    )


def _is_flow(stack: Stack) -> bool:
    """Whether they are several files that lie nowhere, such as radiographs."""
    return not stack.spatial and not stack.is_clip and len(stack.planes) > 1


def _flow(stacks: Sequence[Stack], name: str, told: list[str], read: PixelReader) -> OpenedImages:
    planes = [plane for stack in stacks for plane in stack.planes]
    if len(stacks) > 1:
        told.append(f"{len(stacks)} images that do not lie behind each other: taken as a flow")
    else:
        told.append("the files do not say where they lie: they are in the order of their numbers")
    told += _remarks(planes)
    spacings = {plane.spacing for plane in planes}
    steps = spacings.pop() if len(spacings) == 1 else None
    in_plane = (Axis("y"), Axis("x")) if steps is None else (Axis("y", steps[0], "mm"), Axis("x", steps[1], "mm"))
    files = tuple(dict.fromkeys(plane.image.path for plane in planes))
    axes = (Axis("image"), *in_plane)
    mode: Mode | None = "flow" if len(stacks) > 1 else None
    return OpenedImages(name, DicomFrames(planes, read), axes, left_out=tuple(told), mode=mode, files=files)


def _stack(stack: Stack, name: str, told: list[str], read: PixelReader) -> OpenedImages:
    grid, shape = stack.arranged.grid, stack.image.shape
    planes = stack.planes
    geometry = geometry_of(grid[0])
    axes, lengths = list(geometry.axes[1:]), []
    if stack.is_clip:
        step = stack.image.step
        axes, lengths = [Axis("t", step, "s") if step else Axis(), *axes], [len(planes)]
    elif len(grid[0]) > 1:
        axes, lengths = [geometry.axes[0], *axes], [len(grid[0])]
    if stack.arranged.axis is not None:
        axes, lengths = [stack.arranged.axis, *axes], [len(grid), *lengths]

    def plane_at(index: tuple[int, ...]) -> AnyArray:
        place = index[-1] if len(grid[0]) > 1 else 0
        return read(grid[index[0] if len(grid) > 1 else 0][place]).astype(dtype, copy=False)

    dtype = np.result_type(*{plane.dtype for plane in planes})
    told += [*stack.arranged.told, *geometry.told, *_remarks(planes)]
    return OpenedImages(
        name=name,
        data=PlaneArray(lengths, shape, dtype, plane_at),
        axes=tuple(axes),
        colour=len(shape) > 2,
        affine=geometry.affine,
        left_out=tuple(told),
        mode="stack" if lengths else None,
        files=tuple(dict.fromkeys(plane.image.path for plane in planes)),
    )


class DicomFrames(FrameSource):
    """Single images that may differ in size, one a frame."""

    def __init__(self, planes: Sequence[Plane], read: Callable[[Plane], AnyArray]) -> None:
        super().__init__(DEFAULT_CACHE_BYTES)
        self._planes = planes
        self._read_plane = read

    def __len__(self) -> int:
        return len(self._planes)

    def header(self, t: int) -> ImageHeader:
        plane = self._planes[self._index(t)]
        return ImageHeader.of(plane.image.shape, plane.dtype)

    def name(self, t: int) -> str:
        return name_of(self._planes[self._index(t)])

    def _read(self, t: int) -> AnyArray:
        return self._read_plane(self._planes[t])


def _remarks(planes: Sequence[Plane]) -> list[str]:
    return list(dict.fromkeys(remark for plane in planes for remark in plane.image.remarks))
