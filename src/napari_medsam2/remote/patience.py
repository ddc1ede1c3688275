"""How long a server that was lost is waited for, and when it is no use to ask it once more."""

from __future__ import annotations

import time

from ..errors import WireError
from .client import Busy, Refused

#: Between two tries to reach a server that was lost, at first and at most; and how long nothing is said of it.
FIRST_WAIT_S, _LONGEST_WAIT_S, _QUIET_S = 0.25, 10.0, 1.5
#: So many sessions in a row may say what cannot be read, before nothing came of any.
_MOST_UNREADABLE = 3


class Patience:
    """Counts what fails, until something succeeds."""

    def __init__(self) -> None:
        self._lost_at: float | None = None
        self._wait_s = FIRST_WAIT_S
        self._n_unreadable = 0

    def note_alive(self) -> None:
        """The server answers."""
        self._lost_at = None
        if not self._n_unreadable:
            self._wait_s = FIRST_WAIT_S

    def note_progress(self) -> None:
        """Something came of what was asked."""
        self._n_unreadable = 0

    def note(self, problem: Exception) -> bool:
        """Something failed; true if it is to be told by now."""
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        self._n_unreadable += isinstance(problem, WireError)
        return now - self._lost_at > _QUIET_S or isinstance(problem, Refused | Busy)

    @property
    def is_over(self) -> bool:
        """True once another session would fail as those before."""
        return self._n_unreadable >= _MOST_UNREADABLE

    def wait(self, problem: Exception) -> float:
        """Seconds until the next try, each time more."""
        wait_s = max(self._wait_s, problem.wait_s if isinstance(problem, Busy) else 0.0)
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
        return wait_s
