"""Units by one name each, however a file spells them."""

from __future__ import annotations

#: By the name of each unit how else it is spelt, first as OME-Zarr has to.
_SPELLINGS = {
    "nm": ("nanometer", "nanometers", "nanometre", "nanometres"),
    "um": ("micrometer", "micrometers", "micrometre", "micrometres", "µm", "μm", "micron", "microns"),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "cm": ("centimeter", "centimeters", "centimetre", "centimetres"),
    "m": ("meter", "meters", "metre", "metres"),
    "angstrom": ("angstrom", "å", "Å", "a", "angstroms", "ångström"),
    "ns": ("nanosecond", "nanoseconds"),
    "us": ("microsecond", "microseconds", "µs", "μs", "usec"),
    "ms": ("millisecond", "milliseconds", "msec"),
    "s": ("second", "seconds", "sec", "secs"),
    "min": ("minute", "minutes"),
    "h": ("hour", "hours", "hr"),
    "Hz": ("hertz", "hz"),
    "ppm": (),
    "rad": ("radian", "radians"),
}
_BY_SPELLING = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in (unit, *spellings)}

#: Millimetres in a unit of length.
MILLIMETRES = {"nm": 1e-6, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0, "angstrom": 1e-7}
#: Units of time, the shortest first.
TIMES = ("ns", "us", "ms", "s", "min", "h")


def ome_zarr_unit(unit: str) -> str:
    """A unit of an axis as OME-Zarr spells it; empty for what it has no unit for."""
    known = unit_of(unit)
    return _SPELLINGS[known][0] if known in MILLIMETRES or known in TIMES else ""


def unit_of(spelling: object, *, otherwise: str = "pixel") -> str:
    """The name that :class:`.opened.Axis` uses for a unit; ``otherwise`` if it is none that is known."""
    text = spelling.strip() if isinstance(spelling, str) else ""
    return _BY_SPELLING.get(text) or _BY_SPELLING.get(text.casefold()) or otherwise
