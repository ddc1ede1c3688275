"""What a user should know although nothing failed: told by the part that decided it, shown by whoever runs it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """Memory was short, and something was changed so that the work could go on.

    Attributes
    ----------
    message
        One or two sentences for the user.
    device
        Where the network runs from now on ("cpu", "cuda:0", "mps").
    """

    message: str
    device: str


#: Receives notices, on the thread that segments or loads.
OnNotice = Callable[[Notice], None]


def as_warning(notice: Notice) -> None:
    """Give a notice as a :class:`RuntimeWarning`: what scripts get unless they ask for something else."""
    warnings.warn(notice.message, RuntimeWarning, stacklevel=2)
