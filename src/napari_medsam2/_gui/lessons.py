"""Learning from accepted frames: a process of its own trains, the dock tells how far it is and what came of it."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_state_path
from qtpy.QtCore import QObject, QProcess, Signal

from ..errors import EXPECTED_ERRORS, in_words
from ..models.registry import MODELS
from ..session.label_image import paint_labels
from ..types import AnyArray
from .dock_state import Lesson
from .dock_store import DockStore
from .layers.workspace import Workspace
from .model_choice import ModelChoice
from .words import LEARNED, LEARNED_AT

#: Where a process of ours can train; another computer is none of these.
DEVICES = ("auto", "cpu", "cuda", "mps")
#: So many frames are needed: one is left out, and two to learn from.
LEAST_FRAMES = 3
#: What the process tells of its progress, and of what came of it.
_TOLD = ("step", "steps", "seconds_left", "before", "after", "judged")


class Lessons(QObject):
    """Learning in one dock.

    Parameters
    ----------
    store, models
        The state that this changes, and what takes the weights.
    program
        What is run, with the arguments of ``train`` after it.
    """

    _ready = Signal(object, str)  # the folder of the run, and what is wrong

    def __init__(
        self, store: DockStore, models: ModelChoice, program: tuple[str, ...] = (sys.executable, "-m", "napari_medsam2")
    ) -> None:
        super().__init__()
        self._store, self._models, self._program = store, models, program
        self._process: QProcess | None = None
        self._folder: Path | None = None
        self._work: Workspace | None = None
        self._heard = b""
        self._ready.connect(self._on_ready)

    def close(self) -> None:
        """End it; nothing of it is kept."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.waitForFinished(2000)
        self._tidy()

    def begin(self) -> None:
        """Learn from what was accepted, corrected or drawn on the image in hand."""
        store, work = self._store, self._store.work
        if work is None or store.chosen.lesson.running:
            return
        if store.chosen.model in MODELS and store.chosen.model != "micro":
            store.say("Learning is for the bundled model: choose Micro first, or weights that it learned before.")
            return
        frames = confirmed_frames(work)
        if len(frames) < LEAST_FRAMES:
            store.say(
                f"Learning needs {LEAST_FRAMES} {store.chosen.noun}s that you accepted, corrected or prompted; so far "
                f"there {_so_many(frames)}."
            )
            return
        self._work = work
        folder = user_state_path("napari-medsam2") / LEARNED / time.strftime(LEARNED_AT)
        pixels, mode = work.sequence.frames(), store.chosen.mode
        taken = range(frames[0], frames[-1] + 1) if mode == "stack" else frames
        found = {t: [r for (frame, _), r in work.results.results.items() if frame == t] for t in frames}
        changed = [taken.index(t) for (_, t), given in work.book.groups.items() if t in found and not given.accepted]
        sizes = {t: work.sequence.layout.size_of(t) for t in taken}
        store.set(lesson=Lesson(running=True), problem="", note="")

        def write() -> None:
            problem = "What was accepted could not be written down, and it is not known why."
            try:
                from ..training.accepted.lesson import write_lesson

                folder.mkdir(parents=True, exist_ok=True)
                raw = [np.asarray(pixels[t])[: sizes[t][0], : sizes[t][1]] for t in taken]
                labels: list[AnyArray | None] = [
                    paint_labels(sizes[t], np.uint16, found[t]).labels if t in found else None for t in taken
                ]
                write_lesson(folder / "lesson.npz", raw, labels, mode, corrected=sorted(set(changed)))
                problem = ""
            except MemoryError:
                problem = "There is not enough memory to learn: close other images or programs first."
            except EXPECTED_ERRORS as error:
                problem = f"It cannot be learned: {in_words(error)}."
            finally:
                with suppress(RuntimeError):  # the window was closed meanwhile
                    self._ready.emit(folder, problem)

        threading.Thread(target=write, name="napari-medsam2 lesson", daemon=True).start()

    def cancel(self) -> None:
        """End it; the network stays as it is."""
        if self._store.chosen.lesson.running:
            self.close()
            self._store.put(lesson=Lesson())
            self._store.say(note="Learning was cancelled; the network is as it was.")

    def take(self) -> None:
        """Go on with what was learned: labels stay until they are found again."""
        weights, work = self._store.chosen.lesson.weights, self._store.work
        if weights is None or work is None:
            return
        work.past.cost.learned_at = len(work.past.cost.frames)
        self._store.set(lesson=Lesson())
        self._models.choose(str(weights), self._store.chosen.wanted_device)

    def refuse(self) -> None:
        """Forget what was learned, and go on as before."""
        if (weights := self._store.chosen.lesson.weights) is not None:
            shutil.rmtree(weights.parent, ignore_errors=True)
            self._store.put(lesson=Lesson())
            self._store.say(note="What it learned is forgotten; the network is as it was.")

    # ---- the process -------------------------------------------------------------------------------------------------

    def _on_ready(self, folder: Path, problem: str) -> None:
        self._folder = folder
        if problem or not self._store.chosen.lesson.running:
            self._end(problem)
            return
        process = self._process = QProcess(self)
        self._heard = b""
        process.readyReadStandardOutput.connect(self._on_heard)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_failed)
        arguments = ["train", str(folder), "--lesson", str(folder / "lesson.npz"), "--report-json"]
        device = self._store.chosen.wanted_device
        arguments += ["--model", self._store.chosen.model, "--device", device if device in DEVICES else "auto"]
        process.start(self._program[0], [*self._program[1:], *arguments])

    def _on_heard(self) -> None:
        if self._process is None:
            return
        self._heard += bytes(self._process.readAllStandardOutput().data())
        *lines, self._heard = self._heard.split(b"\n")
        told: dict[str, Any] = {}
        for line in lines:
            with suppress(ValueError):
                told |= json.loads(line)
        if told:
            weights = told.pop("weights", None)
            known = {name: told[name] for name in _TOLD if name in told}
            lesson = replace(self._store.chosen.lesson, **known, weights=None if weights is None else Path(weights))
            self._store.set(lesson=lesson)

    def _on_failed(self, error: Any) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            self._process = None
            self._end(f"It cannot be learned: {self._program[0]} does not start.")

    def _on_finished(self, code: int, *_: Any) -> None:
        process = self._process
        if process is None:
            return  # cancelled
        self._on_heard()
        said = bytes(process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
        self._process = None
        process.deleteLater()
        lost = "the process ended early, as it does where memory is short: close other programs first"
        self._end("" if code == 0 else f"Nothing was learned: {said[-1].partition(': ')[2] if said else lost}.")

    def _end(self, problem: str) -> None:
        lesson = replace(self._store.chosen.lesson, running=False)
        self._store.put(lesson=Lesson() if problem or self._work is not self._store.work else lesson)
        if lesson.weights is None or problem:
            self._tidy()
        elif self._folder is not None:
            for path in self._folder.iterdir():
                if path != lesson.weights:
                    path.unlink(missing_ok=True)
            self._folder = None  # it is kept
        self._store.say(problem)

    def _tidy(self) -> None:
        """Remove what a run leaves that learned nothing."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _so_many(frames: list[int]) -> str:
    return {0: "is none", 1: "is one"}.get(len(frames), f"are {len(frames)}")


def confirmed_frames(work: Workspace) -> list[int]:
    """Frames on which each object that was looked for is accepted, corrected or drawn."""
    prompted: dict[int, bool] = {}
    for (frame, _), result in work.results.results.items():
        prompted[frame] = prompted.get(frame, True) and result.prompted
    return sorted(frame for frame, is_prompted in prompted.items() if is_prompted)
