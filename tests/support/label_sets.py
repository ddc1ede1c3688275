"""Labels to be written, of images that are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_medsam2.images.conversion import frames_of
from napari_medsam2.images.opened import Axis, LabelledObject, OpenedImages
from napari_medsam2.images.writers.labels import Found, Labelled, LabelSet
from napari_medsam2.types import Mode

Z, Y, X = Axis("z", 2.5, "mm", -10.0), Axis("y", 0.5, "mm", 3.0), Axis("x", 0.25, "mm", -4.0)


def labels_of(
    labels: np.ndarray,
    axes: Sequence[Axis] = (Z, Y, X),
    *,
    mode: Mode = "stack",
    objects: Mapping[int, LabelledObject] | None = None,
    found: Mapping[tuple[int, int], Found] | None = None,
    names: Sequence[str] | None = None,
    **images: Any,
) -> LabelSet:
    """Labels in one block, whose axes lie as these say."""
    opened = OpenedImages(images.pop("name", "scan"), labels, tuple(axes), **images)
    planes = labels.reshape(-1, *labels.shape[-2:])
    called = tuple(names or (f"frame {t}" for t in range(len(planes))))
    labelled = Labelled(opened, called, mode, labels.dtype)
    return labelled.with_labels(lambda t: planes[t], objects=objects, found=found)


def flow_of(
    labels: Sequence[np.ndarray], names: Sequence[str], found: Mapping[tuple[int, int], Found] | None = None
) -> LabelSet:
    """Labels of images that may differ in size."""
    images = OpenedImages("cells", frames_of(list(labels), names=names), (Axis("image"), Axis("y"), Axis("x")))
    return Labelled(images, tuple(names), "flow", labels[0].dtype).with_labels(lambda t: labels[t], found=found)
