"""A folder of images: a frame for each file, in natural order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import FrameError
from ...types import AnyArray
from ..frames import DEFAULT_CACHE_BYTES, FrameSource
from ..listing import IMAGE_SUFFIXES, list_images
from ..opened import Axis, OpenedImages
from .options import ReadOptions
from .single import image_header, read_image


def open_folder(path: Path, options: ReadOptions) -> OpenedImages:
    """The images of a folder; what else is in it is named in ``left_out``."""
    images, skipped = list_images(path)
    if not images:
        held = f"it holds {len(skipped)} other entries" if skipped else "it is empty"
        raise FrameError(f"no images in the folder {path}: {held}; images are {', '.join(IMAGE_SUFFIXES)}")
    return open_files(images, name=path.name, left_out=skipped)


def open_files(paths: Sequence[Path], *, name: str, left_out: Sequence[Path] = ()) -> OpenedImages:
    """Image files, one a frame."""
    axes = (Axis("image"), Axis("y"), Axis("x"))
    return OpenedImages(name, FileFrames(paths), axes, left_out=_named(left_out), files=tuple(paths))


def _named(skipped: Sequence[Path]) -> tuple[str, ...]:
    if not skipped:
        return ()
    names = ", ".join(path.name for path in skipped[:5]) + (" ..." if len(skipped) > 5 else "")
    return (f"skipped beside the images: {names}",)


class FileFrames(FrameSource):
    """Image files, one a frame."""

    def __init__(self, paths: Sequence[Path], cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        super().__init__(cache_bytes)
        self._paths = paths
        self._shapes: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def shape(self, t: int) -> tuple[int, int]:
        t = self._index(t)
        if t not in self._shapes:
            self._shapes[t] = image_header(self._paths[t]).shape
        return self._shapes[t]

    def name(self, t: int) -> str:
        return self._paths[self._index(t)].name

    def _read(self, t: int) -> AnyArray:
        frame = read_image(self._paths[t])
        self._shapes[t] = (int(frame.shape[0]), int(frame.shape[1])) if frame.ndim >= 2 else (0, 0)
        return frame

    def describe(self) -> str:
        count = "1 image file" if len(self) == 1 else f"{len(self)} image files"
        try:
            height, width = self.shape(0)
        except FrameError:  # damaged: said when it is read
            return count
        return f"{count}, the first of {width} x {height} pixels"
