"""The device and precision that a network runs in."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..errors import ModelError
from .notices import Notice, OnNotice, Remedy, as_warning

if TYPE_CHECKING:
    import torch

    from ..network.interface import SegmentationNetwork

#: What :func:`load_model` takes as a precision.
PRECISIONS = ("auto", "float32", "bfloat16")

#: What is said where a model is asked for and torch is not there.
NO_TORCH = (
    "no model can run here: PyTorch is not installed. In the dock choose Remote... among the devices in step 3, to "
    "have models run on a server; to run them here, pip uninstall napari-medsam2-client and pip install napari-medsam2"
)


@dataclass(eq=False)
class Model:
    """A network that is ready to run. Sessions may share it; where it runs is all that changes.

    Attributes
    ----------
    name
        Name of the entry, or of the file.
    network
        In evaluation mode, on ``device``.
    device
        Where tensors live.
    region
        True if the session should crop around the object in stacks unless told otherwise, False if it should show
        whole frames, ``None`` if it should crop only where an object is too small for that.
    on_notice
        Called when memory is short and something changes, such as the device; by default a :class:`RuntimeWarning`.
    source
        What it was loaded by, a name or the path of a file; empty if it was made in another way.
    """

    name: str
    network: SegmentationNetwork = field(repr=False)
    device: torch.device
    region: bool | None
    on_notice: OnNotice = field(default=as_warning, repr=False)
    source: str = ""
    _leaving: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def image_size(self) -> int:
        """Side of the square network input, in pixels."""
        return self.network.image_size

    @cached_property
    def checksum(self) -> str:
        """Tells these weights from others, wherever they run: in the digits that they have in bfloat16, too."""
        import torch

        digest = hashlib.blake2b(digest_size=16)
        for name, value in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {tuple(value.shape)}".encode())
            value = value.detach().cpu().to(torch.bfloat16)
            digest.update(value.float().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def go_to_cpu(self) -> None:
        """Run on the CPU in float32 from now on, in all sessions; memories and features follow when they are used."""
        from .shortage import give_back_unused

        with self._leaving:
            left = self.device
            if left.type == "cpu":
                return
            self.network.to("cpu")
            self.network.autocast = None
            self.device = choose_device("cpu")
        give_back_unused(left)
        self.on_notice(Notice(Remedy.MOVED_TO_CPU, self.name, str(left)))

    def has_left(self, device: torch.device) -> bool:
        """True if the network is not on a device any more; waits for a move that is under way."""
        with self._leaving:
            return self.device != device


def need_torch() -> None:
    """Refuse, in words, to run a model where torch is not installed; :class:`ModelError`."""
    if find_spec("torch") is None:
        raise ModelError(NO_TORCH)


def choose_device(name: str = "auto") -> torch.device:
    """The device to run on.

    Parameters
    ----------
    name
        "auto" for the best there is, or "cuda", "cuda:1", "mps", "cpu".

    Raises
    ------
    ModelError
        If the device is unknown or absent.
    """
    need_torch()
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    kind, _, number = name.partition(":")
    if kind not in present or (number and not number.isdecimal()):
        raise ModelError(f"the device must be auto, cuda, mps or cpu; got {name!r}")
    if not present[kind]:
        there = " or ".join(other for other, here in present.items() if here)
        why = f"this torch ({torch.__version__}) sees no such device"
        raise ModelError(f"{name} is not available: {why}; available: {there}")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise ModelError(f"{name} is not available: there are {torch.cuda.device_count()} GPUs, counted from 0")
    return torch.device(name)


def set_precision(network: SegmentationNetwork, precision: str, device: torch.device) -> None:
    """Have a network that holds its weights compute in one of :data:`PRECISIONS`.

    Of the bundled one only MobileSAM's encoder does, in stacks, on CPUs alone.
    """
    import torch

    from ..network.micro.network import MicroNetwork
    from ..network.sam2.network import Sam2
    from ..network.sam2.precision import into_bfloat16

    if isinstance(network, MicroNetwork):
        able = device.type == "cpu" and precision == "auto" and _cpu_computes_in_bfloat16()
        if network.prior is not None:
            network.prior.autocast = torch.bfloat16 if able else None
        return
    if not isinstance(network, Sam2):
        return
    half = use_bfloat16(precision, device)
    if device.type == "cpu" and (half or (precision == "auto" and _cpu_computes_in_bfloat16())):
        into_bfloat16(network)
    network.autocast = torch.bfloat16 if half and device.type != "cpu" else None


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16 where that is good enough, gradients included; "auto": on GPUs of NVIDIA that need
    no emulation."""
    import torch

    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16"


def _cpu_computes_in_bfloat16() -> bool:
    """Whether the CPU multiplies matrices in bfloat16; a torch that cannot tell says no."""
    import torch

    able: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def leave_a_core() -> None:
    """Have torch work on all cores but one of this computer; ``OMP_NUM_THREADS`` says otherwise.

    The threads of torch wait for each other many times a frame. With a thread on each core, and any other program busy
    on one of them (the window that paints the labels, for instance), the bundled model was 40 times slower on two
    cores; on one of them it is 1.5 times slower than on both where nothing else runs.
    """
    need_torch()
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, min(torch.get_num_threads(), cores() - 1)))


def gpus() -> list[str]:
    """The GPUs of NVIDIA that torch may use, as ``CUDA_VISIBLE_DEVICES`` names them; none where torch is not."""
    if find_spec("torch") is None:
        return []
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",")[: torch.cuda.device_count()] if named else list(map(str, range(torch.cuda.device_count())))


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
