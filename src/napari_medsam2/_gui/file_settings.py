"""Which published model a file of the user's is built as, where nothing in it tells: looked up beside the interface."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from qtpy.QtCore import QObject, Signal

from ..errors import EXPECTED_ERRORS, in_words
from ..models.registry import ModelEntry
from ..models.settings import remember, unclear


class FileSettings(QObject):
    """Reads files of weights on threads of their own: that takes up to seconds. Call it from the interface thread."""

    #: The file, the device it is wanted on, the published models that it might be (none: it is clear), and a problem.
    looked = Signal(str, str, object, str)

    def look(self, file: str, device: str, *, said: str = "") -> None:
        """Find out whether a file is clear; ``said``: after keeping which model the user said it is."""
        threading.Thread(
            target=self._work, args=(file, device, said), name="napari-medsam2 file of weights", daemon=True
        ).start()

    def _work(self, file: str, device: str, said: str) -> None:
        choices: tuple[ModelEntry, ...] = ()
        problem = ""
        try:
            if said:
                remember(Path(file), said)
            else:
                choices = unclear(Path(file))
        except EXPECTED_ERRORS as error:  # of the file itself the engine tells, when it loads it
            problem = in_words(error) if said else ""
        with suppress(RuntimeError):  # the window was closed meanwhile
            self.looked.emit(file, device, choices, problem)
