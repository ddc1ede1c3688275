"""The panel of the memory bank: what is remembered of the object, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QBoxLayout, QFileDialog, QVBoxLayout, QWidget

from ...session.task_file import SUFFIX
from ..bank_words import BANKS, bank_summary, compare_words, comparison_words, pin_words
from .bank_list import BankList
from .panel import Panel
from .pickers import Choice, button, line, row, tick

#: From this width on the buttons stand beside the pictures, in a column of this width.
_WIDE, _SIDE, _ANY = 700, 440, 16777215
_FILES = f"Task files (*{SUFFIX})"


class BankPanel(Panel):
    """Memories, and what to do with the one that is selected."""

    frame_requested = Signal(int)
    selected = Signal(object)
    pin_requested = Signal()
    evict_requested = Signal()
    template_requested = Signal()
    bank_requested = Signal(str)
    compare_requested = Signal()
    save_requested = Signal(str, bool)
    take_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.summary = line()
        self.list = BankList()
        self.pin = button("Pin", "Make the selected memory a template: it stays, and counts like one with a prompt")
        self.evict = button("Evict", "Take the selected memory out: it misleads")
        self.template = button("", "What was found in view is right: accept it (A)")
        self.bank = Choice(
            *BANKS.values(), tip="Which are kept: the newest, or sure and diverse ones. Undo begins anew"
        )
        self.bank.setAccessibleName("Memory bank")
        self.compare = button("", "Find all once more with the other memory, beside what there is")
        self.comparison = line(dim=True)
        self.save = button("Save task...", "Keep the templates in a file, for images of another day")
        self.take = button("Open task...", "Find what a task file was taught, without a prompt")
        self.with_found = tick("with what was found", "Keep memories that nobody has checked, too: they may mislead")
        self.side = QWidget()
        controls = QVBoxLayout(self.side)
        controls.setContentsMargins(0, 0, 0, 0)
        controls.setSpacing(4)
        controls.addLayout(row(self.pin, self.evict, self.template, stretch=(1, 1, 3)))
        controls.addLayout(row(self.take, self.save, self.with_found))
        controls.addLayout(row(self.bank, self.compare, stretch=(1, 0)))
        controls.addStretch(1)
        self.body = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self.body.addWidget(self.list, 1)
        self.body.addWidget(self.side)
        self.column.addWidget(self.summary)
        self.column.addWidget(self.comparison)
        self.column.addLayout(self.body, 1)
        self.list.frame_requested.connect(self.frame_requested)
        self.list.frame_selected.connect(self.selected)
        self.pin.clicked.connect(self.pin_requested)
        self.evict.clicked.connect(self.evict_requested)
        self.template.clicked.connect(self.template_requested)
        self.bank.activated.connect(lambda index: self.bank_requested.emit(tuple(BANKS)[index]))
        self.compare.clicked.connect(self.compare_requested)
        self.save.clicked.connect(self._on_save)
        self.take.clicked.connect(self._on_take)
        self._bind()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Have the buttons beside the pictures where the panel is wide, as below the image, else below them."""
        super().resizeEvent(event)
        beside = self.width() > max(_WIDE, self.height())
        way = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if self.body.direction() != way:
            self.body.setDirection(way)
            self.side.setMaximumWidth(_SIDE if beside else _ANY)

    def _bind(self) -> None:
        show: Any = self.bindings.add
        show(lambda state: state, self.list.set_state)
        show(bank_summary, self.summary.setText)
        show(pin_words, self.pin.setText)
        show(lambda state: state.row is not None and (state.row.held or not state.row.pinned), self.pin.setEnabled)
        show(lambda state: state.row is not None, self.evict.setEnabled)
        show(lambda state: f"Use this {state.noun} as template", self.template.setText)
        show(lambda state: state.has_image, self.template.setEnabled)
        show(lambda state: tuple(BANKS).index(state.chosen), self.bank.setCurrentIndex, of_hand=True)
        show(lambda state: state.has_image, self.bank.setEnabled)
        show(compare_words, self.compare.setText)
        show(lambda state: bool(state.rows) and not state.running and not state.comparing, self.compare.setEnabled)
        show(comparison_words, self.comparison.setText)
        show(lambda state: state.comparison is not None, self.comparison.setVisible)
        for part in (self.save, self.with_found):
            show(lambda state: state.mode == "flow" and bool(state.rows), part.setEnabled)
        show(lambda state: state.mode == "flow" and state.has_image, self.take.setEnabled)

    def _on_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save task", f"task{SUFFIX}", _FILES)
        if path:
            self.save_requested.emit(path if path.endswith(SUFFIX) else path + SUFFIX, self.with_found.isChecked())

    def _on_take(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open task", str(Path.cwd()), f"{_FILES};;All files (*)")
        if path:
            self.take_requested.emit(path)
