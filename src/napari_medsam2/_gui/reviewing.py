"""Looking results through: which frame to check next, accepting, following a run, and what all of it costs."""

from __future__ import annotations

import time
from collections.abc import Callable

from napari.components import ViewerModel
from qtpy.QtCore import QObject

from ..engine.events import Restored, RunState
from ..results import FrameResult
from ..session.review import Finding, Suspect, suspects
from .dock_store import DockStore
from .engine_client import EngineClient
from .layers.workspace import Workspace


class Reviewing(QObject):
    """The review of one dock.

    Parameters
    ----------
    viewer, store, client
        Where frames are looked at, the state that this changes, and the engine's client.
    clock
        Seconds, of any beginning.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        store: DockStore,
        client: EngineClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._viewer, self._store, self._client, self._clock = viewer, store, client, clock
        self._work: Workspace | None = None
        self._seen: dict[int, list[FrameResult]] = {}  # by frame, what was found there when it was shown
        self._groups: object = None  # prompts, as they were when they were last counted
        self._followed: int | None = None  # the latest frame of a run, as it was last seen
        self._accepted_at: int | None = None  # request by which the frame in view was accepted
        client.prompts_changed.connect(self._on_prompts)
        client.restored.connect(self._on_restored)
        store.changed.connect(self._on_changed)
        viewer.dims.events.current_step.connect(self._on_moved)

    def close(self) -> None:
        """Follow the viewer no more."""
        self._viewer.dims.events.current_step.disconnect(self._on_moved)

    def choose_following(self, follow: bool) -> None:
        """Show each frame as a run comes to it, or stay where the user is."""
        self._store.set(follow=follow)

    def next_to_check(self) -> None:
        """Go to the frame that is most likely wrong; asked again to the next one, until all were shown."""
        work = self._taken_up()
        if work is None:
            return
        ranked = self._ranked(work)
        if not ranked:
            self._store.say(note=self._none_left(work))
            return
        here, found = work.sequence.frame_in_view(), _by_frame(work)
        if here in found:
            self._seen.setdefault(here, found[here])  # it is looked at, and was before somebody asked
        fresh = [suspect for suspect in ranked if self._seen.get(suspect.frame) != found[suspect.frame]]
        again = "" if fresh else " You have seen all now: this is the first one again."
        if not fresh:
            self._seen.clear()
        suspect = (fresh or [other for other in ranked if other.frame != here] or ranked)[0]
        self._seen[suspect.frame] = found[suspect.frame]
        work.past.cost.look(self._clock())
        work.sequence.go_to(suspect.frame)
        self._store.say(note=self._words(suspect) + again)

    def accept(self) -> None:
        """Take what is shown on the frame in view as right, then go to the next one to check."""
        work = self._taken_up()
        if work is None or self._client.ready() is None:
            return
        frame = work.sequence.frame_in_view()
        if frame not in _by_frame(work):
            self._store.say(f"There is nothing to accept on this {self._store.chosen.noun} yet: find the object first.")
            return
        work.past.cost.note(frame, self._clock())
        self._accepted_at = self._client.engine.accept(frame)
        self._client.prompts_changed.emit()

    # ---- what happens ------------------------------------------------------------------------------------------------

    def _on_prompts(self) -> None:
        """Count a gesture: a click, a box, a stroke, or that one was deleted."""
        work = self._taken_up()
        if work is None or work.book.groups is self._groups:
            return  # whole objects were edited, or something was accepted
        self._groups = work.book.groups
        frame = work.sequence.frame_in_view()
        found = [result for (t, _), result in work.results.results.items() if t == frame]
        corrects = any(not result.prompted for result in found) or frame in work.book.accepted_frames
        work.past.cost.note(frame, self._clock(), clicks=1, corrects=corrects)

    def _on_restored(self, event: Restored) -> None:
        work = self._store.work
        self._groups = None if work is None else work.book.groups
        if work is not None and event.request == self._accepted_at:
            self._accepted_at = None
            if self._ranked(work):
                self.next_to_check()
            else:
                self._store.say(note=self._none_left(work))

    def _on_changed(self) -> None:
        store, work = self._store, self._taken_up()
        if work is None or store.chosen.status.state is not RunState.RUNNING:
            return
        latest, self._followed, before = work.results.latest, work.results.latest, self._followed
        if store.chosen.follow and latest is not None and latest != before:  # else the user looks at another one
            work.sequence.go_to(latest)

    def _on_moved(self) -> None:
        work = self._store.work
        if work is not None and not self._store.chosen.running:
            work.past.cost.look(self._clock())

    # ---- what there is -----------------------------------------------------------------------------------------------

    def _taken_up(self) -> Workspace | None:
        """The workspace in hand; another one is begun with anew."""
        work = self._store.work
        if work is not self._work:
            self._work, self._seen, self._groups = work, {}, None if work is None else work.book.groups
        return work

    def _ranked(self, work: Workspace) -> list[Suspect]:
        """What is in doubt, worst first."""
        found = work.results.found()
        findings = [Finding.of(result, found[key].confidence) for key, result in work.results.results.items()]
        return suspects(findings, self._store.chosen.mode)

    def _words(self, suspect: Suspect) -> str:
        state = self._store.state
        several = len(state.objects) > 1
        who = next((f"{row.title}: " for row in state.rows if row.number == suspect.object_id and several), "")
        why = ", ".join(doubt.value for doubt in suspect.doubts) or f"the next {state.noun} in doubt"
        return f"{who}{why[:1].upper() + why[1:] if not who else why}. Right? Press A. Wrong? Click on what is wrong."

    def _none_left(self, work: Workspace) -> str:
        noun = self._store.chosen.noun
        if work.results.results:
            return f"Every {noun} that was found is accepted or has a prompt: there is none left to check."
        return f"There is nothing to check yet: find the object on the other {noun}s first."


def _by_frame(work: Workspace) -> dict[int, list[FrameResult]]:
    """What was found on each frame, in the order of the objects."""
    found: dict[int, list[FrameResult]] = {}
    for key in sorted(work.results.results):
        found.setdefault(key[0], []).append(work.results.results[key])
    return found
