"""Units by their short names, however they are spelt."""

from __future__ import annotations

_SHORT = {
    "um": ("µm", "μm", "micron", "microns", "micrometer", "micrometre"),
    "nm": ("nanometer", "nanometre"),
    "mm": ("millimeter", "millimetre"),
    "cm": ("centimeter", "centimetre"),
    "m": ("meter", "metre"),
    "angstrom": ("å", "ångström"),
    "s": ("sec", "second"),
    "ms": ("msec", "millisecond"),
    "min": ("minute",),
    "h": ("hour",),
}
_BY_SPELLING = {spelling: short for short, spellings in _SHORT.items() for spelling in (short, *spellings)}
#: Units that OME spells otherwise.
_OME = {"um": "µm", "angstrom": "Å"}


def short_unit(unit: str) -> str:
    """The short name of a unit in ASCII, "um" or "mm"; one that is not known, and "pixel", stays as it is."""
    return _BY_SPELLING.get(unit.lower().removesuffix("s") if len(unit) > 2 else unit, unit)


def ome_unit(unit: str) -> str:
    """A unit as OME spells it."""
    short = short_unit(unit)
    return _OME.get(short, short)
