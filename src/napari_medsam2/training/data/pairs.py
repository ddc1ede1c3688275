"""The user's own labelled images, wherever they are: npz datasets, or folders with images and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import DatasetError, FrameError, first_few
from ...images.datasets import Dataset, read_dataset, told_apart
from ...images.formats import as_frames, read_images
from ...images.frames import FrameSource
from ...images.header import ImageHeader
from ...images.label_images import label_image
from ...images.listing import (
    IMAGE_SUFFIXES,
    LABEL_ENDINGS,
    VOLUME_SUFFIXES,
    image_stem,
    list_images,
    natural_key,
    stem_of,
)
from ...types import AnyArray, Mode

Labels = Literal["auto", "classes", "instances"]

_IMAGE_FOLDERS, _LABEL_FOLDERS = ("images", "image"), ("labels", "label", "masks", "mask")
#: More different numbers than this on the labels of a flow are instances.
MANY = 20
#: So many numbers may well be classes, even where every image has 1 to n of them.
FEW = 4


@dataclass(frozen=True)
class Labelled:
    """Datasets to train on, and what should be said about how they were read."""

    datasets: tuple[Dataset, ...]
    notes: tuple[str, ...] = ()


def read_labelled(paths: Sequence[str | Path], *, mode: Mode | None = None, labels: Labels = "auto") -> Labelled:
    """Read labelled data.

    Parameters
    ----------
    paths
        Npz files as :func:`~napari_medsam2.images.datasets.read_dataset` takes them, folders of such files, or folders
        with pairs: ``images/`` and ``labels/`` with the same names, or ``NAME.tif`` beside ``NAME_labels.tif``. A pair
        with several frames is a stack; single images of one folder make one flow.
    mode
        "stack": single images, in the order of their names, are the slices of one stack. "flow": the frames of all
        files are unrelated images. ``None``: what the files say.
    labels
        What the numbers on a flow's label images mean.

    Raises
    ------
    DatasetError
        If there is nothing to train on, or a label image does not fit its image; the message names the file.
    """
    datasets: list[Dataset] = []
    notes: list[str] = []
    for path in map(Path, paths):
        for dataset in _read(path, mode, notes):
            if not dataset.objects:
                notes.append(f"{dataset.name} is left out: there is no object on its labels")
                continue
            datasets.append(_one_kind(dataset, labels, notes))
    if not datasets:
        raise DatasetError(
            f"there is no object on any label image in {', '.join(map(str, paths))}: a label image is 0 where there is "
            "nothing, and 1, 2, ... on the objects"
        )
    return Labelled(tuple(told_apart(datasets)), tuple(notes))


def _read(path: Path, mode: Mode | None, notes: list[str]) -> list[Dataset]:
    if path.suffix.lower() == ".npz":
        return [read_dataset(path, mode=mode)]
    if not path.exists():
        raise DatasetError(f"there is no file or folder {path}")
    if not path.is_dir():
        raise DatasetError(
            f"{path} is neither a folder with images and labels nor a .npz with both; name the folder that holds "
            "the image and its labels"
        )
    archives = sorted(path.glob("*.npz"))
    pairs = _find_pairs(path, notes)
    if not pairs and not archives:
        raise DatasetError(_nothing_found(path))
    found = [read_dataset(archive, mode=mode) for archive in archives]
    opened = [_open(image, label) for image, label in pairs]
    single = [pair for pair in opened if len(pair[0]) == 1]
    if mode != "flow":
        found += [_dataset(name, "stack", [(images, masks)]) for images, masks, name in opened if len(images) > 1]
    else:
        single = opened
    if single:
        kind: Mode = mode or "flow"
        sizes = sorted({images.shape(0) for images, _, _ in single})
        if kind == "stack" and len(sizes) > 1:
            raise DatasetError(
                f"the slices of a stack have one size; those in {path} have {len(sizes)}, such as "
                f"{' and '.join(_size(size) for size in sizes[:2])}. Unrelated images are a flow: --mode flow"
            )
        found.append(_dataset(path.name, kind, [(images, masks) for images, masks, _ in single]))
    return found


def _find_pairs(folder: Path, notes: list[str]) -> list[tuple[Path, Path]]:
    """Images and their labels, in natural order."""
    inside = {child.name.lower(): child for child in folder.iterdir() if child.is_dir()}
    images_in = next((inside[name] for name in _IMAGE_FOLDERS if name in inside), None)
    labels_in = next((inside[name] for name in _LABEL_FOLDERS if name in inside), None)
    if images_in is not None and labels_in is not None:
        images = _image_files(images_in)
        labels = {image_stem(path): path for path in _image_files(labels_in)}
    else:
        files = _image_files(folder)
        labels = {image_stem(path): path for path in files if image_stem(path) != stem_of(path)}
        taken = set(labels.values())
        images = [path for path in files if path not in taken]
    pairs = [(path, labels[stem_of(path)]) for path in images if stem_of(path) in labels]
    alone = [path.name for path in images if stem_of(path) not in labels]
    if pairs and alone:
        notes.append(f"{len(alone)} images have no labels and are left out: {first_few(alone, 3)}")
    return pairs


def _image_files(folder: Path) -> list[Path]:
    """Images and volumes of a folder, in natural order."""
    images, others = list_images(folder)
    volumes = [path for path in others if path.name.lower().endswith(VOLUME_SUFFIXES)]
    return sorted([*images, *volumes], key=lambda path: natural_key(path.name))


def _nothing_found(folder: Path) -> str:
    held = sorted(child.name + ("/" if child.is_dir() else "") for child in folder.iterdir())
    has = f"it holds {first_few(held)}" if held else "it is empty"
    return (
        f"no images with labels in {folder}: {has}. Looked for images/ and labels/ with files of the same names, for "
        f"NAME.tif beside NAME_labels.tif (or {', '.join(LABEL_ENDINGS[1:])}), and for .npz datasets; images are "
        f"{', '.join(IMAGE_SUFFIXES)}"
    )


def _open(image: Path, label: Path) -> tuple[FrameSource, FrameSource, str]:
    """Frames and label frames of a pair, checked to have the same sizes."""
    try:
        images, masks = as_frames(image), _open_labels(label)
        if len(images) != len(masks):
            raise DatasetError(f"{image.name} has {len(images)} frames and its labels {label.name} have {len(masks)}")
        for t in range(len(images)):
            ours, theirs = images.shape(t), masks.shape(t)
            if ours != theirs:
                raise DatasetError(
                    f"{image.name} is {_size(ours)} and its labels {label.name} are {_size(theirs)} (height x width); "
                    "they must be of the same size"
                )
    except FrameError as error:
        raise DatasetError(str(error)) from error
    return images, masks, stem_of(image)


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"


def _open_labels(path: Path) -> FrameSource:
    """Label frames: the numbers that are stored, not the colours of a palette."""
    return read_images(path, as_labels=True).frames_along().frames


def _dataset(name: str, mode: Mode, pairs: Sequence[tuple[FrameSource, FrameSource]]) -> Dataset:
    """One dataset of the frames of all pairs; the labels are read now, the images when they are needed."""
    try:
        masks = [label_image(labels[t], images.name(t)) for images, labels in pairs for t in range(len(labels))]
    except FrameError as error:
        raise DatasetError(str(error)) from error
    frames = pairs[0][0] if len(pairs) == 1 else JoinedFrames([images for images, _ in pairs])
    present = sorted({int(value) for mask in masks for value in np.unique(mask)} - {0})
    return Dataset(name, mode, frames, masks, {value: f"object {value}" for value in present})


def _one_kind(dataset: Dataset, labels: Labels, notes: list[str]) -> Dataset:
    """Make one object of the instances of a flow, where the numbers are those of instances."""
    if dataset.mode == "stack" or labels == "classes" or len(dataset.objects) < 2:
        return dataset
    if labels == "auto":
        if not _look_like_instances(dataset):
            return dataset
        notes.append(
            f"the {len(dataset.objects)} different labels of {dataset.name} are taken as instances of one kind of "
            "object; --labels classes keeps them apart"
        )
    masks = [np.isin(mask, list(dataset.objects)).astype(np.uint8) for mask in dataset.masks]
    return Dataset(dataset.name, "flow", dataset.frames, masks, {1: "all instances"}, dataset.spacing)


def _look_like_instances(dataset: Dataset) -> bool:
    """Very many numbers, or 1 to n on every image with an n that differs, are instances."""
    if len(dataset.objects) > MANY:
        return True
    shown = [np.unique(mask[mask > 0]) for mask in dataset.masks]
    counts = {len(numbers) for numbers in shown if len(numbers)}
    counted = all(np.array_equal(numbers, np.arange(1, len(numbers) + 1)) for numbers in shown)
    return counted and len(counts) > 2 and max(counts) > FEW


class JoinedFrames(FrameSource):
    """The frames of several sources, one after the other, or some of one source's; each still lazy."""

    def __init__(self, sources: Sequence[FrameSource], chosen: Sequence[int] | None = None) -> None:
        super().__init__(0)  # the sources have caches of their own
        everything = [(source, t) for source in sources for t in range(len(source))]
        self._where = everything if chosen is None else [everything[t] for t in chosen]

    def __len__(self) -> int:
        return len(self._where)

    def header(self, t: int) -> ImageHeader:
        source, own = self._where[self._index(t)]
        return source.header(own)

    def name(self, t: int) -> str:
        source, own = self._where[self._index(t)]
        return source.name(own)

    def _read(self, t: int) -> AnyArray:
        source, own = self._where[t]
        return source[own]
