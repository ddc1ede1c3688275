"""The scores of all frames at a glance: a bar for each frame; a click goes to that frame."""

from __future__ import annotations

import math

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from .shades import BAD
from .strip import colour_of

_TOP, _BOTTOM = 4, 4


class ScorePlot(QWidget):
    """Bars of one score of one object, and the frame in view."""

    frame_requested = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._values: tuple[float, ...] = ()
        self._words: tuple[str, ...] = ()
        self._highest, self._less_is_better, self._frame = 1.0, False, 0
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Score of each frame")

    def sizeHint(self) -> QSize:
        return QSize(280, 90)

    def set_values(
        self, values: tuple[float, ...], words: tuple[str, ...], highest: float, less_is_better: bool
    ) -> None:
        """Show these; a value that is not finite goes to the top, in the colour of what is bad."""
        self._values, self._words = values, words
        self._highest, self._less_is_better = max(highest, 1e-9), less_is_better
        self.update()

    def set_frame(self, frame: int) -> None:
        """Mark the frame in view."""
        if frame != self._frame:
            self._frame = frame
            self.update()

    def frame_at(self, x: float) -> int | None:
        """The frame under a horizontal position in pixels."""
        if not self._values:
            return None
        return min(max(int(x * len(self._values) / max(1, self.width())), 0), len(self._values) - 1)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlphaF(0.15)
        low, high = self.height() - _BOTTOM, _TOP
        painter.setPen(faint)
        for share in (0.0, 0.5, 1.0):
            y = low + share * (high - low)
            painter.drawLine(QPointF(0, y), QPointF(self.width(), y))
        width = self.width() / max(1, len(self._values))
        for t, value in enumerate(self._values):
            finite = math.isfinite(value)
            share = min(value / self._highest, 1.0) if finite else 1.0
            good = 1 - share if self._less_is_better else share
            box = QRectF(t * width, low - share * (low - high), max(1.0, width - (width > 4)), share * (low - high))
            painter.fillRect(box, colour_of(good) if finite else QColor(BAD))
        if self._values:
            painter.setPen(text)
            here = QRectF(self._frame * width, high - 2, max(2.0, width - 1), low - high + 3)
            painter.drawRect(here)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and (frame := self.frame_at(event.position().x())) is not None:
            self.frame_requested.emit(frame)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and (frame := self.frame_at(event.position().x())) is not None:
            QToolTip.showText(event.globalPosition().toPoint(), self._words[frame], self)

    def leaveEvent(self, event: QEvent | None) -> None:
        QToolTip.hideText()
