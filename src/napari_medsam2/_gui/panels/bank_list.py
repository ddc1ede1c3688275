"""The memories as small pictures, each with its frame, how sure the network was, and how much it counts in view."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPalette, QPen, QPixmap
from qtpy.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem
from scipy.ndimage import binary_dilation

from ...geometry.thumbnail import Thumbnail
from ..bank_state import BankRow, BankState
from ..bank_words import row_title, row_words
from .shades import ACCENT, CARE

#: Side of a picture, in pixels of the window.
_SIDE = 76
_BAR = 5
_ROW = Qt.ItemDataRole.UserRole + 1


def picture_of(thumbnail: Thumbnail, colour: QColor) -> QPixmap:
    """The frame with the outline of the object in its colour."""
    pixels = thumbnail.image.copy()
    pixels[binary_dilation(thumbnail.outline)] = colour.getRgb()[:3]
    height, width = pixels.shape[:2]
    pixels = np.ascontiguousarray(pixels)
    image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy())


class BankModel(QAbstractListModel):
    """Memories in the order in which they came; only what differs is told."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._state = BankState()
        self._pictures: dict[int, tuple[Thumbnail, str, QPixmap]] = {}

    def set_state(self, state: BankState) -> None:
        """Show these."""
        before, self._state = self._state, state
        if [row.frame for row in before.rows] != [row.frame for row in state.rows]:
            self.beginResetModel()
            self.endResetModel()
            return
        for place, (old, new) in enumerate(zip(before.rows, state.rows, strict=True)):
            if old != new or before.colour != state.colour or before.frame != state.frame:
                index = self.index(place)
                self.dataChanged.emit(index, index)

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._state.rows)

    def row(self, index: QModelIndex) -> BankRow | None:
        """The memory at a place."""
        return self._state.rows[index.row()] if 0 <= index.row() < len(self._state.rows) else None

    def place_of(self, frame: int | None) -> int:
        """The place of the memory of a frame; -1 if it has none."""
        return next((place for place, row in enumerate(self._state.rows) if row.frame == frame), -1)

    def picture(self, row: BankRow) -> QPixmap | None:
        """The picture of a memory, made once."""
        if row.picture is None:
            return None
        known = self._pictures.get(row.frame)
        if known is None or known[0] is not row.picture or known[1] != self._state.colour:
            made = picture_of(row.picture, QColor(self._state.colour))
            known = self._pictures[row.frame] = row.picture, self._state.colour, made
        return known[2]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row(index)
        if row is None:
            return None
        if role == _ROW:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row_title(row)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return row_words(row, self._state)
        return None


class _Painter(QStyledItemDelegate):
    """Paints one memory."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(_SIDE + 12, _SIDE + 2 * option.fontMetrics.height() + _BAR + 12)

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        row, model = index.data(_ROW), index.model()
        if row is None or painter is None or not isinstance(model, BankModel):
            return
        painter.save()
        area, palette = option.rect.adjusted(3, 3, -3, -3), option.palette
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, palette.color(QPalette.ColorRole.Highlight))
        box = QRect(area.left() + (area.width() - _SIDE) // 2, area.top(), _SIDE, _SIDE)
        picture = model.picture(row)
        text = palette.color(QPalette.ColorRole.Text)
        faint = QColor(text)
        faint.setAlphaF(0.15)
        if picture is None:
            painter.fillRect(box, faint)
        else:
            shown = picture.scaled(box.size(), Qt.AspectRatioMode.KeepAspectRatio, _SMOOTH)
            painter.drawPixmap(box.center() - shown.rect().center(), shown)
        if row.pinned:
            painter.setPen(QPen(QColor(CARE), 2, Qt.PenStyle.DashLine if row.held else Qt.PenStyle.SolidLine))
            painter.drawRect(box.adjusted(1, 1, -1, -1))
        bar = QRect(box.left(), box.bottom() + 3, _SIDE, _BAR)
        painter.fillRect(bar, faint)
        if row.share is not None:
            painter.fillRect(QRect(bar.left(), bar.top(), max(1, round(_SIDE * row.share)), _BAR), QColor(ACCENT))
        painter.setPen(text)
        words = QRect(area.left(), bar.bottom() + 2, area.width(), option.fontMetrics.height())
        share = "" if row.share is None else f"{row.share:.0%}"
        room = area.width() - option.fontMetrics.horizontalAdvance(f" {share}")
        title = option.fontMetrics.elidedText(row_title(row), Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft, title)
        painter.drawText(words, Qt.AlignmentFlag.AlignRight, share)
        text.setAlphaF(0.7)
        painter.setPen(text)
        painter.drawText(words.translated(0, words.height()), Qt.AlignmentFlag.AlignLeft, f"sure {row.confidence:.2f}")
        painter.restore()


_SMOOTH = Qt.TransformationMode.SmoothTransformation


class BankList(QListView):
    """Shows memories; a click selects one and goes to its frame."""

    frame_selected = Signal(object)
    frame_requested = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.memories = BankModel(self)
        self.setModel(self.memories)
        self.setItemDelegate(_Painter(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSpacing(0)
        self.setMinimumHeight(_SIDE + 2 * self.fontMetrics().height() + _BAR + 16)  # a row of them, whole
        self.setAccessibleName("Memories")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(self._on_clicked)
        selection = self.selectionModel()
        if selection is not None:
            selection.currentChanged.connect(self._on_current)

    def sizeHint(self) -> QSize:
        return QSize(400, _SIDE + 3 * self.fontMetrics().height())  # a row of them

    def set_state(self, state: BankState) -> None:
        """Show these memories."""
        self.memories.set_state(state)
        place = self.memories.place_of(state.selected)
        if self.currentIndex().row() != place:
            self.setCurrentIndex(self.memories.index(place))

    def _on_clicked(self, index: QModelIndex) -> None:
        row = self.memories.row(index)
        if row is not None:
            self.frame_selected.emit(row.frame)
            if row.frame >= 0:
                self.frame_requested.emit(row.frame)

    def _on_current(self, now: QModelIndex, before: QModelIndex) -> None:
        row = self.memories.row(now)
        if row is not None:
            self.frame_selected.emit(row.frame)
