"""The dock widget of the memory bank, and of what the model sees; it shows what the MedSAM-2 dock beside it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout

from .bank_state import BankState
from .binding import hold_constants
from .commands import open_dock
from .controller import Controller
from .docking import Docked, close_others, go_below_image
from .layers.composing import Channel, channels_of, compose
from .panels.bank_panel import BankPanel
from .panels.shades import ThemeFollower
from .panels.view_panel import ViewPanel


def open_bank() -> Any:
    """Show the memory bank of the current viewer below the image, and its dock; ``None`` if there is no viewer."""
    dock, viewer = open_dock(), napari.current_viewer()
    if dock is None or viewer is None:
        return None
    there: list[Any] = _banks(viewer)
    bank = there[0] if there else MemoryBankDock(viewer)
    if there:
        there[0].parent().show()
        there[0].parent().raise_()
    else:
        viewer.window.add_dock_widget(bank, name="MedSAM-2 memory bank", area="bottom")
    bank.attach(dock.controller)
    return bank


def tell_banks(viewer: napari.viewer.Viewer, controller: Controller | None) -> None:
    """Have the memory bank of a viewer, if it is shown, show what this dock has; ``None``: it was closed."""
    for bank in _banks(viewer):
        bank.attach(controller)


def _banks(viewer: napari.viewer.Viewer) -> list[Any]:
    window = getattr(viewer, "window", None)
    return [] if window is None else [w for w in window.dock_widgets.values() if isinstance(w, MemoryBankDock)]


class MemoryBankDock(Docked):
    """Plugins > MedSAM-2 memory bank.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock is added to.
    """

    tab_title = "MedSAM-2 memory bank"

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        hold_constants()
        self._viewer: napari.viewer.Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._controller: Controller | None = None
        self._channels: tuple[Channel, ...] = ()
        self.bank, self.view = BankPanel(), ViewPanel()
        self.tabs = QTabWidget()
        self.tabs.addTab(self.bank, "Remembered")
        self.tabs.addTab(self.view, "What the model sees")
        self.tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.addWidget(self.tabs)
        self.theme = ThemeFollower(self._viewer, self)
        self.tabs.currentChanged.connect(self._on_tab)
        self._connect()
        self._show_state()

    def attach(self, controller: Controller | None) -> None:
        """Show what this dock has; ``None``: there is no dock any more."""
        if self._controller is not None:
            self._controller.bank.changed.disconnect(self._show_state)
            self._controller.bank.look(False)
        self._controller = controller
        if controller is not None:
            controller.bank.changed.connect(self._show_state)
        self._on_tab()
        self._show_state()

    def _connect(self) -> None:
        panel = self.bank
        panel.frame_requested.connect(lambda frame: self._do(lambda do: do.go_to_frame(frame)))
        panel.selected.connect(lambda frame: self._do(lambda do: do.bank.select(frame)))
        panel.pin_requested.connect(lambda: self._do(lambda do: do.bank.pin_or_unpin()))
        panel.evict_requested.connect(lambda: self._do(lambda do: do.bank.evict()))
        panel.template_requested.connect(lambda: self._do(lambda do: do.review.accept()))
        panel.bank_requested.connect(lambda name: self._do(lambda do: do.bank.choose_bank(name)))
        panel.compare_requested.connect(lambda: self._do(lambda do: do.bank.compare()))
        panel.save_requested.connect(
            lambda path, found: self._do(lambda do: do.bank.save_task(Path(path), with_found=found))
        )
        panel.take_requested.connect(lambda path: self._do(lambda do: do.bank.take_task(Path(path))))
        self.view.channels_requested.connect(lambda chosen: self._do(lambda do: self._compose(do, chosen)))

    def _do(self, action: Any) -> None:
        if self._controller is not None:
            action(self._controller)
            self.bank.bindings.restore(self._controller.bank.state)  # type: ignore[arg-type]

    def _compose(self, do: Controller, chosen: list[int]) -> None:
        """Make one colour image of the channels that were chosen, and take it as the image, with the same mode."""
        layer, mode = compose([self._channels[place] if place >= 0 else None for place in chosen]), do.state.mode
        if layer is not None:
            self._viewer.add_layer(layer)
            do.choose_image(layer)
            do.choose_mode(mode)

    def _show_state(self) -> None:
        state: Any = BankState(has_dock=False) if self._controller is None else self._controller.bank.state
        for part in (self.bank, self.view):
            part.bindings.apply(state)

    def _on_tab(self) -> None:
        """Only what is looked at is made."""
        if (do := self._controller) is None:
            return
        seen = self.isVisible()
        do.bank.look(seen and self.tabs.currentWidget() is self.bank)
        do.bank.see(seen and self.tabs.currentWidget() is self.view)
        if seen and self.tabs.currentWidget() is self.view:
            work = do.workspace
            self._channels = () if work is None else channels_of(work.image, self._viewer.layers)
            self.view.set_channels(tuple(channel.name for channel in self._channels))

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self._controller is None:  # opened by napari's menu
            QTimer.singleShot(0, self._find_dock)
        self._on_tab()

    def _find_dock(self) -> None:
        dock = open_dock() if self._controller is None and self.is_docked else None
        if dock is not None:
            self.attach(dock.controller)

    def _take_place(self) -> None:
        if self.parent() is not None:
            go_below_image(self)
            close_others(self._viewer, self)

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self._on_tab()

    def on_docked(self, first: bool) -> None:
        if first:
            QTimer.singleShot(0, self._take_place)  # napari finds a place for it first

    def on_undocked(self) -> None:
        self.theme.release()
        self.attach(None)
