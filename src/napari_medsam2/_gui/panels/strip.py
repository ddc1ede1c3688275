"""The confidence strip: one column per frame, coloured by how sure the network is; a click goes to that frame."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from ..dock_state import Column

UNKNOWN = QColor("#4a4f58")
ABSENT = QColor("#2b2e34")
PROMPT = QColor("#ffffff")
HERE = QColor("#ffffff")
_MARK = 7


def colour_of(confidence: float) -> QColor:
    """Red for unsure over orange (0.5) and yellow to green for sure; ``confidence`` is 0..1."""
    sure = min(max(confidence, 0.0), 1.0)
    return QColor.fromHsvF(0.36 * sure**2, 0.78, 0.88)


def words_of(frame: int, column: Column) -> str:
    """Say in words what a column shows."""
    if column.confidence is None:
        return f"frame {frame}: not segmented yet"
    what = "prompt here" if column.prompted else "object not found" if column.absent else "segmented"
    return f"frame {frame}: {what}, confidence {column.confidence:.2f}"


class ConfidenceStrip(QWidget):
    """Shows the columns of one object and the frame in view."""

    frame_requested = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._columns: tuple[Column, ...] = ()
        self._frame = 0
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        return QSize(280, 34)

    def set_columns(self, columns: tuple[Column, ...], frame: int) -> None:
        """Show these; only what differs is painted again."""
        if len(columns) != len(self._columns):
            self.update()
        else:
            differs = [
                t
                for t, (new, old) in enumerate(zip(columns, self._columns, strict=True))
                if new is not old and new != old
            ]
            if frame != self._frame:
                differs += [frame, self._frame]
            if differs:
                left, right = (self._span(t) for t in (min(differs), max(differs)))
                self.update(left[0], 0, right[1] - left[0], self.height())
        self._columns, self._frame = columns, frame

    def _span(self, frame: int) -> tuple[int, int]:
        """Pixels from which to which something of a frame is painted: its column, the mark and the border around it."""
        width = self.width() / max(1, len(self._columns))
        return int(frame * width) - _MARK, int((frame + 1) * width) + _MARK

    def frame_at(self, x: float) -> int | None:
        """Return the frame under a horizontal position in pixels."""
        if not self._columns:
            return None
        return min(max(int(x * len(self._columns) / max(1, self.width())), 0), len(self._columns) - 1)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        if not self._columns:
            painter.fillRect(QRectF(0, _MARK, self.width(), self.height() - 2 * _MARK), ABSENT)
            painter.end()
            return
        width = self.width() / len(self._columns)
        gap = 1.0 if width > 4 else 0.0
        first, last = (self.frame_at(x) or 0 for x in self._painted(event))
        for t in range(first, last + 1):
            column = self._columns[t]
            box = QRectF(t * width, _MARK, max(1.0, width - gap), self.height() - 2 * _MARK)
            colour = UNKNOWN if column.confidence is None else colour_of(column.confidence)
            painter.fillRect(box, ABSENT if column.absent else colour)
            if column.absent and column.confidence is not None:
                painter.fillRect(QRectF(box.x(), box.bottom() - 3, box.width(), 3), colour.darker(150))
            if column.prompted:
                self._mark(painter, box.center().x(), 0.0, PROMPT)
        here = QRectF(self._frame * width - 1, _MARK - 1, max(3.0, width - gap) + 2, self.height() - 2 * _MARK + 2)
        painter.setPen(HERE)
        painter.drawRect(here.adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _painted(self, event: QPaintEvent | None) -> tuple[float, float]:
        """From where to where there is something to paint, with the marks of columns beside it."""
        if event is None:
            return 0, self.width()
        return event.rect().left() - _MARK, event.rect().right() + _MARK

    @staticmethod
    def _mark(painter: QPainter, x: float, y: float, colour: QColor) -> None:
        """Draw a small triangle that points down at a prompted frame."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawPolygon(QPolygonF([QPointF(x - 4, y), QPointF(x + 4, y), QPointF(x, y + _MARK - 1)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            self._ask(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        frame = self.frame_at(event.position().x())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._ask(event)
        elif frame is not None:
            QToolTip.showText(event.globalPosition().toPoint(), words_of(frame, self._columns[frame]), self)

    def leaveEvent(self, event: QEvent | None) -> None:
        QToolTip.hideText()

    def _ask(self, event: QMouseEvent) -> None:
        frame = self.frame_at(event.position().x())
        if frame is not None:
            self.frame_requested.emit(frame)
