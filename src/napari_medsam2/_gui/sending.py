"""Tells an engine all that there is of an image whose session was opened anew."""

from __future__ import annotations

from ..engine.engine import Engine
from ..prompts import in_replay_order
from ..remote.engine import RemoteEngine
from ..session.taught import by_task
from .layers.workspace import Workspace


def send_all(engine: Engine | RemoteEngine, work: Workspace) -> None:
    """Names, prompts, task files and results: what was found goes on as it is."""
    for number, called in work.roster.called.items():
        engine.call(number, called)
    for group in in_replay_order(work.book.prompts):
        engine.replace_prompts(group.object_id, group.frame, group.given)
    for task, into in by_task(work.book.taught):
        engine.retake_task(task, into)
    # Also where there are none: what was sent again is nothing that the user has just done.
    if work.book.objects or work.results.results or work.roster.called:
        found = work.results.results
        stale = work.past.stale if work.past.taken_up else found.keys()
        fresh = [result for key, result in found.items() if key not in stale]
        if fresh:
            engine.take_results(fresh, up_to_date=True)
        if len(fresh) < len(found) or not found:
            others = [result for key, result in found.items() if key in stale]
            engine.take_results(others, up_to_date=False)
        work.past.taken_up = False
