"""Asks for a server: its address and key, whether it can be reached, and which of its models is wanted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...errors import EXPECTED_ERRORS, in_words
from ...remote.address import address_of, is_open
from ...remote.remembered import KnownServer

if TYPE_CHECKING:
    from ...remote.client import ServerStatus

_TUNNEL = (
    "Ask whoever runs the server for both. Over SSH: run <code>ssh -N -L 1527:localhost:1527 you@server</code> in a "
    "terminal, and the address is <code>localhost</code>."
)
_OPEN = "Not encrypted: others in the network can read your images and the key. Use https or an SSH tunnel."


class RemoteDialog(QDialog):
    """The window stays usable; :attr:`chosen` says which server and model were taken.

    Parameters
    ----------
    known
        Servers that were used before, the latest first.
    model
        Name of the model that is in use.
    parent
        The window that waits for the answer.
    """

    #: A :class:`~napari_medsam2.remote.remembered.KnownServer`, a model's name, and whether to keep the key.
    chosen = Signal(object, str, bool)

    _told = Signal(object, object)

    def __init__(self, known: Sequence[KnownServer], model: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Run on a server")
        self._model = model
        self._tested: KnownServer | None = None
        self._accepts = False  # as soon as the server answers
        self._keys = {server.address: server.key for server in known}
        self.address = QComboBox()
        self.address.setEditable(True)
        self.address.addItems([server.address for server in known])
        self.address.setAccessibleName("Address of the server")
        edit = self.address.lineEdit()
        if edit is not None:
            edit.setPlaceholderText("gpu.lab.org, or localhost")
        self.key = QLineEdit(known[0].key if known else "")
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.key.setPlaceholderText("none")
        self.key.setAccessibleName("Key")
        self.keep = QCheckBox("Remember the key, in a file that only you can read")
        self.keep.setChecked(True)
        self.test = QPushButton("Test connection")
        self.answer = _text("")
        self.warning = _text(_OPEN)
        self.models = QComboBox()
        self.models.setAccessibleName("Model on the server")
        self.models.setEnabled(False)
        self.models.addItem("known once the server was asked")
        self._fitting = QTimer(self)
        self._fitting.setSingleShot(True)
        self._fitting.timeout.connect(self.adjustSize)
        self._lay_out()
        self._connect()
        self._show_warning()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        for row, (heading, field) in enumerate(
            (("Address", self.address), ("Key", self.key), ("", self.keep), ("Model", self.models))
        ):
            grid.addWidget(QLabel(heading), row, 0)
            grid.addWidget(field, row, 1)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.use = QPushButton("Use this server")
        self.use.setDefault(True)
        self.buttons.addButton(self.test, QDialogButtonBox.ButtonRole.ActionRole)
        self.buttons.addButton(self.use, QDialogButtonBox.ButtonRole.AcceptRole)
        self.test.setAutoDefault(False)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addWidget(_text(_TUNNEL, rich=True))
        column.addLayout(grid)
        for part in (self.warning, self.answer, self.buttons):
            column.addWidget(part)
        self.setMinimumWidth(520)
        self.address.setFocus()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def _connect(self) -> None:
        self.address.editTextChanged.connect(self._on_edited)
        self.address.activated.connect(self._on_known)
        self.key.textEdited.connect(self._on_edited)
        self.test.clicked.connect(self._on_test)
        self.use.clicked.connect(self._on_use)
        self.buttons.rejected.connect(self.reject)
        self._told.connect(self._on_told)

    # ---- what is typed -----------------------------------------------------------------------------------------------

    def _on_known(self) -> None:
        self.key.setText(self._keys.get(self.address.currentText(), ""))

    def _on_edited(self) -> None:
        self._tested = None
        self.answer.setText("")
        self._show_warning()

    def _show_warning(self) -> None:
        try:
            shown = is_open(address_of(self.address.currentText()))
        except EXPECTED_ERRORS:
            shown = False
        self.warning.setVisible(shown)
        self._fit()

    # ---- asking the server -------------------------------------------------------------------------------------------

    def _on_test(self) -> None:
        self._accepts = False
        self._ask()

    def _on_use(self) -> None:
        if self._tested is not None:
            self._finish()
        else:
            self._accepts = True
            self._ask()

    def _ask(self) -> None:
        try:
            server = KnownServer(address_of(self.address.currentText()), self.key.text().strip())
        except EXPECTED_ERRORS as error:
            self._show(in_words(error), good=False)
            return
        self._show("Asking the server...", good=True)
        self.test.setEnabled(False)
        self.use.setEnabled(False)
        threading.Thread(target=_ask_beside, args=(server, self._told.emit), daemon=True).start()

    def _on_told(self, server: KnownServer, answer: ServerStatus | str) -> None:
        self.test.setEnabled(True)
        self.use.setEnabled(True)
        if isinstance(answer, str):
            self._show(answer, good=False)
            return
        self._tested = server
        self._show(f"The server is there, napari-medsam2 {answer.version}. {answer.words}", good=True)
        before = self.models.currentData() or self._model
        self.models.clear()
        for name, title in answer.models:
            self.models.addItem(title, name)
        self.models.setCurrentIndex(max(0, self.models.findData(before)))
        self.models.setEnabled(True)
        if self._accepts:
            self._finish()

    def _finish(self) -> None:
        if self._tested is not None:
            self.chosen.emit(self._tested, str(self.models.currentData()), self.keep.isChecked())
            self.accept()

    def _show(self, words: str, *, good: bool) -> None:
        self.answer.setText(words if good else f"{words.rstrip('.')}.")
        self.answer.setStyleSheet("" if good else "color: #e8a33d;")
        self._fit()

    def _fit(self) -> None:
        """Be as high as the words need, once they are laid out."""
        self._fitting.start(0)


def _ask_beside(server: KnownServer, tell: Callable[[KnownServer, object], None]) -> None:
    """On a thread of its own: a server may take seconds to answer, or never do."""
    from ...remote.client import ask_status

    try:
        answer: object = asyncio.run(ask_status(server.address, server.key))
    except EXPECTED_ERRORS as error:
        answer = in_words(error)
    with suppress(RuntimeError):  # the dialog was closed meanwhile
        tell(server, answer)


def _text(words: str, *, rich: bool = False) -> QLabel:
    label = QLabel(words)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
