"""The menu of models: under headings, each with its size, its licence and a mark if it is on this computer."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QColor, QFont, QIcon, QPainter, QPalette, QPixmap
from qtpy.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from ...models.registry import ModelEntry, groups, local_file, megabytes
from ..words import title_of
from .pickers import Choice

FROM_FILE = "From file..."
NAME = Qt.ItemDataRole.UserRole
DETAILS = Qt.ItemDataRole.UserRole + 1
_FLAGS = Qt.ItemDataRole.UserRole - 1  # where a combo box keeps whether an item can be chosen
HERE, ELSEWHERE = "✓", "↓"
_MARK_COLOURS = {HERE: "#5fbf77", ELSEWHERE: "#9aa3b0"}
_GAP = 24


class ModelMenu(Choice):
    """A list of all published models, of files that the user brought, and of the way to bring one.

    An item's :data:`NAME` is the name of its model, or the path of its file; :data:`FROM_FILE` has an empty one.
    """

    longest = 16

    def __init__(self) -> None:
        super().__init__(tip=f"{HERE} is on this computer, {ELSEWHERE} is fetched from its authors after you said yes")
        self.setItemDelegate(_TwoColumns(self))
        for heading, entries in groups().items():
            self._add_heading(heading)
            for entry in entries:
                self.addItem(entry.title, entry.name)
                index = self.count() - 1
                self.setItemData(index, details(entry), DETAILS)
                self.setItemData(index, _tip(entry), Qt.ItemDataRole.ToolTipRole)
        self._add_heading("Yours")
        self.addItem(FROM_FILE, "")
        self.refresh()

    def refresh(self) -> None:
        """Look again which models are on this computer."""
        here = {entry.name: local_file(entry).is_file() for entries in groups().values() for entry in entries}
        for index in range(self.count()):
            name = self.itemData(index, NAME)
            if name in here:
                self._mark_item(index, here[name])

    def show_model(self, name: str) -> None:
        """Show a model, or a file by its path, as the chosen one."""
        index = self.findData(name, NAME)
        if index < 0:
            index = self.count() - 1
            self.insertItem(index, title_of(name), name)
            self._mark_item(index, True)
            self.setItemData(index, name, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(index)

    def showPopup(self) -> None:
        self.refresh()
        view = self.view()
        if view is not None:
            bar = view.verticalScrollBar()
            view.setMinimumWidth(view.sizeHintForColumn(0) + (bar.sizeHint().width() if bar is not None else 0) + 8)
        super().showPopup()

    def _add_heading(self, text: str) -> None:
        self.addItem(text)
        font = QFont(self.font())
        font.setBold(True)
        self.setItemData(self.count() - 1, font, Qt.ItemDataRole.FontRole)
        self.setItemData(self.count() - 1, 0, _FLAGS)

    def _mark_item(self, index: int, here: bool) -> None:
        self.setItemIcon(index, _mark(HERE if here else ELSEWHERE))
        where = "on this computer" if here else "to be fetched"
        self.setItemData(index, f"{self.itemText(index)}, {where}", Qt.ItemDataRole.AccessibleTextRole)


class _TwoColumns(QStyledItemDelegate):
    """An item's text on the left, its details dimmed on the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        size = super().sizeHint(option, index)
        text = index.data(DETAILS)
        more = option.fontMetrics.horizontalAdvance(text) + _GAP if text else 0
        return QSize(size.width() + more, max(size.height(), option.fontMetrics.height() + 6))

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        text = index.data(DETAILS)
        if painter is None or not text:
            return
        colour = QColor(option.palette.color(QPalette.ColorRole.Text))
        colour.setAlphaF(0.65)
        painter.save()
        painter.setPen(colour)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(option.rect.adjusted(0, 0, -6, 0), int(right), text)
        painter.restore()


def details(entry: ModelEntry) -> str:
    """Size and licence, as short as they go."""
    unknown = "licence " if entry.licence == "not stated" else ""
    return f"{megabytes(entry.size_bytes)}, {unknown}{entry.licence_label}"


def _tip(entry: ModelEntry) -> str:
    return f"<p>{entry.purpose}. {entry.trained_for}.</p><p>{entry.licence_words}</p>"


def _mark(sign: str) -> QIcon:
    picture = QPixmap(32, 32)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    font = QFont()
    font.setPixelSize(28)
    font.setBold(True)
    painter.setFont(font)
    painter.setPen(QColor(_MARK_COLOURS[sign]))
    painter.drawText(QRect(0, 0, 32, 32), int(Qt.AlignmentFlag.AlignCenter), sign)
    painter.end()
    return QIcon(picture)
