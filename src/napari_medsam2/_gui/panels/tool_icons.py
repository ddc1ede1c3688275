"""Pictures on the buttons of the prompt tools, drawn in the colour of their text."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPainterPath, QPalette, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QPushButton

#: Pictures are thought of as 16 by 16, and drawn larger, for screens with many pixels.
_SIZE, _LARGER = 16, 4
_BLOB_END = ((6.0, 11.5), (3.0, 14.0), (2.5, 9.0))
_POLYGON = ((3.0, 12.5), (2.5, 4.5), (8.5, 2.5), (13.5, 6.5), (11.0, 13.0))


def tool_icon(tool: str, colour: QColor) -> QIcon:
    """The picture of a prompt tool."""
    pixmap = QPixmap(_SIZE * _LARGER, _SIZE * _LARGER)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(_LARGER, _LARGER)
    painter.setPen(QPen(colour, 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    if tool == "point":
        _dots(painter, colour, [(8, 8)], 3.2)
    elif tool == "box":
        painter.drawRect(QRectF(2.5, 3.5, 11, 9))
    elif tool == "scribble":
        painter.drawPath(_curve((2, 11), (4, 1), (8, 15), (9, 7), (10, 1), (12, 9), (14, 5)))
    elif tool == "lasso":
        painter.drawPath(_curve((6, 11), (-2, 9), (2, 2), (8.5, 2), (16, 2), (15.5, 11.5), (7.5, 11)))
        painter.drawPath(_curve((7.5, 11), (4, 11), (5, 15), (9, 14.5)))
    elif tool == "polygon":
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in _POLYGON]))
        _dots(painter, colour, _POLYGON, 1.6)
    else:
        painter.setBrush(colour)
        painter.drawPath(_curve((2.5, 9), (2.5, 2), (8, 3), (11, 3), (16, 3), (14, 13), (9, 12), *_BLOB_END))
    painter.end()
    return QIcon(pixmap)


def show_icons(buttons: dict[str, QPushButton]) -> None:
    """Give each button the picture of its tool, in the colour that its text has now."""
    for tool, button in buttons.items():
        # that of a button that can be pressed: Qt pales the picture of one that cannot
        colour = button.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText)
        button.setIcon(tool_icon(tool, colour))


def _curve(start: tuple[float, float], *points: tuple[float, float]) -> QPainterPath:
    """A curve by its start and, for each piece, two points that pull it and its end."""
    path = QPainterPath(QPointF(*start))
    for first, second, end in zip(points[::3], points[1::3], points[2::3], strict=True):
        path.cubicTo(QPointF(*first), QPointF(*second), QPointF(*end))
    return path


def _dots(painter: QPainter, colour: QColor, places: Sequence[tuple[float, float]], radius: float) -> None:
    painter.save()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    for x, y in places:
        painter.drawEllipse(QPointF(x, y), radius, radius)
    painter.restore()
