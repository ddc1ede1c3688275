"""Rows of a session file: values as text with a checksum, prompts as such text and packed bits."""

from __future__ import annotations

import json
import zlib
from typing import Any

from ..errors import SessionFileError
from ..prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from .packing import pack_mask, unpack_mask


def sealed(value: Any, *beside: Any) -> str:
    """A value as JSON, after a checksum of it and of what stands beside it in its row."""
    text = json.dumps(value)
    return f"{_checksum(text, beside):08x} {text}"


def unsealed(text: str, *beside: Any) -> Any:
    """The value; :class:`SessionFileError` if a bit of it, or of what stands beside it, is not what was written."""
    seal, _, value = text.partition(" ")
    if len(seal) != 8 or seal != f"{_checksum(value, beside):08x}":
        raise SessionFileError("a value is not what was written")
    return json.loads(value)


def _checksum(text: str, beside: tuple[Any, ...]) -> int:
    return zlib.crc32(repr(beside).encode(), zlib.crc32(text.encode("utf-8", "surrogatepass")))


def row_of(prompt: Prompt) -> tuple[dict[str, Any], bytes | None]:
    """What is written of a prompt beside its object and frame: numbers by name, and the mask."""
    told: dict[str, Any]
    if isinstance(prompt, PointPrompt):
        told = {"type": "point", "y": float(prompt.y), "x": float(prompt.x), "positive": bool(prompt.positive)}
    elif isinstance(prompt, BoxPrompt):
        told = {"type": "box", **{name: float(getattr(prompt, name)) for name in ("y0", "x0", "y1", "x1")}}
    else:
        return {"type": "mask", **({"accepted": True} if prompt.accepted else {})}, pack_mask(prompt.mask)
    return told, None


def prompt_of(given: Any, mask: bytes, frame: int, number: int, shapes: tuple[tuple[int, int], ...]) -> Prompt:
    """The prompt of an object on a frame, of what was written of it; ``shapes`` are those of all frames.

    :class:`SessionFileError`, or what Python raises for numbers that are none, if it cannot be.
    """
    given = dict(given)
    kind = given.pop("type")
    shape = shape_of(frame, shapes)
    if kind == "mask":
        return MaskPrompt(frame, unpack_mask(mask, shape), number, given.get("accepted") is True)
    if kind == "box":
        return BoxPrompt(frame, **given, object_id=number)
    return PointPrompt(frame, **given, object_id=number)


def shape_of(frame: int, shapes: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """The shape of a frame; :class:`SessionFileError` if there is none."""
    if not 0 <= frame < len(shapes):
        raise SessionFileError(f"something is on frame {frame}, and there are {len(shapes)} frames")
    return shapes[frame]
