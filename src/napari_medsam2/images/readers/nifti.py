"""NIfTI and Analyze volumes by nibabel."""

from __future__ import annotations

import logging
import math
import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.recfunctions import structured_to_unstructured

from ...errors import FrameError
from ...types import AnyArray
from ..damage import reading, require
from ..lazy import AxesView, parts_of
from ..listing import stem_of
from ..notes import Notes, notes_in_text, with_notes
from ..opened import CHANNEL, Axis, OpenedImages
from ..partial import Cut, bytes_of
from ..placing import Matrix, along_axes, is_usable, lps_affine
from ..units import MILLIMETRES
from ..unpacking import open_unpacked, unpack, unpack_part
from .options import ReadOptions

#: The axes of a file in its own order.
NAMES = ("x", "y", "z", "t", CHANNEL)
#: What the header calls units.
SPACE_UNITS = {1: "m", 2: "mm", 3: "um"}
TIME_UNITS = {8: "s", 16: "ms", 24: "us", 32: "Hz", 40: "ppm", 48: "rad"}
#: Bytes of the longest header.
_HEADER = 540
#: What the first two axes of NIfTI's world are flipped by to be those of DICOM.
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
#: What the header calls labels.
LABEL_INTENT = 1002


def open_nifti(path: Path, options: ReadOptions) -> OpenedImages:
    """A volume (x, y, z, t, channels) as (channels, t, z, y, x); it is not turned, so that labels lie on its pixels."""
    nibabel = require("nibabel", path)
    with reading(path), _remarks() as remarks:
        header_path, pixel_path = nifti_files(path)
        image, there = _load(nibabel, header_path, pixel_path, partial=options.partial)
        declared = bytes_of(image.shape, image.dataobj.dtype.itemsize)
        cut = Cut.of(pixel_path, image.shape[: len(NAMES)][::-1], there, declared)
        voxels = _Voxels(image.dataobj, cut)
        header = image.header
        axes, affine = _placed(header, len(image.shape))
    order = [*range(len(axes))[::-1], *range(len(axes), voxels.ndim)]
    images = OpenedImages(
        stem_of(path),
        AxesView(voxels, order),
        axes[::-1],
        colour=voxels.ndim > len(axes),
        affine=affine,
        left_out=(
            *(f"what the header says wrongly: {remark}" for remark in dict.fromkeys(remarks)),
            *(() if cut is None else (cut.words(pixel_path),)),
        ),
        mode="stack" if any(length > 1 for length in image.shape[2:4]) else None,
        files=tuple(dict.fromkeys((header_path, pixel_path))),
        labels="intent_code" in header and int(header["intent_code"]) == LABEL_INTENT,
    )
    notes = _notes(getattr(header, "extensions", ()))
    return with_notes(images, notes) if notes else images


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """What nibabel mends in a header, in its words, which it would print."""
    logger, told = logging.getLogger("nibabel.global"), list[str]()
    handler, passed_on = logging.Handler(), logger.propagate
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield told
    finally:
        logger.removeHandler(handler)
        logger.propagate = passed_on


def _notes(extensions: Iterable[Any]) -> Notes | None:
    """What we noted in the header, if we wrote it."""
    for extension in extensions:
        content = extension.get_content()
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
        if notes := notes_in_text(text):
            return notes
    return None


def nifti_files(path: Path) -> tuple[Path, Path]:
    """The files with the header and with the pixels: the same one, or a pair of .hdr and .img."""
    name = path.name.lower()
    packed = ".gz" if name.endswith(".gz") else ""
    stem, suffix = path.name[: len(name) - len(packed) - 4], name[len(name) - len(packed) - 4 :]
    if not suffix.startswith((".hdr", ".img")):
        return path, path
    beside = {p.name.lower(): p for p in path.parent.iterdir()} if path.parent.is_dir() else {}
    pair = [
        next((found for end in ("", ".gz") if (found := beside.get(f"{stem.lower()}{part}{end}"))), None)
        for part in (".hdr", ".img")
    ]
    if pair[0] is None or pair[1] is None:
        missing = ".hdr with the header" if pair[0] is None else ".img with the pixels"
        raise FrameError(f"{path.name} is one of a pair of files, and the {missing} is not beside it")
    return pair[0], pair[1]


def read_header(nibabel: Any, path: Path) -> Any:
    """The header of a volume, as the class of nibabel that knows it.

    Raises
    ------
    FrameError
        If the file is empty or has none of these headers.
    """
    with open_unpacked(path) as (stream, _):
        start = stream.read(_HEADER)
    if not start:
        raise FrameError(f"{path.name} is empty")
    for kind in (nibabel.Nifti1Header, nibabel.Nifti2Header, nibabel.AnalyzeHeader):
        if kind.may_contain_header(start):
            return kind(start[: kind.sizeof_hdr], check=False)
    raise FrameError(f"{path.name} has no header of NIfTI or Analyze: it is damaged, or of another format")


def _load(nibabel: Any, header_path: Path, pixel_path: Path, *, partial: bool) -> tuple[Any, int]:
    """The image, its pixels left on the disk where they are not compressed, and how many bytes of them are there."""
    header = read_header(nibabel, header_path)
    _refuse_odd_shapes(header_path, header)
    single = header_path == pixel_path
    start = max(int(header.get_data_offset()), header.sizeof_hdr if single else 0)
    needed = start + math.prod(map(int, header.get_data_shape())) * header.get_data_dtype().itemsize
    pixels, there = _pixels(nibabel, pixel_path, needed, partial=partial)
    if single:
        kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
        return kind.from_file_map({"header": pixels, "image": pixels}), there - start
    if isinstance(header, nibabel.Nifti1Header):
        kind = nibabel.Nifti2Pair if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Pair
    else:
        kind = nibabel.AnalyzeImage
    with open_unpacked(header_path) as (stream, _):
        whole_header = BytesIO(stream.read())
    return kind.from_file_map({"header": nibabel.FileHolder(fileobj=whole_header), "image": pixels}), there - start


def _pixels(nibabel: Any, path: Path, needed: int, *, partial: bool) -> tuple[Any, int]:
    """A file of pixels as nibabel takes it, unpacked if it is compressed or only called so; and how many bytes it has.

    In part, what is missing is zero.
    """
    with open_unpacked(path) as (_, compression):
        in_memory = compression is not None or path.name.lower().endswith(".gz")
    size = path.stat().st_size
    if partial and (in_memory or size < needed):
        memory, there, _ = unpack_part(path, needed)
        return nibabel.FileHolder(fileobj=memory), there
    if in_memory:
        return nibabel.FileHolder(fileobj=unpack(path, needed)), needed
    if size < needed:
        raise FrameError(f"{path.name} is truncated: its header declares {needed} bytes, and it holds {size}")
    return nibabel.FileHolder(filename=str(path)), needed


def _refuse_odd_shapes(path: Path, header: Any) -> None:
    shape = tuple(int(n) for n in header.get_data_shape())
    dtype = header.get_data_dtype()
    if len(shape) < 2 or min(shape) < 1:
        raise FrameError(f"{path.name} declares the shape {shape}, which is no image")
    if len(shape) > len(NAMES) and max(shape[len(NAMES) :]) > 1:
        raise FrameError(f"{path.name} has {len(shape)} axes, {shape}; x, y, z, time and channels can be opened")
    if dtype.kind == "c":
        raise FrameError(f"{path.name} holds complex numbers: save their magnitude or their phase, and open that")
    if dtype.kind not in "iuf" and dtype.names is None:
        raise FrameError(f"{path.name} holds pixels of a type that cannot be read: {dtype}")


class _Voxels:
    """The pixels of nibabel, with the type that they have with slope and intercept applied, and colours as a last axis.

    nibabel itself would read all that lies between the pixels of a slice across the file, once for each slice.
    """

    def __init__(self, proxy: Any, cut: Cut | None = None) -> None:
        shape = proxy.shape[: len(NAMES)]
        memory = proxy.file_like
        if isinstance(memory, mmap.mmap):
            pixels = np.ndarray(proxy.shape, proxy.dtype, memory, proxy.offset, order="F")
        else:
            pixels = proxy.get_unscaled()  # stays on the disk
        self._pixels: AnyArray = pixels.reshape(shape, order="F")
        if cut is not None:
            self._pixels = self._pixels.T[(slice(None),) * cut.axis + (slice(cut.whole),)].T
            shape = self._pixels.shape
        self._slope, self._intercept = float(proxy.slope), float(proxy.inter)
        self._scaled = self._slope != 1 or self._intercept != 0
        stored = proxy.dtype
        self._coloured = stored.names is not None
        if self._coloured:
            self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        elif not self._scaled:
            self.dtype = stored.newbyteorder("=")
        else:
            self.dtype = np.dtype(np.float32 if stored.itemsize <= 2 or stored == np.float32 else np.float64)
        self.shape = (*shape, *((len(stored.names),) if self._coloured else ()))
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> AnyArray:
        parts = parts_of(key, self.ndim)
        pixels = self._pixels[tuple(parts[: self._pixels.ndim])]
        if self._coloured:
            return np.asarray(structured_to_unstructured(pixels)[..., parts[-1]])
        if self._scaled:
            pixels = np.asarray(pixels, np.float64) * self._slope + self._intercept
        return np.asarray(pixels, self.dtype)


def _placed(header: Any, n_axes: int) -> tuple[tuple[Axis, ...], npt.NDArray[np.float64] | None]:
    """Axes in the order of the file, and the affine of the image."""
    names = NAMES[:n_axes]
    codes = int(header["xyzt_units"]) if "xyzt_units" in header else 0
    zooms = [float(z) for z in header.get_zooms()]
    matrix = _matrix(header)
    unit = SPACE_UNITS.get(
        codes & 7, "mm" if matrix is not None or any(z not in (0, 1) for z in zooms[:3]) else "pixel"
    )
    spacing = [abs(zoom) if np.isfinite(zoom) and zoom else 1.0 for zoom in zooms]
    origin = [0.0] * n_axes
    affine = None
    if matrix is not None:
        directions, corner = matrix[:, :3], matrix[:, 3]
        lengths, places = along_axes(directions, corner)
        spacing[:3], origin[:3] = lengths[:n_axes], places[:n_axes]
        millimetres = MILLIMETRES[unit]
        affine = lps_affine(directions * millimetres, corner * millimetres)
    time = TIME_UNITS.get(codes & 0x38, "pixel")
    if "toffset" in header and n_axes > 3 and np.isfinite(header["toffset"]):
        origin[3] = float(header["toffset"])
    units = {"t": time, CHANNEL: "pixel"}
    spacing[4:] = [1.0] * len(spacing[4:])
    if header.sizeof_hdr < _HEADER:  # it has 24 bits for a number: 0.6, not 0.6000000238
        spacing, origin = ([float(str(np.float32(value))) for value in values] for values in (spacing, origin))
    axes = [Axis(n, s, units.get(n, unit), o) for n, s, o in zip(names, spacing, origin, strict=False)]
    return tuple(axes), affine


def _matrix(header: Any) -> Matrix | None:
    """From (x, y, z, 1) of the file to LPS in its own unit, ``(3, 4)``; ``None`` if the header does not say."""
    if "sform_code" not in header:
        return None
    for code, form in ((header["sform_code"], header.get_sform), (header["qform_code"], header.get_qform)):
        if int(code) > 0:
            matrix = RAS_TO_LPS[:, None] * np.asarray(form(), np.float64)[:3]
            if is_usable(matrix[:, :3], matrix[:, 3]):
                return matrix
    return None
