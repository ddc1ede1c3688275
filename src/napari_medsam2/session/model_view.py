"""What the model sees of a frame: the network's input as it is handed over, with the prompts in its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import PromptError
from ..geometry.thumbnail import outline_of
from ..geometry.window import Window, crop, crop_mask, to_window
from ..images.contrast import Contrast, Estimate, PerFrameContrast
from ..types import AnyArray, Mask
from .state import SessionState

if TYPE_CHECKING:
    from ..segment.window_predictor import WindowPredictor


@dataclass(frozen=True, eq=False)
class ModelView:
    """One network input.

    Attributes
    ----------
    frame, object_id
        Which.
    image
        RGB, uint8 ``(S, S, 3)``.
    window
        Which part of the frame it is, in pixels of the frame.
    whole
        True if it is all of the frame.
    tile
        Side of the tiles that the frame was looked at in beside this, in pixels of the frame; ``None``: in none.
    seen
        True if the frame was segmented; else this is what a look at the whole would show.
    clicks
        ``(y, x, positive)`` in pixels of the input.
    boxes
        ``(y0, x0, y1, x1)`` in pixels of the input.
    outline
        Outline of the mask that was drawn or found, bool ``(S, S)``; ``None`` where there is none.
    low, high
        Raw values that are black and white, one number or one for each colour; empty where that is not known.
    colours
        True if the channels of the frame differ.
    """

    frame: int
    object_id: int
    image: npt.NDArray[np.uint8]
    window: Window
    whole: bool
    tile: int | None
    seen: bool
    clicks: tuple[tuple[float, float, bool], ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    outline: Mask | None
    low: tuple[float, ...]
    high: tuple[float, ...]
    colours: bool


def model_view(state: SessionState, predictor: WindowPredictor, frame: int, object_id: int) -> ModelView:
    """See :meth:`napari_medsam2.Session.model_view`."""
    if not 0 <= frame < len(state.frames):
        raise PromptError(f"there is no frame {frame}: frames are 0 to {len(state.frames) - 1}")
    shape = state.frames.shape(frame)
    with state.lock:
        known = state.objects.get(object_id)
        kept = None if known is None else known.kept.get(frame)
        prompts = state.prompts_on(object_id, frame)
        entries = () if known is None else known.bank.entries
    result = None if kept is None else kept.result
    window = (None if result is None else result.window) or Window.whole(shape)
    size = predictor.size
    own = next((entry.tile for entry in entries if entry.frame == frame), None)
    image = crop(predictor.prepared(frame), window, size)[0].permute(1, 2, 0).numpy()
    mask = prompts.mask if prompts.mask is not None else (None if result is None else result.mask)
    inside = None if mask is None else crop_mask(mask, window, size)[0, 0].numpy() > 0.5
    points = to_window(np.array([(p.y, p.x) for p in prompts.points], float).reshape(-1, 2), window, size)
    corners = [((p.y0, p.x0), (p.y1, p.x1)) for p in prompts.boxes]
    boxes = to_window(np.array(corners, float).reshape(-1, 2, 2), window, size)
    low, high = _limits(predictor, frame)
    return ModelView(
        frame=frame,
        object_id=object_id,
        image=np.rint(image.clip(0, 1) * 255).astype(np.uint8),
        window=window,
        whole=window == Window.whole(shape),
        tile=own,
        seen=result is not None,
        clicks=tuple((float(y), float(x), p.positive) for (x, y), p in zip(points, prompts.points, strict=True)),
        boxes=tuple((float(y0), float(x0), float(y1), float(x1)) for (x0, y0), (x1, y1) in boxes),
        outline=None if inside is None or not inside.any() else outline_of(inside),
        low=low,
        high=high,
        colours=_has_colours(image),
    )


def _limits(predictor: WindowPredictor, frame: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    contrast = predictor.contrast
    if isinstance(contrast, PerFrameContrast):
        contrast = contrast.estimate(predictor.frames[frame])
    if isinstance(contrast, Estimate):
        contrast = contrast.contrast
    if not isinstance(contrast, Contrast):
        return (), ()
    low, high = (tuple(float(value) for value in np.atleast_1d(values)) for values in (contrast.low, contrast.high))
    return low, high


def _has_colours(image: AnyArray) -> bool:
    return bool((image != image[..., :1]).any())
