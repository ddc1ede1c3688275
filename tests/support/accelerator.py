"""A pretended accelerator: tensors that say they are on a GPU, refuse to mix with others, and take up its memory."""

from __future__ import annotations

import weakref
from collections import Counter

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("cuda", 0)
CPU = torch.device("cpu")


class _Far(Tensor):
    """Numbers that are in main memory in truth."""


class Accelerator(TorchFunctionMode):
    """On the thread that enters it, tensors can be put on ``cuda:0``, as long as they fit.

    Everything computes as on the CPU. What a GPU refuses is refused: tensors of two devices in one operation, turning
    a tensor into an array where it is, and more bytes than ``capacity``. ``peak`` is the most that was used.
    """

    def __init__(self, capacity: float = float("inf")) -> None:
        super().__init__()
        self.capacity = capacity
        self.peak = 0
        self._sizes: dict[int, int] = {}  # by address
        self._users: Counter[int] = Counter()

    @property
    def used(self) -> int:
        """Bytes of all tensors that are alive on it."""
        return sum(self._sizes.values())

    def __torch_function__(self, func, types, args=(), kwargs=None):
        given = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, given)) if isinstance(leaf, Tensor)]
        far = any(isinstance(tensor, _Far) for tensor in tensors)
        if func is torch._C._nn._parse_to:  # only reads what a network's `to` was told
            return func(*args, **given)
        if func is torch._has_compatible_shallow_copy_type:
            return False  # then a network that moves gets new parameters
        if func == Tensor.device.__get__:
            return DEVICE if far else func(*args)
        if far and func is Tensor.numpy:
            raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() first.")
        target = self._target(func, args, given)
        mixed = far and not all(isinstance(tensor, _Far) or tensor.ndim == 0 for tensor in tensors)
        if mixed and target is None:
            raise RuntimeError(f"Expected all tensors to be on the same device, {DEVICE} and cpu ({func})")
        args, given = tree_map(_near, (args, given))
        out = func(*args, **given)
        if target is not None and tensors:
            moves = far != (target.type == DEVICE.type)
            out = tree_map(lambda made: made.clone() if moves and isinstance(made, Tensor) else made, out)
        stays = far if target is None else target.type == DEVICE.type
        return tree_map(self._place, out) if stays else out

    def _target(self, func, args, given) -> torch.device | None:
        """Where an operation was told to put its result."""
        if func is Tensor.cpu:
            return CPU
        told = [given.get("device"), *(args[1:2] if func is Tensor.to else ())]
        return next((torch.device(device) for device in told if isinstance(device, str | torch.device)), None)

    def _place(self, made):
        if not isinstance(made, Tensor):
            return made
        address, size = made.untyped_storage().data_ptr(), made.untyped_storage().nbytes()
        if address not in self._sizes and self.used + size > self.capacity:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes.")
        self._sizes[address] = size
        self.peak = max(self.peak, self.used)
        self._users[address] += 1
        placed = made.as_subclass(_Far)
        weakref.finalize(placed, self._release, address)
        return placed

    def _release(self, address: int) -> None:
        self._users[address] -= 1
        if not self._users[address]:
            del self._users[address], self._sizes[address]


def _near(value):
    if isinstance(value, _Far):
        return value.as_subclass(Tensor)
    return CPU if isinstance(value, torch.device) and value.type == DEVICE.type else value
