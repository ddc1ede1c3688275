"""Labelled sequences to measure on: one ``NAME.npz`` with images and label maps, and one ``NAME.json`` beside it.

The npz holds ``images`` (T, H, W) or (T, H, W, 3) and ``masks`` (T, H, W), or ``image_000``, ``mask_000``, ... where
sizes differ. The JSON says which ``kind`` it is ("stack" or "flow"), and may name the ``objects``, the
``voxel_size_zyx`` in millimetres and the ``clean_ids`` that are worth scoring.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from ..errors import DatasetError, FrameError
from ..types import AnyArray, Mask, Mode
from .conversion import frames_of
from .damage import DECODING_ERRORS, reason_of
from .frames import FrameSource


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
    arrays = read_arrays(path)
    images, masks = _sequence(arrays, "image", path), _sequence(arrays, "mask", path)
    if len(images) != len(masks):
        raise DatasetError(f"{path.name} has {len(images)} images and {len(masks)} masks; each image needs one")
    apart = [set(_numbered(arrays, name)) for name in ("image", "mask") if f"{name}s" not in arrays]
    if len(apart) == 2 and (unlike := sorted(apart[0] ^ apart[1])):
        raise DatasetError(f"{path.name} has an image or a mask number {unlike[0]}, but not both")
    for t, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if mask.ndim != 2 or image.shape[:2] != mask.shape:
            raise DatasetError(f"{path.name}: image {t} has shape {image.shape}, its mask {mask.shape}")
        if mask.dtype.kind not in "buif" or not np.isfinite(mask).all() or mask.min(initial=0) < 0:
            raise DatasetError(f"{path.name}: a mask holds the numbers of objects; mask {t} holds {_odd_value(mask)}")
    beside = notes_of(path)
    notes = _read_notes(beside)
    kind = mode or notes.get("kind")
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
        spacing=_spacing(notes.get("voxel_size_zyx"), beside),
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


def read_arrays(path: Path) -> dict[str, AnyArray]:
    """All arrays of an npz by name."""
    if path.exists() and path.suffix.lower() != ".npz":
        raise DatasetError(f"{path.name} is no .npz: a dataset is an npz with images and masks")
    try:
        with path.open("rb") as file:  # numpy leaves a damaged file open
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise DatasetError(f"{path.name} holds a single array; a dataset is an npz with images and masks")
            with archive:
                return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise DatasetError(f"there is no file {path}") from error
    except DatasetError:
        raise
    except DECODING_ERRORS as error:
        raise DatasetError(f"cannot read {path.name}: it is no npz, or it is damaged ({reason_of(error)})") from error


def dataset_frames(path: Path) -> FrameSource:
    """The images of an npz alone, with or without masks."""
    return _as_frames(_sequence(read_arrays(path), "image", path), path)


def _as_frames(images: AnyArray | list[AnyArray], path: Path) -> FrameSource:
    try:
        if isinstance(images, np.ndarray):
            return frames_of(images, rgb=images.ndim == 4)
        return frames_of(images)
    except FrameError as error:
        raise DatasetError(f"{path.name}: {error}") from error


def _sequence(arrays: Mapping[str, AnyArray], name: str, path: Path) -> AnyArray | list[AnyArray]:
    together = arrays.get(f"{name}s")
    if together is not None:
        if together.ndim < 3 or not len(together):
            raise DatasetError(f"{path.name}: {name}s must be (T, H, W); got shape {together.shape}")
        return together
    numbered = _numbered(arrays, name)
    if not numbered:
        raise DatasetError(
            f"{path.name} has neither an array {name}s nor {name}_000, {name}_001, ...; it has {', '.join(arrays)}"
        )
    return [numbered[number] for number in sorted(numbered)]


def _numbered(arrays: Mapping[str, AnyArray], name: str) -> dict[int, AnyArray]:
    """Arrays ``NAME_0``, ``NAME_001``, ... by their numbers."""
    found = [key for key in arrays if re.fullmatch(rf"{name}_[0-9]+", key)]
    numbered = {int(key[len(name) + 1 :]): arrays[key] for key in found}
    if len(numbered) < len(found):
        raise DatasetError(f"two arrays have the same number among {', '.join(sorted(found))}")
    return numbered


def _odd_value(mask: AnyArray) -> str:
    """What a mask holds that is no number of an object."""
    return str(mask.dtype) if mask.dtype.kind not in "buif" else str(mask[~np.isfinite(mask) | (mask < 0)][0])


def _read_notes(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"cannot read {path.name}: {error}") from error
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
