"""Values as plain JSON, and back, led by the types that are expected: what is anything else is refused.

Nothing is ever run or looked up by a name from outside, but the few frozen values of :data:`_KNOWN`. Masks are packed
bits in base64, and no larger than their frame.
"""

from __future__ import annotations

import base64
import binascii
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from ..engine import events
from ..engine.memory_events import TaskSaved
from ..errors import UserError, WireError, shortened
from ..geometry.compact_mask import CompactMask
from ..geometry.thumbnail import Thumbnail
from ..geometry.window import Window
from ..images.contrast import Contrast
from ..images.opened import LabelledObject
from ..memory_bank import MemoryBank
from ..memory_entry import MemoryEntry, Origin
from ..models.notices import Notice
from ..prompts import BoxPrompt, MaskPrompt, PointPrompt
from ..results import FrameResult
from ..session.comparison import ComparedFrame, Comparison
from ..session.journal import Entry
from ..session.learning import Learning
from ..session.model_view import ModelView
from ..session.packing import pack_mask, unpack_mask
from ..session.taught import Task, Taught
from .arrays import array_as_json, array_of
from .memories import bank_as_json, bank_of, check_memories

#: Shape ``(H, W)`` of a frame by its number; raises a :class:`WireError` if there is no such frame.
ShapeOf = Callable[[int], tuple[int, int]]

#: Under this name the class of a value stands in its JSON.
_CLASS = "is"
_PLAIN = (PointPrompt, BoxPrompt, Contrast, LabelledObject, Notice, Entry, Learning, Window, events.RunStatus)
_MEMORIES = (Thumbnail, Origin, MemoryEntry, ModelView, Comparison, ComparedFrame)
_EVENTS = tuple(kind for kind in get_args(events.Event) if kind not in (*_PLAIN, TaskSaved))
_CLASSES = (*_PLAIN, *_MEMORIES, *_EVENTS, MaskPrompt, FrameResult, Taught)
_KNOWN: Mapping[str, type[Any]] = {kind.__name__: kind for kind in _CLASSES}
#: Numbers of a result by name, and what it says yes or no to.
_NUMBERS = ("confidence", "iou", "objectness", "seconds")
_TRUTHS = ("prompted", "drawn", "boxed")
_LARGEST = 2**53  # beyond it JSON readers differ


def no_frames(frame: int) -> tuple[int, int]:
    """The shape of any frame where there are no images."""
    raise WireError(f"there are no images, and something is on frame {frame}")


def encode(value: Any) -> Any:
    """A value as what :mod:`json` takes; :class:`WireError` for what never goes over the network."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise WireError(f"{value} is no number of JSON")
        return float(value)
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, FrameResult):
        return _result_as_json(value)
    if isinstance(value, MaskPrompt):
        told = {"frame": int(value.frame), "object_id": int(value.object_id), "mask": _text(pack_mask(value.mask))}
        return {_CLASS: "MaskPrompt", **told, "accepted": value.accepted}
    if isinstance(value, MemoryBank):
        return bank_as_json(value, encode)
    if isinstance(value, np.ndarray):
        return array_as_json(value)
    if isinstance(value, Taught):
        return {_CLASS: "Taught", "task": value.task.digest, "number": value.number}
    if is_dataclass(value) and type(value) in _KNOWN.values():
        told = {field.name: encode(getattr(value, field.name)) for field in fields(value)}
        return {_CLASS: type(value).__name__, **told}
    if isinstance(value, Mapping):
        return [[encode(key), encode(each)] for key, each in value.items()]
    if isinstance(value, tuple | list | AbstractSet):
        return [encode(each) for each in value]
    raise WireError(f"a {type(value).__name__} never goes over the network")


def decode(hint: Any, data: Any, shape_of: ShapeOf = no_frames) -> Any:
    """The value of a type that ``data`` stands for; :class:`WireError` if it is none.

    Parameters
    ----------
    hint
        The type, as annotations have it.
    data
        As :func:`napari_medsam2.json_files.parse_json` gives it.
    shape_of
        Tells the shapes of frames, which masks and results have to have.
    """
    if hint in (Any, object):
        return decode_class(data, shape_of) if isinstance(data, dict) and _CLASS in data else data
    if hint is None or hint is types.NoneType:
        return _expect(data is None, None, hint, data)
    if hint is bool or hint is str:
        return _expect(isinstance(data, hint), data, hint, data)
    if hint is int:
        return _expect(type(data) is int and abs(data) < _LARGEST, data, hint, data)
    if hint is float:
        return float(_expect(type(data) in (int, float) and abs(data) < 1e308, data, hint, data))
    if hint is MemoryBank:
        return bank_of(data, lambda inside, told: decode(inside, told, shape_of))
    origin = get_origin(hint)
    if origin is np.ndarray:
        return array_of(hint, data)
    if origin is Literal:
        return _expect(data in get_args(hint), data, hint, data)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(hint), data, shape_of)
    if origin is not None:
        return _collection(origin, get_args(hint), data, shape_of)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _expect(data in [each.value for each in hint], hint, hint, data)(data)
    told = data.get(_CLASS) if isinstance(data, dict) else None
    return decode_class(_expect(told == hint.__name__, data, hint, data), shape_of)


def decode_class(data: Any, shape_of: ShapeOf) -> Any:
    """The frozen value that says itself what it is."""
    if not isinstance(data, dict):
        raise WireError(f"an object with its kind under {_CLASS!r} is wanted; got {shortened(data)}")
    name, told = data.get(_CLASS), {key: value for key, value in data.items() if key != _CLASS}
    kind = _KNOWN.get(name) if isinstance(name, str) else None
    if kind is None:
        raise WireError(f"there is no value of kind {shortened(name)}")
    try:
        if kind is FrameResult:
            return _result_of(told, shape_of)
        if kind is MaskPrompt:
            frame = decode(int, told["frame"])
            mask = unpack_mask(bytes_of(told["mask"]), shape_of(frame))
            accepted = decode(bool, told.get("accepted", False))
            return MaskPrompt(frame, mask, decode(int, told["object_id"]), accepted)
        if kind is Taught:
            return Taught(Task.named(decode(str, told["task"])), decode(int, told["number"]))
        hints = _hints_of(name)
        value = kind(**{key: decode(hints[key], each, shape_of) for key, each in told.items()})
        check_memories(value, shape_of)
        return value
    except WireError:
        raise
    except (KeyError, TypeError) as error:
        raise WireError(f"a {name} cannot be made of {shortened(sorted(told))}: {error}") from error
    except (UserError, ValueError) as error:
        raise WireError(str(error)) from error


def bytes_of(text: Any) -> bytes:
    """Bytes of base64; :class:`WireError` if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise WireError(f"bytes are written in base64; got {shortened(text)}") from error


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _expect(holds: bool, value: Any, hint: Any, data: Any) -> Any:
    if not holds:
        raise WireError(f"{getattr(hint, '__name__', hint)} is wanted; got {shortened(data)}")
    return value


def _one_of(hints: Sequence[Any], data: Any, shape_of: ShapeOf) -> Any:
    kind = data.get(_CLASS) if isinstance(data, dict) else None
    problem: WireError | None = None
    for hint in hints:
        try:
            return decode(hint, data, shape_of)
        except WireError as error:
            problem = error if problem is None or getattr(hint, "__name__", "") == kind else problem
    raise problem or WireError(f"nothing is wanted; got {shortened(data)}")


def _collection(origin: Any, inside: tuple[Any, ...], data: Any, shape_of: ShapeOf) -> Any:
    if not isinstance(data, list):
        raise WireError(f"a list is wanted; got {shortened(data)}")
    if issubclass(origin, Mapping):
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in data):
            raise WireError("pairs of a key and a value are wanted")
        return {_hashable(decode(inside[0], k, shape_of)): decode(inside[1], v, shape_of) for k, v in data}
    if origin is tuple and inside[-1:] != (Ellipsis,):
        _expect(len(data) == len(inside), data, f"a list of {len(inside)}", data)
        return tuple(decode(hint, each, shape_of) for hint, each in zip(inside, data, strict=True))
    values = tuple(decode(inside[0], each, shape_of) for each in data)
    if issubclass(origin, AbstractSet):
        return frozenset(map(_hashable, values))
    if issubclass(origin, Iterable):
        return values
    raise WireError(f"a {origin.__name__} never goes over the network")


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


@cache
def _hints_of(name: str) -> Mapping[str, Any]:
    kinds = (Entry, Learning, Taught, ModelView, Comparison)
    return get_type_hints(_KNOWN[name], localns={kind.__name__: kind for kind in kinds})


def _result_as_json(result: FrameResult) -> dict[str, Any]:
    rows, columns = result.pixels.part
    return {
        _CLASS: "FrameResult",
        "frame": int(result.frame),
        "object_id": int(result.object_id),
        "part": [int(edge) for edge in (rows.start, rows.stop, columns.start, columns.stop)],
        "pixels": _text(result.pixels.packed),
        "window": encode(result.window),
        **{name: float(getattr(result, name)) for name in _NUMBERS},
        **{name: bool(getattr(result, name)) for name in _TRUTHS},
        "other": encode(result.other),
    }


def _result_of(told: Mapping[str, Any], shape_of: ShapeOf) -> FrameResult:
    frame, object_id = decode(int, told["frame"]), decode(int, told["object_id"])
    if object_id < 1:
        raise WireError(f"an object's number must be 1 or more (0 is background); got {object_id}")
    top, bottom, left, right = decode(tuple[int, int, int, int], told["part"])
    part = slice(top, bottom), slice(left, right)
    numbers = {name: decode(float, told[name]) for name in _NUMBERS}
    truths = {name: decode(bool, told[name]) for name in _TRUTHS}
    window = told["window"]
    return FrameResult.kept(
        CompactMask.checked(shape_of(frame), part, bytes_of(told["pixels"])),
        frame=frame,
        object_id=object_id,
        window=decode(Window | None, window),
        other=decode(tuple[int, int, bool] | None, told["other"]),
        **numbers,
        **truths,
    )
