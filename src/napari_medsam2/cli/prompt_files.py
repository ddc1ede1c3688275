"""Prompts written down: on the command line, and in a JSON file.

The JSON file holds ``{"prompts": [...]}``, each one of::

    {"type": "point", "frame": 12, "y": 40.5, "x": 61, "positive": true, "object": 1}
    {"type": "box", "frame": 12, "y0": 30, "x0": 50, "y1": 60, "x1": 80, "object": 2}
    {"type": "scribble", "frame": 12, "path": [[40, 61], [42, 70]], "positive": true, "object": 1}
    {"type": "polygon", "frame": 12, "outline": [[30, 50], [30, 80], [60, 80]], "positive": true, "object": 2}
    {"type": "mask", "frame": 0, "file": "drawn.tif", "label": 3, "object": 3}

``positive`` is true and ``object`` is 1 where they are left out. A mask file is a label image, or a stack of them with
one for each frame, its name relative to the JSON file; the object is where it is not 0, or where it equals ``label``.
Of a picture with a palette the indices are the labels. A scribble is clicks along a path of (y, x). The polygons of an
object on a frame are one drawn mask: each adds to those before it or, if it is not positive, takes away from them.
What lies beyond the image does not count. Coordinates are pixels, and the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError, FrameError, PromptError, first_few, shortened
from ..geometry.strokes import clicks_along, filled
from ..images.formats import read_images
from ..images.label_images import label_image
from ..json_files import read_json
from ..prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from ..types import AnyArray

_FIELDS = {
    "point": ({"frame", "y", "x"}, {"positive", "object"}),
    "box": ({"frame", "y0", "x0", "y1", "x1"}, {"object"}),
    "scribble": ({"frame", "path"}, {"positive", "object"}),
    "polygon": ({"frame", "outline"}, {"positive", "object"}),
    "mask": ({"frame", "file"}, {"label", "object"}),
}


def parse_point(text: str) -> PointPrompt:
    """``F,Y,X`` or ``F,Y,X,1`` is a click on the object, ``F,Y,X,0`` one beside it."""
    numbers = _numbers(text, "a point is F,Y,X or F,Y,X,0|1", 3, 4)
    if len(numbers) == 4 and numbers[3] not in (0, 1):
        raise PromptError(f"the last number of a point is 1 (on the object) or 0 (beside it); got {shortened(text)}")
    return PointPrompt(_frame(numbers[0], text), numbers[1], numbers[2], len(numbers) == 3 or numbers[3] == 1)


def parse_box(text: str) -> BoxPrompt:
    """``F,Y0,X0,Y1,X1``: the frame and two opposite corners."""
    frame, y0, x0, y1, x1 = _numbers(text, "a box is F,Y0,X0,Y1,X1", 5, 5)
    return BoxPrompt(_frame(frame, text), y0, x0, y1, x1)


@dataclass(frozen=True)
class MaskedSequence:
    """What masks are drawn on, as far as their files have to fit it.

    Attributes
    ----------
    n_frames
        How many frames there are; ``None`` if that is not known.
    axis
        What they follow each other along, in their file and so in a stack of masks.
    size_of
        Says how large a frame is, (H, W); ``None`` if that is not known.
    """

    n_frames: int | None = None
    axis: int | str = 0
    size_of: Callable[[int], tuple[int, int]] | None = None


UNKNOWN = MaskedSequence()


def parse_mask(text: str, sequence: MaskedSequence = UNKNOWN) -> tuple[MaskPrompt, Path]:
    """``FRAME:FILE``: the object is where the image in the file, or its frame FRAME, is not 0. Returns the file too."""
    frame, _, file = text.partition(":")
    try:
        number = int(frame) if frame.strip().isdecimal() else -1
    except ValueError:  # too many digits
        number = -1
    if not file or number < 0:
        raise PromptError(f"a mask is FRAME:FILE, such as 12:drawn.tif; got {shortened(text)}")
    return _mask(number, Path(file), None, 1, sequence), Path(file)


@dataclass(frozen=True)
class PromptFile:
    """What a JSON file holds: its prompts, and the files of the drawn masks among them."""

    prompts: tuple[Prompt, ...]
    masks: tuple[Path, ...]


def read_prompt_file(path: str | Path, sequence: MaskedSequence = UNKNOWN) -> PromptFile:
    """Read a JSON file of prompts; see the head of this module.

    Parameters
    ----------
    path
        Of the JSON file.
    sequence
        What the prompts are for.

    Raises
    ------
    PromptError
        If the file or one of its prompts cannot be used; the message names the prompt by its place in the list.
    """
    path = Path(path)
    items = _items_of(path)
    prompts: list[Prompt] = []
    place = _Place(path.parent, sequence)
    for number, item in enumerate(items):
        try:
            prompts += _prompts_of(item, place)
        except PromptError as error:
            raise PromptError(f"prompt {number} of {path.name}: {error}") from error
    for polygons in place.polygons.values():
        if not polygons.mask.any():
            raise PromptError(
                f"{path.name}: the polygons of object {polygons.object_id} on frame {polygons.frame} "
                "leave nothing of it"
            )
    masks = tuple(path.parent / item["file"] for item in items if item["type"] == "mask")
    return PromptFile((*prompts, *place.polygons.values()), masks)


@dataclass(frozen=True)
class _Place:
    """Where the files of masks are, what they are drawn on, and what polygons have drawn there, by object and frame."""

    folder: Path
    sequence: MaskedSequence
    polygons: dict[tuple[int, int], MaskPrompt] = field(default_factory=dict)


def _items_of(path: Path) -> list[Any]:
    content = read_json(path, PromptError)
    items = content.get("prompts") if isinstance(content, dict) else None
    if not isinstance(items, list) or not items:
        raise PromptError(f'{path.name} must hold {{"prompts": [...]}} with at least one prompt')
    return items


def _prompts_of(item: Any, place: _Place) -> Sequence[Prompt]:
    if not isinstance(item, dict) or item.get("type") not in list(_FIELDS):  # it may be anything, also unhashable
        raise PromptError(f'"type" must be one of {", ".join(_FIELDS)}; got {shortened(item)}')
    needed, possible = _FIELDS[item["type"]]
    given = set(item) - {"type"}
    if missing := needed - given:
        raise PromptError(f"a {item['type']} also needs {', '.join(sorted(missing))}; got {shortened(item)}")
    if unknown := given - needed - possible:
        raise PromptError(f"a {item['type']} has no {', '.join(sorted(unknown))}; got {shortened(item)}")
    frame, object_id = item["frame"], item.get("object", 1)
    return _MAKERS[item["type"]](item, frame, object_id, place)


def _sign(item: Mapping[str, Any]) -> bool:
    positive = item.get("positive", True)
    if not isinstance(positive, bool):
        raise PromptError(f'"positive" must be true or false; got {shortened(positive)}')
    return positive


def _points_of(item: Mapping[str, Any], frame: Any, object_id: Any, place: _Place) -> Sequence[Prompt]:
    return [PointPrompt(frame, _number(item, "y"), _number(item, "x"), _sign(item), object_id)]


def _boxes_of(item: Mapping[str, Any], frame: Any, object_id: Any, place: _Place) -> Sequence[Prompt]:
    y0, x0, y1, x1 = (_number(item, name) for name in ("y0", "x0", "y1", "x1"))
    return [BoxPrompt(frame, y0, x0, y1, x1, object_id)]


def _scribble_of(item: Mapping[str, Any], frame: Any, object_id: Any, place: _Place) -> Sequence[Prompt]:
    positive, path = _sign(item), _places(item, "path", 1)
    clicks = [PointPrompt(frame, y, x, positive, object_id) for y, x in clicks_along(path).tolist()]
    size = _size_of(frame, place.sequence)
    if size is None:
        return clicks
    inside = [p for p in clicks if -0.5 <= p.y <= size[0] - 0.5 and -0.5 <= p.x <= size[1] - 0.5]
    if not inside:
        raise PromptError(f"the scribble lies outside the image of {size[0]} x {size[1]} pixels (height x width)")
    return inside


def _polygon_of(item: Mapping[str, Any], frame: Any, object_id: Any, place: _Place) -> Sequence[Prompt]:
    """Draws in ``place``: a prompt is made of all polygons together."""
    positive, outline = _sign(item), _places(item, "outline", 3)
    size = _size_of(frame, place.sequence)
    if size is None:
        raise PromptError("a polygon needs an image of known size")
    mask = filled(outline, size)
    if not mask.any():
        raise PromptError(f"the polygon goes around no pixel of the image of {size[0]} x {size[1]} pixels")
    drawn = MaskPrompt(frame, mask, object_id)
    before = place.polygons.get((drawn.object_id, drawn.frame))
    if before is None and not positive:
        raise PromptError("a polygon that is not positive takes away from one before it, and there is none")
    if before is not None:
        drawn = MaskPrompt(frame, before.mask | mask if positive else before.mask & ~mask, object_id)
    place.polygons[(drawn.object_id, drawn.frame)] = drawn
    return []


def _size_of(frame: Any, sequence: MaskedSequence) -> tuple[int, int] | None:
    """How large a frame is; ``None`` if that is not known."""
    if sequence.size_of is None:
        return None
    count = sequence.n_frames
    if isinstance(frame, bool) or not isinstance(frame, int) or frame < 0 or (count is not None and frame >= count):
        there = "" if count is None else f", 0 to {count - 1}"
        raise PromptError(f'"frame" must be the number of a frame{there}; got {shortened(frame)}')
    return sequence.size_of(frame)


def _places(item: Mapping[str, Any], name: str, fewest: int) -> list[tuple[float, float]]:
    """Pairs of y and x."""
    given = item[name]
    if not isinstance(given, list) or len(given) < fewest:
        raise PromptError(f'"{name}" must be a list of {fewest} or more pairs [y, x]; got {shortened(given)}')
    places = []
    for pair in given:
        if not isinstance(pair, list) or len(pair) != 2:
            raise PromptError(f'"{name}" must hold pairs [y, x]; got {shortened(pair)}')
        y, x = (_number({name: value}, name) for value in pair)
        if not (np.isfinite(y) and np.isfinite(x)):
            raise PromptError(f'"{name}" must hold finite numbers; got {shortened(pair)}')
        places.append((y, x))
    return places


def _mask_of(item: Mapping[str, Any], frame: Any, object_id: Any, place: _Place) -> Sequence[Prompt]:
    if not isinstance(item["file"], str):
        raise PromptError(f'"file" must be the name of an image; got {shortened(item["file"])}')
    label = item.get("label")
    value = None if label is None else _number(item, "label")
    return [_mask(frame, place.folder / item["file"], value, object_id, place.sequence)]


_MAKERS: dict[str, Callable[[Mapping[str, Any], Any, Any, _Place], Sequence[Prompt]]] = {
    "point": _points_of,
    "box": _boxes_of,
    "scribble": _scribble_of,
    "polygon": _polygon_of,
    "mask": _mask_of,
}


def _mask(frame: Any, file: Path, label: float | None, object_id: Any, sequence: MaskedSequence) -> MaskPrompt:
    try:
        image = label_image(_frame_of(file, frame, sequence), file.name)
    except (DatasetError, FrameError) as error:
        raise PromptError(str(error)) from error
    mask = image != 0 if label is None else image == label
    if not mask.any():
        raise PromptError(f"the mask {file.name} is empty: {_what_is_there(image, label, frame)}")
    return MaskPrompt(frame, np.asarray(mask), object_id)


def _frame_of(file: Path, frame: Any, sequence: MaskedSequence) -> AnyArray:
    """The label image of a file; of a stack of them the one of a frame."""
    images = read_images(file, as_labels=True)
    several = any(length > 1 for length in images.lengths[:-2])
    frames = images.frames_along(sequence.axis if several else 0).frames
    if len(frames) == 1:
        return frames[0]
    if sequence.n_frames not in (None, len(frames)):
        raise FrameError(
            f"the mask {file.name} has {len(frames)} frames, and the images have {sequence.n_frames}: a stack of masks "
            "has one for each frame, else save the one that is meant as a file of its own"
        )
    if isinstance(frame, bool) or not isinstance(frame, int) or not 0 <= frame < len(frames):
        raise FrameError(f"the mask {file.name} has frames 0 to {len(frames) - 1}; got {frame!r}")
    return frames[frame]


def _what_is_there(image: AnyArray, label: float | None, frame: Any) -> str:
    """Why a mask is empty, with the labels that there are."""
    if label is None:
        return f"it is 0 everywhere on frame {frame}"
    present = [str(value) for value in np.unique(image) if value]
    held = f"it has {first_few(present, 10)}" if present else "it is 0 everywhere"
    return f"it has no label {label:g}; {held}"


def _number(item: Mapping[str, Any], name: str) -> float:
    value = item[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PromptError(f'"{name}" must be a number; got {shortened(value)}')
    return float(value)


def _numbers(text: str, rule: str, fewest: int, most: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not fewest <= len(numbers) <= most:
        raise PromptError(f"{rule}; got {shortened(text)}")
    return numbers


def _frame(number: float, text: str) -> int:
    if not number.is_integer():
        raise PromptError(f"the first number is the frame, a whole number; got {shortened(text)}")
    return int(number)
