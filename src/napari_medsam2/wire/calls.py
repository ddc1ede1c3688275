"""Requests to an engine as JSON: the name of a method and its arguments, led by the method's own signature."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_type_hints

from ..engine.engine import Engine
from ..engine.requests import RequestKind
from ..errors import OptionError, WireError, shortened
from ..images.contrast import Contrast
from ..images.header import ImageHeader
from ..memory_bank import BankName
from ..results import FrameResult
from ..session.taught import Task
from ..types import Direction, Mode
from .chunks import ImageLimits, headers_as_json, headers_of
from .codec import ShapeOf, decode, encode, no_frames

#: What can be asked of a session on a server, by the method of :class:`~napari_medsam2.engine.engine.Engine`.
KINDS: Mapping[str, RequestKind | None] = {
    "load_model": RequestKind.LOAD_MODEL,
    "open": RequestKind.OPEN_IMAGES,
    "close_sequence": RequestKind.CLOSE_IMAGES,
    "add_prompt": RequestKind.ADD_PROMPT,
    "replace_prompts": RequestKind.CHANGE_PROMPTS,
    "take_results": RequestKind.TAKE_RESULTS,
    "preview": RequestKind.PREVIEW,
    "propagate": RequestKind.PROPAGATE,
    "cancel": RequestKind.CANCEL,
    "undo": RequestKind.UNDO,
    "redo": RequestKind.REDO,
    "reset": RequestKind.RESET,
    "call": RequestKind.CALL,
    "merge": RequestKind.MERGE,
    "split": RequestKind.SPLIT,
    "accept": RequestKind.ACCEPT,
    "pin": RequestKind.PIN,
    "unpin": RequestKind.UNPIN,
    "evict": RequestKind.EVICT,
    "watch_bank": RequestKind.LOOK,
    "look": RequestKind.LOOK,
    "compare_banks": RequestKind.COMPARE,
    "take_task": RequestKind.TAKE_TASK,
    "retake_task": RequestKind.TAKE_TASK,
    "save_task": RequestKind.SAVE_TASK,
    "pause": None,
    "resume": None,
}

#: Not for the engine: what came so far may begin; what a lost session had done is done again.
BEGIN, MARK = "begin", "mark"

#: Options of images that go over the network, by their types.
_OPTIONS: Mapping[str, Any] = {
    "mode": Mode,
    "bank": BankName,
    "contrast": Contrast | None,
    "region": bool | None,
    "passes": int,
    "seed": int | None,
}
#: What is done on this side: reading, and how much of features is kept.
_OURS = ("axis", "rgb", "cache_bytes")


@dataclass(frozen=True)
class Opening:
    """Images that are to be opened, without their pixels: the size of each frame, and the options of the session."""

    headers: tuple[ImageHeader, ...]
    options: Mapping[str, Any]

    def shape(self, frame: int) -> tuple[int, int]:
        """``(H, W)`` of a frame; :class:`WireError` if there is none."""
        if not 0 <= frame < len(self.headers):
            raise WireError(f"something is on frame {frame}, and frames are 0 to {len(self.headers) - 1}")
        return self.headers[frame].shape


def check_options(options: Mapping[str, Any]) -> None:
    """Raise an :class:`OptionError` for what a server cannot do, such as a contrast of one's own making."""
    tuned = options.get("options")
    if tuned is not None and replace(tuned, adapt=None) != type(tuned)():
        raise OptionError("of the options of a session only adapt can be chosen where it runs on a server")
    for name, value in options.items():
        if name not in (*_OPTIONS, *_OURS, "options"):
            raise OptionError(f"a session on a server has no option {name!r}; it has {', '.join(_OPTIONS)} and adapt")
        if name == "contrast" and not isinstance(value, Contrast | None):
            raise OptionError(f"a server takes contrast limits or none; got a {type(value).__name__}")


def pack_opening(opening: Opening) -> dict[str, Any]:
    """Images to open as JSON; raises as :func:`check_options`."""
    check_options(opening.options)
    told = {name: encode(value) for name, value in opening.options.items() if name in _OPTIONS}
    tuned = opening.options.get("options")
    return {
        "frames": headers_as_json(opening.headers),
        "options": told,
        "adapt": None if tuned is None else encode(tuned.adapt),
    }


def unpack_opening(told: Any, limits: ImageLimits) -> Opening:
    """Images to open; :class:`WireError` if they are none, or more than is taken."""
    if not isinstance(told, dict) or set(told) != {"frames", "options", "adapt"} or type(told["options"]) is not dict:
        raise WireError(f"images are told as frames, options and adapt; got {shortened(told)}")
    if unknown := set(told["options"]) - set(_OPTIONS):
        raise WireError(f"there are no options {', '.join(map(shortened, sorted(unknown)))}")
    options = {name: decode(_OPTIONS[name], value) for name, value in told["options"].items()}
    if (adapt := decode(bool | None, told["adapt"])) is not None:
        from ..session.options import SessionOptions

        options["options"] = SessionOptions(adapt=adapt)
    return Opening(headers_of(told["frames"], limits), options)


def pack_call(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name as JSON; those that are not given are left out."""
    return {key: encode(_told(key, value)) for key, value in arguments.items()}


def unpack_call(name: str, told: Any, shape_of: ShapeOf = no_frames) -> dict[str, Any]:
    """The arguments of a method of the engine; :class:`WireError` if they are none."""
    if name not in KINDS or not isinstance(told, dict):
        raise WireError(f"nobody can ask for {shortened(name)} with {shortened(told)}")
    hints, parameters = _hints(name)
    if "task" in hints:  # the digest of one that was sent: nobody names files of the other side
        hints = {**hints, "task": str}
    if "path" in hints:
        hints = {**hints, "path": type(None)}
    given: dict[str, Any] = {}
    for key, value in told.items():
        hint = hints.get(key)
        if hint is None:
            raise WireError(f"{name} has no argument {shortened(key)}")
        given[key] = decode(hint, value, shape_of)
    missing = [key for key in parameters if key not in given]
    if missing:
        raise WireError(f"{name} needs {', '.join(missing)}")
    return given


def _told(key: str, value: Any) -> Any:
    return tuple(value) if key == "results" else value


@cache
def _hints(name: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The types of a method's arguments by name, and those that must be given."""
    method = getattr(Engine, name)
    scope = {"Direction": Direction, "Mode": Mode, "FrameResult": FrameResult, "Task": Task}
    types = get_type_hints(method, localns=scope)
    parameters = dict(list(inspect.signature(method).parameters.items())[1:])
    needed = tuple(key for key, parameter in parameters.items() if parameter.default is inspect.Parameter.empty)
    return {key: types[key] for key in parameters}, needed
