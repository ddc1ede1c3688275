"""What the window costs: runs with the dock open and painting against the bare session, by turns in one process."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from qtpy.QtCore import QEventLoop, Qt, QTimer

from ..distribution import plugin_name
from ..engine.events import FinishReason, RunState
from ..errors import OptionError
from ..prompts import BoxPrompt
from .bank_dock import open_bank

if TYPE_CHECKING:
    from ..models.device import Model
    from ..types import AnyArray

#: Between two looks at the clock by the interface thread.
_BEAT_MS = 5
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class WindowTiming:
    """What was measured in a window of one size; medians of the turns, but for the longest stall.

    Attributes
    ----------
    width, height
        Of the window, in pixels.
    bare, shown
        Frames a second of the session alone, and of the dock.
    ratio
        Of these two, a turn each.
    cpu
        Processor time of the session alone, as a share of that with the dock: less than the ratio is what other
        processors did, and it says more where other programs are busy.
    interface
        Share of a run in which the interface thread was at work.
    stall, stall_at_work
        The longest time for which the interface thread answered nothing, in any run, in seconds; and the longest time
        that it was at work for, without what other threads and programs took.
    autosave
        Share of a run in which the thread that keeps session files was at work.
    bank
        Processor time of a run with the memory bank open beside the dock, over that of one without, less 1.
    opening
        Seconds until the dock was open, with its first picture.
    loading, loading_stall
        Seconds until a prompt could be drawn, and the longest time for which the interface thread answered nothing
        meanwhile. From the second window on the model is there already.
    memory
        Most bytes that the process held.
    """

    width: int
    height: int
    bare: float
    shown: float
    ratio: float
    cpu: float
    interface: float
    stall: float
    stall_at_work: float
    autosave: float
    bank: float
    opening: float
    loading: float
    loading_stall: float
    memory: int


@dataclass(frozen=True)
class _Turn:
    bare_s: float
    bare_cpu_s: float
    with_bank_cpu_s: float
    shown_s: float
    shown_cpu_s: float
    interface_s: float
    stall_s: float
    stall_at_work_s: float
    autosave_s: float


def bench_window(
    size: tuple[int, int],
    name: str = "micro",
    device: str = "auto",
    *,
    frames: int = 100,
    side: int = 512,
    turns: int = 3,
) -> WindowTiming:
    """Find one disc on a stack of noise, from a box on the middle frame, with the dock and without it.

    Parameters
    ----------
    size
        Width and height of the window.
    name, device
        Of the model, as for :func:`~napari_medsam2.load_model`.
    frames, side
        Of the stack.
    turns
        How often each runs; an untimed turn comes first.

    Raises
    ------
    OptionError
        If a number is too small.
    """
    if frames < 2 or side < 64 or turns < 1:
        raise OptionError(f"frames, side and turns must be 2, 64 and 1 or more; got {frames}, {side} and {turns}")
    import napari

    from ..models.loading import load_model

    images, box = _moving_disc(frames, side)
    viewer = napari.Viewer()
    viewer.window.resize(*size)
    viewer.add_image(images, name="discs")
    heart = _Heart()
    heart.wait(lambda: True)
    with tempfile.TemporaryDirectory(prefix="napari-medsam2-bench-") as folder:
        began = time.perf_counter()
        _, dock = viewer.window.add_plugin_dock_widget(plugin_name(), "MedSAM-2")
        dock.controller.autosave.folder = Path(folder)
        dock.controller.choose_model(name, device)
        heart.wait(lambda: dock.isVisible())
        opening = time.perf_counter() - began
        try:
            heart.begin()
            heart.wait(lambda: dock.controller.state.loading_left is None, lambda: dock.controller.state.problem)
            loading, loading_stall = time.perf_counter() - began, heart.longest
            model = load_model(name, device=device)
            done = [_take_turn(model, images, box, dock, heart) for _ in range(turns + 1)][1:]
        finally:
            dock.close_dock(timeout=5.0)
            viewer.close()

    return _summary(size, frames - 1, done, (opening, loading, loading_stall), heart.most_memory)


def _summary(
    size: tuple[int, int], steps: int, done: list[_Turn], until_ready: tuple[float, float, float], memory: int
) -> WindowTiming:
    def median(value: Callable[[_Turn], float]) -> float:
        return statistics.median(map(value, done))

    opening, loading, loading_stall = until_ready
    return WindowTiming(
        *size,
        bare=median(lambda turn: steps / turn.bare_s),
        shown=median(lambda turn: steps / turn.shown_s),
        ratio=median(lambda turn: turn.bare_s / turn.shown_s),
        cpu=median(lambda turn: turn.bare_cpu_s / turn.shown_cpu_s),
        interface=median(lambda turn: turn.interface_s / turn.shown_s),
        stall=max(turn.stall_s for turn in done),
        stall_at_work=max(turn.stall_at_work_s for turn in done),
        autosave=median(lambda turn: turn.autosave_s / turn.shown_s),
        bank=median(lambda turn: turn.with_bank_cpu_s / turn.shown_cpu_s) - 1,
        opening=opening,
        loading=loading,
        loading_stall=loading_stall,
        memory=memory,
    )


class _Heart:
    """Runs the event loop until something is so, and notes when the interface thread did not answer."""

    def __init__(self) -> None:
        self.longest = self.longest_at_work = 0.0
        self.most_memory = 0
        self._process = psutil.Process()

    def begin(self) -> None:
        """Note the longest times from now on."""
        self.longest = self.longest_at_work = 0.0

    def wait(self, until: Callable[[], bool], problem: Callable[[], str] = str) -> None:
        """Let the window work.

        Raises
        ------
        OptionError
            If the dock shows a problem, or after ten minutes.
        """
        loop, timer = QEventLoop(), QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        began = before = time.perf_counter()
        worked, beats = time.thread_time(), 0

        def beat() -> None:
            nonlocal before, worked, beats
            now, at_work = time.perf_counter(), time.thread_time()
            self.longest = max(self.longest, now - before - _BEAT_MS / 1000)
            self.longest_at_work = max(self.longest_at_work, at_work - worked)
            before, worked, beats = now, at_work, beats + 1
            if beats % 20 == 1:
                self.most_memory = max(self.most_memory, self._process.memory_info().rss)
            if until() or problem() or now - began > _TIMEOUT_S:
                loop.quit()

        timer.timeout.connect(beat)
        timer.start(_BEAT_MS)
        loop.exec()
        timer.stop()
        if problem() or not until():
            raise OptionError(f"the window could not be measured: {problem() or 'it took more than ten minutes'}")


def _take_turn(model: Model, images: AnyArray, box: BoxPrompt, dock: Any, heart: _Heart) -> _Turn:
    bare_cpu = time.process_time()
    bare = _run_bare(model, images, box)
    bare_cpu = time.process_time() - bare_cpu
    bank = open_bank()
    _, with_bank, *_others = _run_shown(box, dock, heart)
    bank.parent().hide()
    return _Turn(bare, bare_cpu, with_bank, *_run_shown(box, dock, heart))


def _run_shown(box: BoxPrompt, dock: Any, heart: _Heart) -> tuple[float, ...]:
    """What a run takes in the dock: the last values of a turn."""
    do = dock.controller
    do.choose_mode("stack")
    do.clear()
    heart.wait(lambda: not do.state.has_results and _rests(dock), lambda: do.state.problem)
    do.client.reopen()
    do.go_to_frame(box.frame)
    do.use_tool("box")
    corners = [(box.y0, box.x0), (box.y0, box.x1), (box.y1, box.x1), (box.y1, box.x0)]
    drawn = np.array([(box.frame, y, x) for y, x in corners])
    dock.controller.workspace.tools.boxes.add(drawn, shape_type="rectangle")
    heart.wait(lambda: do.state.has_results and _rests(dock), lambda: do.state.problem)
    do.autosave.wait()
    saving = _seconds_of(_thread("autosave"))
    heart.begin()
    cpu, at_work, began = time.process_time(), time.thread_time(), time.perf_counter()
    do.propagate()
    # Asked every few milliseconds, so only for what is at hand: the whole state of the dock costs the window time.
    heart.wait(
        lambda: do.engine.status.finish_reason is FinishReason.DONE and _rests(dock), lambda: do.store.chosen.problem
    )
    shown, at_work, cpu = time.perf_counter() - began, time.thread_time() - at_work, time.process_time() - cpu
    do.autosave.flush()
    do.autosave.wait()
    saving = _seconds_of(_thread("autosave")) - saving
    return shown, cpu, at_work, heart.longest, heart.longest_at_work, saving


def _rests(dock: Any) -> bool:
    do = dock.controller
    return do.client.settled and do.engine.status.state is RunState.IDLE and not do.engine.n_unfinished


def _run_bare(model: Model, images: AnyArray, box: BoxPrompt) -> float:
    """Seconds of the same work in a script."""
    from ..session.session import Session

    session = Session(model, images, mode="stack")
    session.add(box)
    session.segment(box.frame, box.object_id)
    began = time.perf_counter()
    for _ in session.propagate():
        pass
    return time.perf_counter() - began


def _thread(part_of_name: str) -> int | None:
    """The system's number of a thread of ours."""
    found = [thread.native_id for thread in threading.enumerate() if part_of_name in thread.name]
    return found[-1] if found else None


def _seconds_of(thread: int | None) -> float:
    """For how long a thread was at work, to a hundredth of a second."""
    times = {one.id: one.user_time + one.system_time for one in psutil.Process().threads()}
    return float(times.get(thread, 0.0)) if thread is not None else 0.0


def _moving_disc(frames: int, side: int) -> tuple[Any, BoxPrompt]:
    """A disc that moves over noise, ``(T, H, W)`` in uint8, and a box around it on the middle frame."""
    images = np.random.default_rng(0).integers(20, 60, (frames, side, side), dtype=np.uint8)
    y, x = np.mgrid[:side, :side]
    radius, middle = side / 12, frames // 2
    for t in range(frames):
        images[t][(y - side / 2) ** 2 + (x - side / 3 - t * side / 4 / frames) ** 2 <= radius**2] += 120
    at = side / 3 + middle * side / 4 / frames
    box = BoxPrompt(middle, side / 2 - radius, at - radius, side / 2 + radius, at + radius)
    return images, box
