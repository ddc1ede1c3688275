"""What a session remembers of its objects: looking at it, and changing it by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import SessionError
from ..memory_bank import MemoryBank
from ..memory_entry import MemoryEntry, Pick
from ..results import FrameResult
from ..segment.segmenter import FrameSegmenter
from .comparison import OtherBank
from .model_view import ModelView, model_view
from .object_state import ObjectState
from .options import SessionOptions, make_bank
from .state import SessionState
from .task_file import name_of, read_task, write_task
from .taught import Task, Taught
from .teaching import check_task, make_task, take_task


class SessionMemories:
    """The memory banks of a session. Each edit is one change that :meth:`napari_medsam2.Session.undo` takes back.

    Edits may come during a propagation, from another thread too: they take effect at its next frame boundary. What was
    found without a prompt is done again by the next propagation, because it was found with another memory.
    """

    _state: SessionState
    segmenter: FrameSegmenter
    bank: str
    options: SessionOptions
    passes: int
    seed: int | None

    def segment(self, frame: int, object_id: int = 1) -> FrameResult:
        """See :meth:`napari_medsam2.Session.segment`."""
        raise NotImplementedError

    # ---- looking at it -----------------------------------------------------------------------------------------------

    def memory(self, object_id: int = 1) -> MemoryBank | None:
        """A copy of an object's memory bank, to look at."""
        with self._state.lock:
            known = self._state.objects.get(object_id)
            return None if known is None else known.bank.copy()

    def descriptor(self, frame: int, object_id: int = 1) -> npt.NDArray[np.float32] | None:
        """The image descriptor ``(D,)`` of a frame, as it was when an object was last looked for on it.

        ``None`` if it was not.
        """
        with self._state.lock:
            known = self._state.objects.get(object_id)
            kept = None if known is None else known.kept.get(frame)
            return None if kept is None else kept.descriptor

    def descriptors(self, object_id: int = 1) -> dict[int, npt.NDArray[np.float32]]:
        """Those of all frames of a flow that the object was looked for on."""
        with self._state.lock:
            known = self._state.objects.get(object_id)
            kept = {} if known is None else known.kept
            return {t: found.descriptor for t, found in kept.items() if found.descriptor is not None}

    def templates_to_be(self, object_id: int = 1) -> tuple[int, ...]:
        """Frames that were accepted, or prompted in another session, and are not remembered yet: the next run that does
        more begins with them."""
        with self._state.lock:
            known = self._state.objects.get(object_id)
            return () if known is None else tuple(known.templates_to_be)

    def picks(self, frame: int, object_id: int = 1) -> list[Pick]:
        """What the object's memory would be picked up for a frame now, with the weight of each entry.

        Where the frame was not looked at yet its image descriptor is not known, and all entries weigh alike.
        """
        with self._state.lock:
            known = self._state.objects.get(object_id)
            if known is None:
                return []
            source = min(known.sources, key=lambda t: (abs(t - frame), t), default=frame)
            return known.bank.pick(
                frame,
                self.descriptor(frame, object_id),
                n_frames=len(self._state.frames),
                reverse=self._state.mode == "stack" and source > frame,
            )

    def model_view(self, frame: int, object_id: int = 1) -> ModelView:
        """What the model sees of a frame: its input, with the prompts of an object on it.

        Raises
        ------
        PromptError
            If there is no such frame.
        FrameError
            If it cannot be read.
        """
        return model_view(self._state, self.segmenter.predictor, frame, object_id)

    def other_bank(self) -> OtherBank:
        """A run of the same prompts with the other memory bank, "fifo" or "self-sorting", to compare with this one."""
        other: Literal["fifo", "self-sorting"] = "self-sorting" if self.bank == "fifo" else "fifo"
        return OtherBank(
            self._state,
            self.segmenter,
            own=self.bank,
            other=other,
            make_bank=partial(make_bank, other, self._state.mode, self.segmenter.predictor.model.network, self.seed),
            patience=self.options.patience,
            passes=self.passes,
        )

    # ---- changing it -------------------------------------------------------------------------------------------------

    def pin(self, frame: int, object_id: int = 1) -> None:
        """Make the memory of a frame a template: it stays, and counts like that of a frame with a prompt.

        Raises
        ------
        SessionError
            If the frame is not remembered, or templates would take all the room of the bank.
        """
        with self._state.lock:
            known, entry = self._remembered(frame, object_id)
            if entry.pinned:
                return
            pinned = sum(other.pinned for other in known.bank.entries)
            if pinned >= known.bank.most_templates:
                raise SessionError(
                    f"the memory bank of object {object_id} holds {known.bank.most_templates} entries, and {pinned} "
                    "are templates: unpin or evict one first"
                )
            self._change(object_id).bank.hold(frame, True)

    def unpin(self, frame: int, object_id: int = 1) -> None:
        """Let go of a memory that was pinned: it may give way to others again.

        Raises
        ------
        SessionError
            If it was not pinned by hand, or is the last template.
        """
        with self._state.lock:
            known, entry = self._remembered(frame, object_id)
            if not entry.held:
                why = "it has a prompt: remove that, or evict the memory" if entry.pinned else "it is not pinned"
                raise SessionError(f"frame {frame} cannot be unpinned: {why}")
            self._refuse_last(known, entry)
            self._change(object_id).bank.hold(frame, False)

    def evict(self, frame: int, object_id: int = 1) -> None:
        """Take a frame out of the memory. It stays out until its prompts change; its result stays as it is.

        Raises
        ------
        SessionError
            If it is not remembered, or is the last template.
        """
        with self._state.lock:
            known, entry = self._remembered(frame, object_id)
            self._refuse_last(known, entry)
            known = self._change(object_id)
            known.bank.remove(frame)
            if not entry.from_elsewhere:
                known.evicted |= {frame}

    def evicted(self, object_id: int = 1) -> frozenset[int]:
        """Frames that were taken out of an object's memory, and stay out."""
        with self._state.lock:
            known = self._state.objects.get(object_id)
            return frozenset() if known is None else known.evicted

    def keep_out(self, frames: Iterable[int], object_id: int = 1) -> None:
        """Do not remember these frames of an object that has prompts here: what was evicted in another session of these
        images, as before a change of the model, is not heard in this one either."""
        with self._state.lock:
            if object_id in self._state.objects:
                known = self._state.edit(object_id)
                known.evicted |= frozenset(frames)
                for frame in known.evicted:
                    known.bank.remove(frame)

    def _remembered(self, frame: int, object_id: int) -> tuple[ObjectState, MemoryEntry]:
        known = self._state.objects.get(object_id)
        entry = None if known is None else next((e for e in known.bank.entries if e.frame == frame), None)
        if known is None or entry is None:
            raise SessionError(f"frame {frame} is not in the memory bank of object {object_id}")
        return known, entry

    def _refuse_last(self, known: ObjectState, entry: MemoryEntry) -> None:
        if entry.pinned and not any(other.pinned for other in known.bank.entries if other is not entry):
            raise SessionError(
                f"this is the only template of object {known.object_id}: without it nothing says what to look for. "
                "Pin another one, or draw another prompt, first"
            )

    def _change(self, object_id: int) -> ObjectState:
        """An object whose memory is changed by hand now."""
        self._state.note_change()
        known = self._state.edit(object_id)
        known.ask_others_again()
        self._state.revision += 1
        return known

    # ---- task files --------------------------------------------------------------------------------------------------

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The task files that objects go on from, each once."""
        with self._state.lock:
            found = {t.task.digest: t.task for known in self._state.objects.values() if (t := known.taught) is not None}
            return tuple(found.values())

    @property
    def taught(self) -> Mapping[int, Taught]:
        """What objects came with a task file, by number."""
        with self._state.lock:
            return {n: known.taught for n, known in self._state.objects.items() if known.taught is not None}

    def save_task(self, path: str | Path, objects: Sequence[int] | None = None, *, with_found: bool = False) -> Task:
        """Write the templates of objects to a task file, by which they are found on other images.

        Parameters
        ----------
        objects
            Their numbers; ``None`` for all that have a template.
        with_found
            Write the memories of what was found, too. Nobody has said that these are right, and where they are not,
            they mislead.

        Raises
        ------
        TaskFileError
            If the frames are a stack, there is no template yet, or the file cannot be written.
        """
        path = Path(path)
        return write_task(path, self.task(objects, name=name_of(path), with_found=with_found))

    def task(self, objects: Sequence[int] | None = None, *, name: str = "task", with_found: bool = False) -> Task:
        """What :meth:`save_task` writes, under a name; raises as that does."""
        with self._state.lock:
            waiting = [(t, n) for n, known in self._state.objects.items() for t in known.templates_to_be]
        for frame, number in waiting:
            if objects is None or number in objects:
                self.segment(frame, number)
        predictor = self.segmenter.predictor
        return make_task(self._state, predictor, objects, self.bank, name=name, with_found=with_found)

    def take_task(self, task: Task | str | Path, *, into: Mapping[int, int] | None = None) -> tuple[int, ...]:
        """Look for the objects of a task file on these images, too: their templates and memories are remembered.

        Parameters
        ----------
        task
            The file, or what :func:`napari_medsam2.session.task_file.read_task` read from it.
        into
            Which objects of the task are taken, and the number that each gets here, where there may be prompts of it;
            ``None`` for all.

        Returns
        -------
        tuple of int
            Numbers of the objects: unless they are given, those of the task, or free ones where others have these.

        Raises
        ------
        TaskFileError
            If it cannot be read, or was made with another model or for other images; nothing is changed then.
        """
        if not isinstance(task, Task):
            task = read_task(Path(task))
        check_task(task, self._state, self.segmenter.predictor)
        with self._state.lock:
            return take_task(self._state, self.segmenter.predictor, task, into)
