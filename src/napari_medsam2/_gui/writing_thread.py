"""The thread beside the interface that reads and writes session files, in the order in which things happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, Signal


class WritingThread(QObject):
    """Does one thing after the other. Make it on the interface thread."""

    _told = Signal(object)  # a call for the interface thread

    def __init__(self) -> None:
        super().__init__()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-medsam2 autosave")
        self._told.connect(lambda call: call())

    def do(self, call: Callable[..., object], *given: Any, on_defect: Callable[[], None] | None = None) -> None:
        """Do this on the thread. A defect of ours there is told as that of any thread; ``on_defect`` follows."""

        def on_end(future: Future[object]) -> None:
            if (error := future.exception()) is not None:
                if on_defect is not None:
                    self.tell(on_defect)
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))

        with suppress(RuntimeError):  # closed meanwhile
            self._thread.submit(call, *given).add_done_callback(on_end)

    def tell(self, call: Callable[[], None]) -> None:
        """Have this done on the interface thread; may be asked for on any."""
        with suppress(RuntimeError):  # the window was closed meanwhile
            self._told.emit(call)

    def wait(self) -> None:
        """Wait until all that was to be done is."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Do what is left, and nothing more."""
        self._thread.shutdown()
