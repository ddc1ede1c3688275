"""Memory banks without the network's memories as JSON, and checks of all that is told of memories."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..engine.memory_events import BankTold, ViewTold
from ..errors import UserError, WireError, shortened
from ..geometry.thumbnail import SIDE, Thumbnail
from ..memory_bank import Fifo, MemoryBank, SelfSorting
from ..memory_entry import MemoryEntry

_BANKS: Mapping[str, type[MemoryBank]] = {kind.__name__: kind for kind in (Fifo, SelfSorting)}
#: Larger networks are not looked at.
_LARGEST_VIEW = 4096


def bank_as_json(bank: MemoryBank, encode: Callable[[Any], Any]) -> dict[str, Any]:
    """A bank as it is to be looked at: its rules, and its entries without what the network made."""
    kind = type(bank).__name__
    rules = {name: encode(getattr(bank, name)) for name in inspect.signature(type(bank)).parameters}
    return {"is": kind, "rules": rules, "entries": [encode(entry) for entry in bank.bare().entries]}


def bank_of(told: Any, decode: Callable[[Any, Any], Any]) -> MemoryBank:
    """The bank; :class:`WireError` if it is none."""
    kind = _BANKS.get(str(told.get("is"))) if isinstance(told, dict) else None
    if kind is None or set(told) != {"is", "rules", "entries"} or not isinstance(told["rules"], dict):
        raise WireError(f"a memory bank is told by its rules and entries; got {shortened(told)}")
    rules = {}
    for name, parameter in inspect.signature(kind, eval_str=True).parameters.items():
        rules[name] = decode(parameter.annotation, told["rules"].get(name))
    try:
        bank = kind(**rules)
    except (UserError, TypeError) as error:
        raise WireError(f"there is no {kind.__name__} like that: {error}") from error
    for entry in decode(list[MemoryEntry], told["entries"]):
        if entry.payload is not None or not 0 <= entry.confidence <= 1:
            raise WireError(f"a memory of frame {entry.frame} is told that is none")
        bank.put_back(entry)
    lengths = {entry.descriptor.shape for entry in bank.entries}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise WireError(f"the image descriptors of a bank are alike; got {shortened(lengths)}")
    return bank


def check_memories(event: Any, shape_of: Callable[[int], tuple[int, int]]) -> None:
    """Raise a :class:`WireError` unless what an event tells of memories is of these frames, and fits together."""
    if isinstance(event, ViewTold):
        view = event.view
        shape_of(view.frame)
        side = view.image.shape[0] if view.image.ndim == 3 else 0
        square = view.image.shape == (side, side, 3) and 0 < side <= _LARGEST_VIEW
        if not square or (view.outline is not None and view.outline.shape != (side, side)):
            raise WireError(f"what the model sees is a square in colours; got {view.image.shape}")
    if not isinstance(event, BankTold):
        return
    entries = () if event.bank is None else event.bank.entries
    pictures = [*event.pictures.values(), *(e.origin.picture for e in entries if e.origin and e.origin.picture)]
    for frame in (*event.pictures, *(entry.frame for entry in entries), *event.descriptors):
        if frame >= 0:
            shape_of(frame)
    if not all(map(_is_picture, pictures)):
        raise WireError("a picture of a memory is small, in colours, and has an outline of its size")
    lengths = {found.shape for found in event.descriptors.values()} | {e.descriptor.shape for e in entries}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise WireError(f"image descriptors are alike; got {shortened(lengths)}")


def _is_picture(picture: Thumbnail) -> bool:
    image, outline = picture.image, picture.outline
    fits = image.ndim == 3 and image.shape == (*outline.shape, 3)
    return fits and 0 < min(outline.shape) <= max(outline.shape) <= SIDE
