"""Images on this computer whose pixels a server is going to need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..images.formats import as_frames
from ..images.frames import FrameSource
from ..wire.calls import Opening, check_options


@dataclass(frozen=True)
class LocalImages:
    """Frames that stay here, and what a server is told of them."""

    frames: FrameSource
    opening: Opening


def read_images(data: Any, options: Mapping[str, Any]) -> LocalImages:
    """Look at images as :meth:`~napari_medsam2.engine.engine.Engine.open` takes them; no pixels are read.

    Raises
    ------
    FrameError
        If they cannot be read.
    OptionError
        If an option is none of a session on a server.
    """
    check_options(options)
    reading = {name: options[name] for name in ("axis", "rgb") if name in options}
    frames = data if isinstance(data, FrameSource) else as_frames(data, **reading)
    headers = tuple(frames.header(t) for t in range(len(frames)))
    return LocalImages(frames, Opening(headers, options))
