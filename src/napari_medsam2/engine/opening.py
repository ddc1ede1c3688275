"""What an engine makes first: the model, and a session of images. Torch is imported here, when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..models.device import leave_a_core, need_torch
from ..models.notices import OnNotice
from .imports import import_gently

if TYPE_CHECKING:
    from ..models.device import Model
    from ..session.session import Session

_PACKAGE = __name__.rpartition(".engine.")[0]
#: Image features that are kept on the disk for whoever corrects or goes on with another object.
_SCRATCH_BYTES = 8 << 30


def load_chosen_model(name_or_path: str, *, device: str, on_notice: OnNotice) -> Model:
    """Load a model as the dock does: it leaves a core to the window, and has ready what a session of it needs."""
    need_torch()
    # The last one is for napari: its first Labels layer asks for it, 0.2 s on the interface thread.
    import_gently("torch", f"{_PACKAGE}.models.loading", f"{_PACKAGE}.session.recorded", "skimage.color")
    from ..models.loading import load_model

    leave_a_core()
    return load_model(name_or_path, device=device, on_notice=on_notice)


def open_recorded(model: Model, data: Any, options: dict[str, Any]) -> Session:
    """Open images as a session that keeps a journal."""
    from ..images.formats import as_frames
    from ..images.frames import FrameSource
    from ..session.recorded import RecordedSession

    options = dict(options)
    reading = {name: options.pop(name) for name in ("axis", "rgb") if name in options}
    frames = data if isinstance(data, FrameSource) else as_frames(data, **reading)
    return RecordedSession(model, frames, **{"scratch_bytes": _SCRATCH_BYTES, **options})
