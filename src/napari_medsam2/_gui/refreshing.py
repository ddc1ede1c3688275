"""When the window is painted: soon after something came, and never so often that a run waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

#: While a run goes on the window is redrawn at most this often, and at other times. Each time takes the processor from
#: the network: where a program draws it, and no graphics card, the whole window is put together anew for each change.
RUN_REFRESH_MS, REFRESH_MS = 80, 40
#: Where that takes long, it is done the less often, so that a run has so many times as long in between; but not less
#: often than once in so long.
REST, MOST_REFRESH_MS = 20, 1000


class Refreshing(QObject):
    """Calls ``refresh`` a while after it was asked for, once, however often it was.

    Parameters
    ----------
    refresh
        Shows all that came. It calls :meth:`begin` first and :meth:`end` last, so that time is told, also where it is
        called by others.
    """

    def __init__(self, refresh: Callable[[], None]) -> None:
        super().__init__()
        self._began = self._took_s = 0.0  # when the last one began, and for how long the window was at it
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(refresh)
        self._painted = QTimer(self)
        self._painted.setSingleShot(True)
        self._painted.timeout.connect(self._on_painted)

    @property
    def is_due(self) -> bool:
        """True if something is not shown yet."""
        return self._timer.isActive()

    def ask(self, *, in_a_run: bool) -> None:
        """Refresh soon; later while a run goes on."""
        if not self._timer.isActive():
            rest = min(max(RUN_REFRESH_MS, round(1000 * REST * self._took_s)), MOST_REFRESH_MS)
            self._timer.start(rest if in_a_run else REFRESH_MS)

    def begin(self) -> None:
        """Take note that all that came is shown now."""
        self._timer.stop()
        self._began = time.perf_counter()

    def end(self) -> None:
        """Take note that all is with the window, which paints itself next."""
        self._painted.start(0)  # fires after what was posted before, such as the painting of the window

    def stop(self) -> None:
        """Refresh no more."""
        self._timer.stop()
        self._painted.stop()

    def _on_painted(self) -> None:
        self._took_s = time.perf_counter() - self._began
