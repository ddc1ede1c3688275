"""Units by one name each, however a file spells them."""

from __future__ import annotations

_SPELLINGS = {
    "nm": ("nanometer", "nanometers", "nanometre", "nanometres"),
    "um": ("µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "cm": ("centimeter", "centimeters", "centimetre", "centimetres"),
    "m": ("meter", "meters", "metre", "metres"),
    "angstrom": ("å", "Å", "a", "angstroms", "ångström"),
    "ns": ("nanosecond", "nanoseconds"),
    "us": ("µs", "μs", "microsecond", "microseconds", "usec"),
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
#: Units as OME-Zarr has to spell them.
_OME_ZARR = {
    **{"nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter", "m": "meter"},
    **{"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second", "min": "minute", "h": "hour"},
    "angstrom": "angstrom",
}


def ome_zarr_unit(unit: str) -> str:
    """A unit of an axis as OME-Zarr spells it; empty for what it has no unit for."""
    return _OME_ZARR.get(unit_of(unit), "")


def unit_of(spelling: object, *, otherwise: str = "pixel") -> str:
    """The name that :class:`.opened.Axis` uses for a unit; ``otherwise`` if it is none that is known."""
    text = spelling.strip() if isinstance(spelling, str) else ""
    return _BY_SPELLING.get(text) or _BY_SPELLING.get(text.casefold()) or otherwise
