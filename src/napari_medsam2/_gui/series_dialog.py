"""The question which of several series in a folder or a file is to be opened."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..errors import SeriesInfo

#: Rows with room around their words, and clearly chosen or not.
_ROWS = "QTreeWidget::item { padding: 4px; } QTreeWidget::item:selected { background: #1f6feb; color: white; }"


class SeriesDialog(QDialog):
    """A list of series, of which one or several are chosen: by mouse, or by arrow keys, Ctrl+A and Enter.

    Parameters
    ----------
    where
        The name of the folder or file that they are in.
    series
        To choose from; the first one is chosen at the beginning.
    parent
        The window that waits for the answer.
    """

    def __init__(self, where: str, series: Sequence[SeriesInfo], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Which series?")
        self._series = tuple(series)
        question = QLabel(f"{where} holds {len(series)} series. Which are to be opened?")
        question.setWordWrap(True)
        self.list = QTreeWidget()
        self.list.setRootIsDecorated(False)
        self.list.setStyleSheet(_ROWS)
        self.list.setHeaderLabels(["Series", "Kind", "Size"])
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        for one in self._series:
            self.list.addTopLevelItem(QTreeWidgetItem([one.name or str(one.key), one.kind, one.size]))
        self._fit_columns()
        self.list.setCurrentItem(self.list.topLevelItem(0))
        hint = QLabel("Each becomes a layer, and the first is shown. Ctrl and click, or Ctrl+A, for several.")
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Open | standard.Cancel)
        opening = self.buttons.button(standard.Open)
        if opening is not None:
            opening.setDefault(True)
            self.list.itemSelectionChanged.connect(lambda: opening.setEnabled(bool(self.list.selectedItems())))
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.list.itemActivated.connect(self.accept)
        column = QVBoxLayout(self)
        for part in (question, self.list, hint, self.buttons):
            column.addWidget(part)
        self.setMinimumSize(560, 260)
        self.list.setFocus()

    def _fit_columns(self) -> None:
        header = self.list.header()
        if header is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    @property
    def chosen(self) -> list[SeriesInfo]:
        """The series that are chosen, in the order of the list."""
        picked = {id(item) for item in self.list.selectedItems()}
        return [one for row, one in enumerate(self._series) if id(self.list.topLevelItem(row)) in picked]


def ask_series(where: str, series: Sequence[SeriesInfo], parent: QWidget) -> list[SeriesInfo]:
    """Ask, and wait for the answer: those that were chosen, none if it was cancelled."""
    dialog = SeriesDialog(where, series, parent)
    try:
        return dialog.chosen if dialog.exec() else []
    finally:
        dialog.deleteLater()
