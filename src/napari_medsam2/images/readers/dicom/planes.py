"""The planes of a DICOM file: for each frame where it lies, and what tells it apart from others at the same place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ....errors import FrameError
from ...damage import reading, without_warnings
from .clock import frame_step
from .decoding import decoder_of
from .facts import Facts
from .header import INDEX, NoImageError, kind_of, opened, pixel_place, read_header
from .tags import REPEATS
from .values import values_of

#: Objects with pixels that are no image to segment, by how their names begin.
_NO_IMAGES = ("Segmentation", "Label Map Segmentation", "Surface Segmentation", "Heightmap Segmentation")


@dataclass(frozen=True, eq=False)
class DicomImage:
    """What all planes of a file have in common.

    Attributes
    ----------
    path
        The file.
    uid
        Of the file, whatever it is called.
    series, series_number, description, modality
        The series it belongs to: its UID, and what people call it.
    kind
        What the standard calls such an object.
    image_type
        Whether it is original or derived, a localizer, and more.
    shape
        ``(H, W)``, or ``(H, W, 3)`` in colour.
    number
        Of the image in its series.
    n_frames
        How many planes there are.
    step
        From one frame of a clip to the next one in seconds; 0 where it is none.
    remarks
        What is to be told of it, a sentence each.
    """

    path: Path
    uid: str
    series: str
    series_number: int | None
    description: str
    modality: str
    kind: str
    image_type: tuple[str, ...]
    shape: tuple[int, ...]
    number: float
    n_frames: int
    step: float
    remarks: tuple[str, ...]

    @property
    def is_scout(self) -> bool:
        """Whether it says that it only shows where others lie."""
        return any(value.upper() in ("LOCALIZER", "SCOUT") for value in self.image_type)


@dataclass(frozen=True, eq=False)
class Plane:
    """One frame of a file.

    Attributes
    ----------
    image
        What it has in common with the other frames of its file.
    index
        Which frame it is.
    position, directions
        Where the centre of its first pixel lies, ``(3,)`` in mm (LPS), and unit vectors along a row and along a column,
        ``(2, 3)``; ``None`` if untold.
    spacing
        From row to row and from column to column, in mm; ``None`` if untold.
    thickness
        From slice to slice as the header says, in mm; ``None`` if untold.
    location
        How high it lies, in mm, in files that say no more; ``None`` if untold.
    stack
        Which stack of an Enhanced file it says it is in.
    apart
        What can tell it apart from others at the same place, by the names in :data:`.tags.REPEATS`.
    dtype
        Of its pixels, once they are read.
    """

    image: DicomImage
    index: int
    position: npt.NDArray[np.float64] | None
    directions: npt.NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    location: float | None
    stack: str
    apart: Mapping[str, Any] = field(repr=False)
    dtype: np.dtype[Any]


def read_planes(path: Path, *, as_labels: bool = False) -> list[Plane]:
    """The planes of a file, in the order in which they are stored.

    Raises
    ------
    NoImageError
        If it is DICOM, and holds no image.
    FrameError
        If it is damaged, cannot be decoded, or is of a kind that cannot be shown as frames; in words.
    """
    with reading(path), opened(path) as file, without_warnings:
        header = read_header(path, file)
        kind = kind_of(header)
        if kind == "Media Storage Directory":
            raise NoImageError(path, INDEX)
        if kind.startswith(_NO_IMAGES):
            raise NoImageError(path, kind)
        if "Rows" in header:
            decoder_of(path, header.file_meta.TransferSyntaxUID)  # before its data is looked for by that syntax
        place = pixel_place(path, file, header)
        facts = Facts(header)
        if "TotalPixelMatrixColumns" in header:
            raise NoImageError(
                path,
                f"{kind}, tiles of an image of {header.TotalPixelMatrixColumns} pixels width: convert it to OME-TIFF",
            )
        colour = int(facts.get("SamplesPerPixel") or 1) > 1 or (
            facts.get("PhotometricInterpretation") == "PALETTE COLOR" and not as_labels
        )
        spacing, remark = _spacing(facts)
        remarks: tuple[str, ...] = (remark,) if remark else ()
        if place.n_spare:
            remarks += (
                f"{path.name} declares {place.n_frames} frames and has pixels for {place.n_spare} more, not read",
            )
        padding = values_of(facts, 0, as_labels=as_labels).padding
        if padding is not None:
            told = " to ".join(str(end) for end in dict.fromkeys(padding))
            remarks += (
                f"pixels stored as {told} are padding, by the header: they are shown as the lowest of the others",
            )
        if facts.get("SamplesPerPixel") not in (None, 1, 3):
            raise FrameError(f"{path.name} has {facts.get('SamplesPerPixel')} colours, only 1 and 3 can be read")
        if "MOSAIC" in [str(value).upper() for value in _several(facts.get("ImageType"))]:
            remarks += ("each image is a mosaic of slices side by side: dcm2niix makes a volume of it",)
        image = _image(path, facts, kind, colour, place.n_frames, remarks)
        return [_plane(facts, image, index, spacing, as_labels) for index in range(place.n_frames)]


def _image(path: Path, facts: Facts, kind: str, colour: bool, n_frames: int, remarks: tuple[str, ...]) -> DicomImage:
    number = facts.get("SeriesNumber")
    return DicomImage(
        path=path,
        uid=str(facts.get("SOPInstanceUID") or path),
        series=str(facts.get("SeriesInstanceUID") or ""),
        series_number=None if number is None else int(number),
        description=" ".join(str(facts.get("SeriesDescription") or "").split()),
        modality=str(facts.get("Modality") or ""),
        kind=kind,
        image_type=tuple(str(value) for value in _several(facts.get("ImageType"))),
        shape=(int(facts.get("Rows")), int(facts.get("Columns")), *((3,) if colour else ())),
        number=float(facts.get("InstanceNumber") or 0),
        n_frames=n_frames,
        step=frame_step(facts) if n_frames > 1 else 0.0,
        remarks=remarks,
    )


def _plane(facts: Facts, image: DicomImage, index: int, spacing: tuple[float, float] | None, labels: bool) -> Plane:
    position = _vector(facts.get("ImagePositionPatient", index), 3)
    directions = _directions(facts.get("ImageOrientationPatient", index))
    if (position is None or directions is None) and facts.get("DetectorInformationSequence"):
        detector = facts.get("DetectorInformationSequence")[0]
        position = _vector(detector.get("ImagePositionPatient"), 3)
        directions = _directions(detector.get("ImageOrientationPatient"))
    if image.n_frames > 1 and not facts.has_frames and position is not None:
        position = _place_of_frame(facts, index, position, directions)
    measures = _numbers(facts.get("PixelSpacing", index), 2)
    if measures is not None and measures.min() > 0:
        spacing = float(measures[0]), float(measures[1])
    location = _numbers(facts.get("SliceLocation"), 1)
    thickness = None
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        length = _numbers(facts.get(keyword, index), 1)
        if thickness is None and length is not None and length[0] != 0:
            thickness = abs(float(length[0]))
    apart = {name: _comparable(facts.get(keyword, index)) for name, keyword in REPEATS.items()}
    return Plane(
        image=image,
        index=index,
        position=None if directions is None else position,
        directions=directions,
        spacing=spacing,
        thickness=thickness,
        location=None if location is None else float(location[0]),
        stack=str(facts.get("StackID", index) or ""),
        apart={name: value for name, value in apart.items() if value is not None},
        dtype=values_of(facts, index, as_labels=labels).dtype,
    )


def _place_of_frame(
    facts: Facts, index: int, first: npt.NDArray[np.float64], directions: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float64] | None:
    """Of a frame without functional groups: only doses and reconstructed tomograms say where it lies."""
    if directions is None:
        return None
    normal = np.cross(directions[0], directions[1])
    offsets = _numbers(facts.get("GridFrameOffsetVector"), int(facts.get("NumberOfFrames")))
    if offsets is not None:
        return np.asarray(first + (offsets[index] - offsets[0]) * normal)
    step = _numbers(facts.get("SpacingBetweenSlices"), 1)
    if "RECON TOMO" in [str(value).upper() for value in _several(facts.get("ImageType"))] and step is not None:
        return np.asarray(first + index * step[0] * normal)
    return None


def _spacing(facts: Facts) -> tuple[tuple[float, float] | None, str]:
    """Between rows and columns in mm where no plane says it, and what is to be told of it."""
    for keyword, remark in (
        ("PixelSpacing", ""),
        ("ImagerPixelSpacing", "the spacing is that on the detector, which is larger than that in the body"),
        ("NominalScannedPixelSpacing", ""),
    ):
        values = _numbers(facts.get(keyword), 2)
        if values is not None and values.min() > 0:
            return (float(values[0]), float(values[1])), remark
    regions = facts.get("SequenceOfUltrasoundRegions") or ()
    steps = {(region.get("PhysicalDeltaY"), region.get("PhysicalDeltaX")) for region in regions}
    units = {region.get(f"PhysicalUnits{axis}Direction") for region in regions for axis in "XY"}
    if len(steps) == 1 and units == {3}:  # centimetres, and the same everywhere
        down, right = (abs(float(step or 0)) * 10 for step in steps.pop())
        return ((down, right), "") if down > 0 and right > 0 else (None, "")
    return None, ""


def _directions(values: Any) -> npt.NDArray[np.float64] | None:
    """Two unit vectors at a right angle; ``None`` for what is none, such as zeros."""
    numbers = _vector(values, 6)
    if numbers is None:
        return None
    row, column = numbers[:3], numbers[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose(lengths, 1, atol=1e-2) or abs(row @ column) > 1e-2:
        return None
    return np.stack([row / lengths[0], column / lengths[1]])


def _vector(values: Any, n: int) -> npt.NDArray[np.float64] | None:
    """``n`` finite numbers; ``None`` only if there is nothing."""
    numbers = _numbers(values, n)
    if numbers is None and len(_several(values)):
        raise FrameError(f"a position or an orientation is {list(_several(values))}, it should be {n} numbers")
    return numbers


def _numbers(values: Any, n: int) -> npt.NDArray[np.float64] | None:
    """Exactly ``n`` finite numbers; ``None`` for anything else."""
    numbers = np.asarray([float(value) for value in _several(values)], np.float64)
    return numbers if len(numbers) == n and np.all(np.isfinite(numbers)) else None


def _several(values: Any) -> Sequence[Any]:
    if values is None or values == "":
        return ()
    return (values,) if isinstance(values, str | int | float) else tuple(values)


def _comparable(value: Any) -> Any:
    """A value that sorts: numbers for numbers, text for the rest."""
    if value is None:
        return None
    values = _several(value)
    try:
        numbers = tuple(round(float(item), 6) for item in values)
    except (TypeError, ValueError):
        return tuple(str(item) for item in values)
    return numbers
