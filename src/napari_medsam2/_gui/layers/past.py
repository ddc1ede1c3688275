"""How the results of one image came about: what an engine did for them, and what of it is to be done again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ...session.cost import AnnotationCost
from ...session.journal import Entry, Journal
from ...session.taught import Task, Taught


@dataclass(eq=False)
class Past:
    """What is known of results beside themselves.

    Attributes
    ----------
    journal
        All that was done, in order.
    stale
        Results ``(frame, object)`` that the next run does again: previews, and what prompts of since then can change.
    taken_up
        True if the others are up to date, although no session is open that found them.
    tasks
        Task files that the journal tells of, by their digests.
    cost
        What the user's work took so far.
    """

    journal: Journal = field(default_factory=Journal)
    stale: set[tuple[int, int]] = field(default_factory=set)
    taken_up: bool = False
    tasks: dict[str, Task] = field(default_factory=dict)
    cost: AnnotationCost = field(default_factory=AnnotationCost)

    def note_tasks(self, taught: Mapping[int, Taught]) -> None:
        """Take note of task files that objects go on from; those of before are told of in the journal."""
        self.tasks |= {known.task.digest: known.task for known in taught.values()}

    def note(self, entries: Iterable[Entry], stale: Collection[tuple[int, int]] | None) -> None:
        """Take note of what the engine did, and of what is stale now (``None``: less than before)."""
        self.journal.extend(entries)
        if stale is not None:
            self.stale = set(stale)
