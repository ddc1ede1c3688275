"""What there is to learn from: frames that a user said are right, and those of them that say whether it helps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...images.datasets import Dataset, notes_of, read_dataset
from ...json_files import read_json
from ...types import AnyArray, Mode
from ...whole_file import replace_file

#: Of fewer frames than this nothing is learned: one is left out to be scored, and two are needed to learn from.
LEAST_FRAMES = 3


@dataclass(frozen=True, eq=False)
class Lesson:
    """Frames, and which of them are right.

    Attributes
    ----------
    dataset
        Frames, with label maps that count on the accepted ones alone.
    accepted
        Frames whose labels are right, in order.
    corrected
        Those of them that are not as they were found.
    """

    dataset: Dataset
    accepted: tuple[int, ...]
    corrected: tuple[int, ...] = ()

    @property
    def judged(self) -> tuple[int, ...]:
        """Those that say whether learning helps: the corrected ones where there are two or more, else all.

        A frame that is as it was found has what the network of before found, and would speak for that one. One without
        an object that another frame has, too, says nothing.
        """
        shown = self._shown()
        telling = tuple(t for t in self.accepted if any(t in there and len(there) > 1 for there in shown.values()))
        corrected = tuple(t for t in telling if t in self.corrected)
        return corrected if len(corrected) > 1 else telling

    def _shown(self) -> dict[int, list[int]]:
        """The accepted frames of each object."""
        shown: dict[int, list[int]] = {}
        for t in self.accepted:
            for number in np.unique(self.dataset.masks[t]).tolist():
                if number:
                    shown.setdefault(number, []).append(t)
        return shown

    def check(self) -> None:
        """Say what cannot be learned from.

        Raises
        ------
        DatasetError
            If there are too few frames, no object is on two of them, or two frames are the same image with different
            labels.
        """
        if len(self.accepted) < LEAST_FRAMES:
            raise DatasetError(
                f"{len(self.accepted)} accepted or corrected frame(s) are too few to learn from: accept {LEAST_FRAMES} "
                "or more"
            )
        if not any(len(there) > 1 for there in self._shown().values()):
            raise DatasetError("no object is on two of the accepted frames: accept more frames")
        masks = self.dataset.masks
        seen: dict[bytes, int] = {}
        for t in self.accepted:
            pixels = hashlib.blake2b(self.dataset.frames[t].tobytes()).digest()
            other = seen.setdefault(pixels, t)
            if not np.array_equal(masks[other], masks[t]):
                raise DatasetError(
                    f"frames {other} and {t} are the same image, and their labels contradict each other: correct one"
                )


def write_lesson(
    path: Path,
    frames: Sequence[AnyArray],
    labels: Sequence[AnyArray | None],
    mode: Mode,
    *,
    corrected: Sequence[int] = (),
) -> None:
    """Write a lesson as a dataset, for a process of its own to read.

    Parameters
    ----------
    path
        ``NAME.npz``; a ``NAME.json`` comes beside it.
    frames
        Raw frames ``(H, W)`` or ``(H, W, 3)``.
    labels
        Of each frame ``(H, W)``, ``None`` where it was not accepted.
    mode
        What the frames are.
    corrected
        Which of them are not as they were found.
    """
    arrays: dict[str, Any] = {}
    for t, (frame, given) in enumerate(zip(frames, labels, strict=True)):
        shape = np.shape(frame)[:2]
        arrays[f"image_{t:06d}"] = np.asarray(frame)
        arrays[f"mask_{t:06d}"] = np.zeros(shape, np.uint8) if given is None else np.asarray(given)
    accepted = [t for t, given in enumerate(labels) if given is not None]

    def write(draft: Path) -> None:
        with draft.open("wb") as file:
            np.savez(file, **arrays)

    replace_file(path, write)
    notes = json.dumps({"kind": mode, "accepted": accepted, "corrected": sorted(corrected)})
    replace_file(notes_of(path), lambda draft: draft.write_text(notes, encoding="utf-8"))


def read_lesson(path: Path) -> Lesson:
    """Read what :func:`write_lesson` wrote; :class:`DatasetError` if it is no such thing, or cannot be learned from."""
    dataset = read_dataset(path)
    told = read_json(notes_of(path), DatasetError)
    accepted = told.get("accepted") if isinstance(told, dict) else None
    frames = range(len(dataset.frames))
    if not isinstance(accepted, list) or not all(isinstance(t, int) and t in frames for t in accepted):
        raise DatasetError(f"{notes_of(path).name} does not say which frames are accepted")
    noted = told.get("corrected")
    corrected = [t for t in accepted if isinstance(noted, list) and t in noted]
    lesson = Lesson(dataset, tuple(sorted(set(accepted))), tuple(sorted(set(corrected))))
    lesson.check()
    return lesson
