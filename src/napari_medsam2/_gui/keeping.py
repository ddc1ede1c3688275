"""What is kept of a result: labels committed to a layer, and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import OutputError

#: In the metadata of a layer that results are committed to: which image they are of.
KEPT_OF = "napari-medsam2 kept of"


def keep_result(result: npt.NDArray[Any], kept: npt.NDArray[Any]) -> int:
    """Copy labels into a kept layer's data, never over labels that are there; return how many pixels were new.

    Raises
    ------
    OutputError
        If a number is too large for that data.
    """
    new = (result != 0) & (kept == 0)
    numbers = result[new]
    if numbers.size and numbers.max() > np.iinfo(kept.dtype).max:
        raise OutputError(f"object {numbers.max()} does not fit into a labels layer of {kept.dtype}")
    kept[new] = numbers
    return int(np.count_nonzero(new))


def merged(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """A copy of label images of one shape over each other, the first one on top, of a type that holds all numbers."""
    labels = parts[0].astype(np.result_type(*parts))
    for part in parts[1:]:
        keep_result(part, labels)
    return labels
