"""The confidence strip: what its colours and marks say, what is read out under the mouse, and where a click goes."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPaintEvent
from qtpy.QtWidgets import QToolTip

from napari_medsam2._gui.dock_state import Column
from napari_medsam2._gui.panels.strip import ConfidenceStrip, colour_of

COLUMNS = (Column(0.95), Column(0.2), Column(), Column(0.4, absent=True), Column(0.9, prompted=True))


class Watched(ConfidenceStrip):
    """Notes which parts of it are painted."""

    def __init__(self) -> None:
        super().__init__()
        self.painted: list[tuple[int, int]] = []

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if event is not None:
            self.painted.append((event.rect().left(), event.rect().right()))
        super().paintEvent(event)


@pytest.fixture
def strip(qtbot) -> Watched:
    strip = Watched()
    qtbot.addWidget(strip)
    strip.resize(500, 34)
    strip.set_columns(COLUMNS, 2)
    return strip


def seen(strip, x: int, y: int = 17) -> QColor:
    return strip.grab().toImage().pixelColor(x, y)


def mouse(strip, kind: QEvent.Type, x: float, button=Qt.MouseButton.NoButton) -> QMouseEvent:
    at = QPointF(x, 10)
    return QMouseEvent(kind, at, strip.mapToGlobal(at), button, button, Qt.KeyboardModifier.NoModifier)


def height_of(strip, x: int) -> int:
    """How many pixels of a column are coloured."""
    image = strip.grab().toImage()
    return sum(image.pixelColor(x, y).saturation() > 80 for y in range(strip.height()))


def test_sure_is_high_and_green_unsure_is_low_and_orange(strip):
    sure, unsure = seen(strip, 50, 25), seen(strip, 150, 25)
    assert sure.green() > 1.5 * sure.red() and unsure.red() > 1.5 * unsure.green()
    assert sure.name() == colour_of(0.95).name() and unsure.name() == colour_of(0.2).name()
    assert height_of(strip, 50) > 2 * height_of(strip, 150) > 0, "also without colours"
    assert colour_of(0.5).lightnessF() > colour_of(0.0).lightnessF() < colour_of(0.25).lightnessF()


def test_what_is_not_known_is_grey_and_where_nothing_is_there_is_a_foot(strip):
    assert height_of(strip, 250) == 0 < height_of(strip, 350) <= 4
    assert seen(strip, 350, 26).name() == colour_of(0.4).name(), "how sure it is that nothing is there"
    assert seen(strip, 250).name() != seen(strip, 350).name()


def test_a_prompted_frame_has_a_mark_and_the_frame_in_view_a_border_on_dark_and_on_light(strip):
    for text in ("#ffffff", "#101010"):
        strip.setStyleSheet(f"color: {text}; background: {'#808080'}")
        assert seen(strip, 450, 2).name() == text != seen(strip, 50, 2).name()
        between = [{seen(strip, 100 * frame + x).name() for x in (-2, -1, 0, 1)} for frame in range(1, 5)]
        assert [text in colours for colours in between] == [False, True, True, False], "around frame 2"


def test_without_frames_it_is_empty_and_goes_nowhere(qtbot):
    strip = ConfidenceStrip()
    qtbot.addWidget(strip)
    strip.resize(500, 34)
    asked: list[int] = []
    strip.frame_requested.connect(asked.append)
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert height_of(strip, 250) == 0 and strip.frame_at(250) is None and not asked


def test_arrow_keys_go_along_it(strip, qtbot):
    asked: list[int] = []
    strip.frame_requested.connect(asked.append)
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End):
        qtbot.keyClick(strip, key)
    assert asked == [1, 3, 0, 4]


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (50, "frame 0: segmented, confidence 0.95"),
        (250, "frame 2: not segmented yet"),
        (350, "frame 3: object not found, confidence 0.40"),
        (450, "frame 4: prompt here, confidence 0.90"),
    ],
)
def test_what_is_under_the_mouse_is_read_out(strip, monkeypatch, x, words):
    told: list[str] = []
    monkeypatch.setattr(QToolTip, "showText", lambda at, text, widget: told.append(text))
    strip.mouseMoveEvent(mouse(strip, QEvent.Type.MouseMove, x))
    assert told == [words]


def test_a_click_goes_to_its_frame_and_dragging_goes_along(strip, qtbot):
    asked: list[int] = []
    strip.frame_requested.connect(asked.append)
    strip.mousePressEvent(mouse(strip, QEvent.Type.MouseButtonPress, 150, Qt.MouseButton.LeftButton))
    strip.mouseMoveEvent(mouse(strip, QEvent.Type.MouseMove, 350, Qt.MouseButton.LeftButton))
    strip.mouseMoveEvent(mouse(strip, QEvent.Type.MouseMove, 9999, Qt.MouseButton.LeftButton))
    assert asked == [1, 3, 4]


def test_only_columns_that_differ_are_painted_again(strip, qtbot):
    with qtbot.waitExposed(strip):
        strip.show()
    strip.grab()
    strip.painted.clear()
    strip.set_columns((*COLUMNS[:1], Column(0.9), *COLUMNS[2:]), 2)
    qtbot.waitUntil(lambda: bool(strip.painted))
    assert all(left > 80 and right < 220 for left, right in strip.painted)
    assert seen(strip, 150, 25).name() == colour_of(0.9).name()
    strip.painted.clear()
    strip.set_columns((*COLUMNS[:1], Column(0.9), *COLUMNS[2:]), 4)
    qtbot.waitUntil(lambda: bool(strip.painted))
    assert all(left > 180 for left, _ in strip.painted), "where the border was, and where it is"
