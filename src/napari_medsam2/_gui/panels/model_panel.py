"""The part of the dock that says which network is used, where it runs and what it sees, and shows a download."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QProgressBar, QVBoxLayout, QWidget

from ..dock_state import DownloadStatus
from ..words import download_words, model_warning, model_words
from .device_menu import DeviceMenu
from .model_menu import NAME, ModelMenu
from .panel import Panel
from .pickers import Choice, button, line, row
from .shades import play


class ModelPanel(Panel):
    """Which network, and where it runs."""

    model_requested = Signal(str, str)
    cancel_requested = Signal()
    contrast_requested = Signal(bool)
    server_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.model = ModelMenu()
        self.device = DeviceMenu()
        self.model.setAccessibleName("Model")
        self.device.setAccessibleName("Device")
        self.contrast = Choice(
            "Contrast: automatic",
            "Contrast: as shown",
            tip="What the network sees: robust limits over all frames, or the layer's own limits",
        )
        self.contrast.setAccessibleName("Contrast")
        self.words = line(dim=True)
        self.warning = line()
        play(self.warning, "care")
        self.progress = QProgressBar()
        self.cancel = button("Cancel", "Stop the download; what came is kept, and the next try goes on from there")
        self.fetched = line(dim=True)
        self.download = QWidget()
        inside = QVBoxLayout(self.download)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(2)
        inside.addLayout(row(self.progress, self.cancel, stretch=(3, 1)))
        inside.addWidget(self.fetched)
        self.column.addLayout(row(self.model, self.device, stretch=(3, 1)))
        for part in (self.words, self.warning, self.download, self.contrast):
            self.column.addWidget(part)
        self.model.activated.connect(self._on_model)
        self.device.activated.connect(self._on_device)
        self.cancel.clicked.connect(self.cancel_requested)
        self.contrast.activated.connect(lambda index: self.contrast_requested.emit(index == 1))
        self._name = ""
        self._bind()

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: state.model, self._show_model, of_hand=True)
        show(lambda state: state.wanted_device, self.device.show_device, of_hand=True)
        show(lambda state: int(state.contrast_as_shown), self.contrast.setCurrentIndex, of_hand=True)
        show(model_words, self.words.setText)
        show(model_warning, self._show_warning)
        show(lambda state: state.download, self._show_download)

    def _show_model(self, name: str) -> None:
        self._name = name
        self.model.show_model(name)

    def _show_warning(self, words: str) -> None:
        self.warning.setText(words)
        self.warning.setVisible(bool(words))

    def _show_download(self, fetching: DownloadStatus | None) -> None:
        self.download.setVisible(fetching is not None)
        if fetching is not None:
            self.progress.setRange(0, 1000 if fetching.total and fetching.done else 0)
            self.progress.setValue(1000 * fetching.done // fetching.total if fetching.total else 0)
            self.progress.setFormat(f"{100 * fetching.done // fetching.total} %" if fetching.total else "")
            self.cancel.setEnabled(not fetching.stopping)
            self.fetched.setText(download_words(fetching))

    def _on_model(self, index: int) -> None:
        name = self.model.itemData(index, NAME)
        if not name:
            name, _ = QFileDialog.getOpenFileName(
                self, "Choose model weights", "", "Weights (*.pt *.pth *.safetensors)"
            )
        self.model_requested.emit(name or self._name, self.device.device)

    def _on_device(self) -> None:
        if device := self.device.device:
            self.model_requested.emit(self._name, device)
        else:
            self.server_requested.emit()
