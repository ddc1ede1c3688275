"""Task files: what was shown on some images is found on others, and what does not fit is refused in words."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import PLAIN, blob_model, stack_session
from flows import flow_frames
from safetensors.numpy import load

from napari_medsam2.errors import TaskFileError
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt
from napari_medsam2.session.saved import Changes, SavedImage
from napari_medsam2.session.session import Session
from napari_medsam2.session.session_file import SessionFile, read_session
from napari_medsam2.session.task_file import pack_told, read_task, told_in

RED, GREEN = (200, 40, 40), (40, 200, 40)


def flow(colours, **options) -> Session:
    return Session(blob_model(), flow_frames(colours), mode="flow", contrast=PLAIN, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A task: red discs, from one click."""
    session = flow([RED] * 4)
    session.add(PointPrompt(1, 19, 24))
    session.call(1, LabelledObject("nucleus", "#ff0000"))
    list(session.propagate())
    session.save_task(tmp_path / "discs.medsam2task", with_found=True)
    return tmp_path / "discs.medsam2task"


def test_one_prompt_made_once_finds_the_object_on_next_weeks_images(path: Path):
    session = flow([RED, GREEN, RED])
    assert session.take_task(path) == (1,) and session.objects == (1,) and set(session.taught) == {1}
    results = list(session.propagate())
    assert [r.frame for r in results] == [0, 1, 2] and not any(r.prompted for r in results)
    for t, frame in enumerate(session.frames):
        np.testing.assert_array_equal(session.result(t).mask, (frame[..., 0] > 100) & (frame[..., 1] < 100))
    assert session.called[1] == LabelledObject("nucleus", "#ff0000")
    assert session.next_to_prompt() is not None


def test_it_is_as_if_the_same_image_had_been_prompted_here(path: Path):
    """The network hears the same memory, with the same weight, as where the prompted image is one of these."""
    here, there = flow([RED, RED, RED]), flow([RED, GREEN, RED])
    here.add(PointPrompt(1, 19, 24))
    list(here.propagate())
    there.take_task(_templates_alone(path))
    list(there.propagate(start=0, stop=1))
    mine, theirs = here.model.network.calls.segmented[1], there.model.network.calls.segmented[0]
    assert [recall.weight for recall in mine.recalls] == [recall.weight for recall in theirs.recalls]
    for name, value in mine.recalls[0].memory.tokens.items():
        assert torch.equal(value.float(), theirs.recalls[0].memory.tokens[name])


def _templates_alone(path: Path):
    session = flow([RED])
    session.take_task(path)
    return session.save_task(path.with_name("fewer.medsam2task"))


def test_prompts_here_and_a_task_go_together_and_each_can_be_taken_back(path: Path):
    session = flow([RED] * 3)
    session.take_task(path)
    list(session.propagate())
    session.add(PointPrompt(1, 19, 24))
    list(session.propagate())
    assert [entry.frame for entry in session.memory().entries if entry.pinned] == [-1, 1]
    session.replace_prompts(1, 1, ())
    assert set(session.taught) == {1}, "what it was taught stays, prompts or not"
    assert [result.frame for result in session.propagate()] == [0, 1, 2]
    while session.undo():
        pass
    assert not session.objects and session.redo() and session.objects == (1,)
    session.reset()
    assert not session.objects


def test_a_number_that_is_taken_is_not_taken_again(path: Path):
    session = flow([RED, GREEN])
    session.add(PointPrompt(1, 19, 24))
    assert session.take_task(path) == (2,) and session.take_task(path) == (3,)
    assert session.objects == (1, 2, 3) and len(session.tasks) == 1


def test_a_task_holds_its_prompts_and_pictures_and_goes_on_to_another(path: Path, tmp_path: Path):
    session = flow([RED] * 2)
    session.add(BoxPrompt(0, 6.5, 7.5, 21.5, 22.5))
    session.add(MaskPrompt(1, session.frames[1][..., 0] > 100))
    list(session.propagate())
    first = session.save_task(tmp_path / "a.medsam2task")
    memories = first.objects[0].memories
    assert memories[0].prompts == (BoxPrompt(0, 6.5, 7.5, 21.5, 22.5),)
    np.testing.assert_array_equal(memories[1].prompts[0].mask, session.frames[1][..., 0] > 100)
    assert [memory.image for memory in memories] == ["frame 0", "frame 1"] and memories[0].picture.outline.any()
    np.testing.assert_array_equal(memories[0].picture.image, session.frames[0])
    later = flow([RED])
    later.take_task(first)
    again = later.save_task(tmp_path / "b.medsam2task").objects[0].memories
    assert [m.image for m in again] == ["frame 0", "frame 1"] and again[0].prompts == memories[0].prompts


def test_what_does_not_fit_is_refused_in_words_and_changes_nothing(path: Path):
    other = flow([RED] * 2)
    with torch.no_grad():
        other.model.network.register_buffer("another", torch.ones(1))
    stack, _ = stack_session(4)
    grey = Session(blob_model(), [frame[..., 0] for frame in flow_frames([RED])], mode="flow", contrast=PLAIN)
    alike = Session(blob_model(), [frame * 0 + 9 for frame in flow_frames([RED])], mode="flow", contrast=PLAIN)
    refused = (
        *((other, "weights of blobs that are not these"), (stack, "for separate images")),
        *((grey, "these are in shades of grey"), (alike, "these are in shades of grey")),
    )
    for session, words in refused:
        with pytest.raises(TaskFileError, match=words):
            session.take_task(path)
        assert not session.objects and not session.undo()
    with pytest.raises(TaskFileError, match="no template yet"):
        flow([RED]).save_task(path.with_name("none.medsam2task"))
    with pytest.raises(TaskFileError, match="separate images"):
        stack.save_task(path.with_name("none.medsam2task"))
    assert not path.with_name("none.medsam2task").exists()


def damaged(data: bytes, change) -> bytes:
    """The file with its header changed by a function."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def _say(**changes):
    def change(metadata):
        metadata["task"] = json.dumps(json.loads(metadata["task"]) | changes)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[: len(data) // 2], "damaged"),
        (lambda data: b"", "too short"),
        (lambda data: b"PK" + data, "cut short, or no task file"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "not what was written"),
        (lambda data: damaged(data, _say(version=2)), "later version"),
        (lambda data: damaged(data, _say(kind="x-ray")), "not what was written"),
        (lambda data: damaged(data, _say(format="weights")), "no task file"),
        (lambda data: damaged(data, lambda m: m.update(task="[" * 4000)), "damaged"),
        (lambda data: damaged(data, lambda m: m.clear()), "no task file"),
    ],
)
def test_a_damaged_file_is_refused_in_words(path: Path, change, words: str):
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(TaskFileError, match=words):
        read_task(path)


def test_what_is_no_file_is_not_waited_for_and_never_ends_is_not_read(path: Path, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.medsam2task")
    for other in (tmp_path / "pipe.medsam2task", tmp_path, Path("/dev/zero")):
        with pytest.raises(TaskFileError, match="is no file"):
            read_task(other)


def test_memories_that_the_network_cannot_hear_are_refused_before_anything_is_changed(path: Path):
    """The checksum of the weights is what the file says of itself."""
    told, tensors = told_in(path.read_bytes()), dict(load(path.read_bytes()))
    for name in ("token/colour", "descriptor"):
        odd = {key: value[..., :1] if key == f"1/0/{name}" else value for key, value in tensors.items()}
        path.write_bytes(pack_told(told, odd))
        session = flow([RED, GREEN])
        with pytest.raises(TaskFileError, match="are none of blobs"):
            session.take_task(path)
        assert not session.objects and not session.undo()


def test_a_session_file_keeps_the_tasks_that_its_journal_tells_of(path: Path, tmp_path: Path):
    task = read_task(path)
    with SessionFile(tmp_path / "a.medsam2", SavedImage("scan", "", ((48, 64),), "abc"), "flow") as file:
        file.write(Changes(tasks={task.digest: task}))
        file.write(Changes(tasks={task.digest: task}), anew=True)
    (kept,) = read_session(tmp_path / "a.medsam2").tasks.values()
    assert kept.digest == task.digest and kept.name == "discs" and kept.words == task.words
