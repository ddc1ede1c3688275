"""From a state to widgets: each value that is made from the state is shown by one function, when it differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..dock_state import DockState

_NOTHING = object()  # equal to no value

_Value = TypeVar("_Value")


@dataclass
class _Binding:
    """A value that is made from the state, the function that shows it, and what it showed last."""

    value_of: Callable[[DockState], Any]
    show: Callable[[Any], object]
    of_hand: bool
    shown: Any


class Bindings:
    """What widgets show of the state."""

    def __init__(self) -> None:
        self._bindings: list[_Binding] = []

    def add(
        self, value_of: Callable[[DockState], _Value], show: Callable[[_Value], object], *, of_hand: bool = False
    ) -> None:
        """Have a value shown whenever it differs from what was shown last.

        Parameters
        ----------
        value_of
            Makes the value from the state; it touches no widget.
        show
            Shows it.
        of_hand
            True if the user changes the same widget by hand: :meth:`restore` shows it again.
        """
        self._bindings.append(_Binding(value_of, show, of_hand, _NOTHING))

    def apply(self, state: DockState) -> None:
        """Show what differs."""
        for binding in self._bindings:
            value = binding.value_of(state)
            if value != binding.shown:
                binding.shown = value
                binding.show(value)

    def restore(self, state: DockState) -> None:
        """Show what differs, and all that the user may have changed by hand: the state need not have followed that."""
        for binding in self._bindings:
            if binding.of_hand:
                binding.shown = _NOTHING
        self.apply(state)
