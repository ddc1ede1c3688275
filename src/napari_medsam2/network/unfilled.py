"""Networks built for weights that are there: nothing is drawn at random first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn
from torch.overrides import TorchFunctionMode

_Network = TypeVar("_Network", bound=nn.Module)


class _NothingDrawn(TorchFunctionMode):
    """Leaves out what :mod:`torch.nn.init` does: parameters stay as their memory was.

    On torch's "meta" device nothing is drawn either, but there the first random number loads half of torch's compiler,
    which takes ten times as long as drawing them all.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)


def unfilled(build: Callable[[], _Network]) -> _Network:
    """Build a network whose parameters hold anything at all, for weights to be put in; on the CPU."""
    with _NothingDrawn():
        return build()
