"""The confidence strip: a column for each frame, the higher the surer the network is; a click goes to that frame."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from ..dock_state import Column

#: From unsure over even to sure: vermilion, yellow and bluish green, as in :mod:`.shades`.
_RAMP = (QColor("#d55e00"), QColor("#f0e442"), QColor("#009e73"))
#: So opaque are text colours where they say that there is nothing: behind columns, and where nothing is known yet.
_FAINT, _UNKNOWN = 0.08, 0.3
_MARK = 7
#: Part of the height that a column has at least.
_LEAST = 0.15


def colour_of(confidence: float) -> QColor:
    """From unsure to sure; ``confidence`` is 0..1. The height of a column says the same."""
    sure = 2 * min(max(confidence, 0.0), 1.0)
    low, high = (_RAMP[0], _RAMP[1]) if sure < 1 else (_RAMP[1], _RAMP[2])
    share = sure % 1 if sure < 2 else 1.0
    parts = zip(low.getRgbF()[:3], high.getRgbF()[:3], strict=True)
    return QColor.fromRgbF(*((1 - share) * a + share * b for a, b in parts))


def words_of(frame: int, column: Column) -> str:
    """Say in words what a column shows."""
    if column.confidence is None:
        return f"frame {frame}: not segmented yet"
    if column.accepted:
        what = "accepted"
    else:
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
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Confidence of each frame")

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
        text = self.palette().color(QPalette.ColorRole.WindowText)
        if not self._columns:
            painter.fillRect(QRectF(0, _MARK, self.width(), self.height() - 2 * _MARK), _faint(text, _FAINT))
            painter.end()
            return
        width = self.width() / len(self._columns)
        gap = 1.0 if width > 4 else 0.0
        first, last = (self.frame_at(x) or 0 for x in self._painted(event))
        for t in range(first, last + 1):
            column = self._columns[t]
            box = QRectF(t * width, _MARK, max(1.0, width - gap), self.height() - 2 * _MARK)
            self._paint_column(painter, box, column, text)
            if column.accepted:
                self._tick(painter, box.center().x(), text)
            elif column.prompted:
                self._mark(painter, box.center().x(), 0.0, text)
        here = QRectF(self._frame * width - 1, _MARK - 1, max(3.0, width - gap) + 2, self.height() - 2 * _MARK + 2)
        painter.setPen(text)
        painter.drawRect(here.adjusted(0.5, 0.5, -0.5, -0.5))
        if self.hasFocus():
            painter.setPen(self.palette().color(QPalette.ColorRole.Highlight))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    @staticmethod
    def _paint_column(painter: QPainter, box: QRectF, column: Column, text: QColor) -> None:
        """Paint how sure it is as a height and a colour; a foot alone where the object is not there."""
        if column.confidence is None:
            painter.fillRect(box, _faint(text, _UNKNOWN))
            return
        painter.fillRect(box, _faint(text, _FAINT))
        height = (
            3.0 if column.absent else box.height() * (_LEAST + (1 - _LEAST) * min(max(column.confidence, 0.0), 1.0))
        )
        painter.fillRect(QRectF(box.x(), box.bottom() - height, box.width(), height), colour_of(column.confidence))

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

    @staticmethod
    def _tick(painter: QPainter, x: float, colour: QColor) -> None:
        """Draw a small tick over an accepted frame."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour, 1.5))
        painter.drawPolyline(QPolygonF([QPointF(x - 3, 3), QPointF(x - 1, 5.5), QPointF(x + 3, 0.5)]))
        painter.restore()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        last = len(self._columns) - 1
        keys = Qt.Key
        ways = {keys.Key_Left: self._frame - 1, keys.Key_Right: self._frame + 1, keys.Key_Home: 0, keys.Key_End: last}
        frame = ways.get(keys(event.key()))
        if frame is None or last < 0:
            event.ignore()
        else:
            self.frame_requested.emit(min(max(frame, 0), last))

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


def _faint(colour: QColor, opacity: float) -> QColor:
    found = QColor(colour)
    found.setAlphaF(opacity)
    return found
