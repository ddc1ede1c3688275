"""A session that keeps a journal of all that is done to it, so that :mod:`.replay` can do it again."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..distribution import COMPLETE, version_of
from ..errors import PromptError
from ..images.contrast import Contrast
from ..images.opened import LabelledObject
from ..models.device import Model
from ..prompts import Prompt
from ..results import FrameResult
from ..types import Direction
from .journal import ENDED, OPENED, OPTIONS, RUN, STEPS, Entry, digest_of
from .options import SessionOptions
from .session import Session
from .task_file import read_task
from .taught import Task


class RecordedSession(Session):
    """A session with a journal; parameters as those of :class:`~napari_medsam2.Session`.

    What cannot be written down, such as a contrast of one's own making, makes a journal that cannot be done again.
    """

    def __init__(self, model: Model, frames: Any, **options: Any) -> None:
        super().__init__(model, frames, **options)
        self._noted: list[Entry] = []
        self._together: object = None
        self._n_together = 0
        tuned = options.get("options") or SessionOptions()
        contrast = options.get("contrast")
        known = contrast is None or isinstance(contrast, Contrast)
        self._note(
            OPENED,
            model=model.source or model.name,
            limits=[contrast.low, contrast.high] if isinstance(contrast, Contrast) else None,
            gamma=contrast.gamma if isinstance(contrast, Contrast) else 1.0,
            adapt=tuned.adapt,
            complete=known and replace(tuned, adapt=None) == SessionOptions(),
            **{name: options.get(name, usual) for name, usual in OPTIONS.items()},
            **surroundings(model),
        )

    def noted(self) -> tuple[Entry, ...]:
        """What was done since this was asked for the last time."""
        noted, self._noted = self._noted, []
        return tuple(noted)

    @property
    def stale(self) -> frozenset[tuple[int, int]]:
        """Results ``(frame, object)`` that the next run does again: previews, and those of changed prompts."""
        with self._state.lock:
            objects = self._state.objects.items()
            return frozenset((t, number) for number, known in objects for t in known.kept.keys() - known.done_frames)

    def add(self, prompt: Prompt) -> None:
        super().add(prompt)
        self._note("add", (prompt,))

    def remove(self, prompt: Prompt) -> None:
        super().remove(prompt)
        self._note("remove", (prompt,))

    def replace_prompts(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, together: object = None
    ) -> None:
        super().replace_prompts(object_id, frame, prompts, together=together)
        if together is not None and together is not self._together:
            self._together, self._n_together = together, self._n_together + 1
        mark = None if together is None else self._n_together
        self._note("replace_prompts", tuple(prompts), object_id=int(object_id), frame=int(frame), together=mark)

    def accept(self, frame: int, objects: Sequence[int] | None = None) -> tuple[int, ...]:
        accepted = super().accept(frame, objects)
        if accepted:
            self._note("accept", frame=int(frame), objects=list(accepted))
        return accepted

    def undo(self) -> bool:
        return self._if_changed("undo", super().undo())

    def redo(self) -> bool:
        return self._if_changed("redo", super().redo())

    def reset(self, object_id: int | Sequence[int] | None = None) -> None:
        super().reset(object_id)
        several = isinstance(object_id, Sequence)
        self._note("reset", object_id=list(map(int, object_id)) if several else object_id)  # type: ignore[arg-type]

    def call(self, object_id: int, called: LabelledObject) -> None:
        super().call(object_id, called)
        self._note("call", object_id=int(object_id), name=called.name, colour=called.colour)

    def merge(self, into: int, others: Sequence[int]) -> None:
        super().merge(into, others)
        self._note("merge", into=int(into), others=list(map(int, others)))

    def split(
        self, object_id: int, frame: int | None = None, *, first: int | None = None, largest: int | None = None
    ) -> tuple[int, ...]:
        made = super().split(object_id, frame, first=first, largest=largest)
        self._note("split", object_id=int(object_id), frame=frame, first=made[0])
        return made

    def pin(self, frame: int, object_id: int = 1) -> None:
        super().pin(frame, object_id)
        self._note("pin", frame=int(frame), object_id=int(object_id))

    def unpin(self, frame: int, object_id: int = 1) -> None:
        super().unpin(frame, object_id)
        self._note("unpin", frame=int(frame), object_id=int(object_id))

    def evict(self, frame: int, object_id: int = 1) -> None:
        super().evict(frame, object_id)
        self._note("evict", frame=int(frame), object_id=int(object_id))

    def keep_out(self, frames: Iterable[int], object_id: int = 1) -> None:
        kept_out = sorted(map(int, frames))
        super().keep_out(kept_out, object_id)
        self._note("keep_out", frames=kept_out, object_id=int(object_id))

    def take_task(self, task: Task | str | Path, *, into: Mapping[int, int] | None = None) -> tuple[int, ...]:
        told = task if isinstance(task, Task) else read_task(Path(task))
        numbers = super().take_task(told, into=into)
        pairs = None if into is None else [[int(there), int(here)] for there, here in into.items()]
        self._note("take_task", digest=told.digest, name=told.name, into=pairs)
        return numbers

    def take_results(self, results: Iterable[FrameResult], *, up_to_date: bool = False) -> None:
        taken = tuple(results)
        super().take_results(taken, up_to_date=up_to_date)
        told = [[int(found.frame), int(found.object_id), digest_of(found)] for found in taken]
        self._note("take_results", results=told, up_to_date=bool(up_to_date))

    def segment(self, frame: int, object_id: int = 1) -> FrameResult:
        try:
            return super().segment(frame, object_id)
        finally:  # also where it failed on the way: frames that it needed first are remembered
            self._note("segment", frame=int(frame), object_id=int(object_id))

    def propagate(
        self,
        *,
        objects: Sequence[int] | None = None,
        direction: Direction = "both",
        start: int | None = None,
        stop: int | None = None,
        anew: bool = False,
    ) -> Iterator[FrameResult]:
        span = {"direction": direction, "start": start, "stop": stop, "anew": anew}
        steps = super().propagate(objects=objects, **span)  # type: ignore[arg-type]
        return self._counted(steps, {"objects": None if objects is None else list(map(int, objects)), **span})

    def _counted(self, steps: Iterator[FrameResult], span: dict[str, Any]) -> Iterator[FrameResult]:
        begun = False
        try:
            for result in steps:
                if not begun:
                    self._note(RUN, **span)
                begun = True
                self._note(STEPS, n=1)
                yield result
        except PromptError:
            raise  # there is nothing to begin with, and nothing was begun
        except Exception:
            if not begun:
                self._note(RUN, **span)
            begun = True
            raise
        else:
            if not begun:
                self._note(RUN, **span)
            begun = True
        finally:
            steps.close()  # type: ignore[attr-defined]
            if begun:
                self._note(ENDED)

    def _if_changed(self, what: str, changed: bool) -> bool:
        if changed:
            self._note(what)
        return changed

    def _note(self, what: str, prompts: tuple[Prompt, ...] = (), **values: Any) -> None:
        self._noted.append(Entry(what, values, prompts))


def surroundings(model: Model) -> dict[str, Any]:
    """What else masks depend on to the last bit, in words."""
    versions = {name: version_of(name) for name in (COMPLETE, "torch")}
    return {"device": model.device.type, "machine": platform.machine(), **versions}
