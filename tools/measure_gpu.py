"""SAM 2 beside its authors' implementation on a GPU, as they are and compiled; made to take less than five minutes.

    git clone --depth 1 https://github.com/facebookresearch/sam2
    python tools/measure_gpu.py sam2

Frame by frame in turn, with random weights, in bfloat16, each frame with seven memories. Compiled are the parts that do
nearly all of the work, with CUDA graphs, for both: the image encoder, memory attention and the memory encoder. What a
graph returns is overwritten by its next run, so results are copied, as they have to be for a memory bank.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_medsam2.evaluation.bench import random_model
from napari_medsam2.evaluation.comparison import our_frames, reference_frames
from napari_medsam2.evaluation.reference import Reference
from napari_medsam2.network.sam2.network import Sam2

PARTS = ("image_encoder", "memory_attention", "memory_encoder")


class Compiled(nn.Module):
    """A part of a network as one graph, whose results are copies."""

    def __init__(self, part: nn.Module, mode: str) -> None:
        super().__init__()
        self.part = part
        self.run = torch.compile(part, mode=mode, dynamic=False)

    def __getattr__(self, name: str) -> Any:
        """What else is asked of a part, such as the reference's position encoding, is asked of the part itself."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.part, name)

    def forward(self, *given: Any, **named: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return _copied(self.run(*given, **named))


def _copied(made: Any) -> Any:
    """What a graph returns, tensors as copies: one, several, or by name."""
    if isinstance(made, Tensor):
        return made.clone()
    if isinstance(made, dict):
        return {name: _copied(value) for name, value in made.items()}
    return type(made)(_copied(value) for value in made) if isinstance(made, tuple | list) else made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the arguments say, and print one line a size and kind."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("reference", type=Path, help="a clone of the authors' repository")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 512])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--mode", default="reduce-overhead", help="of torch.compile; empty to leave compiling out")
    told = parser.parse_args(arguments)
    for side in told.sides:
        model = random_model("sam2.1-tiny", side, told.device, "bfloat16")
        network = model.network
        assert isinstance(network, Sam2)
        reference = Reference(told.reference, network)
        with torch.inference_mode():
            _tell(side, "as they are", *_medians(network, reference, told.repeats))
            if told.mode:
                for owner in (network, reference.network):
                    for part in PARTS:
                        setattr(owner, part, Compiled(getattr(owner, part), told.mode))
                _tell(side, "compiled", *_medians(network, reference, told.repeats))
    return 0


def _medians(network: Sam2, reference: Reference, repeats: int, memories: int = 7) -> tuple[float, float]:
    """Seconds of a frame of ours and of theirs; the first ones, which compile and record graphs, do not count."""
    runs = our_frames(network, memories), reference_frames(reference, network, memories)
    for _ in range(3):
        for run in runs:
            run()
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(repeats):
        for run, taken in zip(runs, seconds, strict=True):
            taken.append(_timed(run))
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def _timed(run: Callable[[], Tensor]) -> float:
    began = time.perf_counter()
    run().cpu()  # waits until it is there
    return time.perf_counter() - began


def _tell(side: int, kind: str, ours: float, theirs: float) -> None:
    sys.stdout.write(f"{side} {kind}: {1000 * ours:.1f} ms, reference {1000 * theirs:.1f} ms, {theirs / ours:.2f}\n")


if __name__ == "__main__":
    raise SystemExit(main())
