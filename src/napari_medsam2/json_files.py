"""JSON from outside, read within bounds: whatever is in a file, the worst that it can do is to be refused in words."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import JsonError, UserError, shortened

#: More than any list of prompts needs, and little enough to be held in memory several times over.
MOST_BYTES = 64 << 20
#: Lists in lists, and objects in objects.
MOST_DEPTH = 64
#: Whole numbers beyond this are none that a computer counts with.
_LARGEST_INTEGER = 2**63 - 1


def read_json(path: Path, error: type[UserError]) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path
        The file, in UTF-8.
    error
        What is raised if it cannot be used.

    Raises
    ------
    error
        If there is no such file, it cannot be read, or :func:`parse_json` refuses it; with the name of the file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)  # a pipe or a device has no size that can be asked for
        if len(data) > MOST_BYTES:
            raise JsonError(f"at most {MOST_BYTES >> 20} MB are read, and it has more")
        return parse_json(data.decode("utf-8-sig"))
    except FileNotFoundError as cause:
        raise error(f"there is no file {path}") from cause
    except (OSError, UnicodeError, JsonError) as cause:
        told = cause.strerror if isinstance(cause, OSError) and cause.strerror else cause
        raise error(f"cannot read {path.name} as JSON: {told}") from cause


def parse_json(text: str) -> Any:
    """Parse JSON as its standard has it: finite numbers, and each name once in an object.

    Raises
    ------
    JsonError
        If it is none; also for nesting deeper than :data:`MOST_DEPTH`, and numbers that no computer counts with. Of
        Python's own parser the first end in a ``RecursionError`` anywhere, and the last in infinity.
    """
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_no_number,
            object_pairs_hook=_names_once,
        )
    except RecursionError as cause:
        raise JsonError(_TOO_DEEP) from cause
    except JsonError:
        raise
    except ValueError as cause:
        raise JsonError(f"it is damaged, or no JSON: {cause}") from cause
    _check_depth(value)
    return value


_TOO_DEEP = f"its lists and objects are in each other more than {MOST_DEPTH} deep"


def _integer(text: str) -> int:
    if len(text) <= 20 and abs(number := int(text)) <= _LARGEST_INTEGER:
        return number
    raise JsonError(f"{shortened(text)} is too large a number")


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise JsonError(f"{shortened(text)} is too large a number")


def _no_number(text: str) -> float:
    raise JsonError(f"{text} is no number of JSON")


def _names_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise JsonError(f"an object in it says {shortened(name)} twice")
        found[name] = value
    return found


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        groups = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for group in groups for each in group]
        if not level:
            return
    raise JsonError(_TOO_DEEP)
