"""How a shortage of memory is recognised, on any device, and how unused memory is given back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

#: What the messages of torch, cuBLAS, cuDNN and Metal have in common, in lower case.
_SIGNS = ("out of memory", "not enough memory", "allocate memory", "alloc_failed", "invalid buffer size")
#: What torch calls its allocator of main memory.
_MAIN = "defaultcpuallocator"


def is_shortage(error: BaseException) -> bool:
    """True if an error says that there was not enough memory of any kind."""
    torch = sys.modules.get("torch")  # where it was never imported, the error is none of its own
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and (_MAIN in said or any(sign in said for sign in _SIGNS))


def is_of_main_memory(error: BaseException) -> bool:
    """True if it was the computer's main memory, which going to the CPU would not spare."""
    return isinstance(error, MemoryError) or _MAIN in str(error).lower()


def give_back_unused(device: torch.device) -> None:
    """Return memory that torch holds in reserve on a device, for it to be cut into other pieces."""
    import torch

    if device.type == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif device.type == "mps" and torch.backends.mps.is_available():
        torch.mps.empty_cache()
