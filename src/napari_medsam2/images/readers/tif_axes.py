"""What a tif says of its axes: names, spacing, units, where the first pixel lies, and what its channels are called."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from ..opened import Axis
from ..units import unit_of

#: Pixels of at most this many micrometres are those of a microscope or a scanner; resolutions of less are written for
#: printers and screens (72, 96, 300 dots an inch), and say nothing of the object.
_FINEST_PRINT = 20.0
_PIXEL = "pixel"
#: Axes of tifffile that are frames of no known kind.
_UNNAMED = "IQ"


@dataclass(frozen=True)
class Calibration:
    """What the header says of the axes.

    Attributes
    ----------
    axes
        By their names; those that are not told are missing.
    channels
        What they are called.
    """

    axes: Mapping[str, Axis] = field(default_factory=dict)
    channels: tuple[str, ...] = ()


def axis_names(letters: str) -> tuple[str, ...]:
    """What the axes of a series are called; "" for those whose kind is not told."""
    names = ["" if letter in _UNNAMED else letter.lower() for letter in letters]
    if not {"y", "x"} <= set(names):
        own = [place for place, letter in enumerate(letters) if letter != "S"]
        for place, name in zip(own[-2:], "yx", strict=False):
            names[place] = name
    return tuple(names)


def calibration_of(tif: Any, series: Any) -> Calibration:
    """What the header of a series says, by whichever program wrote it."""
    makers: tuple[tuple[bool, Callable[[Any, Any], Calibration]], ...] = (
        (series.kind == "ome", _of_ome),
        (bool(tif.is_imagej), _of_imagej),
        (bool(tif.is_lsm), _of_lsm),
        (bool(tif.is_stk), _of_stk),
        (bool(tif.is_micromanager), _of_micromanager),
        (True, _of_shaped),
    )
    maker = next(maker for fits, maker in makers if fits)
    return maker(tif, series)


def axis(name: str, spacing: Any, unit: Any, origin: Any = 0.0) -> dict[str, Axis]:
    """One axis, by its name; none where the numbers make no sense."""
    try:
        step, start = float(spacing), float(origin)
    except (TypeError, ValueError):
        return {}
    if not (math.isfinite(step) and step > 0):
        return {}
    written = str(unit).replace("\\u00B5", "µ")  # as ImageJ writes it
    return {name: Axis(name, step, unit_of(written), start + 0.0 if math.isfinite(start) else 0.0)}  # no -0.0


def _of_ome(tif: Any, series: Any) -> Calibration:
    images = [element for element in ElementTree.fromstring(tif.ome_metadata) if _tag(element) == "Image"]
    own = [one for one in tif.series if one.kind == "ome"]
    place = next((number for number, one in enumerate(own) if one is series), 0)
    if len(images) != len(own):  # images without pages are no series
        images = [image for image in images if image.attrib.get("Name", "") == series.name] or images
        place = 0
    pixels = next(element for element in images[place] if _tag(element) == "Pixels")
    told = pixels.attrib
    planes = [element.attrib for element in pixels if _tag(element) == "Plane"]
    first = next((p for p in planes if all(p.get(f"The{name}", "0") == "0" for name in "ZCT")), {})
    axes: dict[str, Axis] = {}
    for name in "XYZ":
        unit = told.get(f"PhysicalSize{name}Unit", "µm")
        found = axis(name.lower(), told.get(f"PhysicalSize{name}"), unit)
        same = first.get(f"Position{name}Unit", "reference frame") == unit
        axes |= axis(name.lower(), found[name.lower()].spacing, unit, first.get(f"Position{name}", 0)) if (
            found and same
        ) else found  # fmt: skip
    axes |= axis("t", told.get("TimeIncrement"), told.get("TimeIncrementUnit", "s"))
    names = [element.attrib.get("Name", "") for element in pixels if _tag(element) == "Channel"]
    return Calibration(axes, tuple(names) if names and all(names) else ())


def _of_imagej(tif: Any, series: Any) -> Calibration:
    told = dict(tif.imagej_metadata or {})
    return Calibration(_described(told, series.keyframe), _imagej_channels(told, series))


def _of_shaped(tif: Any, series: Any) -> Calibration:
    """What tifffile wrote where it was given names of ImageJ; else the resolution alone, where it means the object."""
    told = dict((tif.shaped_metadata or ({},))[0]) if tif.is_shaped else {}
    if "unit" in told or "spacing" in told:
        return Calibration(_described(told, series.keyframe))
    page = series.keyframe
    axes: dict[str, Axis] = {}
    inches = {2: 1.0, 3: 2.54}.get(int(page.resolutionunit), 0.0)
    for name, dots in zip("xy", page.resolution, strict=True):
        micrometres = 25400 / (dots * inches) if dots * inches > 0 else math.inf
        if micrometres <= _FINEST_PRINT:
            axes |= axis(name, micrometres, "um")
    return Calibration(axes if len(axes) == 2 else {})


def _described(told: Mapping[str, Any], page: Any) -> dict[str, Axis]:
    """Spacing as ImageJ writes it: unit and spacing in the description, pixels a unit in the tags of the resolution."""
    unit = told.get("unit", _PIXEL)
    axes: dict[str, Axis] = {}
    for name, dots in zip("xy", page.resolution, strict=True):
        own = told.get(f"{name}unit", unit)
        if dots > 0 and (unit != _PIXEL or dots != 1):
            axes |= axis(name, 1 / dots, own, -float(told.get(f"{name}origin", 0)) / dots)
    spacing = told.get("spacing")
    if spacing is not None:
        origin = told.get("zorigin", 0)
        axes |= axis("z", abs(float(spacing)), told.get("zunit", unit), -float(origin) * abs(float(spacing)))
    interval = told.get("finterval") or (1 / told["fps"] if told.get("fps") else None)
    return axes | axis("t", interval, told.get("tunit", "s"))


def _imagej_channels(told: Mapping[str, Any], series: Any) -> tuple[str, ...]:
    """Labels of the slices, where they are the same ones for each position beside the channel."""
    labels = [str(label) for label in told.get("Labels") or ()]
    n = series.shape[series.axes.index("C")] if "C" in series.axes else 0
    behind = math.prod(series.shape[series.axes.index("C") + 1 : -2]) if n else 1
    if not n or behind != 1 or len(labels) < n or len(set(labels[:n])) < n:
        return ()
    return tuple(labels[:n]) if all(label == labels[k % n] for k, label in enumerate(labels)) else ()


def _of_lsm(tif: Any, series: Any) -> Calibration:
    told = tif.lsm_metadata
    axes: dict[str, Axis] = {}
    for name in "XYZ":
        metres = float(told.get(f"VoxelSize{name}") or 0)
        axes |= axis(name.lower(), f"{metres * 1e6:.9g}", "um")
    axes |= axis("t", told.get("TimeIntervall"), "s")
    names = (told.get("ChannelColors") or {}).get("ColorNames") or ()
    return Calibration(axes, tuple(map(str, names)))


def _of_stk(tif: Any, series: Any) -> Calibration:
    told = tif.stk_metadata
    unit = told.get("CalibrationUnits", _PIXEL)
    axes: dict[str, Axis] = {}
    if told.get("SpatialCalibration", 1):
        axes |= axis("x", told.get("XCalibration"), unit) | axis("y", told.get("YCalibration"), unit)
    distances = [float(step) for step in told.get("ZDistance", ())]
    return Calibration(axes | (axis("z", distances[0], unit) if distances else {}))


def _of_micromanager(tif: Any, series: Any) -> Calibration:
    told = (tif.micromanager_metadata or {}).get("Summary") or {}
    size = told.get("PixelSize_um")
    axes = axis("x", size, "um") | axis("y", size, "um") | axis("z", told.get("z-step_um"), "um")
    interval = float(told.get("Interval_ms") or 0)
    return Calibration(axes | axis("t", interval, "ms"), tuple(map(str, told.get("ChNames") or ())))


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]
