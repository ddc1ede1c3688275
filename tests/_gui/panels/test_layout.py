"""The dock in a real window: steps that fold, no text that is cut in any theme or font size, the Tab key."""

from __future__ import annotations

import pytest
from face import running, settled
from fakes import moving_disc
from napari.settings import get_settings
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QWidget,
)

from napari_medsam2._gui.guide import LONGEST
from napari_medsam2._gui.panels.message_bar import CutText
from napari_medsam2._gui.panels.steps import Heading

CONTROLS = (QAbstractButton, QComboBox, QCheckBox)


@pytest.fixture
def appearance():
    """napari's settings of fonts and themes, which are put back."""
    chosen = get_settings().appearance
    before = chosen.font_size, chosen.theme
    yield chosen
    chosen.font_size, chosen.theme = before


@pytest.fixture
def window(make_napari_viewer, qtbot):
    """A viewer of 1280 x 720 with a dock on a disc that a click was found for."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    viewer.add_image(moving_disc(6)[0], name="scan")
    dock = running(viewer)
    dock.controller.choose_mode("stack")
    dock.prompt.tools["point"].click()
    viewer.layers.selection.active.add((1, 32, 22))
    qtbot.waitUntil(lambda: dock.controller.state.has_results and settled(dock), timeout=30_000)
    dock.window().activateWindow()
    qtbot.waitUntil(dock.isActiveWindow)
    yield viewer, dock
    dock.close_dock(timeout=10.0)


def open_all(dock) -> None:
    for step in (*dock.steps, dock.model_line):
        if not step.is_open:
            step.heading.click()


def text_of(widget: QWidget) -> str:
    return widget.currentText() if isinstance(widget, QComboBox) else widget.text()


def is_cut(widget: QWidget) -> bool:
    """True if the text of a button or a label has no room."""
    if isinstance(widget, QLabel):
        if widget.wordWrap():
            return widget.height() < QLabel.heightForWidth(widget, widget.width())
        return widget.width() < widget.sizeHint().width()
    if isinstance(widget, QComboBox):
        return False  # what layers and models are called may be long
    return widget.width() < widget.minimumSizeHint().width() or widget.height() < widget.minimumSizeHint().height()


def visible(dock, *kinds: type[QWidget]) -> list[QWidget]:
    found = [widget for widget in dock.findChildren(QWidget) if isinstance(widget, kinds) and widget.isVisible()]
    return [widget for widget in found if not widget.objectName().startswith("qt_")]


# ---- steps ---------------------------------------------------------------------------------------------------------


def test_what_a_newcomer_needs_is_in_sight_at_once(window):
    _, dock = window
    assert [step.is_open for step in dock.steps] == [False, True, False, True]
    for part in (*dock.prompt.tools.values(), dock.review.undo, dock.output.save, dock.footer.main, dock.footer.strip):
        corner = part.mapTo(dock, part.rect().bottomRight())
        assert part.isVisible() and dock.rect().contains(corner)
        assert part.visibleRegion().boundingRect().size() == part.size(), f"{part} is scrolled out of sight"


def test_a_folded_step_says_what_it_holds(window):
    _, dock = window
    image, objects, run, review = (step.heading.summary for step in dock.steps)
    assert image == "scan, 6 slices" and objects == "1 object"
    assert run == "Micro on cpu, automatic contrast" == dock.model_line.heading.summary and review == "not saved yet"
    dock.controller.choose_contrast(True)
    assert dock.steps[2].heading.summary == "Micro on cpu, contrast as shown"
    dock.steps[0].heading.click()
    dock.image.flow.click()
    assert dock.steps[0].heading.summary == "scan, 6 separate images"
    assert dock.steps[0].heading.accessibleName() == "1 Image: scan, 6 separate images"


def test_a_step_stays_as_the_user_left_it(window):
    viewer, dock = window
    image = dock.steps[0]
    image.heading.click()
    assert image.is_open and dock.image.picker.isVisible()
    viewer.layers.remove("scan")
    viewer.add_image(moving_disc(4)[0], name="other")
    assert image.is_open
    image.heading.click()
    assert not image.is_open and not dock.image.picker.isVisible()


def test_an_empty_viewer_begins_with_the_image(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = running(viewer)
    qtbot.waitUntil(dock.image.open.isVisible)
    assert dock.steps[0].is_open
    viewer.add_image(moving_disc(4)[0], name="scan")
    assert not dock.steps[0].is_open
    dock.close_dock(timeout=10.0)


# ---- room ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [9, 12, 18])
def test_nothing_is_cut_and_nothing_scrolls_sideways(window, appearance, qtbot, theme, size):
    viewer, dock = window
    appearance.theme, appearance.font_size = theme, size
    open_all(dock)
    dock.controller.store.say("It could not be read. " * 20)
    viewer.window.resize(1280, 720)
    area = dock.findChild(QScrollArea)
    qtbot.waitUntil(lambda: area.widget().width() <= area.viewport().width())
    QApplication.processEvents()
    assert viewer.window.geometry()[2] <= 1280, "the window had to grow"
    assert not area.horizontalScrollBar().isVisible()
    parts = [part for part in visible(dock, QPushButton, QToolButton, QCheckBox, QLabel) if text_of(part)]
    assert len(parts) > 25
    assert not [text_of(part) for part in parts if not isinstance(part, CutText) and is_cut(part)]
    assert dock.message.height() < dock.height() / 3
    dock.hint.say(LONGEST)
    QApplication.processEvents()
    assert not is_cut(dock.hint)


def test_the_foot_and_the_instruction_do_not_jump(window, qtbot):
    _, dock = window
    QApplication.processEvents()
    before = [dock.footer.geometry(), dock.hint.geometry()]
    states = dock.controller.store
    for words in ("Short.", "Something long that goes over several lines of the dock, and then on. " * 9):
        states.say(words)
        QApplication.processEvents()
        dock.hint.say(words)
        QApplication.processEvents()
        assert [dock.footer.geometry(), dock.hint.geometry()] == before


# ---- themes --------------------------------------------------------------------------------------------------------


def luminance(colour: QColor) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast_in(widget: QWidget) -> float:
    """The ratio of the lightest and the darkest pixel of a widget: of its text and what is behind it."""
    image = widget.grab().toImage()
    found = [luminance(image.pixelColor(x, y)) for x in range(0, image.width(), 2) for y in range(image.height())]
    return (max(found) + 0.05) / (min(found) + 0.05)


def test_text_can_be_read_in_both_themes_and_the_dock_follows(window, qtbot):
    viewer, dock = window
    seen = []
    for theme in ("light", "dark"):
        viewer.theme = theme
        dock.controller.store.say("It could not be read.")
        QApplication.processEvents()
        for part in (dock.hint, dock.message, dock.footer.main, dock.prompt.sign, *(s.heading for s in dock.steps)):
            assert contrast_in(part) >= 4.5, f"{part} on {theme}"
        seen.append(dock.hint.grab().toImage().pixelColor(dock.hint.width() - 3, 3).lightness())
    assert seen[0] > 180 and seen[1] < 80


# ---- keyboard ------------------------------------------------------------------------------------------------------


def test_the_tab_key_leads_through_the_dock_from_top_to_bottom(window, qtbot):
    viewer, dock = window
    open_all(dock)
    viewer.window.resize(1280, 1400)
    QApplication.processEvents()
    dock.help.setFocus(Qt.FocusReason.TabFocusReason)
    heights, seen = [], []
    while QApplication.focusWidget() is not None and dock.isAncestorOf(QApplication.focusWidget()):
        part = QApplication.focusWidget()
        if part in seen:
            break
        seen.append(part)
        heights.append(part.mapTo(dock, QPoint(0, part.height() // 2)).y())
        qtbot.keyClick(part, Qt.Key.Key_Tab)
    rises = [text_of(part) for part, low, high in zip(seen[1:], heights, heights[1:], strict=False) if high < low - 8]
    assert not rises, rises
    reachable = [part for part in visible(dock, *CONTROLS) if part.isEnabled()]
    assert {part for part in reachable if part not in seen} == set()
    assert dock.footer.strip in seen


def test_every_control_has_a_name_to_be_read_out(window):
    _, dock = window
    open_all(dock)
    dock.controller.store.say("It could not be read.")
    for part in (*visible(dock, *CONTROLS), dock.footer.strip, dock.footer.progress):
        name = part.accessibleName() or ("" if isinstance(part, (QComboBox, Heading)) else text_of(part))
        assert any(letter.isalpha() for letter in name), part
        if not isinstance(part, Heading) and part is not dock.footer.progress:
            assert part.toolTip(), name


def _takes_the_keyboard(part) -> bool:
    """True once it has it: windows of other processes on the same screen take it now and then."""
    part.window().activateWindow()
    part.setFocus(Qt.FocusReason.TabFocusReason)
    return part.hasFocus()


def test_what_has_the_keyboard_can_be_seen(window, qtbot):
    viewer, dock = window
    open_all(dock)
    for theme in ("light", "dark"):
        viewer.theme = theme
        QApplication.processEvents()
        for part in (dock.review.undo, dock.footer.main, dock.steps[1].heading, dock.image.picker, dock.run.preview):
            dock.help.setFocus()
            before = part.grab().toImage()
            qtbot.waitUntil(lambda part=part: _takes_the_keyboard(part))
            assert part.grab().toImage() != before, f"{part} on {theme}"


def test_a_click_leaves_the_keyboard_with_the_viewer_and_a_key_opens_a_step(window, qtbot):
    _, dock = window
    qtbot.mouseClick(dock.steps[2].heading, Qt.MouseButton.LeftButton)
    assert dock.steps[2].is_open and not dock.isAncestorOf(QApplication.focusWidget())
    dock.steps[2].heading.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(dock.steps[2].heading, Qt.Key.Key_Space)
    assert not dock.steps[2].is_open


def test_a_key_leads_into_the_dock_and_back_to_the_viewer(window, qtbot):
    viewer, dock = window
    dock.window().setFocus()
    qtbot.keyClick(dock.window(), Qt.Key.Key_F6)
    assert QApplication.focusWidget() is dock.steps[0].heading
    qtbot.keyClick(dock.steps[0].heading, Qt.Key.Key_F6)
    assert QApplication.focusWidget() is dock.window()
    dock.controller.go_to_frame(0)
    qtbot.keyClick(dock.window(), Qt.Key.Key_B)
    qtbot.waitUntil(lambda: dock.controller.state.tool == "box")
    assert viewer.layers.selection.active.name == "scan boxes"
