"""A download beside the interface thread: one at a time, with progress and a way to stop it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace

from qtpy.QtCore import QObject, QTimer, Signal

from ..errors import EXPECTED_ERRORS, DownloadStopped, in_words
from ..models.files import download_model
from ..models.registry import ModelEntry
from .dock_state import DownloadStatus

#: How often progress is shown.
INTERVAL_MS = 100


class ModelDownload(QObject):
    """Fetches the file of one model after another; call it from the interface thread."""

    #: The :class:`~napari_medsam2._gui.dock_state.DownloadStatus`, or ``None`` after the end.
    changed = Signal(object)
    #: The model's name, the problem in words (empty if it is here now), and whether the user stopped it.
    ended = Signal(str, str, bool)

    _done = Signal(str, str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.status: DownloadStatus | None = None
        self._stop = threading.Event()
        self._came: list[tuple[float, int, int]] = []  # first and latest: when, bytes done, bytes in all
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._on_tick)
        self._done.connect(self._on_done)

    def start(self, entry: ModelEntry) -> None:
        """Begin; what an earlier try brought is not fetched again."""
        self._stop, self._came = threading.Event(), []
        self._show(DownloadStatus(entry.title, total=entry.size_bytes))
        self._timer.start()
        work = (entry, self._stop, self._came)
        # A daemon: a server that is silent does not keep napari from closing, and what came is kept anyway.
        threading.Thread(target=self._work, args=work, name="napari-medsam2 download", daemon=True).start()

    def cancel(self) -> None:
        """Stop at the next block; what came is kept."""
        if self.status is not None:
            self._stop.set()
            self._show(replace(self.status, stopping=True))

    def close(self) -> None:
        """Stop, and say nothing more."""
        self._stop.set()
        with suppress(RuntimeError):  # Qt has deleted it with the window
            self._timer.stop()
            self.blockSignals(True)

    def _show(self, status: DownloadStatus | None) -> None:
        self.status = status
        self.changed.emit(status)

    def _on_tick(self) -> None:
        if self.status is None or not self._came:
            return
        (began, before, _), (_, done, total) = self._came[0], self._came[-1]
        rate = (done - before) / max(time.monotonic() - began, 1e-3)
        self._show(replace(self.status, done=done, total=total or self.status.total, rate=rate))

    def _on_done(self, name: str, problem: str, stopped: bool) -> None:
        self._timer.stop()
        self._show(None)
        self.ended.emit(name, problem, stopped)

    def _work(self, entry: ModelEntry, stop: threading.Event, came: list[tuple[float, int, int]]) -> None:
        """Run on the thread of the download."""

        def progress(done: int, total: int) -> None:
            came[1:] = [(time.monotonic(), done, total)]

        problem, stopped = f"fetching {entry.title} ended, and it is not known why", False
        try:
            download_model(entry.name, progress=progress, stopped=stop.is_set)
            problem = ""
        except DownloadStopped:
            problem, stopped = "", True
        except EXPECTED_ERRORS as error:
            problem = in_words(error)
        finally:
            with suppress(RuntimeError):  # the window was closed meanwhile
                self._done.emit(entry.name, problem, stopped)
