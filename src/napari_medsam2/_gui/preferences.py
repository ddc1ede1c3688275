"""What the user wants of every dock. napari shows it under File > Preferences > MedSAM-2 and keeps it (from 0.9 on)."""

from __future__ import annotations

from dataclasses import dataclass

import napari.settings
from napari.utils.notifications import show_warning

from ..distribution import plugin_name
from ..errors import OptionError
from ..models.registry import prefer_models_folder
from ..remote.address import address_of
from .autosave import Autosave
from .model_choice import ModelChoice
from .panels.device_menu import DEVICES


@dataclass(frozen=True)
class Preferences:
    """What a dock begins with.

    Attributes
    ----------
    model
        Name of the model, or the file of its weights.
    device
        Where it runs; "auto" for the best, or the address of a server.
    models_folder
        Where downloaded models are kept; empty for the user's cache.
    autosave
        Whether what is done is kept safe from a crash.
    """

    model: str = "micro"
    device: str = "auto"
    models_folder: str = ""
    autosave: bool = True


def preferences() -> Preferences:
    """What is set in napari's preferences now; an older napari has none of plugins."""
    ask = getattr(napari.settings, "get_plugin_settings", None)
    settings = ask().get(plugin_name()) if ask is not None else None
    if settings is None:
        return Preferences()
    dock = settings.dock
    return Preferences(dock.weights.strip() or dock.model, dock.device, dock.models_folder.strip(), dock.autosave)


def _device_of(typed: str) -> str:
    """A device of this computer, or the address of a server; what is neither is said to be."""
    try:
        return typed if typed in DEVICES else address_of(typed)
    except OptionError as error:
        show_warning(f"The preferences name a device that there is not, so auto is used: {error}")
        return "auto"


def begin_as_preferred(models: ModelChoice, autosave: Autosave) -> None:
    """Begin a dock as the user prefers; the folder of models is that of all docks."""
    wanted = preferences()
    prefer_models_folder(wanted.models_folder)
    models.begin_with(wanted.model, _device_of(wanted.device))
    autosave.on = wanted.autosave
