"""Whether the frames of a layer follow each other or are unrelated images: a guess that the user can correct."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...images.listing import natural_key
from ...types import Mode
from .layout import MODE_KEY, Layout

#: Neighbours whose correlation is this high on average follow each other.
_ALIKE = 0.5
#: Pairs of neighbours that are compared: in memory, and of files, which are read for that.
_PAIRS, _PAIRS_OF_FILES = 8, 4


def guess_mode(
    frames: Any,
    layout: Layout,
    metadata: dict[Any, Any],
    files: Sequence[Path] = (),
    *,
    one_file_each: bool = False,
) -> tuple[Mode, str]:
    """Guess whether frames follow each other, and say why.

    Frames in memory, and images of a folder whose names count up, are compared with their neighbours at a few places;
    other lazy ones are not read.

    Parameters
    ----------
    frames, layout, metadata
        Of the layer.
    files
        Where they come from.
    one_file_each
        True if each frame is a file of its own, so that a few are read quickly, also where ``files`` are not known.
    """
    if layout.n_frames == 1:
        return "stack", "a single image"
    known = metadata.get(MODE_KEY)
    if known in ("stack", "flow"):
        return known, "as the images were opened"
    if len(set(layout.sizes)) > 1:
        return "flow", "the images differ in size"
    if len(files) == layout.n_frames:
        if not count_up([file.name for file in files]):
            return "flow", "the names of the files do not count up"
        return _compare(frames, layout, _PAIRS_OF_FILES)
    if isinstance(frames, np.ndarray):
        return _compare(frames, layout, _PAIRS)
    if one_file_each:
        return _compare(frames, layout, _PAIRS_OF_FILES)
    return "stack", "not read yet; change it if the images have no order"


def count_up(names: Sequence[str]) -> bool:
    """Whether names differ in one number alone, which counts up as in the names of the slices of a stack."""
    keys = [natural_key(name) for name in names]
    if len({len(key) for key in keys}) > 1:
        return False
    differing = [place for place, parts in enumerate(zip(*keys, strict=True)) if len(set(parts)) > 1]
    if len(differing) != 1 or any(key[differing[0]][0] for key in keys):
        return False
    return len(set(np.diff([key[differing[0]][1] for key in keys]).tolist())) <= 1


def _compare(frames: Any, layout: Layout, n_pairs: int) -> tuple[Mode, str]:
    step = max(1, max(layout.frame_shape) // 64)
    alike = []
    for t in np.unique(np.linspace(0, layout.n_frames - 2, n_pairs).astype(int)):
        pair = [_plain(frames[i, ::step, ::step]) for i in (t, t + 1)]
        if min(np.ptp(p) for p in pair) > 0:
            with np.errstate(all="ignore"):  # values near the limits of float64
                likeness = float(np.corrcoef(pair[0], pair[1])[0, 1])
            if np.isfinite(likeness):
                alike.append(likeness)
    if not alike:
        return "stack", "the images are constant or cannot be compared"
    mean = float(np.mean(alike))
    if mean >= _ALIKE:
        return "stack", f"neighbours look alike (r = {mean:.2f})"
    return "flow", f"neighbours differ (r = {mean:.2f})"


def _plain(frame: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Any pixels as finite numbers in one row, for comparing."""
    values = np.abs(frame) if np.iscomplexobj(frame) else frame
    return np.nan_to_num(np.asarray(values, dtype=np.float64), posinf=0.0, neginf=0.0).ravel()
