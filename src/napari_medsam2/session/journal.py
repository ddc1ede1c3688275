"""What was done to a session, in order: enough to do it all again, apart from the window and to the same masks.

Between two frames of a run is where prompts take effect, so the journal counts the steps of runs beside all else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..prompts import Prompt
from ..results import FrameResult

#: Entries that are no calls of a session: it was opened, a run was begun, went so many steps, was ended.
OPENED, RUN, STEPS, ENDED = "open", "run", "steps", "end"
#: Options of a session that are written down as they are, with what they are unless told.
OPTIONS: Mapping[str, Any] = {"mode": "stack", "bank": "auto", "region": None, "passes": 1, "seed": None}


@dataclass(frozen=True)
class Entry:
    """One thing that was done.

    Attributes
    ----------
    what
        One of the names above, or the method of :class:`~napari_medsam2.Session` that was called.
    values
        Plain numbers and texts by name: its arguments.
    prompts
        The prompts among its arguments.
    """

    what: str
    values: Mapping[str, Any] = field(default_factory=dict)
    prompts: tuple[Prompt, ...] = ()


class Journal:
    """Entries in order; steps of a run that follow each other are one entry."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: list[Entry] = []
        self.extend(entries)

    def extend(self, entries: Iterable[Entry]) -> None:
        """Go on with these."""
        for entry in entries:
            last = self.entries[-1] if self.entries else None
            if entry.what == STEPS and last is not None and last.what == STEPS:
                self.entries[-1] = Entry(STEPS, {"n": last.values["n"] + entry.values["n"]})
            else:
                self.entries.append(entry)

    def since(self, written: Sequence[Entry]) -> dict[int, Entry]:
        """Entries by number that are new since these were written, or have more steps now."""
        start = len(written) - bool(written and self.entries[len(written) - 1] is not written[-1])
        return dict(enumerate(self.entries[start:], start))


def digest_of(result: FrameResult) -> str:
    """A text that tells a result from others of its object and frame, how long it took left aside."""
    pixels = result.pixels
    where = [(part.start, part.stop) for part in pixels.part]
    told = (where, float(result.confidence), float(result.iou), float(result.objectness), bool(result.prompted))
    digest = hashlib.blake2b(repr(told).encode(), digest_size=12)
    digest.update(pixels.clearness.tobytes())
    return digest.hexdigest()
