"""A table with a line for each object on each image, for a spreadsheet or for statistics."""

from __future__ import annotations

import csv
import math
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import OutputError
from ...whole_file import replace_file
from ..opened import Axis
from ..units import unit_of
from .formats import format_of
from .labels import Labelled, LabelSet
from .regions import Region, regions_of

TABLE_SUFFIX = ".csv"


def save_table(path: Path, labels: LabelSet) -> None:
    """Write a table of the objects, as CSV in UTF-8.

    In a flow there is a line for each object on each image, with an area of 0 where it is not; in a stack one for each
    slice that an object is on, or is prompted on. Boxes are edges as ``--box`` takes them: a pixel ``i`` covers
    ``[i - 0.5, i + 0.5]``. Areas and volumes in physical units are there where the images say what a pixel measures.

    Raises
    ------
    OutputError
        If it cannot be written; the older one is as it was.
    """

    def write(draft: Path) -> None:
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:  # names may be no UTF-8
            lines = csv.DictWriter(file, _columns(labels))
            lines.writeheader()
            lines.writerows(_lines(labels))

    replace_file(path, write)


def table_beside(path: Path, labelled: Labelled) -> Path | None:
    """The table that belongs to a flow's folder of labels: ``labels.csv`` beside ``labels``.

    ``None`` for all else, and where it would lie among the images.
    """
    if labelled.mode != "flow" or format_of(path) is not None:
        return None
    folder = Path(os.path.abspath(path))
    among = folder.parent in {Path(os.path.abspath(file)).parent for file in labelled.images.files}
    return None if among else folder.with_name(folder.name + TABLE_SUFFIX)


def check_table_name(path: Path) -> None:
    """Refuse what is no name of a table; :class:`OutputError`."""
    if path.suffix.lower() != TABLE_SUFFIX:
        raise OutputError(f"the table is written as {TABLE_SUFFIX}; got {path.name!r}")


def _columns(labels: LabelSet) -> list[str]:
    leading = [axis.name for axis in labels.axes[:-2]]
    return [
        *("image", "frame", *(leading if len(leading) > 1 else ()), "object", "name", "area_pixels"),
        *(name for name, _ in _measures(labels)),
        *("confidence", "prompted", "y0", "x0", "y1", "x1", "centroid_y", "centroid_x"),
    ]


def _measures(labels: LabelSet) -> list[tuple[str, float]]:
    """What a pixel measures: the names of the columns, with the unit, and the size of one pixel."""
    axes = {axis.name: axis for axis in labels.axes}
    plane = labels.axes[-2:]
    measures = []
    if _have_one_length(plane):
        measures.append((f"area_{unit_of(plane[0].unit)}2", math.prod(axis.spacing for axis in plane)))
    space = [axes[name] for name in "zyx" if name in axes]
    if len(space) == 3 and _have_one_length(space):
        measures.append((f"volume_{unit_of(space[0].unit)}3", math.prod(axis.spacing for axis in space)))
    return measures


def _have_one_length(axes: Any) -> bool:
    units = {unit_of(axis.unit) for axis in axes}
    return len(units) == 1 and units != {Axis().unit}


def _lines(labels: LabelSet) -> Iterator[dict[str, Any]]:
    known = {*labels.objects, *(number for _, number in labels.found)} if labels.mode == "flow" else set()
    measures, prompted = _measures(labels), defaultdict[int, set[int]](set)
    for (frame, number), found in labels.found.items():
        if found.prompted:
            prompted[frame].add(number)
    for t, plane in enumerate(labels.planes()):
        regions = {region.number: region for region in regions_of(plane)}
        for number in sorted({*regions, *known, *prompted[t]}):
            yield _line(labels, t, number, regions.get(number), measures)


def _line(
    labels: LabelSet, t: int, number: int, region: Region | None, measures: list[tuple[str, float]]
) -> dict[str, Any]:
    leading = labels.axes[:-2]
    where = np.unravel_index(t, labels.lengths[:-2]) if len(leading) > 1 else ()
    found, known = labels.found.get((t, number)), labels.objects.get(number)
    area = region.area if region else 0
    line: dict[str, Any] = {
        "image": labels.image_name(t),
        "frame": t,
        **{axis.name: int(place) for axis, place in zip(leading, where, strict=False)},
        "object": number,
        "name": known.name if known else "",
        "area_pixels": area,
        **{name: f"{area * size:.6g}" for name, size in measures},
    }
    if found is not None:
        line |= {"confidence": f"{found.confidence:.4f}", "prompted": int(found.prompted)}
    if region is not None:
        (top, bottom), (left, right) = region.rows, region.columns
        line |= {"y0": top - 0.5, "x0": left - 0.5, "y1": bottom - 0.5, "x1": right - 0.5}
        line |= {f"centroid_{axis}": f"{place:.2f}" for axis, place in zip("yx", region.centroid, strict=True)}
    return line
