"""Segment a sequence of images from one prompt, by the method of MedSAM-2, in napari or headless.

The public names are loaded when first used, so that importing the package is instant and does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_medsam2.images.formats import open_images
    from napari_medsam2.models.loading import load_model
    from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt
    from napari_medsam2.segment.tiles import TileOptions
    from napari_medsam2.segment.windows import RegionOptions
    from napari_medsam2.session.options import SessionOptions
    from napari_medsam2.session.session import Session

__version__ = "0.1.0"

__all__ = [
    "BoxPrompt",
    "MaskPrompt",
    "PointPrompt",
    "RegionOptions",
    "Session",
    "SessionOptions",
    "TileOptions",
    "__version__",
    "load_model",
    "open_images",
]

_ROOM_OF = {
    "BoxPrompt": "prompts",
    "MaskPrompt": "prompts",
    "PointPrompt": "prompts",
    "RegionOptions": "segment.windows",
    "Session": "session.session",
    "SessionOptions": "session.options",
    "TileOptions": "segment.tiles",
    "load_model": "models.loading",
    "open_images": "images.formats",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
