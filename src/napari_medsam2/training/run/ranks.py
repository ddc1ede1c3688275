"""Several processes that train one network: who am I, and what must all agree on.

Gradients are averaged by hand instead of by ``DistributedDataParallel``. A step calls several methods of the network
many times over a sequence and leaves some parameters out (which ones depends on the batch), which is what that wrapper
does not take well; and averaging after ``backward`` keeps the loss the same code on one process and on many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, distributed

#: Numbers that are averaged at once.
_BUCKET = 1 << 24


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together: number ``rank`` of ``count``, on ``device``."""

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """True for the one that writes and speaks."""
        return self.rank == 0

    def any(self, *flags: bool) -> list[bool]:
        """For each flag whether it is set on any process."""
        if self.count == 1:
            return list(flags)
        told = torch.tensor([int(flag) for flag in flags], device=self.device)
        distributed.all_reduce(told, op=distributed.ReduceOp.MAX)
        return [bool(flag) for flag in told.tolist()]

    def wait(self) -> None:
        """Wait until all are here."""
        if self.count > 1:
            distributed.barrier()

    def from_first(self, value: float) -> float:
        """What the first process says."""
        if self.count == 1:
            return value
        told = torch.tensor([value], dtype=torch.float32, device=self.device)
        distributed.broadcast(told, src=0)
        return float(told)

    def mean(self, values: Sequence[float]) -> list[float]:
        """Means over the processes."""
        if self.count == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.float32, device=self.device)
        distributed.all_reduce(told)
        return [float(value) for value in (told / self.count).tolist()]

    def average_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace gradients by their means; a parameter that no process used keeps none."""
        if self.count == 1:
            return
        used = self.any(*(p.grad is not None for p in parameters))
        bucket: list[Tensor] = []
        for parameter, there in zip(parameters, used, strict=True):
            if not there:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            bucket.append(parameter.grad)
            if sum(grad.numel() for grad in bucket) > _BUCKET:
                self._average(bucket)
                bucket = []
        if bucket:
            self._average(bucket)

    def _average(self, tensors: Sequence[Tensor]) -> None:
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.count
        start = 0
        for tensor in tensors:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()


@contextmanager
def join_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started; alone without it.

    On GPUs each process takes the one of its number on this machine.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), count, device)
    finally:
        distributed.destroy_process_group()
