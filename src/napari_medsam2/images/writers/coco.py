"""COCO's JSON, with masks as run lengths by pycocotools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...types import AnyArray
from .labels import LabelSet
from .regions import Region, regions_of


def write_coco(path: Path, labels: LabelSet) -> None:
    """Write an image for each frame, an annotation for each object on it, and a category for each object.

    Numbers of images and annotations begin at 1; that of a category is the object's. ``score`` is the confidence.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    numbers = set(labels.objects)
    for t, plane in enumerate(labels.planes()):
        images.append(_image(labels, t, plane))
        for region in regions_of(plane):
            annotations.append(_annotation(labels, t, plane, region, len(annotations) + 1))
            numbers.add(region.number)
    content = {
        "info": {"description": f"labels of {labels.images.name}"},
        "images": images,
        "annotations": annotations,
        "categories": [_category(labels, number) for number in sorted(numbers)],
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _image(labels: LabelSet, t: int, plane: AnyArray) -> dict[str, Any]:
    """A frame; those of one file have its name in common, and say which frame they are."""
    height, width = plane.shape
    return {"id": t + 1, "file_name": labels.image_name(t), "height": height, "width": width, "frame": t}


def _annotation(labels: LabelSet, t: int, plane: AnyArray, region: Region, number: int) -> dict[str, Any]:
    (top, bottom), (left, right) = region.rows, region.columns
    found = labels.found.get((t, region.number))
    return {
        "id": number,
        "image_id": t + 1,
        "category_id": region.number,
        "segmentation": _run_lengths(plane, region),
        "area": region.area,
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
        **({} if found is None else {"score": round(found.confidence, 4), "prompted": found.prompted}),
    }


def _run_lengths(plane: AnyArray, region: Region) -> dict[str, Any]:
    """The mask of an object. Runs go down the columns, so only those of the object are looked at."""
    from pycocotools import mask as masks

    height, width = plane.shape
    left, right = region.columns
    strip = np.pad(np.ravel(plane[:, left:right] == region.number, order="F"), 1)
    edges = np.flatnonzero(strip[1:] != strip[:-1]) + left * height
    counts = np.diff([0, *edges, height * width])  # background first, be it nothing
    counts = counts[: len(counts) - (counts[-1] == 0)].tolist()
    runs = masks.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": runs["counts"].decode("ascii")}


def _category(labels: LabelSet, number: int) -> dict[str, Any]:
    known = labels.objects.get(number)
    category: dict[str, Any] = {"id": number, "name": (known and known.name) or f"object {number}", "supercategory": ""}
    if known is not None and known.rgb:
        category["color"] = list(known.rgb)
    return category
