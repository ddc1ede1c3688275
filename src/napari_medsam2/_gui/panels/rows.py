"""A row of widgets that breaks into more lines where the dock is too narrow for it, as with a large font."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtWidgets import QLayout, QLayoutItem, QWidget

_GAP = 4


class Row(QLayout):
    """Widgets side by side, each at least as wide as it needs; as many to a line as there is room for.

    Parameters
    ----------
    widgets
        From left to right; hidden ones take no room.
    stretch
        How what is left of the width is shared; 1 for those that are not named, 0 for as wide as the text is.
    columns
        How many stand on a line at most; by default all.
    """

    def __init__(self, *widgets: QWidget, stretch: Sequence[int] = (), columns: int | None = None) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._stretch = {id(widget): share for widget, share in zip(widgets, stretch, strict=False)}
        self._columns = columns
        for widget in widgets:
            self.addWidget(widget)

    # ---- what Qt asks of a layout ------------------------------------------------------------------------------------

    def addItem(self, item: QLayoutItem | None) -> None:
        if item is not None:
            self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        heights = [max(item.sizeHint().height() for item in line) for line in self._lines(width)]
        return sum(heights) + _GAP * max(0, len(heights) - 1)

    def minimumSize(self) -> QSize:
        shown = self._shown()
        return QSize(
            max((item.minimumSize().width() for item in shown), default=0),
            max((item.minimumSize().height() for item in shown), default=0),
        )

    def sizeHint(self) -> QSize:
        columns = self._most(self._shown())
        width = max((_least(line) for line in _cut(self._shown(), columns)), default=0)
        return QSize(width, self.heightForWidth(width))

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        top = rect.top()
        for line in self._lines(rect.width()):
            height = max(item.sizeHint().height() for item in line)
            left = rect.left()
            for item, width in zip(line, self._widths(line, rect.width()), strict=True):
                item.setGeometry(QRect(left, top, width, height))
                left += width + _GAP
            top += height + _GAP

    # ---- how it is broken --------------------------------------------------------------------------------------------

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _most(self, shown: Sequence[QLayoutItem]) -> int:
        return max(1, min(len(shown), self._columns or len(shown)))

    def _lines(self, width: int) -> list[list[QLayoutItem]]:
        """Lines with as many items each as have room in all of them."""
        shown = self._shown()
        for columns in range(self._most(shown), 1, -1):
            lines = _cut(shown, columns)
            if all(_least(line) <= width for line in lines):
                return lines
        return _cut(shown, 1)

    def _widths(self, line: Sequence[QLayoutItem], width: int) -> list[int]:
        """Share the width: each item gets its part, but what it needs at least."""
        least = [item.minimumSize().width() for item in line]
        shares = [self._stretch.get(id(item.widget()), 1) for item in line]
        given = dict(enumerate(least))
        free = {i for i, share in enumerate(shares) if share} or set(given)
        left = width - _GAP * (len(line) - 1)
        while free:
            room = left - sum(given[i] for i in given if i not in free)
            total = sum(shares[i] or 1 for i in free)
            parts = {i: room * (shares[i] or 1) // total for i in free}
            tight = {i for i in free if parts[i] < least[i]}
            if not tight:
                given.update(parts)
                break
            free -= tight
        return [given[i] for i in range(len(line))]


def _cut(items: Sequence[QLayoutItem], columns: int) -> list[list[QLayoutItem]]:
    return [list(items[i : i + columns]) for i in range(0, len(items), columns)]


def _least(line: Sequence[QLayoutItem]) -> int:
    return sum(item.minimumSize().width() for item in line) + _GAP * (len(line) - 1)
