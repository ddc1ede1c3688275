"""The engine behind a Qt signal: its events, born on the worker thread, arrive on the interface thread."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from qtpy.QtCore import QObject, Signal

from ..engine.engine import Engine
from ..engine.events import Event


class EngineBridge(QObject):
    """Owns the engine of one dock.

    Parameters
    ----------
    make_engine
        Makes the engine from its event callback.
    """

    arrived = Signal(object)

    def __init__(self, make_engine: Callable[[Callable[[Event], None]], Engine] = Engine) -> None:
        super().__init__()
        self._closed = False
        self.engine = make_engine(self._pass_on)

    def _pass_on(self, event: Event) -> None:
        if self._closed:
            return
        try:
            self.arrived.emit(event)
        except RuntimeError:
            # The window was closed, and this object deleted by Qt, between the check and the call.
            self._closed = True

    def close(self, timeout: float = 0.0) -> None:
        """Stop the worker after the frame it is at; by default without waiting for it."""
        self._closed = True
        self.engine.close(timeout)


def idle_gpu_advice(device: str) -> str:
    """Say how to use an NVIDIA GPU that is in the machine but not used, or nothing."""
    if device != "cpu" or shutil.which("nvidia-smi") is None:
        return ""
    return (
        "An NVIDIA GPU is here, but this torch cannot use it: take the pip command for CUDA from "
        "pytorch.org/get-started, and restart napari."
    )
