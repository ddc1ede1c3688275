"""Small DICOM files as scanners write them, by pydicom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

#: Six slices of 8 x 10 pixels, all different.
SLICES = np.arange(6 * 8 * 10, dtype=np.uint16).reshape(6, 8, 10)


def dicom_header(pixels: npt.NDArray[Any], *, kind: str = CTImageStorage, series: str = "1.2.3") -> FileDataset:
    """What every image says of itself; its pixels as they are, a last axis of 3 as colours."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(kind)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = UID(kind), meta.MediaStorageSOPInstanceUID
    header.Modality, header.PatientName, header.PatientID = "CT", "Phantom", "0"
    header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = "1.2", series, "1.4"
    colour = pixels.shape[-1] == 3
    header.SamplesPerPixel, header.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        header.PlanarConfiguration = 0
    header.Rows, header.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    if pixels.ndim - colour == 3:
        header.NumberOfFrames = len(pixels)
    header.BitsAllocated = header.BitsStored = 8 * pixels.dtype.itemsize
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    header.PixelData = data + b"\0" * (len(data) % 2)
    return header


def write_slice(
    path: Path,
    pixels: npt.NDArray[Any],
    *,
    z: float = 0.0,
    position: Sequence[float] | None = None,
    directions: Sequence[float] = AXIAL,
    spacing: Sequence[float] = (1.0, 1.0),
    series: str = "1.2.3",
    number: int = 1,
    **elements: Any,
) -> Path:
    """A slice with a place; ``elements`` are set on top, those that are ``None`` are taken away."""
    header = dicom_header(pixels, series=series)
    header.InstanceNumber = number
    header.ImagePositionPatient = [f"{value:.9g}" for value in (position if position is not None else (0, 0, z))]
    header.ImageOrientationPatient = [f"{value:.9g}" for value in directions]
    header.PixelSpacing, header.SliceThickness = list(spacing), 7
    return saved(path, header, **elements)


def write_series(folder: Path, pixels: npt.NDArray[Any] = SLICES, *, prefix: str = "a", **elements: Any) -> list[Path]:
    """A slice a file, a millimetre apart."""
    return [
        write_slice(folder / f"{prefix}{z}.dcm", plane, **{"z": float(z), "number": z + 1, **elements})
        for z, plane in enumerate(pixels)
    ]


def write_frames(
    path: Path, pixels: npt.NDArray[Any], frames: Sequence[dict[str, dict[str, Any]]], **elements: Any
) -> Path:
    """An Enhanced file: for each frame its functional groups, as ``{"PlanePositionSequence": {keyword: value}}``."""
    header = dicom_header(pixels, kind=EnhancedMRImageStorage)
    header.Modality = "MR"
    header.PerFrameFunctionalGroupsSequence = [groups(frame) for frame in frames]
    header.SharedFunctionalGroupsSequence = [
        groups(
            {
                "PlaneOrientationSequence": {"ImageOrientationPatient": list(AXIAL)},
                "PixelMeasuresSequence": {"PixelSpacing": [0.5, 0.25], "SliceThickness": 7},
            }
        )
    ]
    return saved(path, header, **elements)


def groups(frame: dict[str, dict[str, Any]]) -> Dataset:
    """Functional groups of a frame."""
    return groups_of(**{sequence: [groups_of(**values)] for sequence, values in frame.items()})


def groups_of(**elements: Any) -> Dataset:
    """An item of a sequence."""
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def at(z: float) -> dict[str, dict[str, Any]]:
    """The functional group of a frame that lies at a height."""
    return {"PlanePositionSequence": {"ImagePositionPatient": [0, 0, z]}}


def saved(path: Path, header: FileDataset, **elements: Any) -> Path:
    """Write a header with its pixels; elements that are ``None`` are taken away."""
    for keyword, value in elements.items():
        if value is None:
            del header[keyword]
        else:
            setattr(header, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def write_compressed(path: Path, header: FileDataset, frames: Sequence[bytes], transfer_syntax: str) -> Path:
    """Frames that somebody else compressed."""
    header.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    header.PixelData = encapsulate(list(frames))
    header["PixelData"].VR = "OB"
    return saved(path, header)
