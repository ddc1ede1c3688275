"""Which model: choosing, fetching and loading it, and what is known of where it runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, QTimer, Signal

from ..engine.events import Failed, ModelLoaded
from ..models.notices import Notice
from ..models.registry import MODELS, ModelEntry, local_file
from ..models.speed import estimate_loading, estimate_seconds
from ..remote.address import is_address
from .dock_state import ModelPhase
from .dock_store import DockStore
from .downloads import ModelDownload
from .file_settings import FileSettings
from .words import about, title_of


@dataclass(frozen=True)
class _Asked:
    """A model, by its name or file, for a device ("auto" for the best)."""

    model: str
    device: str


@dataclass(frozen=True)
class _InUse:
    """The model that the engine has: as it was asked for, and where it runs."""

    asked: _Asked
    device: str
    idle_gpu: bool = False


class ModelChoice(QObject):
    """The model of one dock.

    Parameters
    ----------
    store
        The state that this changes.
    load_model
        ``load_model(name_or_path, *, device)`` asks the engine for a model.
    """

    #: A model that is not here was chosen: its name; fetching it needs the user's yes.
    download_offered = Signal(str)
    #: Nothing in a file that was chosen tells what it is: the file, its device, and the published models it might be.
    file_asked = Signal(str, str, object)

    def __init__(self, store: DockStore, load_model: Callable[..., int]) -> None:
        super().__init__()
        self._store = store
        self._load_model = load_model
        self._asked: _Asked | None = None  # for the last time
        self._loading: list[_Asked] = []  # and not answered yet
        self._in_use: _InUse | None = None
        self._model_before_download = ""
        self._there_at = 0.0  # about when the first model is loaded
        self._countdown = QTimer(self)
        self._countdown.setInterval(1000)
        self._countdown.timeout.connect(self._on_countdown)
        self._files = FileSettings()
        self._files.looked.connect(self._on_looked)
        self._download = ModelDownload()
        self._download.changed.connect(lambda status: store.set(download=status))
        self._download.ended.connect(self._on_downloaded)

    def close(self) -> None:
        """Stop any download, and say nothing more about it."""
        self._countdown.stop()
        self._download.close()

    # ---- choosing ----------------------------------------------------------------------------------------------------

    def begin_with(self, name: str, device: str) -> None:
        """Take what the user prefers, if it is on this computer or runs on a server; nothing is loaded yet."""
        self._store.put(wanted_device=device)
        if is_here(name) or is_address(device):
            self._store.put(model=name)
        else:
            used = title_of(self._store.chosen.model)
            show_warning(
                f"{title_of(name)}, which the preferences name, is not on this computer, so {used} is used. Choose it "
                "in step 3 of the dock to fetch it."
            )

    def choose(self, name: str, device: str) -> None:
        """Take another model or device. Labels that are there stay until they are segmented again.

        A published model that is not on this computer is offered for download; the one in use stays.
        """
        if is_address(device) and Path(name).is_file():
            self._store.say(
                "A file of weights on this computer cannot run on a server. Whoever runs that offers it with --model."
            )
            return
        self._store.set(wanted_device=device)
        if is_address(device):
            self._take(name, device)
        elif name in MODELS and not is_here(name):
            self.download_offered.emit(name)
        elif name not in MODELS and is_here(name):
            self._files.look(name, device)
        else:
            self._take(name, device)

    def settle(self, file: str, device: str, name: str) -> None:
        """Take a file that was asked about as what the user says it is built as."""
        self._files.look(file, device, said=name)

    def _on_looked(self, file: str, device: str, choices: tuple[ModelEntry, ...], problem: str) -> None:
        if choices:
            self.file_asked.emit(file, device, choices)
            return
        self._take(file, device)
        if problem:
            self._store.say(problem)

    def _take(self, name: str, device: str) -> None:
        self._store.put(problem="", report="", note="")
        if self._asked != _Asked(name, device):
            self._show(ModelPhase.CHOSEN, model=name)
            if self._asked is not None or self._store.work is not None or is_address(device):
                self.load()
        else:
            self._store.changed.emit()

    def load_ahead(self) -> None:
        """Have the first model loaded before it is needed, if it is on this computer."""
        if self._asked is None and is_here(self._store.chosen.model):
            self.load()

    def load(self) -> None:
        """Have the chosen model loaded, unless it was asked for already."""
        chosen = self._store.chosen
        wanted = _Asked(chosen.model, chosen.wanted_device)
        if self._asked != wanted:
            self._asked = wanted
            self._loading.append(wanted)
            if self._in_use is None:
                loading = 1.0 if is_address(wanted.device) else estimate_loading(weights_of(wanted.model))
                self._there_at = time.monotonic() + loading
                self._store.put(loading_left=self._there_at - time.monotonic())
                self._countdown.start()
            self._store.set(model_phase=ModelPhase.LOADING, device="", notice=None)
            self._load_model(wanted.model, device=wanted.device)

    def _on_countdown(self) -> None:
        self._store.set(loading_left=max(0.0, self._there_at - time.monotonic()))

    def _end_countdown(self) -> None:
        self._countdown.stop()
        self._store.put(loading_left=None)

    def _show(self, phase: ModelPhase, *, device: str = "", idle_gpu: bool = False, **changes: str) -> None:
        """Show another model or device, and the speed that comes with it."""
        self._store.put(model_phase=phase, device=device, idle_gpu=idle_gpu, **changes)
        self._store.set(seconds_a_frame=self._seconds_a_frame())

    def _show_in_use(self, in_use: _InUse, **changes: str) -> None:
        self._show(ModelPhase.IN_USE, device=in_use.device, idle_gpu=in_use.idle_gpu, **changes)

    # ---- what comes of it --------------------------------------------------------------------------------------------

    def on_loaded(self, event: ModelLoaded) -> None:
        """Show where the model runs, unless another one was asked for meanwhile."""
        self._end_countdown()
        notice = self._store.chosen.notice
        asked = self._loading.pop(0) if self._loading else _Asked(event.name, event.device)
        self._in_use = _InUse(asked, event.device, notice is None and has_idle_gpu(event.device))
        if not self._loading:
            self._show_in_use(self._in_use)
            if notice is not None and event.device == "cpu":
                self._on_left_device()

    def on_answered(self, place: int) -> None:
        """What comes next is about this one of the models that were asked for."""
        if place < len(self._loading):
            self._loading.insert(0, self._loading.pop(place))

    def on_dropped(self, place: int) -> None:
        """This one of them is not waited for any more."""
        if place < len(self._loading):
            self._loading.pop(place)

    def on_notice(self, event: Notice) -> None:
        """Memory was short: say so for as long as this model is in use, and once in napari's own way."""
        self._store.set(notice=event)
        show_warning(event.message)
        if is_address(self._store.chosen.wanted_device):
            return  # which device of the server is for the server to say
        if self._in_use is not None and not self._loading and event.device != self._in_use.device:
            self._on_left_device()

    def _on_left_device(self) -> None:
        """Show that the model went to the CPU; choosing a device again then loads it there anew."""
        self._asked = _Asked(self._store.chosen.model, "cpu")
        self._in_use = _InUse(self._asked, "cpu")
        self._show_in_use(self._in_use, wanted_device="cpu")

    def on_failed(self, event: Failed) -> None:
        """Go on with the model before, if there is one."""
        if self._loading:
            self._loading.pop(0)
        if not self._loading:
            self._end_countdown()
        message = event.message
        if self._in_use is None:
            self._asked = None
            self._store.set(model_phase=ModelPhase.MISSING, device="")
        elif not self._loading:
            self._asked = asked = self._in_use.asked
            self._show_in_use(self._in_use, model=asked.model, wanted_device=asked.device)
            message = f"{message.removesuffix('.')}. {title_of(asked.model)} is still in use."
        self._store.say(message, report=event.report)

    # ---- speed -------------------------------------------------------------------------------------------------------

    def _seconds_a_frame(self) -> float | None:
        """About how long the chosen model takes for a frame, where that is known."""
        chosen = self._store.chosen
        entry, device = MODELS.get(chosen.model), chosen.wanted_device
        if device == "auto" and self._in_use is not None:
            device = self._in_use.device
        return estimate_seconds(entry, device) if entry is not None and device != "auto" else None

    def speed(self, entry: ModelEntry) -> str:
        """About how long a model takes for a frame, in words, before it is fetched."""
        seconds = estimate_seconds(entry, "cpu")
        on_gpu = self._in_use is not None and self._in_use.device != "cpu"
        return "" if seconds is None or on_gpu else f"{about(seconds)} a frame where there is no GPU"

    # ---- fetching ----------------------------------------------------------------------------------------------------

    def download(self, name: str) -> None:
        """Fetch a model, to which the user said yes, beside the interface thread.

        Then it is loaded, unless that would end a run, or another model was chosen meanwhile.
        """
        chosen = self._store.chosen
        if chosen.download is not None:
            self._store.say(f"{chosen.download.title} is being fetched: cancel that first, or wait for it.")
            return
        self._store.say()
        self._model_before_download = chosen.model
        self._download.start(MODELS[name])

    def cancel_download(self) -> None:
        """Stop fetching; what came is kept."""
        self._download.cancel()

    def _on_downloaded(self, name: str, problem: str, stopped: bool) -> None:
        title, store = title_of(name), self._store
        if problem:
            store.say(f"{problem}. Or take the file with 'From file...' in the menu of models.")
        elif stopped:
            store.say(note=f"The download of {title} was stopped. What came is kept: choose it again to go on.")
        elif store.chosen.running or store.chosen.model != self._model_before_download:
            store.say(note=f"{title} is on this computer now: choose it in the menu of models.")
        else:
            store.say(note=f"{title} is on this computer now.")
            store.put(model=name, seconds_a_frame=None)
            self.load()


def is_here(model: str) -> bool:
    """True if a model, by its name or file, is on this computer."""
    entry = MODELS.get(model)
    return (entry is not None and entry.bundled) or weights_of(model).is_file()


def weights_of(model: str) -> Path:
    """The file of a model's weights, by its name or file; it need not be there."""
    entry = MODELS.get(model)
    return Path(model) if entry is None else local_file(entry)


def has_idle_gpu(device: str) -> bool:
    """True if the network runs on the CPU although there is an NVIDIA GPU: this torch is none for CUDA."""
    return device == "cpu" and shutil.which("nvidia-smi") is not None
