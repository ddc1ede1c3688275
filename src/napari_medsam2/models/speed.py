"""About how long a model takes for a frame, before it is fetched or tried, and on how many cores."""

from __future__ import annotations

import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from .registry import ModelEntry

# A frame takes this many times as long as its work at the speed of a plain matrix product: measured with SAM 2.1 tiny
# and EfficientTAM at 512 pixels on one core (1.4 to 1.5).
_SLOWER = 1.5
_SIDE = 768
# Until torch is imported, and bytes of weights that are read and put into a network in a second, on the same machine.
_IMPORT_S, _BYTES_A_SECOND = 3.0, 100e6
_REPEATS = 3


def estimate_seconds(entry: ModelEntry, device: str) -> float | None:
    """Estimate the time that a model takes for a propagated frame.

    The work of a frame divided by the speed of matrix products, which is measured once, in a few hundredths of a
    second. Right within a factor of two or so: for a warning, not for a plan. ``napari-medsam2 bench`` measures.

    Parameters
    ----------
    entry
        The model, at its own input size.
    device
        As for :func:`~napari_medsam2.load_model`.

    Returns
    -------
    float or None
        Seconds; ``None`` for anything but the CPU, whose speed alone is known without torch.
    """
    if device != "cpu":
        return None
    return _SLOWER * entry.gflop / _gflop_a_second()


def estimate_loading(weights: Path) -> float:
    """Estimate how many seconds it takes to load a file of weights, and torch, if that is not there yet.

    From a slow disk it is several times as long.
    """
    size = weights.stat().st_size if weights.is_file() else 0
    return (0.0 if "torch" in sys.modules else _IMPORT_S) + size / _BYTES_A_SECOND


@lru_cache(maxsize=1)
def _gflop_a_second() -> float:
    """Speed of a matrix product in single precision on all cores that numpy uses."""
    factor = np.ones((_SIDE, _SIDE), np.float32)
    fastest = float("inf")
    for _ in range(_REPEATS + 1):  # the first one wakes the threads
        began = time.perf_counter()
        factor @ factor
        fastest = min(fastest, time.perf_counter() - began)
    return float(2 * _SIDE**3 / fastest / 1e9)
