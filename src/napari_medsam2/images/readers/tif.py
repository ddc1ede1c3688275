"""TIFF by tifffile: its series and axes, one plane at a time.

A plane is what one page of the file holds. Which page is which plane is what tifffile's series say (OME's TiffData,
ImageJ's order, pages of other files, thumbnails between them), never the number of the page.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError, SeriesError, SeriesInfo, first_few
from ...types import AnyArray, Mode
from ..budget import ask_for, check_ratio
from ..damage import DECODING_ERRORS, reading, reason_of
from ..header import ImageHeader
from ..lazy import AxesView, PlaneArray
from ..listing import stem_of
from ..notes import Notes, notes_in_ome, with_notes
from ..opened import CHANNEL, Axis, OpenedImages
from .options import ReadOptions
from .tif_axes import Calibration, axis_names, calibration_of
from .tif_checks import (
    check_declared,
    check_pages,
    check_stored,
    check_together,
    lies_together,
    ome_files,
    ome_header_file,
)

#: What tifffile calls the pictures in a slide's file that are not the slide.
_BESIDE_THE_IMAGE = ("thumbnail", "label", "macro", "map", "overview")
_WHITE_IS_ZERO, _GREY, _PALETTE, _INKS = 0, 1, 3, 5  # photometric interpretations
_JPEG = (6, 7, 33007, 34892)  # compressions that change numbers
COMPRESSIONS = {5: "lzw", 8: "deflate", 32946: "deflate", 32773: "packbits"}
_WORDS = {CHANNEL: "channels", "": "pages", "z": "slices", "t": "time points"}


def open_tif(path: Path, options: ReadOptions) -> OpenedImages:
    """One series of a tif, all axes of it."""
    import tifffile

    with reading(path), tifffile.TiffFile(path) as tif:
        places = check_pages(path, tif)
        series = _chosen(path, list(tif.series), options.series)
        check_declared(path, tif, series)
        for level in series.levels:
            if lies_together(level):
                check_together(path, level, places)
        calibration, unclear = _calibration(tif, series)
        files = _File(path, series)
        layout = _Layout.of(series)
        levels = [_lazy(path, level, files) for level in series.levels]
        names = axis_names(series.axes)
        axes = [
            Axis(CHANNEL) if place == layout.channel else calibration.axes.get(names[place], Axis(names[place]))
            for place in layout.order
        ]
        told = _told(series, options, layout)
        notes = notes_in_ome(str(tif.ome_metadata)) if series.kind == "ome" else None
    channels = calibration.channels
    known = [axis.name for axis in axes]
    images = OpenedImages(
        series.name if options.series is not None and series.name else stem_of(path),
        levels[0],
        tuple(axes),
        layout.colour is not None,
        channels=channels if CHANNEL in known and len(channels) == levels[0].shape[known.index(CHANNEL)] else (),
        left_out=told + unclear,
        levels=tuple(levels[1:]),
        mode=_mode(known, levels[0].shape),
        files=files.paths,
    )
    images = images if notes is None else with_notes(images, notes)
    return images if options.as_labels else _with_colours_stored_as_grey(images)


def _with_colours_stored_as_grey(images: OpenedImages) -> OpenedImages:
    """Pictures ``(..., H, W, 3 or 4)`` that were written as grey, which makes rows of them pages of 3 pixels width.

    As of arrays, the length of the last axis says so.
    """
    unnamed = len(images.axes) > 2 and not images.axes[-3].name
    if images.colour or not unnamed or len(images.axes) > 4 or images.lengths[-1] not in (3, 4):
        return images
    told = f"its last axis, of {images.lengths[-1]}, is taken for colours, although the file says that it is grey"
    axes = (*images.axes[:-3], Axis("y"), Axis("x"))
    return replace(images, axes=axes, colour=True, left_out=(*images.left_out, told))


def read_tif(path: Path, options: ReadOptions) -> AnyArray:
    """The only plane ``(H, W)`` or ``(H, W, C)`` of a tif."""
    images = open_tif(path, options)
    _only_plane(path, images)
    pixels: AnyArray = images.frames_along().frames[0]
    return pixels


def notes_of_tif(path: Path) -> Notes | None:
    """What we noted in a tif of labels; ``None`` in others, damaged ones too: that is told when they are read."""
    import tifffile

    try:
        with reading(path), tifffile.TiffFile(path) as tif:
            return notes_in_ome(str(tif.ome_metadata))
    except FrameError:
        return None


def tif_header(path: Path, options: ReadOptions) -> ImageHeader:
    """What the header of a tif of one plane says."""
    images = open_tif(path, options)
    _only_plane(path, images)
    height, width = images.lengths[-2:]
    return ImageHeader((height, width), images.data.shape[-1] if images.colour else 0, images.data.dtype)


def ome_set_of(path: Path) -> tuple[tuple[str, ...], str | None]:
    """Names of the files that make one image with this tif, by its OME header; and of the file with that, if another.

    Of a tif that is an image by itself, or cannot be read, there are none.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            names, header = ome_files(tif), ome_header_file(tif)
    except DECODING_ERRORS:  # told when it is read
        return (), None
    return names if len(names) > 1 else (), header


def _only_plane(path: Path, images: OpenedImages) -> None:
    """In a folder every file is one frame."""
    held = [(axis.name, n) for axis, n in zip(images.axes[:-2], images.lengths, strict=False) if n > 1]
    if not held:
        return
    what = " x ".join(f"{n} {_WORDS.get(name, f'positions along {name}')}" for name, n in held)
    raise FrameError(
        f"{path.name} has {what}; in a folder every file is one frame. Open that file by itself to segment it"
    )


def _calibration(tif: Any, series: Any) -> tuple[Calibration, tuple[str, ...]]:
    """What the header says of the axes; a header that cannot be understood costs the scale, not the pixels."""
    try:
        return calibration_of(tif, series), ()
    except DECODING_ERRORS as error:
        return Calibration(), (f"what {tif.filename} says of its scale cannot be understood ({reason_of(error)})",)


def _mode(names: Sequence[str], lengths: Sequence[int]) -> Mode | None:
    """Slices and time points follow each other; of others nothing is known."""
    follow = any(name in ("z", "t") and n > 1 for name, n in zip(names, lengths, strict=False))
    return "stack" if follow else None


def _chosen(path: Path, series: list[Any], wanted: int | str | None) -> Any:
    """The series that is meant: the only image, or the one named.

    Thumbnails, masks of transparency and pictures of a slide's label do not count.
    """
    if not series:
        raise FrameError(f"{path.name} has no image in it")
    named = [one for one in series if one.name and one.name == str(wanted)]
    if wanted is not None:
        number = int(wanted) if str(wanted).isdecimal() else -1
        if len(named) == 1 or (not named and 0 <= number < len(series)):
            return named[0] if named else series[number]
    images = [
        (number, one)
        for number, one in enumerate(series)
        if not one.keyframe.is_reduced and not one.keyframe.is_mask and one.name.lower() not in _BESIDE_THE_IMAGE
    ] or list(enumerate(series))
    if wanted is None and len(images) == 1:
        return images[0][1]
    infos = [SeriesInfo(number, one.name, " x ".join(map(str, one.shape)), str(one.dtype)) for number, one in images]
    listed = first_few([f"{info.key}{f' {info.name!r}' if info.name else ''} ({info.size})" for info in infos], 8)
    held = f"{path.name} holds {len(infos)} images that are not frames of one sequence: {listed}"
    asked = "" if wanted is None else f"; {'several are' if named else 'there is no'} {wanted!r}"
    raise SeriesError(f"{held}{asked}. Choose one: series= or --series N", infos)


@dataclass(frozen=True)
class _Layout:
    """How the axes of a series become those of an image.

    Attributes
    ----------
    order
        Places of the axes in the series, y and x last, without colours.
    colour
        Place of the colours.
    channel
        Place of samples that are no colours, and so channels.
    fixed
        Axes that are left out, and where they stay: a single sample, or grey beside its alpha.
    """

    order: tuple[int, ...]
    colour: int | None
    channel: int | None
    fixed: dict[int, int]

    @classmethod
    def of(cls, series: Any) -> _Layout:
        letters = str(series.axes)
        last = [letters.rfind(letter) for letter in "YX"]
        if -1 in last:  # whoever wrote the file names its axes otherwise
            others = [place for place in range(len(letters)) if letters[place] != "S"]
            last = others[-2:]
        sample = letters.find("S")
        n = series.shape[sample] if sample >= 0 else 0
        page = series.keyframe
        grey = page.photometric in (_WHITE_IS_ZERO, _GREY)
        alpha = grey and n == 2 and any(int(kind) in (1, 2) for kind in page.extrasamples)
        colour = sample if n in (3, 4) else None
        fixed = {sample: 0} if n == 1 or alpha else {}
        channel = sample if n and colour is None and not fixed else None
        leading = [place for place in range(len(letters)) if place not in (*last, colour, *fixed)]
        return cls((*leading, *last), colour, channel, fixed)


def _lazy(path: Path, series: Any, file: _File) -> Any:
    """The pixels of a series, y and x last, colours behind them."""
    layout = _Layout.of(series)
    shape = tuple(int(n) for n in series.shape)
    if lies_together(series):
        source: Any = _Mapped(file, shape, series.dtype.newbyteorder(series.parent.byteorder), int(series.dataoffset))
    else:
        pages = [series[number] for number in range(len(series))]
        check_stored(path, pages, shape)
        leading, plane = _split(shape, len(pages))
        starts = [math.prod(leading[place + 1 :]) for place in range(len(leading))]

        def read(index: tuple[int, ...]) -> AnyArray:
            number = sum(position * start for position, start in zip(index, starts, strict=True))
            return file.page(pages[number], number, len(pages)).reshape(plane)

        source = PlaneArray(leading, plane, series.dtype, read)
    colours = () if layout.colour is None else (layout.colour,)
    return AxesView(source, (*layout.order, *colours), layout.fixed)


def _split(shape: tuple[int, ...], n_pages: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes along which pages follow each other, and those of a page."""
    count = 1
    for place, length in enumerate(shape):
        if count == n_pages and 0 not in shape[place:]:
            return shape[:place], shape[place:]
        count *= length
    return shape, ()


class _Mapped:
    """Pixels that lie in the file as they are: what is indexed is read, and nothing else."""

    def __init__(self, file: _File, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> None:
        self.shape, self.ndim, self.dtype = shape, len(shape), dtype.newbyteorder("=")
        self._file, self._stored, self._offset = file, dtype, offset

    def __getitem__(self, key: Any) -> AnyArray:
        with reading(self._file.path):
            self._file.check_same(self._file.path)
            mapped = np.memmap(self._file.path, self._stored, "r", self._offset, self.shape)
            return np.array(mapped[key], self.dtype)


class _File:
    """The file, or the files, that the pages of a series lie in: read by one thread at a time, opened for a moment."""

    def __init__(self, path: Path, series: Any) -> None:
        self.path = path
        handles = [] if lies_together(series) else [page.parent.filehandle for page in series if page is not None]
        found = {str(handle.path): path if handle.name == path.name else Path(handle.path) for handle in handles}
        self.paths = tuple(dict.fromkeys((path, *found.values())))
        self._states = {file: _state(file) for file in self.paths}
        self._found = found
        self._lock = threading.Lock()
        self._has_room = False

    def check_same(self, file: Path) -> None:
        """The places of the pixels are those of the file that was opened; it may have been written anew since."""
        if _state(file) != self._states[file]:
            raise FrameError(f"{file.name} has changed since it was opened: open it again")

    def page(self, page: Any, number: int, n_pages: int) -> AnyArray:
        """The pixels of a page as they are stored."""
        handle, keyframe = page.parent.filehandle, page.keyframe
        file = self._found[str(handle.path)]
        with reading(file, f"page {number}" if n_pages > 1 else ""), self._lock:
            self.check_same(file)
            what = " x ".join(map(str, keyframe.shape)) + " pixels"
            compression = COMPRESSIONS.get(int(keyframe.compression), "")
            check_ratio(file, what, int(page.nbytes), stored=sum(page.databytecounts), compression=compression)
            if not self._has_room:  # pages of a series are of one size
                ask_for(file, what, int(page.nbytes))
                self._has_room = True
            handle.open()
            try:
                pixels: AnyArray = page.asarray()
            finally:
                handle.close()
            return pixels


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _told(series: Any, options: ReadOptions, layout: _Layout) -> tuple[str, ...]:
    """What of the header is not followed, a sentence each. What is read is what tifffile and napari show."""
    page, told = series.keyframe, []
    name = page.parent.filehandle.name
    if page.parent.is_ome and series.kind != "ome":
        told.append(
            f"the OME header of {name} is in another file or cannot be followed: its pages are read in the order in "
            "which they are stored"
        )
    if layout.fixed and series.shape[next(iter(layout.fixed))] > 1:
        told.append(f"the transparency of {name} is left out")
    if options.as_labels:
        if int(page.compression) in _JPEG:
            raise FrameError(
                f"{name} is compressed as JPEG, which changes numbers: labels are read of png or of a tif without loss"
            )
        return tuple(told)
    if page.photometric == _PALETTE and not page.is_imagej:
        told.append(f"{name} has a palette: its numbers are read as grey, its colours are not")
    if page.photometric == _WHITE_IS_ZERO:
        told.append(f"{name} says that 0 is white: its numbers are read as they are stored, as napari shows them")
    if page.photometric == _INKS:
        told.append(f"{name} has inks (CMYK) in place of red, green and blue: they are read as they are stored")
    turned = page.tags.valueof(274, default=1)
    if turned not in (0, 1):
        told.append(f"{name} says that it is to be turned (orientation {turned}): it is read as it is stored")
    return tuple(told)
