"""The table of objects and their rows in the strip: only what differs is told, and hundreds of objects stay fluid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtCore import QEvent, QModelIndex, QPoint, QPointF, QSize, Qt
from qtpy.QtGui import QIcon, QKeyEvent, QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QLineEdit, QMenu, QToolTip

from napari_medsam2._gui.dock_state import Column, DockState, ObjectRow
from napari_medsam2._gui.panels.object_model import COLOUR, DONE, NAME, SURE, ObjectModel
from napari_medsam2._gui.panels.object_strips import MOST_ROWS, ObjectStrips
from napari_medsam2._gui.panels.object_table import ObjectTable


def row(number: int, **values) -> ObjectRow:
    usual = ObjectRow(number, "", "#3fa7ff", 1, 2, 0.75, True, (Column(0.9, prompted=True), Column(0.6), Column()))
    return replace(usual, **values)


@pytest.fixture
def model(qtbot):
    table = ObjectTable()
    qtbot.addWidget(table)
    yield table.model
    table.deleteLater()


@pytest.fixture
def table(qtbot):
    table = ObjectTable()
    qtbot.addWidget(table)
    table.bindings.apply(DockState(rows=(row(1), row(2), row(3)), current=2, columns=(Column(),) * 3))
    return table


def told_by(model: ObjectModel) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: told.append((first.row(), first.column())))
    return told


def test_a_row_says_what_is_known_of_an_object(model):
    model.set_rows((row(1), row(2, name="cell", confidence=None)))
    texts = [[model.data(model.index(place, column)) for column in range(SURE + 1)] for place in (0, 1)]
    assert texts == [[None, None, "Object 1", "1", "2/3", "0.75"], [None, None, "cell", "1", "2/3", ""]]
    patch = model.data(model.index(0, COLOUR), Qt.ItemDataRole.DecorationRole)
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):  # a chosen row does not change the colour
        assert patch.pixmap(QSize(12, 12), mode).toImage().pixelColor(6, 6).name() == "#3fa7ff"
    model.set_noun("image")
    assert model.headerData(DONE, Qt.Orientation.Horizontal) == "Images"


def test_of_three_hundred_objects_only_the_cells_that_differ_are_told(model):
    rows = tuple(row(number) for number in range(1, 301))
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    model.set_rows(rows)
    assert resets == [1]
    told = told_by(model)
    model.set_rows((*rows[:6], replace(rows[6], done=3, confidence=0.5), *rows[7:]))
    assert told == [(6, DONE), (6, SURE)] and resets == [1]


def test_objects_that_come_and_go_leave_the_others_where_they_are(model):
    model.set_rows((row(1), row(3)))
    kept = model.index(1, NAME)
    moved: list[tuple[str, int]] = []
    model.rowsInserted.connect(lambda parent, first, last: moved.append(("in", first)))
    model.rowsRemoved.connect(lambda parent, first, last: moved.append(("out", first)))
    model.set_rows((row(2), row(3), row(4)))
    assert moved == [("out", 0), ("in", 0), ("in", 2)] and kept.isValid()
    assert [known.number for known in model.rows] == [2, 3, 4] and model.place_of(3) == 1


def test_the_current_object_is_chosen_without_a_request_and_a_choice_is_one(table):
    asked: list[int] = []
    table.object_requested.connect(asked.append)
    assert table.chosen == [2]
    table.bindings.apply(DockState(rows=(row(1), row(2), row(3)), current=3))
    assert table.chosen == [3] and asked == []
    table.view.selectRow(0)
    assert asked == [1]
    table.bindings.apply(DockState(rows=(row(2), row(3)), current=3))
    assert asked == [1], "what goes is no choice of the user's"


def test_a_name_that_is_being_typed_stays_while_a_run_goes_on(table):
    index = table.model.index(1, NAME)
    table.view.edit(index)
    editor = table.view.findChild(QLineEdit)
    editor.setText("half a na")
    table.model.set_rows((row(1, done=3), row(2, done=3), row(3)))
    assert editor.text() == "half a na"
    named: list[tuple[int, str]] = []
    table.name_requested.connect(lambda number, name: named.append((number, name)))
    table.view.commitData(editor)
    assert named == [(2, "half a na")]


def test_keys_of_the_viewer_are_left_to_it_and_delete_removes(table):
    def press(key):
        event = QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier, "x")
        event.accept()
        table.view.keyPressEvent(event)
        return event.isAccepted()

    removed: list[list[int]] = []
    table.delete_requested.connect(removed.append)
    assert not press(Qt.Key.Key_N) and not press(Qt.Key.Key_C)
    press(Qt.Key.Key_Delete)
    assert removed == [[2]]


def test_merging_is_offered_for_several_and_splitting_where_there_are_parts(table):
    assert not table.merge.isEnabled() and table.delete.isEnabled()
    table.bindings.apply(DockState(rows=(row(1, done=1), row(2, done=1), row(3, done=1)), current=2))
    assert not table.split.isEnabled(), "in one piece, on one slice"
    merged: list[list[int]] = []
    table.merge_requested.connect(merged.append)
    table.view.selectAll()
    assert table.merge.isEnabled()
    table.merge.click()
    assert merged == [[1, 2, 3]]
    split: list[tuple[int, bool]] = []
    table.split_requested.connect(lambda number, everywhere: split.append((number, everywhere)))
    flow = DockState(rows=(row(1), row(2)), current=2, mode="flow", in_parts=True, columns=(Column(),) * 3)
    table.bindings.apply(flow)
    table.view.selectRow(1)
    table.split.click()
    assert split == [(2, False)]
    table.bindings.apply(replace(flow, mode="stack"))
    table.split.click()
    menu = table.findChild(QMenu)
    assert [action.text() for action in menu.actions()] == ["Split on this slice", "Split on all slices"]
    menu.actions()[1].trigger()
    menu.close()
    assert split[-1] == (2, True)


def test_the_menu_of_a_row_has_what_can_be_done_with_it(table):
    hidden: list[tuple[int, bool]] = []
    table.shown_requested.connect(lambda number, shown: hidden.append((number, shown)))
    table.view.customContextMenuRequested.emit(table.view.visualRect(table.model.index(1, NAME)).center())
    menu = table.findChild(QMenu)
    texts = [action.text() for action in menu.actions()]
    assert texts == ["Rename", "Colour...", "Hide", "Split on all slices", "Remove"]
    menu.actions()[2].trigger()
    menu.close()
    assert hidden == [(2, False)]
    table.view.customContextMenuRequested.emit(QPoint(5, 5000))
    assert table.model.rowCount(QModelIndex()) == 3


# ---- the rows under the strip ----------------------------------------------------------------------------------------


@pytest.fixture
def strips(qtbot):
    strips = ObjectStrips()
    qtbot.addWidget(strips)
    strips.resize(300, 120)
    return strips


def mouse(strips, kind, x, y):
    at, left = QPointF(x, y), Qt.MouseButton.LeftButton
    return QMouseEvent(kind, at, strips.mapToGlobal(at), left, left, Qt.KeyboardModifier.NoModifier)


def test_one_object_needs_no_row_and_of_many_some_are_shown_around_the_current_one(strips):
    strips.set_rows((row(1),), 1, 0)
    assert strips.isHidden()
    rows = tuple(row(number) for number in range(1, 301))
    strips.set_rows(rows, 200, 0)
    assert not strips.isHidden() and strips.words == "193 to 200 of 300 objects, scroll for others"
    assert strips.sizeHint().height() < 130
    at, none = QPointF(5, 5), Qt.MouseButton.NoButton
    wheel = QWheelEvent(
        at, at, QPoint(), QPoint(0, -120), none, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False
    )
    strips.wheelEvent(wheel)
    assert strips.words.startswith("194 to 201")
    strips.set_rows(rows[:MOST_ROWS], 2, 0)
    assert strips.words == ""


def test_a_row_has_the_colour_of_its_object_is_higher_where_it_is_surer_and_leads_there(strips, monkeypatch):
    strips.set_rows((row(1, colour="#ff0000"), row(2, colour="#0000ff", name="<b>&")), 2, 2)
    image = strips.grab().toImage()

    def high(x, top):
        return sum(image.pixelColor(x, top + y).green() < 30 < image.pixelColor(x, top + y).red() for y in range(9))

    assert high(20, 0) > high(150, 0) > 0 == high(240, 0)
    asked: list[tuple[int, int]] = []
    strips.place_requested.connect(lambda frame, number: asked.append((frame, number)))
    strips.mousePressEvent(mouse(strips, QEvent.Type.MouseButtonPress, 150, 14))
    strips.mousePressEvent(mouse(strips, QEvent.Type.MouseButtonPress, 150, 90))
    assert asked == [(1, 2)]
    told: list[str] = []
    monkeypatch.setattr(QToolTip, "showText", lambda at, text, widget: told.append(text))
    strips.mouseMoveEvent(mouse(strips, QEvent.Type.MouseMove, 20, 14))
    assert told[0].startswith("<qt>&lt;b&gt;&amp;, ") and "prompt here" in told[0]
