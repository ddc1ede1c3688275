"""What the model sees: the network's input of the frame in view, with the prompts on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from qtpy.QtWidgets import QBoxLayout, QSizePolicy, QVBoxLayout, QWidget
from scipy.ndimage import binary_dilation

from ...session.model_view import ModelView
from ..bank_words import view_words
from ..layers.colours import NEGATIVE, POSITIVE
from .panel import Panel
from .pickers import Choice, button, line, row

_COLOURS = ("Red", "Green", "Blue")


class InputPicture(QWidget):
    """The input as large as there is room, square, its prompts and the outline of the object on it."""

    def __init__(self) -> None:
        super().__init__()
        self._view: ModelView | None = None
        self._image: QImage | None = None
        self._colour = QColor("white")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Input of the model")

    def sizeHint(self) -> QSize:
        return QSize(256, 140)

    def minimumSizeHint(self) -> QSize:
        return QSize(96, 96)

    def set_view(self, view: ModelView | None, colour: str) -> None:
        """Show this input; ``None`` for none."""
        self._view, self._colour, self._image = view, QColor(colour), None
        if view is not None:
            pixels = view.image.copy()
            if view.outline is not None:
                pixels[binary_dilation(view.outline)] = self._colour.getRgb()[:3]
            pixels = np.ascontiguousarray(pixels)
            side = pixels.shape[0]
            self._image = QImage(pixels.tobytes(), side, side, 3 * side, QImage.Format.Format_RGB888).copy()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        view, image = self._view, self._image
        if view is None or image is None:
            return
        painter = QPainter(self)
        side = min(self.width(), self.height())
        place = QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(place, image)
        scale = side / image.width()

        def at(y: float, x: float) -> QPointF:
            return QPointF(place.left() + (x + 0.5) * scale, place.top() + (y + 0.5) * scale)

        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(POSITIVE), 2))
        for y0, x0, y1, x1 in view.boxes:
            painter.drawRect(QRectF(at(y0, x0), at(y1, x1)))
        for y, x, positive in view.clicks:
            painter.setPen(QPen(QColor(POSITIVE if positive else NEGATIVE), 2))
            painter.drawEllipse(at(y, x), 4, 4)
        painter.end()


class ViewPanel(Panel):
    """The input of the frame in view, and which channels it is made of."""

    channels_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.picture = InputPicture()
        self.words = line()
        self.channels = [Choice("", tip=f"What is shown to the model in {name.lower()}") for name in _COLOURS]
        for choice, name in zip(self.channels, _COLOURS, strict=True):
            choice.setAccessibleName(name)
        self.make = button("Show as colours", "Make a colour image of these channels, and segment that")
        self.side = QWidget()
        controls = QVBoxLayout(self.side)
        controls.setContentsMargins(0, 0, 0, 0)
        controls.addWidget(self.words)
        controls.addLayout(row(*self.channels, self.make))
        controls.addStretch(1)
        self.body = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self.body.addWidget(self.picture, 1)
        self.body.addWidget(self.side, 1)
        self.column.addLayout(self.body, 1)
        self.make.clicked.connect(lambda: self.channels_requested.emit([c.currentIndex() - 1 for c in self.channels]))
        self.set_channels(())
        self._bind()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Have the words beside the picture where the panel is wide, else below it."""
        super().resizeEvent(event)
        way = QBoxLayout.Direction.LeftToRight if self.width() > self.height() else QBoxLayout.Direction.TopToBottom
        if self.body.direction() != way:
            self.body.setDirection(way)

    def set_channels(self, names: tuple[str, ...]) -> None:
        """Offer these channels, for each colour; what was chosen stays where it is still there."""
        for place, (choice, colour) in enumerate(zip(self.channels, _COLOURS, strict=True)):
            before = choice.currentText() if choice.count() > 2 else ""  # else nobody could choose
            choice.clear()
            choice.addItems([f"{colour}: none", *(f"{colour}: {name}" for name in names)])
            known = choice.findText(before)
            choice.setCurrentIndex(known if known >= 0 else (place + 1 if place < len(names) else 0))
        for part in (*self.channels, self.make):
            part.setVisible(len(names) > 1)

    def _bind(self) -> None:
        show: Any = self.bindings.add
        show(lambda state: (state.view, state.colour), lambda shown: self.picture.set_view(*shown))
        show(view_words, self.words.setText)
