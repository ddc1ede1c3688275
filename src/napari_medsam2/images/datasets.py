"""Labelled sequences to measure on: one ``NAME.npz`` with images and label maps, and one ``NAME.json`` beside it.

The npz holds ``images`` (T, H, W) or (T, H, W, 3) and ``masks`` (T, H, W), or ``image_000``, ``mask_000``, ... where
sizes differ. The JSON says which ``kind`` it is ("stack" or "flow"), and may name the ``objects``, the
``voxel_size_zyx`` in millimetres and the ``clean_ids`` that are worth scoring. An npz of MedSAM2 is a stack without a
JSON: ``imgs`` (D, H, W), ``gts`` (D, H, W) and ``spacing`` (x, y, z) in millimetres.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from ..errors import DatasetError, FrameError
from ..json_files import read_json
from ..types import AnyArray, Mask, Mode
from .archives import Archive, StoredArray
from .conversion import frames_of
from .frames import FrameSource

#: What MedSAM2 calls images and masks.
_MEDSAM2 = {"image": "imgs", "mask": "gts"}
#: What nnU-Net calls what it has made of images, and of its own predictions.
_NNUNET = {"data", "softmax", "probabilities"}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Frames and what is on them.

    Attributes
    ----------
    name
        File name without its suffix.
    mode
        "stack": an id is the same thing on every frame. "flow": unrelated images, an id is the same kind of thing.
    frames
        Raw frames.
    masks
        Label map ``(H, W)`` of each frame, 0 is background.
    objects
        Ids to score and what they are called.
    spacing
        Size of a voxel in mm as (z, y, x), or ``None`` if unknown.
    """

    name: str
    mode: Mode
    frames: FrameSource
    masks: AnyArray | list[AnyArray]
    objects: Mapping[int, str]
    spacing: tuple[float, float, float] | None = None

    def truth(self, frame: int, object_id: int) -> Mask:
        """Bool ``(H, W)``: where the object is on a frame."""
        mask: Mask = self.masks[frame] == object_id
        return mask


def read_dataset(path: str | Path, *, mode: Mode | None = None) -> Dataset:
    """Read a labelled sequence; ``mode`` overrides the kind that the JSON gives.

    Raises
    ------
    DatasetError
        If the file is not such a dataset, or nothing says whether it is a stack or a flow.
    """
    path = Path(path)
    archive = _open(path)
    images, stored = _sequence(archive, "image"), _sequence(archive, "mask")
    masks = stored if isinstance(stored, np.ndarray) else [mask.read() for mask in stored]
    if len(images) != len(masks):
        raise DatasetError(f"{path.name} has {len(images)} images and {len(masks)} masks; each image needs one")
    apart = [set(_numbered(archive, name)) for name in ("image", "mask") if _together(archive, name) is None]
    if len(apart) == 2 and (unlike := sorted(apart[0] ^ apart[1])):
        raise DatasetError(f"{path.name} has an image or a mask number {unlike[0]}, but not both")
    for t, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if mask.ndim != 2 or image.shape[:2] != mask.shape:
            raise DatasetError(f"{path.name}: image {t} has shape {image.shape}, its mask {mask.shape}")
        if mask.dtype.kind not in "buif" or not np.isfinite(mask).all() or mask.min(initial=0) < 0:
            raise DatasetError(f"{path.name}: a mask holds the numbers of objects; mask {t} holds {_odd_value(mask)}")
    beside = notes_of(path)
    notes = _read_notes(beside)
    kind = mode or notes.get("kind") or ("stack" if _is_medsam2(archive) else None)
    if kind not in get_args(Mode):
        raise DatasetError(
            f"nothing says whether {path.name} is a stack or a flow: give --mode, or "
            f'"kind": "stack" in {beside.name}' + (f"; got {kind!r}" if kind else "")
        )
    return Dataset(
        name=path.stem,
        mode=cast(Mode, kind),
        frames=_as_frames(images, path),
        masks=masks,
        objects=_objects(masks, notes, beside),
        spacing=_spacing(notes.get("voxel_size_zyx"), beside) or _medsam2_spacing(archive),
    )


def notes_of(path: Path) -> Path:
    """The JSON beside a dataset that says what it is; it may not be there."""
    return path.with_suffix(".json")


def told_apart(datasets: Sequence[Dataset]) -> list[Dataset]:
    """The same datasets; of those that have the same name, all but the first have a number after it."""
    counts: dict[str, int] = {}
    apart = []
    for dataset in datasets:
        counts[dataset.name] = counts.get(dataset.name, 0) + 1
        number = counts[dataset.name]
        apart.append(dataset if number == 1 else replace(dataset, name=f"{dataset.name} ({number})"))
    return apart


@dataclass(frozen=True, eq=False)
class DatasetImages:
    """The images of a dataset alone.

    Attributes
    ----------
    frames
        Raw frames.
    mode
        Whether they follow each other, where that is told.
    spacing
        Size of a voxel in mm as (z, y, x), or ``None`` if unknown.
    unused
        Why the notes beside it were not used, in words; empty if they were, or there are none.
    """

    frames: FrameSource
    mode: Mode | None
    spacing: tuple[float, float, float] | None
    unused: tuple[str, ...] = ()


def dataset_images(path: Path) -> DatasetImages:
    """Read the images of an npz, with or without masks; these are not read.

    Raises
    ------
    DatasetError
        If there are none, or they cannot be read.
    """
    archive = _open(path)
    frames, beside = _as_frames(_sequence(archive, "image"), path), notes_of(path)
    unused: tuple[str, ...] = ()
    try:
        notes = _read_notes(beside)
        spacing = _spacing(notes.get("voxel_size_zyx"), beside)
    except DatasetError as error:
        notes, spacing, unused = {}, None, (f"what {beside.name} says of the images: {error}",)
    kind = notes.get("kind") or ("stack" if _is_medsam2(archive) else None)
    mode = cast(Mode, kind) if kind in get_args(Mode) else None
    return DatasetImages(frames, mode, spacing or _medsam2_spacing(archive), unused)


def _open(path: Path) -> Archive:
    if path.exists() and path.suffix.lower() != ".npz":
        raise DatasetError(f"{path.name} is no .npz: a dataset is an npz with images and masks")
    return Archive(path)


def _as_frames(images: AnyArray | list[StoredArray], path: Path) -> FrameSource:
    try:
        if isinstance(images, np.ndarray):
            return frames_of(images, rgb=images.ndim == 4)
        return frames_of(images)
    except FrameError as error:
        raise DatasetError(f"{path.name}: {error}") from error


# ---- layouts ---------------------------------------------------------------------------------------------------------


def _sequence(archive: Archive, name: str) -> AnyArray | list[StoredArray]:
    """Images or masks: a single array is read, of several each when it is needed."""
    together = _together(archive, name)
    if together is not None:
        return _read_together(archive, name, together)
    numbered = _numbered(archive, name)
    if numbered:
        return [archive.array(numbered[number]) for number in sorted(numbered)]
    if name == "image" and (foreign := _NNUNET.intersection(archive.names)):
        raise DatasetError(
            f"{archive.path.name} holds {', '.join(sorted(foreign))}, as nnU-Net's own files do: open the image that "
            "they were made of"
        )
    raise DatasetError(
        f"{archive.path.name} has neither an array {name}s nor {name}_000, {name}_001, ... nor {_MEDSAM2[name]} of "
        f"MedSAM2; it has {', '.join(archive.names) or 'no arrays'}"
    )


def _together(archive: Archive, name: str) -> str | None:
    """What the array with all images or masks is called, if there is one."""
    return next((key for key in (f"{name}s", _MEDSAM2[name]) if key in archive), None)


def _read_together(archive: Archive, name: str, key: str) -> AnyArray:
    stored = archive.array(key)
    single = 2
    if key == _MEDSAM2["image"] and stored.ndim == 3 and stored.shape[-1] in (3, 4):
        single = 3
    if key == _MEDSAM2[name] and stored.ndim == single and 0 not in stored.shape:
        return stored.read()[None]
    if stored.ndim < 3 or not stored.shape[0]:
        raise DatasetError(f"{archive.path.name}: {key} must be (T, H, W); got shape {stored.shape}")
    return stored.read()


def _numbered(archive: Archive, name: str) -> dict[int, str]:
    """What arrays ``NAME_0``, ``NAME_001``, ... are called, by their numbers."""
    found = [key for key in archive.names if re.fullmatch(rf"{name}_[0-9]+", key)]
    numbered = {int(key[len(name) + 1 :]): key for key in found}
    if len(numbered) < len(found):
        raise DatasetError(f"two arrays have the same number among {', '.join(sorted(found))}")
    return numbered


def _is_medsam2(archive: Archive) -> bool:
    return _together(archive, "image") == _MEDSAM2["image"]


def _medsam2_spacing(archive: Archive) -> tuple[float, float, float] | None:
    """As (z, y, x): MedSAM2 writes what SimpleITK calls it, (x, y, z)."""
    if not _is_medsam2(archive) or "spacing" not in archive:
        return None
    told = archive.array("spacing").read()
    if told.ndim != 1 or len(told) not in (2, 3) or told.dtype.kind not in "iuf":
        raise DatasetError(f"spacing in {archive.path.name} is three lengths in mm, x first; got {told.tolist()!r}")
    if not (np.isfinite(told).all() and (told > 0).all()):
        raise DatasetError(f"spacing in {archive.path.name} is three lengths in mm, x first; got {told.tolist()!r}")
    x, y, z = (*map(float, told), 1.0)[:3]
    return z, y, x


# ---- what is noted ---------------------------------------------------------------------------------------------------


def _odd_value(mask: AnyArray) -> str:
    """What a mask holds that is no number of an object."""
    return str(mask.dtype) if mask.dtype.kind not in "buif" else str(mask[~np.isfinite(mask) | (mask < 0)][0])


def _read_notes(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    notes = read_json(path, DatasetError)
    if not isinstance(notes, dict):
        raise DatasetError(f"{path.name} must hold a JSON object; got a {type(notes).__name__}")
    return notes


def _objects(masks: AnyArray | list[AnyArray], notes: Mapping[str, Any], path: Path) -> dict[int, str]:
    present = sorted({int(value) for mask in masks for value in np.unique(mask)} - {0})
    try:
        names = {int(key): str(value) for key, value in (notes.get("objects") or {}).items()}
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise DatasetError(
            f'"objects" in {path.name} gives each id a name, as {{"1": "liver"}}; got {notes["objects"]!r}'
        ) from error
    try:
        clean = {int(value) for value in notes.get("clean_ids") or present}
    except (ArithmeticError, TypeError, ValueError) as error:
        raise DatasetError(f'"clean_ids" in {path.name} is a list of ids; got {notes["clean_ids"]!r}') from error
    wanted = [value for value in present if value in clean and (not names or value in names)]
    return {value: names.get(value, f"object {value}") for value in wanted}


def _spacing(noted: Any, path: Path) -> tuple[float, float, float] | None:
    if not noted:
        return None
    try:
        z, y, x = (float(value) for value in noted)
        if not all(math.isfinite(length) and length > 0 for length in (z, y, x)):
            raise ValueError("a length is a positive number")
    except (ArithmeticError, TypeError, ValueError) as error:
        raise DatasetError(f'"voxel_size_zyx" in {path.name} is three lengths in mm, z first; got {noted!r}') from error
    return z, y, x
