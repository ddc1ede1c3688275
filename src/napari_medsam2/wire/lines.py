"""What a server streams: lines of JSON, numbered, so that none is lost and none comes twice.

Kinds of lines: ``events`` of the engine, all that came of a step or of a request, with the number of the request once
it is done (``served``); ``want``: pixels of a frame are needed; ``task``: a part of a task file; ``replayed``: what a
lost session had done is done again; ``end``: the session is over. Lines without a number are ``beat``: the server is
there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..engine.events import Event, Restored, ResultReady
from ..errors import JsonError, WireError
from ..json_files import parse_json
from ..results import FrameResult
from .codec import ShapeOf, decode, encode

#: Of this version are requests and events; both sides have to speak the same.
PROTOCOL = 1

EVENTS, WANT, TASK, REPLAYED, END, BEAT = "events", "want", "task", "replayed", "end", "beat"

Key = tuple[int, int]


def write_line(kind: str, number: int | None = None, **told: Any) -> bytes:
    """A line of a kind."""
    return json.dumps({"line": kind, "i": number, **told}, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def read_line(line: str | bytes) -> tuple[str, int | None, dict[str, Any]]:
    """Kind, number and the rest of a line; :class:`WireError` if it is none."""
    try:
        told = parse_json(line if isinstance(line, str) else line.decode())
        kind, number = told.pop("line"), told.pop("i")
    except (JsonError, UnicodeError, AttributeError, KeyError, TypeError) as error:
        raise WireError(f"a line of the server is damaged: {error}") from error
    if not isinstance(kind, str) or not isinstance(number, int | None):
        raise WireError("a line of the server has no kind or number")
    return kind, number, told


class Told:
    """The latest results that went over the network, of which both sides keep the same: those are not sent again.

    An undo brings back all results of a session, most of which are as they were.
    """

    def __init__(self) -> None:
        self._results: dict[Key, FrameResult] = {}

    def pack(self, event: Event) -> Any:
        """An event as JSON, on the side that sends it."""
        if isinstance(event, ResultReady):
            self._results[event.result.frame, event.result.object_id] = event.result
        if not isinstance(event, Restored):
            return encode(event)
        known = [key for key, result in event.results.items() if self._results.get(key) is result]
        others = {key: result for key, result in event.results.items() if self._results.get(key) is not result}
        self._results = dict(event.results)
        return {"known": encode(known), "restored": encode(replace(event, results=others))}

    def unpack(self, told: Any, shape_of: ShapeOf) -> Event:
        """The event, on the side that hears of it; :class:`WireError` if it is none."""
        known: list[Key] = []
        if isinstance(told, dict) and set(told) == {"known", "restored"}:
            known = [(frame, number) for frame, number in decode(list[tuple[int, int]], told["known"])]
            told = told["restored"]
        event: Event = decode(Event, told, shape_of)
        if isinstance(event, ResultReady):
            self._results[event.result.frame, event.result.object_id] = event.result
        if isinstance(event, Restored):
            if missing := [key for key in known if key not in self._results]:
                raise WireError(f"results of {missing[:3]} are said to be known, and are not")
            event = replace(event, results={**{key: self._results[key] for key in known}, **event.results})
            self._results = dict(event.results)
        return event

    @property
    def results(self) -> Mapping[Key, FrameResult]:
        """The latest ones."""
        return self._results
