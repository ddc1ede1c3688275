"""What a session has to say, numbered and kept until the window says that it came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..wire.lines import write_line


class Outbox:
    """Lines in order; any thread may put some.

    Parameters
    ----------
    on_line
        Called after each line, on the thread that put it.
    """

    def __init__(self, on_line: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._lines: deque[tuple[int, bytes]] = deque()
        self._number = 0
        self._nbytes = 0
        self._on_line = on_line

    @property
    def nbytes(self) -> int:
        """Bytes of the lines that are kept."""
        return self._nbytes

    def put(self, kind: str, **told: Any) -> None:
        """Say something."""
        with self._lock:
            self._number += 1
            line = write_line(kind, self._number, **told)
            self._lines.append((self._number, line))
            self._nbytes += len(line)
        self._on_line()

    def after(self, seen: int) -> tuple[int, bytes]:
        """The lines that follow one, and the number of the last of them; about a megabyte at most."""
        with self._lock:
            lines: list[bytes] = []
            n_bytes = 0
            last = seen
            for number, line in self._lines:
                if number > seen and n_bytes < 1 << 20:
                    lines.append(line)
                    n_bytes += len(line)
                    last = number
            return last, b"".join(lines)

    def forget(self, seen: int) -> None:
        """Let go of the lines up to one, which came."""
        with self._lock:
            while self._lines and self._lines[0][0] <= seen:
                self._nbytes -= len(self._lines.popleft()[1])
