"""What is learned from: frames that a user said are right, less those that say whether it helped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import moving_disc

from napari_medsam2.errors import DatasetError
from napari_medsam2.images.datasets import read_dataset
from napari_medsam2.training.accepted.lesson import Lesson, read_lesson, write_lesson

IMAGES, MASKS = moving_disc(12, (48, 64))
ACCEPTED = (1, 2, 5, 6, 8, 11)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A lesson on a moving disc, of which six frames are accepted."""
    path = tmp_path / "lesson.npz"
    labels = [MASKS[t].astype(np.uint8) if t in ACCEPTED else None for t in range(12)]
    write_lesson(path, list(IMAGES), labels, "flow", corrected=[2])
    return path


def test_a_lesson_comes_back_with_what_was_accepted_and_nothing_else(path: Path) -> None:
    lesson = read_lesson(path)
    assert (lesson.accepted, lesson.corrected) == (ACCEPTED, (2,)) and lesson.dataset.mode == "flow"
    assert np.array_equal(lesson.dataset.frames[3], IMAGES[3])
    assert [t for t in range(12) if lesson.dataset.truth(t, 1).any()] == list(ACCEPTED)


def test_corrected_frames_say_whether_it_helps_where_there_are_some(path: Path) -> None:
    lesson = read_lesson(path)
    assert lesson.judged == ACCEPTED, "one corrected frame says too little"
    assert replace(lesson, corrected=(2, 5, 8)).judged == (2, 5, 8), "the others are as they were found"
    masks = [mask * (t not in (2, 5)) for t, mask in enumerate(lesson.dataset.masks)]
    bare = replace(lesson, dataset=replace(lesson.dataset, masks=masks), corrected=(2, 5))
    assert bare.judged == (1, 6, 8, 11), "frames that have no object give no score"


@pytest.mark.parametrize(
    ("accepted", "words"),
    [((1, 2), r"2 accepted .* too few to learn from: accept 3"), ((0, 1, 3), "no object is on two of")],
)
def test_too_little_is_said_in_words(path: Path, accepted: tuple[int, ...], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        replace(read_lesson(path), accepted=accepted).check()


def test_labels_that_contradict_each_other_are_said_in_words(tmp_path: Path) -> None:
    frames = [*IMAGES[:4], IMAGES[1]]
    write_lesson(tmp_path / "a.npz", frames, [*MASKS[:4].astype(np.uint8), MASKS[2].astype(np.uint8)], "flow")
    with pytest.raises(DatasetError, match="frames 1 and 4 are the same image, and their labels contradict"):
        read_lesson(tmp_path / "a.npz")


def test_a_file_that_does_not_say_what_is_accepted_is_no_lesson(path: Path) -> None:
    for told in ({"kind": "flow"}, {"kind": "flow", "accepted": [1, 2, 99]}):
        path.with_suffix(".json").write_text(json.dumps(told))
        with pytest.raises(DatasetError, match="does not say which frames are accepted"):
            read_lesson(path)
    assert read_dataset(path).mode == "flow", "as a dataset it is still good"


def test_frames_of_different_sizes_are_kept_as_they_are(tmp_path: Path) -> None:
    frames = [IMAGES[t][: 40 + t] for t in range(4)]
    write_lesson(tmp_path / "a.npz", frames, [MASKS[t][: 40 + t].astype(np.uint8) for t in range(4)], "flow")
    lesson = read_lesson(tmp_path / "a.npz")
    assert isinstance(lesson, Lesson) and lesson.dataset.frames.shape(3) == (43, 64)
