"""NIfTI by nibabel, in the geometry of the image: shape, affine, its codes and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ..damage import reading
from ..notes import as_text
from ..readers.nifti import LABEL_INTENT, RAS_TO_LPS, SPACE_UNITS, TIME_UNITS, read_header
from ..units import MILLIMETRES
from .labels import LabelSet
from .volumes import plain_affine, source_with, volume, volume_axes

NIFTI_SUFFIXES = (".nii.gz", ".nii")
#: The code of a header's extension that is a text for people.
_COMMENT = 6
#: As many pixels along an axis as the header of NIfTI-1 has room for.
_LONGEST = 2**15 - 1
#: What the header has no code for, in seconds.
_SECONDS = {"ns": 1e-9, "min": 60.0, "h": 3600.0}


def write_nifti(path: Path, labels: LabelSet) -> None:
    """Write all labels as one volume that lies on its image; the notes are in an extension of the header."""
    import nibabel

    data = volume(labels)
    source = _source_header(nibabel, labels, data.shape)
    second = isinstance(source, nibabel.Nifti2Header) or max(data.shape) > _LONGEST
    kind: Any = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    header = kind.header_class()
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    header["intent_code"] = LABEL_INTENT
    if source is None:
        affine = _place(header, labels)
    else:
        _copy_place(header, source)
        affine = None
    notes = as_text(labels.notes(labels.places([axis.name for _, axis in volume_axes(labels)])))
    header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, notes.encode()))
    image: Any = kind(data, affine, header)
    image.to_filename(path)


def _source_header(nibabel: Any, labels: LabelSet, shape: tuple[int, ...]) -> Any:
    """The header of the image, if it is a NIfTI with the same voxels; ``None`` otherwise."""
    path = source_with(labels, (".nii", ".nii.gz", ".hdr", ".hdr.gz"))
    if path is None:
        return None
    try:
        with reading(path):
            header = read_header(nibabel, path)
    except UserError:  # it has gone since; what was read of it stays
        return None
    known = (*(int(n) for n in header.get_data_shape()), 1, 1, 1)
    return header if "sform_code" in header and known[:3] == shape[:3] else None


def _copy_place(header: Any, source: Any) -> None:
    """Take the geometry over as it is stored, to the last bit."""
    parts = (("qoffset", "xyz"), ("quatern", "bcd"), ("srow", "xyz"))
    forms = [f"{stem}_{letter}" for stem, letters in parts for letter in letters]
    for field in (*forms, "sform_code", "qform_code", "xyzt_units", "toffset"):
        header[field] = source[field]
    header["pixdim"][:5] = source["pixdim"][:5]


def _place(header: Any, labels: LabelSet) -> Any:
    """Set units and steps from what is known of the axes; returns the affine of nibabel."""
    axes = dict(volume_axes(labels))
    told = axes["x"].unit
    unit = told if told in SPACE_UNITS.values() else "mm"
    codes = {name: code for code, name in {**SPACE_UNITS, **TIME_UNITS}.items()}
    time = axes.get("t")
    clock = "s" if time and time.unit in _SECONDS else time.unit if time else ""
    measured = any(axis.unit in MILLIMETRES for axis in axes.values())
    header["xyzt_units"] = (codes[unit] if measured else 0) + codes.get(clock, 0)
    steps = [axes[name].spacing if name in axes else 1.0 for name in ("x", "y", "z")]
    zooms = [step * MILLIMETRES.get(told, 1.0) / MILLIMETRES[unit] if measured else step for step in steps]
    if time:
        scale = _SECONDS.get(time.unit, 1.0)
        zooms.append(time.spacing * scale)
        header["toffset"] = time.origin * scale
    header["pixdim"][1 : 1 + len(zooms)] = zooms
    affine = labels.images.affine
    if affine is None:
        affine = plain_affine(labels, lambda axis: MILLIMETRES.get(axis.unit, MILLIMETRES[unit]))
    if affine is None:
        return None
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = affine[:3, 2::-1], affine[:3, 3]
    matrix[:3] = RAS_TO_LPS[:, None] * matrix[:3] / MILLIMETRES[unit]
    header.set_sform(matrix, code=1)
    return matrix
