"""A thin row for each object below the confidence strip: in its colour, the higher the surer; a click goes there."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QWheelEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from ..dock_state import Column, ObjectRow
from .strip import words_of

#: So many objects have a row at once; the wheel scrolls to others.
MOST_ROWS = 8
_ROW, _GAP = 9, 2
#: How opaque the colour of an object is where nothing was found of it.
_FAINT = 0.2
#: Part of the height of a row that a frame has at least.
_LEAST = 0.25


class ObjectStrips(QWidget):
    """Shows the columns of all objects, where there are several."""

    #: Go to a frame and an object.
    place_requested = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[ObjectRow, ...] = ()
        self._current = self._frame = self._first = 0
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Confidence of each object on each frame")
        self.hide()

    def sizeHint(self) -> QSize:
        words = self.fontMetrics().height() if len(self._rows) > MOST_ROWS else 0
        return QSize(280, min(len(self._rows), MOST_ROWS) * (_ROW + _GAP) + words)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.sizeHint().height())

    @property
    def words(self) -> str:
        """Which of the objects have a row now; empty if all have."""
        if len(self._rows) <= MOST_ROWS:
            return ""
        return f"{self._first + 1} to {self._first + MOST_ROWS} of {len(self._rows)} objects, scroll for others"

    def set_rows(self, rows: tuple[ObjectRow, ...], current: int, frame: int) -> None:
        """Show these objects, one of which is the current one; only what differs is painted again."""
        before, same_size = self._rows, len(rows) == len(self._rows)
        is_other = (current, frame) != (self._current, self._frame)
        self._rows, self._frame = rows, frame
        if current != self._current or not same_size:
            self._current = current
            self._show_row(next((place for place, row in enumerate(rows) if row.number == current), 0))
        if not same_size:
            self.setVisible(len(rows) > 1)
            self.updateGeometry()
        if is_other or not same_size:
            self.update()
            return
        for place in self._places():
            if rows[place] is not before[place] and rows[place] != before[place]:
                self.update(self._differing(place, before[place].columns, rows[place].columns))

    def place_at(self, x: float, y: float) -> tuple[int, int] | None:
        """The frame and the place of the object under the mouse."""
        place = self._first + int(y // (_ROW + _GAP))
        if place not in self._places() or not self._rows[place].columns:
            return None
        n = len(self._rows[place].columns)
        return min(max(int(x * n / max(1, self.width())), 0), n - 1), place

    def _places(self) -> range:
        """Of the rows that are shown."""
        return range(self._first, min(self._first + MOST_ROWS, len(self._rows)))

    def _show_row(self, place: int) -> None:
        """Scroll as little as is needed to show a row."""
        last = max(0, len(self._rows) - MOST_ROWS)
        self._first = min(max(min(self._first, place), place - MOST_ROWS + 1), last)

    def _top(self, place: int) -> int:
        return (place - self._first) * (_ROW + _GAP)

    def _differing(self, place: int, before: tuple[Column, ...], now: tuple[Column, ...]) -> QRect:
        """The part of a row in which columns differ."""
        frames = [t for t, (old, new) in enumerate(zip(before, now, strict=False)) if old != new]
        if not frames or len(before) != len(now):
            return QRect(0, self._top(place), self.width(), _ROW)
        width = self.width() / len(now)
        left = int(frames[0] * width) - 2
        return QRect(left, self._top(place), int((frames[-1] + 1) * width) + 2 - left, _ROW)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        painted = self.rect() if event is None else event.rect()
        for place in self._places():
            whole = QRect(0, self._top(place), self.width(), _ROW)
            if whole.intersects(painted):
                self._paint_row(painter, place, whole, painted, text)
        if self.words:
            painter.setPen(text)
            below = self.rect().adjusted(0, MOST_ROWS * (_ROW + _GAP), 0, 0)
            painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), self.words)
        painter.end()

    def _paint_row(self, painter: QPainter, place: int, whole: QRect, painted: QRect, text: QColor) -> None:
        row = self._rows[place]
        colour, faint = QColor(row.colour), QColor(row.colour)
        faint.setAlphaF(_FAINT)
        painter.fillRect(whole, faint)
        n = max(1, len(row.columns))
        width = self.width() / n
        first, last = max(0, int(painted.left() / width) - 1), min(n, int(painted.right() / width) + 2)
        for t, column in enumerate(row.columns[first:last], first):
            box = QRectF(t * width, whole.top(), max(1.0, width), _ROW)
            if column.confidence is not None:
                sure = 0.0 if column.absent else _LEAST + (1 - _LEAST) * column.confidence
                high = max(1.0, _ROW * sure)
                painter.fillRect(QRectF(box.x(), box.bottom() - high, box.width(), high), colour)
            if column.prompted:
                painter.fillRect(QRectF(box.center().x() - 1.5, whole.top(), 3, 3), text)
        painter.setPen(text)
        here = int((self._frame + 0.5) * width)
        painter.drawLine(here, whole.top(), here, whole.bottom())
        if row.number == self._current:
            painter.drawRect(whole.adjusted(0, 0, -1, -1))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and (at := self.place_at(event.position().x(), event.position().y())) is not None:
            self.place_requested.emit(at[0], self._rows[at[1]].number)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and (at := self.place_at(event.position().x(), event.position().y())) is not None:
            row = self._rows[at[1]]
            words = f"{row.title}, {words_of(at[0], row.columns[at[0]])}"
            QToolTip.showText(event.globalPosition().toPoint(), f"<qt>{escape(words)}</qt>", self)

    def leaveEvent(self, event: QEvent | None) -> None:
        QToolTip.hideText()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is None or len(self._rows) <= MOST_ROWS:
            return
        step = -1 if event.angleDelta().y() > 0 else 1
        self._first = min(max(self._first + step, 0), len(self._rows) - MOST_ROWS)
        self.update()
        event.accept()
