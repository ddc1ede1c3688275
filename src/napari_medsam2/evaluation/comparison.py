"""SAM 2 as it is here and as its authors wrote it, frame by frame in turn, in one process and with the same weights."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from .stages import parts_of, shares

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..models.device import Model
    from ..network.interface import Memory
    from ..network.sam2.network import Sam2

#: Side of the matrices whose product says what the processor can do.
_PEAK_SIDE = 2048


@dataclass
class Frames:
    """What the frames of one of the two took.

    Attributes
    ----------
    wall, processor
        Seconds of each frame, by the clock and of the processor.
    parts
        Seconds of the processor by part, of each frame.
    operations
        Floating-point operations of a frame by part; a multiply-add is two.
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)
    operations: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, part: str | None = None) -> float:
        """Seconds of the processor, the median over the frames; ``None``: of all parts."""
        if part is None:
            return statistics.median(self.processor)
        return statistics.median(frame.get(part, 0.0) for frame in self.parts)

    def work(self, part: str | None = None) -> float:
        """Operations of a frame; ``None``: of all parts."""
        return sum(self.operations.values()) if part is None else self.operations.get(part, 0.0)


@dataclass(frozen=True)
class Comparison:
    """Two networks on the same frames.

    Attributes
    ----------
    ours, theirs
        What the frames took.
    dtype
        What nearly all of the work was done in.
    peak
        Floating-point operations in a second of a matrix product in that precision, measured between the frames.
    agreement
        IoU of the two masks of the last frame.
    """

    ours: Frames
    theirs: Frames
    dtype: torch.dtype
    peak: float
    agreement: float

    def ratio(self, clock: str = "processor") -> float:
        """How many times as long a frame of the reference takes: the median over pairs of frames."""
        pairs = zip(getattr(self.ours, clock), getattr(self.theirs, clock), strict=True)
        return float(statistics.median(theirs / ours for ours, theirs in pairs))


def compare(model: Model, clone: Path, *, repeats: int, memories: int) -> Comparison:
    """Segment noise that moves, frame after frame, from a full memory, with both in turn.

    Parameters
    ----------
    model
        A SAM 2.
    clone
        A clone of the authors' repository.
    repeats
        Timed frames of each; one untimed comes first.
    memories
        Memories that each frame looks at: one prompted, the others of the frames before.

    Raises
    ------
    OptionError
        If the model is no SAM 2, or there is no reference for it.
    """
    import torch

    from ..network.sam2.network import Sam2
    from ..network.sam2.precision import working_dtype
    from .reference import Reference

    network = model.network
    if repeats < 1 or memories < 1:
        raise OptionError(f"repeats and memories must be 1 or more; got {repeats} and {memories}")
    if not isinstance(network, Sam2):
        raise OptionError(f"the reference implementation is of SAM 2; {model.name} is something else")
    reference = Reference(clone, network)
    parts = parts_of(network.config)
    ours, theirs, peaks = Frames(), Frames(), [_peak(network)]
    with torch.inference_mode():
        sides = [
            (ours, network, our_frames(network, memories)),
            (theirs, reference.network, reference_frames(reference, network, memories)),
        ]
        for frames, runs, run in sides:
            frames.operations = _operations(runs, parts, run)
        for _ in range(repeats):
            masks = [_measured(frames, runs, parts, run) > 0 for frames, runs, run in sides]
            peaks.append(_peak(network))
    both, either = (masks[0] & masks[1]).sum(), (masks[0] | masks[1]).sum()
    agreement = float(both / either) if either else 1.0
    return Comparison(ours, theirs, working_dtype(network), statistics.median(peaks), agreement)


def moving_noise(side: int, t: int) -> Tensor:
    """Frame ``t`` of a video without end, float32 ``[1, 3, S, S]`` in 0..1."""
    import torch

    still = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    return still.roll(shifts=(t % side, t % side), dims=(2, 3))


def _first(network: Sam2, memories: int) -> list[Memory]:
    """The memory of a prompted frame, and the same for the frames that followed it."""
    import torch

    from ..network.interface import Memory, Prediction

    side, device = network.image_size, network.no_mem_embed.device
    features = network.encode_image(moving_noise(side, 0).to(device))
    mask = torch.full((1, 1, side, side), -8.0, device=device)
    mask[..., side // 3 : 2 * side // 3, side // 3 : 2 * side // 3] = 8.0
    drawn = Prediction(mask, iou=1.0, objectness=1.0, pointer=network.no_obj_ptr)
    one = network.encode_memory(features, drawn, mask, prompted=True)
    return [Memory(dict(one.tokens)) for _ in range(memories)]


def our_frames(network: Sam2, memories: int) -> Callable[[], Tensor]:
    """A function that segments the next frame and remembers it, for the mask logits."""
    import torch.nn.functional as F

    from ..network.interface import Recall

    first, *latest = _first(network, memories)
    side, t = network.image_size, memories

    def run() -> Tensor:
        nonlocal t, latest
        features = network.encode_image(moving_noise(side, t).to(network.no_mem_embed.device))
        recalls = [Recall(first, offset=t, pinned=True)]
        recalls += [Recall(memory, offset=slot, slot=slot) for slot, memory in enumerate(reversed(latest), start=1)]
        found = network.segment(features, None, recalls, mode="stack", n_frames=t + 1)
        mask = F.interpolate(found.logits, size=(side, side), mode="bilinear")
        latest = [*latest, network.encode_memory(features, found, mask, prompted=False)][1:]
        t += 1
        return found.logits

    return run


def reference_frames(reference: Any, network: Sam2, memories: int) -> Callable[[], Tensor]:
    """The same by the reference; images are normalised here, as its predictor does when it loads a video."""
    import torch

    remembered = reference.remembered(_first(network, memories))
    side, t = network.image_size, memories
    device = network.no_mem_embed.device
    mean, std = torch.tensor([(0.485, 0.456, 0.406), (0.229, 0.224, 0.225)], device=device)[..., None, None]

    def run() -> Tensor:
        nonlocal t
        found = reference.frame((moving_noise(side, t).to(device) - mean) / std, t, remembered)
        remembered["non_cond_frame_outputs"].pop(t - memories + 1)
        t += 1
        logits: Tensor = found["pred_masks"]
        return logits.float()

    return run


def _operations(network: Any, parts: dict[str, str], run: Callable[[], Tensor]) -> dict[str, float]:
    """What one frame computes, by part."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def attention(q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return int(2 * math.prod(q[:-1]) * k[-2] * (q[-1] + v[-1]))

    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    counter = FlopCounterMode(display=False, custom_mapping={flash: attention})
    with counter, shares(network, parts, lambda: float(counter.get_total_flops())) as operations:
        run()
    return dict(operations)


def _measured(frames: Frames, network: Any, parts: dict[str, str], run: Callable[[], Tensor]) -> Tensor:
    with shares(network, parts, time.process_time) as seconds:
        wall, processor = time.perf_counter(), time.process_time()
        mask = run()
        frames.processor.append(time.process_time() - processor)
        frames.wall.append(time.perf_counter() - wall)
    frames.parts.append(dict(seconds))
    return mask


def _peak(network: Sam2) -> float:
    """Operations in a second of the processor of a plain matrix product in the network's precision."""
    import torch

    from ..network.sam2.precision import working_dtype

    dtype = working_dtype(network)
    factor = torch.ones((_PEAK_SIDE, _PEAK_SIDE), dtype=dtype, device=network.no_mem_embed.device)
    factor @ factor
    began = time.process_time()
    factor @ factor
    return 2 * _PEAK_SIDE**3 / (time.process_time() - began)
