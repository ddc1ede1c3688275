"""The table of objects: a row for each, to choose, name, colour, hide, remove, merge and split them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QPoint, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QApplication, QColorDialog, QHeaderView, QMenu, QTableView, QWidget

from ..dock_state import DockState, ObjectRow
from .object_model import COLOUR, NAME, SHOWN, ObjectModel
from .panel import Panel
from .pickers import button, row

#: So many rows are seen at once.
ROWS = 4
#: Keys that the table needs itself; all others belong to the viewer.
_KEYS = (
    *(Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End),
    *(Qt.Key.Key_F2, Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Space),
)


class ObjectView(QTableView):
    """The table itself. A click leaves the keyboard with the viewer, and so does a name once it is typed."""

    delete_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setIconSize(QSize(12, 12))
        self.setWordWrap(False)
        self.setAccessibleName("Objects")
        self.setTabKeyNavigation(False)
        self._typing_from: QWidget | None = None

    def sizeHint(self) -> QSize:
        header, rows = self.horizontalHeader(), self.verticalHeader()
        assert header is not None and rows is not None
        return QSize(280, header.sizeHint().height() + ROWS * rows.defaultSectionSize() + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_pressed.emit()
        elif event.key() in _KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def edit(self, *arguments: object) -> bool | None:  # type: ignore[override]
        focused = QApplication.focusWidget()
        started = super().edit(*arguments)  # type: ignore[call-overload]
        if started or len(arguments) == 1:
            self._typing_from = focused
        return started

    def closeEditor(self, editor: QWidget | None, hint: object) -> None:
        super().closeEditor(editor, hint)  # type: ignore[arg-type]
        before, self._typing_from = self._typing_from, None
        if before is not None and before is not self:
            before.setFocus()


class ObjectTable(Panel):
    """The objects of the image, the current one chosen, and what can be done with them."""

    object_requested = Signal(int)
    new_requested = Signal()
    name_requested = Signal(int, str)
    colour_requested = Signal(int, str)
    shown_requested = Signal(int, bool)
    delete_requested = Signal(object)
    merge_requested = Signal(object)
    #: The object, and whether on all frames rather than the one in view.
    split_requested = Signal(int, bool)

    def __init__(self) -> None:
        super().__init__()
        self.view = ObjectView()
        self.model = ObjectModel(self.view)
        self.view.setModel(self.model)
        self.new = button("", "Start another object")
        self.merge = button("Merge", "Make one object of those that are chosen (Ctrl or Shift and click)")
        self.split = button("Split", "Make an object of each separate part")
        self.delete = button("\N{MULTIPLICATION X}", "Remove the chosen objects; undo brings them back")
        self.delete.setAccessibleName("Remove")
        self._showing = self._can_split_here = self._can_split_all = False
        self._noun = "slice"
        self._lay_out()
        self.column.addWidget(self.view)
        self.column.addLayout(row(self.new, self.merge, self.split, self.delete, stretch=(3, 2, 2, 1)))
        self.model.name_requested.connect(self.name_requested)
        self.model.shown_requested.connect(self.shown_requested)
        self.view.clicked.connect(self._on_clicked)
        self.view.customContextMenuRequested.connect(self._on_menu)
        self.view.delete_pressed.connect(self._on_delete)
        selection = self.view.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(self._on_current)
        selection.selectionChanged.connect(self._enable)
        self.new.clicked.connect(self.new_requested)
        self.merge.clicked.connect(lambda: self.merge_requested.emit(self.chosen))
        self.split.clicked.connect(self._on_split)
        self.delete.clicked.connect(self._on_delete)
        self._bind()

    @property
    def chosen(self) -> list[int]:
        """Numbers of the objects whose rows are selected."""
        selection = self.view.selectionModel()
        places = [] if selection is None else [index.row() for index in selection.selectedRows()]
        return sorted(self.model.rows[place].number for place in places if place < len(self.model.rows))

    def _lay_out(self) -> None:
        header, rows = self.view.horizontalHeader(), self.view.verticalHeader()
        assert header is not None and rows is not None
        rows.hide()
        rows.setDefaultSectionSize(self.view.fontMetrics().height() + 6)
        header.setMinimumSectionSize(12)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        wide = self.view.fontMetrics().horizontalAdvance
        for column, width in ((SHOWN, 24), (COLOUR, 20)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.view.setColumnWidth(column, width)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column, widest in ((NAME + 1, "Prompts"), (NAME + 2, "25/25"), (NAME + 3, "Sure")):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.view.setColumnWidth(column, wide(widest) + 10)

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: bool(state.image), self.new.setEnabled)
        show(lambda state: state.noun, self.model.set_noun)
        show(lambda state: (len(state.columns), state.noun), self._make_room)
        show(lambda state: state.rows, self._show_rows)
        show(lambda state: (tuple(row.number for row in state.rows), state.current), self._show_current, of_hand=True)
        show(_what_can_be_done, self._take_state)

    def _make_room(self, shown: tuple[int, str]) -> None:
        """Have room for how many frames were looked at, and for what people call them."""
        frames, noun = shown
        wide = self.view.fontMetrics().horizontalAdvance
        self.view.setColumnWidth(NAME + 2, max(wide(f"{frames}/{frames}"), wide(f"{noun}s")) + 10)

    def _show_rows(self, rows: tuple[ObjectRow, ...]) -> None:
        self._showing = True  # where the current row goes, Qt takes another one
        self.model.set_rows(rows)
        self._showing = False

    def _show_current(self, shown: tuple[tuple[int, ...], int]) -> None:
        place, selection = self.model.place_of(shown[1]), self.view.selectionModel()
        if place is None or selection is None or (selection.currentIndex().row() == place and self.chosen):
            return
        flags = QItemSelectionModel.SelectionFlag
        self._showing = True
        selection.setCurrentIndex(self.model.index(place, NAME), flags.ClearAndSelect | flags.Rows)
        self._showing = False
        self.view.scrollTo(self.model.index(place, NAME))

    def _take_state(self, can: tuple[bool, bool, bool, str]) -> None:
        self._can_split_here, self._can_split_all, has_key, self._noun = can
        self.new.setText("New object (N)" if has_key else "New object")
        self._enable()

    def _enable(self, *_: object) -> None:
        count = len(self.chosen)
        self.merge.setEnabled(count > 1)
        self.delete.setEnabled(count > 0)
        self.split.setEnabled(count == 1 and (self._can_split_here or self._can_split_all))

    # ---- what the user does --------------------------------------------------------------------------------------

    def _on_current(self, index: QModelIndex, before: QModelIndex) -> None:
        if index.isValid() and not self._showing:  # else it is not the user who chooses
            self.object_requested.emit(self.model.rows[index.row()].number)

    def _on_clicked(self, index: QModelIndex) -> None:
        if index.column() == COLOUR:
            self._ask_colour(index.row())

    def _on_delete(self) -> None:
        if numbers := self.chosen:
            self.delete_requested.emit(numbers)

    def _on_split(self) -> None:
        """Split on the frame in view; where there is a choice, ask."""
        numbers, actions = self.chosen, self._ways_to_split()
        if len(numbers) != 1 or not actions:
            return
        if len(actions) == 1:
            self.split_requested.emit(numbers[0], actions[0][1])
            return
        menu = QMenu(self)
        for words, everywhere in actions:
            _add(menu, words, partial(self.split_requested.emit, numbers[0], everywhere))
        menu.popup(self.split.mapToGlobal(QPoint(0, self.split.height())))

    def _ways_to_split(self) -> list[tuple[str, bool]]:
        ways = [(f"Split on this {self._noun}", False)] if self._can_split_here else []
        return ways + ([(f"Split on all {self._noun}s", True)] if self._can_split_all else [])

    def _on_menu(self, at: QPoint) -> None:
        index, viewport = self.view.indexAt(at), self.view.viewport()
        numbers = self.chosen
        if not index.isValid() or not numbers or viewport is None:
            return
        place = index.row()
        known, menu = self.model.rows[place], QMenu(self)
        _add(menu, "Rename", lambda: self.view.edit(self.model.index(place, NAME)))
        _add(menu, "Colour...", lambda: self._ask_colour(place))
        _add(menu, "Hide" if known.shown else "Show", lambda: self.shown_requested.emit(known.number, not known.shown))
        if len(numbers) > 1:
            _add(menu, f"Merge {len(numbers)} objects", lambda: self.merge_requested.emit(numbers))
        else:
            for words, everywhere in self._ways_to_split():
                _add(menu, words, partial(self.split_requested.emit, numbers[0], everywhere))
        _add(menu, "Remove" if len(numbers) == 1 else f"Remove {len(numbers)} objects", self._on_delete)
        menu.popup(viewport.mapToGlobal(at))

    def _ask_colour(self, place: int) -> None:
        known = self.model.rows[place]
        dialog = QColorDialog(QColor(known.colour), self)
        dialog.setWindowTitle(f"Colour of {known.title}")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(lambda colour: self.colour_requested.emit(known.number, colour.name()))
        dialog.open()


def _add(menu: QMenu, words: str, do: Callable[[], object]) -> None:
    action = menu.addAction(words)
    if action is not None:
        action.triggered.connect(lambda: do())


def _what_can_be_done(state: DockState) -> tuple[bool, bool, bool, str]:
    """Whether the current object can be split on this frame, or on all; whether N begins an object; and the noun."""
    done = next((known.done for known in state.rows if known.number == state.current), 0)
    everywhere = state.mode == "stack" and done > 1
    return state.in_parts, everywhere, state.mode == "stack" or len(state.columns) < 2, state.noun
