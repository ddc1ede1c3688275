"""From what a session remembers to a task, and from a task to what a session remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..errors import TaskFileError, UserError
from ..geometry.thumbnail import thumbnail
from ..geometry.window import Window
from ..images.contrast import Contrast, colours_of
from ..images.frames import FrameSource
from ..memory_entry import MemoryEntry, Origin
from ..models.device import Model
from ..models.shortage import is_shortage
from ..network.interface import Adaptation, Memory
from ..prompts import FramePrompts, Prompt
from ..segment.task import FrameTask
from ..segment.window_predictor import WindowPredictor
from .object_state import ObjectState
from .state import SessionState
from .taught import ImageKind, Task, Taught, TaughtBy, TaughtMemory, TaughtObject, Tensors

#: Images that are looked at, at most, to tell whether they have colours.
_LOOKED_AT = 8


def kind_of(frames: FrameSource) -> ImageKind:
    """Whether images have colours; those in three colours that are the same everywhere are grey."""
    for t in np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _LOOKED_AT)).round().astype(int)).tolist():
        if frames.header(t).colours < 3:
            continue
        frame = colours_of(frames[t])
        if frame.ndim == 3 and (frame != frame[..., :1]).any():
            return "colour"
    return "grey"


def model_of(model: Model) -> TaughtBy:
    """The model whose memories a session makes."""
    return TaughtBy(model.name, model.source or model.name, model.checksum)


def make_task(
    state: SessionState,
    predictor: WindowPredictor,
    numbers: Sequence[int] | None,
    bank: str,
    *,
    name: str,
    with_found: bool,
) -> Task:
    """What is remembered of objects, as a task. It may learn from drawn masks first, which takes seconds.

    Parameters
    ----------
    numbers
        The objects; ``None`` for all that have a template.
    bank
        How the memories were gathered.
    name
        Of the task.
    with_found
        Whether what was found is part of it, beside the templates.

    Raises
    ------
    TaskFileError
        If the frames are a stack, or there is no template.
    """
    if state.mode == "stack":
        raise TaskFileError(
            "a task file is made of separate images: what is remembered of slices is about the place where the object "
            "is in them, and says nothing on another stack"
        )
    with state.lock:
        known = {number: found.copy() for number, found in sorted(state.objects.items())}
    chosen = [n for n in known if any(e.pinned for e in known[n].bank.entries)] if numbers is None else list(numbers)
    if not chosen:
        raise TaskFileError("there is no template yet: draw a prompt on an image, and segment it")
    contrast = predictor.contrast
    return Task(
        name=name,
        model=model_of(predictor.model),
        kind=kind_of(predictor.frames),
        objects=tuple(_taught_object(number, known.get(number), predictor, with_found) for number in chosen),
        limits=_limits(contrast) if isinstance(contrast, Contrast) else None,
        gamma=contrast.gamma if isinstance(contrast, Contrast) else 1.0,
        bank=bank,
        made_by=__version__,
    )


def _limits(contrast: Contrast) -> tuple[tuple[float, ...], tuple[float, ...]]:
    low, high = (tuple(np.atleast_1d(values).tolist()) for values in (contrast.low, contrast.high))
    return low, high


def _taught_object(
    number: int, known: ObjectState | None, predictor: WindowPredictor, with_found: bool
) -> TaughtObject:
    entries = () if known is None else known.bank.entries
    if known is None or not any(entry.pinned for entry in entries):
        raise TaskFileError(f"object {number} has no template yet: draw a prompt of it, and segment that image")
    memories = tuple(_taught_memory(entry, known, predictor) for entry in entries if entry.pinned or with_found)
    return TaughtObject(number, known.called, memories)


def _taught_memory(entry: MemoryEntry, known: ObjectState, predictor: WindowPredictor) -> TaughtMemory:
    memory: Memory = entry.payload
    learned = predictor.learned_from(memory) if entry.pinned else None
    if entry.origin is not None and known.taught is not None:
        before = known.taught.told.memories[-1 - entry.frame]
        image, shape, prompts, picture = before.image, before.shape, before.prompts, before.picture
    else:
        frames, kept = predictor.frames, known.kept.get(entry.frame)
        image, shape = frames.name(entry.frame), frames.shape(entry.frame)
        given: tuple[Prompt, ...] = tuple(known.prompts_on(entry.frame))
        prompts = given
        mask = np.zeros(shape, bool) if kept is None else kept.result.mask
        picture = thumbnail(predictor.prepared(entry.frame), mask)
    return TaughtMemory(
        image=image,
        shape=shape,
        prompts=prompts,
        confidence=float(min(max(entry.confidence, 0.0), 1.0)),
        descriptor=np.asarray(entry.descriptor, np.float64),
        pinned=entry.pinned,
        tile=entry.tile,
        tokens=_arrays(memory.tokens),
        adaptation=None if learned is None else _arrays(learned.parameters),
        picture=picture,
    )


def _arrays(tensors: Mapping[str, Tensor]) -> Tensors:
    return {name: value.detach().float().cpu().numpy() for name, value in tensors.items()}


def _tensors(arrays: Tensors) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}


def check_task(task: Task, state: SessionState, predictor: WindowPredictor) -> None:
    """Look whether a task says something about these images to this model.

    Raises
    ------
    TaskFileError
        If not; it says what would be right.
    """
    if state.mode == "stack":
        raise TaskFileError(
            f"the task {task.name} is for separate images, and these frames are taken as a stack: take them as "
            "separate images (a flow), or draw a prompt"
        )
    if task.model.checksum != predictor.model.checksum:
        own = predictor.model.name
        which = f"weights of {own} that are not these" if task.model.name == own else task.model.name
        raise TaskFileError(
            f"the task {task.name} was made with {which}, and its memories say nothing to {own}: choose the model "
            f"{task.model.source}, or make the task anew with this one"
        )
    kind = kind_of(predictor.frames)
    if task.kind != kind:
        words = {"grey": "in shades of grey", "colour": "in colours"}
        raise TaskFileError(
            f"the task {task.name} was made on images {words[task.kind]}, and these are {words[kind]}: it would find "
            "nothing on them"
        )


def take_task(
    state: SessionState, predictor: WindowPredictor, task: Task, into: Mapping[int, int] | None
) -> tuple[int, ...]:
    """Begin objects with what a task remembers, as one change; returns their numbers. The state's lock is held.

    ``into`` gives the number of each object by that in the task; others are left out then.
    """
    for number in (into or {}).values():
        if number in state.objects and state.objects[number].is_taught:
            raise TaskFileError(f"object {number} goes on from a task file already")
    memories = {told.number: _entries(told, task, predictor) for told in task.objects}
    for told in task.objects:
        _check_fit(task, memories[told.number], state, predictor)
    state.note_change()
    taken = {number for number, known in state.objects.items() if known.prompts or known.kept or known.is_taught}
    numbers = []
    for told in task.objects:
        if into is not None and told.number not in into:
            continue
        number = told.number if told.number not in taken else max(taken, default=0) + 1
        number = number if into is None else into[told.number]
        taken.add(number)
        numbers.append(number)
        known = state.edit(number)
        known.taught = Taught(task, told.number)
        if told.called.name or told.called.colour:
            known.called = told.called
        for entry in memories[told.number]:
            known.bank.add(entry)
    state.revision += 1
    return tuple(numbers)


@torch.inference_mode()
def _check_fit(task: Task, entries: Sequence[MemoryEntry], state: SessionState, predictor: WindowPredictor) -> None:
    """Have the network hear the memories once, on the first frame: a checksum of weights says nothing of tensors."""
    bank = state.new_bank()
    for entry in entries:
        bank.add(entry)
    try:
        predictor.predict(FrameTask(FramePrompts(1, 0), bank), Window.whole(predictor.shape(0)))
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        if is_shortage(error) or isinstance(error, UserError):
            raise
        raise TaskFileError(
            f"the memories in the task {task.name} are none of {task.model.name}, though it says so: make the task anew"
        ) from error


def _entries(told: TaughtObject, task: Task, predictor: WindowPredictor) -> list[MemoryEntry]:
    return [_entry(memory, task, place, predictor) for place, memory in enumerate(told.memories)]


def _entry(memory: TaughtMemory, task: Task, place: int, predictor: WindowPredictor) -> MemoryEntry:
    payload = Memory(_tensors(memory.tokens))
    predictor.adopt(payload, None if memory.adaptation is None else Adaptation(_tensors(memory.adaptation)))
    return MemoryEntry(
        frame=-1 - place,
        confidence=memory.confidence,
        descriptor=memory.descriptor,
        pinned=memory.pinned,
        payload=payload,
        tile=memory.tile,
        origin=Origin(task.name, memory.image, memory.picture),
    )
