"""The objects as a Qt model: what the table of objects shows, row by row; only what differs is told."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap

from ..dock_state import ObjectRow

SHOWN, COLOUR, NAME, PROMPTS, DONE, SURE = range(6)
_TITLES = ("", "", "Object", "Prompts", "{noun}s", "Sure")
_TIPS = (
    "Show the object in the labels, or hide it; nothing of it is lost",
    "Its colour; click to choose another one",
    "Its name; double-click to change it",
    "How many prompts it has",
    "On how many {noun}s it was looked for",
    "How sure the network is: the mean of the {noun}s that the object was found on, 1 is certain",
)
#: More new rows at once than this are shown as a new table.
_MOST_INSERTED = 50

_Role = Qt.ItemDataRole


class ObjectModel(QAbstractTableModel):
    """Rows of objects. It holds what it was given and changes nothing: what the user wants is told."""

    #: Another name, and whether to show it, by the object's number.
    name_requested = Signal(int, str)
    shown_requested = Signal(int, bool)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: tuple[ObjectRow, ...] = ()
        self.noun = "slice"

    def set_noun(self, noun: str) -> None:
        """Say what people call a frame."""
        self.noun = noun
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, SURE)

    def set_rows(self, rows: tuple[ObjectRow, ...]) -> None:
        """Hold these; rows that came, went or differ are told."""
        before = {row.number: row for row in self.rows}
        now = {row.number: row for row in rows}
        if len(now.keys() - before.keys()) > _MOST_INSERTED or len(before.keys() - now.keys()) > _MOST_INSERTED:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
            return
        for place in [place for place, row in enumerate(self.rows) if row.number not in now][::-1]:
            self.beginRemoveRows(QModelIndex(), place, place)
            self.rows = (*self.rows[:place], *self.rows[place + 1 :])
            self.endRemoveRows()
        for place, row in enumerate(rows):
            if row.number not in before:
                self.beginInsertRows(QModelIndex(), place, place)
                self.rows = (*self.rows[:place], row, *self.rows[place:])
                self.endInsertRows()
        self.rows = rows
        for place, row in enumerate(rows):
            old = before.get(row.number)
            if old is not None and old is not row:
                for column in range(SURE + 1):  # a cell at a time, so that a name that is being typed stays
                    if _told(old, column) != _told(row, column):
                        at = self.index(place, column)
                        self.dataChanged.emit(at, at)

    def place_of(self, number: int) -> int | None:
        """The row of an object."""
        return next((place for place, row in enumerate(self.rows) if row.number == number), None)

    # ---- what Qt asks ------------------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else SURE + 1

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == _Role.DisplayRole:
            return _TITLES[section].format(noun=self.noun).capitalize()
        return _TIPS[section].format(noun=self.noun) if role == _Role.ToolTipRole else None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        usual = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        if index.column() == NAME:
            return usual | Qt.ItemFlag.ItemIsEditable
        return usual | Qt.ItemFlag.ItemIsUserCheckable if index.column() == SHOWN else usual

    def data(self, index: QModelIndex, role: int = _Role.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row, column = self.rows[index.row()], index.column()
        if role == _Role.DisplayRole and column not in (SHOWN, COLOUR):
            return self._text(row, column)
        if role == _Role.EditRole and column == NAME:
            return row.name
        if role == _Role.CheckStateRole and column == SHOWN:
            return Qt.CheckState.Checked if row.shown else Qt.CheckState.Unchecked
        if role == _Role.DecorationRole and column == COLOUR:
            return _swatch(row.colour)
        if role == _Role.TextAlignmentRole and column > NAME:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return _TIPS[column].format(noun=self.noun) if role == _Role.ToolTipRole else None

    def setData(self, index: QModelIndex, value: Any, role: int = _Role.EditRole) -> bool:
        number = self.rows[index.row()].number
        if role == _Role.EditRole and index.column() == NAME:
            self.name_requested.emit(number, str(value))
        elif role == _Role.CheckStateRole and index.column() == SHOWN:
            self.shown_requested.emit(number, not self.rows[index.row()].shown)
        return False  # the row is told anew if that is done

    @staticmethod
    def _text(row: ObjectRow, column: int) -> str:
        if column == NAME:
            return row.title
        if column == PROMPTS:
            return str(row.prompts)
        if column == DONE:
            return f"{row.done}/{len(row.columns)}"
        return "" if row.confidence is None else f"{row.confidence:.2f}"


def _swatch(colour: str) -> QIcon:
    """A patch of a colour, which is the same in a chosen row: Qt would mix it with that row's own."""
    patch, icon = QPixmap(12, 12), QIcon()
    patch.fill(QColor(colour))
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        icon.addPixmap(patch, mode)
    return icon


def _told(row: ObjectRow, column: int) -> Any:
    """What a cell shows."""
    if column in (SHOWN, COLOUR):
        return row.shown if column == SHOWN else row.colour
    return ObjectModel._text(row, column)
