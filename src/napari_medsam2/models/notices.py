"""What a user should know although nothing failed: told by the part that decided it, shown by whoever runs it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Remedy(Enum):
    """What was done where a device had not enough memory."""

    LOADED_ON_CPU = "the model did not fit, and was loaded on the CPU instead"
    MOVED_TO_CPU = "a model in use was moved to the CPU"
    KEEPS_LESS = "fewer image features are kept"


@dataclass(frozen=True)
class Notice:
    """Memory was short, and something was changed so that the work could go on.

    Attributes
    ----------
    remedy
        What was changed.
    model
        Name of the model.
    short
        The device whose memory is short ("cuda:0", "mps", "cpu").
    """

    remedy: Remedy
    model: str
    short: str

    @property
    def device(self) -> str:
        """Where the network runs from now on ("cpu", "cuda:0", "mps")."""
        return self.short if self.remedy is Remedy.KEEPS_LESS else "cpu"

    @property
    def message(self) -> str:
        """One to three sentences for the user."""
        if self.remedy is Remedy.LOADED_ON_CPU:
            return f"{does_not_fit(self.model, self.short)}, so it runs on the CPU, slower."
        if self.remedy is Remedy.MOVED_TO_CPU:
            return (
                f"There is not enough memory on {self.short} for {self.model}: it continues on the CPU, slower. "
                f"Nothing was lost. Once other programs have made room, load it on {self.short} again."
            )
        return (
            f"Memory is short on {self.short}: fewer image features are kept from now on, so coming back to a frame "
            "takes longer."
        )


def does_not_fit(model: str, device: str) -> str:
    """Say that a model is too large for a device, without a full stop."""
    return f"{model} does not fit into the memory that is free on {device}"


#: Receives notices, on the thread that segments or loads.
OnNotice = Callable[[Notice], None]


def as_warning(notice: Notice) -> None:
    """Give a notice as a :class:`RuntimeWarning`: what scripts get unless they ask for something else."""
    warnings.warn(notice.message, RuntimeWarning, stacklevel=2)
