"""The steps of the dock: parts under a heading that fold away, and say in one line what they hold meanwhile."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPointF, QSize, Qt, Signal
from qtpy.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent, QPalette, QPolygonF
from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from .shades import play

_GAP = 6


class Heading(QPushButton):
    """A line that opens and folds what is below it: an arrow, a title, and a summary that is cut where room ends.

    Parameters
    ----------
    title
        In bold; may be empty.
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._summary = ""
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        play(self, "step" if title else "fold")
        self._name()

    @property
    def summary(self) -> str:
        """What is said beside the title."""
        return self._summary

    def show_summary(self, words: str) -> None:
        """Say this beside the title; all of it is in the tooltip."""
        self._summary = words
        self.setToolTip(words)
        self._name()
        self.update()

    def _name(self) -> None:
        self.setAccessibleName(": ".join(filter(None, (self._title, self._summary))))

    def sizeHint(self) -> QSize:
        bold = self._bold().horizontalAdvance(self._title) if self._title else 0
        return QSize(bold + self._arrow() + 6 * _GAP, self.fontMetrics().height() + 9)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()

    def _arrow(self) -> int:
        return self.fontMetrics().ascent() * 2 // 3

    def _font(self) -> QFont:
        font = QFont(self.font())
        font.setBold(True)
        return font

    def _bold(self) -> QFontMetrics:
        return QFontMetrics(self._font())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)  # the background and the border of napari's buttons; there is no text
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.ButtonText))
        size = self._arrow()
        self._draw_arrow(painter, QPointF(_GAP + size / 2, self.height() / 2), size / 2)
        inside = self.rect().adjusted(2 * _GAP + size, 0, -_GAP, 0)
        middle_left = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        if self._title:
            painter.setFont(self._font())
            painter.drawText(inside, middle_left, self._title)
            inside.adjust(self._bold().horizontalAdvance(self._title + "  "), 0, 0, 0)
            painter.setFont(self.font())
            painter.setOpacity(0.8)
        metrics = self.fontMetrics()
        painter.drawText(
            inside, middle_left, metrics.elidedText(self._summary, Qt.TextElideMode.ElideRight, inside.width())
        )
        painter.end()

    def _draw_arrow(self, painter: QPainter, centre: QPointF, half: float) -> None:
        """Draw a triangle that points down while it is open, and to the right while it is folded."""
        corners = [(-half, -half / 2), (half, -half / 2), (0, half / 2)]
        if not self.isChecked():
            corners = [(y, x) for x, y in corners]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(painter.pen().color())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawPolygon(QPolygonF([centre + QPointF(x, y) for x, y in corners]))
        painter.restore()


class Step(QWidget):
    """A heading, and parts that are shown while it is open.

    Parameters
    ----------
    title
        Of the heading; without one it is the summary alone.
    parts
        What is folded, from top to bottom.
    is_open
        Whether it is open at first.
    """

    #: The user opened it (true) or folded it.
    toggled = Signal(bool)

    def __init__(self, title: str, *parts: QWidget, is_open: bool) -> None:
        super().__init__()
        self.heading = Heading(title)
        self._inside = QWidget()
        inside = QVBoxLayout(self._inside)
        inside.setContentsMargins(2, 3, 2, 4)
        inside.setSpacing(4)
        for part in parts:
            inside.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.heading)
        column.addWidget(self._inside)
        self.heading.clicked.connect(self._on_clicked)
        self._by_hand = False
        self._show(is_open)

    @property
    def is_open(self) -> bool:
        """Whether its parts are shown."""
        return self.heading.isChecked()

    def suggest(self, is_open: bool) -> None:
        """Open or fold it, unless the user has done either: then it stays as that left it."""
        if not self._by_hand:
            self._show(is_open)

    def _show(self, is_open: bool) -> None:
        self.heading.setChecked(is_open)
        self._inside.setVisible(is_open)

    def _on_clicked(self, is_open: bool) -> None:
        self._by_hand = True
        self._show(is_open)
        self.toggled.emit(is_open)
